#include "template/value.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"

enum { LIMIT_DEPTH = 64 };

rv_status jinja_alloc(void **out, jinja_memory *memory, size_t count, size_t size,
                      rv_error *err)
{
    size_t bytes;
    if (rv_mul_overflows(count, size, &bytes) || bytes > memory->limit - memory->used)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "it wants more than %zu bytes of memory",
                       memory->limit);
    memory->used += bytes;
    *out = rv_arena_alloc(&memory->arena, count, size);
    return *out ? RV_OK : rv_fail_memory(err, bytes);
}

jinja_string jinja_literal(const char *text)
{
    return (jinja_string){text, strlen(text)};
}

jinja_value jinja_text(const char *text)
{
    return jinja_from_string(jinja_literal(text));
}

jinja_value jinja_from_string(jinja_string string)
{
    return (jinja_value){JINJA_STRING, {.string = string}};
}

jinja_value jinja_bool(bool boolean)
{
    return (jinja_value){JINJA_BOOL, {.boolean = boolean}};
}

jinja_value jinja_int(int64_t integer)
{
    return (jinja_value){JINJA_INT, {.integer = integer}};
}

jinja_value jinja_undefined(jinja_string name)
{
    return (jinja_value){JINJA_UNDEFINED, {.string = name}};
}

rv_status jinja_copy(jinja_value *out, jinja_memory *memory, const char *bytes, size_t length,
                     rv_error *err)
{
    char *copy;
    RV_TRY(JINJA_NEW(copy, memory, length + 1, err));
    if (length) memcpy(copy, bytes, length);
    *out = jinja_from_string((jinja_string){copy, length});
    return RV_OK;
}

rv_status jinja_new_list(jinja_value *out, jinja_memory *memory, rv_error *err)
{
    out->kind = JINJA_LIST;
    return JINJA_NEW(out->list, memory, 1, err);
}

rv_status jinja_push(jinja_memory *memory, jinja_list *list, jinja_value item, rv_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        jinja_value *items;
        RV_TRY(JINJA_NEW(items, memory, capacity, err));
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return RV_OK;
}

rv_status jinja_new_dict(jinja_value *out, jinja_memory *memory, rv_error *err)
{
    out->kind = JINJA_DICT;
    return JINJA_NEW(out->dict, memory, 1, err);
}

static bool same(jinja_string a, jinja_string b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

rv_status jinja_set(jinja_memory *memory, jinja_dict *dict, jinja_string key, jinja_value value,
                    rv_error *err)
{
    for (size_t i = 0; i < dict->count; i++) {
        if (!same(dict->entries[i].key, key)) continue;
        dict->entries[i].value = value;
        return RV_OK;
    }
    if (dict->count == dict->capacity) {
        size_t capacity = dict->capacity ? 2 * dict->capacity : 8;
        jinja_entry *entries;
        RV_TRY(JINJA_NEW(entries, memory, capacity, err));
        if (dict->count) memcpy(entries, dict->entries, dict->count * sizeof *entries);
        dict->entries = entries;
        dict->capacity = capacity;
    }
    dict->entries[dict->count++] = (jinja_entry){key, value};
    return RV_OK;
}

const jinja_value *jinja_get(const jinja_dict *dict, jinja_string key)
{
    for (size_t i = 0; i < dict->count; i++)
        if (same(dict->entries[i].key, key)) return &dict->entries[i].value;
    return NULL;
}

bool jinja_same(jinja_string a, const char *b)
{
    return same(a, jinja_literal(b));
}

bool jinja_truth(const jinja_value *v)
{
    switch (v->kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return v->boolean;
    case JINJA_INT:
        return v->integer != 0;
    case JINJA_STRING:
        return v->string.length > 0;
    case JINJA_LIST:
        return v->list->count > 0;
    case JINJA_DICT:
        return v->dict->count > 0 || v->dict->is_namespace;
    default:
        return true;
    }
}

static bool equal_at(const jinja_value *a, const jinja_value *b, int depth)
{
    bool a_number = a->kind == JINJA_INT || a->kind == JINJA_BOOL;
    bool b_number = b->kind == JINJA_INT || b->kind == JINJA_BOOL;
    if (a_number && b_number)
        return (a->kind == JINJA_INT ? a->integer : a->boolean) ==
               (b->kind == JINJA_INT ? b->integer : b->boolean);
    if (a->kind != b->kind || depth > LIMIT_DEPTH) return false;
    switch (a->kind) {
    case JINJA_STRING:
        return same(a->string, b->string);
    case JINJA_LIST:
        if (a->list->count != b->list->count) return false;
        for (size_t i = 0; i < a->list->count; i++)
            if (!equal_at(&a->list->items[i], &b->list->items[i], depth + 1)) return false;
        return true;
    case JINJA_DICT:
        if (a->dict->is_namespace || b->dict->is_namespace) return a->dict == b->dict;
        if (a->dict->count != b->dict->count) return false;
        for (size_t i = 0; i < a->dict->count; i++) {
            const jinja_value *other = jinja_get(b->dict, a->dict->entries[i].key);
            if (!other || !equal_at(&a->dict->entries[i].value, other, depth + 1)) return false;
        }
        return true;
    case JINJA_BUILTIN:
        return a->builtin == b->builtin;
    case JINJA_MACRO:
        return a->macro == b->macro;
    default:
        return true;
    }
}

bool jinja_equal(const jinja_value *a, const jinja_value *b)
{
    return equal_at(a, b, 0);
}

const char *jinja_kind_name(jinja_kind kind)
{
    static const char *const names[] = {[JINJA_UNDEFINED] = "an undefined value",
                                        [JINJA_NONE] = "none",
                                        [JINJA_BOOL] = "a truth value",
                                        [JINJA_INT] = "an integer",
                                        [JINJA_STRING] = "a string",
                                        [JINJA_LIST] = "a list",
                                        [JINJA_DICT] = "a dictionary",
                                        [JINJA_BUILTIN] = "a function",
                                        [JINJA_MACRO] = "a macro"};
    return names[kind];
}

rv_status jinja_print(rv_text *out, const jinja_value *v, rv_error *err)
{
    switch (v->kind) {
    case JINJA_UNDEFINED:
        break;
    case JINJA_NONE:
        rv_text_puts(out, "None");
        break;
    case JINJA_BOOL:
        rv_text_puts(out, v->boolean ? "True" : "False");
        break;
    case JINJA_INT:
        rv_text_printf(out, "%" PRId64, v->integer);
        break;
    case JINJA_STRING:
        rv_text_append(out, v->string.bytes, v->string.length);
        break;
    default:
        return rv_fail(err, RV_ERR_UNSUPPORTED, "printing %s is not supported",
                       jinja_kind_name(v->kind));
    }
    return RV_OK;
}

static void print_json_string(rv_text *out, jinja_string string)
{
    rv_text_putc(out, '"');
    for (size_t i = 0; i < string.length; i++) {
        static const char special[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
        char c = string.bytes[i];
        const char *at = c ? strchr(special, c) : NULL;
        if (at)
            rv_text_printf(out, "\\%c", letters[at - special]);
        else if ((unsigned char)c < 0x20)
            rv_text_printf(out, "\\u%04x", (unsigned)c);
        else
            rv_text_putc(out, c);
    }
    rv_text_putc(out, '"');
}

static void new_line(rv_text *out, int indent, int depth)
{
    rv_text_putc(out, '\n');
    for (int i = 0; i < indent * depth; i++) rv_text_putc(out, ' ');
}

static rv_status print_json_at(rv_text *out, const jinja_value *v, int indent, int depth,
                               rv_error *err)
{
    bool is_list = v->kind == JINJA_LIST;
    if (depth > LIMIT_DEPTH) return rv_fail(err, RV_ERR_UNSUPPORTED, "tojson: too many levels");
    switch (v->kind) {
    case JINJA_NONE:
        rv_text_puts(out, "null");
        return RV_OK;
    case JINJA_BOOL:
        rv_text_puts(out, v->boolean ? "true" : "false");
        return RV_OK;
    case JINJA_STRING:
        print_json_string(out, v->string);
        return RV_OK;
    case JINJA_INT:
        return jinja_print(out, v, err);
    case JINJA_LIST:
    case JINJA_DICT:
        break;
    default:
        return rv_fail(err, RV_ERR_UNSUPPORTED, "tojson of %s is not possible",
                       jinja_kind_name(v->kind));
    }
    size_t count = is_list ? v->list->count : v->dict->count;
    rv_text_putc(out, is_list ? '[' : '{');
    for (size_t i = 0; i < count; i++) {
        if (i) rv_text_puts(out, indent < 0 ? ", " : ",");
        if (indent >= 0) new_line(out, indent, depth + 1);
        if (!is_list) {
            print_json_string(out, v->dict->entries[i].key);
            rv_text_puts(out, ": ");
        }
        RV_TRY(print_json_at(out, is_list ? &v->list->items[i] : &v->dict->entries[i].value,
                             indent, depth + 1, err));
    }
    if (count && indent >= 0) new_line(out, indent, depth);
    rv_text_putc(out, is_list ? ']' : '}');
    return RV_OK;
}

rv_status jinja_print_json(rv_text *out, const jinja_value *value, int indent, rv_error *err)
{
    return print_json_at(out, value, indent, 0, err);
}
