/* Command lines from tables: parsing, defaults and help come from the same rows, so that they
 * cannot drift apart.
 *
 *     const char *text = NULL; bool json = false; int64_t seed = 1;
 *     const option options[] = {
 *         {"text", 't', OPTION_STRING, &text, "T", "the text to read"},
 *         {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object"},
 *         {"seed", 's', OPTION_INTEGER, &seed, "N", "seed of the random numbers (default 1)"},
 *         {0}};
 *     arguments rest;
 *     int code = options_parse(&rest, argc, argv, &command_score, options);
 *     if (code >= 0) return code;                                                         */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reverie/reverie.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef enum option_kind {
    OPTION_FLAG,    /* bool: --name sets true, --no-name false */
    OPTION_CHOICE,  /* int: --name sets 1, --no-name 0; leave at -1 for "not said" */
    OPTION_STRING,  /* const char * */
    OPTION_INTEGER, /* int64_t, >= 0; suffixes k and M */
    OPTION_NUMBER,  /* double */
    OPTION_LIST     /* string_list: may be given many times */
} option_kind;

typedef struct option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    option_kind kind;
    void *value;
    const char *argument; /* its name in the help; NULL for flags */
    const char *help;
} option;

enum { LIST_MAX = 1024 };

typedef struct string_list {
    const char *items[LIST_MAX];
    size_t count;
} string_list;

typedef struct command {
    const char *name;
    const char *arguments; /* "MODEL TARGET [options]" */
    const char *summary;   /* one line */
    const char *help;      /* paragraphs and examples, shown by `reverie NAME --help` */
    size_t least, most;    /* positional arguments */
    int (*run)(const struct command *self, int argc, char **argv);
    const struct command *const *parts; /* of "image": "image train", ..., NULL; or NULL */
} command;

/* `run` of a command that has parts. */
int run_part(const command *self, int argc, char **argv);

/* Positional arguments, as many as the command takes. */
typedef string_list arguments;

/* argv[0] is the command's name. Returns -1 to go on, else the exit code (help was printed: 0;
 * wrong use was explained on stderr: 2). */
int options_parse(arguments *rest, int argc, char **argv, const command *command,
                  const option *options);

/* ---- what the tables say (help.c) ------------------------------------------------------------ */

bool takes_value(const option *o);
const char *argument_name(const option *o); /* of the value */

/* form NULL: for people; "man": a section of the man page; "bash": a case of the completion. Returns the
 * exit code. */
int print_help(const command *command, const option *options, const char *form);
/* `reverie --man` and `reverie --completion bash`: false where it was neither. `commands` ends with NULL. */
bool print_described(const command *const *commands, const char *what, const char *form);

/* Prints "reverie: message" on stderr; returns EXIT_USAGE for RV_ERR_USAGE, else EXIT_FAILED. */
int fail(const rv_error *err);
/* The same with a message of its own; returns EXIT_USAGE. */
int fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Progress on stderr: one line, rewritten on a terminal; a line every few seconds elsewhere.
 * Returns false (cancel) after SIGINT or SIGTERM. Pass NULL as context. */
bool show_progress(void *context, const rv_progress *event);
/* Ends the progress line, if one is on the screen. */
void end_progress(void);
/* Ctrl-C and SIGTERM are from now on seen by show_progress; a second one kills. */
void catch_signals(void);

/* What stdout can show: colours if it is a terminal that has them and NO_COLOR is not set, and its
 * width. */
rv_terminal terminal_of_stdout(void);

/* Whether Ctrl-C or SIGTERM came. */
bool was_interrupted(void);

/* The text a command works on: --text, --file, or standard input; malloc'ed, any bytes. Returns -1 to
 * go on, else the exit code, having explained itself on stderr. */
int read_text(char **out, size_t *length, const char *text, const char *file);

/* ---- commands on a model and a text --------------------------------------------------------- */

typedef struct model_options {
    int bos; /* -1: not said */
    bool special;
    int64_t threads;
    const char *kernels;
} model_options;

#define MODEL_OPTIONS_DEFAULT \
    {                         \
        .bos = -1             \
    }

/* The rows of every command that puts text into a model. */
#define TEXT_ROWS(text, file)                                \
    {"text", 0, OPTION_STRING, &(text), "T", "the text"},    \
    {                                                        \
        "file", 'f', OPTION_STRING, &(file), "F",            \
            "a file with the text (default: standard input)" \
    }
#define TOKEN_ROWS(m)                                                                \
    {"bos",    0,    OPTION_CHOICE,                                                  \
     &(m).bos, NULL, "put BOS, or the document separator, first; --no-bos: do not"}, \
    {                                                                                \
        "special", 0, OPTION_FLAG, &(m).special, NULL,                               \
            "special tokens written in the text count as such"                       \
    }
#define MODEL_ROWS(m)                                                             \
    {"threads", 0, OPTION_INTEGER, &(m).threads, "N", "default: all processors"}, \
    {                                                                             \
        "kernels", 0, OPTION_STRING, &(m).kernels, "NAME",                        \
            "avx512, avx2, portable or reference (default: the fastest)"          \
    }

/* With progress on stderr. */
rv_model_params model_params(const model_options *options);

/* Prints and frees what a function of the library gave; else explains its failure. */
int print_object(rv_status status, char *json, const rv_error *err);

/* Any bytes; on a terminal, controls other than newline and tab become '?'. */
void put_text(const char *bytes, size_t length);

/* Tokens as lines of text, each on a background as strong as sign * value / scale. */
void put_heat(const rv_tokens *tokens, double sign, double scale);

/* One token as it may be shown inside a line: malloc'ed, "?" where memory is short. */
char *visible_token(const rv_token *token);

/* "no BOS (the tokenizer's configuration adds none)" */
void put_bos(const rv_bos *bos);

#endif
