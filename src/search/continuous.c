#include "search/continuous.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/engine.h"
#include "search/proposal.h"

enum { NEAR = 8, NEAR_TRIES = 64 };

static rv_status allocate(rv_continuous *c, size_t own, rv_error *err)
{
    const rv_problem *q = c->search->problem;
    const rv_config *config = &q->model->config;
    size_t S = c->members, n = c->length, C = config->width, V = config->vocabulary,
           positions = q->prefix.count + c->span, rows = S * c->span;
    rv_pass_options options = {.rows = rows,
                               .sequences = S,
                               .positions = positions,
                               .threads = c->search->params.threads};
    size_t numbers = own + 2 * rows * C + (n + 1) * V,
           bytes = rv_probe_bytes(q->model, q->target, 1, &options, true);
    RV_TRY(rv_search_reserve(c->search, bytes + numbers * sizeof(real), err));
    RV_TRY(rv_probe_new(&c->probe, q->model, q->target, 1, &options, true, err));
    RV_TRY(RV_NEW(c->penalty, S, err));
    RV_TRY(RV_NEW(c->inputs, rows * C, err));
    RV_TRY(RV_NEW(c->hidden_seed, rows * C, err));
    RV_TRY(RV_NEW(c->candidates, c->judged_max, err));
    RV_TRY(RV_NEW(c->ids, c->judged_max * n, err));
    RV_TRY(RV_NEW(c->sequences, S, err));
    RV_TRY(RV_NEW(c->labels, rows, err));
    RV_TRY(RV_NEW(c->near, n * NEAR, err));
    RV_TRY(RV_NEW(c->inverse_norm, V, err));
    RV_TRY(RV_NEW(c->nll, rows, err));
    RV_TRY(RV_NEW(c->weights, S, err));
    RV_TRY(RV_NEW(c->losses, rows, err));
    return RV_NEW(c->scores, n * V, err);
}

/* What stays the same: lengths of the embeddings, the suffix behind every member. */
static void prepare(rv_continuous *c)
{
    const rv_problem *q = c->search->problem;
    size_t C = q->model->config.width, n = c->length;
    for (size_t v = 0; v < q->model->config.vocabulary; v++) {
        double sum = 0;
        rv_matrix_get_row(&q->model->embedding, v, c->inputs);
        for (size_t i = 0; i < C; i++) sum += (double)c->inputs[i] * (double)c->inputs[i];
        bool usable = rv_search_allowed(c->search, (int32_t)v) && sum > 0;
        c->inverse_norm[v] = usable ? (real)(1 / sqrt(sum)) : 0;
    }
    for (size_t s = 0; s < c->members; s++) {
        real *inputs = c->inputs + s * c->span * C;
        int32_t *labels = c->labels + s * c->span;
        if (q->suffix.count)
            memcpy(labels + n, q->suffix.items, q->suffix.count * sizeof *labels);
        rv_continuous_embed(c, inputs + n * C, q->suffix.items, q->suffix.count);
    }
    for (size_t i = 0; i < c->judged_max; i++)
        c->candidates[i] = (rv_candidate){.ids = c->ids + i * n, .length = n, .parent = -1};
}

rv_status rv_continuous_new(rv_continuous **out, rv_search *search, size_t members,
                            size_t judged_max, size_t own, rv_error *err)
{
    *out = NULL;
    rv_continuous *c;
    RV_TRY(RV_NEW(c, 1, err));
    c->search = search;
    c->members = members;
    c->length = search->params.most;
    c->span = c->length + search->problem->suffix.count;
    c->judged_max = judged_max;
    rv_status status = allocate(c, own, err);
    if (status != RV_OK) {
        rv_continuous_free(c);
        return status;
    }
    prepare(c);
    *out = c;
    return RV_OK;
}

void rv_continuous_free(rv_continuous *c)
{
    if (!c) return;
    rv_probe_free(c->probe);
    void *const owned[] = {c->penalty,   c->inputs, c->hidden_seed, c->candidates,   c->ids,
                           c->sequences, c->labels, c->near,        c->inverse_norm, c->nll,
                           c->weights,   c->losses, c->scores};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(c);
}

void rv_continuous_spread(rv_continuous *c, double least, double most)
{
    for (size_t s = 0; s < c->members; s++) {
        double t = c->members > 1 ? (double)s / (double)(c->members - 1) : 0;
        c->penalty[s] = least * pow(most / least, t);
    }
}

void rv_continuous_start(const rv_continuous *c, int32_t *ids, bool given, rv_random *random)
{
    const rv_problem *q = c->search->problem;
    size_t n = c->length;
    for (size_t s = 0; s < c->members; s++, ids += n) {
        if (given && s < q->given_count && q->starts[s].count == n)
            memcpy(ids, q->starts[s].items, n * sizeof *ids);
        else
            rv_random_ids(ids, n, c->search, random);
    }
}

void rv_continuous_embed(const rv_continuous *c, real *out, const int32_t *ids, size_t count)
{
    const rv_transformer *m = c->search->problem->model;
    real scale = (real)m->config.embedding_scale;
    for (size_t i = 0; i < count; i++, out += m->config.width) {
        rv_matrix_get_row(&m->embedding, (size_t)ids[i], out);
        for (size_t k = 0; scale != 1 && k < m->config.width; k++) out[k] *= scale;
    }
}

bool rv_continuous_affords(const rv_continuous *c, size_t candidates)
{
    return rv_search_affords(c->search, c->length) >= c->members + candidates;
}

rv_status rv_continuous_forward(rv_continuous *c, const int32_t *labels, rv_error *err)
{
    rv_search *s = c->search;
    const rv_problem *q = s->problem;
    size_t C = q->model->config.width, n = c->length;
    c->scored = labels != NULL;
    for (size_t k = 0; k < c->members; k++) {
        int32_t *ids = c->labels + k * c->span;
        if (labels) memcpy(ids, labels + k * n, n * sizeof *ids);
        c->sequences[k] = (rv_sequence){.ids = labels ? ids : NULL,
                                        .inputs = c->inputs + k * c->span * C,
                                        .count = c->span,
                                        .prefix = s->engine->fixed,
                                        .shared = s->engine->fixed_count};
    }
    memset(c->hidden_seed, 0, c->members * c->span * C * sizeof *c->hidden_seed);
    RV_TRY(rv_probe_run(c->probe, c->sequences, c->members, err));
    rv_pass_finish(c->probe->pass);
    if (labels) rv_pass_losses(c->probe->pass, c->nll);
    rv_probe_values(c->probe, 0);
    s->work.forward += c->members * n;
    return RV_OK;
}

void rv_continuous_backward(rv_continuous *c, real *gradient)
{
    rv_search *s = c->search;
    const rv_problem *q = s->problem;
    size_t C = q->model->config.width, n = c->length,
           scored = n - (s->engine->fixed_count == 0);
    bool any = false;
    for (size_t k = 0; k < c->members; k++) c->weights[k] = (real)(1 / q->deviation);
    for (size_t i = 0; i < c->members * c->span * C && !any; i++) any = c->hidden_seed[i] != 0;
    c->probe->hidden_seed = any ? c->hidden_seed : NULL;
    for (size_t k = 0; k < c->members; k++)
        for (size_t i = 0; i < c->span; i++)
            c->losses[k * c->span + i] =
                i < n && scored ? (real)(-c->penalty[k] / (double)scored) : 0;
    rv_probe_backward(c->probe, c->weights, c->scored ? c->losses : NULL);
    const real *all = rv_pass_input_gradient(c->probe->pass);
    for (size_t k = 0; k < c->members; k++)
        memcpy(gradient + k * n * C, all + k * c->span * C, n * C * sizeof *gradient);
    s->work.backward += c->members * n;
}

bool rv_continuous_nearest(rv_continuous *c, int32_t *ids, const real *x, rv_random *random)
{
    const rv_transformer *m = c->search->problem->model;
    size_t C = m->config.width, V = m->config.vocabulary, n = c->length;
    m->kernels->linear_forward(c->scores, V, x, C, &m->embedding, n, RV_STORE,
                               c->search->params.threads);
    for (size_t i = 0; i < n; i++) {
        real *score = c->scores + i * V;
        for (size_t v = 0; v < V; v++)
            score[v] = c->inverse_norm[v] > 0 ? score[v] * c->inverse_norm[v] : -(real)INFINITY;
        int32_t *near = c->near + i * NEAR;
        size_t count = rv_top_k(near, score, V, NEAR);
        if (count == 0) return false;
        while (count < NEAR) near[count++] = near[0];
    }
    for (size_t tries = 0; tries < NEAR_TRIES; tries++) {
        for (size_t i = 0; i < n; i++) ids[i] = c->near[i * NEAR];
        for (size_t moved = 0; moved < tries && moved < 1 + tries / 16; moved++) {
            size_t i = rv_random_below(random, n);
            ids[i] = c->near[i * NEAR + rv_log_uniform_rank(random, NEAR)];
        }
        if (rv_search_survives(c->search, ids, n)) return true;
    }
    return false;
}

rv_status rv_continuous_judge(rv_continuous *c, size_t count, rv_error *err)
{
    size_t kept = 0, affords = rv_search_affords(c->search, c->length);
    for (size_t i = 0; i < count && kept < affords; i++) {
        if (rv_search_known(c->search, c->candidates[i].ids, c->length)) continue;
        rv_candidate moved = c->candidates[kept];
        c->candidates[kept++] = c->candidates[i];
        c->candidates[i] = moved;
    }
    return kept ? rv_search_judge(c->search, c->candidates, kept, err) : RV_OK;
}

rv_status rv_continuous_judge_nearest(rv_continuous *c, const real *x, rv_error *err)
{
    size_t found = 0, C = c->search->problem->model->config.width;
    rv_random random = rv_search_random(c->search, 3);
    for (size_t k = 0; k < c->members; k++)
        found +=
            rv_continuous_nearest(c, c->candidates[found].ids, x + k * c->length * C, &random);
    return rv_continuous_judge(c, found, err);
}

rv_status rv_adam_new(rv_adam *a, double rate, double decay, size_t count, rv_error *err)
{
    *a = (rv_adam){.rate = rate, .decay = decay};
    RV_TRY(RV_NEW(a->first, count, err));
    return RV_NEW(a->second, count, err);
}

void rv_adam_restart(rv_adam *a, size_t count)
{
    a->steps = 0;
    memset(a->first, 0, count * sizeof *a->first);
    memset(a->second, 0, count * sizeof *a->second);
}

void rv_adam_ascend(rv_adam *a, real *x, const real *gradient, size_t count)
{
    const real b1 = (real)0.9, b2 = (real)0.999, tiny = (real)1e-8;
    a->steps++;
    real step = (real)(a->rate / (1 - pow(0.9, (double)a->steps))),
         unbias = (real)(1 / (1 - pow(0.999, (double)a->steps))),
         keep = (real)(1 - a->rate * a->decay);
    for (size_t i = 0; i < count; i++) {
        a->first[i] = b1 * a->first[i] + (1 - b1) * gradient[i];
        a->second[i] = b2 * a->second[i] + (1 - b2) * gradient[i] * gradient[i];
        x[i] = keep * x[i] + step * a->first[i] / (sqrt(a->second[i] * unbias) + tiny);
    }
}

void rv_adam_release(rv_adam *a)
{
    free(a->first);
    free(a->second);
}
