#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands.h"

static const command *const commands[] = {
    &command_info,        &command_tokenize, &command_score,
    &command_activations, &command_generate, &command_get,
    &command_dream,       &command_compare,  &command_examples,
    &command_survey,      &command_features, &command_explain,
    &command_report,      &command_image,    &command_autoencoder,
    &command_store,       &command_version,  NULL,
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
    return fail_work("cannot write to standard output%s%s", flushed ? "" : ": ",
                     flushed ? "" : strerror(errno));
}

static int finish_command(int code)
{
    struct rusage used;
    if (is_verbose() && getrusage(RUSAGE_SELF, &used) == 0)
        remark("reverie: %ld.%02ld s of processors, at most %ld MiB\n",
               (long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec),
               (long)(used.ru_utime.tv_usec / 10000), used.ru_maxrss >> 10);
    return finish(code);
}

/* Descriptors 0 to 2 are taken, so that no file of ours becomes one of them. Those that were closed fail when they are
 * used, as closed ones do. */
static bool take_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            return false;
    return true;
}

static void *allocate_json(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory) die_of_memory();
    return memory;
}

int main(int argc, char **argv)
{
    if (!take_standard_descriptors()) return EXIT_FAILED;
    json_set_alloc_funcs(allocate_json, free);
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_commands(stdout);
        return finish(EXIT_OK);
    }
    if (print_described(commands, name, argc > 2 ? argv[2] : "")) return finish(EXIT_OK);
    if (strcmp(name, "--version") == 0) name = "version";
    catch_signals();
    for (const command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return finish_command((*c)->run(*c, argc - 1, argv + 1));
    if (*name) fail_usage("unknown command '%s'\n", name);
    print_commands(stderr);
    return EXIT_USAGE;
}
