#include <stdio.h>

#include "commands.h"

static int run(const command *self, int argc, char **argv)
{
    const option options[] = {{0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    printf("reverie %s\n", RV_VERSION_STRING);
    return EXIT_OK;
}

const command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "Print the version",
    .run = run,
};
