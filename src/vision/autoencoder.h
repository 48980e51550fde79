/* An image autoencoder: a variational one (Kingma and Welling, arXiv 1312.6114), whose latent is
 * short and whose prior is the standard normal distribution, so that any latent near the origin
 * decodes to something like the images it was trained on.
 *
 *   encoder: image (28, 28) -> mean (L), log variance (L)     z = mean + exp(log variance / 2) noise
 *   decoder: z (L) -> logits of the pixels (28, 28)           image = sigmoid(logits)
 *   loss = -log p(image | z) + KL(q(z | image) || prior), nats, pixels as Bernoulli probabilities */
#ifndef RV_VISION_AUTOENCODER_H
#define RV_VISION_AUTOENCODER_H

#include "vision/train.h"

extern const char *const rv_autoencoder_encoder, *const rv_autoencoder_decoder;

typedef struct rv_image_autoencoder {
    rv_network encoder, decoder;
    size_t latent;
} rv_image_autoencoder;

/* Untrained, from two descriptions that must fit each other. */
rv_status rv_image_autoencoder_init(rv_image_autoencoder *out, const char *encoder,
                                    const char *decoder, uint64_t seed, rv_error *err);
/* Takes the networks over; RV_ERR_FORMAT (and the networks released) if they do not fit. */
rv_status rv_image_autoencoder_join(rv_image_autoencoder *out, rv_network *encoder,
                                    rv_network *decoder, rv_error *err);
void rv_image_autoencoder_release(rv_image_autoencoder *autoencoder);

typedef struct rv_autoencoder_learner {
    rv_learner learner; /* its context points at this struct: do not copy */
    size_t latent;
    double beta; /* weight of the KL term */
    rv_network_pass encode[RV_SHARDS], decode[RV_SHARDS];
    real *latents[RV_SHARDS], *noise[RV_SHARDS]; /* (capacity, L) */
} rv_autoencoder_learner;

rv_status rv_autoencoder_learner_init(rv_autoencoder_learner *out,
                                      rv_image_autoencoder *autoencoder, double beta,
                                      size_t capacity, rv_error *err);
void rv_autoencoder_learner_release(rv_autoencoder_learner *learner);

#endif
