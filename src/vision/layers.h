/* The operations of a small convolutional network, forward and backward.
 *
 * Alphabet:  N samples   H, W height and width   C channels   G groups   M outputs   K inputs
 * Images are stored pixel by pixel, (N, H, W, C). Backward functions accumulate (+=) into the
 * gradients; where a gradient may be NULL it is not wanted. All are single-threaded and sum in
 * a fixed order. Products with weights are the kernels' (ops/kernels.h). */
#ifndef RV_VISION_LAYERS_H
#define RV_VISION_LAYERS_H

#include <stddef.h>

#include "base/real.h"

typedef struct rv_volume {
    size_t height, width, channels;
} rv_volume;

static inline size_t rv_volume_size(rv_volume v)
{
    return v.height * v.width * v.channels;
}

/* The 3 x 3 neighbourhoods of an image, one a row, zero beyond its border ("im2col"):
 *   patches[(y * OW + x), (ky * 3 + kx) * C + c] = image[y * stride + ky - 1, x * stride + kx - 1, c]
 * with OH = ceil(H / stride), OW likewise. A convolution is then a product: patches W^T.
 *   patches (OH * OW, 9 * C)   image (H, W, C)                                               */
void rv_patches_forward(real *patches, const real *image, rv_volume in, size_t stride);
void rv_patches_backward(real *dimage, const real *dpatches, rv_volume in, size_t stride);

/* Group norm (Wu and He, arXiv 1803.08494): each sample's group of C / G neighbouring channels is
 * brought to mean 0 and deviation 1 over all pixels, then scaled and shifted by channel.
 *   out, x (N, P, C) with P pixels   weight, bias (C)   moments (N, G, 2): mean, 1 / deviation */
void rv_groupnorm_forward(real *out, real *moments, const real *x, const real *weight,
                          const real *bias, size_t N, size_t P, size_t C, size_t G);
void rv_groupnorm_backward(real *dx, real *dweight, real *dbias, const real *dout,
                           const real *x, const real *weight, const real *moments, size_t N,
                           size_t P, size_t C, size_t G);

/* max(x, 0); with softness t > 0 its smooth relative t log(1 + exp(x / t)), whose gradient does
 * not vanish below zero. */
void rv_softrelu_forward(real *out, const real *x, size_t count, real softness);
void rv_softrelu_backward(real *dx, const real *dout, const real *x, size_t count,
                          real softness);

/* Largest of each 2 x 2 square; an odd last row or column is left out. The gradient goes to the
 * first largest.   out (N, H / 2, W / 2, C) */
void rv_maxpool_forward(real *out, const real *x, rv_volume in, size_t N);
void rv_maxpool_backward(real *dx, const real *dout, const real *x, rv_volume in, size_t N);

/* Mean over all pixels.   out (N, C) */
void rv_average_forward(real *out, const real *x, rv_volume in, size_t N);
void rv_average_backward(real *dx, const real *dout, rv_volume in, size_t N);

/* Every pixel becomes a 2 x 2 square.   out (N, 2 H, 2 W, C) */
void rv_upsample_forward(real *out, const real *x, rv_volume in, size_t N);
void rv_upsample_backward(real *dx, const real *dout, rv_volume in, size_t N);

/* Four channels of a pixel become a 2 x 2 square of pixels ("pixel shuffle", Shi et al., arXiv
 * 1609.05158): out[2 y + i, 2 x + j, c] = x[y, x, (2 i + j) * C / 4 + c].   out (N, 2 H, 2 W, C / 4) */
void rv_shuffle_forward(real *out, const real *x, rv_volume in, size_t N);
void rv_shuffle_backward(real *dx, const real *dout, rv_volume in, size_t N);

/* Softmax cross-entropy in nats: loss = -log p[label], p = softmax(logits). dlogits may be NULL;
 * else dlogits += scale * (p - onehot(label)).   logits (C) */
real rv_class_loss(real *dlogits, const real *logits, size_t label, size_t C, real scale);

/* p (C) = softmax(logits) */
void rv_class_softmax(real *p, const real *logits, size_t C);

/* Binary cross-entropy of a grey image under independent pixels, sum over them, nats:
 *   loss = sum_i log(1 + exp(l_i)) - x_i l_i,   the pixel being sigmoid(l_i).
 * dlogits may be NULL; else += scale * (sigmoid(l) - x). */
real rv_pixel_loss(real *dlogits, const real *logits, const real *x, size_t count, real scale);

real rv_logistic(real x);

#endif
