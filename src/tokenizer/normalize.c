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
    utf8proc_uint8_t *result = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length,
                                      &result, options[kind]);
    if (n == UTF8PROC_ERROR_NOMEM) return rv_fail_memory(err, length);
    if (n < 0) return rv_fail(err, RV_ERR_FORMAT, "normalization: %s", utf8proc_errmsg(n));
    rv_text_append(out, result, (size_t)n);
    free(result);
    return RV_OK;
}

static void put_char(rv_text *out, unsigned c)
{
    char bytes[4];
    rv_text_append(out, bytes, rv_utf8_encode(c, bytes));
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
