#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const command *const commands[] = {
    &command_info,     &command_tokenize,    &command_score,   &command_activations,
    &command_generate, &command_get,         &command_dream,   &command_compare,
    &command_examples, &command_survey,      &command_explain, &command_report,
    &command_image,    &command_autoencoder, &command_version, NULL,
};

static void print_commands(FILE *stream)
{
    fprintf(stream,
            "reverie: deep dream for language models\n\nusage: reverie COMMAND ...\n\n");
    for (const command *const *c = commands; *c; c++)
        fprintf(stream, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fprintf(stream, "\nreverie COMMAND --help tells more.\n");
}

/* The last bytes must reach their reader before a command may call itself done. */
static int finish(int code)
{
    bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout)) return code;
    fprintf(stderr, "reverie: cannot write to standard output%s%s\n", flushed ? "" : ": ",
            flushed ? "" : strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_commands(stdout);
        return finish(EXIT_OK);
    }
    if (print_described(commands, name, argc > 2 ? argv[2] : "")) return finish(EXIT_OK);
    if (strcmp(name, "--version") == 0) name = "version";
    catch_signals();
    for (const command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0) return finish((*c)->run(*c, argc - 1, argv + 1));
    if (*name) fprintf(stderr, "reverie: unknown command '%s'\n\n", name);
    print_commands(stderr);
    return EXIT_USAGE;
}
