#include "ops/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

rv_status rv_matrix_init(rv_matrix *out, const rv_kernels *kernels, size_t M, size_t K,
                         bool bias, rv_error *err)
{
    *out = (rv_matrix){0};
    if (M == 0 || K == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "matrix: expected a shape above 0 x 0, found %zu x %zu", M, K);
    rv_matrix m = {.K = K, .M = M, .width = kernels->panel_width};
    m.panels = (M - 1) / m.width + 1;
    size_t numbers;
    if (rv_mul_overflows(m.panels, m.width, &numbers) || rv_mul_overflows(numbers, K, &numbers))
        return rv_fail_memory(err, SIZE_MAX);
    rv_status status = RV_NEW(m.data, numbers, err);
    if (status == RV_OK && bias) status = RV_NEW(m.bias, m.panels * m.width, err);
    if (status != RV_OK) {
        rv_matrix_release(&m);
        return status;
    }
    *out = m;
    return RV_OK;
}

void rv_matrix_set_rows(rv_matrix *m, size_t first, size_t count, const real *W)
{
    for (size_t i = 0; i < count; i++) {
        size_t row = first + i;
        real *column = m->data + row / m->width * m->K * m->width + row % m->width;
        for (size_t k = 0; k < m->K; k++) column[k * m->width] = W[i * m->K + k];
    }
}

void rv_matrix_get_row(const rv_matrix *m, size_t row, real *out)
{
    const real *column = m->data + row / m->width * m->K * m->width + row % m->width;
    for (size_t k = 0; k < m->K; k++) out[k] = column[k * m->width];
}

rv_status rv_matrix_pack(rv_matrix *out, const rv_kernels *kernels, const real *W,
                         const real *bias, size_t M, size_t K, rv_error *err)
{
    RV_TRY(rv_matrix_init(out, kernels, M, K, bias != NULL, err));
    rv_matrix_set_rows(out, 0, M, W);
    for (size_t i = 0; bias && i < M; i++) out->bias[i] = bias[i];
    return RV_OK;
}

/* To the nearest bf16, ties to even: the upper half of a float's bits. */
static uint16_t to_bf16(real x)
{
    float number = (float)x;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (number != number) return (uint16_t)(bits >> 16 | 0x40); // stays not a number
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

rv_status rv_matrix_narrow(rv_matrix *m, const rv_kernels *kernels, rv_error *err)
{
    if (!kernels->narrow) return RV_OK;
    size_t pairs = (m->K + 1) / 2;
    if (!m->narrow) RV_TRY(RV_NEW(m->narrow, m->panels * pairs * m->width * 2, err));
    for (size_t p = 0; p < m->panels; p++) {
        const real *from = m->data + p * m->K * m->width;
        uint16_t *to = m->narrow + p * pairs * m->width * 2;
        for (size_t k = 0; k < m->K; k++)
            for (size_t j = 0; j < m->width; j++)
                to[(k / 2 * m->width + j) * 2 + k % 2] = to_bf16(from[k * m->width + j]);
    }
    return RV_OK;
}

void rv_matrix_release(rv_matrix *m)
{
    free(m->data);
    free(m->bias);
    free(m->narrow);
    *m = (rv_matrix){0};
}
