/* An explanation from what a user asks for to its records. */
#ifndef RV_EXPLAIN_RUN_H
#define RV_EXPLAIN_RUN_H

#include "reverie/explain.h"

/* As include/reverie/explain.h says of rv_explain. */
rv_status rv_explain_run(rv_explained *out, const char *model, const char *target,
                         const rv_explain_params *params, rv_error *err);

#endif
