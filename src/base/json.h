/* JSON that others wrote, read with checks, and numbers that JSON cannot hold, written anyway.
 *
 *     json_t *config;
 *     RV_TRY(rv_json_read_object(&config, "config.json", 16 << 20, err));
 *     ...
 *     json_decref(config);
 *
 * Parsing takes what Python's json takes, since Python wrote most of it and transformers reads it:
 *   NaN, Infinity, -Infinity   become the strings of that name, which rv_json_number reads (so does
 *                              a number that no double holds: 1e999 is "Infinity")
 *   integers beyond 64 bits    become reals
 *   a key twice                the last one counts
 *   unpaired surrogates        become U+FFFD
 *   NULs                       are kept, in strings (json_string_length) and in keys
 *                              (json_object_keylen_foreach)
 * Everything else is refused as the standard wants it: trailing text, control characters,
 * bytes that are no UTF-8. */
#ifndef RV_BASE_JSON_H
#define RV_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"

/* Any value; `where` names the text in errors. Free with json_decref. */
rv_status rv_json_parse(json_t **out, const char *text, size_t length, const char *where,
                        rv_error *err);

/* Reads a file of at most `limit` bytes. */
rv_status rv_json_read(json_t **out, const char *path, size_t limit, rv_error *err);

/* The same where nothing but an object will do. */
rv_status rv_json_parse_object(json_t **out, const char *text, size_t length, const char *where,
                               rv_error *err);
rv_status rv_json_read_object(json_t **out, const char *path, size_t limit, rv_error *err);

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

/* New values; NULL only when memory is short. null for what is not finite. */
json_t *rv_json_real(double value);
json_t *rv_json_reals(const double *values, size_t count);
json_t *rv_json_strings(char *const *strings, size_t count);

/* Appends the value in one line with numbers that read back exactly; consumes it (NULL: memory
 * was short when it was built, which the text remembers). */
void rv_json_print(rv_text *out, json_t *value);

/* *out: the value as text, malloc'ed; consumes it. NULL, when memory was short while it was made, is RV_ERR_MEMORY. */
rv_status rv_json_result(char **out, json_t *value, rv_error *err);

/* Writes one value and a newline to a file; consumes it. */
rv_status rv_json_write(const char *path, json_t *value, rv_error *err);

/* What a value is, for messages: "a list", "null". */
const char *rv_json_kind(const json_t *value);

#endif
