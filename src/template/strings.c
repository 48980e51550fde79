/* Methods of strings, as Python has them. */
#include <string.h>

#include "base/memory.h"
#include "template/run.h"
#include "tokenizer/unicode.h"

rv_status jinja_get_string(jinja_run *run, jinja_string *out, const jinja_value *value,
                           const char *name)
{
    if (value->kind != JINJA_STRING) return jinja_wants(run->memory, name, "a string", value);
    *out = value->string;
    return RV_OK;
}

/* ---- white space and other ends ---------------------------------------------------------------- */

static bool in_set(unsigned c, const jinja_string *set)
{
    if (!set) return jinja_is_blank(c);
    for (size_t i = 0, n; i < set->length; i += n)
        if (rv_char_at(set->bytes + i, &n) == c) return true;
    return false;
}

static jinja_string strip(jinja_string s, const jinja_string *set, bool left, bool right)
{
    size_t n;
    while (left && s.length && in_set(rv_char_at(s.bytes, &n), set)) {
        s.bytes += n;
        s.length -= n;
    }
    while (right && s.length && in_set(rv_char_before(s.bytes, s.length, &n), set))
        s.length -= n;
    return s;
}

enum { LEFT = 1, RIGHT = 2, BOTH = 3 };

static rv_status call_strip(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string set;
    bool given = c->argv[0].kind != JINJA_MISSING && c->argv[0].kind != JINJA_NONE;
    if (given) RV_TRY(jinja_get_string(run, &set, &c->argv[0], c->builtin->name));
    RV_TRY(jinja_work(run->memory, c->self->string.length * (given ? 1 + set.length : 1)));
    *out = jinja_from_string(strip(c->self->string, given ? &set : NULL,
                                   c->builtin->variant & LEFT, c->builtin->variant & RIGHT));
    return RV_OK;
}

static bool begins(jinja_string s, jinja_string what)
{
    return s.length >= what.length &&
           (what.length == 0 || memcmp(s.bytes, what.bytes, what.length) == 0);
}

static bool ends(jinja_string s, jinja_string what)
{
    return s.length >= what.length &&
           begins((jinja_string){s.bytes + (s.length - what.length), what.length}, what);
}

/* A part of a string by the numbers of its characters, as s[start:end]. */
static rv_status part_of(jinja_run *run, jinja_string *part, size_t *before,
                         const jinja_call *c, size_t first)
{
    int64_t count = (int64_t)jinja_count_chars(c->self->string), bounds[2];
    RV_TRY(jinja_work(run->memory, c->self->string.length));
    RV_TRY(jinja_integer(run, &bounds[0], &c->argv[first], 0, c->builtin->name));
    RV_TRY(jinja_integer(run, &bounds[1], &c->argv[first + 1], count, c->builtin->name));
    for (size_t k = 0; k < 2; k++) {
        if (bounds[k] < 0) bounds[k] += count;
        if (bounds[k] < 0) bounds[k] = 0;
        if (bounds[k] > count) bounds[k] = count + (k == 0);
    }
    *before = (size_t)bounds[0];
    *part = (jinja_string){c->self->string.bytes, 0};
    if (bounds[0] > bounds[1]) return RV_OK;
    size_t at = 0, n, from = 0;
    for (int64_t i = 0; i <= bounds[1]; i++, at += n) {
        if (i == bounds[0]) from = at;
        if (i == bounds[1]) break;
        rv_char_at(c->self->string.bytes + at, &n);
    }
    *part = (jinja_string){c->self->string.bytes + from, at - from};
    return RV_OK;
}

/* startswith, endswith: of a string or any of a tuple of strings. */
static rv_status call_affix(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_value *wanted = &c->argv[0];
    bool many_of_them = wanted->kind == JINJA_LIST && wanted->list->flavor == FLAVOR_TUPLE;
    size_t count = many_of_them ? wanted->list->count : 1, before;
    jinja_string s, affix;
    RV_TRY(part_of(run, &s, &before, c, 1));
    *out = jinja_bool(false);
    for (size_t i = 0; i < count && !out->boolean; i++) {
        RV_TRY(jinja_get_string(run, &affix, many_of_them ? &wanted->list->items[i] : wanted,
                                c->builtin->name));
        RV_TRY(jinja_work(run->memory, affix.length));
        out->boolean = (c->builtin->variant == LEFT ? begins : ends)(s, affix);
    }
    return RV_OK;
}

static rv_status call_remove_affix(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s = c->self->string, affix;
    RV_TRY(jinja_get_string(run, &affix, &c->argv[0], c->builtin->name));
    bool left = c->builtin->variant == LEFT;
    if (affix.length && (left ? begins : ends)(s, affix)) {
        s.length -= affix.length;
        s.bytes += left ? affix.length : 0;
    }
    *out = jinja_from_string(s);
    return RV_OK;
}

/* ---- searching ------------------------------------------------------------------------------- */

/* Where `what` stands first (or last) in s; false where it does not. */
static bool find(size_t *at, jinja_string s, jinja_string what, bool last)
{
    if (what.length > s.length) return false;
    if (!last) {
        const char *hit =
            what.length ? memmem(s.bytes, s.length, what.bytes, what.length) : s.bytes;
        *at = hit ? (size_t)(hit - s.bytes) : 0;
        return hit != NULL;
    }
    for (*at = s.length - what.length;; --*at) {
        if (begins((jinja_string){s.bytes + *at, s.length - *at}, what)) return true;
        if (*at == 0) return false;
    }
}

enum { FIRST = 0, LAST = 1, MUST = 2 };

/* find, rfind, index, rindex */
static rv_status call_find(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s, what;
    size_t before, at;
    RV_TRY(jinja_get_string(run, &what, &c->argv[0], c->builtin->name));
    RV_TRY(part_of(run, &s, &before, c, 1));
    RV_TRY(jinja_work(run->memory,
                      s.length + (c->builtin->variant & LAST ? what.length * s.length : 0)));
    *out = jinja_int(-1);
    if (find(&at, s, what, c->builtin->variant & LAST))
        *out = jinja_int((int64_t)(before + jinja_count_chars((jinja_string){s.bytes, at})));
    else if (c->builtin->variant & MUST)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "%s: not found", c->builtin->name);
    return RV_OK;
}

static rv_status call_count(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s, what;
    size_t before, at;
    int64_t count = 0;
    RV_TRY(jinja_get_string(run, &what, &c->argv[0], "count"));
    RV_TRY(part_of(run, &s, &before, c, 1));
    RV_TRY(jinja_work(run->memory, s.length));
    if (what.length == 0) count = (int64_t)jinja_count_chars(s) + 1;
    while (what.length && find(&at, s, what, false)) {
        count++;
        s.bytes += at + what.length;
        s.length -= at + what.length;
    }
    *out = jinja_int(count);
    return RV_OK;
}

static rv_status replace(jinja_run *run, rv_text *text, jinja_string s, jinja_string from,
                         jinja_string to, int64_t left)
{
    size_t at, n = 0;
    while (left-- != 0 && find(&at, s, from, false)) {
        RV_TRY(jinja_put(run->memory, text, s.bytes, at));
        RV_TRY(jinja_put(run->memory, text, to.bytes, to.length));
        s.bytes += at + from.length;
        s.length -= at + from.length;
        if (from.length) continue;
        if (s.length == 0) break;
        rv_char_at(s.bytes, &n); // nothing stands before every character and at the end
        RV_TRY(jinja_put(run->memory, text, s.bytes, n));
        s.bytes += n;
        s.length -= n;
    }
    return jinja_put(run->memory, text, s.bytes, s.length);
}

static rv_status call_replace(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string from = {0}, to = {0};
    int64_t count;
    rv_text text = {0};
    RV_TRY(jinja_get_string(run, &from, &c->argv[0], "replace"));
    RV_TRY(jinja_get_string(run, &to, &c->argv[1], "replace"));
    RV_TRY(jinja_integer(run, &count, &c->argv[2], -1, "replace"));
    return jinja_take(out, run->memory, &text,
                      replace(run, &text, c->self->string, from, to, count));
}

/* ---- cutting --------------------------------------------------------------------------------- */

/* The next separator, from the left or from the right; NULL is a run of white space. */
static bool find_separator(jinja_string s, const jinja_string *separator, bool last,
                           size_t *start, size_t *end)
{
    if (separator) {
        if (!find(start, s, *separator, last)) return false;
        *end = *start + separator->length;
        return true;
    }
    for (size_t n, i = last ? s.length : 0; last ? i > 0 : i < s.length;) {
        unsigned c = last ? rv_char_before(s.bytes, i, &n) : rv_char_at(s.bytes + i, &n);
        if (last) i -= n;
        if (jinja_is_blank(c)) {
            *start = i;
            *end = i + n;
            while (!last && *end < s.length && jinja_is_blank(rv_char_at(s.bytes + *end, &n)))
                *end += n;
            while (last && *start > 0 && jinja_is_blank(rv_char_before(s.bytes, *start, &n)))
                *start -= n;
            return true;
        }
        if (!last) i += n;
    }
    return false;
}

static void reverse_items(jinja_list *list)
{
    for (size_t i = 0; i < list->count / 2; i++) {
        jinja_value swap = list->items[i];
        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = swap;
    }
}

/* split, rsplit */
static rv_status call_split(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s = c->self->string, by;
    bool last = c->builtin->variant == LAST;
    bool blank = c->argv[0].kind == JINJA_MISSING || c->argv[0].kind == JINJA_NONE;
    int64_t left;
    size_t start, end;
    if (!blank) RV_TRY(jinja_get_string(run, &by, &c->argv[0], c->builtin->name));
    if (!blank && by.length == 0)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "%s: the separator is empty",
                       c->builtin->name);
    RV_TRY(jinja_integer(run, &left, &c->argv[1], -1, c->builtin->name));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_LIST));
    if (blank) s = strip(s, NULL, left < 0 || !last, left < 0 || last);
    while (left-- != 0 && find_separator(s, blank ? NULL : &by, last, &start, &end)) {
        RV_TRY(jinja_work(run->memory, last ? s.length - start : end));
        jinja_string piece = last ? (jinja_string){s.bytes + end, s.length - end}
                                  : (jinja_string){s.bytes, start};
        RV_TRY(jinja_push(run->memory, out->list, jinja_from_string(piece)));
        s = last ? (jinja_string){s.bytes, start}
                 : (jinja_string){s.bytes + end, s.length - end};
    }
    if (!blank || s.length) RV_TRY(jinja_push(run->memory, out->list, jinja_from_string(s)));
    if (last) reverse_items(out->list);
    return RV_OK;
}

static rv_status call_partition(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s = c->self->string, by;
    size_t at;
    bool last = c->builtin->variant == LAST;
    RV_TRY(jinja_get_string(run, &by, &c->argv[0], c->builtin->name));
    RV_TRY(jinja_work(run->memory, s.length + (last ? by.length * s.length : 0)));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_TUPLE));
    bool found = by.length && find(&at, s, by, last);
    const jinja_string none = {s.bytes, 0},
                       parts[3] = {found  ? (jinja_string){s.bytes, at}
                                   : last ? none
                                          : s,
                                   found ? by : none,
                                   found  ? (jinja_string){s.bytes + at + by.length,
                                                           s.length - at - by.length}
                                   : last ? s
                                          : none};
    for (size_t i = 0; i < 3; i++)
        RV_TRY(jinja_push(run->memory, out->list, jinja_from_string(parts[i])));
    return RV_OK;
}

static bool is_line_end(unsigned c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

rv_status jinja_lines(jinja_run *run, jinja_value *out, jinja_string s, bool keep_ends)
{
    size_t start = 0;
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_LIST));
    RV_TRY(jinja_work(run->memory, s.length));
    for (size_t i = 0, n; i < s.length;) {
        unsigned c = rv_char_at(s.bytes + i, &n);
        size_t end = i + n;
        if (!is_line_end(c) && end < s.length) {
            i = end;
            continue;
        }
        bool broken = is_line_end(c);
        if (c == '\r' && end < s.length && s.bytes[end] == '\n') end++;
        jinja_string line = {s.bytes + start, (keep_ends || !broken ? end : i) - start};
        RV_TRY(jinja_push(run->memory, out->list, jinja_from_string(line)));
        start = i = end;
    }
    return RV_OK;
}

static rv_status call_lines(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    return jinja_lines(run, out, c->self->string, jinja_flag(&c->argv[0], false));
}

/* ---- putting together ------------------------------------------------------------------------- */

static rv_status join(jinja_run *run, rv_text *text, const jinja_call *c)
{
    const jinja_list *items;
    jinja_string item = {0};
    RV_TRY(jinja_elements(run, &items, &c->argv[0]));
    for (size_t i = 0; i < items->count; i++) {
        if (i)
            RV_TRY(jinja_put(run->memory, text, c->self->string.bytes, c->self->string.length));
        RV_TRY(jinja_get_string(run, &item, &items->items[i], "join"));
        RV_TRY(jinja_put(run->memory, text, item.bytes, item.length));
    }
    return RV_OK;
}

static rv_status call_join(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    rv_text text = {0};
    return jinja_take(out, run->memory, &text, join(run, &text, c));
}

/* center, ljust, rjust, zfill */
static rv_status call_pad(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s = c->self->string, fill = {" ", 1};
    int64_t width, have = (int64_t)jinja_count_chars(s);
    rv_text text = {0};
    rv_status status = RV_OK;
    char kind = (char)c->builtin->variant;
    RV_TRY(jinja_work(run->memory, s.length));
    RV_TRY(jinja_integer(run, &width, &c->argv[0], 0, c->builtin->name));
    if (kind == '0')
        fill = (jinja_string){"0", 1};
    else if (c->argv[1].kind != JINJA_MISSING)
        RV_TRY(jinja_get_string(run, &fill, &c->argv[1], c->builtin->name));
    if (jinja_count_chars(fill) != 1)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "%s wants one character to fill with",
                       c->builtin->name);
    int64_t missing = width > have ? width - have : 0;
    int64_t left = kind == 'l'   ? 0
                   : kind == 'c' ? missing / 2 + (missing & width & 1)
                                 : missing;
    size_t sign = kind == '0' && s.length && (*s.bytes == '+' || *s.bytes == '-');
    status = jinja_put(run->memory, &text, s.bytes, sign);
    for (int64_t i = 0; i < left && status == RV_OK; i++)
        status = jinja_put(run->memory, &text, fill.bytes, fill.length);
    if (status == RV_OK)
        status = jinja_put(run->memory, &text, s.bytes + sign, s.length - sign);
    for (int64_t i = left; i < missing && status == RV_OK; i++)
        status = jinja_put(run->memory, &text, fill.bytes, fill.length);
    return jinja_take(out, run->memory, &text, status);
}

static rv_status call_format(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    return jinja_format(run, out, c->self->string, c->arguments);
}

static rv_status expand_tabs(jinja_run *run, rv_text *text, jinja_string s, int64_t size)
{
    int64_t column = 0;
    for (size_t i = 0, n; i < s.length; i += n) {
        unsigned c = rv_char_at(s.bytes + i, &n);
        if (c != '\t') {
            RV_TRY(jinja_put(run->memory, text, s.bytes + i, n));
            column = c == '\n' || c == '\r' ? 0 : column + 1;
            continue;
        }
        for (int64_t k = size > 0 ? size - column % size : 0; k > 0; k--, column++)
            RV_TRY(jinja_puts(run->memory, text, " "));
    }
    return RV_OK;
}

static rv_status call_expand_tabs(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    rv_text text = {0};
    int64_t size;
    RV_TRY(jinja_integer(run, &size, &c->argv[0], 8, "expandtabs"));
    return jinja_take(out, run->memory, &text, expand_tabs(run, &text, c->self->string, size));
}

const jinja_builtin jinja_string_methods[] = {
    {"upper", "", jinja_string_case, CASE_UPPER},
    {"lower", "", jinja_string_case, CASE_LOWER},
    {"casefold", "", jinja_string_case, CASE_LOWER},
    {"capitalize", "", jinja_string_case, CASE_CAPITAL},
    {"title", "", jinja_string_case, CASE_TITLE},
    {"swapcase", "", jinja_string_case, CASE_SWAP},
    {"strip", "chars?", call_strip, BOTH},
    {"lstrip", "chars?", call_strip, LEFT},
    {"rstrip", "chars?", call_strip, RIGHT},
    {"startswith", "prefix start? end?", call_affix, LEFT},
    {"endswith", "suffix start? end?", call_affix, RIGHT},
    {"removeprefix", "prefix", call_remove_affix, LEFT},
    {"removesuffix", "suffix", call_remove_affix, RIGHT},
    {"find", "sub start? end?", call_find, FIRST},
    {"rfind", "sub start? end?", call_find, LAST},
    {"index", "sub start? end?", call_find, FIRST | MUST},
    {"rindex", "sub start? end?", call_find, LAST | MUST},
    {"count", "sub start? end?", call_count, 0},
    {"replace", "old new count?", call_replace, 0},
    {"split", "sep? maxsplit?", call_split, FIRST},
    {"rsplit", "sep? maxsplit?", call_split, LAST},
    {"partition", "sep", call_partition, FIRST},
    {"rpartition", "sep", call_partition, LAST},
    {"splitlines", "keepends?", call_lines, 0},
    {"join", "iterable", call_join, 0},
    {"center", "width fillchar?", call_pad, 'c'},
    {"ljust", "width fillchar?", call_pad, 'l'},
    {"rjust", "width fillchar?", call_pad, 'r'},
    {"zfill", "width", call_pad, '0'},
    {"format", NULL, call_format, 0},
    {"expandtabs", "tabsize?", call_expand_tabs, 0},
    {"isalpha", "", jinja_string_is, IS_ALPHA},
    {"isdecimal", "", jinja_string_is, IS_DECIMAL},
    {"isdigit", "", jinja_string_is, IS_DIGIT},
    {"isnumeric", "", jinja_string_is, IS_NUMERIC},
    {"isalnum", "", jinja_string_is, IS_ALNUM},
    {"isspace", "", jinja_string_is, IS_SPACE},
    {"isascii", "", jinja_string_is, IS_ASCII},
    {"isidentifier", "", jinja_string_is, IS_IDENTIFIER},
    {"islower", "", jinja_string_is_case, 'l'},
    {"isupper", "", jinja_string_is_case, 'u'},
    {"istitle", "", jinja_string_is_case, 't'},
    {0},
};

rv_status jinja_string_call(jinja_run *run, jinja_value *out, const char *method,
                            const jinja_value *self, const jinja_value *arguments, size_t count)
{
    jinja_arguments all = {.positional = {.items = (jinja_value *)arguments, .count = count}};
    return jinja_invoke(run, out, jinja_find(jinja_string_methods, jinja_literal(method)), self,
                        &all);
}
