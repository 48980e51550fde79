/* Records to JSON lines, driven by the tables in schema.c. */
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/json.h"
#include "record/schema.h"

/* What went wrong while a record became JSON; `key` is the innermost field. */
typedef struct put_state {
    rv_status status;
    const char *key, *complaint;
} put_state;

static json_t *refuse(put_state *state, rv_status status, const char *key,
                      const char *complaint)
{
    if (state->status == RV_OK) *state = (put_state){status, key, complaint};
    return NULL;
}

static bool is_utf8(rv_string s)
{
    unsigned c;
    for (size_t i = 0, n; i < s.length; i += n)
        if (!(n = rv_utf8_decode(s.bytes + i, s.length - i, &c))) return false;
    return true;
}

/* s with U+FFFD in place of every byte that is not part of valid UTF-8. */
json_t *rv_string_to_json(rv_string s)
{
    rv_text shown = {0};
    unsigned c;
    for (size_t i = 0, n; i < s.length; i += n) {
        n = rv_utf8_decode(s.bytes + i, s.length - i, &c);
        if (n)
            rv_text_append(&shown, s.bytes + i, n);
        else
            rv_text_puts(&shown, "\xEF\xBF\xBD"), n = 1;
    }
    json_t *json =
        shown.failed ? NULL : json_stringn(shown.bytes ? shown.bytes : "", shown.length);
    rv_text_release(&shown);
    return json;
}

static json_t *hex_string(rv_string s)
{
    rv_text hex = {0};
    for (size_t i = 0; i < s.length; i++)
        rv_text_printf(&hex, "%02x", (unsigned char)s.bytes[i]);
    json_t *json = hex.failed ? NULL : json_stringn(hex.bytes ? hex.bytes : "", hex.length);
    rv_text_release(&hex);
    return json;
}

bool rv_text_to_json(json_t *object, const char *key, rv_string s)
{
    if (json_object_set_new(object, key, rv_string_to_json(s)) != 0) return false;
    if (is_utf8(s)) return true;
    char name[64];
    snprintf(name, sizeof name, "%s_bytes", key);
    return json_object_set_new(object, name, hex_string(s)) == 0;
}

static json_t *struct_to_json(put_state *state, const char *object, const rv_struct *type);

static json_t *list_to_json(put_state *state, const char *items, size_t count,
                            const rv_struct *type)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++) {
        json_t *item = struct_to_json(state, items + i * type->size, type);
        if (!item || json_array_append_new(list, item) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *numbers_to_json(put_state *state, const char *key, const double *items,
                               size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++) {
        if (isfinite(items[i]) && json_array_append_new(list, json_real(items[i])) == 0)
            continue;
        json_decref(list);
        return isfinite(items[i]) ? NULL : refuse(state, RV_ERR_NUMERIC, key, "is not finite");
    }
    return list;
}

/* Whether every field of a struct is absent, so that the struct may be left out. */
static bool is_empty(const char *object, const rv_struct *type)
{
    for (const rv_field *f = type->fields; f->key; f++) {
        const char *at = object + f->offset;
        switch (f->kind) {
        case RV_FIELD_NAME:
        case RV_FIELD_JSON:
            if (*(const char *const *)at) return false;
            break;
        case RV_FIELD_TEXT:
            if (((const rv_string *)at)->bytes) return false;
            break;
        case RV_FIELD_NUMBER:
            if (isfinite(*(const double *)at)) return false;
            break;
        case RV_FIELD_COUNT:
            if (*(const uint64_t *)at) return false;
            break;
        case RV_FIELD_ID:
            if (*(const int32_t *)at >= 0) return false;
            break;
        case RV_FIELD_FLAG:
            if (*(const bool *)at) return false;
            break;
        case RV_FIELD_OBJECT:
            if (!is_empty(at, f->of)) return false;
            break;
        case RV_FIELD_LIST:
        case RV_FIELD_NUMBERS:
            if (*(const size_t *)(object + f->count_offset)) return false;
            break;
        }
    }
    return true;
}

/* The value of one field; NULL with state->status RV_OK where it is absent. */
static json_t *field_to_json(put_state *state, const char *object, const rv_field *f)
{
    const char *at = object + f->offset;
    const char *name;
    switch (f->kind) {
    case RV_FIELD_NAME:;
        name = *(const char *const *)at;
        if (!name) return NULL;
        json_t *string = rv_string_to_json(RV_STRING(name));
        return string ? string : refuse(state, RV_ERR_MEMORY, f->key, "out of memory");
    case RV_FIELD_TEXT:
        return NULL; /* written by put_field */
    case RV_FIELD_NUMBER:
        if (isfinite(*(const double *)at)) return json_real(*(const double *)at);
        return f->required ? refuse(state, RV_ERR_NUMERIC, f->key, "is not finite") : NULL;
    case RV_FIELD_COUNT:
        if (*(const uint64_t *)at > INT64_MAX)
            return refuse(state, RV_ERR_USAGE, f->key, "is above 2^63 - 1");
        return f->required || *(const uint64_t *)at
                   ? json_integer((json_int_t) * (const uint64_t *)at)
                   : NULL;
    case RV_FIELD_ID:
        return *(const int32_t *)at >= 0 ? json_integer(*(const int32_t *)at) : NULL;
    case RV_FIELD_FLAG:
        return f->required || *(const bool *)at ? json_boolean(*(const bool *)at) : NULL;
    case RV_FIELD_OBJECT:
        return f->required || !is_empty(at, f->of) ? struct_to_json(state, at, f->of) : NULL;
    case RV_FIELD_LIST: {
        size_t count = *(const size_t *)(object + f->count_offset);
        return f->required || count
                   ? list_to_json(state, *(const char *const *)at, count, f->of)
                   : NULL;
    }
    case RV_FIELD_NUMBERS: {
        size_t count = *(const size_t *)(object + f->count_offset);
        return f->required || count
                   ? numbers_to_json(state, f->key, *(const double *const *)at, count)
                   : NULL;
    }
    case RV_FIELD_JSON: {
        name = *(const char *const *)at;
        if (!name) return NULL;
        json_t *json = json_loads(name, JSON_ALLOW_NUL, NULL);
        if (json_is_object(json)) return json;
        json_decref(json);
        return refuse(state, RV_ERR_USAGE, f->key, "is no JSON object");
    }
    }
    return NULL;
}

static bool put_field(put_state *state, json_t *json, const char *object, const rv_field *f)
{
    if (f->kind == RV_FIELD_TEXT) {
        rv_string s = *(const rv_string *)(object + f->offset);
        if (s.bytes && rv_text_to_json(json, f->key, s)) return true;
        if (s.bytes) return refuse(state, RV_ERR_MEMORY, f->key, "out of memory");
    } else {
        json_t *value = field_to_json(state, object, f);
        if (value && json_object_set_new(json, f->key, value) == 0) return true;
        if (value || state->status != RV_OK)
            return refuse(state, RV_ERR_MEMORY, f->key, "out of memory");
    }
    return !f->required || refuse(state, RV_ERR_USAGE, f->key, "is absent");
}

static bool put_fields(put_state *state, json_t *json, const char *object,
                       const rv_struct *type)
{
    for (const rv_field *f = type->fields; f->key; f++)
        if (!put_field(state, json, object, f)) return false;
    return true;
}

static json_t *struct_to_json(put_state *state, const char *object, const rv_struct *type)
{
    json_t *json = json_object();
    if (!json) return refuse(state, RV_ERR_MEMORY, "record", "out of memory");
    if (put_fields(state, json, object, type)) return json;
    json_decref(json);
    return NULL;
}

static json_t *record_to_json(const char *name, const void *record, const rv_struct *type,
                              rv_error *err)
{
    put_state state = {RV_OK, "record", "out of memory"};
    json_t *json = json_object();
    if (json && json_object_set_new(json, "type", json_string(name)) == 0 &&
        json_object_set_new(json, "v", json_integer(RV_RECORD_VERSION)) == 0 &&
        put_fields(&state, json, record, type))
        return json;
    json_decref(json);
    if (state.status == RV_OK) state.status = RV_ERR_MEMORY;
    rv_fail(err, state.status, "%s record: %s %s", name, state.key, state.complaint);
    return NULL;
}

static rv_status put(rv_text *out, const char *name, const void *record, const rv_struct *type,
                     rv_error *err)
{
    rv_error why;
    json_t *json = record_to_json(name, record, type, &why);
    if (!json) return rv_fail(err, why.status, "%s", why.message);
    char *line = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(json);
    size_t length = out->length;
    if (line) {
        rv_text_puts(out, line);
        rv_text_putc(out, '\n');
    }
    free(line);
    if (line && !out->failed) return RV_OK;
    out->length = length;
    return rv_fail_memory(err, length);
}

#define X(name)                                                                            \
    json_t *rv_##name##_to_json(const rv_##name##_record *record, rv_error *err)           \
    {                                                                                      \
        return record_to_json(#name, record, &rv_##name##_struct, err);                    \
    }                                                                                      \
    rv_status rv_put_##name(rv_text *out, const rv_##name##_record *record, rv_error *err) \
    {                                                                                      \
        return put(out, #name, record, &rv_##name##_struct, err);                          \
    }
RV_RECORDS(X)
#undef X

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001B3u;
    return hash;
}

rv_status rv_run_identity(char out[17], const rv_run_record *record, rv_error *err)
{
    rv_run_record what = *record;
    what.id = "";
    what.target.written = what.command = what.started = NULL;
    what.compiler = what.kernels = NULL;
    what.model.path = NULL;
    if (what.model.hash) what.model.name = "";
    what.threads = 0;
    rv_text line = {0};
    rv_status status = rv_put_run(&line, &what, err);
    if (status == RV_OK)
        snprintf(out, 17, "%016llx", (unsigned long long)hash_bytes(line.bytes, line.length));
    rv_text_release(&line);
    return status;
}
