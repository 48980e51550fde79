#include "api/params.h"
#include "corpus/coder_fit.h"

rv_status rv_features_inspect(rv_features_info *out, rv_model *model, const char *path,
                              const rv_features_params *given, rv_error *err)
{
    *out = (rv_features_info){0};
    RV_TAKE_PARAMS(rv_features_params, given);
    return rv_coder_inspect(out, model, path, &params, err);
}
