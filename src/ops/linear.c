/* Linear layer:  out[n,m] = sum_k x[n,k] W[m,k] + bias[m] */
#include "base/assert.h"
#include "ops/reference.h"

void rv_panel_product(real *sum, const real *x, const rv_matrix *m, size_t panel)
{
    const real *w = m->data + panel * m->K * m->width; // (K, width)
    for (size_t j = 0; j < m->width; j++) sum[j] = 0;
    for (size_t k = 0; k < m->K; k++, w += m->width)
        for (size_t j = 0; j < m->width; j++) sum[j] += x[k] * w[j];
    if (!m->bias) return;
    for (size_t j = 0; j < m->width; j++) sum[j] += m->bias[panel * m->width + j];
}

void rv_linear_forward(real *out, size_t ldo, const real *x, size_t ldx, const rv_matrix *m,
                       size_t N, rv_epilogue epilogue, int threads)
{
    (void)threads;
    real sum[RV_MAX_PANEL_WIDTH];
    RV_ASSERT((N <= 1 || (ldo >= m->M && ldx >= m->K)) && m->width <= RV_MAX_PANEL_WIDTH);
    for (size_t n = 0; n < N; n++)
        for (size_t o = 0; o < m->M; o++) {
            size_t j = o % m->width;
            if (j == 0) rv_panel_product(sum, x + n * ldx, m, o / m->width);
            real *y = out + n * ldo + o;
            *y = epilogue == RV_ACCUMULATE ? *y + sum[j] : sum[j];
        }
}

/* dx[n,k] += sum_m dout[n,m] W[m,k] */
void rv_linear_backward(real *dx, size_t ldx, const real *dout, size_t ldo, const rv_matrix *m,
                        size_t N, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++)
        for (size_t first = 0; first < m->M; first += m->width) {
            const real *w = m->data + first * m->K; // the panel, (K, width)
            const real *dy = dout + n * ldo + first;
            size_t columns = m->M - first < m->width ? m->M - first : m->width;
            for (size_t k = 0; k < m->K; k++, w += m->width) {
                real sum = 0;
                for (size_t j = 0; j < columns; j++) sum += dy[j] * w[j];
                dx[n * ldx + k] += sum;
            }
        }
}

/* dW[m,k] += sum_n dout[n,m] x[n,k],   dbias[m] += sum_n dout[n,m] */
void rv_linear_backward_weight(real *dW, real *dbias, const real *dout, size_t ldo,
                               const real *x, size_t ldx, size_t N, size_t K, size_t M,
                               int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++)
        for (size_t m = 0; m < M; m++) {
            real dy = dout[n * ldo + m];
            if (dbias) dbias[m] += dy;
            if (!dW) continue;
            for (size_t k = 0; k < K; k++) dW[m * K + k] += dy * x[n * ldx + k];
        }
}
