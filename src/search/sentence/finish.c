/* Beginnings sampled on to a natural end. The model is causal: nothing that follows can weaken what they fire. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/top_k.h"
#include "search/sentence/sentence.h"

enum { GROUP = 10, BRANCHES = 5, CONSIDERED = 40 };
static const double TEMPERATURE = 0.7, LEAST_SHARE = 0.04; /* of the likeliest token's chance */

typedef struct branch {
    rv_sentence at;
    bool alive;
    rv_prefix *cache;
    size_t parent; /* beginning of the group */
    bool own;      /* its cache holds what it has, else the beginning's does */
} branch;

typedef struct finishing {
    rv_sentence_search *d;
    branch branches[GROUP * BRANCHES];
    rv_prefix *beginnings[GROUP];
    real *logits; /* (GROUP * BRANCHES, V) */
} finishing;

/* A likely token by logits (V), which are changed; -1: none may be taken. */
static int32_t sample(rv_sentence_search *d, real *logits)
{
    const rv_search *s = d->search;
    size_t V = s->problem->model->config.vocabulary;
    int32_t order[CONSIDERED];
    double weight[CONSIDERED];
    for (size_t v = 0; v < V; v++)
        if (!rv_search_allowed(s, (int32_t)v)) logits[v] = -(real)INFINITY;
    size_t n = rv_top_k(order, logits, V, CONSIDERED);
    if (n == 0) return -1;
    for (size_t k = 0; k < n; k++) {
        weight[k] = exp((double)(logits[order[k]] - logits[order[0]]) / TEMPERATURE);
        if (weight[k] < LEAST_SHARE) weight[k] = 0;
    }
    return order[rv_random_weighted(&d->random, weight, n)];
}

/* Reads the beginnings [from, from + count), and leaves the logits behind each in logits. */
static rv_status open_group(finishing *f, rv_sentence *beginnings, size_t count, rv_error *err)
{
    rv_sentence_search *d = f->d;
    rv_reading_task tasks[GROUP];
    size_t rows[GROUP], row = 0;
    for (size_t i = 0; i < count; i++) {
        tasks[i] = (rv_reading_task){
            .to = &beginnings[i], .behind = d->search->engine->fixed, .save = f->beginnings[i]};
        rows[i] = row + beginnings[i].length - 1;
        row += beginnings[i].length;
    }
    RV_TRY(rv_sentences_read(d, tasks, count, err));
    rv_pass_logits(d->probe->pass, f->logits, rows, count);
    return RV_OK;
}

/* One more token for every branch that lives, by the logits in its place. */
static void extend(finishing *f, size_t count)
{
    size_t V = f->d->search->problem->model->config.vocabulary;
    for (size_t k = 0; k < count; k++) {
        branch *b = &f->branches[k];
        if (!b->alive) continue;
        int32_t id =
            b->at.length < f->d->search->params.most ? sample(f->d, f->logits + k * V) : -1;
        if (id < 0)
            b->alive = false;
        else
            b->at.ids[b->at.length++] = id;
    }
}

/* Reads the tokens just put; the logits behind each branch land in its place again. */
static rv_status read_on(finishing *f, size_t count, rv_error *err)
{
    rv_sentence_search *d = f->d;
    const rv_search *s = d->search;
    size_t V = s->problem->model->config.vocabulary, n = 0;
    rv_reading_task tasks[GROUP * BRANCHES];
    for (size_t k = 0; k < count; k++) {
        branch *b = &f->branches[k];
        if (!b->alive) continue;
        tasks[n++] = (rv_reading_task){.to = &b->at,
                                       .behind = b->own ? b->cache : f->beginnings[b->parent],
                                       .shared = b->at.length - 1,
                                       .save = b->cache};
        b->own = true;
    }
    RV_TRY(rv_sentences_read(d, tasks, n, err));
    for (size_t k = 0, row = 0; k < count; k++) {
        if (!f->branches[k].alive) continue;
        rv_pass_logits(d->probe->pass, f->logits + k * V, &row, 1);
        row++;
    }
    return RV_OK;
}

/* Keeps the branches that have come to an end. */
static rv_status reap(finishing *f, size_t count, rv_error *err)
{
    rv_sentence_search *d = f->d;
    for (size_t k = 0; k < count; k++) {
        branch *b = &f->branches[k];
        if (!b->alive || !rv_sentence_ends(d, b->at.ids[b->at.length - 1])) continue;
        rv_sentence_fault fault = rv_sentences_fault(d, &b->at);
        if (fault == RV_SENTENCE_WHOLE && d->search->problem->suffix.count)
            RV_TRY(rv_sentences_judge(d, &b->at, 1, err)); // with what stands behind it
        if (fault == RV_SENTENCE_WHOLE) RV_TRY(rv_sentences_keep(d, &b->at, err));
        // an end of another kind: 3.5, Mr.
        b->alive = fault == RV_SENTENCE_END && b->at.length < f->d->search->params.most;
    }
    return RV_OK;
}

static rv_status finish_group(finishing *f, rv_sentence *beginnings, size_t count,
                              rv_error *err)
{
    size_t V = f->d->search->problem->model->config.vocabulary, all = count * BRANCHES;
    RV_TRY(open_group(f, beginnings, count, err));
    for (size_t k = all; k-- > 0;) {
        branch *b = &f->branches[k];
        b->at = beginnings[k / BRANCHES];
        b->parent = k / BRANCHES;
        b->alive = b->at.length < f->d->search->params.most;
        b->own = false;
        if (k != k / BRANCHES)
            memcpy(f->logits + k * V, f->logits + b->parent * V, V * sizeof *f->logits);
    }
    for (bool any = true; any;) {
        extend(f, all);
        RV_TRY(read_on(f, all, err));
        RV_TRY(reap(f, all, err));
        any = false;
        for (size_t k = 0; k < all; k++) any |= f->branches[k].alive;
    }
    return RV_OK;
}

rv_status rv_finish(rv_sentence_search *d, const rv_sentences *beginnings, rv_error *err)
{
    const rv_transformer *m = d->search->problem->model;
    finishing *f = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(f, 1, err));
    f->d = d;
    RV_GOTO(RV_NEW(f->logits, GROUP * BRANCHES * m->config.vocabulary, err));
    for (size_t i = 0; i < GROUP; i++)
        RV_GOTO(rv_prefix_new(&f->beginnings[i], m, RV_SENTENCE_MOST, err));
    for (size_t k = 0; k < GROUP * BRANCHES; k++)
        RV_GOTO(rv_prefix_new(&f->branches[k].cache, m, RV_SENTENCE_MOST, err));
    for (size_t from = 0; from < beginnings->count; from += GROUP) {
        size_t left = beginnings->count - from;
        if (!rv_search_affords(d->search, 4 * RV_SENTENCE_MOST)) break;
        RV_GOTO(finish_group(f, beginnings->items + from, left < GROUP ? left : GROUP, err));
    }
done:
    for (size_t i = 0; f && i < GROUP; i++) rv_prefix_free(f->beginnings[i]);
    for (size_t k = 0; f && k < GROUP * BRANCHES; k++) rv_prefix_free(f->branches[k].cache);
    if (f) free(f->logits);
    free(f);
    return status;
}
