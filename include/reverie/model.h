/* Models: open one, tokenise, score, generate, read values inside.
 *
 *     rv_model *model;
 *     rv_score score;
 *     if (rv_model_open(&model, "smollm2-135m", NULL, &err) != RV_OK) ...
 *     if (rv_model_score(&score, model, text, length, &err) != RV_OK) ...
 *     printf("%.3f nats per token\n", score.cross_entropy);
 *     rv_score_release(&score);
 *     rv_model_close(model);
 *
 * A model may be used by one thread at a time. Results are released with the function named beside
 * them; strings inside a result live as long as it does. After a failure a result is empty, and
 * releasing it is allowed. Texts are any bytes; they need no NUL behind them. */
#ifndef REVERIE_MODEL_H
#define REVERIE_MODEL_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_model rv_model;

typedef enum rv_bos_choice { RV_BOS_AUTO, RV_BOS_ADD, RV_BOS_OMIT } rv_bos_choice;

typedef struct rv_model_params {
    size_t size;         /* set by the _default function; see reverie/core.h */
    int threads;         /* 0: all processors */
    rv_bos_choice bos;   /* auto: as the tokenizer's configuration says */
    bool special;        /* special tokens written in texts are these tokens, not plain text */
    const char *kernels; /* NULL: the fastest; else "avx512", "avx2", "portable", "reference" */
    rv_progress_fn progress; /* of loading and of reading long texts; may be NULL */
    void *progress_context;
    rv_notice_fn notice; /* of a store of answers that was damaged, ...; may be NULL */
    void *notice_context;
} rv_model_params;

RV_API rv_model_params rv_model_params_default(void);

/* name: a file, a folder, a name in the local cache, or OWNER/NAME in the Hugging Face cache.
 * params may be NULL. */
RV_API rv_status rv_model_open(rv_model **out, const char *name, const rv_model_params *params,
                               rv_error *err);
RV_API void rv_model_close(rv_model *model); /* NULL is fine */

/* ---- tokens --------------------------------------------------------------------------------- */

typedef struct rv_token {
    int32_t id;
    const char *text; /* `length` bytes, its leading space included; and a NUL */
    size_t length;
    double value; /* what was asked for at this token; NAN: nothing */
} rv_token;

/* What stands before a text, and why. */
typedef struct rv_bos {
    bool added;
    int32_t id;       /* -1: nothing; in rv_model_info the one that would be added */
    const char *text; /* NULL where id is -1 */
    size_t length;
    const char *why;
} rv_bos;

typedef struct rv_tokens {
    rv_token *items;
    size_t count;
    rv_bos bos;
    char *storage;
} rv_tokens;

RV_API void rv_tokens_release(rv_tokens *tokens);

/* The tokens of a text, BOS first where one is added. Reads no weights: name as for rv_model_open; of
 * params (may be NULL) only bos and special count. */
RV_API rv_status rv_tokenize(rv_tokens *out, const char *name, const char *text, size_t length,
                             const rv_model_params *params, rv_error *err);

/* The text of ids, special tokens spelled out: *length bytes and a NUL, malloc'ed. */
RV_API rv_status rv_detokenize(char **out, size_t *length, const char *name, const int32_t *ids,
                               size_t count, rv_error *err);

/* ---- what a checkpoint is ------------------------------------------------------------------- */

/* Read from headers alone: what it holds, and what opening it would take. */
typedef struct rv_model_info {
    const char *name, *path; /* as asked for; where it was found */
    const char *format;      /* "safetensors", "gguf", "llama2c" */
    const char *family, *quantisation;
    const char *tokenizer;           /* where it comes from; NULL: there is none, */
    const char *tokenizer_complaint; /* and why */
    uint64_t parameters, file_bytes;
    uint64_t weight_bytes;    /* of the weights in memory, float32 */
    uint64_t loading_bytes;   /* at most, while they are read: weights and what is in flight */
    uint64_t token_bytes;     /* of keys and values, for each token of a long text */
    uint64_t search_bytes;    /* of a search with the default settings, beside the weights */
    uint64_t available_bytes; /* that this machine has now; 0: not known */
    uint64_t layers, width, heads, kv_heads, head_size, mlp_width, vocabulary, context;
    bool tied, gated, parallel_residual;
    rv_bos bos; /* by default; all zero where there is no tokenizer */
    bool chat_template;
    const char *const *sites; /* names, those inside a block with L for the layer */
    size_t site_count;
    void *storage;
} rv_model_info;

RV_API rv_status rv_model_inspect(rv_model_info *out, const char *name, rv_error *err);
RV_API void rv_model_info_release(rv_model_info *info);

/* ---- score ---------------------------------------------------------------------------------- */

typedef struct rv_score {
    rv_tokens
        tokens;    /* the text's (without BOS); value: -log p in nats, NAN where not scored */
    size_t scored; /* tokens: all, or all but the first where nothing precedes it */
    double cross_entropy; /* nats per scored token */
    double perplexity;
    double bits_per_byte; /* of the text that the scored tokens cover */
} rv_score;

/* Texts longer than the context are read in windows as long as it. Each begins with BOS or, where
 * there is none, with the last token of the window before. */
RV_API rv_status rv_model_score(rv_score *out, rv_model *model, const char *text, size_t length,
                                rv_error *err);
RV_API void rv_score_release(rv_score *score);

/* ---- values inside -------------------------------------------------------------------------- */

typedef struct rv_activations {
    char *target;     /* canonical name, without sign */
    double sign;      /* -1 where a leading - asked for the negative direction, else 1 */
    rv_tokens tokens; /* BOS included where added; value: the target's, without the sign */
} rv_activations;

/* The target's value at every token of a text; NAN where it has none (an attention entry whose key
 * comes later). Long texts are read in windows, as by rv_model_score. */
RV_API rv_status rv_model_activations(rv_activations *out, rv_model *model, const char *target,
                                      const char *text, size_t length, rv_error *err);
RV_API void rv_activations_release(rv_activations *activations);

/* ---- generation ----------------------------------------------------------------------------- */

typedef enum rv_chat_choice { RV_CHAT_AUTO, RV_CHAT_USE, RV_CHAT_OMIT } rv_chat_choice;

typedef struct rv_generate_params {
    size_t size; /* set by the _default function; see reverie/core.h */
    uint64_t max_tokens;
    double temperature;  /* 0: always the most likely token */
    uint64_t top_k;      /* only the k most likely; 0: all */
    double top_p;        /* only the fewest that are together this likely; 1: all */
    uint64_t seed;       /* same seed, same text, with any number of threads */
    rv_chat_choice chat; /* the prompt is a user's message, put into the model's chat template;
                            auto: where the model has one */
    const char *system;  /* with chat; NULL: the template's own */
    /* Called with the bytes of every new token; false stops. May be NULL. */
    bool (*token)(void *context, const char *bytes, size_t length);
    void *token_context;
} rv_generate_params;

RV_API rv_generate_params rv_generate_params_default(void);

typedef struct rv_generation {
    char *text; /* `length` bytes without the prompt, and a NUL */
    size_t length;
    rv_tokens tokens; /* of the text; .bos says what stands before the prompt */
    size_t prompt_tokens;
    bool chat;
    const char *stopped; /* "end" (a special token came), "length", "context" or "cancelled" */
} rv_generation;

/* params may be NULL. A text that `token` cut short is no failure: stopped is "cancelled". */
RV_API rv_status rv_model_generate(rv_generation *out, rv_model *model, const char *prompt,
                                   size_t length, const rv_generate_params *params,
                                   rv_error *err);
RV_API void rv_generation_release(rv_generation *generation);

/* ---- the same as JSON (docs/formats.md, "What commands print with --json") ------------------ */

/* One object as text, malloc'ed. */
RV_API rv_status rv_text_json(char **out, const char *text, size_t length, rv_error *err);
RV_API rv_status rv_tokens_json(char **out, const rv_tokens *tokens, rv_error *err);
RV_API rv_status rv_model_info_json(char **out, const rv_model_info *info, rv_error *err);
RV_API rv_status rv_score_json(char **out, const rv_score *score, rv_error *err);
RV_API rv_status rv_activations_json(char **out, const rv_activations *activations,
                                     rv_error *err);
RV_API rv_status rv_generation_json(char **out, const rv_generation *generation, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
