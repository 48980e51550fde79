/* The tokens that end what a model writes. */
#ifndef RV_SUBJECT_ENDS_H
#define RV_SUBJECT_ENDS_H

#include "subject/subject.h"

/* Appends every end token that the model's files name: eos_token_id of config.json (also of its text_config) and of
 * generation_config.json, a number or a list; eos, eot and eom of a GGUF file; the tokenizer's. */
rv_status rv_read_ends(rv_ids *out, const char *path, const rv_checkpoint *checkpoint,
                       const rv_tokenizer *tokenizer, rv_error *err);

/* Whether the model is done when it says this: an end token, or one that is no ordinary part of a text. */
bool rv_model_ends(const rv_model *model, int32_t id);

#endif
