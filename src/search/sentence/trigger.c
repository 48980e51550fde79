/* What makes the target fire: the shortest ends of strong texts that hold most of g wherever they stand. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "search/sentence/sentence.h"

enum {
    SOURCES = 32,   /* strong texts whose ends are tried */
    FROM_HITS = 12, /* at most so many of them are places of the corpus */
    ALIKE = 4,      /* that end in the same token */
    BEGINNINGS = 2, /* that have nothing to do with a trigger */
    TAIL = 2        /* tokens that complete the last word */
};
static const size_t spans[] = {1, 2, 3, 4, 5, 6, 8, 10, 12};
enum { SPANS = sizeof spans / sizeof spans[0] };
static const double HOLDS = 0.8, WEAK = 0.3;

/* ---- tokens --------------------------------------------------------------------------------------- */

static bool letter(unsigned char c)
{
    return (unsigned)((c | 32) - 'a') < 26 || c >= 0x80;
}

static const char *bytes_of(const rv_sentence_search *d, int32_t id, size_t *length)
{
    const char *bytes = rv_token_bytes(d->search->problem->tokenizer, id, length);
    if (!bytes) *length = 0;
    return bytes;
}

bool rv_sentence_begins_word(const rv_sentence_search *d, int32_t id)
{
    size_t n;
    const char *b = bytes_of(d, id, &n);
    return n && (!letter((unsigned char)b[0]) || (unsigned char)b[0] >= 0xE3);
}

bool rv_sentence_word(const rv_sentence_search *d, int32_t id)
{
    size_t n;
    const char *b = bytes_of(d, id, &n);
    size_t i = n && b[0] == ' ';
    if (i == n) return false;
    for (; i < n; i++)
        if (!letter((unsigned char)b[i])) return false;
    return true;
}

bool rv_sentence_whole_word(const rv_sentence_search *d, const rv_sentence *s, size_t i)
{
    return rv_sentence_word(d, s->ids[i]) &&
           (i == 0 || rv_sentence_begins_word(d, s->ids[i])) &&
           (i + 1 == s->length || rv_sentence_begins_word(d, s->ids[i + 1]));
}

bool rv_sentence_ends(const rv_sentence_search *d, int32_t id)
{
    size_t n;
    const char *b = bytes_of(d, id, &n);
    for (size_t i = 0; i < n; i++)
        if (strchr(".!?\n\r", b[i]) && b[i]) return true;
    return n >= 3 && (memcmp(b, "\xE3\x80\x82", 3) == 0 || memcmp(b, "\xEF\xBC\x81", 3) == 0 ||
                      memcmp(b, "\xEF\xBC\x9F", 3) == 0 || memcmp(b, "\xE0\xA5\xA4", 3) == 0);
}

/* ---- sentences of the corpus ------------------------------------------------------------------------ */

/* The sentence around a strong place, if the place's surroundings hold all of it. */
static rv_status sentence_around(rv_sentences *out, const rv_sentence_search *d,
                                 const rv_corpus_hit *hit, rv_error *err)
{
    const rv_tokenizer *tok = d->search->problem->tokenizer;
    rv_text text = {0};
    rv_ids ids = {0};
    rv_status status = RV_OK;
    size_t place = 0, length, from = 0, start = 0, end = 0;
    for (size_t i = 0; i <= hit->at; i++)
        if (rv_token_bytes(tok, hit->ids[i], &length)) place += length;
    RV_GOTO(rv_tokenizer_decode(tok, hit->ids, hit->count, false, &text, err));
    while (rv_sentence_next(text.bytes, text.length, &from, &start, &end) && end < place) {
    }
    if (start == 0 || end < place || end > text.length ||
        rv_sentence_check(text.bytes + start, end - start, NULL) != RV_SENTENCE_WHOLE)
        goto done;
    RV_GOTO(
        rv_tokenizer_encode(tok, text.bytes + start, end - start, RV_ENCODE_PLAIN, &ids, err));
    if (ids.count < RV_SENTENCE_LEAST || ids.count > d->search->params.most) goto done;
    rv_sentence s = {.length = ids.count, .origin = "corpus", .g_after = (double)NAN};
    memcpy(s.ids, ids.items, ids.count * sizeof *s.ids);
    RV_GOTO(rv_sentences_push(out, &s, err));
done:
    rv_ids_release(&ids);
    rv_text_release(&text);
    return status;
}

/* g of the strongest place of the corpus, read where it stands. */
static double strongest_place(const rv_problem *q)
{
    return q->hit_count ? (double)q->target->sign * (q->hits[0].f - q->mean) / q->deviation : 0;
}

rv_status rv_sentences_seed(rv_sentence_search *d, rv_error *err)
{
    const rv_problem *q = d->search->problem;
    rv_sentences list = {0};
    rv_status status = RV_OK;
    d->search->best_corpus_sentence = (double)NAN;
    for (size_t i = 0; i < q->hit_count; i++)
        RV_GOTO(sentence_around(&list, d, &q->hits[i], err));
    RV_GOTO(rv_sentences_judge(d, list.items, list.count, err));
    double *best = &d->search->best_corpus_sentence;
    for (size_t i = 0; i < list.count; i++)
        if (!(*best >= list.items[i].g)) *best = list.items[i].g;
    d->reference = fmax(*best, strongest_place(q) / 2);
    if (!(d->reference > 0)) d->reference = 1;
    for (size_t i = 0; i < list.count; i++) RV_GOTO(rv_sentences_keep(d, &list.items[i], err));
done:
    free(list.items);
    return status;
}

/* ---- sources ------------------------------------------------------------------------------------------ */

/* A strong text: its tokens, and where it is strong. */
typedef struct source {
    int32_t ids[RV_TRIGGER_MOST];
    size_t count, tail; /* up to and with the strong token; and behind it, to the word's end */
    double g;
} source;

static void add_source(source *list, size_t *count, const rv_sentence_search *d,
                       const int32_t *ids, size_t length, size_t at, double g)
{
    if (*count == SOURCES || at >= length || !(g > 0)) return;
    source *s = &list[*count];
    size_t n = at + 1 < RV_TRIGGER_MOST - TAIL ? at + 1 : RV_TRIGGER_MOST - TAIL;
    *s = (source){.count = n, .g = g};
    memcpy(s->ids, ids + at + 1 - n, n * sizeof *ids);
    while (s->tail < TAIL && at + 1 + s->tail < length &&
           !rv_sentence_begins_word(d, ids[at + 1 + s->tail])) {
        s->ids[n + s->tail] = ids[at + 1 + s->tail];
        s->tail++;
    }
    for (size_t i = 0; i < *count; i++)
        if (list[i].count == s->count && memcmp(list[i].ids, s->ids, n * sizeof *ids) == 0)
            return;
    ++*count;
}

static int by_g(const void *a, const void *b)
{
    double x = ((const rv_sentence *)a)->g, y = ((const rv_sentence *)b)->g;
    return (x < y) - (x > y);
}

/* Fragments on the front, strongest first, read token by token. */
static rv_status read_fragments(rv_sentences *out, rv_sentence_search *d, rv_error *err)
{
    const rv_front *front = &d->search->front;
    for (size_t i = 0; i < front->count; i++) {
        const rv_candidate *c = &front->items[i];
        if (c->length > RV_SENTENCE_MOST || !(c->g > 0)) continue;
        rv_sentence s = {.length = c->length, .g = c->g, .origin = "fragment"};
        memcpy(s.ids, c->ids, c->length * sizeof *s.ids);
        RV_TRY(rv_sentences_push(out, &s, err));
    }
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_g);
    if (out->count > SOURCES) out->count = SOURCES;
    return rv_sentences_judge(d, out->items, out->count, err);
}

/* Fragments and places of the corpus in turn, so that neither crowds the other out. */
static rv_status collect(source *list, size_t *count, rv_sentence_search *d, rv_error *err)
{
    const rv_problem *q = d->search->problem;
    rv_sentences fragments = {0};
    *count = 0;
    rv_status status = read_fragments(&fragments, d, err);
    for (size_t i = 0; status == RV_OK && i < SOURCES; i++) {
        if (i < q->hit_count && i < FROM_HITS)
            add_source(list, count, d, q->hits[i].ids, q->hits[i].count, q->hits[i].at,
                       (double)q->target->sign * (q->hits[i].f - q->mean) / q->deviation);
        if (i < fragments.count)
            add_source(list, count, d, fragments.items[i].ids, fragments.items[i].length,
                       fragments.items[i].peak, fragments.items[i].g);
    }
    free(fragments.items);
    return status;
}

/* ---- triggers ------------------------------------------------------------------------------------------- */

/* Two short beginnings of corpus sentences, drawn; none where there is no pool. */
static size_t draw_beginning(int32_t *ids, rv_sentence_search *d)
{
    const rv_sentence_pool *p = d->pool;
    for (size_t tries = 0; p->row_count && tries < 200; tries++) {
        size_t r = rv_random_below(&d->random, p->row_count);
        size_t first = p->first[p->owner[r]], n = p->rows[r] + 1 - first;
        if (n < 2 || n > 3) continue;
        memcpy(ids, p->ids + first, n * sizeof *ids);
        return n;
    }
    return 0;
}

/* Whether the last `span` tokens up to the strong one can stand by themselves. */
static bool stands(const rv_sentence_search *d, const source *s, size_t span)
{
    if (span > s->count || !rv_sentence_begins_word(d, s->ids[s->count - span])) return false;
    for (size_t i = s->count - span; i < s->count; i++)
        if (rv_sentence_ends(d, s->ids[i]) || !rv_search_allowed(d->search, s->ids[i]))
            return false;
    return true;
}

static void add_trigger(rv_sentence_search *d, const source *s, size_t span, double g)
{
    rv_trigger t = {.count = span + s->tail, .g = g, .peak = span - 1};
    memcpy(t.ids, s->ids + s->count - span, t.count * sizeof *t.ids);
    for (size_t i = 0; i < d->trigger_count; i++) {
        const rv_trigger *o = &d->triggers[i];
        if (o->count == t.count && memcmp(o->ids, t.ids, t.count * sizeof *t.ids) == 0) return;
    }
    if (d->trigger_count < SOURCES) d->triggers[d->trigger_count++] = t;
}

static int by_strength(const void *a, const void *b)
{
    double x = ((const rv_trigger *)a)->g, y = ((const rv_trigger *)b)->g;
    return (x < y) - (x > y);
}

/* Strongest first; not more than ALIKE that fire at the same token, and none that is weak beside the others. */
static void sift(rv_sentence_search *d)
{
    size_t kept = 0;
    if (!d->trigger_count) return;
    qsort(d->triggers, d->trigger_count, sizeof *d->triggers, by_strength);
    for (size_t i = 0; i < d->trigger_count; i++) {
        const rv_trigger *t = &d->triggers[i];
        size_t alike = 0;
        for (size_t k = 0; k < kept; k++)
            alike += d->triggers[k].ids[d->triggers[k].peak] == t->ids[t->peak];
        if (alike < ALIKE && t->g > WEAK * d->triggers[0].g) d->triggers[kept++] = *t;
    }
    d->trigger_count = kept;
}

/* tried: (count, SPANS, BEGINNINGS) texts, judged where length > 0. */
static void shorten(rv_sentence_search *d, const source *list, size_t count,
                    const rv_sentence *tried)
{
    const rv_problem *q = d->search->problem;
    for (size_t i = 0; i < count; i++) {
        double best = -INFINITY, g[SPANS];
        size_t chosen = SPANS;
        for (size_t k = 0; k < SPANS; k++) {
            const rv_sentence *t = tried + (i * SPANS + k) * BEGINNINGS;
            g[k] = 0;
            for (size_t b = 0; b < BEGINNINGS; b++)
                g[k] += t->length ? (double)q->target->sign *
                                        ((double)t[b].value[t[b].length - 1] - q->mean) /
                                        q->deviation / BEGINNINGS
                                  : -INFINITY;
            best = fmax(best, g[k]);
        }
        for (size_t k = 0; k < SPANS && chosen == SPANS; k++)
            if (g[k] >= HOLDS * fmin(list[i].g, best / 0.9) && isfinite(g[k])) chosen = k;
        if (chosen < SPANS) add_trigger(d, &list[i], spans[chosen], g[chosen]);
    }
    sift(d);
}

rv_status rv_triggers_find(rv_sentence_search *d, rv_error *err)
{
    source *list = NULL;
    rv_sentence *tried = NULL, *live = NULL;
    size_t count, used = 0, *at = NULL;
    int32_t beginning[BEGINNINGS][4];
    size_t lengths[BEGINNINGS];
    rv_status status;
    for (size_t b = 0; b < BEGINNINGS; b++) lengths[b] = draw_beginning(beginning[b], d);
    RV_GOTO(RV_NEW(list, SOURCES, err));
    RV_GOTO(collect(list, &count, d, err));
    RV_GOTO(RV_NEW(d->triggers, SOURCES, err));
    RV_GOTO(RV_NEW(tried, count * SPANS * BEGINNINGS, err));
    RV_GOTO(RV_NEW(live, count * SPANS * BEGINNINGS, err));
    RV_GOTO(RV_NEW(at, count * SPANS * BEGINNINGS, err));
    for (size_t i = 0; i < count * SPANS * BEGINNINGS; i++) {
        size_t b = i % BEGINNINGS, span = spans[i / BEGINNINGS % SPANS];
        const source *s = &list[i / BEGINNINGS / SPANS];
        if (!stands(d, s, span)) continue;
        rv_sentence *t = &live[used];
        *t = (rv_sentence){.length = lengths[b] + span};
        memcpy(t->ids, beginning[b], lengths[b] * sizeof *t->ids);
        memcpy(t->ids + lengths[b], s->ids + s->count - span, span * sizeof *t->ids);
        at[used++] = i;
    }
    RV_GOTO(rv_sentences_judge(d, live, used, err));
    for (size_t i = 0; i < used; i++) tried[at[i]] = live[i];
    shorten(d, list, count, tried);
done:
    free(list);
    free(tried);
    free(live);
    free(at);
    return status;
}

/* The shortest end of a sentence, up to where it fires, that holds most of its g wherever it stands. */
rv_status rv_sentence_find_trigger(rv_sentence_search *d, rv_sentence *s, rv_error *err)
{
    const rv_problem *q = d->search->problem;
    rv_sentence tried[RV_TRIGGER_MOST];
    int32_t beginning[4];
    size_t count = 0, spanned[RV_TRIGGER_MOST], before = draw_beginning(beginning, d);
    s->trigger = s->peak == SIZE_MAX ? 0 : s->peak + 1;
    for (size_t span = 1; span <= s->trigger && span <= RV_TRIGGER_MOST; span++) {
        size_t first = s->trigger - span;
        if (first && !rv_sentence_begins_word(d, s->ids[first])) continue;
        rv_sentence *t = &tried[count];
        *t = (rv_sentence){.length = before + span};
        memcpy(t->ids, beginning, before * sizeof *t->ids);
        memcpy(t->ids + before, s->ids + first, span * sizeof *t->ids);
        spanned[count++] = span;
    }
    RV_TRY(rv_sentences_judge(d, tried, count, err));
    for (size_t i = 0; i < count; i++) {
        double f = (double)tried[i].value[tried[i].length - 1];
        if ((double)q->target->sign * (f - q->mean) / q->deviation < HOLDS * s->g) continue;
        s->trigger = spanned[i];
        break;
    }
    return RV_OK;
}
