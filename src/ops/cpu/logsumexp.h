/* Unembedding without logits. The vocabulary is cut into at most PARTS parts, by its size
 * alone; a task takes one part for up to LSE_ROWS rows and keeps, for every row, a reference r and
 * sum exp(z - r), lane by lane. The parts are joined in order. */
#ifndef RV_OPS_CPU_LOGSUMEXP_H
#define RV_OPS_CPU_LOGSUMEXP_H

#include <math.h>

#include "ops/cpu/linear.h"

enum {
    PARTS = 64,
    LSE_ROWS = 252 / TILE_ROWS * TILE_ROWS,
    BLOCK_COLUMNS = 512, /* of the vocabulary, per step of backward */
    BLOCK_STRIDE = BLOCK_COLUMNS + 16
};

/* sum exp(z - reference); the reference is some earlier z, at most HEADROOM below the largest,
 * so that nothing overflows and it seldom has to move. */
#define HEADROOM 20.0f
typedef struct lse_part {
    float reference, sum;
} lse_part;

/* z (rows, ldz) = x W^T + bias for one panel; the same sums as linear_forward's. */
static void panel_logits(float *z, size_t ldz, const float *x, size_t ldx, size_t rows,
                         const rv_matrix *head, size_t panel)
{
    size_t blocks = blocks_of(head->K, STEPS);
    const float *next =
        panel + 1 < head->panels ? head->data + (panel + 1) * head->K * PANEL : NULL;
    for (size_t i = 0; i < blocks; i++) {
        size_t k = cut(head->K, i, blocks);
        tile t = {.c = z,
                  .ldc = ldz,
                  .a = x + k,
                  .lda = ldx,
                  .b = head->data + (panel * head->K + k) * PANEL,
                  .ldb = PANEL,
                  .steps = cut(head->K, i + 1, blocks) - k,
                  .bias = i == 0 && head->bias ? head->bias + panel * PANEL : NULL,
                  .add = i > 0,
                  .columns = PANEL};
        tile_rows(t, rows, false, next ? next + k * PANEL : NULL);
    }
}

static void cap_logits(float *z, size_t ldz, size_t rows, float softcap)
{
    vec cap = v_set1(softcap);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < PANEL; j += LANES)
            v_store(z + r * ldz + j, cap * v_tanh(v_load(z + r * ldz + j) / cap));
}

/* Adds `columns` logits (the others count as minus infinity) to a row's reference and lanes. */
ALWAYS_INLINE void add_logits(float *reference, float *lanes, const float *z, size_t columns)
{
    vec z0 = v_load(z), z1 = v_load(z + LANES);
    if (columns < PANEL) {
        float kept[PANEL];
        for (size_t j = 0; j < PANEL; j++) kept[j] = j < columns ? z[j] : -INFINITY;
        z0 = v_load(kept), z1 = v_load(kept + LANES);
    }
    float largest = v_largest(v_max(z0, z1));
    if (largest == -INFINITY) return;
    vec sum = v_load(lanes);
    if (largest > *reference + HEADROOM) {
        sum = sum * v_set1(expf(*reference - largest));
        *reference = largest;
    }
    vec r = v_set1(*reference);
    v_store(lanes, sum + (v_exp(z0 - r) + v_exp(z1 - r)));
}

/* Of some rows, over some panels. */
typedef struct lse_sums {
    float reference[LSE_ROWS], lanes[LSE_ROWS * LANES];
} lse_sums;

static void lse_begin(lse_sums *s, size_t rows)
{
    for (size_t i = 0; i < rows * LANES; i++) s->lanes[i] = 0;
    for (size_t r = 0; r < rows; r++) s->reference[r] = -INFINITY;
}

/* The logits z (rows, PANEL) of panel p join; those of labels are noted. */
static void lse_add(lse_sums *s, float *label_logit, float *z, const int32_t *label,
                    size_t rows, size_t p, size_t valid, float softcap)
{
    size_t first = p * PANEL, columns = first < valid ? smaller(PANEL, valid - first) : 0;
    if (softcap > 0) cap_logits(z, PANEL, rows, softcap);
    for (size_t r = 0; columns && r < rows; r++)
        add_logits(&s->reference[r], s->lanes + r * LANES, z + r * PANEL, columns);
    for (size_t r = 0; label && label_logit && r < rows; r++)
        if (label[r] >= 0 && (size_t)label[r] / PANEL == p)
            label_logit[r] = z[r * PANEL + (size_t)label[r] % PANEL];
}

static void lse_end(lse_part *parts, const lse_sums *s, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        parts[r] = (lse_part){s->reference[r], v_sum(v_load(s->lanes + r * LANES))};
}

/* Panels [from, to) for all rows: parts (rows). */
static void lse_task(lse_part *parts, float *label_logit, const float *x, size_t ldx,
                     const int32_t *label, const rv_matrix *head, size_t rows, size_t from,
                     size_t to, size_t valid, float softcap)
{
    float z[LSE_ROWS * PANEL];
    lse_sums sums;
    lse_begin(&sums, rows);
    for (size_t p = from; p < to; p++) {
        panel_logits(z, PANEL, x, ldx, rows, head, p);
        lse_add(&sums, label_logit, z, label, rows, p, valid, softcap);
    }
    lse_end(parts, &sums, rows);
}

static float join_parts(const lse_part *parts, size_t stride, size_t count)
{
    float largest = -INFINITY;
    double sum = 0;
    for (size_t g = 0; g < count; g++) largest = fmaxf(largest, parts[g * stride].reference);
    for (size_t g = 0; g < count; g++) {
        const lse_part *p = &parts[g * stride];
        if (p->reference > -INFINITY) sum += p->sum * exp((double)p->reference - largest);
    }
    return (float)(largest + log(sum));
}

static void logsumexp_forward(float *lse, float *label_logit, const float *x, size_t ldx,
                              const int32_t *label, const rv_matrix *head, size_t N,
                              size_t valid, float softcap, int threads)
{
    lse_part parts[PARTS * LSE_ROWS];
    size_t count = smaller(head->panels, PARTS), chunks = blocks_of(N, LSE_ROWS);
    for (size_t i = 0; i < chunks; i++) {
        size_t n = cut(N, i, chunks), rows = cut(N, i + 1, chunks) - n;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (size_t g = 0; g < count; g++)
            lse_task(parts + g * LSE_ROWS, label_logit ? label_logit + n : NULL, x + n * ldx,
                     ldx, label ? label + n : NULL, head, rows, cut(head->panels, g, count),
                     cut(head->panels, g + 1, count), valid, softcap);
        for (size_t r = 0; r < rows; r++) lse[n + r] = join_parts(parts + r, LSE_ROWS, count);
    }
}

/* z becomes dz[r, v] = weight[r] (exp(z - lse[r]) - [v = label[r]]) c'(z), for one panel. */
static void logit_gradient(float *z, const float *lse, const int32_t *label,
                           const float *weight, size_t rows, size_t panel, size_t valid,
                           float softcap)
{
    for (size_t r = 0; r < rows; r++, z += BLOCK_STRIDE) {
        vec w = v_set1(weight[r]), top = v_set1(lse[r]);
        size_t first = panel * PANEL,
               columns = first < valid ? smaller(PANEL, valid - first) : 0;
        float slope = 1;
        bool labelled = label && label[r] >= 0 && (size_t)label[r] / PANEL == panel;
        float *at = labelled ? z + (size_t)label[r] % PANEL : NULL;
        if (at && softcap > 0) slope = 1 - (*at / softcap) * (*at / softcap);
        for (size_t j = 0; j < PANEL; j += LANES) {
            vec logit = v_load(z + j), ratio = logit / v_set1(softcap);
            vec dz = v_exp(logit - top) * w;
            if (softcap > 0) dz = v_fnma(ratio * ratio, dz, dz);
            v_store(z + j, weight[r] != 0 ? dz : v_set1(0));
        }
        for (size_t j = columns; j < PANEL; j++) z[j] = 0;
        if (at && weight[r] != 0) *at -= weight[r] * slope;
    }
}

/* dx[:, k .. k + PANEL) += dz W[from .. from + count, k .. k + PANEL) */
static void unembed_task(float *dx, size_t ldx, const float *dz, const rv_matrix *head,
                         size_t rows, size_t from, size_t count, size_t k)
{
    float turned[BLOCK_COLUMNS * PANEL];
    size_t columns = smaller(PANEL, head->K - k);
    pack_transposed(turned, head, from, count, k, columns);
    tile t = {.c = dx + k,
              .ldc = ldx,
              .a = dz,
              .lda = BLOCK_STRIDE,
              .b = turned,
              .ldb = PANEL,
              .steps = count,
              .add = true,
              .columns = columns};
    tile_rows(t, rows, false, NULL);
}

/* For ROW_BLOCK rows, BLOCK_COLUMNS words of the vocabulary after the other: the gradient at
 * their logits is made by panels, then taken back through the head by columns of dx. */
static void logsumexp_backward(float *dx, size_t ldx, const float *lse, const float *x,
                               const int32_t *label, const float *weight, const rv_matrix *head,
                               size_t N, size_t valid, float softcap, int threads)
{
    float dz[ROW_BLOCK * BLOCK_STRIDE];
    size_t chunks = blocks_of(N, ROW_BLOCK), steps = blocks_of(head->M, BLOCK_COLUMNS);
#pragma omp parallel num_threads(threads)
    for (size_t i = 0; i < chunks * steps; i++) {
        size_t n = cut(N, i / steps, chunks), rows = cut(N, i / steps + 1, chunks) - n;
        size_t from = i % steps * BLOCK_COLUMNS, count = smaller(BLOCK_COLUMNS, head->M - from);
#pragma omp for schedule(dynamic)
        for (size_t j = 0; j < count; j += PANEL) {
            size_t panel = (from + j) / PANEL;
            panel_logits(dz + j, BLOCK_STRIDE, x + n * ldx, ldx, rows, head, panel);
            if (softcap > 0) cap_logits(dz + j, BLOCK_STRIDE, rows, softcap);
            logit_gradient(dz + j, lse + n, label ? label + n : NULL, weight + n, rows, panel,
                           valid, softcap);
        }
#pragma omp for schedule(dynamic)
        for (size_t k = 0; k < head->K; k += PANEL)
            unembed_task(dx + n * ldx, ldx, dz, head, rows, from, count, k);
    }
}

#endif
