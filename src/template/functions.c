/* Functions that every chat template may call. */
#include <time.h>

#include "template/run.h"

enum { LIMIT_RANGE = 100000 };

enum { RAISE_EXCEPTION, NAMESPACE, DICT, RANGE, STRFTIME_NOW, BUILTINS };

int jinja_find_builtin(jinja_string name)
{
    static const char *const names[BUILTINS] = {"raise_exception", "namespace", "dict", "range",
                                                "strftime_now"};
    for (int i = 0; i < BUILTINS; i++)
        if (jinja_same(name, names[i])) return i;
    return -1;
}

static rv_status call_range(jinja_run *run, jinja_value *out, const jinja_arguments *arguments)
{
    int64_t bounds[3] = {0, 0, 1};
    size_t count = arguments->positional.count;
    if (count < 1 || count > 3)
        return rv_fail(run->err, RV_ERR_FORMAT, "range wants 1 to 3 numbers");
    for (size_t i = 0; i < count; i++) {
        const jinja_value *v = &arguments->positional.items[i];
        if (v->kind != JINJA_INT) return jinja_wants(run, jinja_literal("range"), "numbers", v);
        bounds[count == 1 ? 1 : i] = v->integer;
    }
    if (bounds[2] == 0) return rv_fail(run->err, RV_ERR_FORMAT, "range: the step is 0");
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
        if (out->list->count >= LIMIT_RANGE)
            return rv_fail(run->err, RV_ERR_UNSUPPORTED, "range: more than %d numbers",
                           LIMIT_RANGE);
        RV_TRY(jinja_push(run->memory, out->list, jinja_int(i), run->err));
        if (__builtin_add_overflow(i, bounds[2], &i)) break;
    }
    return RV_OK;
}

static rv_status call_dict(jinja_run *run, jinja_value *out, const jinja_arguments *arguments,
                           bool is_namespace)
{
    RV_TRY(jinja_new_dict(out, run->memory, run->err));
    out->dict->is_namespace = is_namespace;
    for (size_t i = 0; i < arguments->positional.count; i++) {
        const jinja_value *from = &arguments->positional.items[i];
        if (from->kind != JINJA_DICT)
            return jinja_wants(run, jinja_literal(is_namespace ? "namespace" : "dict"),
                               "dictionaries", from);
        for (size_t k = 0; k < from->dict->count; k++)
            RV_TRY(jinja_set(run->memory, out->dict, from->dict->entries[k].key,
                             from->dict->entries[k].value, run->err));
    }
    for (size_t i = 0; i < arguments->named.count; i++)
        RV_TRY(jinja_set(run->memory, out->dict, arguments->named.entries[i].key,
                         arguments->named.entries[i].value, run->err));
    return RV_OK;
}

static rv_status call_strftime(jinja_run *run, jinja_value *out,
                               const jinja_arguments *arguments)
{
    const jinja_value *format = jinja_argument(arguments, 0, "format");
    char text[256];
    time_t now = time(NULL);
    struct tm local;
    if (!format || format->kind != JINJA_STRING || !localtime_r(&now, &local))
        return rv_fail(run->err, RV_ERR_FORMAT, "strftime_now wants a format");
    jinja_value terminated;
    RV_TRY(jinja_copy(&terminated, run->memory, format->string.bytes, format->string.length,
                      run->err));
    size_t length = strftime(text, sizeof text, terminated.string.bytes, &local);
    return jinja_copy(out, run->memory, text, length, run->err);
}

rv_status jinja_call_builtin(jinja_run *run, jinja_value *out, int builtin,
                             const jinja_arguments *arguments)
{
    const jinja_value *message = jinja_argument(arguments, 0, "message");
    switch (builtin) {
    case NAMESPACE:
    case DICT:
        return call_dict(run, out, arguments, builtin == NAMESPACE);
    case RANGE:
        return call_range(run, out, arguments);
    case STRFTIME_NOW:
        return call_strftime(run, out, arguments);
    default:
        return rv_fail(run->err, RV_ERR_USAGE, "%.*s",
                       message && message->kind == JINJA_STRING ? (int)message->string.length
                                                                : 16,
                       message && message->kind == JINJA_STRING ? message->string.bytes
                                                                : "it refuses this.");
    }
}
