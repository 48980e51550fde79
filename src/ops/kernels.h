/* The arithmetic of a transformer as a table of functions.
 *
 * The reference (ops/reference.c and the files it names) fills every entry, in plain C on `real`,
 * compiled for float and for double. Tuned tables (ops/cpu/) start as a copy of the reference
 * and override entry by entry. The reference judges every tuned entry, for every shape and tail.
 *
 * Alphabet:  N rows (sequence, position)   K inputs   M outputs   C channels   H query heads
 *            G key/value heads   D head size   V vocabulary   F hidden width of the MLP
 *
 * Two promises of every entry: (1) a row's result does not depend on the other rows of the call
 * (the order of summation is fixed), and (2) results do not depend on `threads`. Suffix reuse and
 * pruning are exact because of (1). */
#ifndef RV_OPS_KERNELS_H
#define RV_OPS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/real.h"

/* A weight matrix packed once for streaming: `panels` panels of `width` output columns each,
 * data[(panel * K + k) * width + j] = W[panel * width + j, k], zero beyond M.   y = x W^T + bias */
typedef struct rv_matrix {
    size_t K, M;   /* inputs, outputs */
    size_t width;  /* columns in a panel; set by the kernels that packed it */
    size_t panels; /* ceil(M / width) */
    real *data;    /* (panels, K, width), 64-byte aligned */
    real *bias;    /* (panels * width) or NULL */
    uint16_t
        *narrow; /* data in bf16, pairs of k side by side: (panels, ceil(K / 2), width, 2) */
} rv_matrix;

enum { RV_PANEL_MAX = 32 }; /* no kernels pack wider panels */

/* What happens to a product before it is stored. */
typedef enum rv_epilogue {
    RV_STORE,     /* out  = x W^T + bias */
    RV_ACCUMULATE /* out += x W^T + bias  (a residual connection) */
} rv_epilogue;

typedef enum rv_activation {
    RV_ACT_GELU_TANH,  /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    RV_ACT_GELU_ERF,   /* 0.5 x (1 + erf(x / sqrt 2)) */
    RV_ACT_QUICK_GELU, /* x sigmoid(1.702 x) */
    RV_ACT_SILU,       /* x sigmoid(x) */
    RV_ACT_RELU
} rv_activation;

/* A run of keys and values that a sequence looks back at. Position p of the sequence, for
 * first <= p < first + count, has its key at keys + (p - first) * stride (G * D numbers). */
typedef struct rv_segment {
    const real *keys, *values;
    real *dkeys,
        *dvalues; /* accumulated into by backward; NULL: not wanted (a shared prefix) */
    size_t first, count, stride;
} rv_segment;

/* Attention of one sequence: its queries are rows row .. row + count of q, at positions
 * first .. first + count; it sees the segments, which tile positions 0 .. first + count. */
typedef struct rv_attention_sequence {
    size_t row, first, count;
    const rv_segment *segments;
    size_t segment_count;
} rv_attention_sequence;

typedef struct rv_attention_shape {
    size_t H, G, D;
    real scale;
    real softcap;  /* scores become cap * tanh(score / cap); 0: none */
    size_t window; /* position i sees j with 0 <= i - j < window; 0: all */
} rv_attention_shape;

typedef struct rv_kernels {
    const char *name; /* "avx512", "avx2", "portable", "reference" */
    size_t panel_width;
    bool narrow; /* bf16 is faster than float here: rv_matrix_narrow is worth its memory */

    /* out (N, ldo) = x (N, ldx) * matrix, columns 0 .. M; leading dimensions in numbers. */
    void (*linear_forward)(real *out, size_t ldo, const real *x, size_t ldx, const rv_matrix *m,
                           size_t N, rv_epilogue epilogue, int threads);
    /* The same from weights and inputs rounded to bf16, summed in float: for screening. In float
     * where the matrix has no narrow copy. */
    void (*linear_forward_narrow)(real *out, size_t ldo, const real *x, size_t ldx,
                                  const rv_matrix *m, size_t N, rv_epilogue epilogue,
                                  int threads);
    /* dx (N, ldx) += dout (N, ldo) W.   d/dx of the line above */
    void (*linear_backward)(real *dx, size_t ldx, const real *dout, size_t ldo,
                            const rv_matrix *m, size_t N, int threads);
    /* dW (M, K) += dout^T x, dbias (M) += column sums of dout; either may be NULL. Row-major. */
    void (*linear_backward_weight)(real *dW, real *dbias, const real *dout, size_t ldo,
                                   const real *x, size_t ldx, size_t N, size_t K, size_t M,
                                   int threads);

    /* Fused unembedding: lse[n] = log sum_v exp(c(x[n] . W[v])), label_logit[n] = c(x[n] . W[label[n]]),
     * c(z) = softcap * tanh(z / softcap), or z where softcap is 0; the head's bias, if any, is added
     * inside c. Rows v >= valid are left out of the
     * sum (padded vocabularies). label[n] < 0: no label, label_logit[n] is not written. The
     * logits are never stored. */
    void (*logsumexp_forward)(real *lse, real *label_logit, const real *x, size_t ldx,
                              const int32_t *label, const rv_matrix *head, size_t N,
                              size_t valid, real softcap, int threads);
    /* The same from weights and inputs rounded to bf16, as linear_forward_narrow. */
    void (*logsumexp_forward_narrow)(real *lse, real *label_logit, const real *x, size_t ldx,
                                     const int32_t *label, const rv_matrix *head, size_t N,
                                     size_t valid, real softcap, int threads);
    /* With loss = sum_n weight[n] * (lse[n] - label_logit[n]):  dx (N, ldx) += d loss / dx.
     * weight[n] = 0 skips the row. */
    void (*logsumexp_backward)(real *dx, size_t ldx, const real *lse, const real *x,
                               const int32_t *label, const real *weight, const rv_matrix *head,
                               size_t N, size_t valid, real softcap, int threads);

    /* Attention over segments. q, out (N, H * D) with leading dimensions. probabilities, when not
     * NULL, receives what backward needs and what the sites hook_attn_scores / hook_pattern show:
     * for sequence s, head h, query i:  the (first + count) numbers at
     * probabilities[s] + (h * count + i) * (first + count), 0 where masked. */
    void (*attention_forward)(real *out, size_t ldo, real *const *probabilities, const real *q,
                              size_t ldq, const rv_attention_sequence *sequences, size_t count,
                              const rv_attention_shape *shape, int threads);
    /* dq (N, lddq) is accumulated; dkeys and dvalues of the segments too. probabilities as forward
     * gave them; NULL, or NULL for a sequence: computed again. dprobabilities (same layout as
     * probabilities, per sequence, entries may be NULL, the whole may be NULL) is an extra gradient that
     * arrives at the pattern itself; dscores likewise at the scores (before softmax, after scale and
     * softcap). */
    void (*attention_backward)(real *dq, size_t lddq, const real *dout, size_t ldo,
                               real *const *probabilities, const real *const *dprobabilities,
                               const real *const *dscores, const real *q, size_t ldq,
                               const rv_attention_sequence *sequences, size_t count,
                               const rv_attention_shape *shape, int threads);

    /* LayerNorm: out = weight * (x - mean) * rstd + bias.  RMSNorm: out = weight * x * rstd, mean NULL.
     * C channels; `groups` norms side by side in a row (per-head q/k norm: groups = heads, C = D, the
     * same weight for each); x and out have leading dimension ld >= groups * C. rstd (N, groups) and
     * mean (N, groups) are saved for backward (may be NULL). bias may be NULL. out may be x. */
    void (*layernorm_forward)(real *out, size_t ldo, real *mean, real *rstd, const real *x,
                              size_t ldx, const real *weight, const real *bias, size_t N,
                              size_t C, real eps, int threads);
    void (*layernorm_backward)(real *dx, size_t lddx, real *dweight, real *dbias,
                               const real *dout, size_t ldo, const real *x, size_t ldx,
                               const real *weight, const real *mean, const real *rstd, size_t N,
                               size_t C, int threads);
    void (*rmsnorm_forward)(real *out, size_t ldo, real *rstd, const real *x, size_t ldx,
                            const real *weight, size_t N, size_t groups, size_t C, real eps,
                            int threads);
    void (*rmsnorm_backward)(real *dx, size_t lddx, real *dweight, const real *dout, size_t ldo,
                             const real *x, size_t ldx, const real *weight, const real *rstd,
                             size_t N, size_t groups, size_t C, int threads);

    /* Plain: post = act(pre).  Gated: post = act(pre) * up (up NULL: plain). (N, F) each, with
     * leading dimensions. */
    void (*activation_forward)(real *post, size_t ldpost, const real *pre, size_t ldpre,
                               const real *up, size_t ldup, size_t N, size_t F,
                               rv_activation activation, int threads);
    /* dpre, dup are accumulated. */
    void (*activation_backward)(real *dpre, size_t lddpre, real *dup, size_t lddup,
                                const real *dpost, size_t lddpost, const real *pre,
                                size_t ldpre, const real *up, size_t ldup, size_t N, size_t F,
                                rv_activation activation, int threads);

    /* Rotary embedding in place on `heads` heads of D numbers a row; the first R = 2 * pairs of each
     * head rotate in the half-split pairing (x[i], x[i + pairs]). cosine, sine: (positions, pairs)
     * tables; position (N). inverse: rotate back (that is backward). */
    void (*rope)(real *x, size_t ldx, const int32_t *position, const real *cosine,
                 const real *sine, size_t N, size_t heads, size_t D, size_t pairs, bool inverse,
                 int threads);
} rv_kernels;

/* Plain C on `real`; every entry; single-threaded whatever `threads` says. */
const rv_kernels *rv_kernels_reference(void);

/* The fastest table that this processor runs: AVX-512, AVX2+FMA or portable. `name` NULL: choose
 * (never NULL), or what the environment variable REVERIE_KERNELS names, if that can be had; else
 * that table, or NULL if it is unknown or the processor cannot run it. In the double build
 * always the reference. */
const rv_kernels *rv_kernels_select(const char *name);

/* The same for what people ask for, by name or, where that is NULL, by REVERIE_KERNELS: RV_ERR_USAGE if it cannot be had. */
rv_status rv_kernels_choose(const rv_kernels **out, const char *name, rv_error *err);

/* Allocates and packs W (M, K), row-major, and bias (M) or NULL for these kernels. */
rv_status rv_matrix_pack(rv_matrix *out, const rv_kernels *kernels, const real *W,
                         const real *bias, size_t M, size_t K, rv_error *err);
/* The same in steps, without a second copy of the whole: allocate, then set row after row. */
rv_status rv_matrix_init(rv_matrix *out, const rv_kernels *kernels, size_t M, size_t K,
                         bool bias, rv_error *err);
void rv_matrix_set_rows(rv_matrix *m, size_t first, size_t count,
                        const real *W /* (count, K) */);
void rv_matrix_get_row(const rv_matrix *m, size_t row, real *out /* (K) */);
/* Makes (again) the copy in bf16 for linear_forward_narrow and logsumexp_forward_narrow, half the
 * size of the matrix. Does nothing where these kernels have no use for it. */
rv_status rv_matrix_narrow(rv_matrix *m, const rv_kernels *kernels, rv_error *err);
void rv_matrix_release(rv_matrix *m);

#endif
