/* The unembedding:  logit[v] = c(<W[v], x> + bias[v]),  c(z) = cap tanh(z / cap) where the model has a final soft cap.
 * Whoever wants logits, or their gradient, asks here. Alphabet: N rows, C width, V vocabulary. */
#ifndef RV_MODEL_UNEMBED_H
#define RV_MODEL_UNEMBED_H

#include "model/transformer.h"

/* logits (N, V) of x (N, C). */
void rv_unembed(real *logits, const rv_transformer *model, const real *x, size_t N,
                int threads);

/* One logit of one row, by itself: the same number wherever it is asked for, though not bit for bit that of rv_unembed,
 * which sums in another order. */
real rv_unembed_one(const rv_transformer *model, size_t v, const real *x);

/* dx (C) += dlogit times the gradient of one logit, whose value is `logit`. */
void rv_unembed_one_backward(real *dx, const rv_transformer *model, size_t v, real logit,
                             real dlogit);

/* c' = 1 - (logit / cap)^2, from the logit. */
real rv_unembed_slope(const rv_transformer *model, real logit);

#endif
