/* Beam search over what the model itself would say, without any gradient (BEAST, Sadasivan et al. 2024, arXiv
 * 2402.15570): every text of the beam is continued with tokens sampled from the model, and those are kept that
 * are best under  g - penalty * xe  so far. One round after the other, each with another penalty, until
 * the budget is spent. A round of width K runs K * K continuations of one token at every length, from cached
 * prefixes, and pays one forward token for each; what seems worth the front is then judged as by
 * everybody else. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/unembed.h"
#include "search/engine.h"
#include "search/proposal.h"

enum {
    LEAST_WIDTH = 2,
    MOST_WIDTH = 48,
    ROUNDS =
        20, /* wanted at least; the width follows from the budget: 15 at 60,000 for 12 tokens */
    CONSIDERED = 512 /* likeliest tokens, of which the continuations are sampled */
};
static const double LEAST_PENALTY = 0.1, MOST_PENALTY = 10;

/* A text of the beam. */
typedef struct strand {
    int32_t *ids; /* (n) */
    size_t length;
    double *values; /* (n) f at its positions */
    double nll;     /* of its tokens, summed */
    rv_prefix *cache;
} strand;

/* A continuation by one token. */
typedef struct child {
    size_t strand;
    int32_t id;
    double nll, f, value; /* f as the target is read; value: at the token itself */
    double g, xe, score;
} child;

typedef struct beam {
    rv_search *search;
    size_t n, width, room; /* room: strands at most */
    double penalty;
    strand *strands, *next; /* (room) */
    size_t count;
    child *children; /* (room * room) */
    size_t child_count;
    rv_candidate *candidates; /* (room * room) */
    int32_t *candidate_ids;   /* (room * room, n) */
    rv_probe *probe;
    rv_sequence *sequences;
    int32_t *ids; /* (rows) */
    real *nll, *logits;
    const real *values; /* (rows) */
    rv_random random;
} beam;

static rv_status new_strands(strand **out, const beam *b, rv_error *err)
{
    RV_TRY(RV_NEW(*out, b->room, err));
    for (size_t i = 0; i < b->room; i++) {
        strand *s = &(*out)[i];
        RV_TRY(RV_NEW(s->ids, b->n, err));
        RV_TRY(RV_NEW(s->values, b->n, err));
        RV_TRY(rv_prefix_new(&s->cache, b->search->problem->model, b->n, err));
    }
    return RV_OK;
}

static void free_strands(strand *strands, size_t count)
{
    for (size_t i = 0; strands && i < count; i++) {
        free(strands[i].ids);
        free(strands[i].values);
        rv_prefix_free(strands[i].cache);
    }
    free(strands);
}

static rv_status allocate(beam *b, rv_error *err)
{
    const rv_problem *q = b->search->problem;
    const rv_config *config = &q->model->config;
    size_t children = b->room * b->room, span = 1 + q->suffix.count,
           positions = q->prefix.count + b->n + q->suffix.count,
           rows = children * span > b->n ? children * span : b->n;
    rv_pass_options options = {.rows = rows,
                               .sequences = children,
                               .positions = positions,
                               .threads = b->search->params.threads};
    size_t cached = config->layers * 2 * config->kv_heads * config->head_size,
           numbers = 2 * b->room * b->n * cached + config->vocabulary,
           bytes = rv_probe_bytes(q->model, q->target, 1, &options, false);
    RV_TRY(rv_search_reserve(b->search, bytes + numbers * sizeof(real), err));
    RV_TRY(rv_probe_new(&b->probe, q->model, q->target, 1, &options, false, err));
    RV_TRY(new_strands(&b->strands, b, err));
    RV_TRY(new_strands(&b->next, b, err));
    RV_TRY(RV_NEW(b->children, children, err));
    RV_TRY(RV_NEW(b->candidates, children, err));
    RV_TRY(RV_NEW(b->candidate_ids, children * b->n, err));
    RV_TRY(RV_NEW(b->sequences, children, err));
    RV_TRY(RV_NEW(b->ids, rows, err));
    RV_TRY(RV_NEW(b->nll, rows, err));
    RV_TRY(RV_NEW(b->logits, config->vocabulary, err));
    for (size_t i = 0; i < children; i++)
        b->candidates[i] = (rv_candidate){.ids = b->candidate_ids + i * b->n, .parent = -1};
    return RV_OK;
}

static void release(beam *b)
{
    rv_probe_free(b->probe);
    free_strands(b->strands, b->room);
    free_strands(b->next, b->room);
    void *const owned[] = {b->children, b->candidates, b->candidate_ids, b->sequences,
                           b->ids,      b->nll,        b->logits};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static rv_status run_pass(beam *b, size_t count, rv_error *err)
{
    RV_TRY(rv_probe_run(b->probe, b->sequences, count, err));
    rv_pass_finish(b->probe->pass);
    rv_pass_losses(b->probe->pass, b->nll);
    b->values = rv_probe_values(b->probe, 0);
    return RV_OK;
}

/* ---- one step -------------------------------------------------------------------------------- */

/* Logits of what follows a strand; false: nothing precedes it. */
static bool next_logits(beam *b, const strand *s)
{
    const rv_transformer *m = b->search->problem->model;
    const rv_prefix *before = s->length ? s->cache : b->search->engine->fixed;
    size_t C = m->config.width;
    if (!before) return false;
    rv_unembed(b->logits, m, before->hidden + (before->count - 1) * C, 1,
               b->search->params.threads);
    return true;
}

/* Adds `share` different continuations of strand i, drawn from the likeliest without replacement: the largest of
 * logit + Gumbel noise (Kool et al. 2019). */
static void sample(beam *b, size_t i, size_t share)
{
    int32_t likely[CONSIDERED], order[CONSIDERED];
    real noisy[CONSIDERED];
    size_t V = b->search->problem->model->config.vocabulary;
    bool known = next_logits(b, &b->strands[i]);
    for (size_t v = 0; v < V; v++) {
        if (!known) b->logits[v] = (real)rv_random_uniform(&b->random);
        if (!rv_search_allowed(b->search, (int32_t)v)) b->logits[v] = -(real)INFINITY;
    }
    size_t count = rv_top_k(likely, b->logits, V, CONSIDERED);
    for (size_t k = 0; k < count; k++) {
        double uniform = rv_random_uniform(&b->random) + 0x1p-54;
        noisy[k] = b->logits[likely[k]] - (real)log(-log(uniform < 1 ? uniform : 0.5));
    }
    count = rv_top_k(order, noisy, count, share < CONSIDERED ? share : CONSIDERED);
    for (size_t k = 0; k < count; k++)
        b->children[b->child_count++] = (child){.strand = i, .id = likely[order[k]]};
}

/* f, nll, g and xe of all children. */
static rv_status run_children(beam *b, rv_error *err)
{
    rv_search *s = b->search;
    const rv_problem *q = s->problem;
    size_t fixed = s->engine->fixed_count, span = 1 + q->suffix.count;
    for (size_t k = 0; k < b->child_count; k++) {
        const strand *from = &b->strands[b->children[k].strand];
        int32_t *ids = b->ids + k * span;
        ids[0] = b->children[k].id;
        if (span > 1) memcpy(ids + 1, q->suffix.items, (span - 1) * sizeof *ids);
        b->sequences[k] = (rv_sequence){.ids = ids,
                                        .count = span,
                                        .prefix = from->length ? from->cache : s->engine->fixed,
                                        .shared = fixed + from->length};
    }
    RV_TRY(run_pass(b, b->child_count, err));
    s->work.forward += b->child_count;
    for (size_t k = 0; k < b->child_count; k++) {
        child *c = &b->children[k];
        const strand *from = &b->strands[c->strand];
        size_t scored = from->length + 1 - (fixed == 0);
        c->nll = from->nll + (double)b->nll[k * span];
        c->f = rv_target_read(q->target, b->values + k * span, fixed + from->length, span,
                              from->values, fixed);
        c->value = (double)b->values[k * span];
        c->g = (double)q->target->sign * (c->f - q->mean) / q->deviation;
        c->xe = scored ? c->nll / (double)scored : 0;
        c->score = (isfinite(c->g) ? c->g : 0) - b->penalty * c->xe;
    }
    return RV_OK;
}

static int by_activation(const void *a, const void *b)
{
    const child *x = a, *y = b;
    if (x->g != y->g) return x->g < y->g ? 1 : -1;
    return (x->xe > y->xe) - (x->xe < y->xe);
}

static int by_score(const void *a, const void *b)
{
    const child *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->strand != y->strand ? (x->strand > y->strand ? 1 : -1)
                                  : (x->id > y->id) - (x->id < y->id);
}

/* Judges the children that would reach the front and that no other of them outdoes. A second opinion may think
 * otherwise of their fluency, so then the most active of each fluency are not enough: the beam is judged. */
static rv_status judge(beam *b, rv_error *err)
{
    rv_search *s = b->search;
    size_t length = b->strands[0].length + 1, found = 0, affords = rv_search_affords(s, length);
    bool second = s->problem->second_opinion != NULL;
    double fluent = INFINITY;
    if (length < s->params.least) return RV_OK;
    qsort(b->children, b->child_count, sizeof *b->children, second ? by_score : by_activation);
    for (size_t k = 0; k < b->child_count && found < affords; k++) {
        const child *c = &b->children[k];
        rv_candidate *out = &b->candidates[found];
        bool worth =
            second ? k < b->width
                   : c->xe < fluent && rv_front_would_accept(&s->front, c->g, c->xe, INFINITY);
        if (!worth) continue;
        memcpy(out->ids, b->strands[c->strand].ids, (length - 1) * sizeof *out->ids);
        out->ids[length - 1] = c->id;
        out->length = length;
        if (!rv_search_survives(s, out->ids, length)) continue;
        fluent = c->xe;
        found += !rv_search_known(s, out->ids, length);
    }
    return rv_search_judge(s, b->candidates, found, err);
}

/* The best children become the beam. */
static rv_status advance(beam *b, rv_error *err)
{
    rv_search *s = b->search;
    size_t fixed = s->engine->fixed_count;
    qsort(b->children, b->child_count, sizeof *b->children, by_score);
    size_t count = b->child_count < b->width ? b->child_count : b->width;
    for (size_t k = 0; k < count; k++) {
        const child *c = &b->children[k];
        const strand *from = &b->strands[c->strand];
        strand *to = &b->next[k];
        memcpy(to->ids, from->ids, from->length * sizeof *to->ids);
        memcpy(to->values, from->values, from->length * sizeof *to->values);
        to->ids[from->length] = c->id;
        to->values[from->length] = c->value;
        to->length = from->length + 1;
        to->nll = c->nll;
        if (from->length) rv_prefix_copy(to->cache, from->cache);
        b->sequences[k] = (rv_sequence){.ids = to->ids + from->length,
                                        .count = 1,
                                        .prefix = from->length ? to->cache : s->engine->fixed,
                                        .shared = fixed + from->length,
                                        .save = to->cache};
    }
    strand *swapped = b->strands;
    b->strands = b->next;
    b->next = swapped;
    b->count = count;
    s->work.forward += count;
    return run_pass(b, count, err);
}

/* ---- rounds ------------------------------------------------------------------------------------- */

/* The beam begins empty; every other round with the beginning of a prompt that the user gave, if there is one. */
static rv_status begin(beam *b, size_t round, rv_error *err)
{
    rv_search *s = b->search;
    const rv_problem *q = s->problem;
    strand *first = &b->strands[0];
    b->count = 1;
    first->length = 0;
    first->nll = 0;
    if (q->given_count == 0 || round % 2) return RV_OK;
    rv_ids_view start = q->starts[rv_random_below(&b->random, q->given_count)];
    size_t length = rv_random_below(&b->random, start.count < b->n ? start.count : b->n);
    if (length == 0) return RV_OK;
    memcpy(first->ids, start.items, length * sizeof *first->ids);
    b->sequences[0] = (rv_sequence){.ids = first->ids,
                                    .count = length,
                                    .prefix = s->engine->fixed,
                                    .shared = s->engine->fixed_count,
                                    .save = first->cache};
    RV_TRY(run_pass(b, 1, err));
    s->work.forward += length;
    first->length = length;
    for (size_t i = 0; i < length; i++) {
        first->values[i] = (double)b->values[i];
        first->nll += (double)b->nll[i];
    }
    return RV_OK;
}

/* The widest beam that a number of forward tokens pays for. */
static size_t width_for(const beam *b, double tokens)
{
    double width = floor(sqrt(tokens / (double)b->n + 0.25) - 0.5); // K * K + K at every length
    return width < 0 ? 0 : width < (double)b->room ? (size_t)width : b->room;
}

static rv_status run_round(beam *b, size_t round, rv_error *err)
{
    RV_TRY(begin(b, round, err));
    while (b->strands[0].length < b->n) {
        size_t all = b->width * b->width;
        if (rv_search_affords(b->search, 1) < all + b->width) return RV_OK;
        b->child_count = 0;
        for (size_t i = 0; i < b->count; i++) sample(b, i, all / b->count);
        if (b->child_count == 0)
            return rv_fail(err, RV_ERR_USAGE, "beam: no token is allowed to go on with");
        RV_TRY(run_children(b, err));
        RV_TRY(judge(b, err));
        if (b->strands[0].length + 1 == b->n) return RV_OK;
        RV_TRY(advance(b, err));
    }
    return RV_OK;
}

static rv_status dream(beam *b, rv_error *err)
{
    rv_search *s = b->search;
    for (size_t round = 0;; round++) {
        b->random = rv_search_random(s, 0);
        // Golden-ratio steps: any number of rounds covers the range of penalties evenly.
        double part = fmod(0.5 + 0.6180339887498949 * (double)round, 1);
        b->penalty = LEAST_PENALTY * pow(MOST_PENALTY / LEAST_PENALTY, part);
        b->width = width_for(b, (double)s->params.budget / ROUNDS);
        if (b->width < LEAST_WIDTH) b->width = LEAST_WIDTH;
        size_t left = width_for(b, (double)rv_search_affords(s, 1));
        if (left < b->width) b->width = left;
        if (b->width < LEAST_WIDTH) return RV_OK;
        RV_TRY(run_round(b, round, err));
        if (!rv_search_continue(s)) return RV_OK;
    }
}

static rv_status run(rv_search *s, rv_error *err)
{
    beam b = {.search = s, .n = s->params.most, .room = MOST_WIDTH};
    b.room = width_for(&b, (double)s->params.budget / ROUNDS);
    if (b.room < LEAST_WIDTH) b.room = LEAST_WIDTH;
    rv_status status;
    RV_GOTO(allocate(&b, err));
    RV_GOTO(dream(&b, err));
done:
    release(&b);
    return status;
}

const rv_dreamer rv_dreamer_beam = {
    .name = "beam",
    .summary = "beam search over what the model itself finds plausible, no gradient",
    .children = 256,
    .run = run,
};
