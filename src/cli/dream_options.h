/* The options of every command that dreams. */
#ifndef CLI_DREAM_OPTIONS_H
#define CLI_DREAM_OPTIONS_H

#include "options.h"

typedef struct dream_options {
    rv_model_params open;
    rv_dream_params dream;
    string_list corpus, prompts, forbidden;
    int64_t budget, length, least, tokens, memory, threads;
    int bos; /* -1: not said */
    const char *fluency, *prompt_file;
    char *prompt_lines; /* of prompt_file */
} dream_options;

dream_options dream_options_default(void);

#define DREAM_ROWS(o)                                                                            \
    {"Search", .kind = OPTION_GROUP},                                                            \
        {"budget",    'b', OPTION_INTEGER,                                                       \
         &(o).budget, "N", "forward tokens to spend, k and M allowed",                           \
         .most = 1e15},                                                                          \
        {"length",       'n', OPTION_INTEGER, &(o).length, "N", "tokens of a dream, at most",    \
         .most = 1 << 20},                                                                       \
        {"least",        0,   OPTION_INTEGER,                                                    \
         &(o).least,     "N", "tokens of a dream, at least (default: as --length)",              \
         .most = 1 << 20},                                                                       \
        {"repetition",  0,                                                                       \
         OPTION_NUMBER, &(o).dream.repetition,                                                   \
         "NATS",        "penalty for repeated tokens",                                           \
         .most = 1e6},                                                                           \
        {"exact",          0,    OPTION_FLAG,                                                    \
         &(o).dream.exact, NULL, "judge every candidate in full and in float32"},                \
        {"fluency",    0,       OPTION_INPUT,                                                    \
         &(o).fluency, "MODEL", "a second model whose opinion on fluency counts as much"},       \
        {"autoencoder", 0,                                                                       \
         OPTION_INPUT,  &(o).dream.autoencoder,                                                  \
         "DIR",         "text autoencoder for latent and evolve (default: the shipped one)"},    \
        {"Corpus", .kind = OPTION_GROUP},                                                        \
        {"corpus",                                                                               \
         'c',                                                                                    \
         OPTION_INPUTS,                                                                          \
         &(o).corpus,                                                                            \
         "FILE",                                                                                 \
         "text to compare with and to start from; may be repeated (default: the model writes "   \
         "one)"},                                                                                \
        {"corpus-tokens", 0,   OPTION_INTEGER,                                                   \
         &(o).tokens,     "N", "read at most so many of its tokens (default: all)"},             \
        {"Text around the dream", .kind = OPTION_GROUP},                                         \
        {"position",                                                                             \
         0,                                                                                      \
         OPTION_STRING,                                                                          \
         &(o).dream.position,                                                                    \
         "P",                                                                                    \
         "read the target at the last token, at max, or at a number (default: last)"},           \
        {"prompt",     'p',    OPTION_LIST,                                                      \
         &(o).prompts, "TEXT", "start from this text; may be repeated"},                         \
        {"prompt-file",    0,   OPTION_INPUT,                                                    \
         &(o).prompt_file, "F", "start from every line of F, - for standard input"},             \
        {"prefix", 0, OPTION_STRING, &(o).dream.prefix, "TEXT", "fixed text before the dream"},  \
        {"suffix", 0, OPTION_STRING, &(o).dream.suffix, "TEXT", "fixed text behind the dream"},  \
        {"chat",          0,    OPTION_FLAG,                                                     \
         &(o).dream.chat, NULL, "the dream is a user's message in the model's chat template"},   \
        {"forbid",       0,      OPTION_LIST,                                                    \
         &(o).forbidden, "TEXT", "never use tokens that contain TEXT; may be repeated"},         \
        {"bos",         0,                                                                       \
         OPTION_CHOICE, &(o).bos,                                                                \
         NULL,          "begin with BOS or the document separator (default); --no-bos: do not"}, \
        {"Computing", .kind = OPTION_GROUP},                                                     \
        {"memory",       0,     OPTION_INTEGER,                                                  \
         &(o).memory,    "MIB", "memory the search may take beside the model (default: 2048)",   \
         .most = 1 << 30},                                                                       \
        THREADS_ROW((o).threads), KERNELS_ROW((o).open.kernels)

/* Turns what was read into `open` and `dream`, which point into *o from then on. `line`: the command line. Returns -1 to
 * go on, else the exit code. */
int dream_options_settle(dream_options *o, const char *line);
void dream_options_release(dream_options *o);

/* Opens MODEL and the second fluency model, where one was asked for. Returns -1 to go on, else the exit code,
 * having explained itself on stderr. */
int dream_models_open(rv_model **model, rv_model **fluency, const char *name, dream_options *o);

#endif
