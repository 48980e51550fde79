/* AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), and its learning rate. */
#ifndef RV_OPS_ADAMW_H
#define RV_OPS_ADAMW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

/* Adam's step, counted from 0, of `count` numbers: mean and square are running means of the gradient and of
 * its square, zero at first. beta 0.9 and 0.99, epsilon 1e-8. */
void rv_adamw_step(real *parameters, real *mean, real *square, const real *gradient,
                   size_t count, size_t step, double rate, int threads);

/* Whether none is below 0, as it must be with numbers that come from a file. */
bool rv_adamw_squares_hold(const real *square, size_t count);

/* The decay: parameters *= 1 - rate * decay. Before the step, of the weights that decay. */
void rv_adamw_decay(real *parameters, size_t count, double rate, double decay);

/* Rises over `warm` steps to `rate`, then falls as half a cosine to 0 at `total`. */
double rv_cosine_rate(double rate, double step, double warm, double total);

#endif
