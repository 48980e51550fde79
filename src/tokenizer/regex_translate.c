#include "tokenizer/regex_translate.h"

#include <stdlib.h>
#include <string.h>

#include "tokenizer/regex_parser.h"
#include "tokenizer/unicode.h"

static rv_status parse_sequence(regex_parser *p);

rv_status regex_unsupported(const regex_parser *p, const char *what, const char *name,
                            size_t length)
{
    return rv_fail(p->err, RV_ERR_UNSUPPORTED, "%s \"%.*s\" is not supported", what,
                   (int)(length < 60 ? length : 60), name);
}

static rv_status fail(const regex_parser *p, const char *what)
{
    return rv_fail(p->err, RV_ERR_FORMAT, "%s", what);
}

static char peek(const regex_parser *p, size_t ahead)
{
    return p->length - p->at > ahead ? p->pattern[p->at + ahead] : '\0';
}

/* ---- characters ----------------------------------------------------------------------------- */

/* Up to `most` digits of a base; *digits says how many there were. */
static unsigned take_number(regex_parser *p, unsigned base, size_t most, size_t *digits)
{
    unsigned number = 0;
    for (*digits = 0; *digits < most; p->at++, ++*digits) {
        char c = peek(p, 0);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (digit >= base) break;
        number = number > 0x10FFFF ? number : number * base + digit;
    }
    return number;
}

/* \xE4\xB8\xAD: the bytes of one character; p->at is past the first. */
static rv_status take_bytes(regex_parser *p, unsigned byte, unsigned *c)
{
    char bytes[4] = {(char)byte};
    size_t count = 1, digits;
    while (count < 4 && !rv_utf8_decode(bytes, count, c) && peek(p, 0) == '\\' &&
           peek(p, 1) == 'x') {
        p->at += 2;
        bytes[count++] = (char)take_number(p, 16, 2, &digits);
    }
    if (!rv_utf8_decode(bytes, count, c)) return fail(p, "\\x: expected a character in UTF-8");
    return RV_OK;
}

/* \xHH, \x{H...}, \uHHHH, \o{...}, \0oo: p->at is past the letter. */
static rv_status take_code(regex_parser *p, char letter, unsigned *c)
{
    size_t digits;
    bool braces = letter != 'u' && letter != '0' && peek(p, 0) == '{';
    p->at += braces;
    *c = take_number(p, letter == 'o' || letter == '0' ? 8 : 16,
                     braces          ? 11
                     : letter == 'x' ? 2
                     : letter == '0' ? 2
                                     : 4,
                     &digits);
    if ((letter == 'u' && digits < 4) || (braces && (digits == 0 || peek(p, 0) != '}')) ||
        *c > 0x10FFFF || (*c >= 0xD800 && *c < 0xE000))
        return fail(p, "an escape is no character");
    p->at += braces;
    return letter == 'x' && !braces && *c >= 0x80 ? take_bytes(p, *c, c) : RV_OK;
}

rv_status regex_take_char(regex_parser *p, unsigned *c, bool in_set)
{
    static const char letters[] = "tnrfaev", values[] = "\t\n\r\f\a\x1B\v";
    size_t n;
    if (p->at >= p->length) return fail(p, "it ends too early");
    if (peek(p, 0) != '\\') {
        *c = rv_char_at(p->pattern + p->at, &n);
        p->at += n;
        return RV_OK;
    }
    if (p->length - p->at < 2) return fail(p, "it ends in a backslash");
    char letter = peek(p, 1);
    const char *known = letter ? strchr(letters, letter) : NULL;
    if (letter == 'C' || letter == 'M')
        return regex_unsupported(p, "escape", p->pattern + p->at, 2);
    p->at += 2;
    if (known) {
        *c = (unsigned char)values[known - letters];
    } else if (letter == 'b' && in_set) {
        *c = '\b';
    } else if (letter == 'x' || letter == 'u' || letter == '0' ||
               (letter == 'o' && peek(p, 0) == '{')) {
        return take_code(p, letter, c);
    } else if (letter >= '1' && letter <= '7') {
        p->at--;
        *c = take_number(p, 8, 3, &n);
    } else if (letter == 'c') {
        *c = (unsigned char)peek(p, 0) & 0x9F;
        p->at += p->at < p->length;
    } else {
        p->at--;
        *c = rv_char_at(p->pattern + p->at, &n);
        p->at += n;
    }
    return RV_OK;
}

static void put_char(rv_text *out, unsigned c)
{
    char bytes[4];
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (plain || c >= 0xA0)
        rv_text_append(out, bytes, rv_utf8_encode(c, bytes));
    else
        rv_text_printf(out, "\\x{%X}", c);
}

/* ---- escapes -------------------------------------------------------------------------------- */

/* \k<name>, \g<name>: PCRE2 reads them alike. */
static rv_status copy_reference(regex_parser *p)
{
    const char *start = p->pattern + p->at;
    size_t n = 3;
    char c;
    while ((c = peek(p, n)) == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z'))
        n++;
    if (peek(p, 2) != '<' || c != '>') return regex_unsupported(p, "reference", start, n);
    rv_text_append(p->out, start, n + 1);
    p->at += n + 1;
    return RV_OK;
}

static rv_status parse_escape(regex_parser *p)
{
    static const struct {
        char letter;
        const char *meaning;
    } kinds[] = {{'A', "\\A"}, {'z', "\\z"}, {'Z', "\\Z"},    {'G', "\\G"},
                 {'K', "\\K"}, {'R', "\\R"}, {'N', "[^\\n]"}, {'O', "(?s:.)"}};
    char letter = peek(p, 1);
    regex_set set = {0};
    bool known;
    rv_status status = regex_set_escape(p, &set, false, &known);
    if (status == RV_OK && known) regex_set_print(p->out, &set);
    regex_set_release(&set);
    if (status != RV_OK || known) return status;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].letter != letter) continue;
        rv_text_puts(p->out, kinds[i].meaning);
        p->at += 2;
        return RV_OK;
    }
    if (letter == 'b' || letter == 'B') {
        regex_parser word = {.pattern = "\\w", .length = 2, .err = p->err};
        rv_text w = {0};
        RV_TRY(regex_set_escape(&word, &set, false, &known));
        regex_set_print(&w, &set);
        if (!w.failed)
            rv_text_printf(p->out, "(?:(?<=%s)(?%c%s)|(?<!%s)(?%c%s))", w.bytes,
                           letter == 'b' ? '!' : '=', w.bytes, w.bytes,
                           letter == 'b' ? '=' : '!', w.bytes);
        p->out->failed |= w.failed;
        rv_text_release(&w);
        regex_set_release(&set);
        p->at += 2;
        return RV_OK;
    }
    if (letter == 'k' || letter == 'g') return copy_reference(p);
    if (letter == 'X' || letter == 'y' || letter == 'Y')
        return regex_unsupported(p, "text segment", p->pattern + p->at, 2);
    if (letter >= '1' && letter <= '9') { // beyond the groups before it, \10 is octal
        regex_parser ahead = *p;
        size_t digits;
        ahead.at++;
        unsigned number = take_number(&ahead, 10, 4, &digits);
        if (number <= 9 || number <= p->groups) {
            p->at = ahead.at;
            rv_text_printf(p->out, "\\g{%u}", number);
            return RV_OK;
        }
    }
    unsigned c;
    RV_TRY(regex_take_char(p, &c, false));
    put_char(p->out, c);
    return RV_OK;
}

/* ---- groups --------------------------------------------------------------------------------- */

static rv_status parse_to_bracket(regex_parser *p)
{
    bool extended = p->extended;
    RV_TRY(parse_sequence(p));
    if (peek(p, 0) != ')') return fail(p, "a bracket does not close");
    p->at++;
    p->extended = extended;
    rv_text_putc(p->out, ')');
    return RV_OK;
}

/* (?imx-imx) and (?imx-imx:...), past "(?". Ruby's m is PCRE2's s; x is done here. */
static rv_status parse_options(regex_parser *p)
{
    bool on = true, extended = p->extended;
    char flags[2][3] = {"", ""};
    const char *start = p->pattern + p->at;
    for (;; p->at++) {
        char c = peek(p, 0);
        if (c == '-') {
            on = false;
        } else if (c == 'i' || c == 'm') {
            char flag[2] = {c == 'm' ? 's' : 'i'};
            if (!strchr(flags[on], *flag)) strcat(flags[on], flag);
        } else if (c == 'x') {
            extended = on;
        } else {
            break;
        }
    }
    char end = peek(p, 0);
    if (end != ')' && end != ':')
        return regex_unsupported(p, "group (?", start, p->at < p->length);
    p->at++;
    rv_text_printf(p->out, "(?%s%s%s:", flags[1], *flags[0] ? "-" : "", flags[0]);
    bool outside = p->extended;
    p->extended = extended;
    if (end == ':') {
        RV_TRY(parse_to_bracket(p));
    } else { // lasts to the end of the group around it, alternatives included
        RV_TRY(parse_sequence(p));
        rv_text_putc(p->out, ')');
    }
    p->extended = outside;
    return RV_OK;
}

static rv_status parse_group(regex_parser *p)
{
    static const char *const kinds[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    const char *rest = p->pattern + p->at + 1;
    size_t left = p->length - p->at - 1;
    if (left == 0 || (*rest != '?' && *rest != '*')) {
        p->at++;
        p->groups++;
        rv_text_putc(p->out, '(');
        return parse_to_bracket(p);
    }
    if (*rest == '*') return regex_unsupported(p, "group (", rest, 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = strlen(kinds[i]);
        if (left < n || memcmp(rest, kinds[i], n) != 0) continue;
        p->at += n + 1;
        rv_text_printf(p->out, "(%s", kinds[i]);
        return parse_to_bracket(p);
    }
    if (left > 1 && (rest[1] == '<' || rest[1] == '\'')) {
        const char *end = memchr(rest + 2, rest[1] == '<' ? '>' : '\'', left - 2);
        if (!end) return fail(p, "a name does not end");
        rv_text_putc(p->out, '(');
        rv_text_append(p->out, rest, (size_t)(end + 1 - rest));
        p->at = (size_t)(end + 1 - p->pattern);
        return parse_to_bracket(p);
    }
    p->at += 2;
    return parse_options(p);
}

/* ---- repetition ----------------------------------------------------------------------------- */

typedef struct interval {
    unsigned low, high;
    bool open, exact; /* {n,} and {n} */
} interval;

/* {n,m}, {n,}, {,m}, {n} at p->at; false, and nothing taken, for anything else. */
static bool take_interval(regex_parser *p, interval *out)
{
    size_t start = p->at++, low, high = 0;
    *out = (interval){0};
    out->low = take_number(p, 10, 6, &low);
    out->exact = peek(p, 0) != ',';
    if (!out->exact) {
        p->at++;
        out->high = take_number(p, 10, 6, &high);
        out->open = high == 0;
    }
    if (peek(p, 0) == '}' && (low || high)) {
        p->at++;
        return true;
    }
    p->at = start;
    return false;
}

/* Puts a bracket around what was written from `start` on, so that it can be repeated again. */
static void enclose(rv_text *out, size_t start)
{
    rv_text_puts(out, "(?:");
    if (out->failed) return;
    memmove(out->bytes + start + 3, out->bytes + start, out->length - 3 - start);
    memcpy(out->bytes + start, "(?:", 3);
    rv_text_putc(out, ')');
}

/* Everything that repeats the atom written from `start` on. */
static void parse_repeats(regex_parser *p, size_t start)
{
    for (bool again = false;; again = true) {
        char c = peek(p, 0);
        interval i;
        if (c == '*' || c == '+' || c == '?') {
            if (again) enclose(p->out, start);
            rv_text_putc(p->out, c);
            p->at++;
            c = peek(p, 0);
            if (c != '?' && c != '+') continue;
            rv_text_putc(p->out, c);
            p->at++;
        } else if (c == '{' && take_interval(p, &i)) {
            if (again) enclose(p->out, start);
            bool swapped = !i.exact && !i.open && i.low > i.high;
            if (i.exact)
                rv_text_printf(p->out, "{%u}", i.low);
            else if (i.open)
                rv_text_printf(p->out, "{%u,}", i.low);
            else
                rv_text_printf(p->out, "{%u,%u}%s", swapped ? i.high : i.low,
                               swapped ? i.low : i.high, swapped ? "+" : "");
            if (i.exact || swapped || peek(p, 0) != '?') continue;
            rv_text_putc(p->out, '?');
            p->at++;
        } else {
            return;
        }
    }
}

/* Past comments and, in (?x), blanks. */
static void skip_blanks(regex_parser *p)
{
    while (p->at < p->length) {
        const char *rest = p->pattern + p->at, *end = NULL;
        size_t left = p->length - p->at;
        if (left > 3 && memcmp(rest, "(?#", 3) == 0)
            end = memchr(rest, ')', left);
        else if (p->extended && *rest == '#')
            end = (end = memchr(rest, '\n', left)) ? end : rest + left - 1;
        else if (p->extended && (*rest == ' ' || (*rest >= '\t' && *rest <= '\r')))
            end = rest;
        if (!end) return;
        p->at = (size_t)(end + 1 - p->pattern);
    }
}

static rv_status parse_atom(regex_parser *p)
{
    char c = peek(p, 0);
    interval ignored;
    if (c == '(') return parse_group(p);
    if (c == '\\') return parse_escape(p);
    if (c == '[') {
        regex_set set = {0};
        p->at++;
        rv_status status = regex_parse_set(p, &set);
        if (status == RV_OK) regex_set_print(p->out, &set);
        regex_set_release(&set);
        return status;
    }
    if (c == '*' || c == '+' || c == '?' || (c == '{' && take_interval(p, &ignored)))
        return fail(p, "nothing stands before a repetition");
    if (c == '.' || c == '^' || c == '$') {
        p->at++;
        rv_text_putc(p->out, c);
        return RV_OK;
    }
    unsigned code;
    RV_TRY(regex_take_char(p, &code, false));
    put_char(p->out, code);
    return RV_OK;
}

/* Up to a closing bracket or the end. */
static rv_status parse_sequence(regex_parser *p)
{
    if (++p->depth > REGEX_LIMIT_DEPTH)
        return rv_fail(p->err, RV_ERR_UNSUPPORTED, "more than %d levels", REGEX_LIMIT_DEPTH);
    for (;;) {
        skip_blanks(p);
        if (p->at >= p->length || peek(p, 0) == ')') break;
        if (peek(p, 0) == '|') {
            p->at++;
            rv_text_putc(p->out, '|');
            continue;
        }
        size_t start = p->out->length;
        RV_TRY(parse_atom(p));
        skip_blanks(p);
        if (p->out->length > start) parse_repeats(p, start);
    }
    p->depth--;
    return RV_OK;
}

rv_status rv_regex_translate(rv_text *out, const char *pattern, size_t length, rv_error *err)
{
    regex_parser p = {.pattern = pattern, .length = length, .out = out, .err = err};
    if (!rv_utf8_valid(pattern, length)) return fail(&p, "expected UTF-8");
    RV_TRY(parse_sequence(&p));
    if (p.at < length) return fail(&p, "a bracket closes that was not opened");
    return out->failed ? rv_fail_memory(err, length) : RV_OK;
}
