/* What the steps of an explanation share (explain.c, examine.c). */
#ifndef RV_EXPLAIN_JOB_H
#define RV_EXPLAIN_JOB_H

#include "explain/explain.h"

typedef struct job {
    rv_explained *out;
    const rv_evidence *evidence;
    rv_chat *explainer, *simulator;
    const rv_explain_plan *params;
    rv_simulator way;
    rv_splits splits;
    double maximum; /* of the top records */
    size_t steps;   /* questions so far */
} job;

/* Counts a question and reports it; RV_ERR_CANCELLED when the user stops. */
rv_status job_step(job *j, const char *note, rv_error *err);

/* Records beside their simulations on the scale 0..10. */
typedef struct sequences {
    rv_simulated *pairs; /* (count) */
    rv_simulation *simulations;
    size_t count;
} sequences;

rv_status job_simulate(sequences *out, job *j, const char *explanation,
                       const rv_record_view *records, rv_error *err);
void sequences_release(sequences *s);

rv_status job_add_score(rv_explanation *candidate, const char *scorer, const char *measure,
                        const char *split, rv_measure value, rv_error *err);

/* All scorers on the test records. */
rv_status job_examine(job *j, rv_explanation *candidate, rv_error *err);

#endif
