/* Command lines from tables: parsing, defaults and help come from the same rows, so that they
 * cannot drift apart.
 *
 *     const char *text = NULL; bool json = false; int64_t seed = 1;
 *     const option options[] = {
 *         {"text", 't', OPTION_STRING, &text, "T", "the text to read"},
 *         {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object"},
 *         {"seed", 's', OPTION_INTEGER, &seed, "N", "seed of the random numbers", .most = 1000},
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
    OPTION_INTEGER, /* int64_t, least to most (most 0: no bound); suffixes k and M */
    OPTION_NUMBER,  /* double, likewise; both 0: any finite number */
    OPTION_LIST,    /* string_list: may be given many times */
    OPTION_INPUT,   /* const char *: a file, folder or model that is read */
    OPTION_INPUTS,  /* string_list of such */
    OPTION_OUTPUT,  /* const char *: a file or folder that is `written` */
    OPTION_GROUP    /* no option: `name` heads the ones that follow in the help */
} option_kind;

typedef struct option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    option_kind kind;
    void *value;
    const char *argument; /* its name in the help; NULL for flags */
    const char *help;     /* the default is added where the value has one */
    double least, most;
    rv_output_kind written;
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
 * wrong use was explained on stderr: 2). What the options write has then been held against what they and the
 * positional arguments read (rv_output_check). */
int options_parse(arguments *rest, int argc, char **argv, const command *command,
                  const option *options);

/* The same check for an output whose name the command line left open. */
int check_output(const char *path, rv_output_kind kind, const arguments *rest,
                 const option *options);

/* Any command that writes: what stands where it writes may be anything. */
#define FORCE_ROW(force)                                                     \
    {                                                                        \
        "force", 0, OPTION_FLAG, &(force), NULL,                             \
            "replace an output, whatever it holds, but nothing that is read" \
    }

/* ---- what the tables say (help.c) ------------------------------------------------------------ */

bool takes_value(const option *o);
const char *argument_name(const option *o); /* of the value */

/* form NULL: for people; "man": a section of the man page; "bash": a case of the completion. Returns the
 * exit code. */
int print_help(const command *command, const option *options, const char *form);
/* `reverie --man` and `reverie --completion bash`: false where it was neither. `commands` ends with NULL. */
bool print_described(const command *const *commands, const char *what, const char *form);

/* ---- what a command says (terminal.c) -------------------------------------------------------- */

/* Prints "reverie: message" on stderr; returns EXIT_USAGE for RV_ERR_USAGE, else EXIT_FAILED. */
int fail(const rv_error *err);
/* The same with a message of its own; returns EXIT_USAGE, or EXIT_FAILED. */
int fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fail_work(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "reverie: out of memory"; ends the program at once with EXIT_FAILED. */
_Noreturn void die_of_memory(void);

/* printf on stdout, for people: what the arguments hold commands no terminal (rv_tame). */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same on stderr, beside the result: nothing with --quiet. */
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* -1: --quiet, 1: --verbose. */
void set_loudness(int loudness);
bool is_verbose(void);

/* Progress on stderr: one line, rewritten, where a person watches; elsewhere nothing, or a line every few
 * seconds with --verbose. Returns false (cancel) after a signal that asks to end. Pass NULL as context. */
bool show_progress(void *context, const rv_progress *event);
/* What the user should know although nothing failed, on stderr. Pass NULL as context. */
void show_notice(void *context, const char *sentence);
/* Ends the progress line, if one is on the screen. */
void end_progress(void);
/* Ctrl-C, SIGTERM and SIGHUP are from now on seen by show_progress; a second one kills. */
void catch_signals(void);

/* What stdout can show: colours if it is a terminal that has them and NO_COLOR is not set, and its
 * width. */
rv_terminal terminal_of_stdout(void);

/* Whether Ctrl-C, SIGTERM or SIGHUP came. */
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
#define TEXT_ROWS(text, file)                                                             \
    {"Text", .kind = OPTION_GROUP}, {"text", 0, OPTION_STRING, &(text), "T", "the text"}, \
    {                                                                                     \
        "file", 'f', OPTION_INPUT, &(file), "F",                                          \
            "a file with the text, - for standard input (default: -)"                     \
    }
#define TOKEN_ROWS(m)                                               \
    {"bos",                                                         \
     0,                                                             \
     OPTION_CHOICE,                                                 \
     &(m).bos,                                                      \
     NULL,                                                          \
     "put BOS, or the document separator, first; --no-bos: do not " \
     "(default: as the tokenizer's configuration says)"},           \
    {                                                               \
        "special", 0, OPTION_FLAG, &(m).special, NULL,              \
            "special tokens written in the text count as such"      \
    }
#define THREADS_ROW(threads)                                        \
    {                                                               \
        "threads", 't', OPTION_INTEGER, &(threads), "N",            \
            "processors that are used (default: all)", .most = 1024 \
    }
#define KERNELS_ROW(kernels)                                             \
    {                                                                    \
        "kernels", 0, OPTION_STRING, &(kernels), "NAME",                 \
            "avx512, avx2, portable or reference (default: the fastest)" \
    }
#define MODEL_ROWS(m) \
    {"Computing", .kind = OPTION_GROUP}, THREADS_ROW((m).threads), KERNELS_ROW((m).kernels)

/* With progress on stderr. */
rv_model_params model_params(const model_options *options);

/* Prints and frees what a function of the library gave; else explains its failure. */
int print_object(rv_status status, char *json, const rv_error *err);

/* JSON as it is, but for characters that would command a terminal: as \\u escapes. */
void put_json(const char *json);

/* Any bytes, as `say` shows them; `raw`: as they are, unless stdout is a terminal. */
void put_text(const char *bytes, size_t length, bool raw);

/* Tokens as lines of text, each on a background as strong as sign * value / scale. */
void put_heat(const rv_tokens *tokens, double sign, double scale);

/* One token as it may be shown inside a line: malloc'ed. */
char *visible_token(const rv_token *token);

/* The command line as a shell would read it; malloc'ed. */
char *command_line(int argc, char **argv);

/* "no BOS (the tokenizer's configuration adds none)" */
void put_bos(const rv_bos *bos);

#endif
