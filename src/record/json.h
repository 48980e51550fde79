/* Records as jansson objects, for whoever puts them into a larger JSON document. */
#ifndef RV_RECORD_JSON_H
#define RV_RECORD_JSON_H

#include <jansson.h>

#include "record/record.h"

/* The object that rv_put_NAME writes; NULL, and err says why, where that fails. */
#define X(name) json_t *rv_##name##_to_json(const rv_##name##_record *record, rv_error *err);
RV_RECORDS(X)
#undef X

/* A text as a JSON string, with U+FFFD in place of bytes that are no UTF-8. */
json_t *rv_string_to_json(rv_string text);

/* Sets key to the text and, where it is not UTF-8, key_bytes to all its bytes in hexadecimal; false:
 * memory is short. */
bool rv_text_to_json(json_t *object, const char *key, rv_string text);

#endif
