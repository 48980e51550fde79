/* Judging candidates: f, g and xe, each computed once, sharing what they have in common with the member
 * they vary. A child that differs from its parent from position d on runs only the rows from d on. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "search/engine.h"

double rv_total_nll(const rv_search *s, const rv_prefix *prefix, size_t shared, const real *nll,
                    size_t free_rows)
{
    size_t fixed = s->engine->fixed_count;
    double sum = shared > fixed ? rv_prefix_loss(prefix, fixed, shared) : 0;
    for (size_t i = 0; i < free_rows; i++) sum += (double)nll[i];
    return sum;
}

/* Free positions that the candidate has in common with the member it varies; at least one row is left. */
static size_t common(const rv_search *s, const rv_candidate *c)
{
    if (c->parent < 0) return 0;
    const rv_candidate *p = &s->members[c->parent].at;
    size_t d = 0, most = c->length < p->length ? c->length : p->length;
    while (d < most && c->ids[d] == p->ids[d]) d++;
    return d == c->length && s->engine->suffix_count == 0 ? d - 1 : d;
}

static double repetition(const rv_search *s, const rv_candidate *c)
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

/* g and the front, from f and xe. */
static rv_status settle(rv_search *s, rv_candidate *c, const rv_judgement *j, rv_error *err)
{
    const rv_problem *q = s->problem;
    c->f = j->f;
    c->xe = j->xe + repetition(s, c);
    c->g = (double)q->target->sign * (c->f - q->mean) / q->deviation;
    c->found_at = s->work.forward;
    if (!rv_front_would_accept(&s->front, c->g, c->xe) ||
        !rv_search_survives(s, c->ids, c->length))
        return RV_OK;
    return rv_front_add(&s->front, c, err);
}

/* f of a sequence whose own rows are given, where the reading may fall on a shared position. */
static double read_value(const rv_search *s, const rv_candidate *c, size_t shared,
                         const real *values, size_t count)
{
    const rv_target *t = s->problem->target;
    size_t fixed = s->engine->fixed_count, row = rv_target_row(t, values, shared, count);
    const double *known = c->parent >= 0 ? s->members[c->parent].values : NULL;
    double sign = (double)t->sign, f = row == SIZE_MAX ? (double)NAN : (double)values[row];
    if (t->reading == RV_READ_MAX)
        for (size_t i = 0; known && i < shared - fixed; i++)
            if (sign * known[i] > sign * f) f = known[i];
    if (row == SIZE_MAX && t->reading == RV_READ_AT) {
        long position = t->position < 0 ? t->position + (long)(shared + count) : t->position;
        bool before = position >= (long)fixed && position < (long)shared;
        if (known && before) f = known[(size_t)position - fixed];
    }
    return f;
}

static rv_status judge_batch(rv_search *s, rv_candidate *candidates, const size_t *which,
                             size_t count, rv_error *err)
{
    rv_engine *e = s->engine;
    const rv_problem *q = s->problem;
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        const rv_candidate *c = &candidates[which[i]];
        size_t d = common(s, c), own = c->length - d;
        int32_t *ids = e->ids + rows;
        memcpy(ids, c->ids + d, own * sizeof *ids);
        memcpy(ids + own, q->suffix.items, q->suffix.count * sizeof *ids);
        e->sequences[i] =
            (rv_sequence){.ids = ids,
                          .count = own + e->suffix_count,
                          .prefix = c->parent >= 0 ? s->members[c->parent].cache : e->fixed,
                          .shared = e->fixed_count + d};
        rows += own + e->suffix_count;
    }
    rv_tap tap;
    size_t taps = rv_target_tap(&tap, q->target, e->tapped);
    RV_TRY(rv_pass_begin(e->judging, e->sequences, count, &tap, taps, err));
    rv_pass_finish(e->judging);
    rv_pass_losses(e->judging, e->nll);
    rv_target_values(e->values, q->target, e->judging, e->tapped, e->logits);
    for (size_t i = 0, row = 0; i < count; i++) {
        const rv_candidate *c = &candidates[which[i]];
        const rv_sequence *seq = &e->sequences[i];
        size_t own = seq->count - e->suffix_count, scored = c->length - (e->fixed_count == 0);
        double nll = rv_total_nll(s, seq->prefix, seq->shared, e->nll + row, own);
        double f = read_value(s, c, seq->shared, e->values + row, seq->count);
        rv_judgement j = {rv_ids_hash(c->ids, c->length), f, scored ? nll / (double)scored : 0,
                          1};
        double second;
        if (q->second_opinion) {
            RV_TRY(q->second_opinion(q->second_context, &second, c->ids, c->length, err));
            j.xe = (j.xe + second) / 2;
        }
        RV_TRY(rv_memo_add(&e->memo, j, err));
        row += seq->count;
    }
    return RV_OK;
}

/* Which candidates must be computed: not known yet, and not the same as one before them here. */
static rv_status find_pending(rv_search *s, const rv_candidate *candidates, size_t count,
                              size_t *pending, rv_error *err)
{
    rv_engine *e = s->engine;
    size_t room = e->pending_room;
    RV_TRY(rv_grow((void **)&e->pending, &room, count, sizeof *e->pending, err));
    RV_TRY(rv_grow((void **)&e->keys, &e->pending_room, count, sizeof *e->keys, err));
    *pending = 0;
    for (size_t i = 0; i < count; i++) {
        e->keys[i] = rv_ids_hash(candidates[i].ids, candidates[i].length);
        rv_judgement *found = rv_memo_find(&e->memo, e->keys[i]);
        bool repeat = found && found->seen;
        for (size_t k = 0; k < *pending && !repeat && !found; k++)
            repeat = e->keys[e->pending[k]] == e->keys[i];
        s->work.repeats += repeat;
        if (repeat && s->params.as_published) s->work.forward += candidates[i].length;
        if (repeat) continue;
        s->work.forward += candidates[i].length;
        s->work.candidates++;
        if (found)
            found->seen = 1; // answered from the journal of a run that was interrupted
        else
            e->pending[(*pending)++] = i;
    }
    return RV_OK;
}

rv_status rv_search_judge(rv_search *s, rv_candidate *candidates, size_t count, rv_error *err)
{
    rv_engine *e = s->engine;
    size_t pending;
    RV_TRY(find_pending(s, candidates, count, &pending, err));
    for (size_t from = 0; from < pending;) {
        size_t batch = 0, rows = 0;
        while (from + batch < pending && batch < e->sequences_max) {
            const rv_candidate *c = &candidates[e->pending[from + batch]];
            size_t own = c->length - common(s, c) + e->suffix_count;
            if (batch && rows + own > e->rows) break;
            rows += own;
            batch++;
        }
        RV_TRY(judge_batch(s, candidates, e->pending + from, batch, err));
        from += batch;
    }
    for (size_t i = 0; i < count; i++)
        RV_TRY(settle(s, &candidates[i], rv_memo_find(&e->memo, e->keys[i]), err));
    return RV_OK;
}
