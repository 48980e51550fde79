/* Models: open one, tokenise, score, generate, read values inside.
 *
 *     rv_model *model;
 *     rv_model_params params = rv_model_params_default();
 *     RV_CHECK(rv_model_open(&model, "smollm2-135m", &params, &err));
 *     rv_score score;
 *     RV_CHECK(rv_model_score(model, text, length, &score, &err));
 *     printf("%.3f nats per token\n", score.cross_entropy);
 *     rv_score_release(&score);
 *     rv_model_close(model);
 *
 * A model may be used by one thread at a time. Results are released with the function named beside
 * them; strings inside a result live as long as it does. */
#ifndef REVERIE_MODEL_H
#define REVERIE_MODEL_H

#include "reverie/reverie.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_model rv_model;

typedef enum rv_bos_choice { RV_BOS_AUTO, RV_BOS_ADD, RV_BOS_OMIT } rv_bos_choice;

typedef struct rv_model_params {
    int threads;         /* 0: all processors */
    rv_bos_choice bos;   /* auto: as the tokenizer's configuration says */
    const char *kernels; /* NULL: the fastest; else "avx512", "avx2", "portable", "reference" */
    rv_progress_fn progress; /* loading; may be NULL */
    void *progress_context;
} rv_model_params;

RV_API rv_model_params rv_model_params_default(void);

/* name: a file, a folder, a name in the local cache, or OWNER/NAME in the Hugging Face cache. */
RV_API rv_status rv_model_open(rv_model **out, const char *name, const rv_model_params *params,
                               rv_error *err);
RV_API void rv_model_close(rv_model *model); /* NULL is fine */

/* What a checkpoint is, and what opening it would take: read from its header alone. */
typedef struct rv_model_info {
    char *name, *path, *format, *family, *quantisation, *tokenizer;
    uint64_t parameters, file_bytes;
    uint64_t weight_bytes;  /* packed in memory, float32 */
    uint64_t working_bytes; /* of a search with the default settings, beside the weights */
    uint64_t layers, width, heads, kv_heads, head_size, mlp_width, vocabulary, context;
    bool tied, gated, parallel_residual;
    bool bos_added; /* by default */
    int32_t bos;    /* -1: the model has neither BOS nor document separator */
    char *bos_text, *bos_why;
    bool chat_template;
    char **sites; /* names of one block's sites (with L for the layer) and the others */
    size_t site_count;
} rv_model_info;

RV_API rv_status rv_model_inspect(rv_model_info *out, const char *name, rv_error *err);
RV_API void rv_model_info_release(rv_model_info *info);

typedef struct rv_token {
    int32_t id;
    const char *text; /* bytes, `length` of them, and a NUL */
    size_t length;
    double value; /* what was asked for at this token; NAN: nothing */
} rv_token;

typedef struct rv_tokens {
    rv_token *items;
    size_t count;
    char *storage;
} rv_tokens;

RV_API void rv_tokens_release(rv_tokens *tokens);

/* ids of a text, BOS included where the model adds one. Opens no weights: name as for rv_model_open. */
RV_API rv_status rv_tokenize(rv_tokens *out, const char *name, const char *text, size_t length,
                             rv_bos_choice bos, rv_error *err);
/* The text of ids; malloc'ed. */
RV_API rv_status rv_detokenize(char **out, size_t *length, const char *name, const int32_t *ids,
                               size_t count, rv_error *err);

typedef struct rv_score {
    rv_tokens
        tokens;    /* the text's (without BOS); value: -log p in nats, NAN where not scored */
    size_t scored; /* tokens scored: all, or all but the first where nothing precedes it */
    double cross_entropy; /* nats per scored token */
    double perplexity;
    double bits_per_byte; /* of the bytes of the scored tokens */
    bool bos_added;
} rv_score;

/* Texts longer than the context are scored in windows of the context, each after BOS. */
RV_API rv_status rv_model_score(rv_model *model, const char *text, size_t length, rv_score *out,
                                rv_error *err);
RV_API void rv_score_release(rv_score *score);

typedef struct rv_activations {
    char *target;     /* canonical name */
    rv_tokens tokens; /* BOS included where added; value: the target's */
    bool bos_added;
} rv_activations;

/* The target's value at every token of a text. */
RV_API rv_status rv_model_activations(rv_model *model, const char *target, const char *text,
                                      size_t length, rv_activations *out, rv_error *err);
RV_API void rv_activations_release(rv_activations *activations);

typedef struct rv_generate_params {
    uint64_t max_tokens;
    double temperature; /* 0: always the most likely token */
    uint64_t top_k;     /* 0: all */
    double top_p;       /* 1: all */
    uint64_t seed;
    bool chat; /* the prompt is a user's message: put it into the model's chat template */
    const char *system; /* with chat; NULL: the template's own */
    /* Called with the bytes of every new token; false stops. May be NULL. */
    bool (*token)(void *context, const char *bytes, size_t length);
    void *context;
} rv_generate_params;

RV_API rv_generate_params rv_generate_params_default(void);

typedef struct rv_generation {
    char *text; /* without the prompt */
    size_t length, prompt_tokens, tokens;
    const char *stopped; /* "end", "length" or "cancelled" */
} rv_generation;

RV_API rv_status rv_model_generate(rv_model *model, const char *prompt, size_t length,
                                   const rv_generate_params *params, rv_generation *out,
                                   rv_error *err);
RV_API void rv_generation_release(rv_generation *generation);

#ifdef __cplusplus
}
#endif

#endif
