/* What a checkpoint is, and what opening it would take, from its headers. */
#ifndef RV_SUBJECT_INSPECT_H
#define RV_SUBJECT_INSPECT_H

#include "subject/subject.h"

/* Everything of *out but search_bytes, which is not known here; *config is the model's. Released by
 * rv_model_info_release. */
rv_status rv_subject_inspect(rv_model_info *out, rv_config *config, const char *name,
                             rv_error *err);

#endif
