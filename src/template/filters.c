/* Filters of chat templates on single values: text, numbers, JSON. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

rv_status jinja_integer(jinja_run *run, int64_t *out, const jinja_value *value,
                        int64_t otherwise, const char *name)
{
    *out = otherwise;
    if (value->kind == JINJA_MISSING || value->kind == JINJA_NONE) return RV_OK;
    if (value->kind != JINJA_INT && value->kind != JINJA_BOOL)
        return jinja_wants(run->memory, name, "an integer", value);
    *out = value->kind == JINJA_INT ? value->integer : value->boolean;
    return RV_OK;
}

bool jinja_flag(const jinja_value *value, bool otherwise)
{
    return value->kind == JINJA_MISSING ? otherwise : jinja_truth(value);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Filters that are methods of str(value). */
static rv_status as_method(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value text, arguments[JINJA_MOST_ARGUMENTS];
    size_t count = 0;
    const char *name = c->builtin->name;
    RV_TRY(jinja_to_string(&text, run->memory, c->self));
    for (size_t i = 0; i < 3 && c->argv[i].kind != JINJA_MISSING; i++)
        arguments[count++] = c->argv[i];
    if (strcmp(name, "replace") == 0)
        for (size_t i = 0; i < 2; i++)
            RV_TRY(jinja_to_string(&arguments[i], run->memory, &arguments[i]));
    if (strcmp(name, "center") == 0 && count == 0) arguments[count++] = jinja_int(80);
    return jinja_string_call(run, out, strcmp(name, "trim") == 0 ? "strip" : name, &text,
                             arguments, count);
}

/* Each word begins with a capital; words end at white space, '-' and opening brackets. */
static rv_status title(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value text, part, list;
    bool begins = true;
    RV_TRY(jinja_to_string(&text, run->memory, c->self));
    RV_TRY(jinja_new_list(&list, run->memory, FLAVOR_LIST));
    for (size_t at = 0, n; at < text.string.length; at += n) {
        unsigned code = rv_char_at(text.string.bytes + at, &n);
        RV_TRY(jinja_change_case(run, &part, (jinja_string){text.string.bytes + at, n},
                                 begins ? CASE_UPPER : CASE_LOWER));
        RV_TRY(jinja_push(run->memory, list.list, part));
        begins = jinja_is_blank(code) || (code < 128 && strchr("-({[<", (int)code));
    }
    return jinja_concat(run, out, list.list->items, list.list->count);
}

static rv_status string(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    return jinja_to_string(out, run->memory, c->self);
}

static rv_status safe(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    RV_TRY(jinja_to_string(out, run->memory, c->self));
    out->markup = true;
    return RV_OK;
}

static rv_status escape(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    bool force = c->builtin->variant;
    if (!force && c->self->kind == JINJA_STRING && c->self->markup) {
        *out = *c->self;
        return RV_OK;
    }
    return jinja_escape(run, out, c->self);
}

static rv_status indent(jinja_run *run, rv_text *text, jinja_string s, jinja_string by,
                        bool first, bool blank)
{
    jinja_value lines;
    rv_text whole = {0};
    jinja_value with_end;
    rv_status status = jinja_put(run->memory, &whole, s.bytes, s.length);
    if (status == RV_OK) status = jinja_puts(run->memory, &whole, "\n");
    RV_TRY(jinja_take(&with_end, run->memory, &whole, status));
    RV_TRY(jinja_lines(run, &lines, with_end.string, false));
    for (size_t i = 0; i < lines.list->count; i++) {
        jinja_string line = lines.list->items[i].string;
        if (i) RV_TRY(jinja_puts(run->memory, text, "\n"));
        if (i ? blank || line.length : first)
            RV_TRY(jinja_put(run->memory, text, by.bytes, by.length));
        RV_TRY(jinja_put(run->memory, text, line.bytes, line.length));
    }
    return RV_OK;
}

static rv_status call_indent(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value s, by;
    rv_text text = {0};
    int64_t width;
    if (c->self->kind != JINJA_STRING)
        return jinja_wants(run->memory, "indent", "a string", c->self);
    RV_TRY(jinja_to_string(&s, run->memory, c->self));
    if (c->argv[0].kind == JINJA_STRING) {
        by = c->argv[0];
    } else {
        const jinja_value space = jinja_text(" ");
        RV_TRY(jinja_integer(run, &width, &c->argv[0], 4, "indent"));
        const jinja_value count = jinja_int(width);
        RV_TRY(jinja_binary(run, &by, jinja_literal("*"), &space, &count));
    }
    return jinja_take(out, run->memory, &text,
                      indent(run, &text, s.string, by.string, jinja_flag(&c->argv[1], false),
                             jinja_flag(&c->argv[2], false)));
}

/* The bytes of the first n characters. */
static size_t bytes_of(jinja_string s, int64_t n)
{
    size_t at = 0, length;
    for (; n > 0 && at < s.length; n--, at += length) rv_char_at(s.bytes + at, &length);
    return at;
}

static rv_status truncate_text(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value s, end = jinja_text("...");
    int64_t length, leeway;
    s = c->self->kind == JINJA_STRING ? *c->self : jinja_text("");
    RV_TRY(jinja_integer(run, &length, &c->argv[0], 255, "truncate"));
    if (c->argv[2].kind != JINJA_MISSING) end = c->argv[2];
    if (end.kind != JINJA_STRING) return jinja_wants(run->memory, "truncate", "a string", &end);
    RV_TRY(jinja_integer(run, &leeway, &c->argv[3], 5, "truncate"));
    RV_TRY(jinja_work(run->memory, s.string.length + end.string.length));
    int64_t ending = (int64_t)jinja_count_chars(end.string);
    if (length < ending || leeway < 0)
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "truncate: expected a length of %lld or more", (long long)ending);
    *out = *c->self;
    int64_t have = c->self->kind == JINJA_LIST   ? (int64_t)c->self->list->count
                   : c->self->kind == JINJA_DICT ? (int64_t)c->self->dict->count
                                                 : (int64_t)jinja_count_chars(s.string);
    bool sized = c->self->kind == JINJA_STRING || c->self->kind == JINJA_UNDEFINED ||
                 (c->self->kind == JINJA_LIST && c->self->list->flavor != FLAVOR_GENERATOR) ||
                 c->self->kind == JINJA_DICT;
    if (sized && have <= length + leeway) return RV_OK;
    if (c->self->kind != JINJA_STRING)
        return jinja_wants(run->memory, "truncate", "a string", c->self);
    size_t kept = bytes_of(s.string, length - ending);
    const char *space =
        jinja_flag(&c->argv[1], false) ? NULL : memrchr(s.string.bytes, ' ', kept);
    if (space) kept = (size_t)(space - s.string.bytes);
    const jinja_value parts[] = {jinja_from_string((jinja_string){s.string.bytes, kept}), end};
    return jinja_concat(run, out, parts, 2);
}

static rv_status word_count(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value s;
    int64_t count = 0;
    bool inside = false;
    RV_TRY(jinja_to_string(&s, run->memory, c->self));
    RV_TRY(jinja_work(run->memory, s.string.length));
    for (size_t i = 0, n; i < s.string.length; i += n) {
        unsigned code = rv_char_at(s.string.bytes + i, &n);
        bool word = code == '_' || rv_is_numeric(code) ||
                    (rv_is_word(code) && !(code >= 0x300 && code < 0x370));
        count += word && !inside;
        inside = word;
    }
    *out = jinja_int(count);
    return RV_OK;
}

static rv_status put_quoted(jinja_run *run, rv_text *text, const jinja_value *value, bool plus)
{
    jinja_value s;
    RV_TRY(jinja_to_string(&s, run->memory, value));
    for (size_t i = 0; i < s.string.length; i++) {
        char c = s.string.bytes[i], code[4];
        bool kept = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                    (c && strchr("_.-~", c)) || (c == '/' && !plus);
        snprintf(code, sizeof code,
                 kept               ? "%c"
                 : plus && c == ' ' ? "+"
                                    : "%%%02X",
                 (unsigned char)c);
        RV_TRY(jinja_puts(run->memory, text, code));
    }
    return RV_OK;
}

static rv_status url_encode(jinja_run *run, rv_text *text, const jinja_value *value)
{
    const jinja_list *items;
    if (value->kind == JINJA_DICT) {
        for (size_t i = 0; i < value->dict->count; i++) {
            if (i) RV_TRY(jinja_puts(run->memory, text, "&"));
            RV_TRY(put_quoted(run, text, &value->dict->entries[i].key, true));
            RV_TRY(jinja_puts(run->memory, text, "="));
            RV_TRY(put_quoted(run, text, &value->dict->entries[i].value, true));
        }
        return RV_OK;
    }
    if (value->kind != JINJA_LIST) return put_quoted(run, text, value, false);
    RV_TRY(jinja_elements(run, &items, value));
    for (size_t i = 0; i < items->count; i++) {
        const jinja_list *pair;
        RV_TRY(jinja_elements(run, &pair, &items->items[i]));
        if (pair->count != 2)
            return jinja_wants(run->memory, "urlencode", "pairs", &items->items[i]);
        if (i) RV_TRY(jinja_puts(run->memory, text, "&"));
        RV_TRY(put_quoted(run, text, &pair->items[0], true));
        RV_TRY(jinja_puts(run->memory, text, "="));
        RV_TRY(put_quoted(run, text, &pair->items[1], true));
    }
    return RV_OK;
}

static rv_status call_url_encode(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    rv_text text = {0};
    return jinja_take(out, run->memory, &text, url_encode(run, &text, c->self));
}

/* "%s" | format(value) */
static rv_status format(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value s;
    RV_TRY(jinja_to_string(&s, run->memory, c->self));
    bool named = c->arguments->named.count > 0;
    if (named && c->arguments->positional.count)
        return rv_fail(run->memory->err, RV_ERR_FORMAT,
                       "format: values have names or places, not both");
    return jinja_percent(run, out, s.string, &c->arguments->positional,
                         named ? &c->arguments->named : NULL);
}

static rv_status pretty(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    rv_text text = {0};
    RV_TRY(jinja_take(out, run->memory, &text, jinja_repr(&text, run->memory, c->self)));
    if (jinja_count_chars(out->string) > 80 || c->self->kind == JINJA_DICT ||
        c->self->kind == JINJA_LIST)
        return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED,
                       "pprint of what needs several lines is not supported");
    return RV_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Text as Python's int(text, base) and float(text) read it; false where they do not. */
static bool read_text(jinja_value *out, jinja_string s, int base, bool real)
{
    char plain[64], *end;
    size_t n = 0, size;
    while (s.length && jinja_is_blank(rv_char_at(s.bytes, &size)))
        s.bytes += size, s.length -= size;
    while (s.length && jinja_is_blank(rv_char_before(s.bytes, s.length, &size)))
        s.length -= size;
    for (size_t i = 0; i < s.length; i++) {
        bool gap = s.bytes[i] == '_' && i > 0 && i + 1 < s.length && s.bytes[i - 1] != '_';
        if (n + 1 >= sizeof plain) return false;
        if (!gap) plain[n++] = s.bytes[i];
    }
    plain[n] = '\0';
    if (n == 0 || strchr(" \t\n\v\f\r", *plain) || (real && strpbrk(plain, "xX(")))
        return false;
    const char *digits = plain + (*plain == '-' || *plain == '+');
    if (*digits == '-' || *digits == '+') return false;
    bool prefixed = *digits == '0' && (digits[1] | 32) == 'x';
    if (prefixed && base != 16 && base != 0) return false;
    errno = 0;
    *out = real ? jinja_float(strtod(plain, &end)) : jinja_int(strtoll(plain, &end, base));
    return *end == '\0' && (real || errno == 0);
}

static rv_status to_int(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    int64_t base;
    jinja_value real;
    RV_TRY(jinja_integer(run, &base, &c->argv[1], 10, "int"));
    *out = c->argv[0].kind == JINJA_MISSING ? jinja_int(0) : c->argv[0];
    if (c->self->kind == JINJA_UNDEFINED)
        return jinja_wants(run->memory, "int", "a value", c->self);
    if (c->self->kind == JINJA_STRING) {
        jinja_value read;
        if (base >= 0 && base <= 36 && base != 1 &&
            read_text(&read, c->self->string, (int)base, false))
            *out = read;
        else if (read_text(&real, c->self->string, 10, true) && fabs(real.real) < 9e18)
            *out = jinja_int((int64_t)real.real);
    } else if (c->self->kind == JINJA_FLOAT) {
        if (!(fabs(c->self->real) < 9e18))
            return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "int: a number is too big");
        *out = jinja_int((int64_t)c->self->real);
    } else if (jinja_is_number(c->self)) {
        *out = jinja_int(c->self->kind == JINJA_INT ? c->self->integer : c->self->boolean);
    }
    return RV_OK;
}

static rv_status to_float(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value read;
    *out = c->argv[0].kind == JINJA_MISSING ? jinja_float(0) : c->argv[0];
    if (c->self->kind == JINJA_UNDEFINED)
        return jinja_wants(run->memory, "float", "a value", c->self);
    if (jinja_is_number(c->self)) *out = jinja_float(jinja_number(c->self));
    if (c->self->kind == JINJA_STRING && read_text(&read, c->self->string, 10, true))
        *out = read;
    return RV_OK;
}

static rv_status absolute(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    if (!jinja_is_number(c->self)) return jinja_wants(run->memory, "abs", "a number", c->self);
    *out = *c->self;
    if (c->self->kind == JINJA_BOOL) *out = jinja_int(c->self->boolean);
    return signbit(jinja_number(out)) ? jinja_negate(run, out, out) : RV_OK;
}

static rv_status round_number(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    int64_t precision;
    const jinja_value common = jinja_text("common"),
                      *method = c->argv[1].kind == JINJA_MISSING ? &common : &c->argv[1];
    if (!jinja_is_number(c->self))
        return jinja_wants(run->memory, "round", "a number", c->self);
    RV_TRY(jinja_integer(run, &precision, &c->argv[0], 0, "round"));
    if (method->kind != JINJA_STRING || precision < -300 || precision > 300)
        return jinja_wants(run->memory, "round", "a method", method);
    double x = jinja_number(c->self), scale = pow(10, (double)precision);
    if (jinja_same(method->string, "ceil") || jinja_same(method->string, "floor")) {
        *out =
            jinja_float((*method->string.bytes == 'c' ? ceil : floor)(x * scale) / scale + 0.0);
    } else if (!jinja_same(method->string, "common")) {
        return jinja_wants(run->memory, "round", "common, ceil or floor", method);
    } else if (c->self->kind != JINJA_FLOAT && precision >= 0) {
        *out = jinja_int((int64_t)x);
    } else {
        char digits[700]; // decimals are rounded correctly, halves of what is stored to even
        snprintf(digits, sizeof digits, "%.*f", precision < 0 ? 0 : (int)precision,
                 precision < 0 ? x * scale : x);
        double rounded = strtod(digits, NULL) / (precision < 0 ? scale : 1);
        *out =
            c->self->kind == JINJA_FLOAT ? jinja_float(rounded) : jinja_int((int64_t)rounded);
    }
    return RV_OK;
}

static rv_status file_size(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    static const char *const decimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                             *const binary[] = {"KiB", "MiB", "GiB", "TiB",
                                                "PiB", "EiB", "ZiB", "YiB"};
    bool two = jinja_flag(&c->argv[0], false);
    jinja_value number = *c->self;
    char text[64];
    if (number.kind == JINJA_STRING && !read_text(&number, c->self->string, 10, true))
        return jinja_wants(run->memory, "filesizeformat", "a number", c->self);
    if (!jinja_is_number(&number))
        return jinja_wants(run->memory, "filesizeformat", "a number", &number);
    double bytes = jinja_number(&number), base = two ? 1024 : 1000, unit = base;
    size_t i = 0;
    if (bytes == 1) return jinja_copy(out, run->memory, "1 Byte", 6);
    if (bytes < base) {
        snprintf(text, sizeof text, "%.0f Bytes", trunc(bytes) + 0.0);
    } else {
        for (; i < 7 && bytes >= unit * base; i++) unit *= base;
        snprintf(text, sizeof text, "%.1f %s", bytes / unit, (two ? binary : decimal)[i]);
    }
    return jinja_copy(out, run->memory, text, strlen(text));
}

/* ---- others ---------------------------------------------------------------------------------- */

static rv_status otherwise(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    (void)run;
    bool taken = c->self->kind == JINJA_UNDEFINED ||
                 (jinja_flag(&c->argv[1], false) && !jinja_truth(c->self));
    *out = !taken ? *c->self : c->argv[0].kind == JINJA_MISSING ? jinja_text("") : c->argv[0];
    return RV_OK;
}

static rv_status attribute(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_value name;
    RV_TRY(jinja_to_string(&name, run->memory, &c->argv[0]));
    RV_TRY(jinja_attribute(run, out, c->self, name.string));
    bool member = out->kind == JINJA_UNDEFINED && c->self->kind == JINJA_NAMESPACE;
    return member ? jinja_item(run, out, c->self, &name) : RV_OK;
}

static rv_status to_json(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_value *width = &c->argv[1], *separators = &c->argv[2];
    jinja_json_style style = {.ascii = jinja_flag(&c->argv[0], false),
                              .sorted = jinja_flag(&c->argv[3], false)};
    rv_text text = {0};
    char spaces[64];
    int64_t count = 0;
    if (width->kind == JINJA_STRING) {
        style.indent = width->string;
    } else if (width->kind != JINJA_MISSING && width->kind != JINJA_NONE) {
        RV_TRY(jinja_integer(run, &count, width, 0, "tojson"));
        if (count > (int64_t)sizeof spaces)
            return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED,
                           "tojson: indent is more than %zu", sizeof spaces);
        memset(spaces, ' ', sizeof spaces);
        style.indent = (jinja_string){spaces, count < 0 ? 0 : (size_t)count};
    }
    style.between = jinja_literal(style.indent.bytes ? "," : ", ");
    style.colon = jinja_literal(": ");
    if (separators->kind != JINJA_MISSING && separators->kind != JINJA_NONE) {
        bool pair = jinja_is_sequence(separators) && separators->list->count == 2;
        if (!pair) return jinja_wants(run->memory, "tojson", "two separators", separators);
        RV_TRY(jinja_get_string(run, &style.between, &separators->list->items[0], "tojson"));
        RV_TRY(jinja_get_string(run, &style.colon, &separators->list->items[1], "tojson"));
    }
    return jinja_take(out, run->memory, &text,
                      jinja_print_json(&text, run->memory, c->self, &style));
}

const jinja_builtin jinja_filters[] = {
    {"upper", "", as_method, 0},
    {"lower", "", as_method, 0},
    {"capitalize", "", as_method, 0},
    {"trim", "chars?", as_method, 0},
    {"replace", "old new count?", as_method, 0},
    {"center", "width?", as_method, 0},
    {"title", "", title, 0},
    {"string", "", string, 0},
    {"safe", "", safe, 0},
    {"e", "", escape, 0},
    {"escape", "", escape, 0},
    {"forceescape", "", escape, 1},
    {"indent", "width? first? blank?", call_indent, 0},
    {"truncate", "length? killwords? end? leeway?", truncate_text, 0},
    {"wordcount", "", word_count, 0},
    {"urlencode", "", call_url_encode, 0},
    {"format", NULL, format, 0},
    {"pprint", "", pretty, 0},
    {"int", "default? base?", to_int, 0},
    {"float", "default?", to_float, 0},
    {"abs", "", absolute, 0},
    {"round", "precision? method?", round_number, 0},
    {"filesizeformat", "binary?", file_size, 0},
    {"default", "default_value? boolean?", otherwise, 0},
    {"d", "default_value? boolean?", otherwise, 0},
    {"attr", "name", attribute, 0},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", to_json, 0},
    {0},
};
