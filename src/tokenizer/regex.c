#include "tokenizer/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/memory.h"
#include "base/text.h"

struct rv_regex {
    pcre2_code *code;
};

struct rv_regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

// Inside brackets: what Oniguruma means by \s (PCRE2 adds U+180E) and by \w (PCRE2 leaves
// marks and connectors out; Oniguruma has six numbers of Latin-1 in it).
#define SPACE                                                              \
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}" \
    "\\x{202F}\\x{205F}\\x{3000}"
#define WORD RV_REGEX_LETTERS "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"

static rv_status unsupported(rv_error *err, const char *pattern, size_t length,
                             const char *what)
{
    return rv_fail(err, RV_ERR_UNSUPPORTED, "regular expression \"%.*s\": %s is not supported",
                   (int)length, pattern, what);
}

/* Translates the escape at pattern[i] ('\\'); returns how many bytes it took, 0 if it has no
 * counterpart. */
static size_t translate_escape(rv_text *out, const char *rest, size_t left, bool in_class)
{
    if (left < 2) return 0;
    switch (rest[1]) {
    case 's':
        rv_text_puts(out, in_class ? SPACE : "[" SPACE "]");
        return 2;
    case 'S':
        rv_text_puts(out, in_class ? "\\S\\x{180E}" : "[^" SPACE "]");
        return 2;
    case 'w':
        rv_text_puts(out, in_class ? WORD : "[" WORD "]");
        return 2;
    case 'W':
        rv_text_puts(out, "[^" WORD "]");
        return in_class ? 0 : 2;
    case 'h':
        rv_text_puts(out, in_class ? "0-9a-fA-F" : "[0-9a-fA-F]");
        return 2;
    case 'b':
        if (in_class) break;
        rv_text_puts(out, "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))");
        return 2;
    case 'B':
    case 'H':
        return 0;
    case 'u':
        if (left < 6) return 0;
        rv_text_printf(out, "\\x{%.4s}", rest + 2);
        return 6;
    default:
        break;
    }
    size_t taken = 2; // and what stands in braces: \p{L}, \x{3000}
    if (left > 2 && rest[2] == '{') {
        const char *end = memchr(rest, '}', left);
        if (end) taken = (size_t)(end - rest) + 1;
    }
    rv_text_append(out, rest, taken);
    return taken;
}

/* Inline flags: Ruby's m is PCRE2's s. Returns how many bytes of "(?flags" were written. */
static size_t translate_group(rv_text *out, const char *rest, size_t left)
{
    size_t i = 2;
    rv_text_puts(out, "(?");
    while (i < left && (rest[i] == 'i' || rest[i] == 'm' || rest[i] == 'x' || rest[i] == '-')) {
        rv_text_putc(out, rest[i] == 'm' ? 's' : rest[i]);
        i++;
    }
    return i;
}

static rv_status translate(rv_text *out, const char *pattern, size_t length, rv_error *err)
{
    bool in_class = false;
    for (size_t i = 0; i < length;) {
        const char *rest = pattern + i;
        size_t left = length - i, taken = 1;
        if (*rest == '\\') {
            taken = translate_escape(out, rest, left, in_class);
            if (taken == 0) return unsupported(err, pattern, length, "an escape in it");
        } else if (in_class && *rest == '[') {
            if (left < 2 || rest[1] != ':')
                return unsupported(err, pattern, length, "a set inside a set");
            while (taken < left && rest[taken] != ']') taken++;
            if (taken < left) taken++;
            rv_text_append(out, rest, taken);
        } else if (in_class && *rest == '&' && left > 1 && rest[1] == '&') {
            return unsupported(err, pattern, length, "an intersection of sets");
        } else if (!in_class && *rest == '}' && left > 1 && rest[1] == '+') {
            return unsupported(err, pattern, length, "a plus after an interval");
        } else if (!in_class && *rest == '(' && left > 1 && rest[1] == '?') {
            taken = translate_group(out, rest, left);
        } else {
            if (*rest == '[') {
                in_class = true;
                if (left > 1 && rest[1] == '^') taken = 2;
            } else if (*rest == ']') {
                in_class = false;
            }
            rv_text_append(out, rest, taken);
        }
        i += taken;
    }
    return out->failed ? rv_fail_memory(err, out->length) : RV_OK;
}

rv_status rv_regex_compile(rv_regex **out, const char *pattern, size_t length, rv_error *err)
{
    *out = NULL;
    rv_text translated = {0};
    pcre2_compile_context *context = NULL;
    rv_regex *regex = NULL;
    rv_status status;
    RV_GOTO(translate(&translated, pattern, length, err));
    RV_GOTO(RV_NEW(regex, 1, err));
    context = pcre2_compile_context_create(NULL);
    if (!context) {
        status = rv_fail_memory(err, 1);
        goto done;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int code;
    PCRE2_SIZE offset;
    regex->code =
        pcre2_compile((PCRE2_SPTR)(translated.bytes ? translated.bytes : ""), translated.length,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code,
                      &offset, context);
    if (!regex->code) {
        char message[256] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        status = rv_fail(err, RV_ERR_UNSUPPORTED, "regular expression \"%.*s\": %s",
                         (int)length, pattern, message);
        goto done;
    }
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); // without JIT it is slower, no more
    *out = regex;
    regex = NULL;
done:
    pcre2_compile_context_free(context);
    rv_regex_free(regex);
    rv_text_release(&translated);
    return status;
}

void rv_regex_free(rv_regex *regex)
{
    if (!regex) return;
    pcre2_code_free(regex->code);
    free(regex);
}

rv_status rv_regex_scratch_new(rv_regex_scratch **out, rv_error *err)
{
    rv_regex_scratch *scratch;
    RV_TRY(RV_NEW(scratch, 1, err));
    scratch->data = pcre2_match_data_create(1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    scratch->stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, NULL);
    if (!scratch->data || !scratch->context) {
        rv_regex_scratch_free(scratch);
        return rv_fail_memory(err, 1);
    }
    if (scratch->stack) pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    *out = scratch;
    return RV_OK;
}

void rv_regex_scratch_free(rv_regex_scratch *scratch)
{
    if (!scratch) return;
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    free(scratch);
}

rv_status rv_regex_next(bool *found, const rv_regex *regex, rv_regex_scratch *scratch,
                        const char *text, size_t length, rv_regex_cursor *cursor, rv_error *err)
{
    *found = false;
    while (cursor->at <= length) {
        int result = pcre2_match(regex->code, (PCRE2_SPTR)text, length, cursor->at,
                                 PCRE2_NO_UTF_CHECK, scratch->data, scratch->context);
        if (result == PCRE2_ERROR_NOMATCH) return RV_OK;
        if (result < 0) {
            char message[256] = "";
            pcre2_get_error_message(result, (PCRE2_UCHAR *)message, sizeof message);
            return rv_fail(err, RV_ERR_UNSUPPORTED, "pre-tokenizer's regular expression: %s",
                           message);
        }
        const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(scratch->data);
        cursor->start = offsets[0];
        cursor->end = offsets[1];
        if (cursor->end <= cursor->start && cursor->matched &&
            cursor->end == cursor->last_end) {
            cursor->at++;
            while (cursor->at < length && ((unsigned char)text[cursor->at] & 0xC0) == 0x80)
                cursor->at++;
            continue;
        }
        cursor->at = cursor->last_end = cursor->end;
        cursor->matched = *found = true;
        return RV_OK;
    }
    return RV_OK;
}
