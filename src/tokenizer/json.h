/* Reading tokenizer.json: helpers that name the field in their errors. */
#ifndef RV_TOKENIZER_JSON_H
#define RV_TOKENIZER_JSON_H

#include <jansson.h>

#include "base/text.h"
#include "tokenizer/internal.h"

/* A member that may be missing or null; then *out keeps its value. */
rv_status rv_json_bool(bool *out, const json_t *object, const char *name, rv_error *err);

/* The string member `name`, appended to out; false if there is none. */
bool rv_json_text(rv_text *out, const json_t *object, const char *name);

/* {piece: id, ...}; `where` names it in errors. */
rv_status rv_vocabulary_from_json(rv_vocabulary *vocabulary, json_t *json, const char *where,
                                  rv_error *err);

/* Adds a token: its content, or {"content": ..., "lstrip": ...}. `special`: where it does not say. */
rv_status rv_tokenizer_add_json(rv_tokenizer *tok, const json_t *json, bool special,
                                const char *where, rv_error *err);

/* "type" of a component; "" where there is none. */
const char *rv_json_type(const json_t *component);

/* The four parts of tokenizer.json beside the model. NULL and null mean that there is none. */
rv_status rv_normalizer_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err);
rv_status rv_pretokenizer_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err);
rv_status rv_decoder_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err);
rv_status rv_template_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err);

#endif
