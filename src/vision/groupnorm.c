#include "vision/layers.h"

static const real EPSILON = (real)1e-5;

enum { LANES = 16 }; // channels summed side by side, so that no sum waits for itself

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Mean and 1 / deviation of channels first .. first + width over P pixels. */
static void measure(real *mean, real *rstd, const real *x, size_t P, size_t C, size_t first,
                    size_t width)
{
    double sum = 0, squares = 0, count = (double)(P * width);
    for (size_t c = first; c < first + width; c += LANES) {
        const size_t lanes = smaller(first + width - c, LANES);
        double s[LANES] = {0}, q[LANES] = {0};
        for (size_t p = 0; p < P; p++)
#pragma omp simd
            for (size_t i = 0; i < lanes; i++) {
                double v = (double)x[p * C + c + i];
                s[i] += v;
                q[i] += v * v;
            }
        for (size_t i = 0; i < lanes; i++) {
            sum += s[i];
            squares += q[i];
        }
    }
    double m = sum / count, variance = squares / count - m * m;
    *mean = (real)m;
    *rstd = (real)(1 / sqrt((variance < 0 ? 0 : variance) + (double)EPSILON));
}

void rv_groupnorm_forward(real *out, real *moments, const real *x, const real *weight,
                          const real *bias, size_t N, size_t P, size_t C, size_t G)
{
    const size_t width = C / G;
    for (size_t n = 0; n < N; n++, x += P * C, out += P * C, moments += 2 * G)
        for (size_t g = 0; g < G; g++) {
            const size_t first = g * width;
            measure(&moments[2 * g], &moments[2 * g + 1], x, P, C, first, width);
            const real mean = moments[2 * g], rstd = moments[2 * g + 1];
            for (size_t p = 0; p < P; p++)
#pragma omp simd
                for (size_t c = first; c < first + width; c++)
                    out[p * C + c] = weight[c] * ((x[p * C + c] - mean) * rstd) + bias[c];
        }
}

/* With h = (x - mean) rstd, e = dout weight:  dx = rstd (e - mean(e) - h mean(e h)) */
void rv_groupnorm_backward(real *dx, real *dweight, real *dbias, const real *dout,
                           const real *x, const real *weight, const real *moments, size_t N,
                           size_t P, size_t C, size_t G)
{
    const size_t width = C / G;
    for (size_t n = 0; n < N; n++, x += P * C, dx += P * C, dout += P * C, moments += 2 * G)
        for (size_t g = 0; g < G; g++) {
            const real mean = moments[2 * g], rstd = moments[2 * g + 1];
            double sum_e = 0, sum_eh = 0, count = (double)(P * width);
            for (size_t c = g * width; c < (g + 1) * width; c += LANES) {
                const size_t lanes = smaller((g + 1) * width - c, LANES);
                double sum_d[LANES] = {0}, sum_dh[LANES] = {0};
                for (size_t p = 0; p < P; p++)
#pragma omp simd
                    for (size_t i = 0; i < lanes; i++) {
                        double d = (double)dout[p * C + c + i];
                        sum_d[i] += d;
                        sum_dh[i] += d * (double)((x[p * C + c + i] - mean) * rstd);
                    }
                for (size_t i = 0; i < lanes; i++) {
                    if (dbias) dbias[c + i] += (real)sum_d[i];
                    if (dweight) dweight[c + i] += (real)sum_dh[i];
                    sum_e += (double)weight[c + i] * sum_d[i];
                    sum_eh += (double)weight[c + i] * sum_dh[i];
                }
            }
            const real mean_e = (real)(sum_e / count), mean_eh = (real)(sum_eh / count);
            for (size_t p = 0; p < P; p++)
#pragma omp simd
                for (size_t c = g * width; c < (g + 1) * width; c++) {
                    real h = (x[p * C + c] - mean) * rstd;
                    dx[p * C + c] +=
                        rstd * (dout[p * C + c] * weight[c] - mean_e - h * mean_eh);
                }
        }
}
