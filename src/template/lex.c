#include "template/lex.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rv_status jinja_lexer_fail(const jinja_lexer *lexer, rv_status status, const char *format, ...)
{
    char message[256];
    size_t line = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (size_t i = 0; i < lexer->at && i < lexer->length; i++)
        line += lexer->source[i] == '\n';
    return rv_fail(lexer->memory->err, status, "line %zu: %s", line, message);
}

rv_status jinja_lexer_init(jinja_lexer *lexer, jinja_memory *memory, const char *source,
                           size_t length)
{
    char *copy;
    size_t n = 0;
    RV_TRY(JINJA_NEW(copy, memory, length + 1));
    for (size_t i = 0; i < length; i++) {
        if (source[i] == '\r') {
            copy[n++] = '\n';
            if (i + 1 < length && source[i + 1] == '\n') i++;
        } else {
            copy[n++] = source[i];
        }
    }
    if (n > 0 && copy[n - 1] == '\n') n--;
    *lexer = (jinja_lexer){.memory = memory, .source = copy, .length = n, .line_start = true};
    return RV_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool follows(const jinja_lexer *l, size_t at, const char *what)
{
    size_t n = strlen(what);
    return l->length - at >= n && memcmp(l->source + at, what, n) == 0;
}

/* Takes the end of a tag that stands at l->at, with the white space that goes with it. */
static void close_tag(jinja_lexer *l, char closing)
{
    char sign = l->source[l->at];
    l->at += sign == '-' || sign == '+' ? 3 : 2;
    if (sign == '-') {
        while (l->at < l->length && is_blank(l->source[l->at])) l->at++;
    } else if (sign != '+' && closing != '}' && l->at < l->length && l->source[l->at] == '\n') {
        l->at++;
    }
    l->line_start = l->source[l->at - 1] == '\n';
}

/* Whether the tag ends at l->at: "%}", "-%}", "+%}". */
static bool at_close(const jinja_lexer *l, char closing)
{
    const char end[] = {closing, '}', '\0'};
    if (follows(l, l->at, end)) return true;
    if (l->at >= l->length || (l->source[l->at] != '-' && l->source[l->at] != '+'))
        return false;
    return !(closing == '}' && l->source[l->at] == '+') && follows(l, l->at + 1, end);
}

/* The text from start to the tag at `end`, without the white space that the tag takes. */
static jinja_string cut_text(const jinja_lexer *l, size_t start, size_t end, bool output)
{
    char sign = end + 2 < l->length ? l->source[end + 2] : '\0';
    size_t stop = end;
    if (sign == '-') {
        while (stop > start && is_blank(l->source[stop - 1])) stop--;
    } else if (sign != '+' && !output) {
        while (stop > start && is_blank(l->source[stop - 1]) && l->source[stop - 1] != '\n')
            stop--;
        if (stop == start ? !l->line_start : l->source[stop - 1] != '\n') stop = end;
    }
    return (jinja_string){l->source + start, stop - start};
}

static rv_status skip_comment(jinja_lexer *l)
{
    const char *end = memmem(l->source + l->at, l->length - l->at, "#}", 2);
    if (!end) return jinja_lexer_fail(l, RV_ERR_FORMAT, "a comment does not end");
    l->at = (size_t)(end - l->source);
    if (l->source[l->at - 1] == '-' || l->source[l->at - 1] == '+') l->at--;
    close_tag(l, '#');
    return RV_OK;
}

static rv_status append_text(jinja_lexer *l, rv_text *all, jinja_string *text,
                             jinja_string part)
{
    if (text->length == 0) {
        *text = part;
        return RV_OK;
    }
    // Only a comment puts two texts next to each other.
    jinja_value joined;
    all->length = 0;
    rv_text_append(all, text->bytes, text->length);
    rv_text_append(all, part.bytes, part.length);
    if (all->failed) return rv_fail_memory(l->memory->err, part.length);
    RV_TRY(jinja_copy(&joined, l->memory, all->bytes, all->length));
    *text = joined.string;
    return RV_OK;
}

/* Past white space and one of the signs, whether a word comes and then the end of the tag. */
static bool at_word_tag(const jinja_lexer *l, size_t at, const char *word, size_t *end)
{
    size_t n = strlen(word);
    if (at < l->length && (l->source[at] == '-' || l->source[at] == '+')) at++;
    while (at < l->length && is_blank(l->source[at])) at++;
    if (!follows(l, at, word)) return false;
    for (at += n; at < l->length && is_blank(l->source[at]); at++) continue;
    *end = at;
    jinja_lexer there = *l;
    there.at = at;
    return at_close(&there, '%');
}

/* {% raw %}: what stands up to {% endraw %} is text. l->at is past the opening "{%". */
static rv_status take_raw(jinja_lexer *l, rv_text *all, jinja_string *text, bool *raw)
{
    size_t end;
    *raw = l->source[l->at - 1] == '%' && at_word_tag(l, l->at, "raw", &end);
    if (!*raw) return RV_OK;
    l->at = end;
    close_tag(l, '}'); // which takes no line end, unlike other tags
    size_t start = l->at;
    if (start == l->length) return RV_OK;
    for (size_t at = start; at + 1 < l->length; at++) {
        if (!follows(l, at, "{%") || !at_word_tag(l, at + 2, "endraw", &end)) continue;
        RV_TRY(append_text(l, all, text, cut_text(l, start, at, false)));
        l->at = end;
        close_tag(l, '%');
        return RV_OK;
    }
    return jinja_lexer_fail(l, RV_ERR_FORMAT, "{%% raw %%} does not end");
}

static rv_status next_text(jinja_lexer *l, rv_text *all, jinja_string *text, char *tag)
{
    for (;;) {
        size_t start = l->at, end = start;
        while (end < l->length && !follows(l, end, "{{") && !follows(l, end, "{%") &&
               !follows(l, end, "{#"))
            end++;
        *tag = end < l->length ? l->source[end + 1] : '\0';
        jinja_string part = {l->source + start, end - start};
        if (*tag) part = cut_text(l, start, end, *tag == '{');
        RV_TRY(append_text(l, all, text, part));
        l->at = end;
        if (!*tag) return RV_OK;
        l->at = end + 2;
        if (*tag == '#') {
            RV_TRY(skip_comment(l));
            continue;
        }
        bool raw;
        RV_TRY(take_raw(l, all, text, &raw));
        if (raw) continue;
        if (l->at < l->length && (l->source[l->at] == '-' || l->source[l->at] == '+') &&
            !at_close(l, *tag == '{' ? '}' : '%'))
            l->at++;
        l->closing = *tag == '{' ? '}' : '%';
        l->brackets = 0;
        return jinja_next_token(l);
    }
}

rv_status jinja_next_text(jinja_lexer *l, jinja_string *text, char *tag)
{
    rv_text all = {0};
    *text = (jinja_string){"", 0};
    rv_status status = next_text(l, &all, text, tag);
    rv_text_release(&all);
    return status;
}

/* ---- inside a tag --------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

/* \xHH, \uHHHH, \UHHHHHHHH, at l->source[*at], just past the letter. */
static rv_status read_hex(jinja_lexer *l, size_t *at, size_t digits, rv_text *out)
{
    char number[9] = "", *end, bytes[4];
    if (l->length - *at < digits)
        return jinja_lexer_fail(l, RV_ERR_FORMAT, "a string does not end");
    memcpy(number, l->source + *at, digits);
    unsigned long c = strtoul(number, &end, 16);
    if (end != number + digits || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return jinja_lexer_fail(l, RV_ERR_FORMAT, "escape \"%s\" is no character", number);
    rv_text_append(out, bytes, rv_utf8_encode((unsigned)c, bytes));
    *at += digits;
    return RV_OK;
}

static rv_status read_escape(jinja_lexer *l, size_t *at, rv_text *out)
{
    static const char letters[] = "ntrabfv\\'\"", values[] = "\n\t\r\a\b\f\v\\'\"";
    char c = l->source[(*at)++];
    const char *known = c ? strchr(letters, c) : NULL;
    if (known) {
        rv_text_putc(out, values[known - letters]);
        return RV_OK;
    }
    if (c == 'x') return read_hex(l, at, 2, out);
    if (c == 'u') return read_hex(l, at, 4, out);
    if (c == 'U') return read_hex(l, at, 8, out);
    if (c >= '0' && c <= '7') {
        unsigned number = (unsigned)(c - '0');
        char bytes[4];
        for (int k = 0;
             k < 2 && *at < l->length && l->source[*at] >= '0' && l->source[*at] <= '7'; k++)
            number = 8 * number + (unsigned)(l->source[(*at)++] - '0');
        rv_text_append(out, bytes, rv_utf8_encode(number, bytes));
        return RV_OK;
    }
    if (c == 'N')
        return jinja_lexer_fail(l, RV_ERR_UNSUPPORTED, "escape \\%c is not supported", c);
    if (c == '\n') return RV_OK;
    rv_text_putc(out, '\\');
    rv_text_putc(out, c);
    return RV_OK;
}

static rv_status read_string(jinja_lexer *l, rv_text *out)
{
    char quote = l->source[l->at];
    size_t i = l->at + 1;
    while (i < l->length && l->source[i] != quote) {
        char c = l->source[i++];
        if (c == '\\' && i < l->length)
            RV_TRY(read_escape(l, &i, out));
        else
            rv_text_putc(out, c);
    }
    if (i >= l->length) return jinja_lexer_fail(l, RV_ERR_FORMAT, "a string does not end");
    l->at = i + 1;
    if (out->failed) return rv_fail_memory(l->memory->err, out->length);
    jinja_value value;
    RV_TRY(jinja_copy(&value, l->memory, out->bytes, out->length));
    l->now = (jinja_token){.kind = TOKEN_STRING, .text = value.string};
    return RV_OK;
}

static bool is_digit(const jinja_lexer *l, size_t at)
{
    return at < l->length && l->source[at] >= '0' && l->source[at] <= '9';
}

/* Digits with single underscores between them, appended without these. */
static void take_digits(jinja_lexer *l, char *out, size_t size, bool (*digit)(char))
{
    size_t n = strlen(out);
    while (l->at < l->length) {
        bool gap =
            l->source[l->at] == '_' && l->at + 1 < l->length && digit(l->source[l->at + 1]);
        if (!gap && !digit(l->source[l->at])) break;
        if (!gap && n + 1 < size) out[n++] = l->source[l->at];
        l->at++;
    }
    out[n] = '\0';
}

static bool decimal(char c)
{
    return c >= '0' && c <= '9';
}

static bool hexadecimal(char c)
{
    return decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 12, 1_000, 0xFF, 0o17, 0b1, 1.5, 2e3. */
static rv_status read_number(jinja_lexer *l)
{
    size_t zeros = l->at;
    while (zeros < l->length && l->source[zeros] == '0') zeros++;
    if (zeros > l->at && is_digit(l, zeros))
        return jinja_lexer_fail(l, RV_ERR_FORMAT, "a number begins with 0");
    char number[64] = "";
    size_t start = l->at;
    char letter = l->at + 1 < l->length ? (char)(l->source[l->at + 1] | 32) : '\0';
    int base = l->source[l->at] != '0' ? 10
               : letter == 'x'         ? 16
               : letter == 'o'         ? 8
               : letter == 'b'         ? 2
                                       : 10;
    bool real = false;
    if (base != 10) l->at += 2;
    take_digits(l, number, sizeof number, base == 16 ? hexadecimal : decimal);
    bool after_dot = start > 0 && l->source[start - 1] == '.';
    if (base == 10 && !after_dot && l->at < l->length) {
        if (l->source[l->at] == '.' && is_digit(l, l->at + 1)) {
            real = true;
            l->at++;
            strcat(number, ".");
            take_digits(l, number, sizeof number - 8, decimal);
        }
        size_t sign = l->at + 1 < l->length && strchr("+-", l->source[l->at + 1]) ? 1 : 0;
        if (l->at < l->length && (l->source[l->at] | 32) == 'e' &&
            is_digit(l, l->at + 1 + sign)) {
            real = true;
            strncat(number, l->source + l->at, 1 + sign);
            l->at += 1 + sign;
            take_digits(l, number, sizeof number, decimal);
        }
    }
    if (strlen(number) > 40)
        return jinja_lexer_fail(l, RV_ERR_UNSUPPORTED, "a number is too long");
    char *end;
    errno = 0;
    l->now = (jinja_token){.kind = real ? TOKEN_FLOAT : TOKEN_INTEGER,
                           .text = {l->source + start, l->at - start}};
    if (real)
        l->now.real = strtod(number, &end);
    else
        l->now.integer = strtoll(number, &end, base);
    if (!real && (errno || *end || end == number))
        return jinja_lexer_fail(l, RV_ERR_UNSUPPORTED, "a number is too big");
    return RV_OK;
}

static rv_status read_operator(jinja_lexer *l)
{
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ","};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!follows(l, l->at, operators[i])) continue;
        l->now = (jinja_token){.kind = TOKEN_OPERATOR, .text = jinja_literal(operators[i])};
        l->at += l->now.text.length;
        char c = *operators[i];
        if (c == '(' || c == '[' || c == '{') l->brackets++;
        if ((c == ')' || c == ']' || c == '}') && l->brackets > 0) l->brackets--;
        return RV_OK;
    }
    return jinja_lexer_fail(l, RV_ERR_FORMAT, "unexpected character '%c'", l->source[l->at]);
}

rv_status jinja_next_token(jinja_lexer *l)
{
    while (l->at < l->length && is_blank(l->source[l->at])) l->at++;
    if (l->at >= l->length) return jinja_lexer_fail(l, RV_ERR_FORMAT, "a tag does not end");
    if (l->brackets == 0 && at_close(l, l->closing)) {
        close_tag(l, l->closing);
        l->now = (jinja_token){.kind = TOKEN_CLOSE, .text = {"the end of the tag", 18}};
        return RV_OK;
    }
    char c = l->source[l->at];
    if (c >= '0' && c <= '9') return read_number(l);
    if (c == '\'' || c == '"') {
        rv_text text = {0};
        rv_status status = read_string(l, &text);
        rv_text_release(&text);
        return status;
    }
    if (!is_name_char(c)) return read_operator(l);
    size_t start = l->at;
    while (l->at < l->length && is_name_char(l->source[l->at])) l->at++;
    l->now = (jinja_token){.kind = TOKEN_NAME, .text = {l->source + start, l->at - start}};
    return RV_OK;
}
