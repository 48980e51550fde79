/* Knowing a candidate's neighbourhood: what putting another token at a position would do to g (linearised),
 * to the later tokens' likelihood (linearised), and how likely it is itself (exact). The gradient of the
 * cross-entropy flows through the inputs and through the labels; the second part is the exact one.
 *
 *   d g / d onehot[i, v] = <d g / d embedding[i], E[v]> * embedding scale,  and likewise for the nll */
#include <math.h>
#include <string.h>

#include "search/engine.h"

/* table (n, V) = scale * gradient rows (n, C) * E^T for one member. */
static void project(const rv_search *s, real *table, size_t row, size_t n)
{
    const rv_transformer *m = s->problem->model;
    rv_engine *e = s->engine;
    size_t C = m->config.width;
    const real *gradient = rv_pass_input_gradient(e->expanding) + row * C;
    real scale = (real)m->config.embedding_scale;
    for (size_t i = 0; i < n * C; i++) e->gathered[i] = scale * gradient[i];
    m->kernels->linear_forward(table, m->config.vocabulary, e->gathered, C, &m->embedding, n,
                               RV_STORE, s->params.threads);
}

/* nll (n, V): -log p(v | before) at every free position. */
static void fill_nll(const rv_search *s, rv_member *m, size_t row)
{
    const rv_transformer *t = s->problem->model;
    rv_engine *e = s->engine;
    size_t V = t->config.vocabulary, n = m->at.length, C = t->config.width;
    const real *hidden = rv_pass_hidden(e->expanding) + row * C;
    if (e->fixed)
        memcpy(e->gathered, e->fixed->hidden + (e->fixed->count - 1) * C, C * sizeof *hidden);
    else
        memset(e->gathered, 0, C * sizeof *hidden); // nothing precedes it: all tokens alike
    memcpy(e->gathered + C, hidden, (n - 1) * C * sizeof *hidden);
    t->kernels->linear_forward(m->nll, V, e->gathered, C, t->head, n, RV_STORE,
                               s->params.threads);
    double cap = t->config.logit_softcap;
    for (size_t i = 0; i < n; i++) {
        real *logits = m->nll + i * V, largest = -INFINITY;
        double sum = 0;
        for (size_t v = 0; v < V; v++) {
            if (cap > 0) logits[v] = (real)(cap * tanh((double)logits[v] / cap));
            if (logits[v] > largest) largest = logits[v];
        }
        for (size_t v = 0; v < V; v++) sum += (double)exp(logits[v] - largest);
        real lse = largest + (real)log(sum);
        for (size_t v = 0; v < V; v++) logits[v] = lse - logits[v];
    }
}

/* One backward pass for all members, seeded with the target or with every free token's loss. */
static void backward_target(rv_search *s, rv_tap *taps, size_t count)
{
    rv_engine *e = s->engine;
    for (size_t k = 0; k < count; k++) e->weights[k] = (real)(1 / s->problem->deviation);
    rv_target_seed(taps, e->seed, s->problem->target, e->expanding, e->picked, e->weights,
                   count, e->logits);
    rv_pass_backward(e->expanding, NULL, NULL);
}

static void backward_losses(rv_search *s, rv_tap *taps, size_t count)
{
    rv_engine *e = s->engine;
    for (size_t i = 0; i < RV_TARGET_TAPS; i++) taps[i].seed = NULL;
    for (size_t k = 0, row = 0; k < count; row += e->sequences[k].count, k++)
        for (size_t i = 0; i < e->sequences[k].count; i++)
            e->weights[row + i] = i < s->members[k].at.length;
    rv_pass_backward(e->expanding, e->weights, NULL);
}

static rv_status run_members(rv_search *s, rv_tap *taps, size_t count, rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_problem *q = s->problem;
    size_t rows = 0;
    for (size_t k = 0; k < count; k++) {
        rv_member *m = &s->members[k];
        int32_t *ids = e->ids + rows;
        memcpy(ids, m->at.ids, m->at.length * sizeof *ids);
        memcpy(ids + m->at.length, q->suffix.items, q->suffix.count * sizeof *ids);
        e->sequences[k] = (rv_sequence){.ids = ids,
                                        .count = m->at.length + e->suffix_count,
                                        .prefix = e->fixed,
                                        .shared = e->fixed_count,
                                        .save = m->cache};
        rows += e->sequences[k].count;
        s->work.forward += m->at.length;
        s->work.backward += 2 * m->at.length;
    }
    for (size_t i = 0; i < RV_TARGET_TAPS; i++)
        taps[i] = (rv_tap){.site = {RV_SITE_UNEMBED_IN, 0}}; // logit targets are seeded here
    rv_target_tap(&taps[0], q->target, e->tapped);
    RV_TRY(rv_pass_begin(e->expanding, e->sequences, count, taps, RV_TARGET_TAPS, err));
    rv_pass_finish(e->expanding);
    rv_pass_losses(e->expanding, e->nll);
    rv_target_values(e->values, q->target, e->expanding, e->tapped, e->logits);
    return RV_OK;
}

rv_status rv_search_expand(rv_search *s, const rv_candidate *const *candidates, size_t count,
                           rv_error *err)
{
    rv_engine *e = s->engine;
    for (size_t k = 0; k < count; k++) {
        rv_member *m = &s->members[k];
        int32_t *ids = m->at.ids;
        memcpy(ids, candidates[k]->ids, candidates[k]->length * sizeof *ids);
        m->at = *candidates[k];
        m->at.ids = ids;
    }
    rv_tap taps[RV_TARGET_TAPS];
    RV_TRY(run_members(s, taps, count, err));
    for (size_t k = 0, row = 0; k < count; row += e->sequences[k].count, k++) {
        rv_member *m = &s->members[k];
        for (size_t i = 0; i < e->sequences[k].count; i++)
            m->values[i] = (double)e->values[row + i];
        fill_nll(s, m, row);
    }
    for (size_t k = 0, row = 0; k < count; row += e->sequences[k].count, k++)
        e->picked[k] = rv_target_row(s->problem->target, e->values + row, e->fixed_count,
                                     e->sequences[k].count);
    backward_target(s, taps, count);
    for (size_t k = 0, row = 0; k < count; row += e->sequences[k].count, k++)
        project(s, s->members[k].dg, row, s->members[k].at.length);
    backward_losses(s, taps, count);
    for (size_t k = 0, row = 0; k < count; row += e->sequences[k].count, k++)
        project(s, s->members[k].dnll, row, s->members[k].at.length);
    return RV_OK;
}
