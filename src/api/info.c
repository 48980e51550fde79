#include "search/search.h"
#include "subject/inspect.h"

rv_status rv_model_inspect(rv_model_info *out, const char *name, rv_error *err)
{
    rv_config config;
    RV_TRY(rv_subject_inspect(out, &config, name, err));
    rv_status status = rv_search_default_bytes(&out->search_bytes, &config, err);
    if (status != RV_OK) rv_model_info_release(out);
    return status;
}
