/* Expressions of chat templates. */
#include <stdio.h>
#include <string.h>

#include "template/run.h"

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
    if (builtin) return jinja_bind(run, out, builtin, NULL);
    *out = jinja_undefined(name);
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
        return jinja_member(run, out, &object, node->text);
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
