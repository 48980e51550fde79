/* Matrix products with packed weights. Work is cut into tasks (a block of rows and a group of
 * panels) that threads take in turn; how it is cut changes no result, since every output number
 * is summed by one task, in blocks of inputs that depend on K alone. */
#ifndef RV_OPS_CPU_LINEAR_H
#define RV_OPS_CPU_LINEAR_H

#include <string.h>

#include "ops/kernels.h"

enum {
    STEPS = 768,                             /* inputs summed in registers before a store */
    ROW_BLOCK = 112 / TILE_ROWS * TILE_ROWS, /* rows of a task: ROW_BLOCK * STEPS stay in L2 */
    GROUP = 16,                              /* panels of a task, at most */
    ALIAS = 4096,                            /* bytes: rows this far apart share cache sets */
    COPY_ROWS = 56 / TILE_ROWS * TILE_ROWS,
    COPY_STRIDE = STEPS + 16
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

#endif
