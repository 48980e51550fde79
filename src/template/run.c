#include "template/run.h"

#include <string.h>

enum { LIMIT_STEPS = 1000000, LIMIT_DEPTH = 60 };
enum { LIMIT_OUTPUT = 16 * 1024 * 1024 };

static rv_status evaluate(jinja_run *run, jinja_value *out, const jinja_node *node);
static rv_status execute(jinja_run *run, const jinja_node *statements);

const jinja_value *jinja_argument(const jinja_arguments *arguments, size_t index,
                                  const char *name)
{
    if (index < arguments->positional.count) return &arguments->positional.items[index];
    return name ? jinja_get(&arguments->named, jinja_literal(name)) : NULL;
}

static rv_status step(jinja_run *run)
{
    return ++run->steps <= LIMIT_STEPS
               ? RV_OK
               : rv_fail(run->err, RV_ERR_UNSUPPORTED, "it does not end within %d steps",
                         LIMIT_STEPS);
}

static rv_status enter(jinja_run *run)
{
    return ++run->depth <= LIMIT_DEPTH
               ? RV_OK
               : rv_fail(run->err, RV_ERR_UNSUPPORTED, "it is nested more than %d levels deep",
                         LIMIT_DEPTH);
}

static rv_status wrong_kind(jinja_run *run, const char *what, const jinja_value *value)
{
    if (value->kind == JINJA_UNDEFINED)
        return rv_fail(run->err, RV_ERR_FORMAT, "%s: \"%.*s\" is undefined", what,
                       (int)value->string.length, value->string.bytes);
    return rv_fail(run->err, RV_ERR_FORMAT, "%s: found %s", what, jinja_kind_name(value->kind));
}

/* ---- names ---------------------------------------------------------------------------------- */

static rv_status push_scope(jinja_run *run, jinja_scope *outer)
{
    jinja_scope *scope;
    RV_TRY(JINJA_NEW(scope, run->memory, 1, run->err));
    scope->outer = outer;
    run->scope = scope;
    return RV_OK;
}

static rv_status define(jinja_run *run, jinja_string name, jinja_value value)
{
    return jinja_set(run->memory, &run->scope->names, name, value, run->err);
}

static jinja_value look_up(const jinja_run *run, jinja_string name)
{
    for (const jinja_scope *scope = run->scope; scope; scope = scope->outer) {
        const jinja_value *value = jinja_get(&scope->names, name);
        if (value) return *value;
    }
    int builtin = jinja_find_builtin(name);
    if (builtin >= 0) return (jinja_value){JINJA_BUILTIN, {.builtin = builtin}};
    return jinja_undefined(name);
}

/* ---- expressions ---------------------------------------------------------------------------- */

static rv_status evaluate_list(jinja_run *run, jinja_value *out, const jinja_node *items)
{
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    for (; items; items = items->next) {
        jinja_value item;
        RV_TRY(evaluate(run, &item, items));
        RV_TRY(jinja_push(run->memory, out->list, item, run->err));
    }
    return RV_OK;
}

static rv_status evaluate_dict(jinja_run *run, jinja_value *out, const jinja_node *items)
{
    RV_TRY(jinja_new_dict(out, run->memory, run->err));
    for (; items; items = items->next->next) {
        jinja_value key, value;
        RV_TRY(evaluate(run, &key, items));
        RV_TRY(evaluate(run, &value, items->next));
        if (key.kind != JINJA_STRING) return wrong_kind(run, "a key must be a string", &key);
        RV_TRY(jinja_set(run->memory, out->dict, key.string, value, run->err));
    }
    return RV_OK;
}

static rv_status evaluate_arguments(jinja_run *run, jinja_arguments *out,
                                    const jinja_node *items)
{
    *out = (jinja_arguments){0};
    for (; items; items = items->next) {
        jinja_value value;
        bool named = items->kind == NODE_ARGUMENT;
        RV_TRY(evaluate(run, &value, named ? items->first : items));
        RV_TRY(named ? jinja_set(run->memory, &out->named, items->text, value, run->err)
                     : jinja_push(run->memory, &out->positional, value, run->err));
    }
    return RV_OK;
}

static rv_status evaluate_member(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value object, key;
    RV_TRY(evaluate(run, &object, node->first));
    if (node->second)
        RV_TRY(evaluate(run, &key, node->second));
    else
        key = jinja_from_string(node->text);
    return jinja_member(run, out, &object, &key);
}

/* A bound of a slice; *present is false for one that is left out or none. */
static rv_status evaluate_bound(jinja_run *run, int64_t *out, bool *present,
                                const jinja_node *node)
{
    jinja_value value;
    *present = false;
    if (!node) return RV_OK;
    RV_TRY(evaluate(run, &value, node));
    if (value.kind == JINJA_NONE) return RV_OK;
    if (value.kind != JINJA_INT) return wrong_kind(run, "a slice wants integers", &value);
    *out = value.integer;
    *present = true;
    return RV_OK;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static rv_status evaluate_slice(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value object;
    int64_t start, stop, step_size = 1;
    bool has_start, has_stop, has_step;
    jinja_list *items;
    RV_TRY(evaluate(run, &object, node->first));
    RV_TRY(evaluate_bound(run, &start, &has_start, node->second));
    RV_TRY(evaluate_bound(run, &stop, &has_stop, node->third));
    RV_TRY(evaluate_bound(run, &step_size, &has_step, node->fourth));
    if (step_size == 0 || step_size == INT64_MIN)
        return rv_fail(run->err, RV_ERR_FORMAT, "the step of a slice is 0");
    if (object.kind != JINJA_LIST && object.kind != JINJA_STRING)
        return wrong_kind(run, "only strings and lists can be sliced", &object);
    RV_TRY(jinja_elements(run, &items, &object));
    int64_t n = (int64_t)items->count, low = step_size < 0 ? -1 : 0,
            high = step_size < 0 ? n - 1 : n;
    start = !has_start ? (step_size < 0 ? high : low)
                       : clamp(start < 0 ? start + n : start, low, high);
    stop =
        !has_stop ? (step_size < 0 ? low : high) : clamp(stop < 0 ? stop + n : stop, low, high);
    jinja_value list;
    RV_TRY(jinja_new_list(&list, run->memory, run->err));
    for (int64_t i = start; step_size < 0 ? i > stop : i < stop;) {
        RV_TRY(jinja_push(run->memory, list.list, items->items[i], run->err));
        if (__builtin_add_overflow(i, step_size, &i)) break;
    }
    *out = list;
    if (object.kind == JINJA_LIST) return RV_OK;
    rv_text text = {0};
    for (size_t i = 0; i < list.list->count; i++)
        rv_text_append(&text, list.list->items[i].string.bytes,
                       list.list->items[i].string.length);
    rv_status status = text.failed
                           ? rv_fail_memory(run->err, text.length)
                           : jinja_copy(out, run->memory, text.bytes, text.length, run->err);
    rv_text_release(&text);
    return status;
}

/* Runs statements with what they print collected in a string. */
static rv_status collect(jinja_run *run, jinja_value *out, const jinja_node *statements)
{
    rv_text text = {0}, *outer = run->out;
    run->out = &text;
    rv_status status = execute(run, statements);
    run->out = outer;
    if (status == RV_OK && text.failed) status = rv_fail_memory(run->err, text.length);
    if (status == RV_OK)
        status = jinja_copy(out, run->memory, text.bytes, text.length, run->err);
    rv_text_release(&text);
    return status;
}

static rv_status call_macro(jinja_run *run, jinja_value *out, const jinja_macro *macro,
                            const jinja_arguments *arguments)
{
    jinja_scope *caller = run->scope;
    size_t index = 0;
    RV_TRY(push_scope(run, macro->scope));
    for (const jinja_node *p = macro->node->other; p; p = p->next, index++) {
        const jinja_value *given = index < arguments->positional.count
                                       ? &arguments->positional.items[index]
                                       : jinja_get(&arguments->named, p->text);
        jinja_value value = given ? *given : jinja_undefined(p->text);
        if (!given && p->first) RV_TRY(evaluate(run, &value, p->first));
        RV_TRY(define(run, p->text, value));
    }
    if (arguments->positional.count > index)
        return rv_fail(run->err, RV_ERR_FORMAT, "macro %.*s takes %zu arguments, not %zu",
                       (int)macro->node->text.length, macro->node->text.bytes, index,
                       arguments->positional.count);
    RV_TRY(collect(run, out, macro->node->children));
    run->scope = caller;
    return RV_OK;
}

static rv_status evaluate_call(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_arguments arguments;
    jinja_value object, callee;
    const jinja_node *target = node->first;
    if (target->kind == NODE_MEMBER && !target->second) {
        RV_TRY(evaluate(run, &object, target->first));
        const jinja_value *own =
            object.kind == JINJA_DICT ? jinja_get(object.dict, target->text) : NULL;
        if (!own || object.dict->is_namespace) {
            RV_TRY(evaluate_arguments(run, &arguments, node->children));
            return jinja_call_method(run, out, &object, target->text, &arguments);
        }
        callee = *own;
    } else {
        RV_TRY(evaluate(run, &callee, target));
    }
    RV_TRY(evaluate_arguments(run, &arguments, node->children));
    if (callee.kind == JINJA_BUILTIN)
        return jinja_call_builtin(run, out, callee.builtin, &arguments);
    if (callee.kind == JINJA_MACRO) return call_macro(run, out, callee.macro, &arguments);
    return wrong_kind(run, "this cannot be called", &callee);
}

static rv_status contains(jinja_run *run, bool *out, const jinja_value *item,
                          const jinja_value *container)
{
    *out = false;
    switch (container->kind) {
    case JINJA_UNDEFINED:
        return RV_OK;
    case JINJA_STRING:
        if (item->kind != JINJA_STRING)
            return wrong_kind(run, "\"in\" a string wants a string", item);
        *out = item->string.length == 0 ||
               memmem(container->string.bytes, container->string.length, item->string.bytes,
                      item->string.length);
        return RV_OK;
    case JINJA_LIST:
        for (size_t i = 0; i < container->list->count && !*out; i++)
            *out = jinja_equal(item, &container->list->items[i]);
        return RV_OK;
    case JINJA_DICT:
        *out = item->kind == JINJA_STRING && jinja_get(container->dict, item->string);
        return RV_OK;
    default:
        return wrong_kind(run, "\"in\" wants something with elements", container);
    }
}

static rv_status join(jinja_run *run, jinja_value *out, const jinja_value *a,
                      const jinja_value *b)
{
    rv_text text = {0};
    rv_status status = jinja_print(&text, a, run->err);
    if (status == RV_OK) status = jinja_print(&text, b, run->err);
    if (status == RV_OK && text.failed) status = rv_fail_memory(run->err, text.length);
    if (status == RV_OK)
        status = jinja_copy(out, run->memory, text.bytes, text.length, run->err);
    rv_text_release(&text);
    return status;
}

static rv_status arithmetic(jinja_run *run, jinja_value *out, char op, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool bad = false;
    switch (op) {
    case '+':
        bad = __builtin_add_overflow(a, b, &result);
        break;
    case '-':
        bad = __builtin_sub_overflow(a, b, &result);
        break;
    case '*':
        bad = __builtin_mul_overflow(a, b, &result);
        break;
    default:
        if (b == 0) return rv_fail(run->err, RV_ERR_FORMAT, "division by zero");
        if ((bad = a == INT64_MIN && b == -1)) break;
        // Python rounds towards minus infinity.
        result = op == '%' ? a % b : a / b;
        if (a % b != 0 && (a < 0) != (b < 0)) result += op == '%' ? b : -1;
    }
    if (bad) return rv_fail(run->err, RV_ERR_UNSUPPORTED, "a number is too big");
    *out = jinja_int(result);
    return RV_OK;
}

static rv_status add(jinja_run *run, jinja_value *out, const jinja_value *a,
                     const jinja_value *b)
{
    if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) return join(run, out, a, b);
    if (a->kind != JINJA_LIST || b->kind != JINJA_LIST)
        return wrong_kind(
            run, "+ wants two of a kind",
            a->kind == JINJA_STRING || a->kind == JINJA_LIST || a->kind == JINJA_INT ? b : a);
    jinja_value sum;
    RV_TRY(jinja_new_list(&sum, run->memory, run->err));
    for (size_t i = 0; i < a->list->count; i++)
        RV_TRY(jinja_push(run->memory, sum.list, a->list->items[i], run->err));
    for (size_t i = 0; i < b->list->count; i++)
        RV_TRY(jinja_push(run->memory, sum.list, b->list->items[i], run->err));
    *out = sum;
    return RV_OK;
}

static rv_status order(jinja_run *run, jinja_value *out, jinja_string op, const jinja_value *a,
                       const jinja_value *b)
{
    int sign;
    if (a->kind == JINJA_INT && b->kind == JINJA_INT) {
        sign = (a->integer > b->integer) - (a->integer < b->integer);
    } else if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) {
        size_t n = a->string.length < b->string.length ? a->string.length : b->string.length;
        sign = n ? memcmp(a->string.bytes, b->string.bytes, n) : 0;
        if (!sign)
            sign =
                (a->string.length > b->string.length) - (a->string.length < b->string.length);
    } else {
        return wrong_kind(run, "< and > want two numbers or two strings",
                          a->kind == JINJA_INT || a->kind == JINJA_STRING ? b : a);
    }
    bool equal = op.length == 2;
    bool result = *op.bytes == '<' ? sign < 0 : sign > 0;
    *out = jinja_bool(result || (equal && sign == 0));
    return RV_OK;
}

static rv_status evaluate_binary(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value a, b;
    jinja_string op = node->text;
    RV_TRY(evaluate(run, &a, node->first));
    RV_TRY(evaluate(run, &b, node->second));
    char c = *op.bytes;
    if (jinja_same(op, "==") || jinja_same(op, "!=")) {
        *out = jinja_bool(jinja_equal(&a, &b) == (c == '='));
        return RV_OK;
    }
    if (jinja_same(op, "in") || jinja_same(op, "not in")) {
        bool inside;
        RV_TRY(contains(run, &inside, &a, &b));
        *out = jinja_bool(inside == (c == 'i'));
        return RV_OK;
    }
    if (c == '<' || c == '>') return order(run, out, op, &a, &b);
    if (c == '~') return join(run, out, &a, &b);
    if (a.kind == JINJA_INT && b.kind == JINJA_INT && !jinja_same(op, "/"))
        return arithmetic(run, out, c, a.integer, b.integer);
    if (c == '+') return add(run, out, &a, &b);
    return rv_fail(run->err, RV_ERR_UNSUPPORTED, "%.*s between %s and %s is not supported",
                   (int)op.length, op.bytes, jinja_kind_name(a.kind), jinja_kind_name(b.kind));
}

static rv_status evaluate_filter(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value input;
    jinja_arguments arguments;
    RV_TRY(evaluate(run, &input, node->first));
    RV_TRY(evaluate_arguments(run, &arguments, node->children));
    return jinja_apply_filter(run, out, node->text, &input, &arguments);
}

static rv_status evaluate_test(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value input;
    jinja_arguments arguments;
    bool holds;
    RV_TRY(evaluate(run, &input, node->first));
    RV_TRY(evaluate_arguments(run, &arguments, node->children));
    RV_TRY(jinja_apply_test(run, &holds, node->text, &input, &arguments));
    *out = jinja_bool(holds);
    return RV_OK;
}

static rv_status evaluate_inner(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    jinja_value value;
    switch (node->kind) {
    case NODE_LITERAL:
        *out = node->value;
        return RV_OK;
    case NODE_NAME:
        *out = look_up(run, node->text);
        return RV_OK;
    case NODE_LIST:
        return evaluate_list(run, out, node->children);
    case NODE_DICT:
        return evaluate_dict(run, out, node->children);
    case NODE_MEMBER:
        return evaluate_member(run, out, node);
    case NODE_SLICE:
        return evaluate_slice(run, out, node);
    case NODE_CALL:
        return evaluate_call(run, out, node);
    case NODE_FILTER:
        return evaluate_filter(run, out, node);
    case NODE_TEST:
        return evaluate_test(run, out, node);
    case NODE_BINARY:
        return evaluate_binary(run, out, node);
    case NODE_NOT:
        RV_TRY(evaluate(run, &value, node->first));
        *out = jinja_bool(!jinja_truth(&value));
        return RV_OK;
    case NODE_NEGATIVE:
        RV_TRY(evaluate(run, &value, node->first));
        if (value.kind != JINJA_INT) return wrong_kind(run, "- wants a number", &value);
        return arithmetic(run, out, '-', 0, value.integer);
    case NODE_AND:
    case NODE_OR:
        RV_TRY(evaluate(run, out, node->first));
        return jinja_truth(out) == (node->kind == NODE_AND) ? evaluate(run, out, node->second)
                                                            : RV_OK;
    case NODE_CHOICE:
        RV_TRY(evaluate(run, &value, node->second));
        if (jinja_truth(&value)) return evaluate(run, out, node->first);
        if (node->third) return evaluate(run, out, node->third);
        *out = jinja_undefined(jinja_literal("else"));
        return RV_OK;
    default:
        return rv_fail(run->err, RV_ERR_FORMAT, "an argument's name stands alone");
    }
}

static rv_status evaluate(jinja_run *run, jinja_value *out, const jinja_node *node)
{
    RV_TRY(step(run));
    RV_TRY(enter(run));
    RV_TRY(evaluate_inner(run, out, node));
    run->depth--;
    return RV_OK;
}

/* ---- statements ----------------------------------------------------------------------------- */

/* The variable `loop` of one round. */
static rv_status describe_loop(jinja_run *run, jinja_value *out, const jinja_list *items,
                               size_t i)
{
    int64_t index = (int64_t)i, count = (int64_t)items->count;
    const struct {
        const char *name;
        jinja_value value;
    } members[] = {
        {"index", jinja_int(index + 1)},
        {"index0", jinja_int(index)},
        {"revindex", jinja_int(count - index)},
        {"revindex0", jinja_int(count - index - 1)},
        {"first", jinja_bool(index == 0)},
        {"last", jinja_bool(index == count - 1)},
        {"length", jinja_int(count)},
        {"previtem", i ? items->items[i - 1] : jinja_undefined(jinja_literal("previtem"))},
        {"nextitem", i + 1 < items->count ? items->items[i + 1]
                                          : jinja_undefined(jinja_literal("nextitem"))},
    };
    RV_TRY(jinja_new_dict(out, run->memory, run->err));
    for (size_t k = 0; k < sizeof members / sizeof *members; k++)
        RV_TRY(jinja_set(run->memory, out->dict, jinja_literal(members[k].name),
                         members[k].value, run->err));
    return RV_OK;
}

/* Gives the loop's variables their values from one element. */
static rv_status bind(jinja_run *run, const jinja_node *node, const jinja_value *item)
{
    if (!node->text2.length) return define(run, node->text, *item);
    if (item->kind != JINJA_LIST || item->list->count != 2)
        return wrong_kind(run, "a loop with two names wants pairs", item);
    RV_TRY(define(run, node->text, item->list->items[0]));
    return define(run, node->text2, item->list->items[1]);
}

/* The elements that pass the loop's condition. */
static rv_status select_items(jinja_run *run, jinja_list **items, const jinja_node *node)
{
    jinja_scope *outer = run->scope;
    jinja_value kept;
    if (!node->second) return RV_OK;
    RV_TRY(jinja_new_list(&kept, run->memory, run->err));
    for (size_t i = 0; i < (*items)->count; i++) {
        jinja_value condition;
        RV_TRY(push_scope(run, outer));
        RV_TRY(bind(run, node, &(*items)->items[i]));
        RV_TRY(evaluate(run, &condition, node->second));
        if (jinja_truth(&condition))
            RV_TRY(jinja_push(run->memory, kept.list, (*items)->items[i], run->err));
    }
    run->scope = outer;
    *items = kept.list;
    return RV_OK;
}

static rv_status execute_for(jinja_run *run, const jinja_node *node)
{
    jinja_value over, loop;
    jinja_list *items;
    jinja_scope *outer = run->scope;
    RV_TRY(evaluate(run, &over, node->first));
    RV_TRY(jinja_elements(run, &items, &over));
    RV_TRY(select_items(run, &items, node));
    for (size_t i = 0; i < items->count && run->state != RUN_BREAK; i++) {
        RV_TRY(push_scope(run, outer));
        RV_TRY(describe_loop(run, &loop, items, i));
        RV_TRY(define(run, jinja_literal("loop"), loop));
        RV_TRY(bind(run, node, &items->items[i]));
        RV_TRY(execute(run, node->children));
        if (run->state == RUN_CONTINUE) run->state = RUN_ON;
    }
    run->scope = outer;
    run->state = RUN_ON;
    return items->count == 0 ? execute(run, node->other) : RV_OK;
}

static rv_status execute_set(jinja_run *run, const jinja_node *node)
{
    jinja_value value;
    RV_TRY(node->first ? evaluate(run, &value, node->first)
                       : collect(run, &value, node->children));
    if (!node->text2.length) return define(run, node->text, value);
    jinja_value object = look_up(run, node->text);
    if (object.kind != JINJA_DICT || !object.dict->is_namespace)
        return wrong_kind(run, "only members of a namespace can be set", &object);
    return jinja_set(run->memory, object.dict, node->text2, value, run->err);
}

static rv_status execute_one(jinja_run *run, const jinja_node *node)
{
    jinja_value value;
    switch (node->kind) {
    case NODE_OUTPUT:
        RV_TRY(evaluate(run, &value, node->first));
        RV_TRY(jinja_print(run->out, &value, run->err));
        if (run->out->failed) return rv_fail_memory(run->err, run->out->length);
        if (run->out->length > LIMIT_OUTPUT)
            return rv_fail(run->err, RV_ERR_UNSUPPORTED, "it prints more than %d bytes",
                           LIMIT_OUTPUT);
        return RV_OK;
    case NODE_IF:
        RV_TRY(evaluate(run, &value, node->first));
        return execute(run, jinja_truth(&value) ? node->children : node->other);
    case NODE_FOR:
        return execute_for(run, node);
    case NODE_SET:
        return execute_set(run, node);
    case NODE_MACRO: {
        jinja_macro *macro;
        RV_TRY(JINJA_NEW(macro, run->memory, 1, run->err));
        *macro = (jinja_macro){node, run->scope};
        return define(run, node->text, (jinja_value){JINJA_MACRO, {.macro = macro}});
    }
    case NODE_GROUP:
        return execute(run, node->children);
    case NODE_BREAK:
        run->state = RUN_BREAK;
        return RV_OK;
    default:
        run->state = RUN_CONTINUE;
        return RV_OK;
    }
}

static rv_status execute(jinja_run *run, const jinja_node *statements)
{
    RV_TRY(enter(run));
    for (; statements && run->state == RUN_ON; statements = statements->next) {
        RV_TRY(step(run));
        RV_TRY(execute_one(run, statements));
    }
    run->depth--;
    return RV_OK;
}

rv_status jinja_render(rv_text *out, jinja_memory *memory, const jinja_node *statements,
                       const jinja_dict *globals, rv_error *err)
{
    jinja_run run = {.memory = memory, .out = out, .err = err};
    RV_TRY(push_scope(&run, NULL));
    run.scope->names = *globals;
    return execute(&run, statements);
}
