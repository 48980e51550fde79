/* What a coder is, and what it does on a text: include/reverie/features.h. */
#ifndef RV_CORPUS_CODER_FIT_H
#define RV_CORPUS_CODER_FIT_H

#include "features/coder.h"
#include "reverie/features.h"
#include "subject/subject.h"

/* As include/reverie/features.h says of rv_features_inspect. */
rv_status rv_coder_inspect(rv_features_info *out, rv_model *model, const char *path,
                           const rv_features_params *params, rv_error *err);

#endif
