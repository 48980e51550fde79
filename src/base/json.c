#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/output.h"
#include "base/memory.h"

static const struct {
    const char *name;
    double value;
} words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
enum { WORDS = sizeof words / sizeof words[0] };

const char *rv_json_kind(const json_t *value)
{
    if (!value) return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static rv_status wrong_kind(const char *where, const char *key, const char *expected,
                            const json_t *found, rv_error *err)
{
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %s, found %s", where, key, expected,
                   rv_json_kind(found));
}

rv_status rv_json_list(json_t **out, const json_t *object, const char *key, const char *where,
                       rv_error *err)
{
    *out = json_object_get(object, key);
    return json_is_array(*out) ? RV_OK : wrong_kind(where, key, "a list", *out, err);
}

rv_status rv_json_object(json_t **out, const json_t *object, const char *key, const char *where,
                         rv_error *err)
{
    *out = json_object_get(object, key);
    return json_is_object(*out) ? RV_OK : wrong_kind(where, key, "an object", *out, err);
}

rv_status rv_json_string(const char **out, const json_t *object, const char *key,
                         const char *where, rv_error *err)
{
    const json_t *value = json_object_get(object, key);
    *out = json_string_value(value);
    return *out ? RV_OK : wrong_kind(where, key, "a string", value, err);
}

rv_status rv_json_integer(long long *out, const json_t *object, const char *key,
                          const char *where, rv_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) return wrong_kind(where, key, "a whole number", value, err);
    *out = json_integer_value(value);
    return RV_OK;
}

bool rv_json_number(double *out, const json_t *value)
{
    *out = NAN;
    if (json_is_null(value)) return true;
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    const char *string = json_string_value(value);
    for (size_t w = 0; string && w < WORDS; w++) {
        if (strcmp(string, words[w].name) != 0) continue;
        *out = words[w].value;
        return true;
    }
    return false;
}

rv_status rv_json_numbers(double **out, size_t *count, const json_t *list, const char *where,
                          rv_error *err)
{
    *out = NULL;
    *count = 0;
    if (!json_is_array(list)) return wrong_kind(where, "numbers", "a list", list, err);
    size_t n = json_array_size(list);
    RV_TRY(RV_NEW(*out, n, err));
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        if (rv_json_number(&(*out)[i], value)) continue;
        free(*out);
        *out = NULL;
        return rv_fail(err, RV_ERR_FORMAT, "%s: item %zu: expected a number, found %s", where,
                       i, rv_json_kind(value));
    }
    *count = n;
    return RV_OK;
}

json_t *rv_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *rv_json_reals(const double *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, rv_json_real(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *rv_json_strings(char *const *strings, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_string(strings[i] ? strings[i] : "")) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

void rv_json_print(rv_text *out, json_t *value)
{
    char *line =
        value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))
              : NULL;
    json_decref(value);
    if (line)
        rv_text_puts(out, line);
    else
        out->failed = true;
    free(line);
}

rv_status rv_json_write(const char *path, json_t *value, rv_error *err)
{
    rv_text text = {0};
    rv_json_print(&text, value);
    rv_text_putc(&text, '\n');
    rv_status status = text.failed ? rv_fail_memory(err, text.length)
                                   : rv_output_write(path, text.bytes, text.length, err);
    rv_text_release(&text);
    return status;
}

rv_status rv_json_result(char **out, json_t *value, rv_error *err)
{
    *out = value ? json_dumps(value, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    return *out ? RV_OK : rv_fail_memory(err, 0);
}
