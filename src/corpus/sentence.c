#include "corpus/sentence.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "base/text.h"

enum { LEAST_WORDS = 4, WORD_MAX = 64 };

const char *rv_sentence_fault_text(rv_sentence_fault fault)
{
    static const char *const texts[] = {
#define X(name, text) text,
        RV_SENTENCE_FAULTS(X)
#undef X
    };
    return texts[fault];
}

/* ---- characters -------------------------------------------------------------------------------- */

/* One character of a text. */
typedef struct glyph {
    unsigned code;
    size_t length;
    utf8proc_category_t category;
} glyph;

static glyph glyph_at(const char *bytes, size_t length)
{
    glyph g = {0};
    g.length = length ? rv_utf8_decode(bytes, length, &g.code) : 0;
    if (g.length) g.category = utf8proc_category((utf8proc_int32_t)g.code);
    return g;
}

/* The character that ends at bytes[length]. */
static glyph glyph_before(const char *bytes, size_t length)
{
    size_t n = 1;
    while (n < 4 && n < length && ((unsigned char)bytes[length - n] & 0xC0) == 0x80) n++;
    return glyph_at(bytes + length - (n < length ? n : length), n < length ? n : length);
}

static bool is_letter(glyph g)
{
    return g.category >= UTF8PROC_CATEGORY_LU && g.category <= UTF8PROC_CATEGORY_LO;
}

static bool is_mark(glyph g)
{
    return g.category >= UTF8PROC_CATEGORY_MN && g.category <= UTF8PROC_CATEGORY_ME;
}

static bool is_space(glyph g)
{
    return g.category == UTF8PROC_CATEGORY_ZS || g.code == '\n' || g.code == '\t' ||
           g.code == '\r';
}

static bool among(unsigned code, const unsigned *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (set[i] == code) return true;
    return false;
}
#define AMONG(code, ...)                           \
    among((code), (const unsigned[]){__VA_ARGS__}, \
          sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

/* . ! ? ellipsis, and those of CJK, Arabic, Devanagari, Urdu, Armenian, Ethiopic, Khmer, Myanmar. */
static bool ends_sentence(unsigned c)
{
    return AMONG(c, '.', '!', '?', 0x2026, 0x3002, 0xFF01, 0xFF1F, 0xFF0E, 0xFF61, 0x061F,
                 0x06D4, 0x0964, 0x0965, 0x0589, 0x1362, 0x17D4, 0x104B);
}

/* Of those, the ones that no space needs to follow. */
static bool ends_without_space(unsigned c)
{
    return AMONG(c, 0x3002, 0xFF01, 0xFF1F, 0xFF61);
}

static bool is_opening(glyph g)
{
    return g.category == UTF8PROC_CATEGORY_PS || g.category == UTF8PROC_CATEGORY_PI ||
           AMONG(g.code, '"', '\'', 0xBF, 0xA1);
}

static bool is_closing(glyph g)
{
    return g.category == UTF8PROC_CATEGORY_PE || g.category == UTF8PROC_CATEGORY_PF ||
           AMONG(g.code, '"', '\'', 0x201C);
}

/* Scripts that put no space between words: two letters count as one. */
static bool without_spaces(unsigned c)
{
    return (c >= 0x0E00 && c < 0x0F00) || (c >= 0x1000 && c < 0x10A0) ||
           (c >= 0x1780 && c < 0x1800) || (c >= 0x3040 && c < 0x3100) ||
           (c >= 0x3400 && c < 0xA000) || (c >= 0x20000 && c < 0x40000);
}

/* ---- words ------------------------------------------------------------------------------------- */

/* The next word of letters (marks, and apostrophes between letters, belong to it): [*start, *end). */
static bool next_word(const char *bytes, size_t length, size_t *from, size_t *start,
                      size_t *end)
{
    glyph g;
    size_t at = *from;
    for (; at < length; at += g.length ? g.length : 1) {
        g = glyph_at(bytes + at, length - at);
        if (g.length && is_letter(g)) break;
    }
    if (at >= length) return false;
    *start = at;
    for (*end = at; at < length; at += g.length) {
        g = glyph_at(bytes + at, length - at);
        if (!g.length) break;
        if (is_letter(g) || is_mark(g))
            *end = at + g.length;
        else if (!(g.code == '\'' || g.code == 0x2019) || at != *end)
            break;
    }
    *from = *end;
    return true;
}

/* FNV-1a over the case-folded letters, a curly apostrophe as a straight one, without an English possessive. */
static uint64_t word_hash(const char *word, size_t length)
{
    uint64_t h = 0xcbf29ce484222325u;
    if (length > 2 && (word[length - 1] | 32) == 's' && word[length - 2] == '\'') length -= 2;
    if (length > 4 && (word[length - 1] | 32) == 's' &&
        memcmp(word + length - 4, "\xE2\x80\x99", 3) == 0)
        length -= 4;
    for (size_t at = 0; at < length;) {
        glyph g = glyph_at(word + at, length - at);
        if (!g.length) break;
        unsigned c =
            g.code == 0x2019 ? '\'' : (unsigned)utf8proc_tolower((utf8proc_int32_t)g.code);
        for (int k = 0; k < 3; k++) h = (h ^ (c >> 8 * k & 255)) * 0x100000001b3u;
        at += g.length;
    }
    return h ? h : 1;
}

static uint64_t *slot_of(const rv_words *w, uint64_t h)
{
    size_t at = (size_t)h & (w->capacity - 1);
    while (w->slots[at] && w->slots[at] != h) at = (at + 1) & (w->capacity - 1);
    return &w->slots[at];
}

static rv_status add_word(rv_words *w, uint64_t h, rv_error *err)
{
    if (2 * (w->count + 1) > w->capacity) {
        rv_words larger = {.capacity = w->capacity ? 2 * w->capacity : 4096};
        RV_TRY(RV_NEW(larger.slots, larger.capacity, err));
        for (size_t i = 0; i < w->capacity; i++)
            if (w->slots[i]) *slot_of(&larger, w->slots[i]) = w->slots[i];
        free(w->slots);
        w->slots = larger.slots;
        w->capacity = larger.capacity;
    }
    uint64_t *slot = slot_of(w, h);
    w->count += !*slot;
    *slot = h;
    return RV_OK;
}

static rv_status remember_word(rv_words *w, uint64_t h, rv_error *err)
{
    RV_TRY(rv_grow((void **)&w->order, &w->room, w->length + 1, sizeof *w->order, err));
    w->order[w->length++] = h;
    return RV_OK;
}

rv_status rv_words_read(rv_words *w, const char *bytes, size_t length, bool remember,
                        rv_error *err)
{
    for (size_t from = 0, start, end; next_word(bytes, length, &from, &start, &end);) {
        uint64_t h = word_hash(bytes + start, end - start);
        RV_TRY(add_word(w, h, err));
        if (remember) RV_TRY(remember_word(w, h, err));
    }
    return remember ? remember_word(w, 0, err) : RV_OK;
}

bool rv_words_hold(const rv_words *w, const char *word, size_t length)
{
    return w->capacity && *slot_of(w, word_hash(word, length));
}

size_t rv_words_shared_run(const rv_words *w, const char *bytes, size_t length)
{
    uint64_t own[WORD_MAX];
    size_t n = 0, longest = 0;
    for (size_t from = 0, start, end;
         n < WORD_MAX && next_word(bytes, length, &from, &start, &end);)
        own[n++] = word_hash(bytes + start, end - start);
    for (size_t i = 0; i < w->length; i++)
        for (size_t k = 0; k + longest < n; k++) {
            size_t run = 0;
            while (k + run < n && i + run < w->length && w->order[i + run] == own[k + run])
                run++;
            if (run > longest) longest = run;
        }
    return longest;
}

void rv_words_release(rv_words *w)
{
    free(w->slots);
    free(w->order);
    *w = (rv_words){0};
}

/* ---- the rule ---------------------------------------------------------------------------------- */

/* Whether the full stop at `at` stands behind a lone digit: a number that was cut at its point. */
static bool cuts_number(const char *bytes, size_t at)
{
    return at > 1 && (unsigned)(bytes[at - 1] - '0') < 10 && bytes[at - 2] == ' ';
}

/* Whether the full stop at `at` belongs to the word before it: an initial, or a title. */
static bool abbreviates(const char *bytes, size_t at)
{
    static const char *const known[] = {"Mr",  "Mrs", "Ms",  "Dr",   "St",  "Prof", "Sr",
                                        "Jr",  "vs",  "No",  "Gen",  "Col", "Capt", "Lt",
                                        "Rev", "Hon", "Mme", "Mlle", "Ste", "cf"};
    size_t start = at;
    while (start > 0 && ((unsigned char)bytes[start - 1] >= 0x80 ||
                         (unsigned)((bytes[start - 1] | 32) - 'a') < 26))
        start--;
    size_t n = at - start;
    if (n == 1 && bytes[start] != 'I') return true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == n && memcmp(known[i], bytes + start, n) == 0) return true;
    return false;
}

/* Behind the marks and closing quotes at `at`. */
static size_t skip_end(const char *bytes, size_t length, size_t at)
{
    for (glyph g; at < length; at += g.length) {
        g = glyph_at(bytes + at, length - at);
        if (!g.length || !(ends_sentence(g.code) || is_closing(g))) break;
    }
    return at;
}

/* Whether a sentence ends with the mark at `at`; *behind: where the next one may begin. */
static bool ends_here(const char *bytes, size_t length, size_t at, size_t *behind)
{
    glyph mark = glyph_at(bytes + at, length - at);
    if (!mark.length || !ends_sentence(mark.code)) return false;
    if (at > 0 && ends_sentence(glyph_before(bytes, at).code)) return false; // one end with it
    *behind = skip_end(bytes, length, at);
    if (*behind == length) return true;
    glyph next = glyph_at(bytes + *behind, length - *behind);
    if (!is_space(next)) return ends_without_space(mark.code) && next.code != ',';
    if (mark.code == '.' && *behind == at + 1 && abbreviates(bytes, at)) return false;
    while (*behind < length && is_space(next)) {
        *behind += next.length;
        next = glyph_at(bytes + *behind, length - *behind);
    }
    // “Stop!” he said. Well ... perhaps.
    bool quoted = is_closing(glyph_before(bytes, *behind - 1)),
         ellipsis =
             mark.code == 0x2026 || (at + 2 < length && memcmp(bytes + at, "...", 3) == 0);
    return next.category != UTF8PROC_CATEGORY_LL || !(quoted || ellipsis);
}

static bool is_code(unsigned c)
{
    return c < 128 && strchr("{}<>|\\^~`_=*#@[]", (int)c) && c;
}

static rv_sentence_fault check_characters(const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        glyph g = glyph_at(bytes + at, length - at);
        if (!g.length || g.code == 0xFFFD) return RV_SENTENCE_ENCODING;
        bool control = g.category >= UTF8PROC_CATEGORY_CC ||
                       g.category == UTF8PROC_CATEGORY_ZL ||
                       g.category == UTF8PROC_CATEGORY_ZP || g.category == UTF8PROC_CATEGORY_CN;
        if (control || is_code(g.code)) return RV_SENTENCE_SYMBOL;
        at += g.length;
    }
    return RV_SENTENCE_WHOLE;
}

static rv_sentence_fault check_ends(const char *bytes, size_t length)
{
    size_t at = 0, behind, last = length;
    glyph g = glyph_at(bytes, length);
    while (at < length && is_opening(g)) {
        at += g.length;
        g = glyph_at(bytes + at, length - at);
    }
    bool begins = g.category == UTF8PROC_CATEGORY_LU || g.category == UTF8PROC_CATEGORY_LT ||
                  g.category == UTF8PROC_CATEGORY_LO || g.category == UTF8PROC_CATEGORY_ND;
    if (at == length || !begins) return RV_SENTENCE_START;
    for (glyph end; last > at; last -= end.length) {
        end = glyph_before(bytes, last);
        if (!is_closing(end)) break;
    }
    glyph mark = glyph_before(bytes, last);
    if (last == at || !ends_sentence(mark.code)) return RV_SENTENCE_END;
    if (mark.code == '.' && last > 1 &&
        (abbreviates(bytes, last - 1) || cuts_number(bytes, last - 1)))
        return RV_SENTENCE_END;
    for (; at < length; at += g.length) {
        g = glyph_at(bytes + at, length - at);
        if (ends_here(bytes, length, at, &behind))
            return behind < length ? RV_SENTENCE_INNER_END : RV_SENTENCE_WHOLE;
    }
    return RV_SENTENCE_END;
}

static rv_sentence_fault check_spacing(const char *bytes, size_t length)
{
    glyph before = {.code = ' ', .category = UTF8PROC_CATEGORY_ZS}, g;
    for (size_t at = 0; at < length; at += g.length, before = g) {
        g = glyph_at(bytes + at, length - at);
        if (is_space(before) && (is_space(g) || AMONG(g.code, ',', '.', ')')))
            return RV_SENTENCE_SPACING;
        if (before.code == '(' && is_space(g)) return RV_SENTENCE_SPACING;
        glyph after = glyph_at(bytes + at + g.length, length - at - g.length);
        if (AMONG(g.code, '"', '\'', 0x2018, 0x2019, 0x201C, 0x201D) && is_space(before) &&
            (!after.length || is_space(after)))
            return RV_SENTENCE_SPACING;
    }
    return is_space(before) ? RV_SENTENCE_SPACING : RV_SENTENCE_WHOLE;
}

static rv_sentence_fault check_balance(const char *bytes, size_t length)
{
    long round = 0, curly = 0, straight = 0;
    for (size_t at = 0; at < length;) {
        glyph g = glyph_at(bytes + at, length - at);
        round += (g.code == '(') - (g.code == ')');
        curly += (g.code == 0x201C) - (g.code == 0x201D);
        straight += g.code == '"';
        if (round < 0) return RV_SENTENCE_BALANCE;
        at += g.length;
    }
    // „so“ closes with what opens elsewhere
    return round || straight % 2 || curly < 0 ? RV_SENTENCE_BALANCE : RV_SENTENCE_WHOLE;
}

static rv_sentence_fault check_words(const char *bytes, size_t length, const rv_words *words)
{
    size_t count = 0, letters = 0, visible = 0;
    for (size_t at = 0; at < length;) {
        glyph g = glyph_at(bytes + at, length - at);
        visible += !is_space(g);
        letters += is_letter(g) || is_mark(g);
        at += g.length;
    }
    for (size_t from = 0, start, end; next_word(bytes, length, &from, &start, &end);) {
        glyph first = glyph_at(bytes + start, length - start);
        bool dense = without_spaces(first.code);
        count += dense ? ((end - start) / 3 + 1) / 2 : 1;
        if (words && !dense && !rv_words_hold(words, bytes + start, end - start))
            return RV_SENTENCE_UNKNOWN;
    }
    return count >= LEAST_WORDS && 10 * letters >= 6 * visible ? RV_SENTENCE_WHOLE
                                                               : RV_SENTENCE_WORDS;
}

rv_sentence_fault rv_sentence_check(const char *bytes, size_t length, const rv_words *words)
{
    rv_sentence_fault fault = check_characters(bytes, length);
    if (fault == RV_SENTENCE_WHOLE) fault = check_ends(bytes, length);
    if (fault == RV_SENTENCE_WHOLE) fault = check_spacing(bytes, length);
    if (fault == RV_SENTENCE_WHOLE) fault = check_balance(bytes, length);
    if (fault == RV_SENTENCE_WHOLE) fault = check_words(bytes, length, words);
    return fault;
}

bool rv_sentence_next(const char *text, size_t length, size_t *from, size_t *start, size_t *end)
{
    size_t at = *from, behind;
    while (at < length && is_space(glyph_at(text + at, length - at))) at++;
    if (at >= length) return false;
    *start = at;
    for (glyph g; at < length; at += g.length ? g.length : 1) {
        g = glyph_at(text + at, length - at);
        if (!g.length) continue;
        bool line = g.code == '\n';
        if (!line && !ends_here(text, length, at, &behind)) continue;
        *end = line ? at : skip_end(text, length, at);
        *from = line ? at + 1 : behind;
        return true;
    }
    *end = *from = length;
    return true;
}
