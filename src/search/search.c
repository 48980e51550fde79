#include "search/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/engine.h"

/* A search that has paid for nothing in so many steps has judged all that it can propose. */
enum { IDLE_STEPS = 20 };
enum { JUDGE_ROWS = 3072, LEAST_TABLES = 16 };
static const size_t USUAL_MEMORY = (size_t)2 << 30;

rv_search_params rv_search_params_default(void)
{
    return (rv_search_params){.seed = 1, .budget = 60000, .least = 12, .most = 12};
}

/* Keys, values and losses of the fixed prefix, computed once. */
static rv_status compute_prefix(rv_search *s, rv_error *err)
{
    const rv_problem *q = s->problem;
    size_t n = q->prefix.count;
    if (n == 0) return RV_OK;
    rv_pass *pass = NULL;
    real *nll = NULL;
    rv_status status;
    RV_GOTO(rv_prefix_new(&s->engine->fixed, q->model, n, err));
    rv_pass_options options = {.rows = n, .sequences = 1, .threads = s->params.threads};
    RV_GOTO(rv_pass_new(&pass, q->model, &options, err));
    RV_GOTO(RV_NEW(nll, n, err));
    rv_sequence sequence = {.ids = q->prefix.items, .count = n, .save = s->engine->fixed};
    RV_GOTO(rv_pass_begin(pass, &sequence, 1, NULL, 0, err));
    rv_pass_finish(pass);
    rv_pass_losses(pass, nll);
done:
    rv_pass_free(pass);
    free(nll);
    return status;
}

static rv_status new_members(rv_search *s, size_t count, rv_error *err)
{
    size_t C = s->problem->model->config.width, n = s->params.most;
    RV_TRY(RV_NEW(s->members, count, err));
    s->member_count = count;
    for (size_t i = 0; i < count; i++) {
        rv_member *m = &s->members[i];
        RV_TRY(rv_prefix_new(&m->cache, s->problem->model, s->engine->span, err));
        RV_TRY(RV_NEW(m->at.ids, n, err));
        RV_TRY(RV_NEW(m->values, s->engine->span, err));
        RV_TRY(RV_NEW(m->g_gradient, n * C, err));
        RV_TRY(RV_NEW(m->nll_gradient, n * C, err));
        m->own = m->table = i * n;
    }
    return RV_OK;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static rv_pass_options judging_options(size_t rows, size_t children, size_t positions,
                                       bool keep)
{
    return (rv_pass_options){.rows = rows,
                             .sequences = larger(children, 1),
                             .positions = positions,
                             .keep = keep,
                             .select = !keep};
}

static rv_pass_options expanding_options(size_t members, size_t span, size_t positions)
{
    return (rv_pass_options){
        .rows = members * span, .sequences = members, .positions = positions, .keep = true};
}

static size_t table_bytes(const rv_transformer *m, size_t rows)
{
    return rows * 3 * m->config.vocabulary * sizeof(real);
}

/* Caches, gradients, values, ids. */
static size_t member_bytes(const rv_transformer *m, size_t span, size_t most)
{
    const rv_config *c = &m->config;
    size_t keys = c->layers * 2 * c->kv_heads * c->head_size;
    return span * ((keys + c->width + 2) * sizeof(real) + sizeof(double)) +
           most * (2 * c->width * sizeof(real) + sizeof(int32_t));
}

/* What the target's values are read into and seeded from, at most. */
static size_t target_bytes(const rv_config *c, size_t judged, size_t expanded, size_t positions,
                           bool keep)
{
    size_t row = keep ? c->heads * positions : c->width;
    return (larger(judged, expanded) + expanded) * row * sizeof(real);
}

/* Where each of passes over candidates, passes over members, and tables should stay within `part` bytes. */
static rv_search_plan plan_parts(const rv_transformer *m, size_t members, size_t children,
                                 size_t fixed, size_t span, size_t most, bool keep, size_t part)
{
    size_t positions = fixed + span, all = larger(children, 1) * span,
           whole = larger(span, JUDGE_ROWS);
    rv_search_plan p = {.judged_rows = all < whole ? all : whole,
                        .expanded = members,
                        .table_rows = members * most};
    rv_pass_options judging = judging_options(p.judged_rows, children, positions, keep);
    while (p.judged_rows > span && rv_pass_bytes(m, &judging) > part)
        judging.rows = p.judged_rows = larger(span, p.judged_rows / 2);
    rv_pass_options expanding = expanding_options(members, span, positions);
    while (p.expanded > 1 && rv_pass_bytes(m, &expanding) > part)
        expanding = expanding_options(p.expanded = (p.expanded + 1) / 2, span, positions);
    if (table_bytes(m, p.table_rows) > part) { // one by one they would be slow
        size_t rows = larger(part / table_bytes(m, 1), LEAST_TABLES);
        p.table_rows = rows < most ? rows : most;
    }
    p.bytes = (members + 1) * member_bytes(m, span, most) + member_bytes(m, fixed, 0) +
              rv_pass_bytes(m, &judging) + table_bytes(m, p.table_rows) +
              (members ? rv_pass_bytes(m, &expanding) : 0) +
              target_bytes(&m->config, p.judged_rows, expanding.rows, positions, keep);
    return p;
}

rv_search_plan rv_search_make_plan(const rv_transformer *m, size_t members, size_t children,
                                   size_t fixed, size_t span, size_t most, bool keep,
                                   size_t memory)
{
    size_t limit = memory ? memory : USUAL_MEMORY;
    for (size_t part = limit;; part /= 2) {
        rv_search_plan p = plan_parts(m, members, children, fixed, span, most, keep, part);
        if (p.bytes <= limit || part == 0) return p;
    }
}

/* Which tokens a dream may hold: asked for too often to be looked up every time. */
static rv_status note_allowed(bool **out, const rv_problem *q, rv_error *err)
{
    size_t V = q->model->config.vocabulary;
    RV_TRY(RV_NEW(*out, V, err));
    for (size_t v = 0; v < V; v++) {
        bool known = !q->tokenizer || (v < rv_tokenizer_size(q->tokenizer) &&
                                       !rv_token_is_special(q->tokenizer, (int32_t)v));
        (*out)[v] = known && !(q->forbidden && q->forbidden[v]);
    }
    return RV_OK;
}

static rv_status new_engine(rv_search *s, size_t members, size_t children, rv_error *err)
{
    const rv_problem *q = s->problem;
    const rv_config *c = &q->model->config;
    RV_TRY(RV_NEW(s->engine, 1, err));
    rv_engine *e = s->engine;
    e->fixed_count = q->prefix.count;
    e->suffix_count = q->suffix.count;
    e->span = s->params.most + e->suffix_count;
    size_t positions = e->fixed_count + e->span;
    if (positions > c->context)
        return rv_fail(
            err, RV_ERR_USAGE,
            "dream length: expected at most %zu tokens beside the template, found %zu",
            c->context > e->fixed_count + e->suffix_count
                ? c->context - e->fixed_count - e->suffix_count
                : 0,
            s->params.most);
    bool keep = rv_target_needs_keep(q->target);
    e->plan = rv_search_make_plan(q->model, members, children, e->fixed_count, e->span,
                                  s->params.most, keep, s->params.memory);
    RV_TRY(rv_search_reserve(s, 0, err));
    e->rows = e->plan.judged_rows;
    e->sequences_max = larger(children, 1);
    rv_pass_options judging = judging_options(e->rows, children, positions, keep);
    judging.threads = s->params.threads;
    judging.narrow = s->params.narrow && !keep;
    RV_TRY(rv_probe_new(&e->judging, q->model, q->target, 1, &judging, false, err));
    size_t expanded = e->plan.expanded * e->span, rows = larger(e->rows, expanded),
           tables = e->plan.table_rows * c->vocabulary;
    if (members) {
        rv_pass_options expanding = expanding_options(e->plan.expanded, e->span, positions);
        expanding.threads = s->params.threads;
        RV_TRY(rv_probe_new(&e->expanding, q->model, q->target, 1, &expanding, true, err));
        RV_TRY(RV_NEW(e->table_dg, tables, err));
        RV_TRY(RV_NEW(e->table_dnll, tables, err));
        RV_TRY(RV_NEW(e->table_nll, tables, err));
        e->resident = e->plan.table_rows == members * s->params.most;
    }
    RV_TRY(RV_NEW(e->sequences, larger(e->sequences_max, members), err));
    RV_TRY(RV_NEW(e->batch, e->sequences_max, err));
    RV_TRY(RV_NEW(e->running, e->sequences_max, err));
    RV_TRY(RV_NEW(e->kept, e->sequences_max, err));
    RV_TRY(RV_NEW(e->going, e->sequences_max, err));
    RV_TRY(RV_NEW(e->ends, e->sequences_max, err));
    RV_TRY(RV_NEW(e->wanted, e->sequences_max, err));
    RV_TRY(RV_NEW(e->ids, rows, err));
    RV_TRY(RV_NEW(e->nll, rows, err));
    RV_TRY(RV_NEW(e->logits, c->vocabulary, err));
    RV_TRY(RV_NEW(e->weights, larger(expanded, 1), err));
    RV_TRY(RV_NEW(e->gathered, larger(expanded, s->params.most) * c->width, err));
    RV_TRY(RV_NEW(e->lse, s->params.most, err));
    RV_TRY(RV_NEW(e->fresh, larger(members, 1), err));
    RV_TRY(note_allowed(&e->allowed, q, err));
    RV_TRY(rv_memo_open(&e->memo, s->params.journal, s->params.run, err));
    return new_members(s, members, err);
}

rv_status rv_search_new(rv_search **out, const rv_problem *problem,
                        const rv_search_params *params, size_t members, size_t children,
                        rv_error *err)
{
    *out = NULL;
    if (params->least == 0 || params->least > params->most)
        return rv_fail(err, RV_ERR_USAGE,
                       "dream length: expected 1 <= least <= most, found %zu and %zu",
                       params->least, params->most);
    if (!(problem->deviation > 0))
        return rv_fail(err, RV_ERR_USAGE,
                       "target %s: its deviation on the corpus is %g: it is constant there, so "
                       "there is no scale to "
                       "dream on; try another target or corpus",
                       problem->target->name, problem->deviation);
    rv_search *s;
    RV_TRY(RV_NEW(s, 1, err));
    s->problem = problem;
    s->params = *params;
    rv_status status = new_engine(s, members, children, err);
    if (status == RV_OK) status = compute_prefix(s, err);
    if (status != RV_OK) {
        rv_search_free(s);
        return status;
    }
    *out = s;
    return RV_OK;
}

static void free_engine(rv_engine *e)
{
    if (!e) return;
    rv_memo_close(&e->memo);
    rv_prefix_free(e->fixed);
    rv_probe_free(e->judging);
    rv_probe_free(e->expanding);
    void *const owned[] = {e->sequences, e->batch,   e->running, e->kept,     e->wanted,
                           e->ids,       e->pending, e->keys,    e->table_dg, e->table_dnll,
                           e->table_nll, e->nll,     e->logits,  e->weights,  e->gathered,
                           e->fresh,     e->going,   e->ends,    e->allowed,  e->lse};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    rv_text_release(&e->text);
    rv_ids_release(&e->encoded);
    free(e);
}

void rv_search_free(rv_search *s)
{
    if (!s) return;
    for (size_t i = 0; s->members && i < s->member_count; i++) {
        rv_member *m = &s->members[i];
        rv_prefix_free(m->cache);
        free(m->at.ids);
        free(m->values);
        free(m->g_gradient);
        free(m->nll_gradient);
    }
    free(s->members);
    rv_front_release(&s->front);
    for (size_t i = 0; i < s->sentence_count; i++) free(s->sentences[i].swaps);
    free(s->sentences);
    free_engine(s->engine);
    free(s);
}

const rv_search_plan *rv_search_planned(const rv_search *s)
{
    return &s->engine->plan;
}

rv_status rv_search_reserve(rv_search *s, size_t bytes, rv_error *err)
{
    size_t all = s->engine->plan.bytes += bytes, most = s->params.memory;
    if (!most || all <= most) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "memory of the search: expected at least %zu MiB for dreams of %zu tokens, "
                   "found %zu MiB",
                   (all >> 20) + 1, s->params.most, most >> 20);
}

bool rv_search_succeeded(const rv_search *s, rv_status status, const rv_error *error)
{
    if (status == RV_ERR_MEMORY) s->engine->failure = *error;
    return status == RV_OK;
}

rv_status rv_search_failure(const rv_search *s, rv_error *err)
{
    const rv_error *failure = &s->engine->failure;
    if (failure->status == RV_OK) return RV_OK;
    return rv_fail(err, failure->status, "%s", failure->message);
}

rv_status rv_search_pulse(const rv_search *s, rv_error *err)
{
    RV_TRY(rv_search_failure(s, err));
    if (!s->params.pulse || s->params.pulse(s->params.context)) return RV_OK;
    return rv_fail(err, RV_ERR_CANCELLED, "the search was cancelled");
}

bool rv_search_continue(rv_search *s)
{
    if (s->engine->failure.status != RV_OK) return false;
    s->step++;
    rv_error ignored;
    rv_memo_flush(&s->engine->memo, &ignored);
    s->idle = s->work.forward > s->spent ? 0 : s->idle + 1;
    s->spent = s->work.forward;
    if (s->params.step && !s->params.step(s->params.context, s)) return false;
    return s->work.forward < s->params.budget && s->idle < IDLE_STEPS;
}

size_t rv_search_affords(const rv_search *s, size_t length)
{
    return s->work.forward < s->params.budget
               ? (size_t)(s->params.budget - s->work.forward) / length
               : 0;
}

rv_random rv_search_random(const rv_search *s, uint64_t purpose)
{
    return rv_random_stream(s->params.seed, purpose, s->step);
}

bool rv_search_allowed(const rv_search *s, int32_t id)
{
    return id >= 0 && (size_t)id < s->problem->model->config.vocabulary &&
           s->engine->allowed[id];
}

size_t rv_search_bytes(const rv_search *s, const int32_t *ids, size_t count)
{
    const rv_tokenizer *tok = s->problem->tokenizer;
    if (!tok) return count;
    size_t bytes = 0;
    for (size_t i = 0, length; i < count; i++)
        if (rv_token_bytes(tok, ids[i], &length)) bytes += length;
    return bytes;
}

bool rv_search_known(const rv_search *s, const int32_t *ids, size_t count)
{
    const rv_judgement *found = rv_memo_find(&s->engine->memo, rv_ids_hash(ids, count));
    return found && found->seen;
}

/* The template's ids without a leading BOS: text does not show it, so it takes no part. */
static rv_ids_view visible_prefix(const rv_search *s)
{
    rv_ids_view v = s->problem->prefix;
    if (v.count && rv_token_is_special(s->problem->tokenizer, v.items[0])) v.items++, v.count--;
    return v;
}

bool rv_search_survives(const rv_search *s, const int32_t *ids, size_t count)
{
    const rv_tokenizer *tok = s->problem->tokenizer;
    if (!tok) return true;
    rv_engine *e = s->engine;
    const rv_ids_view parts[] = {visible_prefix(s), {ids, count}, s->problem->suffix};
    rv_error error;
    e->text.length = 0;
    e->encoded.count = 0;
    for (size_t i = 0; i < 3; i++)
        if (!rv_search_succeeded(s,
                                 rv_tokenizer_decode(tok, parts[i].items, parts[i].count, false,
                                                     &e->text, &error),
                                 &error))
            return false;
    rv_status encoded =
        rv_tokenizer_encode(tok, e->text.bytes ? e->text.bytes : "", e->text.length,
                            RV_ENCODE_SPECIAL, &e->encoded, &error);
    if (!rv_search_succeeded(s, encoded, &error)) return false;
    const int32_t *at = e->encoded.items;
    if (e->encoded.count != parts[0].count + count + parts[2].count) return false;
    for (size_t i = 0; i < 3; at += parts[i].count, i++)
        if (parts[i].count && memcmp(at, parts[i].items, parts[i].count * sizeof *at) != 0)
            return false;
    return true;
}

rv_status rv_search_default_bytes(uint64_t *bytes, const rv_config *c, rv_error *err)
{
    rv_search_params params = rv_search_params_default();
    rv_transformer *shape;
    RV_TRY(RV_NEW(shape, 1, err));
    shape->config = *c;
    shape->rope_positions = c->context;
    const rv_dreamer *d = rv_dreamer_find("reverie");
    *bytes = rv_search_make_plan(shape, d->members, d->children, 1, params.most, params.most,
                                 false, 0)
                 .bytes;
    free(shape);
    return RV_OK;
}
