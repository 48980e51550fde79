/* Knowing a candidate's neighbourhood: what putting another token at a position would do to g (linearised),
 * to the later tokens' likelihood (linearised), and how likely it is itself (exact). The gradient of the
 * cross-entropy flows through the inputs and through the labels; the second part is the exact one.
 *
 *   d g / d onehot[i, v] = <d g / d embedding[i], E[v]> * embedding scale,  and likewise for the nll
 *
 * Tables of all tokens are filled for all members at once where they fit into the search's memory; else they are
 * made from rows of C numbers, some places of one member at a time, when they are asked for. */
#include <math.h>
#include <string.h>

#include "model/unembed.h"
#include "search/engine.h"

/* table (n, V) = rows (n, C) * E^T (V, C) */
static void project(const rv_search *s, real *table, const real *rows, size_t n)
{
    const rv_transformer *m = s->problem->model;
    m->kernels->linear_forward(table, m->config.vocabulary, rows, m->config.width,
                               &m->embedding, n, RV_STORE, s->params.threads);
}

/* nll (n, V): -log p(v | what is before), from what the unembedding sees there and the log-sum-exp of its logits. */
static void fill_nll(const rv_search *s, real *nll, const real *before, const real *lse,
                     size_t n)
{
    const rv_transformer *m = s->problem->model;
    size_t V = m->config.vocabulary;
    rv_unembed(nll, m, before, n, s->params.threads);
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < V; v++) nll[i * V + v] = lse[i] - nll[i * V + v];
}

/* What the unembedding sees before free position i, and the log-sum-exp of its logits; NULL: nothing is before it, all
 * tokens are alike. */
static const real *row_before(const rv_search *s, const rv_member *m, size_t i, real *lse)
{
    const rv_config *c = &s->problem->model->config;
    const rv_prefix *owner = i ? m->cache : s->engine->fixed;
    *lse = (real)log((double)c->vocabulary);
    if (!owner) return NULL;
    size_t at = i ? i - 1 : owner->count - 1;
    *lse = owner->lse[at];
    return owner->hidden + at * c->width;
}

/* Rows [row, row + n) of the tables: free positions [first, first + n) of a member. */
static void fill_tables(const rv_search *s, const rv_member *m, size_t row, size_t first,
                        size_t n)
{
    rv_engine *e = s->engine;
    size_t V = s->problem->model->config.vocabulary, C = s->problem->model->config.width;
    for (size_t i = 0; i < n; i++) {
        const real *before = row_before(s, m, first + i, &e->lse[i]);
        if (before)
            memcpy(e->gathered + i * C, before, C * sizeof *before);
        else
            memset(e->gathered + i * C, 0, C * sizeof *before);
    }
    fill_nll(s, e->table_nll + row * V, e->gathered, e->lse, n);
    project(s, e->table_dg + row * V, m->g_gradient + first * C, n);
    project(s, e->table_dnll + row * V, m->nll_gradient + first * C, n);
}

rv_effects rv_search_effects(const rv_search *s, const rv_member *m, size_t i)
{
    rv_engine *e = s->engine;
    size_t V = s->problem->model->config.vocabulary, row;
    if (e->resident) {
        row = m->table + i;
    } else {
        if (e->held != m || i < e->held_first || i >= e->held_first + e->held_count) {
            size_t left, most = e->plan.table_rows;
            e->held = m;
            e->held_first = i / most * most;
            left = m->at.length - e->held_first;
            e->held_count = left < most ? left : most;
            fill_tables(s, m, 0, e->held_first, e->held_count);
        }
        row = i - e->held_first;
    }
    return (rv_effects){e->table_dg + row * V, e->table_dnll + row * V, e->table_nll + row * V};
}

double rv_search_token_nll(const rv_search *s, const rv_member *m, size_t i, int32_t id)
{
    if (s->engine->resident) return (double)rv_search_effects(s, m, i).nll[id];
    const rv_transformer *t = s->problem->model;
    real lse;
    const real *before = row_before(s, m, i, &lse);
    if (!before) return (double)lse;
    return (double)(lse - rv_unembed_one(t, (size_t)id, before));
}

/* Keeps the gradient at the inputs of the members' free tokens, with respect to the table of embeddings. */
static void keep_gradient(const rv_search *s, const size_t *which, size_t count, bool of_g)
{
    const rv_config *c = &s->problem->model->config;
    const rv_engine *e = s->engine;
    const real *gradient = rv_pass_input_gradient(e->expanding->pass);
    real scale = (real)c->embedding_scale;
    for (size_t k = 0; k < count; k++) {
        rv_member *m = &s->members[which[k]];
        real *to = of_g ? m->g_gradient : m->nll_gradient;
        for (size_t i = 0; i < m->at.length * c->width; i++) to[i] = scale * gradient[i];
        gradient += e->sequences[k].count * c->width;
    }
}

/* One backward pass for all members, seeded with the target or with every free token's loss. */
static void backward_target(rv_search *s, size_t count)
{
    rv_engine *e = s->engine;
    for (size_t k = 0; k < count; k++) e->weights[k] = (real)(1 / s->problem->deviation);
    rv_probe_backward(e->expanding, e->weights, NULL);
}

static void backward_losses(rv_search *s, const size_t *which, size_t count)
{
    rv_engine *e = s->engine;
    for (size_t k = 0, row = 0; k < count; row += e->sequences[k].count, k++)
        for (size_t i = 0; i < e->sequences[k].count; i++)
            e->weights[row + i] = i < s->members[which[k]].at.length;
    rv_probe_backward(e->expanding, NULL, e->weights);
}

static rv_status run_members(rv_search *s, const size_t *which, size_t count, rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_problem *q = s->problem;
    size_t rows = 0;
    for (size_t k = 0; k < count; k++) {
        rv_member *m = &s->members[which[k]];
        int32_t *ids = e->ids + rows;
        memcpy(ids, m->at.ids, m->at.length * sizeof *ids);
        memcpy(ids + m->at.length, q->suffix.items, q->suffix.count * sizeof *ids);
        e->sequences[k] = (rv_sequence){.ids = ids,
                                        .count = m->at.length + e->suffix_count,
                                        .prefix = e->fixed,
                                        .shared = e->fixed_count,
                                        .save = m->cache};
        rows += e->sequences[k].count;
    }
    RV_TRY(rv_probe_run(e->expanding, e->sequences, count, err));
    rv_pass_finish(e->expanding->pass);
    rv_pass_losses(e->expanding->pass, e->nll);
    return RV_OK;
}

/* These members in one pass. */
static rv_status expand_together(rv_search *s, const size_t *which, size_t count, rv_error *err)
{
    rv_engine *e = s->engine;
    RV_TRY(run_members(s, which, count, err));
    const real *values = rv_probe_values(e->expanding, 0);
    for (size_t k = 0; k < count; values += e->sequences[k++].count)
        for (size_t i = 0; i < e->sequences[k].count; i++)
            s->members[which[k]].values[i] = (double)values[i];
    backward_target(s, count);
    keep_gradient(s, which, count, true);
    backward_losses(s, which, count);
    keep_gradient(s, which, count, false);
    return RV_OK;
}

static bool same_text(const rv_candidate *a, const rv_candidate *b)
{
    return a->length == b->length && memcmp(a->ids, b->ids, a->length * sizeof *a->ids) == 0;
}

/* The first of the candidates with the text of number k. */
static size_t first_like(const rv_candidate *const *candidates, size_t k)
{
    size_t i = 0;
    while (!same_text(candidates[i], candidates[k])) i++;
    return i;
}

/* Moves what is known of this text, if it is the text of a member from k on, to place k. */
static bool recall(rv_search *s, const rv_candidate *candidate, size_t k)
{
    for (size_t i = k; i < s->member_count; i++) {
        rv_member *m = &s->members[i], moved = *m;
        if (m->table != m->own || !same_text(&m->at, candidate)) continue;
        *m = s->members[k];
        s->members[k] = moved;
        return true;
    }
    return false;
}

/* Makes a member hold what one with the same text holds. */
static void imitate(const rv_search *s, rv_member *m, const rv_member *like)
{
    size_t numbers = like->at.length * s->problem->model->config.width;
    rv_prefix_copy(m->cache, like->cache);
    memcpy(m->values, like->values, s->engine->span * sizeof *m->values);
    memcpy(m->g_gradient, like->g_gradient, numbers * sizeof *m->g_gradient);
    memcpy(m->nll_gradient, like->nll_gradient, numbers * sizeof *m->nll_gradient);
    m->table = like->table;
}

/* Seats the candidates, and lists in `fresh` those whose text is neither another's before them nor known from the
 * last time. Returns how many. */
static size_t seat(rv_search *s, const rv_candidate *const *candidates, size_t count)
{
    size_t fresh = 0;
    for (size_t k = 0; k < count; k++) {
        bool twin = first_like(candidates, k) < k, known = !twin && recall(s, candidates[k], k);
        rv_member *m = &s->members[k];
        int32_t *ids = m->at.ids;
        memcpy(ids, candidates[k]->ids, candidates[k]->length * sizeof *ids);
        m->at = *candidates[k];
        m->at.ids = ids;
        m->table = m->own;
        if (!twin && !known) s->engine->fresh[fresh++] = k;
    }
    return fresh;
}

rv_status rv_search_expand(rv_search *s, const rv_candidate *const *candidates, size_t count,
                           rv_error *err)
{
    rv_engine *e = s->engine;
    size_t fresh = seat(s, candidates, count);
    e->held = NULL;
    for (size_t from = 0, together; from < fresh; from += together) {
        together = fresh - from < e->plan.expanded ? fresh - from : e->plan.expanded;
        RV_TRY(expand_together(s, e->fresh + from, together, err));
    }
    for (size_t k = 0; e->resident && k < fresh; k++) {
        const rv_member *m = &s->members[e->fresh[k]];
        fill_tables(s, m, m->own, 0, m->at.length);
    }
    for (size_t k = 0; k < count; k++) {
        size_t like = first_like(candidates, k);
        if (like < k) imitate(s, &s->members[k], &s->members[like]);
        s->work.forward += candidates[k]->length;
        s->work.backward += 2 * candidates[k]->length;
    }
    return RV_OK;
}
