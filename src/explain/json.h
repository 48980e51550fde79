/* JSON that others wrote, read with checks, and numbers that JSON cannot hold, written anyway.
 *
 * Python's json module writes NaN, Infinity and -Infinity as bare words. Parsing turns them into
 * the strings of that name, and rv_json_number reads these, and null as NaN. */
#ifndef RV_EXPLAIN_JSON_H
#define RV_EXPLAIN_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "explain/evidence.h"

/* `where` names the text in errors. Trailing white space is fine, anything else is not. */
rv_status rv_json_parse(json_t **out, const char *text, size_t length, const char *where,
                        rv_error *err);

/* Reads a file of at most `limit` bytes. */
rv_status rv_json_read(json_t **out, const char *path, size_t limit, rv_error *err);

/* Getters that fail with "where: key: expected a list, found null". Borrowed results. */
rv_status rv_json_list(json_t **out, const json_t *object, const char *key, const char *where,
                       rv_error *err);
rv_status rv_json_object(json_t **out, const json_t *object, const char *key, const char *where,
                         rv_error *err);
rv_status rv_json_string(const char **out, const json_t *object, const char *key,
                         const char *where, rv_error *err);
rv_status rv_json_integer(long long *out, const json_t *object, const char *key,
                          const char *where, rv_error *err);

/* A number, null or one of the three names above; false for anything else. */
bool rv_json_number(double *out, const json_t *value);

/* New rv_alloc'ed array of all numbers of a list. */
rv_status rv_json_numbers(double **out, size_t *count, const json_t *list, const char *where,
                          rv_error *err);

/* A list of strings beside a list of as many numbers. */
rv_status rv_json_record(rv_activation_record *out, const json_t *tokens, const json_t *values,
                         const char *where, rv_error *err);

/* New values; NULL only when memory is short. null for what is not finite. */
json_t *rv_json_real(double value);
json_t *rv_json_reals(const double *values, size_t count);
json_t *rv_json_strings(char *const *strings, size_t count);

/* Appends the value in one line with numbers that read back exactly; consumes it (NULL: memory
 * was short when it was built, which the text remembers). */
void rv_json_print(rv_text *out, json_t *value);

/* Writes one value and a newline to a file; consumes it. */
rv_status rv_json_write(const char *path, json_t *value, rv_error *err);

/* What a value is, for messages: "a list", "null". */
const char *rv_json_kind(const json_t *value);

#endif
