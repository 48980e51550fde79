/* Letters: what they are, their other case. */
#include <string.h>
#include <utf8proc.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

size_t jinja_count_chars(jinja_string s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.length; i++) count += ((unsigned char)s.bytes[i] & 0xC0) != 0x80;
    return count;
}

bool jinja_is_blank(unsigned c)
{
    return rv_is_space(c) || (c >= 0x1C && c <= 0x1F); // four controls more than Unicode
}

static rv_status put_char(jinja_run *run, rv_text *out, unsigned c)
{
    char bytes[4];
    return jinja_put(run->memory, out, bytes, rv_utf8_encode(c, bytes));
}

/* ---- case ------------------------------------------------------------------------------------ */

static bool is_cased(unsigned c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT;
}

/* The few letters whose other case is more than one. */
static const char *many(unsigned c, bool upper, bool title)
{
    if (!upper) return c == 0x130 ? "i\xCC\x87" : NULL;
    switch (c) {
    case 0xDF:
        return title ? "Ss" : "SS";
    case 0x149:
        return "\xCA\xBCN";
    case 0xFB00:
        return title ? "Ff" : "FF";
    case 0xFB01:
        return title ? "Fi" : "FI";
    case 0xFB02:
        return title ? "Fl" : "FL";
    default:
        return NULL;
    }
}

rv_status jinja_change_case(jinja_run *run, jinja_value *out, jinja_string s, letter_case to)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    bool first = true;
    for (size_t i = 0, n; i < s.length && status == RV_OK; i += n) {
        utf8proc_int32_t c = (utf8proc_int32_t)rv_char_at(s.bytes + i, &n),
                         lower = utf8proc_tolower(c);
        bool title = first && (to == CASE_CAPITAL || to == CASE_TITLE);
        bool upper = to == CASE_UPPER || title || (to == CASE_SWAP && lower == c);
        const char *letters = many((unsigned)c, upper, title);
        first = to == CASE_TITLE && !is_cased((unsigned)c);
        status = letters ? jinja_puts(run->memory, &text, letters)
                         : put_char(run, &text,
                                    (unsigned)(title   ? utf8proc_totitle(c)
                                               : upper ? utf8proc_toupper(c)
                                                       : lower));
    }
    return jinja_take(out, run->memory, &text, status);
}

rv_status jinja_string_case(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    return jinja_change_case(run, out, c->self->string, (letter_case)c->builtin->variant);
}

/* ---- questions ------------------------------------------------------------------------------- */

static bool is_alphabetic(unsigned c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool is_decimal(unsigned c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

static bool is_digit(unsigned c)
{
    return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
           (c >= 0x2460 && c <= 0x2468);
}

static bool is_alphanumeric(unsigned c)
{
    return is_alphabetic(c) || rv_is_numeric(c);
}

static bool is_ascii(unsigned c)
{
    return c < 0x80;
}

static bool is_identifier(unsigned c)
{
    return c == '_' || is_alphanumeric(c);
}

static bool (*const questions[])(unsigned) = {is_alphabetic, is_decimal,      is_digit,
                                              rv_is_numeric, is_alphanumeric, jinja_is_blank,
                                              is_ascii,      is_identifier};

/* Whether every character is one of a kind, and there is one. */
rv_status jinja_string_is(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s = c->self->string;
    int kind = c->builtin->variant;
    bool all = s.length > 0 || kind == IS_ASCII;
    RV_TRY(jinja_work(run->memory, s.length));
    for (size_t i = 0, n; i < s.length && all; i += n)
        all = questions[kind](rv_char_at(s.bytes + i, &n));
    if (kind == IS_IDENTIFIER && s.length && *s.bytes >= '0' && *s.bytes <= '9') all = false;
    *out = jinja_bool(all);
    return RV_OK;
}

/* islower, isupper, istitle */
rv_status jinja_string_is_case(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    jinja_string s = c->self->string;
    bool any = false, good = true, inside = false;
    RV_TRY(jinja_work(run->memory, s.length));
    for (size_t i = 0, n; i < s.length && good; i += n) {
        unsigned code = rv_char_at(s.bytes + i, &n);
        bool cased = is_cased(code),
             lower = cased && utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_LL;
        any |= cased;
        if (cased)
            good = c->builtin->variant == 't' ? lower == inside
                                              : lower == (c->builtin->variant == 'l');
        inside = cased;
    }
    *out = jinja_bool(any && good);
    return RV_OK;
}
