/* Operators of chat templates. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "template/run.h"
#include "tokenizer/unicode.h"

static rv_status too_big(jinja_run *run)
{
    return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "a number is too big");
}

/* ---- numbers --------------------------------------------------------------------------------- */

static rv_status integer_power(jinja_run *run, jinja_value *out, int64_t base, int64_t exponent)
{
    int64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) return too_big(run);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return too_big(run);
    }
    *out = jinja_int(result);
    return RV_OK;
}

/* Python rounds towards minus infinity. */
static rv_status integer_arithmetic(jinja_run *run, jinja_value *out, jinja_string op,
                                    int64_t a, int64_t b)
{
    int64_t result = 0;
    bool bad = false, divides = *op.bytes == '/' || *op.bytes == '%';
    if (divides && b == 0) return rv_fail(run->memory->err, RV_ERR_FORMAT, "division by zero");
    if (jinja_same(op, "**")) return integer_power(run, out, a, b);
    if (*op.bytes == '+') {
        bad = __builtin_add_overflow(a, b, &result);
    } else if (*op.bytes == '-') {
        bad = __builtin_sub_overflow(a, b, &result);
    } else if (*op.bytes == '*') {
        bad = __builtin_mul_overflow(a, b, &result);
    } else if (!(bad = a == INT64_MIN && b == -1)) {
        bool rest = *op.bytes == '%';
        result = rest ? a % b : a / b;
        if (a % b != 0 && (a < 0) != (b < 0)) result += rest ? b : -1;
    }
    if (bad) return too_big(run);
    *out = jinja_int(result);
    return RV_OK;
}

static rv_status real_arithmetic(jinja_run *run, jinja_value *out, jinja_string op, double a,
                                 double b)
{
    char c = *op.bytes;
    double result = 0;
    if ((c == '/' || c == '%') && b == 0)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "division by zero");
    if (jinja_same(op, "**"))
        result = pow(a, b);
    else if (jinja_same(op, "//"))
        result = floor(a / b);
    else if (c == '%')
        result = fmod(a, b) + (fmod(a, b) != 0 && (a < 0) != (b < 0) ? b : 0);
    else
        result = c == '+' ? a + b : c == '-' ? a - b : c == '*' ? a * b : a / b;
    *out = jinja_float(result);
    return RV_OK;
}

static int64_t whole(const jinja_value *v)
{
    return v->kind == JINJA_BOOL ? v->boolean : v->integer;
}

static rv_status arithmetic(jinja_run *run, jinja_value *out, jinja_string op,
                            const jinja_value *a, const jinja_value *b)
{
    bool real = a->kind == JINJA_FLOAT || b->kind == JINJA_FLOAT || jinja_same(op, "/") ||
                (jinja_same(op, "**") && whole(b) < 0);
    return real ? real_arithmetic(run, out, op, jinja_number(a), jinja_number(b))
                : integer_arithmetic(run, out, op, whole(a), whole(b));
}

rv_status jinja_negate(jinja_run *run, jinja_value *out, const jinja_value *value)
{
    const jinja_value zero = jinja_int(0);
    if (!jinja_is_number(value)) return jinja_wants(run->memory, "-", "a number", value);
    if (value->kind == JINJA_FLOAT) {
        *out = jinja_float(-value->real);
        return RV_OK;
    }
    return arithmetic(run, out, jinja_literal("-"), &zero, value);
}

/* ---- text and lists -------------------------------------------------------------------------- */

rv_status jinja_escape(jinja_run *run, jinja_value *out, const jinja_value *value)
{
    rv_text text = {0};
    jinja_value plain;
    RV_TRY(jinja_to_string(&plain, run->memory, value));
    rv_status status = RV_OK;
    for (size_t i = 0; i < plain.string.length && status == RV_OK; i++) {
        char c = plain.string.bytes[i];
        status = c == '&'    ? jinja_puts(run->memory, &text, "&amp;")
                 : c == '<'  ? jinja_puts(run->memory, &text, "&lt;")
                 : c == '>'  ? jinja_puts(run->memory, &text, "&gt;")
                 : c == '\'' ? jinja_puts(run->memory, &text, "&#39;")
                 : c == '"'  ? jinja_puts(run->memory, &text, "&#34;")
                             : jinja_put(run->memory, &text, &c, 1);
    }
    RV_TRY(jinja_take(out, run->memory, &text, status));
    out->markup = true;
    return RV_OK;
}

rv_status jinja_concat(jinja_run *run, jinja_value *out, const jinja_value *parts, size_t count)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    bool markup = false;
    for (size_t i = 0; i < count; i++)
        markup |= parts[i].kind == JINJA_STRING && parts[i].markup;
    for (size_t i = 0; i < count && status == RV_OK; i++) {
        jinja_value part = parts[i];
        if (markup && !(part.kind == JINJA_STRING && part.markup))
            status = jinja_escape(run, &part, &parts[i]);
        if (status == RV_OK) status = jinja_print(&text, run->memory, &part);
    }
    RV_TRY(jinja_take(out, run->memory, &text, status));
    out->markup = markup;
    return RV_OK;
}

static rv_status add_lists(jinja_run *run, jinja_value *out, const jinja_list *a,
                           const jinja_list *b)
{
    RV_TRY(jinja_new_list(out, run->memory, a->flavor));
    for (size_t i = 0; i < a->count; i++)
        RV_TRY(jinja_push(run->memory, out->list, a->items[i]));
    for (size_t i = 0; i < b->count; i++)
        RV_TRY(jinja_push(run->memory, out->list, b->items[i]));
    return RV_OK;
}

rv_status jinja_add(jinja_run *run, jinja_value *out, const jinja_value *a,
                    const jinja_value *b)
{
    if (jinja_is_number(a) && jinja_is_number(b))
        return arithmetic(run, out, jinja_literal("+"), a, b);
    if (a->kind == JINJA_STRING && b->kind == JINJA_STRING) {
        const jinja_value parts[] = {*a, *b};
        return jinja_concat(run, out, parts, 2);
    }
    bool lists = a->kind == JINJA_LIST && b->kind == JINJA_LIST &&
                 a->list->flavor == b->list->flavor && a->list->flavor <= FLAVOR_TUPLE;
    if (lists) return add_lists(run, out, a->list, b->list);
    bool known = jinja_is_number(a) || a->kind == JINJA_STRING || a->kind == JINJA_LIST;
    return jinja_wants(run->memory, "+", "two of a kind", known ? b : a);
}

/* "ab" * 3, [1] * 3 */
static rv_status repeat(jinja_run *run, jinja_value *out, const jinja_value *what,
                        int64_t times)
{
    if (what->kind == JINJA_LIST) {
        RV_TRY(jinja_new_list(out, run->memory, what->list->flavor));
        for (int64_t k = 0; k < times && what->list->count; k++)
            for (size_t i = 0; i < what->list->count; i++)
                RV_TRY(jinja_push(run->memory, out->list, what->list->items[i]));
        return RV_OK;
    }
    rv_text text = {0};
    rv_status status = RV_OK;
    for (int64_t k = 0; k < times && what->string.length && status == RV_OK; k++)
        status = jinja_print(&text, run->memory, what);
    return jinja_take(out, run->memory, &text, status);
}

static bool is_repeatable(const jinja_value *v)
{
    return v->kind == JINJA_STRING ||
           (v->kind == JINJA_LIST && v->list->flavor <= FLAVOR_TUPLE);
}

static bool is_whole(const jinja_value *v)
{
    return v->kind == JINJA_INT || v->kind == JINJA_BOOL;
}

static rv_status percent(jinja_run *run, jinja_value *out, const jinja_value *a,
                         const jinja_value *b)
{
    jinja_list one = {.items = (jinja_value *)b, .count = 1};
    bool tuple = b->kind == JINJA_LIST && b->list->flavor == FLAVOR_TUPLE;
    return jinja_percent(run, out, a->string, tuple ? b->list : &one,
                         b->kind == JINJA_DICT ? b->dict : NULL);
}

rv_status jinja_binary(jinja_run *run, jinja_value *out, jinja_string op, const jinja_value *a,
                       const jinja_value *b)
{
    if (jinja_same(op, "+")) return jinja_add(run, out, a, b);
    if (jinja_same(op, "%") && a->kind == JINJA_STRING) return percent(run, out, a, b);
    if (jinja_is_number(a) && jinja_is_number(b)) return arithmetic(run, out, op, a, b);
    if (jinja_same(op, "*") && is_repeatable(a) && is_whole(b))
        return repeat(run, out, a, whole(b));
    if (jinja_same(op, "*") && is_whole(a) && is_repeatable(b))
        return repeat(run, out, b, whole(a));
    char name[4] = "";
    memcpy(name, op.bytes, op.length < 3 ? op.length : 3);
    return jinja_wants(run->memory, name, "numbers", jinja_is_number(a) ? b : a);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static rv_status contains(jinja_run *run, bool *out, const jinja_value *item,
                          const jinja_value *container)
{
    const jinja_list *items;
    const jinja_value *found;
    *out = false;
    switch (container->kind) {
    case JINJA_STRING:
        if (item->kind != JINJA_STRING)
            return jinja_wants(run->memory, "\"in\" a string", "a string", item);
        RV_TRY(jinja_work(run->memory, container->string.length + item->string.length));
        *out = item->string.length == 0 ||
               memmem(container->string.bytes, container->string.length, item->string.bytes,
                      item->string.length);
        return RV_OK;
    case JINJA_DICT:
        RV_TRY(jinja_get(&found, run->memory, container->dict, item));
        *out = found != NULL;
        return RV_OK;
    default:
        RV_TRY(jinja_elements(run, &items, container));
        for (size_t i = 0; i < items->count && !*out; i++)
            RV_TRY(jinja_equal(out, run->memory, item, &items->items[i]));
        return RV_OK;
    }
}

rv_status jinja_compare(jinja_run *run, bool *out, jinja_string op, const jinja_value *a,
                        const jinja_value *b)
{
    char c = *op.bytes;
    int order;
    if (c == '=' || c == '!') {
        RV_TRY(jinja_equal(out, run->memory, a, b));
        *out = *out == (c == '=');
        return RV_OK;
    }
    if (c == 'i' || c == 'n') {
        RV_TRY(contains(run, out, a, b));
        *out = *out == (c == 'i');
        return RV_OK;
    }
    RV_TRY(jinja_order(&order, run->memory, a, b));
    bool equal = op.length == 2;
    *out = (c == '<' ? order < 0 : order > 0) || (equal && order == 0);
    if (isnan(jinja_is_number(a) ? jinja_number(a) : 0) ||
        isnan(jinja_is_number(b) ? jinja_number(b) : 0))
        *out = false;
    return RV_OK;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* start, stop and step of a slice of n elements, as Python's slice.indices. */
static rv_status bounds_of(jinja_run *run, int64_t out[3], const jinja_value bounds[3],
                           int64_t n)
{
    int64_t step = bounds[2].kind == JINJA_NONE ? 1 : whole(&bounds[2]);
    if (step == 0 || step == INT64_MIN)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "the step of a slice is 0");
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    for (size_t i = 0; i < 2; i++) {
        bool first = i == 0;
        int64_t value = bounds[i].kind == JINJA_NONE ? 0 : whole(&bounds[i]);
        out[i] = bounds[i].kind == JINJA_NONE ? (first == (step < 0) ? high : low)
                                              : clamp(value < 0 ? value + n : value, low, high);
    }
    out[2] = step;
    return RV_OK;
}

rv_status jinja_slice(jinja_run *run, jinja_value *out, const jinja_value *object,
                      const jinja_value bounds[3])
{
    int64_t b[3] = {0};
    const jinja_list *items;
    jinja_value list;
    bool text = object->kind == JINJA_STRING;
    if (object->kind == JINJA_UNDEFINED)
        return jinja_wants(run->memory, "a slice", "a list or string", object);
    bool whole_numbers = true;
    for (size_t i = 0; i < 3; i++)
        whole_numbers &= bounds[i].kind == JINJA_NONE || is_whole(&bounds[i]);
    if (!whole_numbers || (!text && !jinja_is_sequence(object))) {
        *out = jinja_undefined(jinja_literal("slice"));
        return RV_OK;
    }
    RV_TRY(jinja_elements(run, &items, object));
    RV_TRY(bounds_of(run, b, bounds, (int64_t)items->count));
    RV_TRY(jinja_new_list(&list, run->memory, text ? FLAVOR_LIST : object->list->flavor));
    for (int64_t i = b[0]; b[2] < 0 ? i > b[1] : i < b[1];) {
        RV_TRY(jinja_push(run->memory, list.list, items->items[i]));
        if (__builtin_add_overflow(i, b[2], &i)) break;
    }
    if (list.list->flavor == FLAVOR_GROUP) list.list->flavor = FLAVOR_TUPLE;
    *out = list;
    if (text) return jinja_concat(run, out, list.list->items, list.list->count);
    if (list.list->flavor != FLAVOR_RANGE) return RV_OK;
    const int64_t *r = object->list->range;
    list.list->range[0] = r[0] + b[0] * r[2];
    list.list->range[1] = r[0] + b[1] * r[2];
    list.list->range[2] = r[2] * b[2];
    return RV_OK;
}
