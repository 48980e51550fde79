#include "api/params.h"
#include "store/list.h"

rv_status rv_store_list(rv_store_listing *out, const rv_store_params *given, rv_error *err)
{
    *out = (rv_store_listing){0};
    RV_TAKE_PARAMS(rv_store_params, given);
    return rv_store_collect(out, &params, false, err);
}

rv_status rv_store_prune(rv_store_listing *out, const rv_store_params *given, rv_error *err)
{
    *out = (rv_store_listing){0};
    RV_TAKE_PARAMS(rv_store_params, given);
    return rv_store_collect(out, &params, true, err);
}
