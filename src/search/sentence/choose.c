/* How natural a sentence is, held against the corpus's own of like length, and which one speaks for the target. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "search/sentence/sentence.h"

enum { FINALISTS = 40, SENSES = 6, ALIKE = 16, EXAMINED = 3 };
static const double KEPT_AFTER = 0.7, SPIKE = 5,
                    WEAK = 0.4; /* of the headline's g: no sense of its own */

/* Figures of tokens: the mean, the worst, the sum of what is above SPIKE, and the mean less the words' own rarity
 * (SLOR: Pauls and Klein 2012). */
typedef struct figures {
    double mean, worst, spikes, unlikely;
} figures;

static figures figures_of(const float *nll, const int32_t *ids, size_t count, const float *rare)
{
    figures f = {0};
    for (size_t i = 0; i < count; i++) {
        double x = (double)nll[i];
        f.mean += x / (double)count;
        f.unlikely += (x - (double)rare[ids[i]]) / (double)count;
        f.worst = fmax(f.worst, x);
        if (i) f.spikes += fmax(0, x - SPIKE);
    }
    return f;
}

void rv_sentences_learn(rv_sentence_search *d)
{
    const rv_sentence_pool *p = d->pool;
    for (size_t s = 0; s < p->count; s++) {
        figures f = figures_of(p->nll + p->first[s], p->ids + p->first[s],
                               p->first[s + 1] - p->first[s], p->rarity);
        d->means[s] = f.mean;
        d->worsts[s] = f.worst;
        d->spikes[s] = f.spikes;
        d->unlikely[s] = f.unlikely;
    }
}

/* Share of corpus sentences within two tokens of the length whose figure is above x. */
static double share_above(const rv_sentence_search *d, const double *figure, size_t length,
                          double x)
{
    const rv_sentence_pool *p = d->pool;
    size_t like = 0, above = 0;
    for (size_t s = 0; s < p->count; s++) {
        size_t n = p->first[s + 1] - p->first[s];
        if (n > length + 2 || n + 2 < length) continue;
        like++;
        above += figure[s] > x;
    }
    return like ? (double)above / (double)like : 0.5;
}

/* A sentence that half of the corpus's are less fluent than lacks nothing. */
static double lack(double share)
{
    return fmax(0, 0.5 - share);
}

/* g, as far as it stays behind another sentence, times how natural it is. The weights were chosen by reading what was
 * found for six neurons of SmolLM2-135M on 2026-12-01. */
double rv_sentence_merit(const rv_sentence_search *d, const rv_sentence *s)
{
    figures f = figures_of(s->nll, s->ids, s->length, d->pool->rarity);
    double g = isnan(s->g_after) ? s->g : fmin(s->g, s->g_after / KEPT_AFTER),
           amiss = 0.8 * lack(share_above(d, d->means, s->length, f.mean)) +
                   0.8 * lack(share_above(d, d->worsts, s->length, f.worst)) +
                   0.5 * lack(share_above(d, d->spikes, s->length, f.spikes)) +
                   0.8 * lack(share_above(d, d->unlikely, s->length, f.unlikely));
    return g / d->reference * fmax(0.1, 1 - amiss);
}

static int by_merit(const void *a, const void *b)
{
    double x = ((const rv_sentence *)a)->merit, y = ((const rv_sentence *)b)->merit;
    return (x < y) - (x > y);
}

/* Whether two say the same: the words at which they fire are the same, or most words are. */
static bool same_sense(const rv_sentence *a, const rv_sentence *b)
{
    if (a->peak == SIZE_MAX || b->peak == SIZE_MAX) return a->peak == b->peak;
    if (a->ids[a->peak] == b->ids[b->peak]) return true;
    size_t same = 0;
    for (size_t i = 0; i < a->length; i++)
        for (size_t k = 0; k < b->length; k++)
            if (a->ids[i] == b->ids[k]) {
                same++;
                break;
            }
    return 2 * same > a->length;
}

size_t rv_sentence_copied(const rv_sentence_search *d, const rv_sentence *s)
{
    rv_text *text = &d->search->engine->text;
    text->length = 0;
    rv_error error;
    rv_status decoded = rv_tokenizer_decode(d->search->problem->tokenizer, s->ids, s->length,
                                            false, text, &error);
    if (!rv_search_succeeded(d->search, decoded, &error)) return 0;
    return rv_words_shared_run(&d->pool->words, text->bytes, text->length);
}

static int pointer_by_merit(const void *a, const void *b)
{
    return by_merit(*(rv_sentence *const *)a, *(rv_sentence *const *)b);
}

/* The best of every sense, in order of merit. */
static rv_status take(rv_sentence_search *d, rv_sentence **finalists, size_t count,
                      rv_error *err)
{
    rv_search *s = d->search;
    RV_TRY(RV_NEW(s->sentences, SENSES, err));
    qsort(finalists, count, sizeof *finalists, pointer_by_merit);
    for (size_t i = 0; i < count && s->sentence_count < SENSES; i++) {
        rv_sentence *x = finalists[i];
        bool known = false;
        for (size_t k = 0; k < s->sentence_count && !known; k++)
            known = same_sense(x, &s->sentences[k]);
        if (known || x->g < WEAK * finalists[0]->g) continue;
        x->fluency = share_above(d, d->means, x->length, x->nats / (double)x->length);
        x->sense = s->sentence_count + 1;
        s->sentences[s->sentence_count++] = *x;
    }
    return RV_OK;
}

rv_status rv_sentences_choose(rv_sentence_search *d, rv_error *err)
{
    rv_sentence *finalists[FINALISTS];
    rv_sentences *all = &d->found;
    if (!all->count) return RV_OK;
    qsort(all->items, all->count, sizeof *all->items, by_merit);
    size_t count = 0;
    for (size_t i = 0; i < all->count && count < FINALISTS; i++) {
        rv_sentence *s = &all->items[i];
        size_t alike = 0;
        for (size_t k = 0; k < count; k++) alike += same_sense(s, finalists[k]);
        if (alike >= ALIKE || strcmp(s->origin, "corpus") == 0) continue;
        s->shared_run = rv_sentence_copied(d, s);
        if (s->shared_run < RV_SENTENCE_COPY) finalists[count++] = s;
    }
    RV_TRY(rv_sentences_judge_after(d, finalists, count, err));
    for (size_t i = 0; i < count; i++) finalists[i]->merit = rv_sentence_merit(d, finalists[i]);
    RV_TRY(take(d, finalists, count, err));
    for (size_t i = 0; i < d->search->sentence_count; i++)
        RV_TRY(rv_sentence_find_trigger(d, &d->search->sentences[i], err));
    for (size_t i = 0; i < d->search->sentence_count && i < EXAMINED; i++)
        RV_TRY(rv_sentence_try_swaps(d, &d->search->sentences[i], err));
    return RV_OK;
}
