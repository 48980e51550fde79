/* What Python's json takes beyond the standard becomes what jansson takes: json.h says how. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

/* jansson's parser refuses NULs in keys, its objects do not: while it parses, this noncharacter
 * (U+10FFFF) stands for them. */
static const char nul_in_key[] = "\xF4\x8F\xBF\xBF";

typedef struct translator {
    const char *text;
    size_t length, copied; /* bytes of the text that are in `out` already */
    rv_text out;           /* empty while the text needs no translation */
    bool nul_keys;
} translator;

/* Writes `with` for the text's bytes [from, to). */
static void replace(translator *t, size_t from, size_t to, const char *with)
{
    rv_text_append(&t->out, t->text + t->copied, from - t->copied);
    rv_text_puts(&t->out, with);
    t->copied = to;
}

/* The four digits behind a "\u" at text[at]; -1 if there is no such thing. */
static long unicode_escape(const translator *t, size_t at)
{
    long value = 0;
    if (t->length - at < 6 || t->text[at] != '\\' || t->text[at + 1] != 'u') return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        unsigned char c = (unsigned char)t->text[i];
        if (!isxdigit(c)) return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return value;
}

/* Past the escape at text[at]. Surrogates that are no pair become U+FFFD; `nul`: NULs, what keys
 * need (NULL: they stay). */
static size_t translate_escape(translator *t, size_t at, const char *nul, bool *found_nul)
{
    long code = unicode_escape(t, at);
    if (code < 0) return at + 2 < t->length ? at + 2 : t->length;
    if (code >= 0xD800 && code < 0xDC00) {
        long low = unicode_escape(t, at + 6);
        if (low >= 0xDC00 && low < 0xE000) return at + 12;
    }
    if (code >= 0xD800 && code < 0xE000) replace(t, at, at + 6, "\\uFFFD");
    if (code == 0) {
        *found_nul = true;
        if (nul) replace(t, at, at + 6, nul);
    }
    return at + 6;
}

/* Past the string whose first byte, behind the quote, is text[at]. */
static size_t translate_string(translator *t, size_t at, const char *nul, bool *found_nul)
{
    while (at < t->length && t->text[at] != '"')
        at = t->text[at] == '\\' ? translate_escape(t, at, nul, found_nul) : at + 1;
    return at < t->length ? at + 1 : at;
}

static bool is_key(const translator *t, size_t end)
{
    while (end < t->length && strchr(" \t\r\n", t->text[end]) && t->text[end]) end++;
    return end < t->length && t->text[end] == ':';
}

static size_t translate_text(translator *t, size_t at)
{
    translator before = *t;
    bool found_nul = false;
    size_t end = translate_string(t, at, NULL, &found_nul);
    if (!found_nul || !is_key(t, end)) return end;
    t->copied = before.copied; // again, since it turned out to be a key
    t->out.length = before.out.length;
    t->nul_keys = true;
    return translate_string(t, at, nul_in_key, &found_nul);
}

/* Integers beyond 64 bits become reals; what no double holds, "Infinity", as Python's floats. */
static void translate_number(translator *t, size_t at, size_t end)
{
    static const char largest[] = "9223372036854775807";
    enum { DIGITS = sizeof largest - 1, SHORT = 300 };
    bool negative = t->text[at] == '-', whole = true, scaled = false;
    size_t first = at + negative, digits = end - first;
    for (size_t i = first; i < end; i++) {
        whole = whole && isdigit((unsigned char)t->text[i]);
        scaled = scaled || (t->text[i] | 0x20) == 'e';
    }
    if (scaled || digits > SHORT) {
        char *copy = rv_strndup(t->text + at, end - at);
        bool finite = copy && isfinite(strtod(copy, NULL));
        t->out.failed = t->out.failed || !copy;
        free(copy);
        if (!finite) replace(t, at, end, negative ? "\"-Infinity\"" : "\"Infinity\"");
        if (!finite || !whole) return;
    }
    if (whole && digits >= DIGITS &&
        (digits > DIGITS || memcmp(t->text + first, largest, DIGITS) > 0))
        replace(t, end, end, ".0");
}

static bool starts(const translator *t, size_t at, const char *word)
{
    size_t length = strlen(word);
    return t->length - at >= length && memcmp(t->text + at, word, length) == 0;
}

static void translate(translator *t)
{
    for (size_t at = 0; at < t->length;) {
        unsigned char c = (unsigned char)t->text[at];
        if (c == '"') {
            at = translate_text(t, at + 1);
        } else if (starts(t, at, "NaN")) {
            replace(t, at, at + 3, "\"NaN\"");
            at += 3;
        } else if (starts(t, at, "Infinity")) {
            replace(t, at, at + 8, "\"Infinity\"");
            at += 8;
        } else if (starts(t, at, "-Infinity")) {
            replace(t, at, at + 9, "\"-Infinity\"");
            at += 9;
        } else if (isdigit(c) || c == '-') {
            size_t end = at + 1;
            while (end < t->length &&
                   (isalnum((unsigned char)t->text[end]) || memchr("+-.", t->text[end], 3)))
                end++;
            translate_number(t, at, end);
            at = end;
        } else {
            at++;
        }
    }
    if (t->copied) replace(t, t->length, t->length, "");
}

/* A copy with the NULs of keys in their places; NULL when memory is short. Parsing has bounded the
 * depth. */
static json_t *restore_nuls(json_t *value)
{
    size_t i, length;
    const char *key;
    json_t *item;
    if (!json_is_array(value) && !json_is_object(value)) return json_incref(value);
    json_t *copy = json_is_array(value) ? json_array() : json_object();
    int failed = copy == NULL;
    if (json_is_array(value))
        json_array_foreach(value, i, item) failed |=
            json_array_append_new(copy, restore_nuls(item));
    else
        json_object_keylen_foreach(value, key, length, item)
        {
            rv_text name = {0};
            for (const char *p = key, *end = key + length; p < end;) {
                bool nul = (size_t)(end - p) >= 4 && memcmp(p, nul_in_key, 4) == 0;
                rv_text_append(&name, nul ? "" : p, 1);
                p += nul ? 4 : 1;
            }
            failed |=
                name.failed || json_object_setn_new_nocheck(copy, name.bytes ? name.bytes : "",
                                                            name.length, restore_nuls(item));
            rv_text_release(&name);
        }
    if (failed) json_decref(copy);
    return failed ? NULL : copy;
}

rv_status rv_json_parse(json_t **out, const char *text, size_t length, const char *where,
                        rv_error *err)
{
    translator t = {.text = text, .length = length};
    json_error_t why = {.line = 0};
    *out = NULL;
    translate(&t);
    bool same = t.copied == 0, failed = t.out.failed;
    if (!failed)
        *out = json_loadb(same ? text : t.out.bytes, same ? length : t.out.length,
                          JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (*out && t.nul_keys) {
        json_t *parsed = *out;
        *out = restore_nuls(parsed);
        failed = !*out;
        json_decref(parsed);
    }
    rv_text_release(&t.out);
    if (*out) return RV_OK;
    if (failed || json_error_code(&why) == json_error_out_of_memory)
        return rv_fail_memory(err, length);
    return rv_fail(err, RV_ERR_FORMAT, "%s: line %d: expected JSON: %s", where, why.line,
                   why.text);
}

rv_status rv_json_parse_object(json_t **out, const char *text, size_t length, const char *where,
                               rv_error *err)
{
    RV_TRY(rv_json_parse(out, text, length, where, err));
    if (json_is_object(*out)) return RV_OK;
    rv_status status = rv_fail(err, RV_ERR_FORMAT, "%s: expected a JSON object, found %s",
                               where, rv_json_kind(*out));
    json_decref(*out);
    *out = NULL;
    return status;
}

typedef rv_status (*parser)(json_t **, const char *, size_t, const char *, rv_error *);

static rv_status read_with(parser parse, json_t **out, const char *path, size_t limit,
                           rv_error *err)
{
    char *text;
    size_t length;
    *out = NULL;
    RV_TRY(rv_read_file(&text, &length, path, limit, err));
    rv_status status = parse(out, text, length, path, err);
    free(text);
    return status;
}

rv_status rv_json_read(json_t **out, const char *path, size_t limit, rv_error *err)
{
    return read_with(rv_json_parse, out, path, limit, err);
}

rv_status rv_json_read_object(json_t **out, const char *path, size_t limit, rv_error *err)
{
    return read_with(rv_json_parse_object, out, path, limit, err);
}
