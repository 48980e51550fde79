#include "search/proposal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/unembed.h"
#include "search/engine.h"

void rv_swap_scores(real *score, const rv_search *s, const rv_member *m, size_t i,
                    double penalty, bool anything)
{
    size_t V = s->problem->model->config.vocabulary;
    size_t scored = m->at.length - (s->problem->prefix.count == 0);
    rv_effects e = rv_search_effects(s, m, i);
    real weight = (real)(penalty / (double)(scored ? scored : 1));
    int32_t there = m->at.ids[i];
    real base = e.dg[there] - weight * (e.dnll[there] + e.nll[there]);
    for (size_t v = 0; v < V; v++) score[v] = e.dg[v] - weight * (e.dnll[v] + e.nll[v]) - base;
    if (anything) return;
    for (size_t v = 0; v < V; v++)
        if (!rv_search_allowed(s, (int32_t)v)) score[v] = -(real)INFINITY;
    score[there] = -(real)INFINITY;
}

void rv_random_ids(int32_t *ids, size_t count, const rv_search *s, rv_random *random)
{
    size_t V = s->problem->model->config.vocabulary;
    for (size_t i = 0; i < count; i++)
        for (size_t tries = 0; tries < 1000; tries++) {
            ids[i] = (int32_t)rv_random_below(random, V);
            if (rv_search_allowed(s, ids[i])) break;
        }
}

size_t rv_log_uniform_rank(rv_random *random, size_t k)
{
    size_t rank = (size_t)(exp(rv_random_uniform(random) * log((double)k + 1)) - 1);
    return rank < k ? rank : k - 1;
}

/* One token from softmax(logits), cut to the likeliest that make up top_p; *out stays if nothing is
 * allowed. */
static rv_status sample(int32_t *out, real *logits, const rv_search *s, double top_p,
                        rv_random *random, rv_error *err)
{
    enum { CONSIDERED = 256 };
    int32_t order[CONSIDERED];
    double weight[CONSIDERED], all = 0, kept = 0;
    size_t V = s->problem->model->config.vocabulary;
    for (size_t v = 0; v < V; v++)
        if (!rv_search_allowed(s, (int32_t)v)) logits[v] = -(real)INFINITY;
    size_t n = rv_top_k(order, logits, V, CONSIDERED), used = 0;
    if (n == 0) return RV_OK;
    for (size_t v = 0; v < V; v++) all += exp((double)(logits[v] - logits[order[0]]));
    if (!isfinite(all))
        return rv_fail(
            err, RV_ERR_NUMERIC,
            "search: sampling a beginning: expected finite logits, found others; the "
            "model's weights may be damaged");
    while (used < n && kept < top_p * all) {
        weight[used] = exp((double)(logits[order[used]] - logits[order[0]]));
        kept += weight[used++];
    }
    *out = order[rv_random_weighted(random, weight, used)];
    return RV_OK;
}

/* Appends one sampled token to each text, whose caches hold what was computed before. */
static rv_status extend(rv_search *s, rv_pass *pass, int32_t *ids, rv_prefix **caches,
                        size_t count, size_t length, size_t at, double top_p, rv_random *random,
                        rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_transformer *m = s->problem->model;
    size_t C = m->config.width;
    if (at > 0) {
        for (size_t k = 0; k < count; k++)
            e->sequences[k] = (rv_sequence){.ids = ids + k * length + at - 1,
                                            .count = 1,
                                            .prefix = at == 1 ? e->fixed : caches[k],
                                            .shared = e->fixed_count + at - 1,
                                            .save = caches[k]};
        RV_TRY(rv_pass_begin(pass, e->sequences, count, NULL, 0, err));
        rv_pass_finish(pass);
        s->work.forward += count;
    }
    for (size_t k = 0; k < count; k++) {
        rv_random_ids(ids + k * length + at, 1, s, random);
        if (at > 0)
            rv_pass_logits(pass, e->logits, &k, 1);
        else if (e->fixed)
            rv_unembed(e->logits, m, e->fixed->hidden + (e->fixed->count - 1) * C, 1,
                       s->params.threads);
        else
            continue; // nothing to predict from: uniform
        RV_TRY(sample(&ids[k * length + at], e->logits, s, top_p, random, err));
    }
    return RV_OK;
}

rv_status rv_sample_texts(int32_t *ids, rv_search *s, size_t count, size_t length, double top_p,
                          rv_error *err)
{
    rv_engine *e = s->engine;
    rv_pass *pass = NULL;
    rv_prefix **caches = NULL;
    rv_status status;
    rv_random random = rv_search_random(s, 0x5a3);
    rv_pass_options options = {.rows = count,
                               .sequences = count,
                               .positions = e->fixed_count + length,
                               .threads = s->params.threads};
    if (count > e->sequences_max) count = e->sequences_max;
    RV_GOTO(rv_pass_new(&pass, s->problem->model, &options, err));
    RV_GOTO(RV_NEW(caches, count, err));
    for (size_t k = 0; k < count; k++)
        RV_GOTO(rv_prefix_new(&caches[k], s->problem->model, length, err));
    for (size_t at = 0; at < length; at++) {
        RV_GOTO(rv_search_pulse(s, err));
        RV_GOTO(extend(s, pass, ids, caches, count, length, at, top_p, &random, err));
    }
done:
    for (size_t k = 0; caches && k < count; k++) rv_prefix_free(caches[k]);
    free(caches);
    rv_pass_free(pass);
    return status;
}
