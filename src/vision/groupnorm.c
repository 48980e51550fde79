#include "vision/layers.h"

static const real EPSILON = (real)1e-5;

/* Mean and 1 / deviation of channels first .. first + width over P pixels. */
static void measure(real *mean, real *rstd, const real *x, size_t P, size_t C, size_t first,
                    size_t width)
{
    double sum = 0, squares = 0, count = (double)(P * width);
    for (size_t p = 0; p < P; p++)
        for (size_t c = first; c < first + width; c++) sum += (double)x[p * C + c];
    double m = sum / count;
    for (size_t p = 0; p < P; p++)
        for (size_t c = first; c < first + width; c++) {
            double d = (double)x[p * C + c] - m;
            squares += d * d;
        }
    *mean = (real)m;
    *rstd = (real)(1 / sqrt(squares / count + (double)EPSILON));
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
            for (size_t c = g * width; c < (g + 1) * width; c++) {
                double sum_d = 0, sum_dh = 0;
                for (size_t p = 0; p < P; p++) {
                    double d = (double)dout[p * C + c];
                    sum_d += d;
                    sum_dh += d * (double)((x[p * C + c] - mean) * rstd);
                }
                if (dbias) dbias[c] += (real)sum_d;
                if (dweight) dweight[c] += (real)sum_dh;
                sum_e += (double)weight[c] * sum_d;
                sum_eh += (double)weight[c] * sum_dh;
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
