/* What an autoencoder does to images, many at once: their codes and what comes back. */
#ifndef RV_VISION_MEASURE_H
#define RV_VISION_MEASURE_H

#include "vision/autoencoder.h"

/* norm[i]: Euclidean norm of the code's mean; error[i]: root mean square over the pixels of
 * decode(encode(x)) - x. images (count, 28, 28) in [0, 1]. */
rv_status rv_image_reencode(double *norm, double *error,
                            const rv_image_autoencoder *autoencoder, const real *images,
                            size_t count, int threads, rv_error *err);

/* p[i] = probability of class index[i]. */
rv_status rv_image_probability(double *p, const rv_network *classifier, const real *images,
                               const size_t *index, size_t count, rv_error *err);

/* Bytes to [0, 1]. */
void rv_image_numbers(real *out, const unsigned char *pixels, size_t count);

#endif
