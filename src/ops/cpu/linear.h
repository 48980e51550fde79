/* Matrix products with packed weights. Work is cut into tasks (a block of rows and a group of
 * panels) that threads take in turn; how it is cut changes no result, since every output number
 * is summed by one task, in blocks of inputs that depend on K alone. */
#ifndef RV_OPS_CPU_LINEAR_H
#define RV_OPS_CPU_LINEAR_H

#include <string.h>

#include "base/assert.h"
#include "ops/kernels.h"

enum {
    STEPS = 768,                             /* inputs summed in registers before a store */
    ROW_BLOCK = 112 / TILE_ROWS * TILE_ROWS, /* rows of a task: ROW_BLOCK * STEPS stay in L2 */
    GROUP = 16,                              /* panels of a task, at most */
    ALIAS = 4096,                            /* bytes: rows this far apart share cache sets */
    COPY_ROWS = 56 / TILE_ROWS * TILE_ROWS,
    COPY_STRIDE = STEPS + 16,
    BACKWARD_ROWS = 8 * ROW_BLOCK, /* rows for which a panel is turned once */
    WEIGHT_STEPS = 256             /* rows summed in registers in a weight's gradient */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Where block i of `blocks` even blocks of n things starts. */
static size_t cut(size_t n, size_t i, size_t blocks)
{
    return n * i / blocks;
}

/* Rows whose distance is a multiple of ALIAS evict each other from the first cache: copies. */
static bool aliases(size_t ld)
{
    return ld * sizeof(float) % ALIAS == 0;
}

static void copy_rows(float *out, size_t ldo, const float *in, size_t ldi, size_t rows,
                      size_t columns)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(out + r * ldo, in + r * ldi, columns * sizeof *out);
}

/* Rows [first, last) times panels [from, to). */
static void forward_task(float *out, size_t ldo, const float *x, size_t ldx, const rv_matrix *m,
                         size_t first, size_t last, size_t from, size_t to, bool accumulate)
{
    float copy[COPY_ROWS * COPY_STRIDE];
    size_t blocks = blocks_of(m->K, STEPS);
    for (size_t i = 0; i < blocks; i++) {
        size_t k = cut(m->K, i, blocks), steps = cut(m->K, i + 1, blocks) - k;
        const float *a = x + first * ldx + k;
        size_t lda = ldx;
        if (aliases(ldx)) {
            copy_rows(copy, COPY_STRIDE, a, ldx, last - first, steps);
            a = copy;
            lda = COPY_STRIDE;
        }
        for (size_t p = from; p < to; p++) {
            const float *b = m->data + (p * m->K + k) * PANEL;
            tile t = {.c = out + first * ldo + p * PANEL,
                      .ldc = ldo,
                      .a = a,
                      .lda = lda,
                      .b = b,
                      .ldb = PANEL,
                      .steps = steps,
                      .bias = i == 0 && m->bias ? m->bias + p * PANEL : NULL,
                      .add = accumulate || i > 0,
                      .columns = smaller(PANEL, m->M - p * PANEL)};
            tile_rows(t, last - first, false, p + 1 < to ? b + m->K * PANEL : NULL);
        }
    }
}

static void linear_forward(float *out, size_t ldo, const float *x, size_t ldx,
                           const rv_matrix *m, size_t N, rv_epilogue epilogue, int threads)
{
    RV_ASSERT(m->width == PANEL && (N <= 1 || (ldo >= m->M && ldx >= m->K)));
    if (N == 0) return;
    size_t blocks = blocks_of(N, aliases(ldx) ? COPY_ROWS : ROW_BLOCK);
    size_t group = blocks * m->panels / (8 * (size_t)threads);
    group = group < 1 ? 1 : smaller(group, GROUP);
    size_t groups = blocks_of(m->panels, group);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t task = 0; task < groups * blocks; task++) {
        size_t g = task / blocks, block = task % blocks;
        forward_task(out, ldo, x, ldx, m, cut(N, block, blocks), cut(N, block + 1, blocks),
                     cut(m->panels, g, groups), cut(m->panels, g + 1, groups),
                     epilogue == RV_ACCUMULATE);
    }
}

/* out (count, PANEL) = W[m .. m + count, k .. k + columns), zero beyond `columns`; out has room
 * for count rounded up to LANES. m is a multiple of PANEL. */
static void pack_transposed(float *out, const rv_matrix *matrix, size_t m, size_t count,
                            size_t k, size_t columns)
{
    for (size_t j = 0; j < count; j += LANES) {
        const float *panel = matrix->data + (m + j) / PANEL * matrix->K * PANEL;
        const float *in = panel + k * PANEL + j % PANEL, *soon = in + matrix->K * PANEL;
        for (size_t i = 0; i < PANEL; i += LANES) {
            // the next panel's corner is far away in memory: no hardware foresees it
            for (size_t u = 0; u < LANES; u++) __builtin_prefetch(soon + (i + u) * PANEL, 0, 2);
            float *corner = out + j * PANEL + i;
            if (i + LANES <= columns) {
                v_transpose(corner, PANEL, in + i * PANEL, PANEL);
                continue;
            }
            for (size_t u = 0; u < LANES; u++)
                for (size_t v = 0; v < LANES; v++)
                    corner[u * PANEL + v] = i + v < columns ? in[(i + v) * PANEL + u] : 0;
        }
    }
}

/* dx[:, k .. k + PANEL) += dout W[:, k .. k + PANEL): the panel is turned once on the stack, and
 * from there on this is the forward product. */
static void backward_task(float *dx, size_t ldx, const float *dout, size_t ldo,
                          const rv_matrix *m, size_t rows, size_t k)
{
    float turned[STEPS * PANEL];
    size_t columns = smaller(PANEL, m->K - k), blocks = blocks_of(m->M, STEPS);
    for (size_t i = 0; i < blocks; i++) {
        size_t first = cut(m->panels, i, blocks) * PANEL;
        size_t last = smaller(cut(m->panels, i + 1, blocks) * PANEL, m->M);
        pack_transposed(turned, m, first, last - first, k, columns);
        tile t = {.c = dx + k,
                  .ldc = ldx,
                  .a = dout + first,
                  .lda = ldo,
                  .b = turned,
                  .ldb = PANEL,
                  .steps = last - first,
                  .add = true,
                  .columns = columns};
        tile_rows(t, rows, false, NULL);
    }
}

static void linear_backward(float *dx, size_t ldx, const float *dout, size_t ldo,
                            const rv_matrix *m, size_t N, int threads)
{
    size_t panels = blocks_of(m->K, PANEL), blocks = blocks_of(N, BACKWARD_ROWS);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t task = 0; task < panels * blocks; task++) {
        size_t block = task / panels, first = cut(N, block, blocks);
        backward_task(dx + first * ldx, ldx, dout + first * ldo, ldo, m,
                      cut(N, block + 1, blocks) - first, task % panels * PANEL);
    }
}

/* sum (columns) += the sum of `rows` rows. */
static void add_rows(float *sum, const float *in, size_t ldi, size_t rows, size_t columns)
{
    float part[ROW_BLOCK] = {0};
    for (size_t n = 0; n < rows; n++)
        for (size_t i = 0; i < columns; i++) part[i] += in[n * ldi + i];
    for (size_t i = 0; i < columns; i++) sum[i] += part[i];
}

/* dW[m .. m + height, panels from .. to) += dout^T x, WEIGHT_STEPS rows at a time. The tiles read
 * dout and x where they are; only rows that alias, and a last panel that is not full, are copied. */
static void weight_task(float *dW, float *dbias, const float *dout, size_t ldo, const float *x,
                        size_t ldx, size_t N, size_t K, size_t height, size_t from, size_t to)
{
    float a_copy[WEIGHT_STEPS * ROW_BLOCK], b_copy[WEIGHT_STEPS * PANEL];
    size_t blocks = blocks_of(N, WEIGHT_STEPS);
    for (size_t i = 0; i < blocks; i++) {
        size_t n = cut(N, i, blocks), steps = cut(N, i + 1, blocks) - n, lda = ldo;
        const float *a = dout + n * ldo;
        if (aliases(ldo)) {
            copy_rows(a_copy, ROW_BLOCK, a, ldo, steps, height);
            a = a_copy, lda = ROW_BLOCK;
        }
        if (dbias) add_rows(dbias, a, lda, steps, height);
        for (size_t p = from; dW && p < to; p++) {
            size_t columns = smaller(PANEL, K - p * PANEL), ldb = ldx;
            const float *b = x + n * ldx + p * PANEL;
            if (aliases(ldx) || columns < PANEL) {
                if (columns < PANEL) memset(b_copy, 0, sizeof b_copy);
                copy_rows(b_copy, PANEL, b, ldx, steps, columns);
                b = b_copy, ldb = PANEL;
            }
            tile t = {.c = dW + p * PANEL,
                      .ldc = K,
                      .a = a,
                      .lda = lda,
                      .b = b,
                      .ldb = ldb,
                      .steps = steps,
                      .add = true,
                      .columns = columns};
            tile_rows(t, height, true, NULL);
        }
    }
}

static void linear_backward_weight(float *dW, float *dbias, const float *dout, size_t ldo,
                                   const float *x, size_t ldx, size_t N, size_t K, size_t M,
                                   int threads)
{
    if (!dW && !dbias) return;
    size_t blocks = blocks_of(M, ROW_BLOCK), panels = blocks_of(K, PANEL);
    size_t groups = dW ? blocks_of(panels, GROUP) : 1;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t task = 0; task < blocks * groups; task++) {
        size_t block = task / groups, g = task % groups, m = cut(M, block, blocks);
        weight_task(dW ? dW + m * K : NULL, dbias && g == 0 ? dbias + m : NULL, dout + m, ldo,
                    x, ldx, N, K, cut(M, block + 1, blocks) - m, cut(panels, g, groups),
                    cut(panels, g + 1, groups));
    }
}

#endif
