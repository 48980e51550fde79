/* Judging candidates: f, g and xe, each computed once, sharing what they have in common with the member
 * they vary. A child that differs from its parent from position d on runs only the rows from d on. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "search/engine.h"

size_t rv_search_common(const rv_search *s, const rv_candidate *c)
{
    if (c->parent < 0) return 0;
    const rv_candidate *p = &s->members[c->parent].at;
    size_t d = 0, most = c->length < p->length ? c->length : p->length;
    while (d < most && c->ids[d] == p->ids[d]) d++;
    return d == c->length && s->engine->suffix_count == 0 ? d - 1 : d;
}

double rv_search_repetition(const rv_search *s, const rv_candidate *c)
{
    if (s->params.repetition == 0) return 0;
    size_t repeated = 0;
    for (size_t i = 1; i < c->length; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) seen = c->ids[j] == c->ids[i];
        repeated += seen;
    }
    return s->params.repetition * (double)repeated / (double)c->length;
}

static double scale(const rv_search *s, double f)
{
    const rv_problem *q = s->problem;
    return (double)q->target->sign * (f - q->mean) / q->deviation;
}

/* Nats a byte, of a candidate's tokens from `first` on that have so many nats in all. */
static double per_byte(const rv_search *s, const rv_candidate *c, size_t first, double nats)
{
    size_t bytes = rv_search_bytes(s, c->ids + first, c->length - first);
    return bytes ? nats / (double)bytes : INFINITY;
}

void rv_search_set_fluency(const rv_search *s, rv_candidate *c, double mean)
{
    size_t unscored = s->engine->fixed_count == 0, half = c->length / 2;
    c->xe = mean + rv_search_repetition(s, c);
    c->xb = fmax(per_byte(s, c, unscored, c->xe * (double)(c->length - unscored)),
                 per_byte(s, c, half > unscored ? half : unscored, c->latter));
}

static void set_exact(const rv_search *s, rv_candidate *c, const rv_judgement *j)
{
    c->latter = j->latter;
    c->estimated = false;
    rv_search_set_fluency(s, c, j->xe);
}

static uint64_t key_of(const rv_candidate *c)
{
    return rv_ids_hash(c->ids, c->length);
}

/* g and the front, from what is known. */
static rv_status settle(rv_search *s, rv_candidate *c, uint64_t key, rv_error *err)
{
    const rv_judgement *j = rv_memo_find(&s->engine->memo, key);
    bool exact = j->key == key && !(isnan(j->xe) && !isnan(j->f));
    c->f = j->f;
    c->g = scale(s, c->f);
    if (exact)
        set_exact(s, c, j);
    else
        rv_search_estimate(s, c);
    c->found_at = s->work.forward;
    if (c->estimated || !rv_front_would_accept(&s->front, c->g, c->xe, c->xb) ||
        !rv_search_survives(s, c->ids, c->length))
        return RV_OK;
    return rv_front_add(&s->front, c, err);
}

/* Whether sequences can be left where the target is known, and taken up again. */
static bool known_before_the_end(const rv_problem *q)
{
    return !rv_target_needs_keep(q->target) &&
           rv_target_depth(q->target, &q->model->config) <= q->model->config.layers;
}

/* Lays out what must run, all but what a journal knows, and begins the pass. What a race left out when the journal
 * was written it would leave out again. */
static rv_status begin(rv_search *s, rv_candidate *const *batch, size_t count, bool racing,
                       size_t *running, rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_ids_view suffix = s->problem->suffix;
    size_t rows = 0;
    *running = 0;
    for (size_t i = 0; i < count; i++) {
        const rv_candidate *c = batch[i];
        const rv_judgement *known = rv_memo_find(&e->memo, key_of(c));
        if (known && (racing || !isnan(known->xe))) continue;
        size_t d = rv_search_common(s, c), own = c->length - d;
        int32_t *ids = e->ids + rows;
        memcpy(ids, c->ids + d, own * sizeof *ids);
        memcpy(ids + own, suffix.items, suffix.count * sizeof *ids);
        e->running[*running] = i;
        e->sequences[(*running)++] =
            (rv_sequence){.ids = ids,
                          .count = own + e->suffix_count,
                          .prefix = c->parent >= 0 ? s->members[c->parent].cache : e->fixed,
                          .shared = e->fixed_count + d};
        rows += own + e->suffix_count;
    }
    return *running ? rv_probe_begin(e->judging, e->sequences, *running, err) : RV_OK;
}

/* f of all of the running, which go up to where the target is known. */
static void run_to_target(rv_search *s, rv_candidate *const *batch, size_t running)
{
    rv_engine *e = s->engine;
    rv_probe_forward(e->judging);
    const real *values = rv_probe_values(e->judging, 0);
    for (size_t k = 0; k < running; values += e->sequences[k++].count) {
        const rv_sequence *q = &e->sequences[k];
        rv_candidate *c = batch[e->running[k]];
        const double *known = c->parent >= 0 ? s->members[c->parent].values : NULL;
        c->f = rv_target_read(s->problem->target, values, q->shared, q->count, known,
                              e->fixed_count);
    }
}

/* Rows of a sequence that predict its free tokens: of those behind, only the target has need. */
static size_t predicting_rows(const rv_engine *e, const rv_sequence *q)
{
    size_t own = q->count - e->suffix_count;
    return own ? own - 1 : 0;
}

/* Sum of nll over a candidate's free tokens, and over those from the middle on: of what it shares, of its first
 * own token, and of the tokens behind its rows. */
static double total_nll(const rv_search *s, double *latter, const rv_candidate *c,
                        const rv_sequence *q, real first, const real *nll)
{
    size_t fixed = s->engine->fixed_count, own = q->shared - fixed, half = c->length / 2;
    double sum = own ? rv_prefix_loss(q->prefix, fixed, q->shared) : 0;
    *latter = own > half ? rv_prefix_loss(q->prefix, fixed + half, q->shared) : 0;
    for (size_t i = own; i < c->length; i++) {
        double loss = (double)(i == own ? first : nll[i - own - 1]);
        sum += loss;
        if (i >= half) *latter += loss;
    }
    return sum;
}

/* xe of the running sequences kept[0..count); `nll` of the tokens behind the rows that `whole` sequences, or the
 * predicting rows of them, have. */
static rv_status read_losses(rv_search *s, rv_candidate *const *batch, const size_t *kept,
                             size_t count, bool whole, rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_problem *q = s->problem;
    const real *nll = e->nll;
    for (size_t i = 0; i < count; i++) {
        const rv_sequence *seq = &e->sequences[kept[i]];
        const rv_candidate *c = batch[e->running[kept[i]]];
        size_t rows = predicting_rows(e, seq), scored = c->length - (e->fixed_count == 0);
        double latter, second,
            sum = total_nll(s, &latter, c, seq, rv_pass_first_loss(e->judging->pass, seq), nll);
        nll += whole ? seq->count : rows;
        rv_judgement j = {.key = key_of(c),
                          .f = c->f,
                          .xe = scored ? sum / (double)scored : 0,
                          .latter = latter,
                          .seen = true};
        if (!isfinite(j.xe))
            return rv_fail(err, RV_ERR_NUMERIC,
                           "search: cross-entropy of a text: expected a finite number, found "
                           "%g; the model's weights may be damaged",
                           j.xe);
        if (q->second_opinion) {
            RV_TRY(q->second_opinion(q->second_context, &second, c->ids, c->length, err));
            j.xe = (j.xe + second) / 2;
        }
        RV_TRY(rv_memo_add(&e->memo, j, err));
    }
    return RV_OK;
}

/* The running sequences kept[0..count), which stand where the target is known, to the end. */
static rv_status run_to_end(rv_search *s, rv_candidate *const *batch, const size_t *kept,
                            size_t count, rv_error *err)
{
    rv_engine *e = s->engine;
    size_t going = 0;
    for (size_t i = 0; i < count; i++) {
        size_t rows = predicting_rows(e, &e->sequences[kept[i]]);
        if (rows == 0) continue;
        e->going[going] = kept[i];
        e->ends[going++] = rows;
    }
    if (going) {
        rv_pass_select(e->judging->pass, e->going, e->ends, going);
        rv_pass_finish(e->judging->pass);
        rv_pass_next_losses(e->judging->pass, e->nll);
    }
    return read_losses(s, batch, kept, count, false, err);
}

/* f of all, and what xe may be. */
static void estimate(rv_search *s, rv_candidate *const *batch, size_t count)
{
    rv_engine *e = s->engine;
    for (size_t i = 0; i < count; i++) {
        rv_candidate *c = batch[i];
        const rv_judgement *known = rv_memo_find(&e->memo, key_of(c));
        if (known) c->f = known->f;
        c->g = scale(s, c->f);
        rv_search_estimate(s, c);
        e->wanted[i] = isnan(c->xe);
    }
}

/* Runs those of the batch that are wanted now to the end. What a journal knows is looked up instead, and only now: so
 * that a search that goes on chooses as it did. Says how many. */
static rv_status finish_wanted(rv_search *s, rv_candidate *const *batch, size_t count,
                               size_t running, size_t *finished, rv_error *err)
{
    rv_engine *e = s->engine;
    size_t kept = 0;
    *finished = 0;
    for (size_t k = 0; k < running; k++) {
        size_t i = e->running[k];
        if (e->wanted[i] && batch[i]->estimated) e->kept[kept++] = k;
    }
    if (kept) RV_TRY(run_to_end(s, batch, e->kept, kept, err));
    for (size_t i = 0; i < count; i++) {
        rv_candidate *c = batch[i];
        if (!e->wanted[i] || !c->estimated) continue;
        const rv_judgement *known = rv_memo_find(&e->memo, key_of(c));
        if (!known || isnan(known->xe)) continue;
        set_exact(s, c, known);
        ++*finished;
    }
    return RV_OK;
}

/* The race: all run up to the target's layer, where f is exact; from there on only those that the dreamer
 * wants, knowing f, and xe as estimated. */
static rv_status race(rv_search *s, rv_candidate *const *batch, size_t count, size_t running,
                      const rv_race *asked, rv_error *err)
{
    rv_engine *e = s->engine;
    size_t finished;
    if (running) run_to_target(s, batch, running);
    estimate(s, batch, count);
    do {
        asked->choose(asked->context, e->wanted, (const rv_candidate *const *)batch, count);
        RV_TRY(finish_wanted(s, batch, count, running, &finished, err));
    } while (finished);
    for (size_t k = 0; k < running; k++) {
        const rv_candidate *c = batch[e->running[k]];
        rv_judgement j = {.key = key_of(c),
                          .f = c->f,
                          .xe = (double)NAN,
                          .latter = (double)NAN,
                          .seen = true};
        if (c->estimated) RV_TRY(rv_memo_add(&e->memo, j, err));
    }
    return RV_OK;
}

/* All of the batch to the end, from scratch. */
static rv_status judge_whole(rv_search *s, rv_candidate *const *batch, size_t count,
                             rv_error *err)
{
    rv_engine *e = s->engine;
    size_t running;
    RV_TRY(begin(s, batch, count, false, &running, err));
    if (running == 0) return RV_OK;
    for (size_t k = 0; k < running; k++) e->kept[k] = k;
    run_to_target(s, batch, running);
    if (known_before_the_end(s->problem)) return run_to_end(s, batch, e->kept, running, err);
    rv_pass_finish(e->judging->pass);
    rv_pass_next_losses(e->judging->pass, e->nll);
    return read_losses(s, batch, e->kept, running, true, err);
}

static rv_status judge_batch(rv_search *s, rv_candidate *const *batch, size_t count,
                             const rv_race *asked, rv_error *err)
{
    size_t running;
    if (!asked) return judge_whole(s, batch, count, err);
    RV_TRY(begin(s, batch, count, true, &running, err));
    return race(s, batch, count, running, asked, err);
}

/* Which candidates are new in this run, and not the same as one before them here. */
static rv_status find_pending(rv_search *s, const rv_candidate *candidates, size_t count,
                              bool racing, size_t *pending, rv_error *err)
{
    rv_engine *e = s->engine;
    size_t room = e->pending_room;
    RV_TRY(rv_grow((void **)&e->pending, &room, count, sizeof *e->pending, err));
    RV_TRY(rv_grow((void **)&e->keys, &e->pending_room, count, sizeof *e->keys, err));
    *pending = 0;
    for (size_t i = 0; i < count; i++) {
        e->keys[i] = rv_ids_hash(candidates[i].ids, candidates[i].length);
        rv_judgement *found = rv_memo_find(&s->engine->memo, e->keys[i]);
        bool repeat = found && found->seen,
             exact = found && found->key == e->keys[i] && !isnan(found->xe);
        for (size_t k = 0; k < *pending && !repeat && !found; k++)
            repeat = e->keys[e->pending[k]] == e->keys[i];
        s->work.repeats += repeat;
        if (!repeat || s->params.as_published) s->work.forward += candidates[i].length;
        s->work.candidates += !repeat;
        if (repeat && (racing || !found || exact)) continue;
        if (found)
            found->seen = true; // answered from the journal of a run that was interrupted
        e->pending[(*pending)++] = i;
    }
    return RV_OK;
}

rv_status rv_search_race(rv_search *s, rv_candidate *candidates, size_t count,
                         const rv_race *asked, rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_problem *q = s->problem;
    bool whole = s->params.exact || s->params.as_published || q->second_opinion ||
                 !known_before_the_end(q);
    if (whole) asked = NULL;
    size_t pending;
    RV_TRY(find_pending(s, candidates, count, asked, &pending, err));
    for (size_t from = 0, batch, rows; from < pending; from += batch) {
        for (batch = rows = 0; from + batch < pending && batch < e->sequences_max; batch++) {
            rv_candidate *c = &candidates[e->pending[from + batch]];
            size_t own = c->length - rv_search_common(s, c) + e->suffix_count;
            if (batch && rows + own > e->rows) break;
            rows += own;
            e->batch[batch] = c;
        }
        RV_TRY(rv_search_pulse(s, err));
        RV_TRY(judge_batch(s, e->batch, batch, asked, err));
    }
    for (size_t i = 0; i < count; i++) RV_TRY(settle(s, &candidates[i], e->keys[i], err));
    return rv_search_failure(s, err);
}

rv_status rv_search_judge(rv_search *s, rv_candidate *candidates, size_t count, rv_error *err)
{
    return rv_search_race(s, candidates, count, NULL, err);
}
