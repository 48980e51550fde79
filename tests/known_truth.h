/* A transformer built by hand whose best dreams are known.
 *
 * The stream is [code of this token | of the one before | of the one before that | position]. Two attention
 * heads look back one and two positions and copy the codes found there; three neurons fire on a phrase of one,
 * two and three tokens; the unembedding makes eight continuations of every token likely, and the phrases
 * are made of such continuations. Codes are random unit vectors, so tokens interfere a little, as in life. */
#ifndef KNOWN_TRUTH_H
#define KNOWN_TRUTH_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/search.h"
#include "target/probe.h"

enum {
    TRUTH_V = 256,
    TRUTH_CODE = 32,
    TRUTH_CONTEXT = 16,
    TRUTH_C = 3 * TRUTH_CODE + TRUTH_CONTEXT,
    TRUTH_NEXT = 8,    /* likely continuations of every token */
    TRUTH_PHRASES = 3, /* phrase p has p + 1 tokens, and neuron p fires on it */
    TRUTH_LENGTH = 4,  /* of the dreams */
    TRUTH_BOS = 0
};

typedef struct truth {
    rv_transformer *model;
    real code[TRUTH_V][TRUTH_CODE];
    int32_t next[TRUTH_V][TRUTH_NEXT];
    int32_t phrase[TRUTH_PHRASES][TRUTH_PHRASES]; /* last token first */
    rv_target target[TRUTH_PHRASES];
    bool forbidden[TRUTH_V];
    int32_t bos;
    const struct rv_text_autoencoder *autoencoder; /* whoever has one sets it */
} truth;

static inline void truth_check(rv_status status, const rv_error *err)
{
    if (status == RV_OK) return;
    fprintf(stderr, "%s\n", err->message);
    abort();
}

static inline void truth_codes(truth *t, rv_random *random)
{
    for (size_t v = 0; v < TRUTH_V; v++) {
        double sum = 0;
        for (size_t i = 0; i < TRUTH_CODE; i++) {
            t->code[v][i] = (real)rv_random_normal(random);
            sum += (double)t->code[v][i] * (double)t->code[v][i];
        }
        for (size_t i = 0; i < TRUTH_CODE; i++) t->code[v][i] /= (real)sqrt(sum);
        for (size_t k = 0; k < TRUTH_NEXT; k++)
            t->next[v][k] = 1 + (int32_t)rv_random_below(random, TRUTH_V - 1);
    }
    for (size_t p = 0; p < TRUTH_PHRASES; p++) {
        int32_t at = 1 + (int32_t)rv_random_below(random, TRUTH_V - 1);
        for (size_t k = p + 1; k-- > 0; at = t->next[at][rv_random_below(random, TRUTH_NEXT)])
            t->phrase[p][k] = at;
    }
}

/* An RMS norm multiplies a stream made of so many unit vectors by this. */
static inline real truth_gain(size_t parts)
{
    return (real)sqrt((double)TRUTH_C / (double)parts);
}

static inline void truth_attention(truth *t)
{
    rv_block *b = &t->model->blocks[0];
    real row[TRUTH_C], gain = truth_gain(2);
    const size_t heads = 2, D = TRUTH_CODE, positions = 3 * TRUTH_CODE;
    for (size_t h = 0; h < heads; h++)
        for (size_t j = 0; j < D; j++) {
            memset(row, 0, sizeof row); // query j of head h: am I at position j + h + 1?
            if (j + h + 1 < TRUTH_CONTEXT) row[positions + j + h + 1] = 1;
            rv_matrix_set_rows(&b->qkv, h * D + j, 1, row);
            memset(row, 0, sizeof row); // key j: am I at position j?
            if (j < TRUTH_CONTEXT) row[positions + j] = 1;
            rv_matrix_set_rows(&b->qkv, (heads + h) * D + j, 1, row);
            memset(row, 0, sizeof row);
            row[j] = 1 / gain;
            rv_matrix_set_rows(&b->qkv, (2 * heads + h) * D + j, 1, row);
        }
    for (size_t i = 0; i < 2 * TRUTH_CODE; i++) {
        real out[2 * TRUTH_CODE] = {0};
        out[i] = 1;
        rv_matrix_set_rows(&b->o, TRUTH_CODE + i, 1, out);
    }
}

/* Neuron p: gelu(4 * (matches - p)): 4 on its phrase of p + 1 tokens, 0 with one missing. */
static inline void truth_neurons(truth *t)
{
    rv_block *b = &t->model->blocks[0];
    real row[TRUTH_C], gain = truth_gain(4);
    for (size_t p = 0; p < TRUTH_PHRASES; p++) {
        memset(row, 0, sizeof row);
        for (size_t k = 0; k <= p; k++)
            for (size_t i = 0; i < TRUTH_CODE; i++)
                row[k * TRUTH_CODE + i] = 4 / gain * t->code[t->phrase[p][k]][i];
        rv_matrix_set_rows(&b->up, p, 1, row);
        b->up.bias[p] = -4 * (real)p;
    }
}

static inline void truth_head(truth *t)
{
    real row[TRUTH_C], gain = truth_gain(4);
    for (int32_t v = 0; v < TRUTH_V; v++) {
        memset(row, 0, sizeof row);
        for (size_t a = 0; a < TRUTH_V; a++)
            for (size_t k = 0; k < TRUTH_NEXT; k++)
                for (size_t i = 0; t->next[a][k] == v && i < TRUTH_CODE; i++)
                    row[i] += 5 / gain * t->code[a][i];
        rv_matrix_set_rows(&t->model->untied_head, (size_t)v, 1, row);
    }
}

static inline truth *truth_new(uint64_t seed)
{
    rv_error err;
    truth *t = rv_alloc(1, sizeof *t);
    if (!t) abort();
    rv_config c = {.family = "known truth",
                   .vocabulary = TRUTH_V,
                   .context = TRUTH_CONTEXT,
                   .layers = 1,
                   .width = TRUTH_C,
                   .heads = 2,
                   .kv_heads = 2,
                   .head_size = TRUTH_CODE,
                   .mlp_width = 8,
                   .norm = RV_NORM_RMS,
                   .norm_eps = 1e-12,
                   .learned_positions = true,
                   .activation = RV_ACT_GELU_TANH,
                   .up_bias = true,
                   .embedding_scale = 1,
                   .layer = {{.score_scale = 1}}};
    rv_random random = rv_random_stream(seed, 0, 0);
    truth_check(rv_transformer_new(&t->model, &c, NULL, &err), &err);
    truth_codes(t, &random);
    for (size_t v = 0; v < TRUTH_V; v++) {
        real row[TRUTH_C] = {0};
        memcpy(row, t->code[v], sizeof t->code[v]);
        rv_matrix_set_rows(&t->model->embedding, v, 1, row);
    }
    for (size_t p = 0; p < TRUTH_CONTEXT; p++)
        t->model->positions[p * TRUTH_C + 3 * TRUTH_CODE + p] = 1;
    truth_attention(t);
    truth_neurons(t);
    truth_head(t);
    for (size_t p = 0; p < TRUTH_PHRASES; p++) {
        char name[16];
        snprintf(name, sizeof name, "L0.N%zu", p);
        truth_check(rv_target_parse(&t->target[p], name, &c, NULL, &err), &err);
    }
    t->forbidden[TRUTH_BOS] = true;
    t->bos = TRUTH_BOS;
    return t;
}

static inline void truth_free(truth *t)
{
    for (size_t p = 0; p < TRUTH_PHRASES; p++) rv_target_release(&t->target[p]);
    rv_transformer_free(t->model);
    free(t);
}

static inline rv_problem truth_problem(const truth *t, size_t phrase)
{
    return (rv_problem){.model = t->model,
                        .target = &t->target[phrase],
                        .deviation = 0.25,
                        .prefix = {&t->bos, 1},
                        .forbidden = t->forbidden,
                        .autoencoder = t->autoencoder};
}

/* f and xe of prefix, ids and suffix in one pass of their own: nothing cached, nothing shared. */
static inline void truth_measure(const rv_problem *q, const int32_t *ids, size_t count,
                                 double *f, double *xe)
{
    rv_probe *probe;
    rv_error err;
    int32_t whole[TRUTH_CONTEXT];
    real nll[TRUTH_CONTEXT];
    size_t P = q->prefix.count, n = P + count + q->suffix.count;
    memcpy(whole, q->prefix.items, P * sizeof *whole);
    memcpy(whole + P, ids, count * sizeof *whole);
    if (q->suffix.count)
        memcpy(whole + P + count, q->suffix.items, q->suffix.count * sizeof *whole);
    rv_pass_options options = {.rows = n, .sequences = 1, .keep = true, .threads = 1};
    truth_check(rv_probe_new(&probe, q->model, q->target, 1, &options, false, &err), &err);
    rv_sequence sequence = {.ids = whole, .count = n};
    truth_check(rv_probe_run(probe, &sequence, 1, &err), &err);
    rv_pass_finish(probe->pass);
    rv_pass_losses(probe->pass, nll);
    const real *values = rv_probe_values(probe, 0);
    *f = (double)values[P + rv_target_row(q->target, values + P, P, n - P)];
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)nll[P + i];
    *xe = sum / (double)(count - (P == 0));
    rv_probe_free(probe);
}

/* g of a text that ends in the phrase: the largest there is. */
static inline double truth_optimum(const truth *t, const rv_problem *q, size_t phrase)
{
    int32_t ids[TRUTH_LENGTH];
    double f, xe;
    for (size_t i = 0; i < TRUTH_LENGTH; i++)
        ids[TRUTH_LENGTH - 1 - i] = i <= phrase ? t->phrase[phrase][i] : 1;
    truth_measure(q, ids, TRUTH_LENGTH, &f, &xe);
    return f / q->deviation;
}

typedef struct truth_hunt {
    double wanted;
    uint64_t found; /* forward tokens after the step in which it was found; 0: not yet */
} truth_hunt;

static inline bool truth_stop_when_found(void *context, const rv_search *s)
{
    truth_hunt *h = context;
    if (rv_front_best(&s->front, INFINITY) >= h->wanted) h->found = s->work.forward;
    return h->found == 0;
}

/* Forward tokens until a search has found the phrase; 0: it does not within the budget. */
static inline uint64_t truth_recover(const truth *t, const rv_dreamer *d, size_t phrase,
                                     uint64_t seed, uint64_t budget)
{
    rv_error err;
    rv_search *s;
    rv_problem q = truth_problem(t, phrase);
    truth_hunt h = {.wanted = 0.999 * truth_optimum(t, &q, phrase)};
    rv_search_params p = {.seed = seed,
                          .budget = budget,
                          .least = TRUTH_LENGTH,
                          .most = TRUTH_LENGTH,
                          .threads = 1,
                          .step = truth_stop_when_found,
                          .context = &h};
    truth_check(rv_search_new(&s, &q, &p, d->members, d->children, &err), &err);
    truth_check(d->run(s, &err), &err);
    // What stops by itself, or finds it in its last step, is looked at once more.
    if (h.found == 0) truth_stop_when_found(&h, s);
    rv_search_free(s);
    return h.found;
}

#endif
