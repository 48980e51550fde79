/* LayerNorm and RMSNorm: rows in parallel; the gradients of weight and bias, which are sums over
 * rows, by columns. RMSNorm is LayerNorm with a mean of 0. */
#ifndef RV_OPS_CPU_NORMS_H
#define RV_OPS_CPU_NORMS_H

#include <math.h>

#include "ops/cpu/elementwise.h"

static float sum_of(const float *x, size_t C)
{
    vec sum = v_set1(0);
    for (size_t i = 0; i < C; i += LANES) sum += load_some(x + i, C - i);
    return v_sum(sum);
}

static float sum_of_squares(const float *x, float mean, size_t C)
{
    vec sum = v_set1(0), mu = v_set1(mean);
    for (size_t i = 0; i < C; i += LANES) {
        vec y = load_some(x + i, C - i) - mu;
        if (C - i < LANES) y = v_keep_first(y, C - i);
        sum = v_fma(y, y, sum);
    }
    return v_sum(sum);
}

static void normalise(float *out, const float *x, const float *weight, const float *bias,
                      float mean, float rstd, size_t C)
{
    vec mu = v_set1(mean), r = v_set1(rstd);
    for (size_t i = 0; i < C; i += LANES) {
        size_t n = C - i;
        vec y = (load_some(x + i, n) - mu) * r * load_some(weight + i, n);
        if (bias) y += load_some(bias + i, n);
        store_some(out + i, y, n);
    }
}

/* dx += rstd (u - mean(u) - y mean(u y)), u = weight * dout, y = (x - mean) * rstd; without
 * `centred` the term mean(u) is not there. */
static void normalise_backward(float *dx, const float *dout, const float *x,
                               const float *weight, float mean, float rstd, size_t C,
                               bool centred)
{
    vec mu = v_set1(mean), r = v_set1(rstd), sum_u = v_set1(0), sum_uy = v_set1(0);
    for (size_t i = 0; i < C; i += LANES) {
        size_t n = C - i;
        vec u = load_some(weight + i, n) * load_some(dout + i, n);
        vec y = (load_some(x + i, n) - mu) * r;
        sum_u += u;
        sum_uy = v_fma(u, y, sum_uy);
    }
    vec mean_u = v_set1(centred ? v_sum(sum_u) / (float)C : 0);
    vec mean_uy = v_set1(v_sum(sum_uy) / (float)C);
    for (size_t i = 0; i < C; i += LANES) {
        size_t n = C - i;
        vec u = load_some(weight + i, n) * load_some(dout + i, n);
        vec y = (load_some(x + i, n) - mu) * r;
        vec d = v_fnma(y, mean_uy, u - mean_u);
        store_some(dx + i, v_fma(r, d, load_some(dx + i, n)), n);
    }
}

/* dweight += sum_n dout y and dbias += sum_n dout, where they are not NULL; mean NULL: 0. */
static void normalise_backward_weight(float *dweight, float *dbias, const float *dout,
                                      size_t ldo, const float *x, size_t ldx, const float *mean,
                                      const float *rstd, size_t N, size_t groups, size_t C,
                                      int threads)
{
    if (!dweight && !dbias) return;
#pragma omp parallel for num_threads(threads) if (N * groups * C > WORTH_THREADS)
    for (size_t i = 0; i < C; i += LANES) {
        size_t some = C - i;
        vec sum_weight = v_set1(0), sum_bias = v_set1(0);
        for (size_t n = 0; n < N; n++)
            for (size_t g = 0; g < groups; g++) {
                vec d = load_some(dout + n * ldo + g * C + i, some);
                vec y = load_some(x + n * ldx + g * C + i, some) - v_set1(mean ? mean[n] : 0);
                sum_weight = v_fma(d, y * v_set1(rstd[n * groups + g]), sum_weight);
                sum_bias += d;
            }
        if (dweight) store_some(dweight + i, load_some(dweight + i, some) + sum_weight, some);
        if (dbias) store_some(dbias + i, load_some(dbias + i, some) + sum_bias, some);
    }
}

static void layernorm_forward(float *out, size_t ldo, float *mean, float *rstd, const float *x,
                              size_t ldx, const float *weight, const float *bias, size_t N,
                              size_t C, float eps, int threads)
{
#pragma omp parallel for num_threads(threads) if (N * C > WORTH_THREADS)
    for (size_t n = 0; n < N; n++) {
        const float *row = x + n * ldx;
        float mu = sum_of(row, C) / (float)C;
        float r = 1 / sqrtf(sum_of_squares(row, mu, C) / (float)C + eps);
        normalise(out + n * ldo, row, weight, bias, mu, r, C);
        if (mean) mean[n] = mu;
        if (rstd) rstd[n] = r;
    }
}

static void layernorm_backward(float *dx, size_t lddx, float *dweight, float *dbias,
                               const float *dout, size_t ldo, const float *x, size_t ldx,
                               const float *weight, const float *mean, const float *rstd,
                               size_t N, size_t C, int threads)
{
    if (dx) {
#pragma omp parallel for num_threads(threads) if (N * C > WORTH_THREADS)
        for (size_t n = 0; n < N; n++)
            normalise_backward(dx + n * lddx, dout + n * ldo, x + n * ldx, weight, mean[n],
                               rstd[n], C, true);
    }
    normalise_backward_weight(dweight, dbias, dout, ldo, x, ldx, mean, rstd, N, 1, C, threads);
}

static void rmsnorm_forward(float *out, size_t ldo, float *rstd, const float *x, size_t ldx,
                            const float *weight, size_t N, size_t groups, size_t C, float eps,
                            int threads)
{
#pragma omp parallel for num_threads(threads) if (N * groups * C > WORTH_THREADS)
    for (size_t n = 0; n < N; n++)
        for (size_t g = 0; g < groups; g++) {
            const float *row = x + n * ldx + g * C;
            float r = 1 / sqrtf(sum_of_squares(row, 0, C) / (float)C + eps);
            normalise(out + n * ldo + g * C, row, weight, NULL, 0, r, C);
            if (rstd) rstd[n * groups + g] = r;
        }
}

static void rmsnorm_backward(float *dx, size_t lddx, float *dweight, const float *dout,
                             size_t ldo, const float *x, size_t ldx, const float *weight,
                             const float *rstd, size_t N, size_t groups, size_t C, int threads)
{
    if (dx) {
#pragma omp parallel for num_threads(threads) if (N * groups * C > WORTH_THREADS)
        for (size_t n = 0; n < N; n++)
            for (size_t g = 0; g < groups; g++)
                normalise_backward(dx + n * lddx + g * C, dout + n * ldo + g * C,
                                   x + n * ldx + g * C, weight, 0, rstd[n * groups + g], C,
                                   false);
    }
    normalise_backward_weight(dweight, NULL, dout, ldo, x, ldx, NULL, rstd, N, groups, C,
                              threads);
}

#endif
