/* What a search computes with: passes made once, caches, scratch. Shared by search.c, judge.c, expand.c. */
#ifndef RV_SEARCH_ENGINE_H
#define RV_SEARCH_ENGINE_H

#include "search/memo.h"
#include "search/search.h"
#include "target/probe.h"

typedef struct rv_engine {
    rv_memo memo;
    rv_prefix *fixed; /* the problem's prefix, computed once; NULL: there is none */
    size_t fixed_count, suffix_count, span; /* span: most + suffix */
    rv_probe *judging;                      /* children, in batches */
    rv_probe *expanding;                    /* members, with gradients */
    rv_search_plan plan;
    size_t rows, sequences_max;
    /* (plan.table_rows, V) each: of all members, most rows a member; or of `held_count` places of one */
    real *table_dg, *table_dnll, *table_nll;
    bool resident;
    const rv_member *held;
    size_t held_first, held_count;
    rv_sequence *sequences;
    rv_candidate **batch; /* (sequences_max) candidates judged together */
    size_t *running;      /* (sequences_max) which of the batch are sequences of the pass */
    size_t *kept;         /* (sequences_max) sequences that are wanted to the end */
    size_t *going, *ends; /* (sequences_max) those of them that go on, with so many rows */
    bool *wanted;         /* (sequences_max) of the batch */
    int32_t *ids;         /* (rows) of the batch */
    size_t *pending;      /* candidates that are new */
    uint64_t *keys;
    size_t pending_room;
    real *nll;      /* (rows) */
    real *logits;   /* (V) */
    real *weights;  /* (rows) or one per member */
    real *gathered; /* (rows, C) */
    real *lse;      /* (most) */
    bool *allowed;  /* (V) tokens that a dream may hold */
    size_t *fresh;  /* (members) those that must be computed */
    rv_text text;
    rv_ids encoded;
    rv_error
        failure; /* memory was short where the question was only yes or no: ends the search */
} rv_engine;

/* Whether a call succeeded that reports in `error`; a lack of memory is no answer, and is kept as the search's failure. */
bool rv_search_succeeded(const rv_search *search, rv_status status, const rv_error *error);

/* Free positions that the candidate has in common with the member it varies; at least one row is left. */
size_t rv_search_common(const rv_search *search, const rv_candidate *candidate);

/* What is added to xe for repeated tokens. */
double rv_search_repetition(const rv_search *search, const rv_candidate *candidate);

/* Sets xe, latter and xb of a candidate from its parent's tables, without running it; NAN without a parent. */
void rv_search_estimate(const rv_search *search, rv_candidate *candidate);

/* Sets xe and xb from the mean nll of all tokens and from `latter`. */
void rv_search_set_fluency(const rv_search *search, rv_candidate *candidate, double mean);

#endif
