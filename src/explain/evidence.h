/* What is known about a neuron before anybody explains it: texts as tokens with the neuron's
 * activation on each, small changes of a text that silence it, and the tokens that it promotes.
 *
 *     rv_evidence e = {0};
 *     RV_TRY(rv_neuron_record_read(&e, "neuron.json", err));        // explain/exchange.h
 *     rv_splits s = {0};
 *     RV_TRY(rv_split_records(&s, &e.top, &e.random, 0, err));
 *     ...
 *     rv_splits_release(&s);
 *     rv_evidence_release(&e);                                                               */
#ifndef RV_EXPLAIN_EVIDENCE_H
#define RV_EXPLAIN_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"

/* One text. Tokens are valid UTF-8 (bytes that are none became U+FFFD) and hold no NUL.
 * Activations are as measured; reading tolerates NaN, rv_evidence_check does not. */
typedef struct rv_activation_record {
    char **tokens;       /* (count), owned */
    double *activations; /* (count), owned */
    size_t count;
} rv_activation_record;

typedef struct rv_activation_records {
    rv_activation_record *items;
    size_t count, capacity;
} rv_activation_records;

/* Tokens with the logit that one unit of the neuron adds to each, strongest first. */
typedef struct rv_token_weight {
    char *token; /* owned */
    double weight;
} rv_token_weight;

typedef struct rv_token_weights {
    rv_token_weight *items;
    size_t count, capacity;
} rv_token_weights;

/* The activation at the end of `before token after`, and what is left of it when the token is
 * replaced: causal evidence for what the neuron needs to see. Strings are owned. */
typedef struct rv_minimal_pair {
    char *before, *token, *after, *replacement;
    double activation, changed;
} rv_minimal_pair;

typedef struct rv_minimal_pairs {
    rv_minimal_pair *items;
    size_t count, capacity;
} rv_minimal_pairs;

typedef struct rv_evidence {
    long long layer, neuron;          /* -1: not known */
    rv_activation_records top;        /* strongest corpus records, strongest first */
    rv_activation_records random;     /* corpus records drawn without regard to the neuron */
    rv_activation_records *quantiles; /* (quantile_count) samples, weakest quantile first */
    size_t quantile_count;
    double *boundaries; /* (boundary_count) activations between the quantiles */
    size_t boundary_count;
    rv_activation_records dreams; /* strongest first */
    rv_minimal_pairs pairs;
    rv_token_weights promoted, suppressed;     /* at the logits, by the output direction */
    bool screened;                             /* the corpus was read in bf16 first */
    double mean, variance, skewness, kurtosis; /* of the activation on the corpus; may be NaN */
} rv_evidence;

/* Records. `init` makes count empty tokens (NULL until set) with activation 0. */
rv_status rv_activation_record_init(rv_activation_record *out, size_t count, rv_error *err);
rv_status rv_activation_record_set(rv_activation_record *record, size_t i, const char *token,
                                   size_t length, double activation, rv_error *err);
void rv_activation_record_release(rv_activation_record *record);

/* Takes the record over, also when it fails. */
rv_status rv_activation_records_push(rv_activation_records *list, rv_activation_record *record,
                                     rv_error *err);
void rv_activation_records_release(rv_activation_records *list);

/* Copies `length` bytes, made valid UTF-8 without NUL. */
rv_status rv_token_weights_push(rv_token_weights *list, const char *token, size_t length,
                                double weight, rv_error *err);
void rv_token_weights_release(rv_token_weights *list);

/* malloc'ed copy in which every byte that is no valid UTF-8, and every NUL, is U+FFFD; NULL when
 * memory is short. */
char *rv_utf8_repair(const char *bytes, size_t length);

rv_status rv_minimal_pairs_push(rv_minimal_pairs *list, const rv_minimal_pair *pair,
                                rv_error *err); /* copies the strings */

/* An evidence with nothing in it: layer and neuron unknown, moments NaN. */
rv_evidence rv_evidence_empty(void);
void rv_evidence_release(rv_evidence *evidence);

/* Evidence that can be explained: finite activations, and a neuron that fires (a positive one)
 * somewhere in the top records or the dreams. RV_ERR_NUMERIC names the record and token. */
rv_status rv_evidence_check(const rv_evidence *evidence, rv_error *err);

/* ---- records seen through pointers, which are not owned -------------------------------------- */
typedef struct rv_record_view {
    const rv_activation_record **items;
    size_t count;
} rv_record_view;

/* Top records are dealt out one by one to train, calibration, valid and test, random ones to
 * calibration, valid and test, as in openai/automated-interpretability (NeuronRecord). */
typedef struct rv_splits {
    rv_record_view train, calibration, valid, test; /* top records first, then random ones */
} rv_splits;

/* per_split: of each kind in each split; 0: as many as there are, of each kind for itself.
 * RV_ERR_USAGE when there are too few. */
rv_status rv_split_records(rv_splits *out, const rv_activation_records *top,
                           const rv_activation_records *random, size_t per_split,
                           rv_error *err);
void rv_splits_release(rv_splits *splits);

/* ---- activations as small integers ---------------------------------------------------------- */
/* OpenAI rounds down, delphi rounds up: a weak activation is 0 to the one and 1 to the other. A
 * prompt uses one of them throughout. */
typedef enum rv_rounding { RV_ROUND_DOWN, RV_ROUND_UP } rv_rounding;

enum { RV_LEVELS = 10 }; /* 0 .. RV_LEVELS */

/* out[i] = round(10 max(activations[i], 0) / maximum), clamped to 0..10; all 0 if maximum <= 0. */
void rv_discretise(int *out, const double *activations, size_t count, double maximum,
                   rv_rounding rounding);

/* The largest activation of a record or of several, 0 if none is positive. */
double rv_record_maximum(const rv_activation_record *record);
double rv_view_maximum(const rv_record_view *view);

/* The share of tokens with a level above 0 when rounded down; 0 for no tokens. */
double rv_nonzero_share(const rv_record_view *view, double maximum);

#endif
