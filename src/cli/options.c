#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fail_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end_progress();
    fprintf(stderr, "reverie: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return EXIT_USAGE;
}

int fail(const rv_error *err)
{
    end_progress();
    fprintf(stderr, "reverie: %s\n", err->message);
    return err->status == RV_ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static bool parse_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno || value < 0) return false;
    int64_t scale = 1;
    if (*end == 'k')
        scale = 1000, end++;
    else if (*end == 'M')
        scale = 1000000, end++;
    return *end == '\0' && !__builtin_mul_overflow((int64_t)value, scale, out);
}

static bool set_value(const option *o, const char *argument)
{
    char *end;
    switch (o->kind) {
    case OPTION_STRING:
        *(const char **)o->value = argument;
        return true;
    case OPTION_INTEGER:
        return parse_integer(argument, o->value);
    case OPTION_NUMBER:
        *(double *)o->value = strtod(argument, &end);
        return end != argument && *end == '\0';
    case OPTION_LIST: {
        string_list *list = o->value;
        if (list->count == LIST_MAX) return false;
        list->items[list->count++] = argument;
        return true;
    }
    default:
        return false;
    }
}

static void set_flag(const option *o, bool on)
{
    if (o->kind == OPTION_FLAG)
        *(bool *)o->value = on;
    else
        *(int *)o->value = on;
}

/* Finds --name, or --no-name of a flag (then *negated). `length` is without "=value". */
static const option *find_long(const option *options, const char *name, size_t length,
                               bool *negated)
{
    *negated = false;
    for (const option *o = options; o->name; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0) return o;
    if (length <= 3 || strncmp(name, "no-", 3) != 0) return NULL;
    *negated = true;
    for (const option *o = options; o->name; o++)
        if (!takes_value(o) && strlen(o->name) == length - 3 &&
            strncmp(o->name, name + 3, length - 3) == 0)
            return o;
    return NULL;
}

/* A letter that is an option of its own; a target such as -L5.N131 is none. */
static const option *find_letter(const option *options, const char *text)
{
    if (text[0] != '-' || text[1] == '\0' || text[2] != '\0') return NULL;
    for (const option *o = options; o->name; o++)
        if (o->letter == text[1]) return o;
    return NULL;
}

int options_parse(arguments *rest, int argc, char **argv, const command *c,
                  const option *options)
{
    *rest = (arguments){0};
    bool only_positional = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i], *value = NULL;
        bool negated = false;
        const option *o = NULL;
        if (!only_positional && strcmp(text, "--") == 0) {
            only_positional = true;
            continue;
        }
        if (!only_positional && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0))
            return print_help(c, options, NULL);
        if (!only_positional && strncmp(text, "--help=", 7) == 0)
            return print_help(c, options, text + 7);
        if (!only_positional && strncmp(text, "--", 2) == 0) {
            const char *equals = strchr(text, '=');
            size_t length = equals ? (size_t)(equals - text) - 2 : strlen(text + 2);
            o = find_long(options, text + 2, length, &negated);
            if (!o)
                return fail_usage("unknown option %s; see reverie %s --help", text, c->name);
            if (equals) value = equals + 1;
        } else if (!only_positional) {
            o = find_letter(options, text);
        }
        if (!o) {
            if (rest->count == LIST_MAX) return fail_usage("too many arguments");
            rest->items[rest->count++] = text;
        } else if (!takes_value(o)) {
            if (value) return fail_usage("--%s takes no value", o->name);
            set_flag(o, !negated);
        } else {
            if (!value && ++i == argc)
                return fail_usage("--%s needs a value: %s", o->name, argument_name(o));
            if (!value) value = argv[i];
            if (!set_value(o, value))
                return fail_usage("--%s: cannot use '%s' as %s", o->name, value,
                                  argument_name(o));
        }
    }
    if (rest->count < c->least || rest->count > c->most)
        return fail_usage("usage: reverie %s %s\n         see reverie %s --help", c->name,
                          c->arguments, c->name);
    return -1;
}

int run_part(const command *self, int argc, char **argv)
{
    const size_t prefix = strlen(self->name) + 1;
    for (const command *const *part = self->parts; argc > 1 && *part; part++)
        if (strcmp(argv[1], (*part)->name + prefix) == 0)
            return (*part)->run(*part, argc - 1, argv + 1);
    const option options[] = {{0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    return code >= 0 ? code
                     : fail_usage("unknown '%s': expected %s", rest.items[0], self->arguments);
}
