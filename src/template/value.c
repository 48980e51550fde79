#include "template/value.h"

#include <string.h>

#include "base/memory.h"

rv_status jinja_alloc(void **out, jinja_memory *memory, size_t count, size_t size)
{
    size_t bytes;
    if (rv_mul_overflows(count, size, &bytes) || bytes > memory->limit - memory->used)
        return rv_fail(memory->err, RV_ERR_UNSUPPORTED,
                       "it wants more than %zu bytes of memory", memory->limit);
    memory->used += bytes;
    *out = rv_arena_alloc(&memory->arena, count, size);
    return *out ? RV_OK : rv_fail_memory(memory->err, bytes);
}

rv_status jinja_work(jinja_memory *memory, size_t bytes)
{
    memory->steps += 1 + bytes / 32;
    return memory->steps <= JINJA_LIMIT_STEPS
               ? RV_OK
               : rv_fail(memory->err, RV_ERR_UNSUPPORTED, "it does not end within %d steps",
                         JINJA_LIMIT_STEPS);
}

rv_status jinja_put(jinja_memory *memory, rv_text *text, const char *bytes, size_t length)
{
    if (text->length > memory->limit - memory->used ||
        length > memory->limit - memory->used - text->length)
        return rv_fail(memory->err, RV_ERR_UNSUPPORTED,
                       "it wants more than %zu bytes of memory", memory->limit);
    RV_TRY(jinja_work(memory, length));
    rv_text_append(text, bytes, length);
    return text->failed ? rv_fail_memory(memory->err, text->length) : RV_OK;
}

rv_status jinja_puts(jinja_memory *memory, rv_text *text, const char *string)
{
    return jinja_put(memory, text, string, strlen(string));
}

/* ---- making values --------------------------------------------------------------------------- */

jinja_string jinja_literal(const char *text)
{
    return (jinja_string){text, strlen(text)};
}

bool jinja_equal_strings(jinja_string a, jinja_string b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool jinja_same(jinja_string a, const char *b)
{
    return jinja_equal_strings(a, jinja_literal(b));
}

jinja_value jinja_text(const char *text)
{
    return jinja_from_string(jinja_literal(text));
}

jinja_value jinja_from_string(jinja_string string)
{
    return (jinja_value){.kind = JINJA_STRING, .string = string};
}

jinja_value jinja_bool(bool boolean)
{
    return (jinja_value){.kind = JINJA_BOOL, .boolean = boolean};
}

jinja_value jinja_int(int64_t integer)
{
    return (jinja_value){.kind = JINJA_INT, .integer = integer};
}

jinja_value jinja_float(double real)
{
    return (jinja_value){.kind = JINJA_FLOAT, .real = real};
}

jinja_value jinja_none(void)
{
    return (jinja_value){.kind = JINJA_NONE};
}

jinja_value jinja_undefined(jinja_string name)
{
    return (jinja_value){.kind = JINJA_UNDEFINED, .string = name};
}

rv_status jinja_copy(jinja_value *out, jinja_memory *memory, const char *bytes, size_t length)
{
    char *copy;
    RV_TRY(jinja_work(memory, length));
    RV_TRY(JINJA_NEW(copy, memory, length + 1));
    if (length) memcpy(copy, bytes, length);
    *out = jinja_from_string((jinja_string){copy, length});
    return RV_OK;
}

rv_status jinja_take(jinja_value *out, jinja_memory *memory, rv_text *text, rv_status status)
{
    if (status == RV_OK && text->failed) status = rv_fail_memory(memory->err, text->length);
    if (status == RV_OK) status = jinja_copy(out, memory, text->bytes, text->length);
    rv_text_release(text);
    return status;
}

rv_status jinja_new_list(jinja_value *out, jinja_memory *memory, jinja_flavor flavor)
{
    jinja_list *list;
    RV_TRY(JINJA_NEW(list, memory, 1));
    list->flavor = flavor;
    *out = (jinja_value){.kind = JINJA_LIST, .list = list};
    return RV_OK;
}

/* Room for one more; *items are copied, since an arena cannot grow them. */
static rv_status reserve(void **items, size_t *capacity, size_t count, size_t size,
                         jinja_memory *memory)
{
    void *grown;
    if (count < *capacity) return RV_OK;
    *capacity = *capacity ? 2 * *capacity : 4;
    RV_TRY(jinja_alloc(&grown, memory, *capacity, size));
    if (count) memcpy(grown, *items, count * size);
    *items = grown;
    return RV_OK;
}

rv_status jinja_push(jinja_memory *memory, jinja_list *list, jinja_value item)
{
    RV_TRY(jinja_work(memory, 0));
    RV_TRY(reserve((void **)&list->items, &list->capacity, list->count, sizeof item, memory));
    list->items[list->count++] = item;
    return RV_OK;
}

rv_status jinja_pair(jinja_value *out, jinja_memory *memory, jinja_value a, jinja_value b)
{
    RV_TRY(jinja_new_list(out, memory, FLAVOR_TUPLE));
    RV_TRY(jinja_push(memory, out->list, a));
    return jinja_push(memory, out->list, b);
}

rv_status jinja_new_dict(jinja_value *out, jinja_memory *memory)
{
    jinja_dict *dict;
    RV_TRY(JINJA_NEW(dict, memory, 1));
    *out = (jinja_value){.kind = JINJA_DICT, .dict = dict};
    return RV_OK;
}

/* ---- dictionaries ---------------------------------------------------------------------------- */

static bool can_be_key(const jinja_value *key)
{
    if (key->kind == JINJA_DICT || key->kind == JINJA_UNDEFINED) return false;
    if (key->kind != JINJA_LIST) return true;
    return key->list->flavor == FLAVOR_TUPLE || key->list->flavor == FLAVOR_RANGE;
}

static rv_status find(jinja_entry **out, jinja_memory *memory, const jinja_dict *dict,
                      const jinja_value *key)
{
    *out = NULL;
    if (!can_be_key(key))
        return rv_fail(memory->err, RV_ERR_FORMAT, "%s cannot be a key", jinja_kind_name(key));
    for (size_t i = 0; i < dict->count; i++) {
        bool equal;
        RV_TRY(jinja_equal(&equal, memory, &dict->entries[i].key, key));
        if (!equal) continue;
        *out = &dict->entries[i];
        return RV_OK;
    }
    return RV_OK;
}

static rv_status append_entry(jinja_memory *memory, jinja_dict *dict, jinja_value key,
                              jinja_value value)
{
    RV_TRY(reserve((void **)&dict->entries, &dict->capacity, dict->count, sizeof *dict->entries,
                   memory));
    dict->entries[dict->count++] = (jinja_entry){key, value};
    return RV_OK;
}

rv_status jinja_set(jinja_memory *memory, jinja_dict *dict, jinja_value key, jinja_value value)
{
    jinja_entry *entry;
    RV_TRY(find(&entry, memory, dict, &key));
    if (!entry) return append_entry(memory, dict, key, value);
    entry->value = value;
    return RV_OK;
}

rv_status jinja_get(const jinja_value **out, jinja_memory *memory, const jinja_dict *dict,
                    const jinja_value *key)
{
    jinja_entry *entry;
    *out = NULL;
    RV_TRY(find(&entry, memory, dict, key));
    if (entry) *out = &entry->value;
    return RV_OK;
}

jinja_value *jinja_get_name(const jinja_dict *dict, jinja_string key)
{
    for (size_t i = 0; i < dict->count; i++)
        if (jinja_equal_strings(dict->entries[i].key.string, key))
            return &dict->entries[i].value;
    return NULL;
}

rv_status jinja_set_name(jinja_memory *memory, jinja_dict *dict, jinja_string key,
                         jinja_value value)
{
    jinja_value *known = jinja_get_name(dict, key);
    if (!known) return append_entry(memory, dict, jinja_from_string(key), value);
    *known = value;
    return RV_OK;
}

/* ---- comparing ------------------------------------------------------------------------------- */

bool jinja_truth(const jinja_value *v)
{
    switch (v->kind) {
    case JINJA_MISSING:
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return v->boolean;
    case JINJA_INT:
        return v->integer != 0;
    case JINJA_FLOAT:
        return v->real != 0;
    case JINJA_STRING:
        return v->string.length > 0;
    case JINJA_LIST:
        return v->list->count > 0 || v->list->flavor == FLAVOR_GENERATOR;
    case JINJA_DICT:
        return v->dict->count > 0;
    default:
        return true;
    }
}

bool jinja_is_number(const jinja_value *v)
{
    return v->kind == JINJA_INT || v->kind == JINJA_BOOL || v->kind == JINJA_FLOAT;
}

double jinja_number(const jinja_value *v)
{
    return v->kind == JINJA_FLOAT ? v->real
                                  : (double)(v->kind == JINJA_INT ? v->integer : v->boolean);
}

bool jinja_is_sequence(const jinja_value *v)
{
    return v->kind == JINJA_LIST && v->list->flavor <= FLAVOR_RANGE;
}

static int compare_numbers(const jinja_value *a, const jinja_value *b)
{
    if (a->kind == JINJA_FLOAT || b->kind == JINJA_FLOAT) {
        double x = jinja_number(a), y = jinja_number(b);
        return x == y ? 0 : x < y ? -1 : 1;
    }
    int64_t x = a->kind == JINJA_INT ? a->integer : a->boolean;
    int64_t y = b->kind == JINJA_INT ? b->integer : b->boolean;
    return (x > y) - (x < y);
}

static int compare_strings(jinja_string a, jinja_string b)
{
    size_t n = a.length < b.length ? a.length : b.length;
    int sign = n ? memcmp(a.bytes, b.bytes, n) : 0;
    return sign ? (sign > 0) - (sign < 0) : (a.length > b.length) - (a.length < b.length);
}

static rv_status too_deep(jinja_memory *memory)
{
    return rv_fail(memory->err, RV_ERR_UNSUPPORTED, "a value is nested more than %d levels",
                   JINJA_LIMIT_NESTING);
}

static rv_status equal_at(bool *out, jinja_memory *memory, const jinja_value *a,
                          const jinja_value *b, int depth);

static rv_status equal_lists(bool *out, jinja_memory *memory, const jinja_list *a,
                             const jinja_list *b, int depth)
{
    bool tuples = (a->flavor == FLAVOR_TUPLE || a->flavor == FLAVOR_GROUP) &&
                  (b->flavor == FLAVOR_TUPLE || b->flavor == FLAVOR_GROUP);
    *out = a == b;
    if (*out || (a->flavor != b->flavor && !tuples) || a->count != b->count ||
        a->flavor > FLAVOR_RANGE)
        return RV_OK;
    *out = true;
    for (size_t i = 0; i < a->count && *out; i++)
        RV_TRY(equal_at(out, memory, &a->items[i], &b->items[i], depth + 1));
    return RV_OK;
}

static rv_status equal_dicts(bool *out, jinja_memory *memory, const jinja_dict *a,
                             const jinja_dict *b, int depth)
{
    *out = a == b;
    if (*out || a->count != b->count) return RV_OK;
    *out = true;
    for (size_t i = 0; i < a->count && *out; i++) {
        const jinja_value *other;
        RV_TRY(jinja_get(&other, memory, b, &a->entries[i].key));
        *out = other != NULL;
        if (other) RV_TRY(equal_at(out, memory, &a->entries[i].value, other, depth + 1));
    }
    return RV_OK;
}

static rv_status equal_at(bool *out, jinja_memory *memory, const jinja_value *a,
                          const jinja_value *b, int depth)
{
    *out = false;
    if (depth > JINJA_LIMIT_NESTING) return too_deep(memory);
    RV_TRY(jinja_work(memory, a->kind == JINJA_STRING ? a->string.length : 0));
    if (jinja_is_number(a) && jinja_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return RV_OK;
    }
    if (a->kind != b->kind) return RV_OK;
    switch (a->kind) {
    case JINJA_STRING:
        *out = jinja_equal_strings(a->string, b->string);
        return RV_OK;
    case JINJA_LIST:
        return equal_lists(out, memory, a->list, b->list, depth);
    case JINJA_DICT:
        return equal_dicts(out, memory, a->dict, b->dict, depth);
    case JINJA_NONE:
    case JINJA_UNDEFINED:
        *out = true;
        return RV_OK;
    default:
        *out = a->function == b->function;
        return RV_OK;
    }
}

rv_status jinja_equal(bool *out, jinja_memory *memory, const jinja_value *a,
                      const jinja_value *b)
{
    return equal_at(out, memory, a, b, 0);
}

static rv_status order_at(int *out, jinja_memory *memory, const jinja_value *a,
                          const jinja_value *b, int depth)
{
    if (depth > JINJA_LIMIT_NESTING) return too_deep(memory);
    RV_TRY(jinja_work(memory, a->kind == JINJA_STRING ? a->string.length : 0));
    if (jinja_is_number(a) && jinja_is_number(b)) {
        *out = compare_numbers(a, b);
        return RV_OK;
    }
    if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) {
        *out = compare_strings(a->string, b->string);
        return RV_OK;
    }
    bool lists = a->kind == JINJA_LIST && b->kind == JINJA_LIST &&
                 a->list->flavor == b->list->flavor && a->list->flavor <= FLAVOR_GROUP;
    if (!lists)
        return rv_fail(memory->err, RV_ERR_FORMAT, "%s and %s have no order",
                       jinja_kind_name(a), jinja_kind_name(b));
    for (size_t i = 0; i < a->list->count && i < b->list->count; i++) {
        bool equal;
        RV_TRY(equal_at(&equal, memory, &a->list->items[i], &b->list->items[i], depth + 1));
        if (!equal)
            return order_at(out, memory, &a->list->items[i], &b->list->items[i], depth + 1);
    }
    *out = (a->list->count > b->list->count) - (a->list->count < b->list->count);
    return RV_OK;
}

rv_status jinja_order(int *out, jinja_memory *memory, const jinja_value *a,
                      const jinja_value *b)
{
    return order_at(out, memory, a, b, 0);
}

const char *jinja_kind_name(const jinja_value *value)
{
    static const char *const names[] = {
        [JINJA_MISSING] = "nothing",     [JINJA_UNDEFINED] = "an undefined value",
        [JINJA_NONE] = "none",           [JINJA_BOOL] = "a truth value",
        [JINJA_INT] = "an integer",      [JINJA_FLOAT] = "a number",
        [JINJA_STRING] = "a string",     [JINJA_LIST] = "a list",
        [JINJA_DICT] = "a dictionary",   [JINJA_NAMESPACE] = "a namespace",
        [JINJA_FUNCTION] = "a function", [JINJA_MACRO] = "a macro",
        [JINJA_LOOP] = "a loop",         [JINJA_CYCLER] = "a cycler",
        [JINJA_JOINER] = "a joiner"};
    return names[value->kind];
}

rv_status jinja_wants(jinja_memory *memory, const char *name, const char *what,
                      const jinja_value *found)
{
    if (found->kind == JINJA_UNDEFINED)
        return rv_fail(memory->err, RV_ERR_FORMAT, "%s wants %s: \"%.*s\" is undefined", name,
                       what, (int)(found->string.length < 60 ? found->string.length : 60),
                       found->string.bytes);
    return rv_fail(memory->err, RV_ERR_FORMAT, "%s wants %s, found %s", name, what,
                   jinja_kind_name(found));
}
