/* Ids as the tokens of a public result, and texts as ids. */
#ifndef RV_SUBJECT_TOKENS_H
#define RV_SUBJECT_TOKENS_H

#include "subject/subject.h"

/* The bytes of ids[0..count) with their values (NULL: none are known), and of what stands before the
 * text: bos (-1: nothing), for the reason `why` (static). */
rv_status rv_tokens_make(rv_tokens *out, const rv_tokenizer *tokenizer, const int32_t *ids,
                         const double *values, size_t count, int32_t bos, const char *why,
                         rv_error *err);

/* Appends BOS, where the model adds one, and the text's ids; *first says where these begin. */
rv_status rv_model_encode(rv_ids *ids, size_t *first, const rv_model *model, const char *text,
                          size_t length, rv_error *err);

#endif
