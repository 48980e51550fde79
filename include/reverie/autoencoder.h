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
 *     rv_autoencoder_reconstruct(&r, ae, text, length, 0, &err);
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
    double rate, decay, site_weight, cycle_weight;
    bool language_model; /* the decoder's word is added to what the model expects */
    size_t judge_every;  /* steps between points of the curve */
    uint64_t seed;
    int threads; /* 0: all processors; the weights do not depend on it */
    rv_progress_fn progress;
    /* A held-out text and how it came back, now and then. May be NULL. */
    void (*sample)(void *context, const char *text, const char *back);
    void *context;
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

#ifdef __cplusplus
}
#endif

#endif
