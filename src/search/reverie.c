/* The default dreamer. Three things set it apart from EPO:
 *   starts      the strongest windows of a corpus, and texts that the model itself samples;
 *   proposals   tokens that the language model finds plausible at a place, ranked by the gradient, beside those
 *               that the gradient alone likes; pairs, shifts and crossings beside single swaps; the mix follows
 *               what has lately reached the front;
 *   an archive  by fluency: a shelf for every half nat, each with its most active candidates that differ, so
 *               that the whole front is worked on and never collapses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/proposal.h"
#include "search/reverie.h"

enum {
    PARENTS = RV_REVERIE_MEMBERS,
    CHILDREN = RV_REVERIE_CHILDREN,
    GRADIENT_TOP = 512,  /* tokens a place, by gradient */
    PLAUSIBLE_TOP = 256, /* tokens a place, by the language model */
    SHELVES = 16,
    SHELF_ROOM = 6,
    SAMPLES = 32
};
static const double SHELF_FIRST = 2, SHELF_WIDTH = 0.5, USUAL_HARM = 0.3;

typedef enum operator_kind {
    SWAP_GRADIENT,
    SWAP_PLAUSIBLE,
    PAIR,
    SHIFT,
    CROSS,
    OPERATORS
} operator_kind;

typedef struct shelf {
    rv_candidate items[SHELF_ROOM]; /* most active first */
    size_t count;
} shelf;

typedef struct dreaming {
    rv_search *search;
    size_t least, most; /* tokens */
    shelf shelves[SHELVES];
    int32_t *shelf_ids; /* (SHELVES, SHELF_ROOM + 1, most) */
    rv_candidate *children;
    int32_t *child_ids;
    int32_t *gradient;  /* (most, GRADIENT_TOP), best first, of the parent at hand */
    int32_t *plausible; /* (most, PLAUSIBLE_TOP), best first */
    size_t *gradient_count, *plausible_count;
    real *score, *likely; /* (V) */
    double tried[OPERATORS], paid[OPERATORS];
    size_t member_count; /* of the search that are expanded now */
    rv_random random;
} dreaming;

static rv_status allocate(dreaming *d, rv_error *err)
{
    size_t n = d->most, V = d->search->problem->model->config.vocabulary;
    RV_TRY(RV_NEW(d->shelf_ids, SHELVES * SHELF_ROOM * n, err));
    RV_TRY(RV_NEW(d->children, CHILDREN, err));
    RV_TRY(RV_NEW(d->child_ids, CHILDREN * n, err));
    RV_TRY(RV_NEW(d->gradient, n * GRADIENT_TOP, err));
    RV_TRY(RV_NEW(d->plausible, n * PLAUSIBLE_TOP, err));
    RV_TRY(RV_NEW(d->gradient_count, n, err));
    RV_TRY(RV_NEW(d->plausible_count, n, err));
    RV_TRY(RV_NEW(d->score, V, err));
    RV_TRY(RV_NEW(d->likely, V, err));
    for (size_t i = 0; i < CHILDREN; i++) d->children[i].ids = d->child_ids + i * n;
    for (size_t b = 0; b < SHELVES; b++)
        for (size_t i = 0; i < SHELF_ROOM; i++)
            d->shelves[b].items[i].ids = d->shelf_ids + (b * SHELF_ROOM + i) * n;
    for (size_t o = 0; o < OPERATORS; o++)
        d->tried[o] = 32, d->paid[o] = 1; // a prior, so that none starts at 0
    return RV_OK;
}

static void release(dreaming *d)
{
    void *const owned[] = {d->shelf_ids,       d->children,  d->child_ids,
                           d->gradient,        d->plausible, d->gradient_count,
                           d->plausible_count, d->score,     d->likely};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static void copy(rv_candidate *to, const rv_candidate *from)
{
    int32_t *ids = to->ids;
    memcpy(ids, from->ids, from->length * sizeof *ids);
    *to = *from;
    to->ids = ids;
}

/* Places where both have the same token. */
static size_t agreement(const rv_candidate *a, const rv_candidate *b)
{
    size_t same = 0, shorter = a->length < b->length ? a->length : b->length;
    for (size_t i = 0; i < shorter; i++) same += a->ids[i] == b->ids[i];
    return same;
}

/* By the worse of fluency by token and by byte, in nats per token of the corpus's size: else the archive fills
 * with texts of short tokens, which are likely token by token, and improbable for what they say, and with
 * sayings that the model knows by heart before a few odd words. */
static shelf *shelf_of(dreaming *d, const rv_candidate *c, double harm)
{
    double xe = fmax(c->xe, c->xb * d->search->problem->token_bytes) + harm,
           place = floor((xe - SHELF_FIRST) / SHELF_WIDTH);
    return &d->shelves[place < 0 ? 0 : place >= SHELVES ? SHELVES - 1 : (size_t)place];
}

/* Where a candidate belongs on a shelf; SHELF_ROOM: it is not active enough for it. Of two that differ in
 * fewer than a quarter of their places a shelf keeps the more active one only. */
static size_t place_on(const shelf *s, const rv_candidate *c)
{
    size_t alike = c->length - c->length / 4;
    for (size_t i = 0; i < s->count; i++)
        if (agreement(&s->items[i], c) > alike) return c->g > s->items[i].g ? i : SHELF_ROOM;
    if (s->count < SHELF_ROOM) return s->count;
    return c->g > s->items[SHELF_ROOM - 1].g ? SHELF_ROOM - 1 : SHELF_ROOM;
}

static void keep(dreaming *d, const rv_candidate *c)
{
    if (c->estimated || !isfinite(c->g) || !isfinite(c->xe)) return;
    shelf *s = shelf_of(d, c, 0);
    size_t at = place_on(s, c);
    if (at == SHELF_ROOM) return;
    s->count += at == s->count;
    copy(&s->items[at], c);
    for (; at > 0 && s->items[at].g > s->items[at - 1].g; at--) {
        rv_candidate t = s->items[at];
        s->items[at] = s->items[at - 1];
        s->items[at - 1] = t;
    }
}

/* Those that the front would take if they were as fluent as estimated, or a shelf if they did the usual harm to
 * the tokens behind the change, which the estimate leaves out (0.5 nats a token on average, above -0.1 in
 * nineteen of twenty, measured on SmolLM2-135M). */
static void choose(void *context, bool *wanted, const rv_candidate *const *candidates,
                   size_t count)
{
    dreaming *d = context;
    for (size_t i = 0; i < count; i++) {
        const rv_candidate *c = candidates[i];
        if (!isfinite(c->g) || !isfinite(c->xe)) continue;
        wanted[i] = wanted[i] || rv_front_would_accept(&d->search->front, c->g, c->xe, c->xb) ||
                    place_on(shelf_of(d, c, USUAL_HARM), c) < SHELF_ROOM;
    }
}

/* A candidate of a shelf drawn evenly, the most active ones most often. */
static const rv_candidate *draw(dreaming *d, size_t *which)
{
    size_t filled[SHELVES], count = 0;
    for (size_t b = 0; b < SHELVES; b++)
        if (d->shelves[b].count) filled[count++] = b;
    if (count == 0) return NULL;
    *which = filled[rv_random_below(&d->random, count)];
    const shelf *s = &d->shelves[*which];
    return &s->items[rv_log_uniform_rank(&d->random, s->count)];
}

/* What a nat is worth in g around this fluency: the slope of the front there, spread a little. */
static double local_penalty(dreaming *d, double xe)
{
    const rv_front *front = &d->search->front;
    double above = rv_front_best(front, xe + 1), below = rv_front_best(front, xe - 1);
    double top = rv_front_best(front, INFINITY), slope;
    if (isfinite(below))
        slope = (above - below) / 2;
    else
        slope = top / 4;
    double least = 0.02 * fabs(top) + 0.1;
    if (!(slope > least)) slope = least;
    return slope * exp(0.7 * rv_random_normal(&d->random));
}

/* The two lists of tokens for every place of a parent. */
static void list_tokens(dreaming *d, const rv_member *m, double penalty)
{
    size_t V = d->search->problem->model->config.vocabulary;
    for (size_t i = 0; i < m->at.length; i++) {
        rv_swap_scores(d->score, d->search, m, i, penalty, false);
        d->gradient_count[i] =
            rv_top_k(d->gradient + i * GRADIENT_TOP, d->score, V, GRADIENT_TOP);
        const real *nll = rv_search_effects(d->search, m, i).nll;
        for (size_t v = 0; v < V; v++)
            d->likely[v] = d->score[v] > -(real)INFINITY ? -nll[v] : -(real)INFINITY;
        int32_t likely[PLAUSIBLE_TOP], order[PLAUSIBLE_TOP];
        real ranked[PLAUSIBLE_TOP];
        size_t count = rv_top_k(likely, d->likely, V, PLAUSIBLE_TOP);
        for (size_t k = 0; k < count; k++) ranked[k] = d->score[likely[k]];
        d->plausible_count[i] = rv_top_k(order, ranked, count, count);
        for (size_t k = 0; k < count; k++)
            d->plausible[i * PLAUSIBLE_TOP + k] = likely[order[k]];
    }
}

static void put(dreaming *d, rv_candidate *c, size_t i, bool plausible)
{
    size_t count = plausible ? d->plausible_count[i] : d->gradient_count[i];
    const int32_t *list =
        plausible ? d->plausible + i * PLAUSIBLE_TOP : d->gradient + i * GRADIENT_TOP;
    if (count) c->ids[i] = list[rv_log_uniform_rank(&d->random, count)];
}

/* Inserts a plausible token at one place; takes one out at another where the length demands it. */
static void shift(dreaming *d, rv_candidate *c)
{
    size_t n = c->length, i = rv_random_below(&d->random, n),
           j = rv_random_below(&d->random, n);
    bool grow = n < d->most && rv_random_below(&d->random, 2),
         shrink = n > d->least && rv_random_below(&d->random, 2);
    if (shrink && !grow) {
        memmove(c->ids + j, c->ids + j + 1, (n - 1 - j) * sizeof *c->ids);
        c->length--;
        return;
    }
    if (grow) {
        memmove(c->ids + i + 1, c->ids + i, (n - i) * sizeof *c->ids);
        c->length++;
    } else if (i < j) {
        memmove(c->ids + i + 1, c->ids + i, (j - i) * sizeof *c->ids);
    } else {
        memmove(c->ids + j, c->ids + j + 1, (i - j) * sizeof *c->ids);
    }
    put(d, c, i, rv_random_below(&d->random, 4) != 0);
}

/* The beginning of one member and the end of another. */
static void cross(dreaming *d, rv_candidate *c)
{
    long k = (long)rv_random_below(&d->random, d->member_count);
    const rv_candidate *other = &d->search->members[k].at;
    if (k == c->parent || other->length != c->length || c->length < 2) return;
    size_t cut = 1 + rv_random_below(&d->random, c->length - 1);
    memcpy(c->ids + cut, other->ids + cut, (c->length - cut) * sizeof *c->ids);
    c->partner = (size_t)k + 1;
}

static void vary(dreaming *d, rv_candidate *c, operator_kind kind)
{
    size_t i = rv_random_below(&d->random, c->length), j;
    switch (kind) {
    case SWAP_GRADIENT:
        put(d, c, i, false);
        break;
    case SWAP_PLAUSIBLE:
        put(d, c, i, true);
        break;
    case PAIR:
        j = rv_random_below(&d->random, 2) ? (i + 1) % c->length
                                           : rv_random_below(&d->random, c->length);
        put(d, c, i, true);
        put(d, c, j, rv_random_below(&d->random, 2));
        break;
    case SHIFT:
        shift(d, c);
        break;
    default:
        cross(d, c);
        break;
    }
}

static operator_kind choose_operator(dreaming *d)
{
    double weight[OPERATORS], sum = 0;
    for (size_t o = 0; o < OPERATORS; o++) sum += weight[o] = d->paid[o] / d->tried[o];
    for (size_t o = 0; o < OPERATORS; o++) weight[o] += 0.05 * sum;
    return (operator_kind)rv_random_weighted(&d->random, weight, OPERATORS);
}

/* Fills children[0..count) with variations of member k; fewer when it finds no new ones. */
static size_t propose(dreaming *d, size_t k, rv_candidate *children, size_t count)
{
    rv_search *s = d->search;
    const rv_member *m = &s->members[k];
    size_t made = 0;
    list_tokens(d, m, local_penalty(d, m->at.xe));
    for (size_t tries = 0; made < count && tries < 20 * count; tries++) {
        rv_candidate *c = &children[made];
        copy(c, &m->at);
        c->parent = (long)k;
        c->partner = 0;
        c->operator_ = (int)choose_operator(d);
        vary(d, c, (operator_kind)c->operator_);
        if (rv_search_known(s, c->ids, c->length) || !rv_search_survives(s, c->ids, c->length))
            continue;
        made++;
    }
    return made;
}

/* Judges, shelves, and credits the operators whose children reach the front. */
static rv_status judge(dreaming *d, size_t count, rv_error *err)
{
    const rv_race race = {.choose = choose, .context = d};
    RV_TRY(rv_search_race(d->search, d->children, count, &race, err));
    for (size_t o = 0; o < OPERATORS; o++) d->tried[o] *= 0.9, d->paid[o] *= 0.9;
    for (size_t i = 0; i < count; i++) {
        const rv_candidate *c = &d->children[i];
        keep(d, c);
        if (c->parent < 0) continue;
        d->tried[c->operator_]++;
        for (size_t f = 0; f < d->search->front.count; f++)
            if (d->search->front.items[f].g == c->g && d->search->front.items[f].xe == c->xe)
                d->paid[c->operator_]++;
    }
    return RV_OK;
}

static rv_status start(dreaming *d, rv_error *err)
{
    rv_search *s = d->search;
    const rv_problem *q = s->problem;
    size_t n = d->most, count = 0;
    d->random = rv_search_random(s, 0);
    for (size_t i = 0; i < q->start_count && count < CHILDREN - SAMPLES; i++) {
        rv_ids_view start = q->starts[i];
        if (start.count < d->least || start.count > n ||
            !rv_search_survives(s, start.items, start.count))
            continue;
        rv_candidate *c = &d->children[count++];
        memcpy(c->ids, start.items, start.count * sizeof *c->ids);
        c->length = start.count;
        c->parent = -1;
    }
    int32_t *sampled;
    RV_TRY(RV_NEW(sampled, SAMPLES * n, err));
    rv_status status = rv_sample_texts(sampled, s, SAMPLES, n, 0.95, err);
    for (size_t i = 0; status == RV_OK && i < SAMPLES; i++) {
        if (!rv_search_survives(s, sampled + i * n, n)) continue;
        rv_candidate *c = &d->children[count++];
        memcpy(c->ids, sampled + i * n, n * sizeof *c->ids);
        c->length = n;
        c->parent = -1;
    }
    free(sampled);
    RV_TRY(status);
    return judge(d, count, err);
}

static rv_status step(dreaming *d, rv_error *err)
{
    const rv_candidate *parents[PARENTS];
    size_t count = 0, which, made = 0;
    d->random = rv_search_random(d->search, 1);
    for (size_t tries = 0; count < PARENTS && tries < 10 * PARENTS; tries++) {
        const rv_candidate *c = draw(d, &which);
        bool taken = !c;
        for (size_t i = 0; i < count && !taken; i++) taken = parents[i] == c;
        if (!taken) parents[count++] = c;
    }
    if (count == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "dream: no text to start from survives encoding and decoding");
    RV_TRY(rv_search_expand(d->search, parents, count, err));
    d->member_count = count;
    size_t most = rv_search_affords(d->search, d->most) < CHILDREN
                      ? rv_search_affords(d->search, d->most)
                      : CHILDREN;
    for (size_t k = 0; k < count; k++) {
        size_t share = (most - made) / (count - k);
        made += propose(d, k, d->children + made, share);
    }
    return judge(d, made, err);
}

rv_status rv_reverie_climb(rv_search *s, size_t least, size_t most, uint64_t until,
                           rv_error *err)
{
    dreaming d = {.search = s, .least = least, .most = most};
    rv_status status;
    RV_GOTO(allocate(&d, err));
    RV_GOTO(start(&d, err));
    while (rv_search_continue(s) && s->work.forward < until) RV_GOTO(step(&d, err));
done:
    release(&d);
    return status;
}

static rv_status run(rv_search *s, rv_error *err)
{
    return rv_reverie_climb(s, s->params.least, s->params.most, UINT64_MAX, err);
}

const rv_dreamer rv_dreamer_reverie = {
    .name = "reverie",
    .summary = "the default: starts from real text, plausible tokens ranked by the gradient, "
               "an archive by fluency",
    .members = PARENTS,
    .children = CHILDREN,
    .run = run,
};
