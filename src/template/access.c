/* What is inside values: elements, attributes, items. */
#include <string.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

rv_status jinja_bind(jinja_run *run, jinja_value *out, const jinja_builtin *builtin,
                     const jinja_value *self)
{
    jinja_function *function;
    RV_TRY(JINJA_NEW(function, run->memory, 1));
    function->builtin = builtin;
    if (self) function->self = *self;
    *out = (jinja_value){.kind = JINJA_FUNCTION, .function = function};
    return RV_OK;
}

static rv_status chars_of(jinja_run *run, jinja_list *list, jinja_string s)
{
    for (size_t i = 0, n; i < s.length; i += n) {
        rv_char_at(s.bytes + i, &n);
        RV_TRY(
            jinja_push(run->memory, list, jinja_from_string((jinja_string){s.bytes + i, n})));
    }
    return RV_OK;
}

rv_status jinja_elements(jinja_run *run, const jinja_list **out, const jinja_value *value)
{
    jinja_value list;
    if (value->kind == JINJA_LIST && value->list->flavor != FLAVOR_GENERATOR) {
        *out = value->list;
        return RV_OK;
    }
    RV_TRY(jinja_new_list(&list, run->memory, FLAVOR_LIST));
    *out = list.list;
    switch (value->kind) {
    case JINJA_UNDEFINED:
        return RV_OK;
    case JINJA_LIST:
        *list.list = *value->list;
        list.list->flavor = FLAVOR_LIST;
        value->list->count = 0;
        value->list->capacity = 0;
        return RV_OK;
    case JINJA_DICT:
        for (size_t i = 0; i < value->dict->count; i++)
            RV_TRY(jinja_push(run->memory, list.list, value->dict->entries[i].key));
        return RV_OK;
    case JINJA_STRING:
        return chars_of(run, list.list, value->string);
    default:
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "%s has no elements",
                       jinja_kind_name(value));
    }
}

static rv_status loop_attribute(jinja_run *run, jinja_value *out, const jinja_value *object,
                                jinja_string name)
{
    const jinja_loop *loop = object->loop;
    int64_t i = (int64_t)loop->at, count = (int64_t)loop->items->count;
    const struct {
        const char *name;
        int64_t number;
    } numbers[] = {{"index", i + 1},
                   {"index0", i},
                   {"revindex", count - i},
                   {"revindex0", count - i - 1},
                   {"length", count},
                   {"depth", (int64_t)loop->depth + 1},
                   {"depth0", (int64_t)loop->depth}};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        if (!jinja_same(name, numbers[k].name)) continue;
        *out = jinja_int(numbers[k].number);
        return RV_OK;
    }
    if (jinja_same(name, "first") || jinja_same(name, "last"))
        *out = jinja_bool(*name.bytes == 'f' ? i == 0 : i == count - 1);
    else if (jinja_same(name, "previtem") && i > 0)
        *out = loop->items->items[i - 1];
    else if (jinja_same(name, "nextitem") && i + 1 < count)
        *out = loop->items->items[i + 1];
    else if (jinja_find(jinja_loop_methods, name))
        return jinja_bind(run, out, jinja_find(jinja_loop_methods, name), object);
    return RV_OK;
}

static rv_status cycler_attribute(jinja_run *run, jinja_value *out, const jinja_value *object,
                                  jinja_string name)
{
    const jinja_builtin *method = jinja_find(jinja_cycler_methods, name);
    if (method) return jinja_bind(run, out, method, object);
    if (jinja_same(name, "current")) *out = object->object->items->items[object->object->at];
    return RV_OK;
}

/* What changes an object that is not the template's own. */
static bool is_unsafe(const jinja_value *object, jinja_string name)
{
    static const char *const lists[] = {"append", "clear", "pop",    "reverse",
                                        "insert", "sort",  "extend", "remove"},
                             *const dicts[] = {"clear", "pop", "popitem", "setdefault",
                                               "update"};
    bool list = object->kind == JINJA_LIST && object->list->flavor == FLAVOR_LIST;
    if (!list && object->kind != JINJA_DICT) return false;
    for (size_t i = 0; i < (list ? 8 : 5); i++)
        if (jinja_same(name, list ? lists[i] : dicts[i])) return true;
    return false;
}

/* Methods of strings that Python has and nobody writes in a chat template. */
static rv_status refuse_method(jinja_run *run, jinja_string name)
{
    static const char *const names[] = {"encode", "format_map", "isprintable", "maketrans",
                                        "translate"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (jinja_same(name, names[i]))
            return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED,
                           "method \"%s\" of strings is not supported", names[i]);
    return RV_OK;
}

rv_status jinja_attribute(jinja_run *run, jinja_value *out, const jinja_value *object,
                          jinja_string name)
{
    const jinja_builtin *table = object->kind == JINJA_STRING ? jinja_string_methods
                                 : object->kind == JINJA_DICT ? jinja_dict_methods
                                 : jinja_is_sequence(object)  ? jinja_list_methods
                                                              : NULL;
    *out = jinja_undefined(name);
    if (object->kind == JINJA_UNDEFINED)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "\"%.*s\" is undefined",
                       (int)object->string.length, object->string.bytes);
    if (name.length && *name.bytes == '_') return RV_OK;
    const jinja_builtin *method = table ? jinja_find(table, name) : NULL;
    if (method) return jinja_bind(run, out, method, object);
    if (is_unsafe(object, name))
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "%.*s would change %s",
                       (int)name.length, name.bytes, jinja_kind_name(object));
    switch (object->kind) {
    case JINJA_STRING:
        return refuse_method(run, name);
    case JINJA_LOOP:
        return loop_attribute(run, out, object, name);
    case JINJA_CYCLER:
        return cycler_attribute(run, out, object, name);
    case JINJA_MACRO:
        if (jinja_same(name, "name")) *out = jinja_from_string(object->macro->node->text);
        return RV_OK;
    case JINJA_LIST:
        if (object->list->flavor == FLAVOR_GROUP && jinja_same(name, "grouper"))
            *out = object->list->items[0];
        if (object->list->flavor == FLAVOR_GROUP && jinja_same(name, "list"))
            *out = object->list->items[1];
        return RV_OK;
    default:
        return RV_OK;
    }
}

static rv_status index_of(jinja_run *run, jinja_value *out, const jinja_value *object,
                          int64_t index)
{
    jinja_string s = object->string;
    bool text = object->kind == JINJA_STRING;
    int64_t count = (int64_t)(text ? jinja_count_chars(s) : object->list->count);
    if (text) RV_TRY(jinja_work(run->memory, s.length));
    if (index < 0) index += count;
    if (index < 0 || index >= count) return RV_OK;
    if (!text) {
        *out = object->list->items[index];
        return RV_OK;
    }
    size_t at = 0, n;
    for (rv_char_at(s.bytes, &n); index > 0; index--, rv_char_at(s.bytes + at, &n)) at += n;
    *out = jinja_from_string((jinja_string){s.bytes + at, n});
    return RV_OK;
}

rv_status jinja_item(jinja_run *run, jinja_value *out, const jinja_value *object,
                     const jinja_value *key)
{
    if (object->kind == JINJA_UNDEFINED)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "\"%.*s\" is undefined",
                       (int)object->string.length, object->string.bytes);
    *out = jinja_undefined(key->kind == JINJA_STRING ? key->string : jinja_literal("element"));
    if (object->kind == JINJA_DICT || object->kind == JINJA_NAMESPACE) {
        const jinja_value *found;
        if (key->kind == JINJA_UNDEFINED) return RV_OK;
        RV_TRY(jinja_get(&found, run->memory, object->dict, key));
        if (found) {
            *out = *found;
            return RV_OK;
        }
    }
    if (key->kind == JINJA_STRING) return jinja_attribute(run, out, object, key->string);
    bool indexed = object->kind == JINJA_STRING || jinja_is_sequence(object);
    if (!indexed || (key->kind != JINJA_INT && key->kind != JINJA_BOOL)) return RV_OK;
    return index_of(run, out, object, key->kind == JINJA_INT ? key->integer : key->boolean);
}

/* object.name: a method or the like; then, where there is none, object["name"]. */
rv_status jinja_member(jinja_run *run, jinja_value *out, const jinja_value *object,
                       jinja_string name)
{
    RV_TRY(jinja_attribute(run, out, object, name));
    if (out->kind != JINJA_UNDEFINED) return RV_OK;
    if (object->kind != JINJA_DICT && object->kind != JINJA_NAMESPACE) return RV_OK;
    if (name.length && *name.bytes == '_' && object->kind == JINJA_NAMESPACE) return RV_OK;
    const jinja_value key = jinja_from_string(name), *found;
    RV_TRY(jinja_get(&found, run->memory, object->dict, &key));
    *out = found ? *found : jinja_undefined(name);
    return RV_OK;
}
