/* The reference operations, one file each: plain C on `real`, written to be read. Contracts and
 * shapes stand in kernels.h. They are the judge of every tuned kernel, not a fast path. */
#ifndef RV_OPS_REFERENCE_H
#define RV_OPS_REFERENCE_H

#include "ops/kernels.h"

enum { RV_MAX_PANEL_WIDTH = 64 };

/* sum (width) = x (K) times one panel, plus its bias. */
void rv_panel_product(real *sum, const real *x, const rv_matrix *m, size_t panel);

void rv_linear_forward(real *out, size_t ldo, const real *x, size_t ldx, const rv_matrix *m,
                       size_t N, rv_epilogue epilogue, int threads);
void rv_linear_backward(real *dx, size_t ldx, const real *dout, size_t ldo, const rv_matrix *m,
                        size_t N, int threads);
void rv_linear_backward_weight(real *dW, real *dbias, const real *dout, size_t ldo,
                               const real *x, size_t ldx, size_t N, size_t K, size_t M,
                               int threads);

void rv_logsumexp_forward(real *lse, real *label_logit, const real *x, size_t ldx,
                          const int32_t *label, const rv_matrix *head, size_t N, size_t valid,
                          real softcap, int threads);
void rv_logsumexp_backward(real *dx, size_t ldx, const real *lse, const real *x,
                           const int32_t *label, const real *weight, const rv_matrix *head,
                           size_t N, size_t valid, real softcap, int threads);

void rv_attention_forward(real *out, size_t ldo, real *const *probabilities, const real *q,
                          size_t ldq, const rv_attention_sequence *sequences, size_t count,
                          const rv_attention_shape *shape, int threads);
void rv_attention_backward(real *dq, size_t lddq, const real *dout, size_t ldo,
                           real *const *probabilities, const real *const *dprobabilities,
                           const real *const *dscores, const real *q, size_t ldq,
                           const rv_attention_sequence *sequences, size_t count,
                           const rv_attention_shape *shape, int threads);

void rv_layernorm_forward(real *out, size_t ldo, real *mean, real *rstd, const real *x,
                          size_t ldx, const real *weight, const real *bias, size_t N, size_t C,
                          real eps, int threads);
void rv_layernorm_backward(real *dx, size_t lddx, real *dweight, real *dbias, const real *dout,
                           size_t ldo, const real *x, size_t ldx, const real *weight,
                           const real *mean, const real *rstd, size_t N, size_t C, int threads);

void rv_rmsnorm_forward(real *out, size_t ldo, real *rstd, const real *x, size_t ldx,
                        const real *weight, size_t N, size_t groups, size_t C, real eps,
                        int threads);
void rv_rmsnorm_backward(real *dx, size_t lddx, real *dweight, const real *dout, size_t ldo,
                         const real *x, size_t ldx, const real *weight, const real *rstd,
                         size_t N, size_t groups, size_t C, int threads);

void rv_activation_forward(real *post, size_t ldpost, const real *pre, size_t ldpre,
                           const real *up, size_t ldup, size_t N, size_t F,
                           rv_activation activation, int threads);
void rv_activation_backward(real *dpre, size_t lddpre, real *dup, size_t lddup,
                            const real *dpost, size_t lddpost, const real *pre, size_t ldpre,
                            const real *up, size_t ldup, size_t N, size_t F,
                            rv_activation activation, int threads);

void rv_rope(real *x, size_t ldx, const int32_t *position, const real *cosine, const real *sine,
             size_t N, size_t heads, size_t D, size_t pairs, bool inverse, int threads);

#endif
