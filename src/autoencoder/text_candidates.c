#include "autoencoder/text_candidates.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/top_k.h"

enum { GROUP = 32 };

typedef struct ranked_token {
    size_t seen;
    int32_t id;
} ranked_token;

static int by_frequency(const void *a, const void *b)
{
    const ranked_token *x = a, *y = b;
    if (x->seen != y->seen) return x->seen > y->seen ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static rv_status rank(rv_text_candidates *c, const int32_t *ids, size_t N, rv_error *err)
{
    size_t V = c->subject->config.vocabulary;
    ranked_token *tokens;
    RV_TRY(RV_NEW(tokens, V, err));
    for (size_t v = 0; v < V; v++) tokens[v].id = (int32_t)v;
    for (size_t i = 0; i < N; i++) tokens[ids[i]].seen++;
    qsort(tokens, V, sizeof *tokens, by_frequency);
    for (size_t r = 0; r < V; r++) {
        double log_uniform = log((double)(r + 2) / (double)(r + 1)) / log((double)V + 1);
        c->ranked[r] = tokens[r].id;
        c->chance[tokens[r].id] = 0.5 * log_uniform + 0.5 / (double)V;
    }
    free(tokens);
    return RV_OK;
}

static rv_status candidates_init(rv_text_candidates *c, const int32_t *ids, size_t N,
                                 rv_error *err)
{
    const rv_matrix *head = c->subject->head;
    size_t V = c->subject->config.vocabulary, C = c->subject->config.width;
    RV_TRY(rv_matrix_init(&c->head, c->subject->kernels, c->capacity, C, true, err));
    RV_TRY(RV_NEW(c->ids, c->capacity, err));
    RV_TRY(RV_NEW(c->place, V, err));
    RV_TRY(RV_NEW(c->ranked, V, err));
    RV_TRY(RV_NEW(c->chance, V, err));
    RV_TRY(RV_NEW(c->near, V * RV_TEXT_NEAR, err));
    RV_TRY(RV_NEW(c->norm, V, err));
    RV_TRY(RV_NEW(c->rows, GROUP * C, err));
    RV_TRY(RV_NEW(c->score, GROUP * head->M, err));
    for (size_t v = 0; v < V; v++) {
        double square = 0;
        rv_matrix_get_row(head, v, c->rows);
        for (size_t k = 0; k < C; k++) square += (double)c->rows[k] * (double)c->rows[k];
        c->norm[v] = (real)sqrt(square);
        c->place[v] = -1;
        c->near[v * RV_TEXT_NEAR] = -2;
    }
    return rank(c, ids, N, err);
}

rv_status rv_text_candidates_new(rv_text_candidates **out, const rv_transformer *subject,
                                 const int32_t *ids, size_t N, size_t most, size_t draws,
                                 rv_error *err)
{
    *out = NULL;
    rv_text_candidates *c;
    RV_TRY(RV_NEW(c, 1, err));
    c->subject = subject;
    c->capacity = most * (1 + RV_TEXT_NEAR) + draws;
    rv_status status = candidates_init(c, ids, N, err);
    if (status != RV_OK) {
        rv_text_candidates_free(c);
        return status;
    }
    *out = c;
    return RV_OK;
}

void rv_text_candidates_free(rv_text_candidates *c)
{
    if (!c) return;
    rv_matrix_release(&c->head);
    void *const owned[] = {c->ids,  c->place, c->ranked, c->chance,
                           c->near, c->norm,  c->rows,   c->score};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(c);
}

/* ---- what is like a token -------------------------------------------------------------------- */

static void rank_near(rv_text_candidates *c, int32_t id, real *score)
{
    size_t V = c->subject->config.vocabulary;
    int32_t *near = c->near + (size_t)id * RV_TEXT_NEAR;
    for (size_t v = 0; v < V; v++)
        score[v] = c->norm[v] > 0 ? score[v] / c->norm[v] : -(real)INFINITY;
    score[id] = -(real)INFINITY;
    size_t found = rv_top_k(near, score, V, RV_TEXT_NEAR);
    for (; found < RV_TEXT_NEAR; found++) near[found] = -1;
}

/* Of tokens that are met for the first time. */
static void find_near(rv_text_candidates *c, const int32_t *ids, size_t N, int threads)
{
    const rv_matrix *head = c->subject->head;
    int32_t group[GROUP];
    size_t count = 0;
    for (size_t i = 0; i <= N; i++) {
        if (count == GROUP || (i == N && count)) {
            c->subject->kernels->linear_forward(c->score, head->M, c->rows, head->K, head,
                                                count, RV_STORE, threads);
#pragma omp parallel for num_threads(threads) schedule(static)
            for (size_t g = 0; g < count; g++) rank_near(c, group[g], c->score + g * head->M);
            count = 0;
        }
        if (i == N || c->near[(size_t)ids[i] * RV_TEXT_NEAR] != -2) continue;
        c->near[(size_t)ids[i] * RV_TEXT_NEAR] = -1; // once a group
        group[count] = ids[i];
        rv_matrix_get_row(head, (size_t)ids[i], c->rows + count++ * head->K);
    }
}

/* ---- a step's -------------------------------------------------------------------------------- */

static int32_t include(rv_text_candidates *c, int32_t id)
{
    if (c->place[id] < 0) {
        c->place[id] = (int32_t)c->count;
        c->ids[c->count++] = id;
    }
    return c->place[id];
}

/* Panels hold rows as columns; this copies one column into another. */
static void copy_row(rv_matrix *to, size_t i, const rv_matrix *from, size_t id)
{
    const real *source =
        from->data + id / from->width * from->K * from->width + id % from->width;
    real *target = to->data + i / to->width * to->K * to->width + i % to->width;
    for (size_t k = 0; k < from->K; k++) target[k * to->width] = source[k * from->width];
}

void rv_text_candidates_draw(int32_t *label, rv_text_candidates *c, const int32_t *ids,
                             size_t N, size_t draws, rv_random *random, int threads)
{
    const rv_matrix *head = c->subject->head;
    size_t V = c->subject->config.vocabulary;
    find_near(c, ids, N, threads);
    for (size_t i = 0; i < c->count; i++) c->place[c->ids[i]] = -1;
    c->count = 0;
    for (size_t i = 0; i < N; i++) label[i] = include(c, ids[i]);
    for (size_t i = 0; i < N; i++) {
        const int32_t *near = c->near + (size_t)ids[i] * RV_TEXT_NEAR;
        for (size_t k = 0; k < RV_TEXT_NEAR && near[k] >= 0; k++) include(c, near[k]);
    }
    size_t certain = c->count;
    for (size_t i = 0; i < draws; i++) {
        double x = rv_random_uniform(random);
        size_t rank = i % 2
                          ? (size_t)(x * (double)V)
                          : (size_t)(exp(x * log((double)V + 1))) - 1; // inverse of log(r + 2)
        include(c, c->ranked[rank < V ? rank : V - 1]);
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < c->count; i++) {
        size_t id = (size_t)c->ids[i];
        copy_row(&c->head, i, head, id);
        double missed = i < certain ? 0 : pow(1 - c->chance[id], (double)draws);
        c->head.bias[i] = (real)-log(1 - missed) + (head->bias ? head->bias[id] : 0);
    }
}
