/* Expressions of chat templates. */
#include <stdio.h>
#include <string.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

enum { LIMIT_DEPTH = 150 };

rv_status jinja_enter(jinja_run *run)
{
    return ++run->depth <= LIMIT_DEPTH
               ? RV_OK
               : rv_fail(run->memory->err, RV_ERR_UNSUPPORTED,
                         "it is nested more than %d levels deep", LIMIT_DEPTH);
}

/* ---- names ----------------------------------------------------------------------------------- */

rv_status jinja_push_scope(jinja_run *run, jinja_scope *outer)
{
    jinja_scope *scope;
    RV_TRY(JINJA_NEW(scope, run->memory, 1));
    scope->outer = outer;
    run->scope = scope;
    return RV_OK;
}

rv_status jinja_define(jinja_run *run, jinja_string name, jinja_value value)
{
    RV_TRY(jinja_work(run->memory, 32 * run->scope->names.count));
    return jinja_set_name(run->memory, &run->scope->names, name, value);
}

const jinja_builtin *jinja_find(const jinja_builtin *table, jinja_string name)
{
    for (; table->name; table++)
        if (jinja_same(name, table->name)) return table;
    return NULL;
}

static rv_status make_function(jinja_run *run, jinja_value *out, const jinja_builtin *builtin,
                               const jinja_value *self)
{
    jinja_function *function;
    RV_TRY(JINJA_NEW(function, run->memory, 1));
    function->builtin = builtin;
    if (self) function->self = *self;
    *out = (jinja_value){.kind = JINJA_FUNCTION, .function = function};
    return RV_OK;
}

static rv_status look_up(jinja_run *run, jinja_value *out, jinja_string name)
{
    for (const jinja_scope *scope = run->scope; scope; scope = scope->outer) {
        RV_TRY(jinja_work(run->memory, 32 * scope->names.count));
        const jinja_value *value = jinja_get_name(&scope->names, name);
        if (!value) continue;
        *out = *value;
        return RV_OK;
    }
    const jinja_builtin *builtin = jinja_find(jinja_globals, name);
    if (builtin) return make_function(run, out, builtin, NULL);
    *out = jinja_undefined(name);
    return RV_OK;
}

/* ---- members and elements -------------------------------------------------------------------- */

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
        return make_function(run, out, jinja_find(jinja_loop_methods, name), object);
    return RV_OK;
}

static rv_status cycler_attribute(jinja_run *run, jinja_value *out, const jinja_value *object,
                                  jinja_string name)
{
    const jinja_builtin *method = jinja_find(jinja_cycler_methods, name);
    if (method) return make_function(run, out, method, object);
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
    if (method) return make_function(run, out, method, object);
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
static rv_status member(jinja_run *run, jinja_value *out, const jinja_value *object,
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

/* ---- calls ----------------------------------------------------------------------------------- */

static rv_status spread(jinja_run *run, jinja_arguments *out, const jinja_value *value,
                        bool named)
{
    if (!named) {
        const jinja_list *items;
        RV_TRY(jinja_elements(run, &items, value));
        for (size_t i = 0; i < items->count; i++)
            RV_TRY(jinja_push(run->memory, &out->positional, items->items[i]));
        return RV_OK;
    }
    if (value->kind != JINJA_DICT) return jinja_wants(run->memory, "**", "a dictionary", value);
    for (size_t i = 0; i < value->dict->count; i++) {
        const jinja_entry *e = &value->dict->entries[i];
        if (e->key.kind != JINJA_STRING)
            return jinja_wants(run->memory, "**", "strings as keys", &e->key);
        RV_TRY(jinja_set_name(run->memory, &out->named, e->key.string, e->value));
    }
    return RV_OK;
}

rv_status jinja_run_arguments(jinja_run *run, jinja_arguments *out, const jinja_node *items)
{
    *out = (jinja_arguments){0};
    for (; items; items = items->next) {
        jinja_value value;
        bool named = items->kind == NODE_ARGUMENT;
        RV_TRY(jinja_evaluate(run, &value, named ? items->first : items));
        if (!named)
            RV_TRY(jinja_push(run->memory, &out->positional, value));
        else if (*items->text.bytes == '*')
            RV_TRY(spread(run, out, &value, items->text.length == 2));
        else
            RV_TRY(jinja_set_name(run->memory, &out->named, items->text, value));
    }
    return RV_OK;
}

/* Where the next name of a signature ends; false behind the last. */
static bool next_name(const char **signature, jinja_string *name, bool *optional)
{
    while (**signature == ' ') ++*signature;
    name->bytes = *signature;
    name->length = strcspn(*signature, " ?");
    *signature += name->length;
    *optional = **signature == '?';
    *signature += *optional;
    return name->length > 0;
}

rv_status jinja_invoke(jinja_run *run, jinja_value *out, const jinja_builtin *builtin,
                       const jinja_value *self, const jinja_arguments *arguments)
{
    jinja_call call = {.builtin = builtin, .self = self, .arguments = arguments};
    RV_TRY(jinja_work(run->memory, 0));
    const char *signature = builtin->signature;
    size_t place = 0, named = 0;
    jinja_string name;
    bool optional;
    for (; signature && next_name(&signature, &name, &optional); place++) {
        const jinja_value *given = jinja_get_name(&arguments->named, name);
        named += given != NULL;
        if (place < arguments->positional.count) given = &arguments->positional.items[place];
        if (given)
            call.argv[place] = *given;
        else if (!optional)
            return rv_fail(run->memory->err, RV_ERR_FORMAT, "%s wants %.*s", builtin->name,
                           (int)name.length, name.bytes);
    }
    if (signature && (arguments->positional.count > place || named < arguments->named.count))
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "%s: expected at most the arguments (%s), found others", builtin->name,
                       builtin->signature);
    return builtin->call(run, out, &call);
}

/* Gives a macro's parameters their values. */
static rv_status bind_macro(jinja_run *run, const jinja_node *node,
                            const jinja_arguments *arguments)
{
    size_t index = 0, used = 0;
    jinja_value rest, named;
    int64_t names = node->value.integer;
    RV_TRY(jinja_new_list(&rest, run->memory, FLAVOR_TUPLE));
    RV_TRY(jinja_new_dict(&named, run->memory));
    for (const jinja_node *p = node->other; p; p = p->next, index++) {
        const jinja_value *given = jinja_get_name(&arguments->named, p->text);
        used += given != NULL;
        if (index < arguments->positional.count) given = &arguments->positional.items[index];
        jinja_value value = given ? *given : jinja_undefined(p->text);
        if (!given && p->first) RV_TRY(jinja_evaluate(run, &value, p->first));
        RV_TRY(jinja_define(run, p->text, value));
    }
    for (size_t i = index; i < arguments->positional.count; i++)
        RV_TRY(jinja_push(run->memory, rest.list, arguments->positional.items[i]));
    for (size_t i = 0; used < arguments->named.count && i < arguments->named.count; i++) {
        const jinja_entry *e = &arguments->named.entries[i];
        bool parameter = false, caller = jinja_same(e->key.string, "caller");
        for (const jinja_node *p = node->other; p; p = p->next)
            parameter |= jinja_equal_strings(p->text, e->key.string);
        if (parameter) continue;
        if (caller && names & JINJA_USES_CALLER)
            RV_TRY(jinja_define(run, e->key.string, e->value));
        else
            RV_TRY(jinja_set_name(run->memory, named.dict, e->key.string, e->value));
    }
    if ((rest.list->count && !(names & JINJA_USES_VARARGS)) ||
        (named.dict->count && !(names & JINJA_USES_KWARGS)))
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "macro %.*s takes %zu arguments, found others", (int)node->text.length,
                       node->text.bytes, index);
    if (names & JINJA_USES_VARARGS) RV_TRY(jinja_define(run, jinja_literal("varargs"), rest));
    if (names & JINJA_USES_KWARGS) RV_TRY(jinja_define(run, jinja_literal("kwargs"), named));
    if (names & JINJA_USES_CALLER &&
        !jinja_get_name(&run->scope->names, jinja_literal("caller")))
        RV_TRY(jinja_define(run, jinja_literal("caller"),
                            jinja_undefined(jinja_literal("caller"))));
    return RV_OK;
}

static rv_status call_macro(jinja_run *run, jinja_value *out, const jinja_macro *macro,
                            const jinja_arguments *arguments)
{
    jinja_scope *caller = run->scope;
    RV_TRY(jinja_push_scope(run, macro->scope));
    RV_TRY(bind_macro(run, macro->node, arguments));
    RV_TRY(jinja_collect(run, out, macro->node->children));
    run->scope = caller;
    return RV_OK;
}

/* loop(items) of a recursive loop: what the rounds print. */
static rv_status call_loop(jinja_run *run, jinja_value *out, const jinja_loop *loop,
                           const jinja_arguments *arguments)
{
    if (!loop->node->text.length || arguments->positional.count != 1)
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "loop(...) wants one argument, and a loop that is recursive");
    rv_text text = {0}, *outer = run->out;
    jinja_scope *scope = run->scope;
    run->out = &text;
    rv_status status = jinja_run_loop(run, loop->node, loop->outer,
                                      &arguments->positional.items[0], loop->depth + 1);
    run->out = outer;
    run->scope = scope;
    return jinja_take(out, run->memory, &text, status);
}

rv_status jinja_call_value(jinja_run *run, jinja_value *out, const jinja_value *callee,
                           const jinja_arguments *arguments)
{
    switch (callee->kind) {
    case JINJA_FUNCTION:
        return jinja_invoke(run, out, callee->function->builtin, &callee->function->self,
                            arguments);
    case JINJA_MACRO:
        return call_macro(run, out, callee->macro, arguments);
    case JINJA_LOOP:
        return call_loop(run, out, callee->loop, arguments);
    case JINJA_JOINER:
        *out = callee->object->at ? callee->object->items->items[0] : jinja_text("");
        callee->object->at = 1;
        return RV_OK;
    default:
        return jinja_wants(run->memory, "a call", "a function", callee);
    }
}

rv_status jinja_apply_filter(jinja_run *run, jinja_value *out, jinja_string name,
                             const jinja_value *input, const jinja_arguments *arguments)
{
    const jinja_builtin *filter = jinja_find(jinja_filters, name);
    if (!filter) filter = jinja_find(jinja_sequence_filters, name);
    if (!filter)
        return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "filter \"%.*s\" is not supported",
                       (int)(name.length < 40 ? name.length : 40), name.bytes);
    return jinja_invoke(run, out, filter, input, arguments);
}

rv_status jinja_apply_test(jinja_run *run, bool *out, jinja_string name,
                           const jinja_value *input, const jinja_arguments *arguments)
{
    const jinja_builtin *test = jinja_find(jinja_tests, name);
    jinja_value value;
    if (!test)
        return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "test \"%.*s\" is not supported",
                       (int)(name.length < 40 ? name.length : 40), name.bytes);
    RV_TRY(jinja_invoke(run, &value, test, input, arguments));
    *out = jinja_truth(&value);
    return RV_OK;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static rv_status evaluate_list(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    RV_TRY(jinja_new_list(out, run->memory,
                          node->kind == NODE_TUPLE ? FLAVOR_TUPLE : FLAVOR_LIST));
    for (const jinja_node *child = node->children; child; child = child->next) {
        jinja_value item;
        RV_TRY(jinja_evaluate(run, &item, child));
        RV_TRY(jinja_push(run->memory, out->list, item));
    }
    return RV_OK;
}

static rv_status evaluate_dict(jinja_run *run, jinja_value *out, const jinja_node *items)
{
    RV_TRY(jinja_new_dict(out, run->memory));
    for (; items; items = items->next->next) {
        jinja_value key, value;
        RV_TRY(jinja_evaluate(run, &key, items));
        RV_TRY(jinja_evaluate(run, &value, items->next));
        RV_TRY(jinja_set(run->memory, out->dict, key, value));
    }
    return RV_OK;
}

static rv_status evaluate_item(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value object, key, bounds[3];
    RV_TRY(jinja_evaluate(run, &object, node->first));
    if (node->second->kind != NODE_SLICE) {
        RV_TRY(jinja_evaluate(run, &key, node->second));
        return jinja_item(run, out, &object, &key);
    }
    const jinja_node *parts[] = {node->second->second, node->second->third,
                                 node->second->fourth};
    for (size_t i = 0; i < 3; i++) {
        bounds[i] = jinja_none();
        if (parts[i]) RV_TRY(jinja_evaluate(run, &bounds[i], parts[i]));
    }
    return jinja_slice(run, out, &object, bounds);
}

static rv_status evaluate_call(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_arguments arguments;
    jinja_value callee;
    RV_TRY(jinja_evaluate(run, &callee, node->first));
    RV_TRY(jinja_run_arguments(run, &arguments, node->children));
    return jinja_call_value(run, out, &callee, &arguments);
}

static rv_status evaluate_applied(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value input;
    jinja_arguments arguments;
    RV_TRY(jinja_evaluate(run, &input, node->first));
    RV_TRY(jinja_run_arguments(run, &arguments, node->children));
    if (node->kind == NODE_FILTER)
        return jinja_apply_filter(run, out, node->text, &input, &arguments);
    bool holds;
    RV_TRY(jinja_apply_test(run, &holds, node->text, &input, &arguments));
    *out = jinja_bool(holds);
    return RV_OK;
}

static rv_status evaluate_binary(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value a, b;
    RV_TRY(jinja_evaluate(run, &a, node->first));
    RV_TRY(jinja_evaluate(run, &b, node->second));
    return jinja_binary(run, out, node->text, &a, &b);
}

/* a < b < c: each pair, up to the first that does not hold. */
static rv_status evaluate_compare(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value left, right;
    bool holds = true;
    RV_TRY(jinja_evaluate(run, &left, node->first));
    for (const jinja_node *part = node->children; part && holds; part = part->next) {
        RV_TRY(jinja_evaluate(run, &right, part->first));
        RV_TRY(jinja_compare(run, &holds, part->text, &left, &right));
        left = right;
    }
    *out = jinja_bool(holds);
    return RV_OK;
}

static rv_status evaluate_concat(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value parts;
    RV_TRY(evaluate_list(run, &parts, node));
    for (size_t i = 0; i < parts.list->count; i++)
        parts.list->items[i].markup = false; // "~" escapes nothing, "+" does
    return jinja_concat(run, out, parts.list->items, parts.list->count);
}

static rv_status evaluate_choice(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value condition;
    RV_TRY(jinja_evaluate(run, &condition, node->second));
    if (jinja_truth(&condition)) return jinja_evaluate(run, out, node->first);
    if (node->third) return jinja_evaluate(run, out, node->third);
    *out = jinja_undefined(jinja_literal("else"));
    return RV_OK;
}

static rv_status evaluate_logic(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    RV_TRY(jinja_evaluate(run, out, node->first));
    switch (node->kind) {
    case NODE_NOT:
        *out = jinja_bool(!jinja_truth(out));
        return RV_OK;
    case NODE_NEGATIVE:
        return jinja_negate(run, out, out);
    case NODE_POSITIVE:
        if (!jinja_is_number(out)) return jinja_wants(run->memory, "+", "a number", out);
        if (out->kind == JINJA_BOOL) *out = jinja_int(out->boolean);
        return RV_OK;
    default:
        return jinja_truth(out) == (node->kind == NODE_AND)
                   ? jinja_evaluate(run, out, node->second)
                   : RV_OK;
    }
}

static rv_status evaluate_inner(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value object;
    switch (node->kind) {
    case NODE_LITERAL:
        *out = node->value;
        return RV_OK;
    case NODE_NAME:
        return look_up(run, out, node->text);
    case NODE_LIST:
    case NODE_TUPLE:
        return evaluate_list(run, out, node);
    case NODE_DICT:
        return evaluate_dict(run, out, node->children);
    case NODE_MEMBER:
        RV_TRY(jinja_evaluate(run, &object, node->first));
        return member(run, out, &object, node->text);
    case NODE_ITEM:
        return evaluate_item(run, out, node);
    case NODE_CALL:
        return evaluate_call(run, out, node);
    case NODE_FILTER:
    case NODE_TEST:
        return evaluate_applied(run, out, node);
    case NODE_BINARY:
        return evaluate_binary(run, out, node);
    case NODE_COMPARE:
        return evaluate_compare(run, out, node);
    case NODE_CONCAT:
        return evaluate_concat(run, out, node);
    case NODE_CHOICE:
        return evaluate_choice(run, out, node);
    case NODE_INPUT:
        *out = run->input;
        return RV_OK;
    case NODE_NOT:
    case NODE_NEGATIVE:
    case NODE_POSITIVE:
    case NODE_AND:
    case NODE_OR:
        return evaluate_logic(run, out, node);
    default:
        *out = jinja_undefined(jinja_literal("slice")); // a slice among several indices
        return RV_OK;
    }
}

rv_status jinja_evaluate(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    RV_TRY(jinja_work(run->memory, 0));
    RV_TRY(jinja_enter(run));
    RV_TRY(evaluate_inner(run, out, node));
    run->depth--;
    return RV_OK;
}
