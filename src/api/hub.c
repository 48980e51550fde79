#include "api/params.h"
#include "hub/session.h"

rv_status rv_get(rv_get_result *out, const char *name, const rv_get_params *given,
                 rv_error *err)
{
    *out = (rv_get_result){0};
    RV_TAKE_PARAMS(rv_get_params, given);
    return rv_hub_get(out, name, &params, err);
}
