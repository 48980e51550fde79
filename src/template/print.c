/* What values look like: str(), repr() and json.dumps() of Python. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "template/value.h"
#include "tokenizer/unicode.h"

/* The shortest decimals that read back as the same number, written as Python writes them. */
void jinja_float_text(char out[32], double real)
{
    char digits[32];
    int precision = 1;
    if (!isfinite(real)) {
        strcpy(out, isnan(real) ? "nan" : real > 0 ? "inf" : "-inf");
        return;
    }
    do snprintf(digits, sizeof digits, "%.*e", precision - 1, real);
    while (strtod(digits, NULL) != real && ++precision <= 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        snprintf(out, 32, "%.*s", (int)(strchr(digits, 'e') - digits), digits);
        snprintf(out + strlen(out), 32 - strlen(out), "e%+03d", exponent);
        return;
    }
    int decimals = precision - 1 - exponent;
    snprintf(out, 32, "%.*f", decimals > 0 ? decimals : 1, real);
}

/* What Python's str.isprintable allows. */
static bool is_printable(unsigned c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    bool other = category >= UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CN;
    bool separator = category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
    return c == ' ' || !(other || separator);
}

static rv_status repr_string(rv_text *out, jinja_memory *memory, jinja_string s)
{
    bool single = s.length && memchr(s.bytes, '\'', s.length);
    bool both = single && memchr(s.bytes, '"', s.length);
    char quote = single && !both ? '"' : '\'';
    RV_TRY(jinja_put(memory, out, &quote, 1));
    for (size_t i = 0, n; i < s.length; i += n) {
        static const char special[] = "\n\r\t\\", letters[] = "nrt\\";
        unsigned c = rv_char_at(s.bytes + i, &n);
        const char *known = c && c < 128 ? strchr(special, (int)c) : NULL;
        char escape[12];
        if (known)
            snprintf(escape, sizeof escape, "\\%c", letters[known - special]);
        else if (c == (unsigned char)quote)
            snprintf(escape, sizeof escape, "\\%c", quote);
        else if (!is_printable(c))
            snprintf(escape, sizeof escape,
                     c < 0x100     ? "\\x%02x"
                     : c < 0x10000 ? "\\u%04x"
                                   : "\\U%08x",
                     c);
        else {
            RV_TRY(jinja_put(memory, out, s.bytes + i, n));
            continue;
        }
        RV_TRY(jinja_puts(memory, out, escape));
    }
    return jinja_put(memory, out, &quote, 1);
}

static rv_status repr_at(rv_text *out, jinja_memory *memory, const jinja_value *v, int depth);

static rv_status repr_list(rv_text *out, jinja_memory *memory, const jinja_list *list,
                           int depth)
{
    static const char *const open[] = {"[",           "(",
                                       "(",           "",
                                       "dict_keys([", "dict_values([",
                                       "dict_items(["},
                             *const close[] = {"]", ")", ")", "", "])", "])", "])"};
    char text[96];
    if (list->flavor == FLAVOR_GENERATOR)
        return rv_fail(
            memory->err, RV_ERR_UNSUPPORTED,
            "printing what map, select and their like give is not supported (list does it)");
    if (list->flavor == FLAVOR_RANGE) {
        int n = snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64, list->range[0],
                         list->range[1]);
        if (list->range[2] != 1)
            n += snprintf(text + n, sizeof text - (size_t)n, ", %" PRId64, list->range[2]);
        snprintf(text + n, sizeof text - (size_t)n, ")");
        return jinja_puts(memory, out, text);
    }
    RV_TRY(jinja_puts(memory, out, open[list->flavor]));
    for (size_t i = 0; i < list->count; i++) {
        if (i) RV_TRY(jinja_puts(memory, out, ", "));
        RV_TRY(repr_at(out, memory, &list->items[i], depth + 1));
    }
    bool alone = list->flavor == FLAVOR_TUPLE && list->count == 1;
    if (alone) RV_TRY(jinja_puts(memory, out, ","));
    return jinja_puts(memory, out, close[list->flavor]);
}

static rv_status repr_dict(rv_text *out, jinja_memory *memory, const jinja_dict *dict,
                           int depth)
{
    RV_TRY(jinja_puts(memory, out, "{"));
    for (size_t i = 0; i < dict->count; i++) {
        if (i) RV_TRY(jinja_puts(memory, out, ", "));
        RV_TRY(repr_at(out, memory, &dict->entries[i].key, depth + 1));
        RV_TRY(jinja_puts(memory, out, ": "));
        RV_TRY(repr_at(out, memory, &dict->entries[i].value, depth + 1));
    }
    return jinja_puts(memory, out, "}");
}

static rv_status repr_at(rv_text *out, jinja_memory *memory, const jinja_value *v, int depth)
{
    char text[32];
    if (depth > JINJA_LIMIT_NESTING)
        return rv_fail(memory->err, RV_ERR_UNSUPPORTED, "a value is nested more than %d levels",
                       JINJA_LIMIT_NESTING);
    switch (v->kind) {
    case JINJA_UNDEFINED:
        return jinja_puts(memory, out, "Undefined");
    case JINJA_NONE:
        return jinja_puts(memory, out, "None");
    case JINJA_BOOL:
        return jinja_puts(memory, out, v->boolean ? "True" : "False");
    case JINJA_INT:
        snprintf(text, sizeof text, "%" PRId64, v->integer);
        return jinja_puts(memory, out, text);
    case JINJA_FLOAT:
        jinja_float_text(text, v->real);
        return jinja_puts(memory, out, text);
    case JINJA_STRING:
        return repr_string(out, memory, v->string);
    case JINJA_LIST:
        return repr_list(out, memory, v->list, depth);
    case JINJA_DICT:
        return repr_dict(out, memory, v->dict, depth);
    case JINJA_NAMESPACE:
        RV_TRY(jinja_puts(memory, out, "<Namespace "));
        RV_TRY(repr_dict(out, memory, v->dict, depth));
        return jinja_puts(memory, out, ">");
    default:
        return rv_fail(memory->err, RV_ERR_UNSUPPORTED, "printing %s is not supported",
                       jinja_kind_name(v));
    }
}

rv_status jinja_repr(rv_text *out, jinja_memory *memory, const jinja_value *value)
{
    return repr_at(out, memory, value, 0);
}

rv_status jinja_print(rv_text *out, jinja_memory *memory, const jinja_value *v)
{
    if (v->kind == JINJA_UNDEFINED) return RV_OK;
    if (v->kind == JINJA_STRING)
        return jinja_put(memory, out, v->string.bytes, v->string.length);
    return jinja_repr(out, memory, v);
}

rv_status jinja_to_string(jinja_value *out, jinja_memory *memory, const jinja_value *value)
{
    rv_text text = {0};
    if (value->kind == JINJA_STRING) {
        *out = *value;
        return RV_OK;
    }
    return jinja_take(out, memory, &text, jinja_print(&text, memory, value));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static rv_status json_string_text(rv_text *out, jinja_memory *memory, jinja_string s,
                                  bool ascii)
{
    RV_TRY(jinja_puts(memory, out, "\""));
    for (size_t i = 0, n; i < s.length; i += n) {
        static const char special[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
        unsigned c = rv_char_at(s.bytes + i, &n);
        const char *known = c && c < 128 ? strchr(special, (int)c) : NULL;
        char escape[16];
        if (known)
            snprintf(escape, sizeof escape, "\\%c", letters[known - special]);
        else if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000))
            snprintf(escape, sizeof escape, "\\u%04x", c);
        else if (ascii && c >= 0x10000)
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                     0xDC00 + ((c - 0x10000) & 0x3FF));
        else {
            RV_TRY(jinja_put(memory, out, s.bytes + i, n));
            continue;
        }
        RV_TRY(jinja_puts(memory, out, escape));
    }
    return jinja_puts(memory, out, "\"");
}

static rv_status json_scalar(rv_text *out, jinja_memory *memory, const jinja_value *v,
                             bool ascii)
{
    char text[32];
    switch (v->kind) {
    case JINJA_NONE:
        return jinja_puts(memory, out, "null");
    case JINJA_BOOL:
        return jinja_puts(memory, out, v->boolean ? "true" : "false");
    case JINJA_STRING:
        return json_string_text(out, memory, v->string, ascii);
    case JINJA_INT:
        return jinja_repr(out, memory, v);
    case JINJA_FLOAT:
        jinja_float_text(text, v->real);
        return jinja_puts(memory, out,
                          isfinite(v->real) ? text
                          : isnan(v->real)  ? "NaN"
                          : v->real > 0     ? "Infinity"
                                            : "-Infinity");
    default:
        return rv_fail(memory->err, RV_ERR_FORMAT, "tojson of %s is not possible",
                       jinja_kind_name(v));
    }
}

static rv_status new_line(rv_text *out, jinja_memory *memory, const jinja_json_style *style,
                          int depth)
{
    if (!style->indent.bytes) return RV_OK;
    RV_TRY(jinja_puts(memory, out, "\n"));
    for (int i = 0; i < depth; i++)
        RV_TRY(jinja_put(memory, out, style->indent.bytes, style->indent.length));
    return RV_OK;
}

static rv_status json_key(rv_text *out, jinja_memory *memory, const jinja_value *key,
                          bool ascii)
{
    if (key->kind == JINJA_STRING) return json_string_text(out, memory, key->string, ascii);
    RV_TRY(jinja_puts(memory, out, "\""));
    RV_TRY(json_scalar(out, memory, key, ascii));
    return jinja_puts(memory, out, "\"");
}

/* The entries in the order in which they are written. */
static rv_status json_entries(const jinja_entry **out, jinja_memory *memory,
                              const jinja_dict *dict, bool sorted)
{
    jinja_entry *copy;
    *out = dict->entries;
    if (!sorted) return RV_OK;
    RV_TRY(JINJA_NEW(copy, memory, dict->count));
    for (size_t i = 0; i < dict->count; i++) {
        size_t k = i;
        for (; k > 0; k--) {
            int order;
            RV_TRY(jinja_order(&order, memory, &dict->entries[i].key, &copy[k - 1].key));
            if (order >= 0) break;
            copy[k] = copy[k - 1];
        }
        copy[k] = dict->entries[i];
    }
    *out = copy;
    return RV_OK;
}

static rv_status json_at(rv_text *out, jinja_memory *memory, const jinja_value *v,
                         const jinja_json_style *style, int depth)
{
    bool is_list = v->kind == JINJA_LIST && v->list->flavor <= FLAVOR_GROUP;
    if (depth > JINJA_LIMIT_NESTING)
        return rv_fail(memory->err, RV_ERR_UNSUPPORTED, "tojson: more than %d levels",
                       JINJA_LIMIT_NESTING);
    if (!is_list && v->kind != JINJA_DICT) return json_scalar(out, memory, v, style->ascii);
    size_t count = is_list ? v->list->count : v->dict->count;
    const jinja_entry *entries = NULL;
    if (!is_list) RV_TRY(json_entries(&entries, memory, v->dict, style->sorted));
    RV_TRY(jinja_puts(memory, out, is_list ? "[" : "{"));
    for (size_t i = 0; i < count; i++) {
        if (i) RV_TRY(jinja_put(memory, out, style->between.bytes, style->between.length));
        RV_TRY(new_line(out, memory, style, depth + 1));
        if (!is_list) {
            RV_TRY(json_key(out, memory, &entries[i].key, style->ascii));
            RV_TRY(jinja_put(memory, out, style->colon.bytes, style->colon.length));
        }
        RV_TRY(json_at(out, memory, is_list ? &v->list->items[i] : &entries[i].value, style,
                       depth + 1));
    }
    if (count) RV_TRY(new_line(out, memory, style, depth));
    return jinja_puts(memory, out, is_list ? "]" : "}");
}

rv_status jinja_print_json(rv_text *out, jinja_memory *memory, const jinja_value *value,
                           const jinja_json_style *style)
{
    return json_at(out, memory, value, style, 0);
}
