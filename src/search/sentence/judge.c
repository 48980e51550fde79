/* Reading sentences, token by token: behind the fixed tokens, and behind a neutral sentence. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "search/sentence/sentence.h"

static double scale(const rv_search *s, double f)
{
    const rv_problem *q = s->problem;
    return (double)q->target->sign * (f - q->mean) / q->deviation;
}

static void summarise(const rv_search *s, rv_sentence *to, double behind)
{
    const rv_target *t = s->problem->target;
    real values[RV_SENTENCE_MOST];
    to->nats = 0;
    for (size_t i = 0; i < to->length; i++) {
        to->nats += (double)to->nll[i];
        values[i] = (real)to->value[i];
    }
    size_t row = rv_target_row(t, values, s->engine->fixed_count, to->length);
    to->peak = row;
    to->f = row == SIZE_MAX ? (double)NAN : (double)to->value[row];
    if (s->engine->suffix_count) { // what is fixed behind the sentence counts too
        bool most = t->reading == RV_READ_MAX;
        if (!most || (double)t->sign * behind > (double)t->sign * to->f)
            to->f = behind, to->peak = SIZE_MAX;
    }
    to->g = scale(s, to->f);
}

/* One batch: all of the tasks fit. */
static rv_status read_batch(rv_sentence_search *d, rv_reading_task *tasks, size_t count,
                            rv_error *err)
{
    rv_search *s = d->search;
    const rv_engine *e = s->engine;
    const rv_ids_view suffix = s->problem->suffix;
    int32_t *ids = d->ids;
    for (size_t k = 0; k < count; k++) {
        const rv_reading_task *t = &tasks[k];
        size_t own = t->to->length - t->shared, after = t->save ? 0 : suffix.count;
        // a parent's cache holds what follows too
        size_t before = d->neutral && t->behind == d->neutral ? rv_prefix_length(d->neutral)
                                                              : e->fixed_count + t->shared;
        memcpy(ids, t->to->ids + t->shared, own * sizeof *ids);
        if (after) memcpy(ids + own, suffix.items, after * sizeof *ids);
        d->sequences[k] = (rv_sequence){.ids = ids,
                                        .count = own + after,
                                        .prefix = t->behind,
                                        .shared = before,
                                        .save = t->save};
        ids += own + after;
        s->work.forward += own;
        s->work.candidates++;
    }
    RV_TRY(rv_probe_run(d->probe, d->sequences, count, err));
    const real *values = rv_probe_values(d->probe, 0);
    rv_pass_finish(d->probe->pass);
    rv_pass_losses(d->probe->pass, d->nll);
    for (size_t k = 0, row = 0; k < count; row += d->sequences[k].count, k++) {
        rv_sentence *to = tasks[k].to;
        for (size_t i = tasks[k].shared; i < to->length; i++) {
            to->nll[i] = (float)d->nll[row + i - tasks[k].shared];
            to->value[i] = (float)values[row + i - tasks[k].shared];
        }
        const real *behind = values + row + to->length - tasks[k].shared;
        size_t after = d->sequences[k].count - (to->length - tasks[k].shared);
        size_t at =
            after ? rv_target_row(s->problem->target, behind,
                                  d->sequences[k].shared + to->length - tasks[k].shared, after)
                  : SIZE_MAX;
        summarise(s, to, at == SIZE_MAX ? (double)NAN : (double)behind[at]);
        to->found_at = s->work.forward;
    }
    return RV_OK;
}

rv_status rv_sentences_read(rv_sentence_search *d, rv_reading_task *tasks, size_t count,
                            rv_error *err)
{
    size_t suffix = d->search->problem->suffix.count;
    for (size_t from = 0, n, rows; from < count; from += n) {
        for (n = rows = 0; from + n < count && n < RV_SENTENCE_BATCH; n++) {
            size_t own = tasks[from + n].to->length - tasks[from + n].shared + suffix;
            if (rows + own > RV_SENTENCE_ROWS) break;
            rows += own;
        }
        RV_TRY(read_batch(d, tasks + from, n, err));
    }
    return RV_OK;
}

rv_status rv_sentences_judge(rv_sentence_search *d, rv_sentence *items, size_t count,
                             rv_error *err)
{
    rv_reading_task *tasks;
    RV_TRY(RV_NEW(tasks, count, err));
    for (size_t i = 0; i < count; i++)
        tasks[i] = (rv_reading_task){.to = &items[i], .behind = d->search->engine->fixed};
    rv_status status = rv_sentences_read(d, tasks, count, err);
    free(tasks);
    return status;
}

rv_status rv_sentences_judge_after(rv_sentence_search *d, rv_sentence *const *items,
                                   size_t count, rv_error *err)
{
    rv_reading_task *tasks = NULL;
    rv_sentence *copies = NULL;
    rv_status status;
    if (!d->neutral) return RV_OK;
    RV_GOTO(RV_NEW(tasks, count, err));
    RV_GOTO(RV_NEW(copies, count, err));
    for (size_t i = 0; i < count; i++) {
        copies[i] = *items[i];
        tasks[i] = (rv_reading_task){.to = &copies[i], .behind = d->neutral};
    }
    RV_GOTO(rv_sentences_read(d, tasks, count, err));
    for (size_t i = 0; i < count; i++) {
        items[i]->g_after = copies[i].g;
        items[i]->nats_after = copies[i].nats;
    }
done:
    free(tasks);
    free(copies);
    return status;
}

rv_status rv_sentences_push(rv_sentences *list, const rv_sentence *s, rv_error *err)
{
    RV_TRY(
        rv_grow((void **)&list->items, &list->room, list->count + 1, sizeof *list->items, err));
    list->items[list->count++] = *s;
    return RV_OK;
}

rv_sentence_fault rv_sentences_fault(const rv_sentence_search *d, const rv_sentence *s)
{
    rv_search *q = d->search;
    rv_text *text = &q->engine->text;
    rv_error error;
    if (s->length < RV_SENTENCE_LEAST || s->length > q->params.most) return RV_SENTENCE_WORDS;
    if (!rv_search_survives(q, s->ids, s->length)) return RV_SENTENCE_ENCODING;
    for (size_t i = 0; i < s->length; i++)
        if (!rv_search_allowed(q, s->ids[i])) return RV_SENTENCE_SYMBOL;
    text->length = 0;
    rv_status decoded =
        rv_tokenizer_decode(q->problem->tokenizer, s->ids, s->length, false, text, &error);
    if (!rv_search_succeeded(q, decoded, &error)) return RV_SENTENCE_ENCODING;
    return rv_sentence_check(text->bytes, text->length, &d->pool->words);
}

static rv_status add_to_front(rv_search *s, const rv_sentence *found, rv_error *err)
{
    rv_candidate c = {.ids = (int32_t *)found->ids,
                      .length = found->length,
                      .parent = -1,
                      .f = found->f,
                      .g = found->g,
                      .found_at = found->found_at};
    for (size_t i = c.length / 2; i < c.length; i++) c.latter += (double)found->nll[i];
    size_t scored = c.length - (s->engine->fixed_count == 0);
    rv_search_set_fluency(s, &c, found->nats / (double)scored);
    if (!rv_front_would_accept(&s->front, c.g, c.xe, c.xb)) return RV_OK;
    return rv_front_add(&s->front, &c, err);
}

rv_status rv_sentences_keep(rv_sentence_search *d, const rv_sentence *s, rv_error *err)
{
    if (!isfinite(s->g) || !isfinite(s->nats)) return RV_OK;
    for (size_t i = 0; i < d->found.count; i++)
        if (d->found.items[i].length == s->length &&
            memcmp(d->found.items[i].ids, s->ids, s->length * sizeof *s->ids) == 0)
            return RV_OK;
    if (rv_sentences_fault(d, s) != RV_SENTENCE_WHOLE) return RV_OK;
    rv_sentence kept = *s;
    kept.g_after = kept.nats_after = (double)NAN;
    kept.whole = true;
    kept.merit = rv_sentence_merit(d, &kept);
    RV_TRY(rv_sentences_push(&d->found, &kept, err));
    return add_to_front(d->search, &kept, err);
}
