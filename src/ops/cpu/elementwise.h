/* Activations and rotary embedding: rows in parallel, a vector at a time. */
#ifndef RV_OPS_CPU_ELEMENTWISE_H
#define RV_OPS_CPU_ELEMENTWISE_H

#include "ops/kernels.h"

enum { WORTH_THREADS = 1 << 15 }; /* numbers; below, waking a thread costs more than it saves */

/* act(x), and act'(x) in *slope when it is not NULL. */
ALWAYS_INLINE vec activate(vec x, const rv_activation kind, vec *slope)
{
    const vec one = v_set1(1);
    if (kind == RV_ACT_RELU) {
        if (slope) *slope = v_less(v_set1(0), x, one, v_set1(0));
        return v_less(v_set1(0), x, x, v_set1(0));
    }
    if (kind == RV_ACT_GELU_ERF) {
        vec bell, p = v_normal(x, &bell);
        if (slope) *slope = v_fma(x * v_set1(0.39894228f), bell, p);
        return x * p;
    }
    // the others are x sigmoid(u(x)); tanh(u) = 2 sigmoid(2 u) - 1
    vec u = x, du = one;
    if (kind == RV_ACT_QUICK_GELU) u = x * v_set1(1.702f), du = v_set1(1.702f);
    if (kind == RV_ACT_GELU_TANH) {
        const float twice = 2 * 0.79788456f, cubic = twice * 0.044715f;
        u = x * v_fma(x * x, v_set1(cubic), v_set1(twice));
        du = v_fma(x * x, v_set1(3 * cubic), v_set1(twice));
    }
    vec e = v_exp(-u), s = one / (one + e);
    if (slope) *slope = v_fma(x * s, e * s * du, s); // 1 - s = e s
    return x * s;
}

typedef struct activation_rows {
    float *post, *dpre, *dup; /* forward writes post; backward adds to dpre and dup */
    const float *dpost, *pre, *up;
} activation_rows;

ALWAYS_INLINE void activate_row(activation_rows r, size_t F, const rv_activation kind,
                                const bool backward)
{
    for (size_t i = 0; i < F; i += LANES) {
        size_t n = F - i;
        vec x = load_some(r.pre + i, n), up = r.up ? load_some(r.up + i, n) : v_set1(1);
        if (!backward) {
            vec y = activate(x, kind, NULL);
            store_some(r.post + i, y * up, n);
            continue;
        }
        vec slope, y = activate(x, kind, &slope), d = load_some(r.dpost + i, n);
        store_some(r.dpre + i, v_fma(d * up, slope, load_some(r.dpre + i, n)), n);
        if (r.dup) store_some(r.dup + i, v_fma(d, y, load_some(r.dup + i, n)), n);
    }
}

ALWAYS_INLINE void activate_kind(activation_rows r, size_t F, rv_activation kind,
                                 const bool backward)
{
    switch (kind) {
    case RV_ACT_GELU_TANH:
        activate_row(r, F, RV_ACT_GELU_TANH, backward);
        break;
    case RV_ACT_GELU_ERF:
        activate_row(r, F, RV_ACT_GELU_ERF, backward);
        break;
    case RV_ACT_QUICK_GELU:
        activate_row(r, F, RV_ACT_QUICK_GELU, backward);
        break;
    case RV_ACT_SILU:
        activate_row(r, F, RV_ACT_SILU, backward);
        break;
    case RV_ACT_RELU:
        activate_row(r, F, RV_ACT_RELU, backward);
        break;
    }
}

static void activation_forward(float *post, size_t ldpost, const float *pre, size_t ldpre,
                               const float *up, size_t ldup, size_t N, size_t F,
                               rv_activation activation, int threads)
{
#pragma omp parallel for num_threads(threads) if (N * F > WORTH_THREADS)
    for (size_t n = 0; n < N; n++) {
        activation_rows r = {
            .post = post + n * ldpost, .pre = pre + n * ldpre, .up = up ? up + n * ldup : NULL};
        activate_kind(r, F, activation, false);
    }
}

static void activation_backward(float *dpre, size_t lddpre, float *dup, size_t lddup,
                                const float *dpost, size_t lddpost, const float *pre,
                                size_t ldpre, const float *up, size_t ldup, size_t N, size_t F,
                                rv_activation activation, int threads)
{
#pragma omp parallel for num_threads(threads) if (N * F > WORTH_THREADS)
    for (size_t n = 0; n < N; n++) {
        activation_rows r = {.dpre = dpre + n * lddpre,
                             .dup = up && dup ? dup + n * lddup : NULL,
                             .dpost = dpost + n * lddpost,
                             .pre = pre + n * ldpre,
                             .up = up ? up + n * ldup : NULL};
        activate_kind(r, F, activation, true);
    }
}

static void rope(float *x, size_t ldx, const int32_t *position, const float *cosine,
                 const float *sine, size_t N, size_t heads, size_t D, size_t pairs,
                 bool inverse, int threads)
{
#pragma omp parallel for num_threads(threads) if (N * heads * D > WORTH_THREADS)
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < pairs; i += LANES) {
            size_t at = (size_t)position[n] * pairs + i, some = pairs - i;
            vec c = load_some(cosine + at, some), s = load_some(sine + at, some);
            if (inverse) s = -s;
            for (size_t h = 0; h < heads; h++) {
                float *a = x + n * ldx + h * D + i, *b = a + pairs;
                vec u = load_some(a, some), v = load_some(b, some);
                store_some(a, v_fnma(v, s, u * c), some);
                store_some(b, v_fma(u, s, v * c), some);
            }
        }
}

#endif
