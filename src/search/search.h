/* The dreamers: searches for short texts that a target likes and a language model finds plausible,
 * behind one interface. A dreamer proposes candidates; everything that judges them is shared.
 *
 *     rv_search *search;
 *     RV_TRY(rv_search_new(&search, &problem, &params, err));
 *     RV_TRY(rv_dreamer_find("reverie")->run(search, err));
 *     ... search->front ...
 *     rv_search_free(search);
 *
 * Alphabet:  n free tokens of a candidate   V vocabulary   C width
 *   f  the target's value          g = sign (f - mean) / deviation on the corpus: what is maximised
 *   xe mean negative log-likelihood of the n free tokens, in nats, after BOS and template
 *   xb the same in nats a byte of their text, or of its latter half where that is more: neither short tokens nor
 *      a beginning that the model knows by heart make it small */
#ifndef RV_SEARCH_H
#define RV_SEARCH_H

#include "base/random.h"
#include "corpus/sentence.h"
#include "target/target.h"

struct rv_text_autoencoder;
struct rv_sentence_pool;
struct rv_corpus_hit;

typedef struct rv_ids_view {
    const int32_t *items;
    size_t count;
} rv_ids_view;

/* What is searched, for whom. Everything is borrowed and must outlive the search. */
typedef struct rv_problem {
    const rv_transformer *model;
    const rv_tokenizer *tokenizer; /* NULL: no text, every candidate survives */
    const rv_target *target;
    double mean, deviation;     /* of f on the corpus; 0 and 1 where there is none */
    double token_bytes;         /* mean over the corpus; 0: unknown */
    rv_ids_view prefix, suffix; /* fixed tokens around the free part; prefix begins with BOS */
    const bool *forbidden;      /* (V) tokens never proposed; NULL: none */
    const rv_ids_view
        *starts; /* texts to start from: given prompts, then the best corpus windows */
    size_t start_count;
    size_t given_count; /* so many of them, the first, were given by the user */
    /* A second opinion on fluency: the mean negative log-likelihood of the candidate's text under another
     * model, in nats per free token; averaged with xe. NULL: none. */
    rv_status (*second_opinion)(void *context, double *nll, const int32_t *ids, size_t count,
                                rv_error *err);
    void *second_context;
    const struct rv_text_autoencoder
        *autoencoder; /* of the model, for dreams in its latent; NULL: none */
    /* For whole sentences: those of the corpus, and its strongest places with the tokens around them. */
    const struct rv_sentence_pool *sentences;
    const struct rv_corpus_hit *hits;
    size_t hit_count;
} rv_problem;

struct rv_search;

typedef struct rv_search_params {
    uint64_t seed;
    uint64_t
        budget; /* forward tokens: of every candidate all free tokens count, shared or not */
    size_t least, most; /* free tokens */
    size_t fragment;    /* of the fragments that a search for sentences begins with */
    double repetition;  /* added to xe for every token beyond the first of its kind, / n */
    bool as_published;  /* epo: with the defects of the published code */
    bool exact;         /* evaluate every candidate in full */
    bool narrow;        /* children in bf16: g and xe are then good to about 1 % */
    size_t memory;      /* bytes that the search may take; 0: 2 GiB, or more if it must */
    int threads;
    /* Called between steps with the state; false stops. May be NULL. */
    bool (*step)(void *context, const struct rv_search *search);
    /* Asked within steps, often; false ends the work with RV_ERR_CANCELLED. May be NULL. */
    bool (*pulse)(void *context);
    void *context;       /* of both */
    const char *journal; /* file of what was already evaluated, for resuming; NULL: none */
    const char *run;     /* what the run is known by: no other's journal is believed; or NULL */
} rv_search_params;

rv_search_params rv_search_params_default(void);

/* Where a candidate came from; dreamers count what pays by it. */
typedef struct rv_candidate {
    int32_t *ids; /* (length), owned by whoever made it */
    size_t length;
    long parent;    /* index of the expanded member it varies; -1: none */
    size_t partner; /* 1 + index of another expanded member whose end it has; 0: none */
    int operator_;  /* the dreamer's own number for the kind of proposal */
    double f, g, xe, xb;
    double latter;     /* nats of the tokens from length / 2 on, in all, under the model */
    bool estimated;    /* xe, xb and latter are estimates: the race left it out */
    uint64_t found_at; /* forward tokens */
} rv_candidate;

/* Tokens processed, the unit in which all dreamers pay. */
typedef struct rv_work {
    uint64_t forward, backward;
    uint64_t candidates; /* judged */
    uint64_t repeats;    /* proposed again, and answered from memory */
} rv_work;

/* A set of candidates none of which is more active and more fluent, by token and by byte, than another. Its ids
 * are its own. */
typedef struct rv_front {
    rv_candidate *items;
    size_t count, capacity;
} rv_front;

/* A sentence with another token in one place. */
typedef struct rv_swap {
    size_t at;
    int32_t id;
    double g, nats; /* of the sentence with it; nats more than without */
} rv_swap;

/* A whole sentence, as it was found. */
typedef struct rv_sentence {
    int32_t ids[RV_SENTENCE_MOST];
    float nll[RV_SENTENCE_MOST];   /* nats of every token */
    float value[RV_SENTENCE_MOST]; /* f there */
    size_t length;
    size_t peak;    /* token at which f is read; SIZE_MAX: behind the sentence */
    size_t trigger; /* tokens up to the peak that hold most of g */
    double f, g, nats;
    double g_after, nats_after; /* behind a neutral sentence; NAN: not looked at */
    const char *origin;         /* "corpus", "transplant", ...; static */
    double merit;
    size_t sense;      /* 1: the headline; 2, 3, ...: the best of another sense; 0: neither */
    bool whole;        /* by the rule; else the best there was */
    bool expanded;     /* its neighbours have been tried */
    double fluency;    /* share of corpus sentences of like length that are less fluent */
    size_t shared_run; /* longest run of words shared with the corpus */
    /* Of those that were chosen: first the most plausible swap that leaves at most a quarter of g (if has_pair), then
     * plausible ones that keep most of it. Owned by the search. */
    rv_swap *swaps;
    size_t swap_count;
    bool has_pair;
    uint64_t found_at;
} rv_sentence;

/* A candidate whose neighbourhood is known: gradients and next-token distributions at its positions. */
typedef struct rv_member {
    rv_candidate at;
    rv_prefix *cache; /* keys and values, for its children */
    double *values;   /* (most) f at its free positions */
    /* (most, C) gradients at the embeddings of its free tokens: of g, and of the tokens' summed nll */
    real *g_gradient, *nll_gradient;
    size_t own, table; /* first rows of tables: its own; and those it has, perhaps another's */
} rv_member;

typedef struct rv_search {
    const rv_problem *problem;
    rv_search_params params;
    rv_work work;
    rv_front front;         /* of everything judged that survives decoding and encoding again */
    rv_sentence *sentences; /* chosen, the headline first; of dreamers that look for them */
    size_t sentence_count;
    double
        best_corpus_sentence; /* g of the corpus's strongest whole sentence; NAN: it has none */
    size_t member_count;      /* room for members */
    rv_member *members;
    uint32_t step;            /* counts iterations; names random streams */
    uint32_t idle;            /* steps since forward tokens were last spent */
    uint64_t spent;           /* forward tokens, at the last step */
    double seconds;           /* spent before a resumption */
    struct rv_engine *engine; /* passes, caches, memory: evaluate.c and expand.c */
} rv_search;

/* members: how many candidates the dreamer expands at once; children: how many it judges at once. */
rv_status rv_search_new(rv_search **out, const rv_problem *problem,
                        const rv_search_params *params, size_t members, size_t children,
                        rv_error *err);
void rv_search_free(rv_search *search); /* NULL is fine */

/* How a search divides its memory. With less of it, it is slower, and finds the same; only a race, which chooses
 * among candidates judged together, may choose differently. */
typedef struct rv_search_plan {
    size_t judged_rows; /* rows of candidates that are judged together */
    size_t expanded;    /* members that are expanded together */
    size_t table_rows;  /* places whose tables are held */
    size_t bytes;       /* all of it */
} rv_search_plan;

/* What a search for `members`, `children` and params->memory takes with `fixed` tokens before `span` others, of which
 * `most` are free. keep: the target needs attention maps. From the model's shape alone. */
rv_search_plan rv_search_make_plan(const rv_transformer *model, size_t members, size_t children,
                                   size_t fixed, size_t span, size_t most, bool keep,
                                   size_t memory);
/* Bytes of a search of the default dreamer with default settings, behind BOS, beside the model. */
rv_status rv_search_default_bytes(uint64_t *bytes, const rv_config *config, rv_error *err);
const rv_search_plan *rv_search_planned(const rv_search *search);

/* Adds what a dreamer is about to hold beside that to the plan. RV_ERR_USAGE where params->memory is less. */
rv_status rv_search_reserve(rv_search *search, size_t bytes, rv_error *err);

/* Judges candidates: fills f, g, xe; adds to the front those that belong and survive. What was judged
 * before is answered from memory. Candidates with a parent share its computed prefix. */
rv_status rv_search_judge(rv_search *search, rv_candidate *candidates, size_t count,
                          rv_error *err);

/* Sets wanted[i] for the candidates whose exact xe matters; g is exact, xe of those `estimated` an estimate. Some are
 * wanted already: leave them. Asked again, once they are exact, until it wants no other. */
typedef void (*rv_choose)(void *context, bool *wanted, const rv_candidate *const *candidates,
                          size_t count);

/* What a dreamer tells a race. */
typedef struct rv_race {
    rv_choose choose;
    void *context;
} rv_race;

/* Judges in stages: all candidates up to the target's layer, then the chosen ones to the end. The others are
 * `estimated` and never reach the front. In one stage where that saves nothing or `exact` is asked. race NULL: in one
 * stage. */
rv_status rv_search_race(rv_search *search, rv_candidate *candidates, size_t count,
                         const rv_race *race, rv_error *err);

/* Fills members[0..count) around the given candidates. */
rv_status rv_search_expand(rv_search *search, const rv_candidate *const *candidates,
                           size_t count, rv_error *err);

/* First-order and exact effects of putting token v at free position i of an expanded member, (V) each. */
typedef struct rv_effects {
    const real *dg;   /* change of g, linearised */
    const real *dnll; /* change of the later tokens' summed nll, linearised */
    const real *nll;  /* -log p(v | what is before): exact */
} rv_effects;

/* Valid until it is asked for again. */
rv_effects rv_search_effects(const rv_search *search, const rv_member *member, size_t i);

/* One number of its nll. */
double rv_search_token_nll(const rv_search *search, const rv_member *member, size_t i,
                           int32_t id);

/* RV_ERR_CANCELLED where params.pulse says so, or why the search had to end: asked before every pass. */
rv_status rv_search_pulse(const rv_search *search, rv_error *err);

/* Ends a step: counts it, tells the caller. False: stop (budget spent, or asked to). */
bool rv_search_continue(rv_search *search);

/* RV_ERR_MEMORY where a question about a text could not be answered: asked once a dreamer has run. */
rv_status rv_search_failure(const rv_search *search, rv_error *err);

/* Whether the ids come back from decoding and encoding inside prefix and suffix. */
bool rv_search_survives(const rv_search *search, const int32_t *ids, size_t count);

/* Whether it has been judged already. */
bool rv_search_known(const rv_search *search, const int32_t *ids, size_t count);

bool rv_search_allowed(const rv_search *search, int32_t id);

/* How many candidates of `length` tokens the budget still allows. */
size_t rv_search_affords(const rv_search *search, size_t length);

/* Bytes of text that the tokens stand for; one a token where there is no tokenizer. */
size_t rv_search_bytes(const rv_search *search, const int32_t *ids, size_t count);

/* A random stream of this step. */
rv_random rv_search_random(const rv_search *search, uint64_t purpose);

/* front.c */
bool rv_front_would_accept(const rv_front *front, double g, double xe, double xb);
rv_status rv_front_add(rv_front *front, const rv_candidate *candidate, rv_error *err);
void rv_front_release(rv_front *front);
/* rv_best_of and rv_area_of (record/frontier.h). */
double rv_front_best(const rv_front *front, double x);
double rv_front_area(const rv_front *front);

typedef struct rv_dreamer {
    const char *name, *summary;
    size_t members, children; /* for rv_search_new */
    bool autoencoder;         /* it needs the problem's */
    bool sentences;           /* likewise */
    rv_status (*run)(rv_search *search, rv_error *err);
} rv_dreamer;

extern const rv_dreamer rv_dreamer_naive, rv_dreamer_pez, rv_dreamer_gumbel, rv_dreamer_gcg,
    rv_dreamer_epo, rv_dreamer_beam, rv_dreamer_latent, rv_dreamer_evolve, rv_dreamer_reverie,
    rv_dreamer_sentence;

/* All of them, NULL-terminated; by name, NULL if unknown. */
extern const rv_dreamer *const rv_dreamers[];
const rv_dreamer *rv_dreamer_find(const char *name);

#endif
