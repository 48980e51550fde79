/* Methods side by side: the same target and budget of forward tokens, several seeds.
 *
 *     rv_dream_params dream = rv_dream_params_default();
 *     rv_compare_params params = rv_compare_params_default();
 *     dream.corpus = files, dream.corpus_count = 1;
 *     params.dream = &dream;
 *     params.runs = "runs";
 *     rv_report *report;
 *     rv_compare(&report, model, "L5.N131", &params, &err);
 *     rv_report_compare(&table, report, RV_COMPARISON_TABLE, &err);
 *
 * Every run is a file in the folder `runs`: what is there is not run again, what was interrupted goes on. */
#ifndef REVERIE_COMPARE_H
#define REVERIE_COMPARE_H

#include "reverie/dream.h"
#include "reverie/report.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_compare_params {
    size_t size; /* set by the _default function; see reverie/core.h */
    const char *const
        *methods; /* rv_dream_method(), or "epo-as-published"; NULL: all of them */
    size_t method_count;
    uint64_t seeds; /* 1, 2, ... up to this one */
    /* Of every run; method, seed, as_published, output and resume are set here. NULL: defaults. */
    const rv_dream_params *dream;
    const char *runs; /* folder, made where it is missing; files METHOD-BUDGET-SEED.jsonl */
} rv_compare_params;

RV_API rv_compare_params rv_compare_params_default(void);

/* *out: the report of all runs, for rv_report_close. After a failure too (RV_ERR_CANCELLED for one) it tells the
 * runs that there are; NULL if there are none. */
RV_API rv_status rv_compare(rv_report **out, rv_model *model, const char *target,
                            const rv_compare_params *params, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
