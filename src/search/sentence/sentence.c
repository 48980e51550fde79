/* The search for whole sentences from beginning to end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/reverie.h"
#include "search/sentence/sentence.h"

enum { NEUTRAL_MOST = 16, AGAIN = 4 };
static const double FRAGMENTS = 0.4,
                    SEARCHED = 0.8; /* of the budget; the rest tells what was found */
static const char NEUTRAL[] = "It was a long day.\n";

/* The fixed tokens and a sentence that has nothing to do with anything. */
static rv_status read_neutral(rv_sentence_search *d, rv_error *err)
{
    const rv_search *s = d->search;
    const rv_tokenizer *tok = s->problem->tokenizer;
    rv_ids ids = {0};
    rv_status status;
    RV_GOTO(rv_tokenizer_encode(tok, NEUTRAL, strlen(NEUTRAL), RV_ENCODE_PLAIN, &ids, err));
    size_t count = ids.count < NEUTRAL_MOST ? ids.count : NEUTRAL_MOST;
    RV_GOTO(rv_prefix_new(&d->neutral, s->problem->model, count, err));
    rv_sequence q = {.ids = ids.items,
                     .count = count,
                     .prefix = s->engine->fixed,
                     .shared = s->engine->fixed_count,
                     .save = d->neutral};
    RV_GOTO(rv_pass_begin(d->probe->pass, &q, 1, NULL, 0, err));
    rv_pass_finish(d->probe->pass);
    rv_pass_losses(d->probe->pass, d->nll);
done:
    rv_ids_release(&ids);
    return status;
}

static rv_status set_up(rv_sentence_search *d, rv_error *err)
{
    rv_search *s = d->search;
    const rv_problem *q = s->problem;
    size_t fixed = q->prefix.count + q->suffix.count, context = q->model->config.context,
           positions = fixed + NEUTRAL_MOST + RV_SENTENCE_MOST;
    bool room = positions <= context; // for a sentence before
    if (!room) positions = fixed + s->params.most;
    rv_pass_options options = {.rows = RV_SENTENCE_ROWS,
                               .sequences = RV_SENTENCE_BATCH,
                               .positions = positions,
                               .narrow = s->params.narrow,
                               .threads = s->params.threads};
    d->random = rv_search_random(s, 0x5e17);
    RV_TRY(rv_search_reserve(s, rv_probe_bytes(q->model, q->target, 1, &options, false), err));
    RV_TRY(rv_probe_new(&d->probe, q->model, q->target, 1, &options, false, err));
    RV_TRY(RV_NEW(d->nll, RV_SENTENCE_ROWS, err));
    RV_TRY(RV_NEW(d->sequences, RV_SENTENCE_BATCH, err));
    RV_TRY(RV_NEW(d->ids, RV_SENTENCE_ROWS, err));
    RV_TRY(RV_NEW(d->means, d->pool->count, err));
    RV_TRY(RV_NEW(d->worsts, d->pool->count, err));
    RV_TRY(RV_NEW(d->spikes, d->pool->count, err));
    RV_TRY(RV_NEW(d->unlikely, d->pool->count, err));
    rv_sentences_learn(d);
    return room ? read_neutral(d, err) : RV_OK;
}

static void release(rv_sentence_search *d)
{
    void *const owned[] = {d->nll,   d->sequences, d->ids,    d->found.items, d->triggers,
                           d->means, d->worsts,    d->spikes, d->unlikely};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    rv_probe_free(d->probe);
    rv_prefix_free(d->neutral);
}

/* Strong corpus sentences up to where they are strong: to be finished anew. */
static rv_status add_corpus(rv_sentences *beginnings, const rv_sentence_search *d,
                            rv_error *err)
{
    size_t added = 0;
    for (size_t i = 0; i < d->found.count && added < AGAIN; i++) {
        rv_sentence s = d->found.items[i];
        if (strcmp(s.origin, "corpus") != 0 || s.peak == SIZE_MAX) continue;
        s.length = s.peak + 1;
        s.origin = "corpus, finished anew";
        RV_TRY(rv_sentences_push(beginnings, &s, err));
        added++;
    }
    return RV_OK;
}

static rv_status round_of(rv_sentence_search *d, rv_error *err)
{
    rv_sentences beginnings = {0};
    d->random = rv_search_random(d->search, 0x5e18);
    rv_status status;
    RV_GOTO(rv_transplant(&beginnings, d, err));
    RV_GOTO(add_corpus(&beginnings, d, err));
    RV_GOTO(rv_finish(d, &beginnings, err));
    RV_GOTO(rv_polish(d, err));
done:
    free(beginnings.items);
    return status;
}

static rv_status run(rv_search *s, rv_error *err)
{
    if (!s->problem->sentences || !s->problem->tokenizer)
        return rv_fail(err, RV_ERR_USAGE,
                       "sentence: expected a tokenizer and sentences of a corpus, found none");
    rv_sentence_search d = {.search = s, .pool = s->problem->sentences, .reference = 1};
    rv_status status;
    size_t before;
    RV_GOTO(set_up(&d, err));
    RV_GOTO(rv_sentences_seed(&d, err));
    RV_GOTO(rv_reverie_climb(s, s->params.fragment, s->params.fragment,
                             (uint64_t)(FRAGMENTS * (double)s->params.budget), err));
    RV_GOTO(rv_triggers_find(&d, err));
    do {
        before = s->work.forward;
        RV_GOTO(round_of(&d, err));
    } while (rv_search_continue(s) && s->work.forward > before && d.trigger_count &&
             (double)s->work.forward < SEARCHED * (double)s->params.budget);
    RV_GOTO(rv_sentences_choose(&d, err));
done:
    release(&d);
    return status;
}

const rv_dreamer rv_dreamer_sentence = {
    .name = "sentence",
    .summary = "whole sentences: what makes the target fire, behind beginnings that expect it, "
               "finished and polished",
    .members = RV_REVERIE_MEMBERS,
    .children = RV_REVERIE_CHILDREN,
    .sentences = true,
    .run = run,
};
