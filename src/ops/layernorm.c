/* LayerNorm:  out = weight * (x - mean) * rstd + bias,   rstd = 1 / sqrt(var(x) + eps) */
#include "ops/reference.h"

void rv_layernorm_forward(real *out, size_t ldo, real *mean, real *rstd, const real *x,
                          size_t ldx, const real *weight, const real *bias, size_t N, size_t C,
                          real eps, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++) {
        const real *xn = x + n * ldx;
        real sum = 0, square = 0;
        for (size_t i = 0; i < C; i++) sum += xn[i];
        real mu = sum / (real)C;
        for (size_t i = 0; i < C; i++) square += (xn[i] - mu) * (xn[i] - mu);
        real r = 1 / sqrt(square / (real)C + eps);
        for (size_t i = 0; i < C; i++)
            out[n * ldo + i] = weight[i] * ((xn[i] - mu) * r) + (bias ? bias[i] : 0);
        if (mean) mean[n] = mu;
        if (rstd) rstd[n] = r;
    }
}

/* With u = weight * dout and y = (x - mean) * rstd:
 *   dx += rstd (u - mean(u) - y mean(u y)),   dweight += dout y,   dbias += dout */
void rv_layernorm_backward(real *dx, size_t lddx, real *dweight, real *dbias, const real *dout,
                           size_t ldo, const real *x, size_t ldx, const real *weight,
                           const real *mean, const real *rstd, size_t N, size_t C, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++) {
        const real *xn = x + n * ldx, *don = dout + n * ldo;
        real mu = mean[n], r = rstd[n], mean_u = 0, mean_uy = 0;
        for (size_t i = 0; i < C; i++) {
            mean_u += weight[i] * don[i];
            mean_uy += weight[i] * don[i] * ((xn[i] - mu) * r);
        }
        mean_u /= (real)C;
        mean_uy /= (real)C;
        for (size_t i = 0; i < C; i++) {
            real y = (xn[i] - mu) * r;
            if (dx) dx[n * lddx + i] += r * (weight[i] * don[i] - mean_u - y * mean_uy);
            if (dweight) dweight[i] += don[i] * y;
            if (dbias) dbias[i] += don[i];
        }
    }
}
