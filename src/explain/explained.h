/* An explanation with its scores as records (docs/formats.md, "explanation"). */
#ifndef RV_EXPLAIN_EXPLAINED_H
#define RV_EXPLAIN_EXPLAINED_H

#include "base/text.h"
#include "explain/exchange.h"
#include "explain/explain.h"
#include "explain/neuronpedia.h"

/* What all explanations of a run have in common. */
typedef struct rv_explained_about {
    const char *evidence; /* "corpus", "dreams", "corpus and dreams" */
    rv_style style;
    const char *explainer, *simulator;
    uint64_t seed;
} rv_explained_about;

/* Appends one line of JSON for every candidate, the chosen one first. */
rv_status rv_explained_put(rv_text *out, const rv_explained *explained,
                           const rv_explained_about *about, rv_error *err);

/* The same as neuron_explainer has it: the chosen explanation with its simulated texts, calibrated. */
rv_status rv_explained_results(rv_simulation_results *out, const rv_explained *explained,
                               const rv_evidence *evidence, rv_error *err);

#endif
