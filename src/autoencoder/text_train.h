/* Training of the text autoencoder: AdamW, warm-up and cosine, clipped gradients, noisy latents, corrupted inputs.
 *
 * Random numbers are named by (seed, kind, step), and nothing depends on the number of threads: a resumed training
 * equals an uninterrupted one, bit for bit. */
#ifndef RV_TEXT_TRAIN_H
#define RV_TEXT_TRAIN_H

#include <jansson.h>

#include "autoencoder/text_windows.h"

typedef struct rv_text_curve_point {
    size_t step; /* after so many */
    double
        loss; /* nats a token as trained: noise, corruption, sampled softmax; mean since the last point */
    double site; /* squared error over variance at the site, likewise; 0 without */
    double full,
        sampled; /* of held-out windows, without noise: over the vocabulary, over samples */
    double accuracy, exact; /* their first tokens written freely: share of tokens, of texts */
} rv_text_curve_point;

typedef struct rv_text_curve {
    rv_text_curve_point *items; /* malloc'ed */
    size_t count, capacity;
} rv_text_curve;

typedef struct rv_text_train_settings {
    uint64_t seed;
    size_t steps, batch, draws; /* windows a step; tokens drawn for the softmax */
    size_t stop;                /* stop after this step as if interrupted; 0: not */
    double minutes;             /* likewise after so long; 0: not */
    double rate, decay, clip;
    double corruption, dropout; /* shares of tokens hidden from encoder and decoder */
    double
        replaced; /* share of tokens that are any of the vocabulary instead, in the text itself: rare ones are
                      * learned too. At the embedding only */
    double
        shuffled; /* share of texts that the encoder sees in another order than they are to be written in:
                      * the latent learns to say sentences only */
    double site_weight;  /* of the squared error at an inner site */
    double cycle_weight; /* of |enc(dec(z)) - z|^2, every fiftieth step */
    size_t judge_every;  /* steps between points of the curve */
    int threads;
    const char *state;    /* file that a stopped training goes on from; NULL: none */
    const char *identity; /* what else must be the same: subject, corpus */
    rv_progress_fn progress;
    void *context;
    /* After the state was saved (at least once a minute), for the weights' file and plots. May be NULL. */
    rv_status (*saved)(void *context, size_t step, const rv_text_curve *curve, rv_error *err);
    /* A held-out text and what came back of it. May be NULL. */
    void (*sample)(void *context, const int32_t *ids, const int32_t *back, size_t length);
} rv_text_train_settings;

rv_text_train_settings rv_text_train_settings_default(void);

/* Trains. An inner site's mean and scale are measured first. *done: all steps were made, not stopped before. A loss or
 * gradient that is not finite is RV_ERR_NUMERIC naming step and tensor; the state stays as it was last saved. */
rv_status rv_text_train(rv_text_curve *curve, bool *done, rv_text_autoencoder *ae,
                        const rv_text_windows *windows, const rv_text_cache *cache,
                        const rv_text_train_settings *settings, rv_error *err);
void rv_text_curve_release(rv_text_curve *curve);

/* An array of [step, loss, site, full, sampled, accuracy, exact]. */
json_t *rv_text_curve_json(const rv_text_curve *curve);

/* ---- between train and state ----------------------------------------------------------------- */

typedef struct rv_text_training {
    rv_text_autoencoder *ae;
    const rv_text_train_settings *settings;
    rv_text_curve *curve;
    size_t step;
    double loss_sum, site_sum; /* since the last point of the curve */
    real *mean, *square;       /* AdamW's, as ae->parameters */
} rv_text_training;

rv_status rv_text_training_save(const rv_text_training *t, rv_error *err);
/* RV_OK and *found = false where there is no state to go on from. */
rv_status rv_text_training_load(rv_text_training *t, bool *found, rv_error *err);

#endif
