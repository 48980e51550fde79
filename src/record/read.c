/* JSON to structs, driven by the tables in schema.c. */
#include "record/read.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *type_name(const json_t *json)
{
    static const char *const names[] = {"an object", "a list", "a string", "an integer",
                                        "a number",  "a flag", "a flag",   "null"};
    return json ? names[json_typeof(json)] : "nothing";
}

rv_status rv_read_wrong(const rv_place_in_file *at, const char *expected, const json_t *found)
{
    return rv_fail(at->err, RV_ERR_FORMAT, "%s:%zu: %s: expected %s, found %s", at->file,
                   at->line, at->field, expected, type_name(found));
}

/* Copies a string into the arena. */
static rv_status keep(rv_place_in_file *at, const char **out, const void *bytes, size_t length)
{
    *out = rv_arena_copy(at->arena, bytes, length);
    return *out ? RV_OK : rv_fail_memory(at->err, length);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a text that is not UTF-8, from its sibling KEY_bytes. */
static rv_status read_hex(rv_place_in_file *at, rv_string *out, const json_t *json)
{
    size_t length = json_string_length(json);
    const char *hex = json_string_value(json);
    if (!hex) return rv_read_wrong(at, "the text's bytes in hex", json);
    char *bytes = rv_arena_alloc(at->arena, length / 2 + 1, 1);
    if (!bytes) return rv_fail_memory(at->err, length / 2 + 1);
    for (size_t i = 0; i < length; i++) {
        int digit = hex_digit(hex[i]);
        if (digit < 0 || length % 2)
            return rv_read_wrong(at, "pairs of hex digits (0-9, a-f)", json);
        bytes[i / 2] = (char)(bytes[i / 2] << 4 | digit);
    }
    *out = (rv_string){bytes, length / 2};
    return RV_OK;
}

static rv_status read_text_field(rv_place_in_file *at, rv_string *out, const json_t *owner,
                                 const char *key, const json_t *json)
{
    if (!json_is_string(json)) return rv_read_wrong(at, "a string", json);
    char name[64];
    snprintf(name, sizeof name, "%s_bytes", key);
    const json_t *hex = json_object_get(owner, name);
    if (hex) return read_hex(at, out, hex);
    out->length = json_string_length(json);
    return keep(at, &out->bytes, json_string_value(json), out->length);
}

static rv_status read_list(rv_place_in_file *at, const char **out, size_t *count,
                           const json_t *json, const rv_struct *type)
{
    if (!json_is_array(json)) return rv_read_wrong(at, "a list", json);
    size_t n = json_array_size(json), used = strlen(at->field);
    char *items = rv_arena_alloc(at->arena, n, type->size);
    if (!items) return rv_fail_memory(at->err, n * type->size);
    for (size_t i = 0; i < n; i++) {
        snprintf(at->field + used, sizeof at->field - used, "[%zu]", i);
        RV_TRY(rv_read_struct(at, items + i * type->size, json_array_get(json, i), type));
    }
    at->field[used] = '\0';
    *out = items;
    *count = n;
    return RV_OK;
}

static rv_status read_numbers(rv_place_in_file *at, const double **out, size_t *count,
                              const json_t *json)
{
    if (!json_is_array(json)) return rv_read_wrong(at, "a list of numbers", json);
    size_t n = json_array_size(json);
    double *items = rv_arena_alloc(at->arena, n, sizeof *items);
    if (!items) return rv_fail_memory(at->err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(json, i);
        if (!json_is_number(item)) return rv_read_wrong(at, "a list of numbers", item);
        items[i] = json_number_value(item);
    }
    *out = items;
    *count = n;
    return RV_OK;
}

static rv_status read_object_text(rv_place_in_file *at, const char **out, const json_t *json)
{
    if (!json_is_object(json)) return rv_read_wrong(at, "an object", json);
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
    rv_status status = text ? keep(at, out, text, strlen(text)) : rv_fail_memory(at->err, 0);
    free(text);
    return status;
}

static rv_status read_value(rv_place_in_file *at, char *object, const rv_field *f,
                            const json_t *owner, const json_t *json)
{
    char *to = object + f->offset;
    size_t *count = (size_t *)(object + f->count_offset);
    switch (f->kind) {
    case RV_FIELD_NAME:
        if (!json_is_string(json)) return rv_read_wrong(at, "a string", json);
        if (strlen(json_string_value(json)) != json_string_length(json))
            return rv_read_wrong(at, "a string without NUL", json);
        return keep(at, (const char **)to, json_string_value(json), json_string_length(json));
    case RV_FIELD_TEXT:
        return read_text_field(at, (rv_string *)to, owner, f->key, json);
    case RV_FIELD_NUMBER:
        if (!json_is_number(json)) return rv_read_wrong(at, "a number", json);
        *(double *)to = json_number_value(json);
        return RV_OK;
    case RV_FIELD_COUNT:
        if (!json_is_integer(json) || json_integer_value(json) < 0)
            return rv_read_wrong(at, "a whole number of at least 0", json);
        *(uint64_t *)to = (uint64_t)json_integer_value(json);
        return RV_OK;
    case RV_FIELD_ID:
        if (!json_is_integer(json) || json_integer_value(json) < 0 ||
            json_integer_value(json) > INT32_MAX)
            return rv_read_wrong(at, "a token id (0 to 2147483647)", json);
        *(int32_t *)to = (int32_t)json_integer_value(json);
        return RV_OK;
    case RV_FIELD_FLAG:
        if (!json_is_boolean(json)) return rv_read_wrong(at, "true or false", json);
        *(bool *)to = json_is_true(json);
        return RV_OK;
    case RV_FIELD_OBJECT:
        return rv_read_struct(at, to, json, f->of);
    case RV_FIELD_LIST:
        return read_list(at, (const char **)to, count, json, f->of);
    case RV_FIELD_NUMBERS:
        return read_numbers(at, (const double **)to, count, json);
    case RV_FIELD_JSON:
        return read_object_text(at, (const char **)to, json);
    }
    return RV_OK;
}

rv_status rv_read_struct(rv_place_in_file *at, char *object, const json_t *json,
                         const rv_struct *type)
{
    if (!json_is_object(json)) return rv_read_wrong(at, "an object", json);
    rv_struct_clear(object, type);
    size_t used = strlen(at->field);
    for (const rv_field *f = type->fields; f->key; f++) {
        const json_t *value = json_object_get(json, f->key);
        snprintf(at->field + used, sizeof at->field - used, ".%s", f->key);
        if (value && !(json_is_null(value) && !f->required))
            RV_TRY(read_value(at, object, f, json, value));
        else if (f->required)
            return rv_read_wrong(at, "a value", value);
    }
    at->field[used] = '\0';
    return RV_OK;
}
