/* The files of openai/automated-interpretability (package neuron_explainer): NeuronRecord,
 * ScoredExplanation, NeuronSimulationResults. Read from any version seen in the wild, with NaN as
 * a bare word or null; written as the package writes them (null for NaN), so that it reads them. */
#ifndef RV_EXPLAIN_EXCHANGE_H
#define RV_EXPLAIN_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "explain/evidence.h"

/* ---- NeuronRecord ---------------------------------------------------------------------------- */
rv_status rv_neuron_record_read(rv_evidence *out, const char *path, rv_error *err);
rv_status rv_neuron_record_parse(rv_evidence *out, const json_t *object, const char *where,
                                 rv_error *err);

/* Dreams, minimal pairs and promoted tokens have no place in the format and are left out. */
rv_status rv_neuron_record_write(const char *path, const rv_evidence *evidence, rv_error *err);

/* ---- simulations and scores ------------------------------------------------------------------ */
/* The distribution over possible activations of one token. */
typedef struct rv_distribution {
    double *values, *probabilities; /* (count), owned */
    size_t count;
} rv_distribution;

typedef struct rv_sequence_simulation {
    rv_activation_record expected;  /* the tokens, and what is expected on each */
    bool calibrated;                /* in the neuron's units; else on the scale 0..10 */
    rv_distribution *distributions; /* (expected.count), or NULL where none was recorded */
    struct rv_sequence_simulation *uncalibrated; /* owned, or NULL */
} rv_sequence_simulation;

/* Scores are NaN where undefined. */
typedef struct rv_scored_sequence {
    rv_sequence_simulation simulation;
    double *real; /* (real_count), owned */
    size_t real_count;
    double correlation, r_squared, deviation;
} rv_scored_sequence;

typedef struct rv_scored_explanation {
    char *explanation;
    rv_scored_sequence *sequences; /* (count), owned */
    size_t count;
    double correlation, r_squared, deviation; /* over all sequences pooled */
} rv_scored_explanation;

typedef struct rv_simulation_results {
    long long layer, neuron;
    rv_scored_explanation *explanations; /* (count), owned */
    size_t count;
} rv_simulation_results;

/* The first line of a .jsonl file that holds a NeuronSimulationResults or a ScoredExplanation
 * (then layer and neuron are -1). */
rv_status rv_simulation_results_read(rv_simulation_results *out, const char *path,
                                     rv_error *err);
rv_status rv_simulation_results_write(const char *path, const rv_simulation_results *results,
                                      rv_error *err);
/* New; NULL when memory is short. */
json_t *rv_scored_explanation_json(const rv_scored_explanation *explanation);

void rv_sequence_simulation_release(rv_sequence_simulation *simulation);
void rv_scored_explanation_release(rv_scored_explanation *explanation);
void rv_simulation_results_release(rv_simulation_results *results);

#endif
