/* Methods side by side: runs of the same target with the same budget, a file each. */
#ifndef RV_DREAM_COMPARE_H
#define RV_DREAM_COMPARE_H

#include "reverie/compare.h"

/* A run's file is there, complete or interrupted. */
typedef rv_status rv_run_ended(void *context, const char *path, rv_error *err);

/* Runs, as include/reverie/compare.h says of rv_compare, what is not there yet; `dream` is taken for params->dream. */
rv_status rv_compare_run(rv_model *model, const char *target, const rv_compare_params *params,
                         const rv_dream_params *dream, rv_run_ended *ended, void *context,
                         rv_error *err);

#endif
