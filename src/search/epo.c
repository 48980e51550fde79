/* Evolutionary Prompt Optimization (Thompson et al. 2024, arXiv 2402.01702): one member per penalty on the
 * cross-entropy; children swap one token for one of the 512 that the gradient likes best there; every penalty
 * keeps the best of parents and children, with replacement. Every 30 steps one member is left.
 * `as_published` keeps the published code's departures from the paper, for comparison. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/epo.h"
#include "search/proposal.h"

/* The race. The estimate of xe leaves out what a swap does to the tokens behind it: taken as HARM nats in all (it is
 * more on average), with these deviations among all children, and among those that swap the same place of the same
 * text (SmolLM2-135M, docs/notebook/2026-11-23-race.md). A child is finished where it wins under some penalty if it
 * was estimated too high by BOLDNESS deviations: first the FIRST best such children of every penalty, which tell what the other
 * swaps of their places do, then whoever is still in question. */
enum { FIRST = 8 };
static const double HARM = 1.5, SPREAD = 5.8, SPREAD_OF_PLACE = 3.4, BOLDNESS = 1.5;

/* What is known of the swaps of one place of one text. */
typedef struct place {
    double harm; /* summed over those that were finished, nats */
    size_t finished;
} place;

typedef struct population {
    rv_search *search;
    const rv_epo_params *params;
    size_t length;
    double *penalty;      /* (slots) */
    rv_candidate *pool;   /* slots parents, then slots * children */
    rv_candidate *chosen; /* (slots) */
    size_t *origin;       /* (slots) the slot whose child or self a member is */
    int32_t *ids, *chosen_ids;
    int32_t *top;      /* (length, top_k) */
    size_t *top_count; /* (length) */
    real *score;       /* (V), or one per child */
    double *guess;     /* (slots * children) xe as first estimated; NAN: not yet */
    place *places; /* (slots, length): by the tables, which members with the same text share */
} population;

static double loss(const rv_candidate *c, double penalty)
{
    return c->g - penalty * c->xe;
}

static rv_status allocate(population *p, rv_error *err)
{
    size_t slots = p->params->slots, all = slots * (1 + p->params->children), n = p->length;
    RV_TRY(RV_NEW(p->penalty, slots, err));
    RV_TRY(RV_NEW(p->pool, all, err));
    RV_TRY(RV_NEW(p->chosen, slots, err));
    RV_TRY(RV_NEW(p->origin, slots, err));
    RV_TRY(RV_NEW(p->ids, all * n, err));
    RV_TRY(RV_NEW(p->chosen_ids, slots * n, err));
    RV_TRY(RV_NEW(p->top, n * p->params->top_k, err));
    RV_TRY(RV_NEW(p->top_count, n, err));
    size_t V = p->search->problem->model->config.vocabulary;
    RV_TRY(RV_NEW(p->score, V > all ? V : all, err));
    RV_TRY(RV_NEW(p->guess, all - slots, err));
    RV_TRY(RV_NEW(p->places, slots * n, err));
    for (size_t i = 0; i < all; i++) p->pool[i].ids = p->ids + i * n;
    for (size_t i = 0; i < slots; i++) {
        double t = slots > 1 ? (double)i / (double)(slots - 1) : 0;
        p->penalty[i] = p->params->least_penalty *
                        pow(p->params->most_penalty / p->params->least_penalty, t);
        p->chosen[i].ids = p->chosen_ids + i * n;
        p->origin[i] = i;
    }
    return RV_OK;
}

static void release(population *p)
{
    void *const owned[] = {p->penalty, p->pool,       p->chosen, p->origin,
                           p->ids,     p->chosen_ids, p->top,    p->top_count,
                           p->score,   p->guess,      p->places};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static void copy(rv_candidate *to, const rv_candidate *from)
{
    int32_t *ids = to->ids;
    memcpy(ids, from->ids, from->length * sizeof *ids);
    *to = *from;
    to->ids = ids;
}

/* The best of pool[0..count) under every penalty, into the first slots of the pool. */
static void select_best(population *p, size_t count)
{
    size_t slots = p->params->slots;
    for (size_t s = 0; s < slots; s++) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            if (!p->pool[i].estimated &&
                loss(&p->pool[i], p->penalty[s]) > loss(&p->pool[best], p->penalty[s]))
                best = i;
        p->origin[s] = best < slots ? best : (best - slots) / p->params->children;
        copy(&p->chosen[s], &p->pool[best]);
    }
    for (size_t s = 0; s < slots; s++) copy(&p->pool[s], &p->chosen[s]);
}

/* Every 30 steps: only the member that is best under a drawn penalty is left. The published code draws it, but
 * uses 2, and does so at step 0 already. */
static void restart(population *p)
{
    rv_search *s = p->search;
    bool published = s->params.as_published;
    if (!p->params->restart || s->step % p->params->restart || (s->step == 0 && !published))
        return;
    rv_random random = rv_search_random(s, 2);
    double drawn = 0.667 * pow(6 / 0.667, rv_random_uniform(&random)),
           penalty = published ? 2 : drawn;
    size_t best = 0, slots = p->params->slots;
    for (size_t i = 1; i < slots; i++)
        if (loss(&p->pool[i], penalty) > loss(&p->pool[best], penalty)) best = i;
    copy(&p->chosen[0], &p->pool[best]);
    for (size_t i = 0; i < slots; i++) copy(&p->pool[i], &p->chosen[0]);
}

/* Children of slot s: its member with one token swapped. */
static void propose(population *p, size_t s, rv_random *random)
{
    rv_search *search = p->search;
    const rv_candidate *parent = &p->pool[s];
    size_t n = parent->length, V = search->problem->model->config.vocabulary,
           k = p->params->top_k;
    bool published = search->params.as_published;
    double penalty = p->penalty[published ? p->origin[s] : s];
    for (size_t i = 0; i < n; i++) {
        rv_swap_scores(p->score, search, &search->members[s], i, penalty, published);
        p->top_count[i] = rv_top_k(p->top + i * k, p->score, V, k);
    }
    for (size_t c = 0; c < p->params->children; c++) {
        rv_candidate *child = &p->pool[p->params->slots + s * p->params->children + c];
        for (int tries = 0; tries < 50; tries++) {
            size_t i = rv_random_below(random, n);
            copy(child, parent);
            child->parent = (long)s;
            child->operator_ = (int)i;
            if (p->top_count[i] == 0) continue;
            child->ids[i] = p->top[i * k + rv_random_below(random, p->top_count[i])];
            if (published) break;
            if (!rv_search_known(search, child->ids, n) &&
                rv_search_survives(search, child->ids, n))
                break;
        }
    }
}

static place *place_of(const population *p, const rv_candidate *child)
{
    return &p->places[p->search->members[child->parent].table + (size_t)child->operator_];
}

static double *guess_of(const population *p, const rv_candidate *child)
{
    return &p->guess[child - p->pool - p->params->slots];
}

/* Notes estimates, and of those just finished, how far they were off. */
static void learn(population *p, const rv_candidate *const *candidates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const rv_candidate *c = candidates[i];
        double *guess = guess_of(p, c);
        if (c->estimated) {
            *guess = c->xe;
        } else if (!isnan(*guess)) {
            place *at = place_of(p, c);
            at->harm += (c->xe - *guess) * (double)p->length;
            at->finished++;
            *guess = (double)NAN;
        }
    }
}

/* The estimate, corrected by what was learned, less `boldness` deviations of it. */
static double likely_xe(const population *p, const rv_candidate *c, double boldness)
{
    if (!c->estimated || (size_t)c->operator_ + 1 == p->length) return c->xe;
    const place *at = place_of(p, c);
    double own = SPREAD_OF_PLACE * SPREAD_OF_PLACE, ratio = own / (SPREAD * SPREAD - own),
           known = (double)at->finished + ratio;
    double harm = (at->harm + ratio * HARM) / known, spread = sqrt(own * (1 + 1 / known));
    return c->xe + (harm - boldness * spread) / (double)p->length;
}

/* Those whose loss under some penalty may be the best of all; of the first round only the best few of them. */
static void choose(void *context, bool *wanted, const rv_candidate *const *candidates,
                   size_t count)
{
    population *p = context;
    int32_t best[FIRST];
    bool first = true;
    learn(p, candidates, count);
    for (size_t i = 0; i < count; i++) first = first && candidates[i]->estimated;
    for (size_t s = 0; s < p->params->slots; s++) {
        double penalty = p->penalty[s], least = -INFINITY;
        for (size_t i = 0; i < p->params->slots; i++)
            least = fmax(least, loss(&p->pool[i], penalty));
        for (size_t i = 0; i < count; i++)
            if (!candidates[i]->estimated) least = fmax(least, loss(candidates[i], penalty));
        for (size_t i = 0; i < count; i++) {
            const rv_candidate *c = candidates[i];
            double value = c->g - penalty * likely_xe(p, c, BOLDNESS);
            bool open = c->estimated && value > least;
            p->score[i] = open ? (real)value : -(real)INFINITY;
            wanted[i] = wanted[i] || (open && !first);
        }
        size_t found = rv_top_k(best, p->score, count, FIRST);
        for (size_t k = 0; k < found; k++) wanted[best[k]] = true;
    }
    for (size_t i = 0; i < count && p->params->front; i++)
        wanted[i] = wanted[i] || rv_front_would_accept(&p->search->front, candidates[i]->g,
                                                       candidates[i]->xe, candidates[i]->xb);
}

static rv_status step(population *p, rv_error *err)
{
    rv_search *s = p->search;
    size_t slots = p->params->slots, children = slots * p->params->children;
    const rv_candidate *members[RV_EPO_MAX_SLOTS];
    for (size_t i = 0; i < slots; i++) members[i] = &p->pool[i];
    RV_TRY(rv_search_expand(s, members, slots, err));
    rv_random random = rv_search_random(s, 1);
    for (size_t i = 0; i < slots; i++) propose(p, i, &random);
    for (size_t i = 0; i < children; i++) p->guess[i] = (double)NAN;
    memset(p->places, 0, slots * p->length * sizeof *p->places);
    const rv_race race = {choose, p};
    RV_TRY(rv_search_race(s, p->pool + slots, children, &race, err));
    select_best(p, slots + children);
    restart(p);
    return RV_OK;
}

/* The user's prompts first, then random tokens. */
static void start(population *p)
{
    const rv_problem *q = p->search->problem;
    rv_random random = rv_search_random(p->search, 0);
    for (size_t i = 0; i < p->params->slots; i++) {
        rv_candidate *c = &p->pool[i];
        bool given = i < q->given_count && q->starts[i].count == p->length;
        if (given) memcpy(c->ids, q->starts[i].items, p->length * sizeof *c->ids);
        for (int tries = 0; !given && tries < 200; tries++) {
            rv_random_ids(c->ids, p->length, p->search, &random);
            if (p->search->params.as_published ||
                rv_search_survives(p->search, c->ids, p->length))
                break;
        }
        c->length = p->length;
        c->parent = -1;
    }
}

rv_status rv_epo(rv_search *s, const rv_epo_params *params, rv_error *err)
{
    population p = {.search = s, .params = params, .length = s->params.most};
    rv_status status;
    RV_GOTO(allocate(&p, err));
    start(&p);
    RV_GOTO(rv_search_judge(s, p.pool, params->slots, err));
    select_best(&p, params->slots);
    if (s->params.as_published) restart(&p);
    while (rv_search_continue(s)) RV_GOTO(step(&p, err));
done:
    release(&p);
    return status;
}

static const rv_epo_params published = {.slots = 8,
                                        .children = 32,
                                        .top_k = 512,
                                        .restart = 30,
                                        .least_penalty = 0.1,
                                        .most_penalty = 10};

static rv_status run(rv_search *s, rv_error *err)
{
    return rv_epo(s, &published, err);
}

const rv_dreamer rv_dreamer_epo = {
    .name = "epo",
    .summary = "evolutionary prompt optimization: one member per penalty, gradient swaps",
    .members = 8,
    .children = 256,
    .run = run,
};
