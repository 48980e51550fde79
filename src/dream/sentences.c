/* Sentences of the corpus for a dream, read once; and what is recorded of those that are dreamt. */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "corpus/ask.h"
#include "corpus/pool.h"
#include "dream/session.h"
#include "subject/describe.h"

enum { POOL_VERSION = 2, POOL_TOKENS = 60000 };
static const size_t POOL_BYTES = (size_t)256 << 20; /* of rows, at most */

static rv_status question(rv_text *q, const rv_dreaming *d, const rv_corpus_identity *corpus,
                          const rv_pool_options *o, rv_error *err)
{
    rv_text_printf(q, "v%d ", POOL_VERSION);
    RV_TRY(rv_model_question(q, d->model, err));
    rv_text_printf(q, " sentences=%zu tokens=%zu narrow=%d after", o->tokens, o->corpus_tokens,
                   o->narrow);
    for (size_t i = 0; i < o->prefix_count; i++) rv_text_printf(q, " %d", (int)o->prefix[i]);
    rv_text_printf(q, " corpus=%s", corpus->digests);
    return q->failed ? rv_fail_memory(err, q->length) : RV_OK;
}

/* The pool from the store, or put there. A corpus that cannot be known again gives one that is not kept. */
static rv_status learn(rv_dreaming *d, rv_pool_options *o, rv_error *err)
{
    const rv_model *m = d->model;
    rv_corpus_identity corpus = {0};
    rv_text text = {0};
    rv_status status = RV_OK;
    rv_store *store = rv_model_store(d->model);
    if (store && rv_corpus_identify(&corpus, &d->corpus, store, NULL, NULL, NULL) == RV_OK)
        status = question(&text, d, &corpus, o, err);
    rv_question q = {.kind = "sentences",
                     .text = text.bytes,
                     .model = m->name,
                     .hash = m->hash,
                     .source = corpus.name};
    if (text.bytes) o->store = store, o->question = &q;
    if (status == RV_OK)
        status = rv_sentence_pool_new(&d->sentences, &d->corpus, m->transformer, m->tokenizer,
                                      o, err);
    rv_corpus_identity_release(&corpus);
    rv_text_release(&text);
    return status;
}

rv_status rv_dream_learn_sentences(rv_dreaming *d, rv_error *err)
{
    rv_transformer *m = d->model->transformer;
    size_t most = POOL_BYTES / (2 * m->config.width);
    bool narrow = !d->params->exact && m->kernels->narrow;
    if (narrow) RV_TRY(rv_transformer_narrow(m, err));
    rv_pool_options options = {.corpus_tokens = d->params->corpus_tokens,
                               .tokens = most < POOL_TOKENS ? most : POOL_TOKENS,
                               .prefix = d->prefix.items,
                               .prefix_count = d->prefix.count,
                               .narrow = narrow,
                               .threads = d->model->threads,
                               .progress = d->params->progress,
                               .progress_context = d->params->progress_context};
    return learn(d, &options, err);
}

static rv_swap_entry swap_entry(const rv_dreaming *d, const rv_swap *swap)
{
    return (rv_swap_entry){swap->at, swap->id, rv_token_text(d->model, swap->id), swap->g,
                           swap->nats};
}

rv_status rv_describe_sentence(rv_dream_record *out, rv_arena *arena, const rv_dreaming *d,
                               const rv_search *found, const rv_sentence *s, rv_error *err)
{
    rv_sentence_entry *e = &out->sentence;
    double length = (double)s->length;
    out->headline = s->sense == 1;
    out->diverse = s->sense > 1 ? s->sense - 1 : 0;
    e->sense = s->sense;
    e->peak = s->peak < s->length ? (int32_t)s->peak : -1;
    e->trigger = e->peak < 0                 ? -1
                 : s->trigger <= s->peak + 1 ? (int32_t)(s->peak + 1 - s->trigger)
                                             : 0;
    e->activation_after = s->g_after;
    e->cross_entropy_after = s->nats_after / length;
    for (size_t i = 0; i < out->token_count; i++)
        e->worst = fmax(isnan(e->worst) ? 0 : e->worst,
                        isnan(out->tokens[i].nll) ? 0 : out->tokens[i].nll);
    e->fluency = s->fluency;
    e->shared_words = s->shared_run;
    e->corpus_activation = found->best_corpus_sentence;
    e->origin = s->origin;
    if (s->has_pair) e->pair = swap_entry(d, &s->swaps[0]);
    rv_swap_entry *slots = rv_arena_alloc(arena, s->swap_count + 1, sizeof *slots);
    if (!slots) return rv_fail_memory(err, s->swap_count * sizeof *slots);
    for (size_t i = 1; i < s->swap_count; i++)
        slots[e->slot_count++] = swap_entry(d, &s->swaps[i]);
    e->slots = slots;
    return RV_OK;
}
