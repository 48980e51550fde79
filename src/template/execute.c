/* Statements of chat templates. */
#include <string.h>

#include "template/run.h"

enum { LIMIT_OUTPUT = 16 * 1024 * 1024 };

rv_status jinja_collect(jinja_run *run, jinja_value *out, const jinja_node *statements)
{
    rv_text text = {0}, *outer = run->out;
    run->out = &text;
    rv_status status = jinja_execute(run, statements);
    run->out = outer;
    return jinja_take(out, run->memory, &text, status);
}

/* Gives the names of a target their values. */
rv_status jinja_assign(jinja_run *run, const jinja_node *target, const jinja_value *value)
{
    jinja_value object;
    if (target->kind == NODE_NAME) return jinja_define(run, target->text, *value);
    if (target->kind == NODE_MEMBER) {
        RV_TRY(jinja_evaluate(run, &object, target->first));
        if (object.kind != JINJA_NAMESPACE)
            return jinja_wants(run->memory, "set", "a namespace before the dot", &object);
        if (target->text.length && *target->text.bytes == '_')
            return rv_fail(run->memory->err, RV_ERR_FORMAT,
                           "a namespace has no names with a _ in front");
        return jinja_set(run->memory, object.dict, jinja_from_string(target->text), *value);
    }
    const jinja_list *items;
    size_t count = 0, i = 0;
    RV_TRY(jinja_elements(run, &items, value));
    for (const jinja_node *child = target->children; child; child = child->next) count++;
    if (items->count != count)
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "expected %zu values for as many names, found %zu", count, items->count);
    for (const jinja_node *child = target->children; child; child = child->next)
        RV_TRY(jinja_assign(run, child, &items->items[i++]));
    return RV_OK;
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* The elements that pass the loop's condition. */
static rv_status select_items(jinja_run *run, const jinja_list **items, const jinja_node *node,
                              jinja_scope *outer)
{
    jinja_value kept;
    if (!node->third) return RV_OK;
    RV_TRY(jinja_new_list(&kept, run->memory, FLAVOR_LIST));
    for (size_t i = 0; i < (*items)->count; i++) {
        jinja_value condition;
        RV_TRY(jinja_push_scope(run, outer));
        RV_TRY(jinja_assign(run, node->first, &(*items)->items[i]));
        RV_TRY(jinja_evaluate(run, &condition, node->third));
        if (jinja_truth(&condition))
            RV_TRY(jinja_push(run->memory, kept.list, (*items)->items[i]));
    }
    *items = kept.list;
    return RV_OK;
}

rv_status jinja_run_loop(jinja_run *run, const jinja_node *node, jinja_scope *outer,
                         const jinja_value *over, size_t depth)
{
    jinja_scope *before = run->scope;
    const jinja_list *items;
    jinja_loop *loop;
    RV_TRY(jinja_elements(run, &items, over));
    RV_TRY(select_items(run, &items, node, outer));
    RV_TRY(JINJA_NEW(loop, run->memory, 1));
    *loop = (jinja_loop){.node = node, .outer = outer, .items = items, .depth = depth};
    for (; loop->at < items->count && run->state != RUN_BREAK; loop->at++) {
        RV_TRY(jinja_push_scope(run, outer));
        RV_TRY(jinja_define(run, jinja_literal("loop"),
                            (jinja_value){.kind = JINJA_LOOP, .loop = loop}));
        RV_TRY(jinja_assign(run, node->first, &items->items[loop->at]));
        RV_TRY(jinja_execute(run, node->children));
        if (run->state == RUN_CONTINUE) run->state = RUN_ON;
    }
    run->state = RUN_ON;
    if (items->count == 0) {
        RV_TRY(jinja_push_scope(run, outer));
        RV_TRY(jinja_execute(run, node->other));
    }
    run->scope = before;
    return RV_OK;
}

/* ---- the others ------------------------------------------------------------------------------ */

static rv_status output(jinja_run *run, const jinja_node *node)
{
    jinja_value value;
    RV_TRY(jinja_evaluate(run, &value, node->first));
    RV_TRY(jinja_print(run->out, run->memory, &value));
    if (run->out->length > LIMIT_OUTPUT)
        return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "it prints more than %d bytes",
                       LIMIT_OUTPUT);
    return RV_OK;
}

static rv_status choose(jinja_run *run, const jinja_node *node)
{
    for (;;) {
        jinja_value condition;
        RV_TRY(jinja_work(run->memory, 0));
        RV_TRY(jinja_evaluate(run, &condition, node->first));
        if (jinja_truth(&condition)) return jinja_execute(run, node->children);
        const jinja_node *other = node->other;
        bool elif = other && other->kind == NODE_IF && !other->next;
        if (!elif) return jinja_execute(run, other);
        node = other;
    }
}

/* What the children print, put through filters (NULL: none). */
static rv_status collect_filtered(jinja_run *run, jinja_value *out, const jinja_node *node,
                                  const jinja_node *filters)
{
    jinja_scope *scope = run->scope;
    RV_TRY(jinja_push_scope(run, scope));
    RV_TRY(jinja_collect(run, out, node->children));
    run->scope = scope;
    if (!filters) return RV_OK;
    jinja_value before = run->input;
    run->input = *out;
    RV_TRY(jinja_evaluate(run, out, filters));
    run->input = before;
    return RV_OK;
}

static rv_status set(jinja_run *run, const jinja_node *node)
{
    jinja_value value;
    if (node->text.length)
        RV_TRY(collect_filtered(run, &value, node, node->second));
    else
        RV_TRY(jinja_evaluate(run, &value, node->second));
    return jinja_assign(run, node->first, &value);
}

static rv_status make_macro(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_macro *macro;
    RV_TRY(JINJA_NEW(macro, run->memory, 1));
    *macro = (jinja_macro){node, run->scope};
    *out = (jinja_value){.kind = JINJA_MACRO, .macro = macro};
    return RV_OK;
}

static rv_status call_block(jinja_run *run, const jinja_node *node)
{
    jinja_value callee, caller, printed;
    jinja_arguments arguments;
    RV_TRY(jinja_evaluate(run, &callee, node->first->first));
    RV_TRY(jinja_run_arguments(run, &arguments, node->first->children));
    RV_TRY(make_macro(run, &caller, node->second));
    RV_TRY(jinja_set_name(run->memory, &arguments.named, jinja_literal("caller"), caller));
    RV_TRY(jinja_call_value(run, &printed, &callee, &arguments));
    return jinja_print(run->out, run->memory, &printed);
}

static rv_status group(jinja_run *run, const jinja_node *node)
{
    jinja_scope *scope = run->scope;
    RV_TRY(jinja_push_scope(run, node->text.length ? run->global : scope));
    jinja_scope *inner = run->scope;
    for (const jinja_node *each = node->other; each; each = each->next) {
        jinja_value value; // every value of {% with %} is computed outside of it
        run->scope = scope;
        RV_TRY(jinja_evaluate(run, &value, each->second));
        run->scope = inner;
        RV_TRY(jinja_assign(run, each->first, &value));
    }
    RV_TRY(jinja_execute(run, node->children));
    run->scope = scope;
    return RV_OK;
}

static rv_status execute_one(jinja_run *run, const jinja_node *node)
{
    jinja_value value;
    switch (node->kind) {
    case NODE_OUTPUT:
        return output(run, node);
    case NODE_IF:
        return choose(run, node);
    case NODE_FOR:
        RV_TRY(jinja_evaluate(run, &value, node->second));
        return jinja_run_loop(run, node, run->scope, &value, 0);
    case NODE_SET:
        return set(run, node);
    case NODE_MACRO:
        RV_TRY(make_macro(run, &value, node));
        return jinja_define(run, node->text, value);
    case NODE_CALL_BLOCK:
        return call_block(run, node);
    case NODE_FILTER_BLOCK:
        RV_TRY(collect_filtered(run, &value, node, node->first));
        return jinja_print(run->out, run->memory, &value);
    case NODE_WITH:
    case NODE_GROUP:
        return group(run, node);
    case NODE_BREAK:
        run->state = RUN_BREAK;
        return RV_OK;
    default:
        run->state = RUN_CONTINUE;
        return RV_OK;
    }
}

rv_status jinja_execute(jinja_run *run, const jinja_node *statements)
{
    RV_TRY(jinja_enter(run));
    for (; statements && run->state == RUN_ON; statements = statements->next) {
        RV_TRY(jinja_work(run->memory, 0));
        RV_TRY(execute_one(run, statements));
    }
    run->depth--;
    return RV_OK;
}

rv_status jinja_render(rv_text *out, jinja_memory *memory, const jinja_node *statements,
                       const jinja_dict *globals)
{
    jinja_run run = {.memory = memory, .out = out};
    RV_TRY(jinja_push_scope(&run, NULL));
    run.global = run.scope;
    run.scope->names = *globals;
    return jinja_execute(&run, statements);
}
