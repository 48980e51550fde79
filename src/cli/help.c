/* What the tables of commands and options say: as help, as a man page, as completion of bash. */
#include <stdio.h>
#include <string.h>

#include "options.h"

bool takes_value(const option *o)
{
    return o->kind != OPTION_FLAG && o->kind != OPTION_CHOICE && o->kind != OPTION_GROUP;
}

const char *argument_name(const option *o)
{
    return o->argument ? o->argument : "X";
}

/* What every command takes. */
static const option common[] = {
    {"Help", .kind = OPTION_GROUP},
    {"quiet", 'q', OPTION_FLAG, NULL, NULL, "say nothing but the result and errors"},
    {"verbose", 'v', OPTION_FLAG, NULL, NULL,
     "report progress where nobody watches, and what the work took"},
    {"help", 'h', OPTION_FLAG, NULL, NULL, "this text"},
    {0}};

/* What the option does, and its default, which is the value before anything was read. */
static const char *full_help(char *out, size_t room, const option *o)
{
    int used = snprintf(out, room, "%s", o->help);
    if (!o->value || strstr(o->help, "(default") || used < 0 || (size_t)used >= room)
        return out;
    const char *text = takes_value(o) && o->kind != OPTION_LIST && o->kind != OPTION_INPUTS &&
                               o->kind != OPTION_INTEGER && o->kind != OPTION_NUMBER
                           ? *(const char **)o->value
                           : NULL;
    if (o->kind == OPTION_INTEGER)
        snprintf(out + used, room - (size_t)used, " (default: %lld)",
                 (long long)*(int64_t *)o->value);
    else if (o->kind == OPTION_NUMBER)
        snprintf(out + used, room - (size_t)used, " (default: %g)", *(double *)o->value);
    else if (o->kind == OPTION_FLAG && *(bool *)o->value)
        snprintf(out + used, room - (size_t)used, " (default; --no-%s: do not)", o->name);
    else if (text)
        snprintf(out + used, room - (size_t)used, " (default: %s)", text);
    return out;
}

/* ---- for a terminal -------------------------------------------------------------------------- */

static void print_rows(const option *options)
{
    if (options->name && options->kind != OPTION_GROUP) printf("\nOptions:\n");
    for (const option *o = options; o->name; o++) {
        char left[64], letter[8] = "    ", help[600];
        if (o->kind == OPTION_GROUP) {
            printf("\n%s:\n", o->name);
            continue;
        }
        if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, takes_value(o) ? " " : "",
                 takes_value(o) ? argument_name(o) : "");
        printf("  %-26s %s\n", left, full_help(help, sizeof help, o));
    }
}

static void print_text(const command *c, const option *options)
{
    printf("reverie %s %s\n\n%s.\n", c->name, c->arguments, c->summary);
    if (c->help) printf("\n%s\n", c->help);
    print_rows(options);
    print_rows(common);
}

/* ---- for man --------------------------------------------------------------------------------- */

/* One line of roff: no character of it commands. */
static void put_roff(const char *text, size_t length)
{
    if (length && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            fputs("\\e", stdout);
        else if (text[i] == '-')
            fputs("\\-", stdout);
        else
            putchar(text[i]);
    }
}

/* Paragraphs flow; lines that begin with a space are examples and stay as they are. */
static void put_roff_paragraphs(const char *text)
{
    bool example = false;
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (length && (*text == ' ') != example) {
            example = !example;
            puts(example ? ".EX" : ".EE");
        }
        if (length)
            put_roff(text, length), putchar('\n');
        else if (!example)
            puts(".PP");
        text += length + (text[length] == '\n');
    }
    if (example) puts(".EE");
}

static void print_manual_section(const command *c, const option *options)
{
    printf(".SS \"reverie %s\"\n.B reverie %s\n", c->name, c->name);
    put_roff(c->arguments, strlen(c->arguments));
    printf("\n.PP\n");
    put_roff(c->summary, strlen(c->summary));
    printf(".\n");
    if (c->help) printf(".PP\n"), put_roff_paragraphs(c->help);
    for (const option *o = options; o->name; o++) {
        char help[600];
        if (o->kind == OPTION_GROUP) {
            printf(".PP\n%s:\n", o->name);
            continue;
        }
        printf(".TP\n\\fB");
        if (o->letter) printf("\\-%c\\fR, \\fB", o->letter);
        printf("\\-\\-");
        put_roff(o->name, strlen(o->name));
        printf("\\fR");
        if (takes_value(o)) printf(" \\fI%s\\fR", argument_name(o));
        putchar('\n');
        full_help(help, sizeof help, o);
        put_roff(help, strlen(help));
        putchar('\n');
    }
}

/* ---- for a shell ----------------------------------------------------------------------------- */

/* A later case overrides: "image train" comes after "image". */
static void print_words(const command *c, const option *options)
{
    printf("    \"%s \"*) options='", c->name);
    for (const option *o = options; o->name; o++)
        if (o->kind != OPTION_GROUP) printf("--%s ", o->name);
    printf("--quiet --verbose --help' names='");
    for (const command *const *part = c->parts; part && *part; part++)
        printf("%s ", strrchr((*part)->name, ' ') + 1);
    printf("' ;;&\n");
}

/* ---- all ------------------------------------------------------------------------------------- */

int print_help(const command *c, const option *options, const char *form)
{
    if (!form)
        print_text(c, options);
    else if (strcmp(form, "man") == 0)
        print_manual_section(c, options);
    else if (strcmp(form, "bash") == 0)
        print_words(c, options);
    else
        return fail_usage("--help takes no value");
    return EXIT_OK;
}

/* What every command, and every part of one, says of itself. */
static void print_all(const command *const *commands, const char *form)
{
    for (; *commands; commands++) {
        const command *c = *commands;
        char name[64], help[16];
        char *argv[] = {name, help, NULL};
        snprintf(name, sizeof name, "%s", c->name);
        snprintf(help, sizeof help, "--help=%s", form);
        c->run(c, 2, argv);
        if (c->parts) print_all(c->parts, form);
    }
}

static void print_manual(const command *const *commands)
{
    printf(
        ".TH REVERIE 1 \"\" \"Reverie %s\" \"User Commands\"\n"
        ".SH NAME\nreverie \\- deep dream for language models\n"
        ".SH SYNOPSIS\n.B reverie\n.I COMMAND\n.RI [ arguments ]\n"
        ".SH DESCRIPTION\n"
        "Finds the sentences that a unit of a language model dreams of, shows them beside the "
        "best of a corpus,\nexplains the unit and scores the explanation.\n"
        "Results are printed on standard output, everything else on standard error.\n"
        "Every command takes \\-\\-quiet (\\-q): say nothing but the result and errors, and "
        "\\-\\-verbose "
        "(\\-v): report\nprogress where nobody watches, and what the work took.\n"
        ".SH COMMANDS\n",
        RV_VERSION_STRING);
    print_all(commands, "man");
    printf(
        ".SH EXIT STATUS\n.TP\n0\nSuccess.\n.TP\n1\nThe work failed, or was interrupted; what "
        "was found is kept.\n.TP\n2\nWrong use.\n"
        ".SH FILES\n.TP\n.I ~/.cache/reverie\nModels that may be named by their file name "
        "(models/), and what earlier runs learned.\n$XDG_CACHE_HOME moves it.\n");
}

/* Options after a dash, else the names of commands and parts; else bash offers files. */
static void print_completion(const command *const *commands)
{
    printf("# Completion for bash, written by `reverie --completion bash`.\n"
           "_reverie()\n{\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} options='--help --version' names='");
    for (const command *const *c = commands; *c; c++) printf("%s ", (*c)->name);
    printf("'\n    [ \"$COMP_CWORD\" = 1 ] || names=\n"
           "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]-} \" in\n");
    print_all(commands, "bash");
    printf("    esac\n"
           "    [ \"$COMP_CWORD\" -le 2 ] || names=\n"
           "    case $word in -*) names=$options ;; esac\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$names\" -- \"$word\")\n"
           "}\n"
           "complete -o default -F _reverie reverie\n");
}

bool print_described(const command *const *commands, const char *what, const char *form)
{
    if (strcmp(what, "--man") == 0)
        print_manual(commands);
    else if (strcmp(what, "--completion") == 0 && strcmp(form, "bash") == 0)
        print_completion(commands);
    else
        return false;
    return true;
}
