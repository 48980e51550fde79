#include "api/params.h"
#include "corpus/examples.h"
#include "corpus/survey.h"

rv_status rv_examples_find(rv_examples *out, rv_model *model, const char *const *targets,
                           size_t count, const rv_examples_params *given, rv_error *err)
{
    *out = (rv_examples){0};
    RV_TAKE_PARAMS(rv_examples_params, given);
    return rv_examples_collect(out, model, targets, count, &params, err);
}

rv_status rv_survey_corpus(rv_survey_summary *out, rv_model *model,
                           const rv_survey_params *given, rv_error *err)
{
    *out = (rv_survey_summary){0};
    RV_TAKE_PARAMS(rv_survey_params, given);
    return rv_survey_run(out, model, &params, RV_SURVEY_KEPT_EVERY, err);
}
