#include "tokenizer/normalize.h"

#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

rv_status rv_normalizer_add(rv_normalize_step **out, rv_normalizer *normalizer,
                            rv_normalize_kind kind, rv_error *err)
{
    RV_TRY(rv_grow((void **)&normalizer->steps, &normalizer->capacity, normalizer->count + 1,
                   sizeof *normalizer->steps, err));
    *out = &normalizer->steps[normalizer->count++];
    **out = (rv_normalize_step){.kind = kind};
    return RV_OK;
}

void rv_normalizer_release(rv_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->count; i++) {
        rv_text_release(&normalizer->steps[i].pattern);
        rv_text_release(&normalizer->steps[i].content);
        rv_regex_free(normalizer->steps[i].regex);
    }
    free(normalizer->steps);
    *normalizer = (rv_normalizer){0};
}

/* True if no normalization form changes the text: none of them touches characters below
 * U+00A0, and the composed forms without compatibility none below U+0300. */
static bool inert(const char *text, size_t length, rv_normalize_kind kind)
{
    unsigned char first_suspect = kind == RV_NORMALIZE_NFC ? 0xCC : 0xC2;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= first_suspect) return false;
    return true;
}

static void put_char(rv_text *out, unsigned c)
{
    char bytes[4];
    rv_text_append(out, bytes, rv_utf8_encode(c, bytes));
}

typedef struct code_points {
    utf8proc_int32_t *items;
    size_t count, capacity;
} code_points;

/* What the characters of a text decompose into. */
static rv_status decompose(code_points *out, const char *text, size_t length,
                           utf8proc_option_t options, rv_error *err)
{
    int boundary = 0;
    for (size_t i = 0, n; i < length; i += n) {
        utf8proc_int32_t c = (utf8proc_int32_t)rv_char_at(text + i, &n), *end;
        for (utf8proc_ssize_t need = 4;;) {
            RV_TRY(rv_grow((void **)&out->items, &out->capacity, out->count + (size_t)need,
                           sizeof *out->items, err));
            size_t space = out->capacity - out->count;
            end = out->items + out->count;
            need = utf8proc_decompose_char(c, end, (utf8proc_ssize_t)space, options, &boundary);
            if (need < 0)
                return rv_fail(err, RV_ERR_FORMAT, "normalization: %s", utf8proc_errmsg(need));
            if ((size_t)need > space) continue;
            out->count += (size_t)need;
            break;
        }
    }
    return RV_OK;
}

static unsigned char combining_class(utf8proc_int32_t c)
{
    return (unsigned char)utf8proc_get_property(c)->combining_class;
}

/* Marks between two starters go by their classes, equals as they stood: a sort by counting, since
 * a text may have a million of them in a row. spare holds chars[count]. */
static void order_marks(utf8proc_int32_t *chars, utf8proc_int32_t *spare, size_t count)
{
    for (size_t start = 0, end; start < count; start = end + 1) {
        size_t places[257] = {0};
        bool ordered = true;
        unsigned char last = 0, class;
        for (end = start; end < count && (class = combining_class(chars[end])) > 0; end++) {
            ordered = ordered && class >= last;
            last = class;
            places[class + 1]++;
        }
        if (ordered) continue;
        for (size_t k = 1; k < 257; k++) places[k] += places[k - 1];
        for (size_t i = start; i < end; i++)
            spare[places[combining_class(chars[i])]++] = chars[i];
        memcpy(chars + start, spare, (end - start) * sizeof *chars);
    }
}

static rv_status normal_form(rv_text *out, const char *text, size_t length,
                             rv_normalize_kind kind, rv_error *err)
{
    static const utf8proc_option_t options[] = {
        [RV_NORMALIZE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [RV_NORMALIZE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [RV_NORMALIZE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [RV_NORMALIZE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    if (inert(text, length, kind)) {
        rv_text_append(out, text, length);
        return RV_OK;
    }
    code_points all = {0};
    utf8proc_int32_t *spare = NULL;
    rv_status status;
    RV_GOTO(decompose(&all, text, length, options[kind], err));
    RV_GOTO(RV_NEW(spare, all.count, err));
    order_marks(all.items, spare, all.count);
    utf8proc_ssize_t n =
        utf8proc_normalize_utf32(all.items, (utf8proc_ssize_t)all.count, options[kind]);
    for (utf8proc_ssize_t i = 0; i < n; i++) put_char(out, (unsigned)all.items[i]);
done:
    free(all.items);
    free(spare);
    return status;
}

static void map_chars(rv_text *out, const char *text, size_t length, rv_normalize_kind kind)
{
    for (size_t i = 0, n; i < length; i += n) {
        unsigned c = rv_char_at(text + i, &n);
        if (kind == RV_NORMALIZE_STRIP_ACCENTS) {
            utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
            if (category < UTF8PROC_CATEGORY_MN || category > UTF8PROC_CATEGORY_ME)
                rv_text_append(out, text + i, n);
        } else if (c == 0x130) {
            rv_text_puts(out, "i\xCC\x87"); // the one lower case of two characters
        } else {
            put_char(out, (unsigned)utf8proc_tolower((utf8proc_int32_t)c));
        }
    }
}

static void strip(rv_text *out, const char *text, size_t length, bool left, bool right)
{
    size_t start = 0, end = length, n;
    while (left && start < end && rv_is_space(rv_char_at(text + start, &n))) start += n;
    while (right && end > start && rv_is_space(rv_char_before(text, end, &n))) end -= n;
    rv_text_append(out, text + start, end - start);
}

void rv_replace_all(rv_text *out, const char *text, size_t length, const rv_text *from,
                    const rv_text *to)
{
    size_t at = 0;
    while (from->length && length - at >= from->length) {
        const char *hit = memmem(text + at, length - at, from->bytes, from->length);
        if (!hit) break;
        rv_text_append(out, text + at, (size_t)(hit - text) - at);
        rv_text_append(out, to->bytes, to->length);
        at = (size_t)(hit - text) + from->length;
    }
    rv_text_append(out, text + at, length - at);
}

static rv_status replace_matches(rv_text *out, const rv_normalize_step *step, const char *text,
                                 size_t length, rv_regex_scratch *scratch, rv_error *err)
{
    rv_regex_cursor cursor = {0};
    size_t at = 0;
    for (;;) {
        bool found;
        RV_TRY(rv_regex_next(&found, step->regex, scratch, text, length, &cursor, err));
        if (!found) break;
        rv_text_append(out, text + at, cursor.start - at);
        rv_text_append(out, step->content.bytes, step->content.length);
        at = cursor.end;
    }
    rv_text_append(out, text + at, length - at);
    return RV_OK;
}

static rv_status run_step(const rv_normalize_step *step, rv_text *out, const char *text,
                          size_t length, rv_regex_scratch *scratch, rv_error *err)
{
    switch (step->kind) {
    case RV_NORMALIZE_NFC:
    case RV_NORMALIZE_NFD:
    case RV_NORMALIZE_NFKC:
    case RV_NORMALIZE_NFKD:
        return normal_form(out, text, length, step->kind, err);
    case RV_NORMALIZE_LOWERCASE:
    case RV_NORMALIZE_STRIP_ACCENTS:
        map_chars(out, text, length, step->kind);
        break;
    case RV_NORMALIZE_STRIP:
        strip(out, text, length, step->left, step->right);
        break;
    case RV_NORMALIZE_PREPEND:
        if (length) rv_text_append(out, step->content.bytes, step->content.length);
        rv_text_append(out, text, length);
        break;
    case RV_NORMALIZE_REPLACE:
        if (step->regex) return replace_matches(out, step, text, length, scratch, err);
        rv_replace_all(out, text, length, &step->pattern, &step->content);
        break;
    case RV_NORMALIZE_BYTES:
        for (size_t i = 0; i < length; i++) put_char(out, rv_byte_char((unsigned char)text[i]));
        break;
    }
    return RV_OK;
}

rv_status rv_normalize(const rv_normalizer *normalizer, rv_text *out, const char *text,
                       size_t length, rv_regex_scratch *scratch, rv_error *err)
{
    rv_text now = {0}, next = {0};
    rv_status status = RV_OK;
    for (size_t i = 0; i < normalizer->count; i++) {
        const char *source = i ? now.bytes : text;
        next.length = 0;
        rv_text_append(&next, "", 0);
        RV_GOTO(run_step(&normalizer->steps[i], &next, source, i ? now.length : length, scratch,
                         err));
        if (next.failed) {
            status = rv_fail_memory(err, length);
            goto done;
        }
        rv_text swap = now;
        now = next;
        next = swap;
    }
    if (normalizer->count)
        rv_text_append(out, now.bytes, now.length);
    else
        rv_text_append(out, text, length);
    if (out->failed) status = rv_fail_memory(err, length);
done:
    rv_text_release(&now);
    rv_text_release(&next);
    return status;
}
