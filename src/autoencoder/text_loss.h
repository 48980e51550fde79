/* What a batch of texts costs, and the gradient of it; the softmax over the batch's own tokens and sampled ones. */
#ifndef RV_TEXT_LOSS_H
#define RV_TEXT_LOSS_H

#include "autoencoder/text_pass.h"

typedef struct rv_text_batch {
    const int32_t *ids;   /* (N) */
    const size_t *length; /* (count) */
    size_t count;
    const real *rows;      /* (N, C) what the encoder sees, at the site */
    const real *hidden;    /* (N, C) h_t */
    const real *seen;      /* (N, C) h_t of what the encoder sees; NULL: hidden */
    const real *target;    /* (N, C) true normalised rows at the site; NULL: no such loss */
    const real *noise;     /* (T, Z) added to z; NULL: none */
    const bool *dropped;   /* (N) tokens that the decoder does not see; may be NULL */
    const rv_matrix *head; /* what the softmax runs over, */
    size_t head_rows;      /* so many of its rows; */
    const int32_t *label;  /* (N) the tokens' places in it */
    double site_weight;    /* of the squared error at the site */
} rv_text_batch;

typedef struct rv_text_loss {
    double nll;  /* nats a token */
    double site; /* squared error over variance at the site, a number; 0 without */
} rv_text_loss;

/* One batch after another. */
typedef struct rv_text_learner {
    rv_text_pass *pass;
    real *z, *noisy, *dz;        /* (T, Z) */
    real *u, *du, *site, *dsite; /* (N, C) */
    real *lse, *logit, *weight;  /* (N) */
} rv_text_learner;

rv_status rv_text_learner_new(rv_text_learner **out, const rv_text_autoencoder *ae,
                              size_t texts, size_t tokens, bool keep, int threads,
                              rv_error *err);
void rv_text_learner_free(rv_text_learner *learner); /* NULL is fine */

/* Means over the batch's tokens; gradients of nll + site_weight * site are accumulated, unless NULL. */
rv_status rv_text_batch_loss(rv_text_loss *out, rv_text_learner *learner,
                             const rv_text_batch *batch, rv_text_gradients *gradients,
                             rv_error *err);

#endif
