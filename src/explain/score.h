/* How well a simulation or a classification agrees with the neuron. Every measure (rv_measure, in the
 * public header) comes with a bootstrap interval where more than one thing could be resampled and at least
 * half of the resamples are defined, and says so where it is undefined. */
#ifndef RV_EXPLAIN_SCORE_H
#define RV_EXPLAIN_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "explain/evidence.h"
#include "reverie/explain.h"

/* Resampling with replacement from the stream (seed, 0, 0). The unit is a whole record, for the
 * tokens of one text are not independent. */
typedef struct rv_bootstrap {
    size_t resamples; /* 0: no intervals */
    uint64_t seed;
} rv_bootstrap;

/* A record beside its simulation; both (count), not owned. */
typedef struct rv_simulated {
    const double *real, *simulated;
    size_t count;
} rv_simulated;

/* All tokens of all records pooled, x real and s simulated:
 *   correlation   Pearson's; undefined where x or s is constant
 *   r_squared     1 - sum (x - s)^2 / sum x^2      (against zero, not the mean: as published)
 *   deviation     1 - sum |x - s| / sum |x|        ("absolute deviation explained")
 * The latter two want a calibrated simulation and are undefined where x is 0 throughout. */
typedef struct rv_simulation_scores {
    rv_measure correlation, r_squared, deviation;
} rv_simulation_scores;

/* RV_ERR_NUMERIC for a number that is not finite. */
rv_status rv_score_simulation(rv_simulation_scores *out, const rv_simulated *records,
                              size_t count, rv_bootstrap bootstrap, rv_error *err);

/* Least squares: real = slope * simulated + intercept over all tokens. A constant simulation
 * gives slope 0 and the mean. */
typedef struct rv_calibration {
    double slope, intercept;
} rv_calibration;

rv_status rv_calibrate(rv_calibration *out, const rv_simulated *records, size_t count,
                       rv_error *err);

/* Yes-or-no questions: balanced accuracy = (true positive rate + true negative rate) / 2, and
 * the area under the receiver operating characteristic, ties counting half. Both are undefined
 * where one of the two truths is missing; the area where there are no probabilities. */
typedef struct rv_classified {
    bool truth, predicted;
    double probability; /* of yes; negative: not known */
} rv_classified;

typedef struct rv_classification_scores {
    rv_measure accuracy, area;
} rv_classification_scores;

rv_status rv_score_classification(rv_classification_scores *out, const rv_classified *answers,
                                  size_t count, rv_bootstrap bootstrap, rv_error *err);

/* ---- the token-lookup baseline --------------------------------------------------------------- */
/* The mean activation of every token in training records; what a token without context tells. */
typedef struct rv_lookup rv_lookup;

/* Tokens that the training records do not hold get the mean over the records from
 * quiet_from on (the random ones), or over all if there are none. */
rv_status rv_lookup_train(rv_lookup **out, const rv_record_view *records, size_t quiet_from,
                          rv_error *err);
void rv_lookup_predict(double *out, const rv_lookup *lookup,
                       const rv_activation_record *record);
void rv_lookup_free(rv_lookup *lookup);

/* ---- numbers from a language model's probabilities ------------------------------------------- */
/* Given log-probabilities of the strings "0".."n-1" (or "1".."n"; -INFINITY: not offered), writes
 * the probabilities renormalised over them and returns true; false if none is offered. */
bool rv_renormalise(double *probabilities, const double *logprobs, size_t n);

#endif
