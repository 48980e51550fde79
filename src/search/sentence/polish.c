/* Words exchanged, put in and taken out: proposed by what the model expects there and by the gradient of g and of the
 * later words' nats, read exactly from the parent's cache. A child may not be dearer in all than its parent by more
 * than half a nat: else polish buys g with grammar, a little at every token. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/top_k.h"
#include "search/reverie.h"
#include "search/sentence/sentence.h"

enum {
    PARENTS = RV_REVERIE_MEMBERS,
    SWAPS = 24,
    OF_PLACE = 5,
    INSERTIONS = 8,
    DELETIONS = 4,
    ALIKE = 3
};
enum { CHILDREN = SWAPS + INSERTIONS + DELETIONS };
static const double DEARER = 0.5,
                    RIGHT = 0.3; /* trust in the linearised effect on later words */

typedef struct change {
    double score;
    size_t at;
    int32_t id; /* -1: taken out */
    bool insert;
} change;

typedef struct polishing {
    rv_sentence_search *d;
    rv_sentence parents[PARENTS];
    size_t count;
    rv_sentence children[PARENTS * CHILDREN];
    rv_reading_task tasks[PARENTS * CHILDREN];
    size_t of[PARENTS * CHILDREN];
    size_t child_count;
    real *score; /* (V) */
} polishing;

static void choose_parents(polishing *p)
{
    rv_sentences *found = &p->d->found;
    for (;;) {
        rv_sentence *best = NULL;
        for (size_t i = 0; i < found->count; i++) {
            rv_sentence *s = &found->items[i];
            size_t alike = 0;
            for (size_t k = 0; k < p->count; k++)
                alike += p->parents[k].peak != SIZE_MAX && s->peak != SIZE_MAX &&
                         p->parents[k].ids[p->parents[k].peak] == s->ids[s->peak];
            if (!s->expanded && alike < ALIKE && (!best || s->merit > best->merit)) best = s;
        }
        if (!best || p->count == PARENTS) return;
        best->expanded = true;
        bool corpus = strcmp(best->origin, "corpus") == 0;
        if (!corpus && rv_sentence_copied(p->d, best) >= RV_SENTENCE_COPY) continue;
        p->parents[p->count++] = *best;
    }
}

static void note(change *list, size_t *count, size_t room, change c)
{
    if (*count == room && c.score <= list[room - 1].score) return;
    size_t at = *count < room ? (*count)++ : room - 1;
    for (; at > 0 && list[at - 1].score < c.score; at--) list[at] = list[at - 1];
    list[at] = c;
}

/* Swaps at a place, the best few by g and by the nats of both sides. */
static void swaps_at(change *list, size_t *count, polishing *p, size_t k, size_t i)
{
    rv_sentence_search *d = p->d;
    rv_search *s = d->search;
    const rv_sentence *at = &p->parents[k];
    rv_effects e = rv_search_effects(s, &s->members[k], i);
    size_t V = s->problem->model->config.vocabulary;
    int32_t there = at->ids[i], best[OF_PLACE];
    bool spaced = rv_sentence_begins_word(d, there);
    for (size_t v = 0; v < V; v++) {
        double left = (double)(e.nll[v] - e.nll[there]),
               right = (double)(e.dnll[v] - e.dnll[there]);
        double gain = i <= at->peak ? (double)(e.dg[v] - e.dg[there]) : 0;
        bool fits = e.nll[v] < 11 && (size_t)there != v && rv_search_allowed(s, (int32_t)v) &&
                    rv_sentence_word(d, (int32_t)v) &&
                    rv_sentence_begins_word(d, (int32_t)v) == spaced;
        p->score[v] = fits ? (real)(0.35 * tanh(2 * gain / d->reference) -
                                    0.6 * (left + RIGHT * right) / (double)at->length)
                           : -(real)INFINITY;
    }
    size_t n = rv_top_k(best, p->score, V, OF_PLACE);
    for (size_t j = 0; j < n; j++)
        note(list, count, SWAPS,
             (change){.score = (double)p->score[best[j]], .at = i, .id = best[j]});
}

/* A likely word before token i. */
static void insertion_at(change *list, size_t *count, polishing *p, size_t k, size_t i)
{
    rv_sentence_search *d = p->d;
    rv_search *s = d->search;
    rv_effects e = rv_search_effects(s, &s->members[k], i);
    size_t V = s->problem->model->config.vocabulary;
    int32_t best[2];
    for (size_t v = 0; v < V; v++)
        p->score[v] = v != (size_t)p->parents[k].ids[i] && rv_search_allowed(s, (int32_t)v) &&
                              rv_sentence_word(d, (int32_t)v) &&
                              rv_sentence_begins_word(d, (int32_t)v)
                          ? -e.nll[v]
                          : -(real)INFINITY;
    size_t n = rv_top_k(best, p->score, V, 2);
    for (size_t j = 0; j < n; j++)
        note(list, count, INSERTIONS,
             (change){.score = (double)(p->score[best[j]] + e.nll[p->parents[k].ids[i]]),
                      .at = i,
                      .id = best[j],
                      .insert = true});
}

static void add_child(polishing *p, size_t k, const change *c)
{
    const rv_sentence *parent = &p->parents[k];
    rv_sentence *s = &p->children[p->child_count];
    size_t behind = parent->length - c->at - (c->insert ? 0 : 1);
    const int32_t *rest = parent->ids + c->at + (c->insert ? 0 : 1);
    size_t length = c->at + (c->id >= 0) + behind;
    if (length > p->d->search->params.most || length < RV_SENTENCE_LEAST) return;
    *s = *parent;
    s->length = length;
    s->expanded = false;
    s->g_after = s->nats_after = (double)NAN;
    if (!strstr(s->origin, "polished"))
        s->origin =
            strcmp(s->origin, "corpus") == 0 ? "corpus, polished" : "transplant, polished";
    if (c->id >= 0) s->ids[c->at] = c->id;
    memcpy(s->ids + c->at + (c->id >= 0), rest, behind * sizeof *rest);
    p->of[p->child_count] = k;
    p->tasks[p->child_count++] =
        (rv_reading_task){.to = s, .behind = p->d->search->members[k].cache, .shared = c->at};
}

static void propose(polishing *p, size_t k)
{
    rv_sentence_search *d = p->d;
    const rv_sentence *s = &p->parents[k];
    change swaps[SWAPS], insertions[INSERTIONS], deletions[DELETIONS];
    size_t swapped = 0, inserted = 0, deleted = 0;
    for (size_t i = 0; i + 1 < s->length; i++) {
        if (rv_sentence_whole_word(d, s, i)) {
            swaps_at(swaps, &swapped, p, k, i);
            if (i && i != s->peak)
                note(deletions, &deleted, DELETIONS,
                     (change){.score = (double)s->nll[i] + (double)s->nll[i + 1],
                              .at = i,
                              .id = -1});
        }
        if (i && rv_sentence_begins_word(d, s->ids[i]))
            insertion_at(insertions, &inserted, p, k, i);
    }
    for (size_t i = 0; i < swapped; i++) add_child(p, k, &swaps[i]);
    for (size_t i = 0; i < inserted; i++) add_child(p, k, &insertions[i]);
    for (size_t i = 0; i < deleted; i++) add_child(p, k, &deletions[i]);
}

/* In all, and without the first token: behind nothing some first words are so cheap that they pay for what follows. */
static bool as_cheap(const rv_sentence *child, const rv_sentence *parent)
{
    return child->nats <= parent->nats + DEARER &&
           child->nats - (double)child->nll[0] <=
               parent->nats - (double)parent->nll[0] + DEARER;
}

static rv_status expand(polishing *p, rv_error *err)
{
    rv_candidate items[PARENTS];
    const rv_candidate *list[PARENTS];
    for (size_t k = 0; k < p->count; k++) {
        items[k] = (rv_candidate){.ids = p->parents[k].ids,
                                  .length = p->parents[k].length,
                                  .parent = -1,
                                  .g = p->parents[k].g};
        list[k] = &items[k];
    }
    return rv_search_expand(p->d->search, list, p->count, err);
}

rv_status rv_polish(rv_sentence_search *d, rv_error *err)
{
    polishing *p = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(p, 1, err));
    p->d = d;
    RV_GOTO(RV_NEW(p->score, d->search->problem->model->config.vocabulary, err));
    choose_parents(p);
    if (!p->count || !rv_search_affords(d->search, 8 * RV_SENTENCE_MOST)) goto done;
    RV_GOTO(expand(p, err));
    for (size_t k = 0; k < p->count; k++) propose(p, k);
    RV_GOTO(rv_sentences_read(d, p->tasks, p->child_count, err));
    for (size_t i = 0; i < p->child_count; i++) {
        const rv_sentence *parent = &p->parents[p->of[i]];
        if (!as_cheap(&p->children[i], parent)) continue;
        RV_GOTO(rv_sentences_keep(d, &p->children[i], err));
    }
done:
    if (p) free(p->score);
    free(p);
    return status;
}
