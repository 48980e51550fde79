/* Text autoencoders: a few numbers from which a language model's text can be written again, so that a dream can be
 * confined to what they can say.
 *
 *     rv_autoencoder_train_params params = rv_autoencoder_train_params_default();
 *     params.model = "smollm2-135m";
 *     params.corpus = files, params.corpus_count = 2;
 *     params.output = "smollm2-autoencoder";
 *     rv_autoencoder_training training;
 *     if (rv_autoencoder_train(&training, &params, &err) != RV_OK) ...
 *
 *     rv_autoencoder *ae;
 *     if (rv_autoencoder_open(&ae, "smollm2-autoencoder", NULL, NULL, &err) != RV_OK) ...
 *     rv_reconstruction r;
 *     rv_autoencoder_reconstruct(&r, ae, text, length, NULL, &err);
 *
 * The encoder reads the model's rows at a site, the token embeddings or the residual stream before a layer; the
 * decoder writes tokens, its word added to what the language model expects next. */
#ifndef REVERIE_AUTOENCODER_H
#define REVERIE_AUTOENCODER_H

#include "reverie/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- training -------------------------------------------------------------------------------- */

typedef struct rv_autoencoder_train_params {
    size_t size; /* set by the _default function; see reverie/core.h */
    const char *model;
    const char *site;          /* "embed" or "blocks.L.hook_resid_pre" */
    const char *const *corpus; /* text files, one text a line */
    size_t corpus_count;
    const char
        *output;  /* folder: autoencoder.safetensors, curve.svg, curve.jsonl, and what a stopped
                         * training goes on from: state.safetensors, model.cache */
    size_t steps; /* of the whole training */
    size_t stop;  /* stop after this step; the same call goes on. 0: do not */
    double minutes;           /* likewise after so long */
    size_t tokens;            /* of the windows that are learned from, again and again */
    size_t shortest, longest; /* window, in tokens */
    size_t batch, draws;      /* windows a step; tokens drawn for the softmax */
    size_t width, heads, encoder_layers, decoder_layers;
    size_t code, tokens_per_slot; /* numbers of a slot; a slot for every so many tokens */
    double noise; /* deviation added to the latent, whose own is 1: the capacity */
    double corruption, dropout; /* shares of tokens hidden from encoder and decoder */
    double
        replaced; /* share of tokens replaced by any of the vocabulary; at the embedding only */
    double shuffled; /* share of texts that the encoder sees in another order */
    double rate, decay, site_weight, cycle_weight;
    bool language_model; /* the decoder's word is added to what the model expects */
    size_t judge_every;  /* steps between points of the curve */
    uint64_t seed;
    int threads; /* 0: all processors; the weights do not depend on it */
    rv_progress_fn progress;
    void *progress_context;
    /* A held-out text and how it came back, now and then. May be NULL. */
    void (*sample)(void *context, const char *text, const char *back);
    void *sample_context;
} rv_autoencoder_train_params;

RV_API rv_autoencoder_train_params rv_autoencoder_train_params_default(void);

typedef struct rv_autoencoder_point {
    size_t step;
    double loss; /* nats a token as trained, mean since the last point */
    double site; /* squared error over variance at an inner site, likewise */
    double full,
        sampled; /* held-out loss without noise: over the vocabulary, over sampled tokens */
    double accuracy, exact; /* of held-out texts written freely: share of tokens, of texts */
} rv_autoencoder_point;

typedef struct rv_autoencoder_training {
    rv_autoencoder_point *curve; /* (points), owned */
    size_t points;
    size_t parameters, windows, tokens;
    bool complete; /* all steps were made */
    double seconds;
} rv_autoencoder_training;

/* Goes on where it stopped, whatever stopped it; at most a minute is lost. */
RV_API rv_status rv_autoencoder_train(rv_autoencoder_training *out,
                                      const rv_autoencoder_train_params *params, rv_error *err);
RV_API void rv_autoencoder_training_release(rv_autoencoder_training *training);

/* An object in a line for every point of the curve, and one for the training (docs/formats.md). */
RV_API rv_status rv_autoencoder_training_json(char **out,
                                              const rv_autoencoder_training *training,
                                              rv_error *err);

/* ---- use ------------------------------------------------------------------------------------- */

typedef struct rv_autoencoder rv_autoencoder;

/* folder: what training wrote, the safetensors file itself, or a model that one comes with this program for. model:
 * NULL for the one named in it; another than it was trained for is RV_ERR_USAGE. params as for rv_model_open, may be NULL. */
RV_API rv_status rv_autoencoder_open(rv_autoencoder **out, const char *folder,
                                     const char *model, const rv_model_params *params,
                                     rv_error *err);
RV_API void rv_autoencoder_close(rv_autoencoder *ae); /* NULL is fine */

typedef struct rv_reconstruction {
    char *text; /* what was written: `length` bytes, and a NUL */
    size_t length;
    size_t tokens, same;   /* of the text; of them that came back in their place */
    size_t corrected;      /* exchanged because the text's latent came nearer by it */
    size_t slots, numbers; /* of its latent */
    double cycle;          /* mean square of enc(dec(z)) - z, a number (z has variance 1) */
    double cross_entropy,
        back_cross_entropy; /* nats a token under the model: text, what was written */
} rv_reconstruction;

typedef struct rv_reconstruct_params {
    size_t size;  /* set by the _default function; see reverie/core.h */
    double noise; /* deviation of the noise that the latent is put under; 0: none */
    uint64_t seed;
} rv_reconstruct_params;

RV_API rv_reconstruct_params rv_reconstruct_params_default(void);

/* A text of at most as many tokens as the autoencoder was made for, encoded and written again. */
RV_API rv_status rv_autoencoder_reconstruct(rv_reconstruction *out, rv_autoencoder *ae,
                                            const char *text, size_t length,
                                            const rv_reconstruct_params *params, rv_error *err);
RV_API void rv_reconstruction_release(rv_reconstruction *reconstruction);

typedef struct rv_interpolation {
    struct rv_interpolated {
        double at; /* 0: the first text, 1: the second */
        char *text;
        size_t length;
        double cross_entropy; /* nats a token under the model */
    } * items;
    size_t count, tokens; /* texts; tokens of each: the shorter text's, the longer one is cut */
} rv_interpolation;

/* Texts written from latents on the line between two, each slot normalised again; steps >= 2. */
RV_API rv_status rv_autoencoder_interpolate(rv_interpolation *out, rv_autoencoder *ae,
                                            const char *from, size_t from_length,
                                            const char *to, size_t to_length, size_t steps,
                                            rv_error *err);
RV_API void rv_interpolation_release(rv_interpolation *interpolation);

/* ---- the card -------------------------------------------------------------------------------- */

typedef enum rv_card_texts {
    RV_CARD_TEXT,     /* windows of the corpus */
    RV_CARD_SHUFFLED, /* the same, their tokens in random order */
    RV_CARD_RANDOM,   /* tokens drawn evenly from the vocabulary */
    RV_CARD_TEXTS
} rv_card_texts;

typedef enum rv_card_writings {
    RV_CARD_WRITTEN, /* as the decoder writes them */
    RV_CARD_CORRECTED, /* tokens exchanged while the text's own latent comes nearer to the one given */
    RV_CARD_NOISY, /* as the decoder writes them from latents under noise */
    RV_CARD_WRITINGS
} rv_card_writings;

enum { RV_CARD_LENGTHS = 4 };

typedef struct rv_autoencoder_card {
    char model[256], site[64], corpus[256];
    size_t parameters, step, code, tokens_per_slot, texts; /* texts: of every kind */
    double noise;                                          /* that it was trained under */
    double tried; /* deviation of the noise that it is tried under */
    double bits;  /* that the noise leaves to a slot, at most: code / 2 log2(1 + 1 / noise^2) */
    bool language_model;
    size_t lengths[RV_CARD_LENGTHS], length_count; /* 8, 12, 16, 24, as far as it goes */
    /* Shares of tokens and of whole texts written as they were. */
    double tokens[RV_CARD_TEXTS][RV_CARD_LENGTHS][RV_CARD_WRITINGS],
        exact[RV_CARD_TEXTS][RV_CARD_LENGTHS][RV_CARD_WRITINGS];
    size_t length; /* of what follows: 12 tokens, or fewer */
    double real, shuffled, interpolated, prior,
        settled; /* cross-entropy under the model, nats a token; settled: samples of the prior, encoded
                  * and written once more */
    double cycle,
        prior_cycle; /* mean square of enc(dec(z)) - z: of texts, of samples of the prior */
    double full, sampled;    /* held-out loss, softmax over the vocabulary and over samples */
    bool inner;              /* the site is in the residual stream: */
    double explained;        /* fraction of variance */
    double spliced, by_mean; /* the model's loss with the written rows there; with their mean */
} rv_autoencoder_card;

typedef struct rv_evaluate_params {
    size_t size;               /* set by the _default function; see reverie/core.h */
    const char *const *corpus; /* text files that it was not trained on */
    size_t corpus_count;
    size_t texts; /* of every kind and length */
    double noise; /* deviation of what the latents are tried under; negative: as in training */
    uint64_t seed;
    rv_progress_fn progress;
    void *progress_context;
} rv_evaluate_params;

RV_API rv_evaluate_params rv_evaluate_params_default(void);

RV_API rv_status rv_autoencoder_evaluate(rv_autoencoder_card *out, rv_autoencoder *ae,
                                         const rv_evaluate_params *params, rv_error *err);

/* ---- the same as JSON, one object each, malloc'ed ---------------------------------------------- */

RV_API rv_status rv_reconstruction_json(char **out, const rv_reconstruction *reconstruction,
                                        rv_error *err);
RV_API rv_status rv_interpolation_json(char **out, const rv_interpolation *interpolation,
                                       rv_error *err);
RV_API rv_status rv_autoencoder_card_json(char **out, const rv_autoencoder_card *card,
                                          rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
