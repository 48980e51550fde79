/* Image dreams: pictures that excite a class or a hidden unit of a classifier, found by gradient
 * ascent. Three ways to look for them:
 *
 *   naive        ascend the pixels: fools the classifier, shows nothing
 *   regularised  ascend the pixels under jitter, blur, total variation and decay
 *   latent       ascend the latent of an autoencoder, so that only what it can say comes out:
 *                promising starts, noise, norm kept within what training images have, round trips
 *                z <- encode(decode(z)) (DGN-AM, arXiv 1605.09304, and methods of its kind)
 *
 * Only the attacked classifier is asked during the ascent; a judge never is. */
#ifndef RV_VISION_DREAM_H
#define RV_VISION_DREAM_H

#include "vision/autoencoder.h"
#include "vision/classifier.h"

/* What is maximised: the log odds of a class, or the mean over the pixels of a channel. */
typedef struct rv_image_target {
    size_t layer;
    size_t index;
} rv_image_target;

/* A class is an output of the last layer. */
static inline bool rv_image_target_is_class(const rv_image_target *target,
                                            const rv_network *net)
{
    return target->layer == net->count - 1;
}

typedef struct rv_image_ascent {
    uint64_t seed;
    size_t starts, steps;
    double norm_low, norm_high; /* the latent's norm is kept between */
} rv_image_ascent;

/* images (starts, 28, 28) in [0, 1] and, of the latent method, latents (starts, L), NULL: not
 * wanted. score (starts): the target's mean value over eight shifted copies (and, of the latent
 * method, as many noisy latents): what the best start is chosen by. Single-threaded; the same seed
 * gives the same dreams. autoencoder may be NULL for the pixel methods. */
rv_status rv_image_ascend(real *images, real *latents, double *score, rv_image_method method,
                          const rv_image_target *target, const rv_network *attacked,
                          const rv_image_autoencoder *autoencoder,
                          const rv_image_ascent *settings, rv_error *err);

/* Values of the target on images as they are. */
rv_status rv_image_values(double *values, const rv_image_target *target, const rv_network *net,
                          const real *images, size_t count, rv_error *err);

#endif
