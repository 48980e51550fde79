/* Sets of characters of Oniguruma's regular expressions: properties, [...], && and sets in sets. */
#include <string.h>
#include <strings.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tokenizer/regex_parser.h"

// What Oniguruma means by \s (PCRE2 adds U+180E) and by \w outside brackets (PCRE2 leaves marks and
// connectors out; Oniguruma adds six numbers of Latin-1, which it does not inside brackets).
#define SPACE                                                              \
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}" \
    "\\x{202F}\\x{205F}\\x{3000}"
#define WORD  RV_REGEX_LETTERS "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
#define HEX   "0-9A-Fa-f"
#define GRAPH "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"

typedef struct named_set {
    const char *name, *items;
} named_set;

static const named_set properties[] = {
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"alpha", "\\p{Alphabetic}"},
    {"blank", "\\t\\p{Zs}"},
    {"cntrl", "\\p{Cc}"},
    {"digit", "\\p{Nd}"},
    {"graph", GRAPH},
    {"lower", "\\p{Lowercase}"},
    {"print", GRAPH "\\p{Zs}"},
    {"punct", "\\p{P}"},
    {"space", SPACE},
    {"upper", "\\p{Uppercase}"},
    {"xdigit", HEX},
    {"word", RV_REGEX_LETTERS},
    {"ascii", "\\x{0}-\\x{7F}"},
    {"any", "\\x{0}-\\x{10FFFF}"},
    {"assigned", "\\P{Cn}"},
    {"lc", "\\p{Lu}\\p{Ll}\\p{Lt}"},
    {"casedletter", "\\p{Lu}\\p{Ll}\\p{Lt}"},
    {"letter", "\\p{L}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"mark", "\\p{M}"},
    {"combiningmark", "\\p{M}"},
    {"nonspacingmark", "\\p{Mn}"},
    {"spacingmark", "\\p{Mc}"},
    {"enclosingmark", "\\p{Me}"},
    {"number", "\\p{N}"},
    {"decimalnumber", "\\p{Nd}"},
    {"letternumber", "\\p{Nl}"},
    {"othernumber", "\\p{No}"},
    {"punctuation", "\\p{P}"},
    {"connectorpunctuation", "\\p{Pc}"},
    {"dashpunctuation", "\\p{Pd}"},
    {"openpunctuation", "\\p{Ps}"},
    {"closepunctuation", "\\p{Pe}"},
    {"initialpunctuation", "\\p{Pi}"},
    {"finalpunctuation", "\\p{Pf}"},
    {"otherpunctuation", "\\p{Po}"},
    {"symbol", "\\p{S}"},
    {"mathsymbol", "\\p{Sm}"},
    {"currencysymbol", "\\p{Sc}"},
    {"modifiersymbol", "\\p{Sk}"},
    {"othersymbol", "\\p{So}"},
    {"separator", "\\p{Z}"},
    {"spaceseparator", "\\p{Zs}"},
    {"lineseparator", "\\p{Zl}"},
    {"paragraphseparator", "\\p{Zp}"},
    {"other", "\\p{C}"},
    {"control", "\\p{Cc}"},
    {"format", "\\p{Cf}"},
    {"surrogate", "\\p{Cs}"},
    {"privateuse", "\\p{Co}"},
    {"unassigned", "\\p{Cn}"},
};

static const char *find_named(const char *name)
{
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (strcmp(properties[i].name, name) == 0) return properties[i].items;
    return NULL;
}

static bool compiles(const char *pattern)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
                                         &code, &offset, NULL);
    pcre2_code_free(compiled);
    return compiled != NULL;
}

/* A category, a script (not its extensions, which PCRE2 takes \p{Han} to mean) or a property of
 * two values that PCRE2 knows; false where it knows none. */
static bool find_in_pcre2(char *out, size_t size, const char *name)
{
    size_t length = strlen(name);
    if (length == 3 && *name == 'x') return false; // PCRE2's own: Xan, Xps...
    for (size_t i = length <= 2 ? 1 : 0; i < 2; i++) {
        snprintf(out, size, i == 0 ? "\\p{sc:%s}" : "\\p{%s}", name);
        if (compiles(out)) return true;
    }
    return false;
}

/* Adds what `items` (inside brackets) stand for, or everything else. */
static void add_items(regex_set *set, const char *items, bool negated)
{
    const char *end = strchr(items, '}');
    bool single = items[0] == '\\' && (items[1] == 'p' || items[1] == 'P') && end && !end[1];
    if (!negated) {
        rv_text_puts(&set->items, items);
    } else if (single) {
        rv_text_printf(&set->items, "\\%c%s", items[1] == 'p' ? 'P' : 'p', items + 2);
    } else {
        if (set->others.length) rv_text_putc(&set->others, '|');
        rv_text_printf(&set->others, "[^%s]", items);
    }
}

/* A property by its name; case, spaces, '-' and '_' do not count. */
static rv_status add_property(regex_parser *p, regex_set *set, const char *name, size_t length,
                              bool negated)
{
    char plain[64], found[80];
    size_t n = 0;
    for (size_t i = 0; i < length && n < sizeof plain - 1; i++) {
        char c = name[i];
        if (c == ' ' || c == '-' || c == '_') continue;
        bool upper = c >= 'A' && c <= 'Z';
        if (!upper && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) n = sizeof plain;
        if (n < sizeof plain) plain[n++] = (char)(upper ? c + ('a' - 'A') : c);
    }
    if (n == 0 || n >= sizeof plain - 1) return regex_unsupported(p, "property", name, length);
    plain[n] = '\0';
    const char *items = find_named(plain);
    if (!items && !find_in_pcre2(found, sizeof found, plain))
        return regex_unsupported(p, "property", name, length);
    add_items(set, items ? items : found, negated);
    return RV_OK;
}

/* {name} or {^name}, past \p or \P. */
static rv_status parse_property(regex_parser *p, regex_set *set, bool in_set, bool negated)
{
    const char *start = p->pattern + p->at, *end = memchr(start, '}', p->length - p->at);
    if (p->at >= p->length || *start != '{' || !end)
        return regex_unsupported(p, "property", start, p->at < p->length);
    size_t length = (size_t)(end - start) - 1;
    p->at += length + 2;
    if (length && start[1] == '^') {
        start++;
        length--;
        negated = !negated;
    }
    bool word = length == 4 && strncasecmp(start + 1, "word", 4) == 0;
    if (!word || in_set) return add_property(p, set, start + 1, length, negated);
    add_items(set, WORD, negated);
    return RV_OK;
}

rv_status regex_set_escape(regex_parser *p, regex_set *set, bool in_set, bool *known)
{
    const struct {
        char letter;
        const char *items;
    } kinds[] = {
        {'s', SPACE}, {'w', in_set ? RV_REGEX_LETTERS : WORD}, {'h', HEX}, {'d', "\\p{Nd}"}};
    char c = p->at + 1 < p->length ? p->pattern[p->at + 1] : '\0';
    *known = true;
    if (c == 'p' || c == 'P') {
        p->at += 2;
        return parse_property(p, set, in_set, c == 'P');
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool negated = c == kinds[i].letter - ('a' - 'A');
        if (c != kinds[i].letter && !negated) continue;
        p->at += 2;
        add_items(set, kinds[i].items, negated);
        return RV_OK;
    }
    *known = false;
    return RV_OK;
}

/* [:name:] or [:^name:] at p->at; *known is false where it is none. */
static rv_status parse_posix(regex_parser *p, regex_set *set, bool *known)
{
    const char *start = p->pattern + p->at + 2;
    size_t left = p->length - p->at;
    *known = false;
    if (left < 4 || start[-1] != ':') return RV_OK;
    bool negated = *start == '^';
    start += negated;
    size_t length = 0;
    while (start + length < p->pattern + p->length && length < 16 && start[length] >= 'a' &&
           start[length] <= 'z')
        length++;
    const char *end = start + length;
    if (p->pattern + p->length - end < 2 || end[0] != ':' || end[1] != ']') return RV_OK;
    *known = true;
    p->at = (size_t)(end + 2 - p->pattern);
    if (length == 5 && memcmp(start, "punct", 5) == 0) {
        add_items(set, "\\p{P}\\p{S}", negated);
        return RV_OK;
    }
    return add_property(p, set, start, length, negated);
}

void regex_set_print(rv_text *out, const regex_set *set)
{
    if (!set->others.length && !set->items.length) {
        rv_text_puts(out, "(?!)");
    } else if (!set->others.length) {
        rv_text_printf(out, "[%s]", set->items.bytes);
    } else {
        rv_text_puts(out, "(?:");
        if (set->items.length) rv_text_printf(out, "[%s]|", set->items.bytes);
        rv_text_append(out, set->others.bytes, set->others.length);
        rv_text_putc(out, ')');
    }
}

void regex_set_release(regex_set *set)
{
    rv_text_release(&set->items);
    rv_text_release(&set->others);
}

static void put_item(rv_text *items, unsigned c)
{
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    rv_text_printf(items, plain ? "%c" : "\\x{%X}", c);
}

static bool looking_at(const regex_parser *p, const char *what)
{
    size_t n = strlen(what);
    return p->length - p->at >= n && memcmp(p->pattern + p->at, what, n) == 0;
}

/* One character, or a range of them. */
static rv_status parse_range(regex_parser *p, regex_set *set)
{
    unsigned first, last;
    RV_TRY(regex_take_char(p, &first, true));
    put_item(&set->items, first);
    if (!looking_at(p, "-") || looking_at(p, "-]") || looking_at(p, "-&&")) return RV_OK;
    char next = p->at + 1 < p->length ? p->pattern[p->at + 1] : '\0';
    if (next == '[') return RV_OK; // the '-' stands for itself
    p->at++;
    RV_TRY(regex_take_char(p, &last, true));
    if (last < first)
        return rv_fail(p->err, RV_ERR_FORMAT, "a range of a set ends before it begins");
    rv_text_putc(&set->items, '-');
    put_item(&set->items, last);
    return RV_OK;
}

static rv_status parse_member(regex_parser *p, regex_set *set)
{
    bool known = false;
    char c = p->pattern[p->at];
    if (c == '\\') RV_TRY(regex_set_escape(p, set, true, &known));
    if (!known && c == '[') RV_TRY(parse_posix(p, set, &known));
    if (known) return RV_OK;
    if (c == '[') {
        p->at++;
        return regex_parse_set(p, set);
    }
    return parse_range(p, set);
}

/* Puts the set that was read, (?=a)(?=b)c for a&&b&&c, into the one around it. */
static void add_set(regex_set *out, const regex_set *last, const rv_text *before, bool negated)
{
    if (!before->length && !last->others.length) {
        if (!negated) {
            rv_text_append(&out->items, last->items.bytes, last->items.length);
        } else {
            if (out->others.length) rv_text_putc(&out->others, '|');
            rv_text_printf(&out->others, last->items.length ? "[^%s]" : "(?s:.)",
                           last->items.bytes);
        }
        return;
    }
    if (out->others.length) rv_text_putc(&out->others, '|');
    if (negated) rv_text_puts(&out->others, "(?!");
    rv_text_append(&out->others, before->bytes, before->length);
    regex_set_print(&out->others, last);
    if (negated) rv_text_puts(&out->others, ")(?s:.)");
}

static rv_status parse_union(regex_parser *p, regex_set *now, rv_text *before)
{
    bool first = true;
    for (;; first = false) {
        if (p->at >= p->length) return rv_fail(p->err, RV_ERR_FORMAT, "a set does not end");
        bool literal = first && memchr(p->pattern + p->at + 1, ']', p->length - p->at - 1);
        if (p->pattern[p->at] == ']' && !literal) return RV_OK;
        if (looking_at(p, "&&")) {
            p->at += 2;
            rv_text_puts(before, "(?=");
            regex_set_print(before, now);
            rv_text_putc(before, ')');
            regex_set_release(now);
            continue;
        }
        RV_TRY(parse_member(p, now));
    }
}

rv_status regex_parse_set(regex_parser *p, regex_set *out)
{
    regex_set now = {0};
    rv_text before = {0};
    bool negated = looking_at(p, "^");
    if (++p->depth > REGEX_LIMIT_DEPTH)
        return rv_fail(p->err, RV_ERR_UNSUPPORTED, "more than %d levels", REGEX_LIMIT_DEPTH);
    p->at += negated;
    rv_status status = parse_union(p, &now, &before);
    if (status == RV_OK) {
        p->at++;
        add_set(out, &now, &before, negated);
        if (now.items.failed || now.others.failed || before.failed || out->items.failed ||
            out->others.failed)
            status = rv_fail_memory(p->err, p->length);
    }
    p->depth--;
    regex_set_release(&now);
    rv_text_release(&before);
    return status;
}
