#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_of(const option *o)
{
    return o->kind == OPTION_FLAG || o->kind == OPTION_CHOICE ? NULL
           : o->argument                                      ? o->argument
                                                              : "X";
}

static void print_help(const command *c, const option *options)
{
    printf("reverie %s %s\n\n%s.\n", c->name, c->arguments, c->summary);
    if (c->help) printf("\n%s\n", c->help);
    printf("\nOptions:\n");
    for (const option *o = options; o->name; o++) {
        char left[64], letter[8] = "    ";
        if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
        const char *argument = kind_of(o);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, argument ? " " : "",
                 argument ? argument : "");
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "-h, --help", "this text");
}

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
        if (!kind_of(o) && strlen(o->name) == length - 3 &&
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
        if (!only_positional && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            print_help(c, options);
            return EXIT_OK;
        }
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
        } else if (!kind_of(o)) {
            if (value) return fail_usage("--%s takes no value", o->name);
            set_flag(o, !negated);
        } else {
            if (!value && ++i == argc)
                return fail_usage("--%s needs a value: %s", o->name, kind_of(o));
            if (!value) value = argv[i];
            if (!set_value(o, value))
                return fail_usage("--%s: cannot use '%s' as %s", o->name, value, kind_of(o));
        }
    }
    if (rest->count < c->least || rest->count > c->most)
        return fail_usage("usage: reverie %s %s\n         see reverie %s --help", c->name,
                          c->arguments, c->name);
    return -1;
}
