#include "api/params.h"
#include "search/search.h"
#include "subject/inspect.h"

rv_status rv_model_open(rv_model **out, const char *name, const rv_model_params *given,
                        rv_error *err)
{
    *out = NULL;
    RV_TAKE_PARAMS(rv_model_params, given);
    return rv_subject_open(out, name, &params, err);
}

rv_status rv_model_inspect(rv_model_info *out, const char *name, rv_error *err)
{
    rv_config config;
    RV_TRY(rv_subject_inspect(out, &config, name, err));
    rv_status status = rv_search_default_bytes(&out->search_bytes, &config, err);
    if (status != RV_OK) rv_model_info_release(out);
    return status;
}

rv_status rv_tokenize(rv_tokens *out, const char *name, const char *text, size_t length,
                      const rv_model_params *given, rv_error *err)
{
    *out = (rv_tokens){0};
    RV_TAKE_PARAMS(rv_model_params, given);
    return rv_subject_tokenize(out, name, text, length, &params, err);
}

rv_status rv_model_generate(rv_generation *out, rv_model *model, const char *prompt,
                            size_t length, const rv_generate_params *given, rv_error *err)
{
    *out = (rv_generation){0};
    RV_TAKE_PARAMS(rv_generate_params, given);
    return rv_subject_generate(out, model, prompt, length, &params, err);
}
