#include "api/params.h"
#include "explain/run.h"

rv_status rv_explain(rv_explained *out, const char *model, const char *target,
                     const rv_explain_params *given, rv_error *err)
{
    *out = (rv_explained){0};
    RV_TAKE_PARAMS(rv_explain_params, given);
    return rv_explain_run(out, model, target, &params, err);
}
