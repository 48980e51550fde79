/* Dreaming between the tokens: vectors at hook_embed in place of tokens, climbed by gradient. What naive, pez
 * and gumbel share.
 *
 *     RV_TRY(rv_continuous_new(&c, search, 8, err));
 *     ... write c->inputs ...
 *     RV_TRY(rv_continuous_forward(c, NULL, err));
 *     RV_TRY(rv_continuous_backward(c, gradient));          // of g, per input
 *     rv_adam_ascend(&adam, x, gradient, count);
 *     RV_TRY(rv_continuous_judge_nearest(c, x, err));       // the texts nearest to the vectors
 *
 * Alphabet:  S members   n free tokens   C width   V vocabulary */
#ifndef RV_SEARCH_CONTINUOUS_H
#define RV_SEARCH_CONTINUOUS_H

#include "search/search.h"
#include "target/probe.h"

typedef struct rv_continuous {
    rv_search *search;
    size_t members, length;
    size_t span;     /* rows of a member: n and the suffix */
    double *penalty; /* (S): member s climbs g - penalty[s] * xe; zero at first */
    real *inputs;    /* (S, span, C): the first n rows of each are the caller's */
    real
        *hidden_seed; /* (S, span, C): gradient at the unembedding's input, added by backward */
    rv_probe *probe;
    rv_candidate *candidates; /* (judged_max) */
    size_t judged_max;
    /* private */
    rv_sequence *sequences;
    int32_t *labels;    /* (S, span) */
    int32_t *ids;       /* (judged_max, n) of the candidates */
    int32_t *near;      /* (n, NEAR) */
    real *inverse_norm; /* (V): 1 / |E[v]|; 0: not allowed */
    real *weights;      /* (S) */
    real *nll, *losses; /* (S, span) */
    real *scores;       /* (n, V) */
    bool scored;        /* the last forward pass had labels */
} rv_continuous;

/* judged_max: candidates that rv_continuous_judge is given at once, at least `members`. own: numbers that the
 * dreamer itself is about to hold; RV_ERR_USAGE where the search's memory is less than all of it. */
rv_status rv_continuous_new(rv_continuous **out, rv_search *search, size_t members,
                            size_t judged_max, size_t own, rv_error *err);
void rv_continuous_free(rv_continuous *c); /* NULL is fine */

/* Penalties from `least` to `most`, log-spaced over the members, so that a front comes out. */
void rv_continuous_spread(rv_continuous *c, double least, double most);

/* ids (S, n) to start from: the prompts that the user gave, for the first members; else random tokens. */
void rv_continuous_start(const rv_continuous *c, int32_t *ids, bool given, rv_random *random);

/* out (count, C): vectors of tokens at hook_embed. */
void rv_continuous_embed(const rv_continuous *c, real *out, const int32_t *ids, size_t count);

/* Whether the budget allows another forward pass and then judging `candidates` texts. */
bool rv_continuous_affords(const rv_continuous *c, size_t candidates);

/* Runs the members. labels (S, n): tokens whose likelihood counts as xe; NULL: none. Clears hidden_seed. */
rv_status rv_continuous_forward(rv_continuous *c, const int32_t *labels, rv_error *err);

/* gradient (S, n, C) of g - penalty * xe (xe where there were labels), and of <hidden_seed, hidden>. */
void rv_continuous_backward(rv_continuous *c, real *gradient);

/* ids (n): the allowed tokens nearest to x (n, C) by cosine; or, where that text does not survive encoding, one
 * with near tokens in some places. False: none was found that survives. */
bool rv_continuous_nearest(rv_continuous *c, int32_t *ids, const real *x, rv_random *random);

/* Judges candidates[0..count), as far as they are new and the budget goes. */
rv_status rv_continuous_judge(rv_continuous *c, size_t count, rv_error *err);

/* The texts nearest to x (S, n, C). */
rv_status rv_continuous_judge_nearest(rv_continuous *c, const real *x, rv_error *err);

/* Adam (Kingma and Ba 2015), uphill; with decay AdamW (Loshchilov and Hutter 2019). */
typedef struct rv_adam {
    double rate, decay;
    size_t steps;
    real *first, *second; /* (count) moments */
} rv_adam;

rv_status rv_adam_new(rv_adam *adam, double rate, double decay, size_t count, rv_error *err);
void rv_adam_restart(rv_adam *adam, size_t count);
void rv_adam_ascend(rv_adam *adam, real *x, const real *gradient, size_t count);
void rv_adam_release(rv_adam *adam);

#endif
