#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---------------------------------------------------------------------------------- */

static bool parse_integer(int64_t *out, const option *o, const char *text)
{
    char *end;
    if (!isdigit((unsigned char)*text)) return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno) return false;
    int64_t scale = 1;
    if (*end == 'k')
        scale = 1000, end++;
    else if (*end == 'M')
        scale = 1000000, end++;
    if (*end || __builtin_mul_overflow((int64_t)value, scale, out)) return false;
    return (double)*out >= o->least && (o->most == 0 || (double)*out <= o->most);
}

/* Decimal: what strtod takes beside that (nan, inf, 0x1p3, blanks) is no number that an option can mean. */
static bool parse_number(double *out, const option *o, const char *text)
{
    char *end;
    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text)) return false;
    *out = strtod(text, &end) + 0.0; // -0 is 0
    if (end == text || *end || !isfinite(*out)) return false;
    return (o->least == 0 && o->most == 0) || (*out >= o->least && *out <= o->most);
}

static int refuse(const option *o, const char *found)
{
    bool whole = o->kind == OPTION_INTEGER;
    double most = o->most > 0 || !whole ? o->most : (double)INT64_MAX;
    if (o->kind == OPTION_NUMBER && o->least == 0 && o->most == 0)
        return fail_usage("--%s: expected a number, found '%s'", o->name, found);
    if (most < DBL_MAX && (!whole || o->most > 0))
        return fail_usage("--%s: expected a %snumber from %.15g to %.15g, found '%s'", o->name,
                          whole ? "whole " : "", o->least, most, found);
    return fail_usage("--%s: expected a %snumber of at least %.15g, found '%s'", o->name,
                      whole ? "whole " : "", o->least, found);
}

/* -1, or the exit code. */
static int set_value(const option *o, const char *argument)
{
    int64_t integer;
    double number;
    string_list *list = o->value;
    switch (o->kind) {
    case OPTION_INTEGER:
        if (!parse_integer(&integer, o, argument)) return refuse(o, argument);
        *(int64_t *)o->value = integer;
        return -1;
    case OPTION_NUMBER:
        if (!parse_number(&number, o, argument)) return refuse(o, argument);
        *(double *)o->value = number;
        return -1;
    case OPTION_LIST:
    case OPTION_INPUTS:
        if (list->count == LIST_MAX)
            return fail_usage("--%s: expected it at most %d times", o->name, LIST_MAX);
        list->items[list->count++] = argument;
        return -1;
    case OPTION_INPUT:
    case OPTION_OUTPUT:
        if (!*argument) return fail_usage("--%s: expected a name, found ''", o->name);
        /* fall through */
    default:
        *(const char **)o->value = argument;
        return -1;
    }
}

static void set_flag(const option *o, bool on)
{
    if (o->kind == OPTION_FLAG)
        *(bool *)o->value = on;
    else
        *(int *)o->value = on;
}

/* ---- outputs --------------------------------------------------------------------------------- */

static const option *find_force(const option *options)
{
    for (const option *o = options; o->name; o++)
        if (o->kind == OPTION_FLAG && strcmp(o->name, "force") == 0) return o;
    return NULL;
}

int check_output(const char *path, rv_output_kind kind, const arguments *rest,
                 const option *options)
{
    const option *force = find_force(options);
    bool forced = force && *(bool *)force->value;
    rv_error err;
    rv_status status = rv_output_check(path, kind, forced, rest->items, rest->count, &err);
    for (const option *o = options; status == RV_OK && o->name; o++) {
        const string_list *list = o->value;
        const char *const *one = o->value;
        if (o->kind == OPTION_INPUTS)
            status = rv_output_check(path, kind, forced, list->items, list->count, &err);
        else if (o->kind == OPTION_INPUT && *one)
            status = rv_output_check(path, kind, forced, one, 1, &err);
    }
    return status == RV_OK ? -1 : fail(&err);
}

static int check_outputs(const arguments *rest, const option *options)
{
    for (const option *o = options; o->name; o++) {
        if (o->kind != OPTION_OUTPUT || !*(const char **)o->value) continue;
        const char *path = *(const char **)o->value;
        for (const option *p = options; p != o; p++)
            if (p->kind == OPTION_OUTPUT && *(const char **)p->value &&
                rv_same_place(path, *(const char **)p->value))
                return fail_usage("--%s and --%s: expected two files, found %s twice", p->name,
                                  o->name, path);
        int code = check_output(path, o->written, rest, options);
        if (code >= 0) return code;
    }
    return -1;
}

/* ---- the line -------------------------------------------------------------------------------- */

/* Finds --name, or --no-name of a flag (then *negated). `length` is without "=value". */
static const option *find_long(const option *options, const char *name, size_t length,
                               bool *negated)
{
    *negated = false;
    for (const option *o = options; o->name; o++)
        if (o->kind != OPTION_GROUP && strlen(o->name) == length &&
            strncmp(o->name, name, length) == 0)
            return o;
    if (length <= 3 || strncmp(name, "no-", 3) != 0) return NULL;
    *negated = true;
    for (const option *o = options; o->name; o++)
        if (!takes_value(o) && o->kind != OPTION_GROUP && strlen(o->name) == length - 3 &&
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

/* What every command takes. */
static bool take_loudness(const char *text)
{
    bool quiet = strcmp(text, "-q") == 0 || strcmp(text, "--quiet") == 0;
    if (!quiet && strcmp(text, "-v") != 0 && strcmp(text, "--verbose") != 0) return false;
    set_loudness(quiet ? -1 : 1);
    return true;
}

/* The option at argv[*i], and its value, which may be the next. -1, or the exit code. */
static int take_option(int *i, int argc, char **argv, arguments *rest, const command *c,
                       const option *options)
{
    const char *text = argv[*i], *value = NULL;
    bool negated = false;
    const option *o = NULL;
    if (strncmp(text, "--", 2) == 0) {
        const char *equals = strchr(text, '=');
        size_t length = equals ? (size_t)(equals - text) - 2 : strlen(text + 2);
        o = find_long(options, text + 2, length, &negated);
        if (!o) return fail_usage("unknown option %s; see reverie %s --help", text, c->name);
        if (equals) value = equals + 1;
    } else {
        o = find_letter(options, text);
    }
    if (!o) {
        if (rest->count == LIST_MAX) return fail_usage("too many arguments");
        rest->items[rest->count++] = text;
        return -1;
    }
    if (!takes_value(o)) {
        if (value) return fail_usage("--%s takes no value", o->name);
        set_flag(o, !negated);
        return -1;
    }
    if (!value && ++*i == argc)
        return fail_usage("--%s needs a value: %s", o->name, argument_name(o));
    return set_value(o, value ? value : argv[*i]);
}

int options_parse(arguments *rest, int argc, char **argv, const command *c,
                  const option *options)
{
    *rest = (arguments){0};
    int i = 1, code = -1;
    for (; i < argc && code < 0 && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return print_help(c, options, NULL);
        if (strncmp(argv[i], "--help=", 7) == 0) return print_help(c, options, argv[i] + 7);
        if (!take_loudness(argv[i])) code = take_option(&i, argc, argv, rest, c, options);
    }
    if (code >= 0) return code;
    for (i++; i < argc; i++) { // behind --
        if (rest->count == LIST_MAX) return fail_usage("too many arguments");
        rest->items[rest->count++] = argv[i];
    }
    if (rest->count < c->least || rest->count > c->most)
        return fail_usage("usage: reverie %s %s\n         see reverie %s --help", c->name,
                          c->arguments, c->name);
    return check_outputs(rest, options);
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
