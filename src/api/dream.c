#include "api/params.h"
#include "dream/compare.h"
#include "dream/session.h"

rv_status rv_dream(rv_dreams *out, rv_model *model, const char *target,
                   const rv_dream_params *given, rv_error *err)
{
    *out = (rv_dreams){0};
    RV_TAKE_PARAMS(rv_dream_params, given);
    return rv_dream_run(out, model, target, &params, err);
}

static rv_status add_run(void *context, const char *path, rv_error *err)
{
    return rv_report_add(context, path, err);
}

rv_status rv_compare(rv_report **out, rv_model *model, const char *target,
                     const rv_compare_params *given, rv_error *err)
{
    *out = NULL;
    RV_TAKE_PARAMS(rv_compare_params, given);
    rv_dream_params dream = rv_dream_params_default();
    RV_TRY(rv_params_take(&dream, sizeof dream, params.dream, err));
    rv_report *report;
    RV_TRY(rv_report_open(&report, err));
    rv_status status = rv_compare_run(model, target, &params, &dream, add_run, report, err);
    if (rv_report_count(report).runs)
        *out = report;
    else
        rv_report_close(report);
    return status;
}
