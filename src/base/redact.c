#include "base/redact.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MOST = 4096, TWICE_OVER = 16 }; /* escapes of escapes that are looked through */

/* ---- one character, however it is written ----------------------------------------------------- */
/* Digits of a base from p on, at most `most` of them; NULL if there are none or too large a number. */
static const char *number(unsigned *out, const char *p, const char *end, unsigned base,
                          size_t most)
{
    const char *start = p;
    for (*out = 0; p < end && (size_t)(p - start) < most && isxdigit((unsigned char)*p); p++) {
        unsigned char c = (unsigned char)*p;
        unsigned digit =
            isdigit(c) ? c - (unsigned)'0' : (unsigned)tolower(c) - (unsigned)'a' + 10;
        if (digit >= base) break;
        *out = *out * base + digit;
    }
    return p > start && *out < 256 ? p : NULL;
}

/* \u0041 \U00000041 \u{41} \x41 \/ and the like with more backslashes; p is at the first. */
static const char *backslashed(unsigned *out, const char *p, const char *end)
{
    for (size_t i = 0; i < TWICE_OVER && p < end && *p == '\\'; i++) p++;
    if (p == end) return NULL;
    size_t digits = *p == 'u' ? 4 : *p == 'U' ? 8 : *p == 'x' ? 2 : 0;
    bool braced = digits && p + 1 < end && p[1] == '{';
    const char *after = digits ? number(out, p + 1 + braced, end, 16, digits) : NULL;
    if (after) return after + (braced && after < end && *after == '}');
    *out = (unsigned char)*p;
    return p + 1;
}

/* &#65; &#x41; &sol; &amp;#65; */
static const char *entity(unsigned *out, const char *p, const char *end)
{
    static const struct {
        const char *name;
        char character;
    } names[] = {{"sol;", '/'},    {"plus;", '+'},   {"equals;", '='}, {"lowbar;", '_'},
                 {"period;", '.'}, {"hyphen;", '-'}, {"colon;", ':'},  {"quot;", '"'},
                 {"apos;", '\''},  {"lt;", '<'},     {"gt;", '>'}};
    size_t ampersands = 0;
    for (p++; ampersands < TWICE_OVER && end - p >= 4 && memcmp(p, "amp;", 4) == 0; p += 4)
        ampersands++;
    if (p < end && *p == '#') {
        bool hexadecimal = p + 1 < end && tolower((unsigned char)p[1]) == 'x';
        const char *after = number(out, p + 1 + hexadecimal, end, hexadecimal ? 16 : 10, 8);
        if (after) return after + (after < end && *after == ';');
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t length = strlen(names[i].name);
        if ((size_t)(end - p) < length || memcmp(p, names[i].name, length) != 0) continue;
        *out = (unsigned char)names[i].character;
        return p + length;
    }
    *out = '&';
    return ampersands ? p : NULL;
}

/* %41 %2541 */
static const char *percented(unsigned *out, const char *p, const char *end)
{
    p++;
    for (size_t i = 0; i < TWICE_OVER && end - p >= 4 && memcmp(p, "25", 2) == 0; i++) p += 2;
    const char *after = number(out, p, end, 16, 2);
    return after == p + 2 ? after : NULL;
}

/* Behind the character that is written at p. */
static const char *character(unsigned *out, const char *p, const char *end)
{
    const char *after = *p == '\\'  ? backslashed(out, p, end)
                        : *p == '%' ? percented(out, p, end)
                        : *p == '&' ? entity(out, p, end)
                                    : NULL;
    if (after) return after;
    *out = (unsigned char)*p;
    return p + 1;
}

/* ---- what to look for ------------------------------------------------------------------------- */
typedef unsigned fold(unsigned character);

static unsigned as_it_is(unsigned c)
{
    return c;
}

static unsigned in_base64(unsigned c)
{
    return c == '-' ? '+' : c == '_' ? '/' : c;
}

static unsigned in_hexadecimal(unsigned c)
{
    return c < 128 ? (unsigned)tolower((int)c) : c;
}

static size_t blot(char *text, size_t length, const char *pattern, size_t count, fold *folded)
{
    const char *end = text + length;
    size_t found = 0;
    for (char *start = text; count && start < end;) {
        const char *p = start;
        size_t matched = 0;
        for (unsigned c; p < end && matched < count; matched++) {
            p = character(&c, p, end);
            if (folded(c) != folded((unsigned char)pattern[matched])) break;
        }
        if (matched < count) {
            start++;
            continue;
        }
        memset(start, '*', (size_t)(p - start));
        start += p - start;
        found++;
    }
    return found;
}

/* The characters of base64 that the secret alone decides when `before` bytes stand before it in a
 * group of three. Without base/base64.h, whose memory may be short: then a secret would stay. */
static size_t base64_of(char *out, const char *secret, size_t length, size_t before)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t first = (8 * before + 5) / 6, last = 8 * (before + length) / 6, count = 0;
    for (size_t i = first; i < last; i++) {
        unsigned digit = 0;
        for (size_t bit = 6 * i; bit < 6 * i + 6; bit++) {
            unsigned byte = (unsigned char)secret[bit / 8 - before];
            digit = digit << 1 | (byte >> (7 - bit % 8) & 1);
        }
        out[count++] = digits[digit];
    }
    return count;
}

size_t rv_redact(char *text, size_t length, const char *secret, size_t secret_length)
{
    static const char digits[] = "0123456789abcdef";
    char pattern[2 * SECRET_MOST];
    if (secret_length < RV_SECRET_LEAST || secret_length > SECRET_MOST) return 0;
    size_t found = blot(text, length, secret, secret_length, as_it_is);
    for (size_t i = 0; i < secret_length; i++) {
        pattern[2 * i] = digits[(unsigned char)secret[i] >> 4];
        pattern[2 * i + 1] = digits[secret[i] & 15];
    }
    found += blot(text, length, pattern, 2 * secret_length, in_hexadecimal);
    for (size_t before = 0; before < 3; before++)
        found += blot(text, length, pattern, base64_of(pattern, secret, secret_length, before),
                      in_base64);
    return found;
}
