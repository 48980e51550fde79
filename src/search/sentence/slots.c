/* What of a sentence matters: the one word that silences it, and the words that may stand in another's place. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/top_k.h"
#include "search/sentence/sentence.h"

enum { LIKELY = 12, HARMFUL = 6, OF_SLOT = 4 };
static const double SILENT = 0.25, KEEPS = 0.7, PLAUSIBLE = 4, FAR = 14;

typedef struct trial {
    rv_sentence_search *d;
    const rv_sentence *of;
    rv_sentence *children;
    rv_reading_task *tasks;
    size_t *at, count;
    real *score; /* (V) */
} trial;

/* Tries words in place of token i, best first by `score`. */
static void try_words(trial *t, size_t i, size_t most)
{
    int32_t best[LIKELY];
    size_t V = t->d->search->problem->model->config.vocabulary,
           n = rv_top_k(best, t->score, V, most);
    for (size_t k = 0; k < n; k++) {
        rv_sentence *s = &t->children[t->count];
        *s = *t->of;
        s->ids[i] = best[k];
        t->at[t->count] = i;
        t->tasks[t->count++] =
            (rv_reading_task){.to = s, .behind = t->d->search->members[0].cache, .shared = i};
        t->score[best[k]] = -(real)INFINITY;
    }
}

static void try_place(trial *t, size_t i)
{
    rv_search *s = t->d->search;
    rv_effects e = rv_search_effects(s, &s->members[0], i);
    size_t V = s->problem->model->config.vocabulary;
    int32_t there = t->of->ids[i];
    bool spaced = rv_sentence_begins_word(t->d, there);
    for (size_t v = 0; v < V; v++) {
        bool fits = e.nll[v] < FAR && (size_t)there != v && rv_search_allowed(s, (int32_t)v) &&
                    rv_sentence_word(t->d, (int32_t)v) &&
                    rv_sentence_begins_word(t->d, (int32_t)v) == spaced;
        t->score[v] = fits ? -e.nll[v] : -(real)INFINITY;
    }
    try_words(t, i, LIKELY);
    if (i > t->of->peak) return;
    for (size_t v = 0; v < V; v++)
        if (t->score[v] > -(real)INFINITY) t->score[v] = -e.dg[v] + t->score[v];
    try_words(t, i, HARMFUL);
}

static int by_nats(const void *a, const void *b)
{
    double x = ((const rv_swap *)a)->nats, y = ((const rv_swap *)b)->nats;
    return (x > y) - (x < y);
}

/* The pair first, then what fills the slots, the most plausible first. */
static rv_status settle(trial *t, rv_sentence *s, rv_error *err)
{
    rv_swap pair = {.nats = INFINITY}, *list;
    size_t count = 0, taken[RV_SENTENCE_MOST] = {0};
    RV_TRY(RV_NEW(list, t->count + 1, err));
    for (size_t i = 0; i < t->count; i++) {
        const rv_sentence *c = &t->children[i];
        rv_swap swap = {t->at[i], c->ids[t->at[i]], c->g, c->nats - s->nats};
        if (rv_sentences_fault(t->d, c) != RV_SENTENCE_WHOLE) continue;
        // behind nothing, some first words are cheap: what follows must go with them
        double rest = swap.nats - (double)(c->nll[0] - s->nll[0]);
        if (rest > swap.nats) swap.nats = rest;
        if (c->g <= SILENT * s->g && swap.nats < pair.nats) pair = swap;
        if (c->g >= KEEPS * s->g && swap.nats <= PLAUSIBLE) list[++count] = swap;
    }
    qsort(list + 1, count, sizeof *list, by_nats);
    s->has_pair = isfinite(pair.nats);
    list[0] = pair;
    s->swaps = list;
    s->swap_count = 1;
    for (size_t i = 1; i <= count; i++)
        if (taken[list[i].at]++ < OF_SLOT) list[s->swap_count++] = list[i];
    return RV_OK;
}

rv_status rv_sentence_try_swaps(rv_sentence_search *d, rv_sentence *s, rv_error *err)
{
    rv_candidate item = {.ids = s->ids, .length = s->length, .parent = -1, .g = s->g};
    const rv_candidate *list[] = {&item};
    trial t = {.d = d, .of = s};
    size_t room = s->length * (LIKELY + HARMFUL);
    if (rv_search_affords(d->search, s->length) < room / 2) return RV_OK;
    rv_status status;
    RV_GOTO(RV_NEW(t.children, room, err));
    RV_GOTO(RV_NEW(t.tasks, room, err));
    RV_GOTO(RV_NEW(t.at, room, err));
    RV_GOTO(RV_NEW(t.score, d->search->problem->model->config.vocabulary, err));
    RV_GOTO(rv_search_expand(d->search, list, 1, err));
    for (size_t i = 0; i < s->length; i++)
        if (rv_sentence_whole_word(d, s, i)) try_place(&t, i);
    RV_GOTO(rv_sentences_read(d, t.tasks, t.count, err));
    RV_GOTO(settle(&t, s, err));
done:
    free(t.children);
    free(t.tasks);
    free(t.at);
    free(t.score);
    return status;
}
