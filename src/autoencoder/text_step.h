/* One step of a training. Private to this room. */
#ifndef RV_AUTOENCODER_TEXT_STEP_H
#define RV_AUTOENCODER_TEXT_STEP_H

#include "autoencoder/text_candidates.h"
#include "autoencoder/text_loss.h"
#include "autoencoder/text_train.h"

/* Streams of random numbers. */
enum {
    RV_TEXT_ORDER = 2,
    RV_TEXT_CORRUPTION,
    RV_TEXT_NOISE,
    RV_TEXT_DROPOUT,
    RV_TEXT_DRAWS,
    RV_TEXT_JUDGED,
    RV_TEXT_REPLACED,
    RV_TEXT_SHUFFLED
};

/* A training's own things, beside what its state holds. */
typedef struct rv_text_trainer {
    rv_text_training t;
    const rv_text_windows *windows;
    const rv_text_cache *cache;
    rv_text_learner *learner;
    rv_text_gradients *gradients;
    rv_text_candidates *candidates;
    size_t training;              /* windows that are trained on */
    size_t *order;                /* (training) of this epoch */
    size_t epoch;                 /* whose order it is; SIZE_MAX: none */
    size_t most;                  /* tokens of a batch */
    int32_t *ids, *label;         /* (most) */
    int32_t *mixed;               /* (most) ids, as the encoder is shown them */
    size_t *length;               /* (batch) */
    real *rows, *hidden, *target; /* (most, C) */
    real *seen;                   /* (most, C) hidden, as the encoder is told */
    real *noise;                  /* (T, Z) */
    bool *dropped;                /* (most) */
    double started, saved, last_loss;
    size_t began, tokens; /* step; tokens since */
} rv_text_trainer;

/* Whether the encoder reads the residual stream, not the embeddings. */
bool rv_text_is_inner(const rv_text_trainer *trainer);

/* The windows' tokens, rows and hidden values one after the other, at most `most` tokens of each; returns the tokens. */
size_t rv_text_gather(rv_text_trainer *trainer, const size_t *windows, size_t count,
                      size_t most);

/* RV_ERR_NUMERIC names step and tensor; the parameters are then as before. */
rv_status rv_text_step(rv_text_trainer *trainer, rv_error *err);

#endif
