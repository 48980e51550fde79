/* Tests, functions that every chat template knows, and methods of dictionaries, lists and loops. */
#include <string.h>
#include <time.h>

#include "template/run.h"

/* ---- tests ----------------------------------------------------------------------------------- */

static rv_status is_kind(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    (void)run;
    *out = jinja_bool(c->builtin->variant >> c->self->kind & 1);
    return RV_OK;
}

static rv_status is_boolean(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    (void)run;
    *out = jinja_bool(c->self->kind == JINJA_BOOL &&
                      c->self->boolean == (c->builtin->variant != 0));
    return RV_OK;
}

static rv_status is_sequence(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    (void)run;
    jinja_kind kind = c->self->kind;
    *out = jinja_bool(kind == JINJA_STRING || kind == JINJA_DICT || kind == JINJA_UNDEFINED ||
                      jinja_is_sequence(c->self));
    return RV_OK;
}

/* odd, even, divisibleby */
static rv_status is_divisible(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_value two = jinja_int(2), *by = c->builtin->variant ? &two : &c->argv[0];
    jinja_value rest;
    if (c->self->kind == JINJA_STRING)
        return jinja_wants(run->memory, c->builtin->name, "a number", c->self);
    RV_TRY(jinja_binary(run, &rest, jinja_literal("%"), c->self, by));
    double r = jinja_number(&rest);
    *out = jinja_bool(c->builtin->variant == 1 ? r == 1 : r == 0);
    return RV_OK;
}

/* lower, upper */
static rv_status is_case(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value text;
    RV_TRY(jinja_to_string(&text, run->memory, c->self));
    return jinja_string_call(run, out, c->builtin->variant ? "isupper" : "islower", &text, NULL,
                             0);
}

static rv_status compare(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
    bool holds;
    RV_TRY(jinja_compare(run, &holds, jinja_literal(operators[c->builtin->variant]), c->self,
                         &c->argv[0]));
    *out = jinja_bool(holds);
    return RV_OK;
}

static rv_status is_same(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_value *a = c->self, *b = &c->argv[0];
    bool same = a->kind == b->kind;
    if (same && (a->kind == JINJA_LIST || a->kind >= JINJA_DICT))
        same = a->function == b->function;
    else if (same)
        RV_TRY(jinja_equal(&same, run->memory, a, b));
    *out = jinja_bool(same);
    return RV_OK;
}

static rv_status is_escaped(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    (void)run;
    *out = jinja_bool(c->self->kind == JINJA_STRING && c->self->markup);
    return RV_OK;
}

/* Whether there is a filter or a test of that name. */
static rv_status is_known(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_dict none = {0};
    const jinja_value *ignored;
    if (c->self->kind != JINJA_UNDEFINED) // what cannot be a key is refused
        RV_TRY(jinja_get(&ignored, run->memory, &none, c->self));
    *out = jinja_bool(c->self->kind == JINJA_STRING &&
                      (c->builtin->variant
                           ? jinja_find(jinja_tests, c->self->string) != NULL
                           : jinja_find(jinja_filters, c->self->string) ||
                                 jinja_find(jinja_sequence_filters, c->self->string)));
    return RV_OK;
}

#define KIND(name) (1 << JINJA_##name)

const jinja_builtin jinja_tests[] = {
    {"defined", "", is_kind, ~KIND(UNDEFINED)},
    {"undefined", "", is_kind, KIND(UNDEFINED)},
    {"none", "", is_kind, KIND(NONE)},
    {"boolean", "", is_kind, KIND(BOOL)},
    {"integer", "", is_kind, KIND(INT)},
    {"float", "", is_kind, KIND(FLOAT)},
    {"number", "", is_kind, KIND(INT) | KIND(FLOAT) | KIND(BOOL)},
    {"string", "", is_kind, KIND(STRING)},
    {"mapping", "", is_kind, KIND(DICT)},
    {"iterable", "", is_kind,
     KIND(LIST) | KIND(DICT) | KIND(STRING) | KIND(UNDEFINED) | KIND(LOOP)},
    {"callable", "", is_kind,
     KIND(FUNCTION) | KIND(MACRO) | KIND(LOOP) | KIND(JOINER) | KIND(UNDEFINED)},
    {"sequence", "", is_sequence, 0},
    {"true", "", is_boolean, 1},
    {"false", "", is_boolean, 0},
    {"odd", "", is_divisible, 1},
    {"even", "", is_divisible, 2},
    {"divisibleby", "num", is_divisible, 0},
    {"lower", "", is_case, 0},
    {"upper", "", is_case, 1},
    {"eq", "other", compare, 0},
    {"equalto", "other", compare, 0},
    {"==", "other", compare, 0},
    {"ne", "other", compare, 1},
    {"!=", "other", compare, 1},
    {"lt", "other", compare, 2},
    {"lessthan", "other", compare, 2},
    {"<", "other", compare, 2},
    {"le", "other", compare, 3},
    {"<=", "other", compare, 3},
    {"gt", "other", compare, 4},
    {"greaterthan", "other", compare, 4},
    {">", "other", compare, 4},
    {"ge", "other", compare, 5},
    {">=", "other", compare, 5},
    {"in", "seq", compare, 6},
    {"sameas", "other", is_same, 0},
    {"escaped", "", is_escaped, 0},
    {"filter", "", is_known, 0},
    {"test", "", is_known, 1},
    {0},
};

/* ---- functions ------------------------------------------------------------------------------- */

enum { LIMIT_RANGE = 100000 };

static rv_status call_range(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    int64_t bounds[3] = {0, 0, 1};
    bool one = c->argv[1].kind == JINJA_MISSING;
    for (size_t i = 0; i < 3; i++)
        RV_TRY(jinja_integer(run, &bounds[i], &c->argv[i], bounds[i], "range"));
    if (one) bounds[1] = bounds[0], bounds[0] = 0;
    if (bounds[2] == 0) return rv_fail(run->memory->err, RV_ERR_FORMAT, "range: the step is 0");
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_RANGE));
    memcpy(out->list->range, bounds, sizeof bounds);
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
        if (out->list->count >= LIMIT_RANGE)
            return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "range: more than %d numbers",
                           LIMIT_RANGE);
        RV_TRY(jinja_push(run->memory, out->list, jinja_int(i)));
        if (__builtin_add_overflow(i, bounds[2], &i)) break;
    }
    return RV_OK;
}

static rv_status copy_entries(jinja_run *run, jinja_dict *out, const jinja_value *from,
                              const char *name)
{
    const jinja_list *pairs;
    if (from->kind == JINJA_DICT) {
        for (size_t k = 0; k < from->dict->count; k++)
            RV_TRY(jinja_set(run->memory, out, from->dict->entries[k].key,
                             from->dict->entries[k].value));
        return RV_OK;
    }
    if (from->kind != JINJA_LIST)
        return jinja_wants(run->memory, name, "a dictionary or pairs", from);
    RV_TRY(jinja_elements(run, &pairs, from));
    for (size_t k = 0; k < pairs->count; k++) {
        const jinja_value *pair = &pairs->items[k];
        if (pair->kind != JINJA_LIST || pair->list->count != 2)
            return jinja_wants(run->memory, name, "pairs", pair);
        RV_TRY(jinja_set(run->memory, out, pair->list->items[0], pair->list->items[1]));
    }
    return RV_OK;
}

/* dict, namespace */
static rv_status call_dict(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    RV_TRY(jinja_new_dict(out, run->memory));
    if (c->arguments->positional.count > 1)
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "%s: expected at most one argument without a name", c->builtin->name);
    if (c->arguments->positional.count)
        RV_TRY(
            copy_entries(run, out->dict, &c->arguments->positional.items[0], c->builtin->name));
    for (size_t i = 0; i < c->arguments->named.count; i++)
        RV_TRY(jinja_set(run->memory, out->dict, c->arguments->named.entries[i].key,
                         c->arguments->named.entries[i].value));
    if (!c->builtin->variant) return RV_OK;
    out->kind = JINJA_NAMESPACE;
    for (size_t i = 0; i < out->dict->count; i++) {
        const jinja_value *key = &out->dict->entries[i].key;
        if (key->kind == JINJA_STRING && key->string.length && *key->string.bytes == '_')
            return rv_fail(run->memory->err, RV_ERR_FORMAT,
                           "a namespace has no names with a _ in front");
    }
    return RV_OK;
}

static rv_status call_raise(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value message;
    (void)out;
    RV_TRY(jinja_to_string(&message, run->memory, &c->argv[0]));
    return rv_fail(run->memory->err, RV_ERR_USAGE, "%.*s",
                   (int)(message.string.length < 300 ? message.string.length : 300),
                   message.string.bytes);
}

static rv_status call_strftime(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    char text[256];
    time_t now = time(NULL);
    struct tm local;
    jinja_value format;
    if (c->argv[0].kind != JINJA_STRING || !localtime_r(&now, &local))
        return jinja_wants(run->memory, "strftime_now", "a format", &c->argv[0]);
    RV_TRY(jinja_copy(&format, run->memory, c->argv[0].string.bytes, c->argv[0].string.length));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t length = strftime(text, sizeof text, format.string.bytes, &local);
#pragma GCC diagnostic pop
    return jinja_copy(out, run->memory, text, length);
}

static rv_status new_object(jinja_run *run, jinja_value *out, jinja_kind kind)
{
    jinja_object *object;
    jinja_value items;
    RV_TRY(JINJA_NEW(object, run->memory, 1));
    RV_TRY(jinja_new_list(&items, run->memory, FLAVOR_LIST));
    object->items = items.list;
    *out = (jinja_value){.kind = kind, .object = object};
    return RV_OK;
}

static rv_status call_cycler(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    RV_TRY(new_object(run, out, JINJA_CYCLER));
    for (size_t i = 0; i < c->arguments->positional.count; i++)
        RV_TRY(jinja_push(run->memory, out->object->items, c->arguments->positional.items[i]));
    if (out->object->items->count) return RV_OK;
    return rv_fail(run->memory->err, RV_ERR_FORMAT, "cycler wants values");
}

static rv_status call_joiner(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    RV_TRY(new_object(run, out, JINJA_JOINER));
    return jinja_push(run->memory, out->object->items,
                      c->argv[0].kind == JINJA_MISSING ? jinja_text(", ") : c->argv[0]);
}

const jinja_builtin jinja_globals[] = {
    {"range", "start stop? step?", call_range, 0},
    {"dict", NULL, call_dict, 0},
    {"namespace", NULL, call_dict, 1},
    {"raise_exception", "message", call_raise, 0},
    {"strftime_now", "format", call_strftime, 0},
    {"cycler", NULL, call_cycler, 0},
    {"joiner", "sep?", call_joiner, 0},
    {0},
};

/* ---- methods --------------------------------------------------------------------------------- */

static rv_status dict_get(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_value *found;
    RV_TRY(jinja_get(&found, run->memory, c->self->dict, &c->argv[0]));
    *out = found ? *found : c->argv[1].kind == JINJA_MISSING ? jinja_none() : c->argv[1];
    return RV_OK;
}

/* keys, values, items */
static rv_status dict_view(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_flavor flavor = (jinja_flavor)c->builtin->variant;
    RV_TRY(jinja_new_list(out, run->memory, flavor));
    for (size_t i = 0; i < c->self->dict->count; i++) {
        const jinja_entry *e = &c->self->dict->entries[i];
        jinja_value item = flavor == FLAVOR_KEYS ? e->key : e->value;
        if (flavor == FLAVOR_ITEMS) RV_TRY(jinja_pair(&item, run->memory, e->key, e->value));
        RV_TRY(jinja_push(run->memory, out->list, item));
    }
    return RV_OK;
}

static rv_status dict_copy(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    RV_TRY(jinja_new_dict(out, run->memory));
    return copy_entries(run, out->dict, c->self, "copy");
}

/* count, index of a list */
static rv_status list_count(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    int64_t count = 0;
    for (size_t i = 0; i < c->self->list->count; i++) {
        bool equal;
        RV_TRY(jinja_equal(&equal, run->memory, &c->self->list->items[i], &c->argv[0]));
        count += equal;
        if (!equal || !c->builtin->variant) continue;
        *out = jinja_int((int64_t)i);
        return RV_OK;
    }
    *out = jinja_int(count);
    return c->builtin->variant
               ? rv_fail(run->memory->err, RV_ERR_FORMAT, "index: not in the list")
               : RV_OK;
}

static rv_status list_copy(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    RV_TRY(jinja_new_list(out, run->memory, c->self->list->flavor));
    for (size_t i = 0; i < c->self->list->count; i++)
        RV_TRY(jinja_push(run->memory, out->list, c->self->list->items[i]));
    return RV_OK;
}

static rv_status loop_cycle(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *values = &c->arguments->positional;
    if (!values->count)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "loop.cycle wants values");
    *out = values->items[c->self->loop->at % values->count];
    return RV_OK;
}

static rv_status loop_changed(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value now;
    bool same = false;
    RV_TRY(jinja_new_list(&now, run->memory, FLAVOR_TUPLE));
    for (size_t i = 0; i < c->arguments->positional.count; i++)
        RV_TRY(jinja_push(run->memory, now.list, c->arguments->positional.items[i]));
    if (c->self->loop->changed.kind != JINJA_MISSING)
        RV_TRY(jinja_equal(&same, run->memory, &now, &c->self->loop->changed));
    c->self->loop->changed = now;
    *out = jinja_bool(!same);
    return RV_OK;
}

/* next, reset of a cycler */
static rv_status cycler_move(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    (void)run;
    jinja_object *o = c->self->object;
    *out = c->builtin->variant ? o->items->items[o->at] : jinja_none();
    o->at = c->builtin->variant ? (o->at + 1) % o->items->count : 0;
    return RV_OK;
}

const jinja_builtin jinja_dict_methods[] = {
    {"get", "key default?", dict_get, 0},
    {"keys", "", dict_view, FLAVOR_KEYS},
    {"values", "", dict_view, FLAVOR_VALUES},
    {"items", "", dict_view, FLAVOR_ITEMS},
    {"copy", "", dict_copy, 0},
    {0},
};
const jinja_builtin jinja_list_methods[] = {{"count", "value", list_count, 0},
                                            {"index", "value", list_count, 1},
                                            {"copy", "", list_copy, 0},
                                            {0}};
const jinja_builtin jinja_loop_methods[] = {
    {"cycle", NULL, loop_cycle, 0}, {"changed", NULL, loop_changed, 0}, {0}};
const jinja_builtin jinja_cycler_methods[] = {
    {"next", "", cycler_move, 1}, {"reset", "", cycler_move, 0}, {0}};
