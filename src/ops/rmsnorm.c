/* RMSNorm:  out = weight * x * rstd,   rstd = 1 / sqrt(mean(x^2) + eps),   per group of C channels */
#include "ops/reference.h"

void rv_rmsnorm_forward(real *out, size_t ldo, real *rstd, const real *x, size_t ldx,
                        const real *weight, size_t N, size_t groups, size_t C, real eps,
                        int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++)
        for (size_t g = 0; g < groups; g++) {
            const real *xg = x + n * ldx + g * C;
            real *og = out + n * ldo + g * C;
            real square = 0;
            for (size_t i = 0; i < C; i++) square += xg[i] * xg[i];
            real r = 1 / sqrt(square / (real)C + eps);
            for (size_t i = 0; i < C; i++) og[i] = weight[i] * (xg[i] * r);
            if (rstd) rstd[n * groups + g] = r;
        }
}

/* With u = weight * dout and y = x * rstd:   dx += rstd (u - y mean(u y)),   dweight += dout y */
void rv_rmsnorm_backward(real *dx, size_t lddx, real *dweight, const real *dout, size_t ldo,
                         const real *x, size_t ldx, const real *weight, const real *rstd,
                         size_t N, size_t groups, size_t C, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++)
        for (size_t g = 0; g < groups; g++) {
            const real *xg = x + n * ldx + g * C, *dog = dout + n * ldo + g * C;
            real r = rstd[n * groups + g], dot = 0;
            for (size_t i = 0; i < C; i++) dot += weight[i] * dog[i] * (xg[i] * r);
            dot /= (real)C;
            for (size_t i = 0; i < C; i++) {
                real y = xg[i] * r;
                if (dx) dx[n * lddx + g * C + i] += r * (weight[i] * dog[i] - y * dot);
                if (dweight) dweight[i] += dog[i] * y;
            }
        }
}
