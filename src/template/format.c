/* "%5.2f" % x and "{:>5}".format(x): Python's formatting of values. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

enum { LIMIT_WIDTH = 1000 };

/* [[fill]align][sign][#][0][width][,][.precision][type] */
typedef struct spec {
    jinja_string fill;
    char align, sign, type; /* 0: not given */
    bool alternate, commas;
    int width, precision; /* -1: not given */
} spec;

static rv_status bad_format(jinja_run *run, jinja_string format)
{
    return rv_fail(run->memory->err, RV_ERR_UNSUPPORTED, "format \"%.*s\" is not supported",
                   (int)(format.length < 60 ? format.length : 60), format.bytes);
}

static int take_digits(jinja_string s, size_t *at)
{
    int number = 0;
    for (; *at < s.length && s.bytes[*at] >= '0' && s.bytes[*at] <= '9'; ++*at)
        number = number > LIMIT_WIDTH ? number : 10 * number + (s.bytes[*at] - '0');
    return number;
}

static void group_thousands(char *digits, size_t size)
{
    size_t start = *digits == '-', end = strspn(digits + start, "0123456789") + start;
    for (size_t i = end; i > start + 3; i -= 3) {
        size_t length = strlen(digits);
        if (length + 2 > size) return;
        memmove(digits + i - 2, digits + i - 3, length - i + 4);
        digits[i - 3] = ',';
    }
}

/* The digits of a number without padding, "-" in front of a negative one. */
static rv_status number_text(jinja_run *run, char *out, size_t size, const spec *s,
                             const jinja_value *value, jinja_string format)
{
    char type = s->type, pattern[16];
    bool real = value->kind == JINJA_FLOAT || (type && strchr("eEfFgG%", type));
    if (!real && (!type || strchr("dinu", type))) {
        snprintf(out, size, "%" PRId64,
                 value->kind == JINJA_BOOL ? value->boolean : value->integer);
    } else if (!real && strchr("xXo", type)) {
        int64_t n = value->kind == JINJA_BOOL ? value->boolean : value->integer;
        uint64_t magnitude = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
        const char *prefix = !s->alternate ? ""
                             : type == 'o' ? "0o"
                             : type == 'x' ? "0x"
                                           : "0X";
        snprintf(pattern, sizeof pattern, "%%s%%s%%%s%c", "l", type);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(out, size, pattern, n < 0 ? "-" : "", prefix, (unsigned long)magnitude);
    } else if (type == 'd' || type == 'i' || type == 'u') {
        snprintf(out, size, "%.0f", trunc(jinja_number(value)));
    } else if (!type) {
        char shortest[32];
        jinja_float_text(shortest, value->real);
        if (s->precision < 0)
            snprintf(out, size, "%s", shortest);
        else
            snprintf(out, size, "%.*g", s->precision ? s->precision : 1, value->real);
    } else if (strchr("eEfFgG", type)) {
        snprintf(pattern, sizeof pattern, "%%.*%c", type);
        snprintf(out, size, pattern, s->precision < 0 ? 6 : s->precision, jinja_number(value));
#pragma GCC diagnostic pop
    } else if (type == '%') {
        snprintf(out, size, "%.*f%%", s->precision < 0 ? 6 : s->precision,
                 100 * jinja_number(value));
    } else {
        return bad_format(run, format);
    }
    if (s->commas) group_thousands(out, size);
    return RV_OK;
}

static rv_status pad(jinja_run *run, rv_text *out, const spec *s, jinja_string body, char align)
{
    size_t count = jinja_count_chars(body);
    size_t missing = s->width > 0 && (size_t)s->width > count ? (size_t)s->width - count : 0;
    size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    size_t sign = align == '=' && body.length && strchr("+- ", *body.bytes) ? 1 : 0;
    RV_TRY(jinja_put(run->memory, out, body.bytes, sign));
    for (size_t i = 0; i < left; i++)
        RV_TRY(jinja_put(run->memory, out, s->fill.bytes, s->fill.length));
    RV_TRY(jinja_put(run->memory, out, body.bytes + sign, body.length - sign));
    for (size_t i = left; i < missing; i++)
        RV_TRY(jinja_put(run->memory, out, s->fill.bytes, s->fill.length));
    return RV_OK;
}

static rv_status put_number(jinja_run *run, rv_text *out, const spec *s,
                            const jinja_value *value, jinja_string format)
{
    char digits[512] = "", *text = digits + 1;
    RV_TRY(number_text(run, text, sizeof digits - 1, s, value, format));
    if (*text != '-' && s->sign && s->sign != '-') *--text = s->sign;
    return pad(run, out, s, jinja_literal(text), s->align ? s->align : '>');
}

static rv_status put_text(jinja_run *run, rv_text *out, const spec *s, const jinja_value *value)
{
    jinja_value shown;
    RV_TRY(jinja_to_string(&shown, run->memory, value));
    jinja_string body = shown.string;
    if (s->precision >= 0) {
        size_t at = 0, n;
        for (int i = 0; i < s->precision && at < body.length; i++, at += n)
            rv_char_at(body.bytes + at, &n);
        body.length = at;
    }
    return pad(run, out, s, body, s->align ? s->align : '<');
}

/* ---- "..." % values -------------------------------------------------------------------------- */

/* What stands between '%' and the letter, past an optional (name). */
static rv_status read_percent(jinja_run *run, spec *s, jinja_string format, size_t *at)
{
    *s = (spec){.fill = {" ", 1}, .align = '>', .width = -1, .precision = -1};
    for (; *at < format.length; ++*at) {
        char c = format.bytes[*at];
        if (c == '-')
            s->align = '<';
        else if (c == '0' && s->align != '<')
            s->fill = (jinja_string){"0", 1}, s->align = '=';
        else if (c == '+' || (c == ' ' && s->sign != '+'))
            s->sign = c;
        else if (c == '#')
            s->alternate = true;
        else
            break;
    }
    s->width = take_digits(format, at);
    if (*at < format.length && format.bytes[*at] == '.') {
        ++*at;
        s->precision = take_digits(format, at);
    }
    if (*at >= format.length || s->width > LIMIT_WIDTH || s->precision > 100)
        return bad_format(run, format);
    s->type = format.bytes[(*at)++];
    return RV_OK;
}

static rv_status put_percent(jinja_run *run, rv_text *out, spec *s, const jinja_value *value,
                             jinja_string format)
{
    rv_text text = {0};
    jinja_value shown;
    if (s->type == 's' || s->type == 'r') {
        if (s->align == '=') s->align = '>', s->fill = (jinja_string){" ", 1};
        if (s->type == 's') return put_text(run, out, s, value);
        RV_TRY(jinja_take(&shown, run->memory, &text, jinja_repr(&text, run->memory, value)));
        return put_text(run, out, s, &shown);
    }
    if (s->type == 'c' || !strchr("diuxXoeEfFgG", s->type)) return bad_format(run, format);
    if (!jinja_is_number(value)) return jinja_wants(run->memory, "%", "a number", value);
    return put_number(run, out, s, value, format);
}

static rv_status percent(jinja_run *run, rv_text *out, jinja_string format,
                         const jinja_list *values, const jinja_dict *named)
{
    size_t used = 0;
    bool by_name = false;
    for (size_t at = 0; at < format.length;) {
        const char *sign = memchr(format.bytes + at, '%', format.length - at);
        size_t plain = sign ? (size_t)(sign - format.bytes) - at : format.length - at;
        RV_TRY(jinja_put(run->memory, out, format.bytes + at, plain));
        at += plain + 1;
        if (!sign) break;
        if (at < format.length && format.bytes[at] == '%') {
            at++;
            RV_TRY(jinja_puts(run->memory, out, "%"));
            continue;
        }
        const jinja_value *value = NULL;
        spec s;
        if (at < format.length && format.bytes[at] == '(') {
            const char *end = memchr(format.bytes + at, ')', format.length - at);
            if (!named || !end) return bad_format(run, format);
            jinja_string name = {format.bytes + at + 1, (size_t)(end - format.bytes) - at - 1};
            const jinja_value key = jinja_from_string(name);
            RV_TRY(jinja_get(&value, run->memory, named, &key));
            at += name.length + 2;
            by_name = true;
        } else if (used < values->count) {
            value = &values->items[used++];
        }
        RV_TRY(read_percent(run, &s, format, &at));
        if (!value)
            return rv_fail(run->memory->err, RV_ERR_FORMAT, "a format wants more values");
        RV_TRY(put_percent(run, out, &s, value, format));
    }
    if (used < values->count && !by_name && !named)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "a format does not use all values");
    return RV_OK;
}

rv_status jinja_percent(jinja_run *run, jinja_value *out, jinja_string format,
                        const jinja_list *values, const jinja_dict *named)
{
    rv_text text = {0};
    return jinja_take(out, run->memory, &text, percent(run, &text, format, values, named));
}

/* ---- "...".format(values) -------------------------------------------------------------------- */

static rv_status read_spec(jinja_run *run, spec *s, jinja_string text)
{
    size_t at = 0, n = 0;
    *s = (spec){.fill = {" ", 1}, .width = -1, .precision = -1};
    if (text.length) rv_char_at(text.bytes, &n);
    if (text.length > n && strchr("<>=^", text.bytes[n])) {
        s->fill = (jinja_string){text.bytes, n};
        s->align = text.bytes[n];
        at = n + 1;
    } else if (text.length && strchr("<>=^", *text.bytes)) {
        s->align = text.bytes[at++];
    }
    if (at < text.length && strchr("+- ", text.bytes[at])) s->sign = text.bytes[at++];
    if (at < text.length && text.bytes[at] == '#') s->alternate = true, at++;
    if (at < text.length && text.bytes[at] == '0') {
        if (!s->align) s->align = '=', s->fill = (jinja_string){"0", 1};
        at++;
    }
    s->width = take_digits(text, &at);
    if (at < text.length && text.bytes[at] == ',') s->commas = true, at++;
    if (at < text.length && text.bytes[at] == '.') {
        at++;
        s->precision = take_digits(text, &at);
    }
    if (at < text.length) s->type = text.bytes[at++];
    if (at < text.length || s->width > LIMIT_WIDTH || s->precision > 100)
        return bad_format(run, text);
    return RV_OK;
}

/* name, name!r, name:spec, name!r:spec */
static rv_status put_field(jinja_run *run, rv_text *out, jinja_string field, size_t *next,
                           const jinja_arguments *arguments)
{
    size_t length = 0, place = 0;
    while (length < field.length && field.bytes[length] != '!' && field.bytes[length] != ':')
        length++;
    jinja_string name = {field.bytes, length};
    const jinja_value *value = NULL;
    jinja_value shown;
    rv_text text = {0};
    spec s;
    bool number = length == 0 || (*name.bytes >= '0' && *name.bytes <= '9');
    if (length == 0) {
        place = (*next)++;
    } else if (number) {
        size_t at = 0;
        place = (size_t)take_digits(name, &at);
        if (at < length) return bad_format(run, field);
    }
    if (number)
        value =
            place < arguments->positional.count ? &arguments->positional.items[place] : NULL;
    else
        value = jinja_get_name(&arguments->named, name);
    if (!value)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "format: no value for {%.*s}",
                       (int)field.length, field.bytes);
    if (length < field.length && field.bytes[length] == '!') {
        char conversion = length + 1 < field.length ? field.bytes[length + 1] : '\0';
        if (conversion != 'r' && conversion != 's') return bad_format(run, field);
        RV_TRY(jinja_take(
            &shown, run->memory, &text,
            (conversion == 'r' ? jinja_repr : jinja_print)(&text, run->memory, value)));
        value = &shown;
        length += 2;
    }
    if (length < field.length && field.bytes[length] != ':') return bad_format(run, field);
    length += length < field.length;
    RV_TRY(read_spec(run, &s, (jinja_string){field.bytes + length, field.length - length}));
    bool text_type =
        s.type == 's' || !jinja_is_number(value) || (value->kind == JINJA_BOOL && !s.type);
    if (text_type && (jinja_is_number(value) ? s.type == 's' : s.type && s.type != 's'))
        return bad_format(run, field);
    return text_type ? put_text(run, out, &s, value) : put_number(run, out, &s, value, field);
}

static rv_status format_braces(jinja_run *run, rv_text *out, jinja_string format,
                               const jinja_arguments *arguments)
{
    size_t next = 0;
    for (size_t at = 0; at < format.length;) {
        char c = format.bytes[at];
        bool doubled = at + 1 < format.length && format.bytes[at + 1] == c;
        if ((c == '{' || c == '}') && doubled) {
            RV_TRY(jinja_put(run->memory, out, &c, 1));
            at += 2;
        } else if (c == '{') {
            const char *end = memchr(format.bytes + at, '}', format.length - at);
            if (!end) return bad_format(run, format);
            jinja_string field = {format.bytes + at + 1, (size_t)(end - format.bytes) - at - 1};
            RV_TRY(put_field(run, out, field, &next, arguments));
            at += field.length + 2;
        } else if (c == '}') {
            return bad_format(run, format);
        } else {
            RV_TRY(jinja_put(run->memory, out, &c, 1));
            at++;
        }
    }
    return RV_OK;
}

rv_status jinja_format(jinja_run *run, jinja_value *out, jinja_string format,
                       const jinja_arguments *arguments)
{
    rv_text text = {0};
    return jinja_take(out, run->memory, &text, format_braces(run, &text, format, arguments));
}
