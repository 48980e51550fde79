/* Params as callers hand them over, of whatever version they were compiled against. */
#ifndef RV_API_PARAMS_H
#define RV_API_PARAMS_H

#include "base/error.h"

/* Copies what `given` (NULL: nothing) has over *full, which holds the defaults and whose first member is its size.
 * RV_ERR_USAGE: given->size was not set by its _default function, or is that of a newer version. */
rv_status rv_params_take(void *full, size_t size, const void *given, rv_error *err);

/* A local copy `params` of the caller's, completed; returns where that cannot be. */
#define RV_TAKE_PARAMS(TYPE, given) \
    TYPE params = TYPE##_default(); \
    RV_TRY(rv_params_take(&params, sizeof params, given, err))

#endif
