#include "tokenizer/regex.h"

#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/memory.h"
#include "base/text.h"
#include "tokenizer/regex_translate.h"

struct rv_regex {
    pcre2_code *code;
    bool anchored; /* \G asks where a search began: it is not cut into slices */
};

struct rv_regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    size_t searches;
    double started; /* seconds of this thread */
};

enum {
    LIMIT_STEPS = 10 * 1000 * 1000, // of one match, and 16 more for every byte of the text
    LIMIT_HEAP = 64 * 1024,         // KiB
    LIMIT_SECONDS = 30,             // of all matches in a text, and one more for every megabyte
    SLICE = 256                     // starts that are tried before the clock is looked at again
};

rv_status rv_regex_compile(rv_regex **out, const char *pattern, size_t length, rv_error *err)
{
    *out = NULL;
    rv_text translated = {0};
    pcre2_compile_context *context = NULL;
    rv_regex *regex = NULL;
    rv_status status;
    status = rv_regex_translate(&translated, pattern, length, err);
    if (status != RV_OK) {
        rv_context(err, status, "regular expression \"%.*s\"",
                   (int)(length < 200 ? length : 200), pattern);
        goto done;
    }
    RV_GOTO(RV_NEW(regex, 1, err));
    context = pcre2_compile_context_create(NULL);
    if (!context) {
        status = rv_fail_memory(err, 1);
        goto done;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
    int code;
    PCRE2_SIZE offset;
    regex->code =
        pcre2_compile((PCRE2_SPTR)(translated.bytes ? translated.bytes : ""), translated.length,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
                          PCRE2_USE_OFFSET_LIMIT,
                      &code, &offset, context);
    if (!regex->code) {
        char message[256] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        status = rv_fail(err, RV_ERR_UNSUPPORTED, "regular expression \"%.*s\": %s",
                         (int)(length < 200 ? length : 200), pattern, message);
        goto done;
    }
    regex->anchored =
        memmem(translated.bytes ? translated.bytes : "", translated.length, "\\G", 2);
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
    pcre2_set_heap_limit(scratch->context, LIMIT_HEAP);
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

/* Where the character behind text[at] begins. */
static size_t next_char(const char *text, size_t length, size_t at)
{
    for (at++; at < length && ((unsigned char)text[at] & 0xC0) == 0x80; at++) continue;
    return at;
}

/* Compiled code has a small stack of its own; what needs more is interpreted. */
static int match(const rv_regex *regex, rv_regex_scratch *scratch, const char *text,
                 size_t length, size_t at)
{
    int result = pcre2_match(regex->code, (PCRE2_SPTR)text, length, at, PCRE2_NO_UTF_CHECK,
                             scratch->data, scratch->context);
    if (result != PCRE2_ERROR_JIT_STACKLIMIT) return result;
    return pcre2_match(regex->code, (PCRE2_SPTR)text, length, at,
                       PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, scratch->data, scratch->context);
}

/* A pattern may be slow on a text without any match being so. */
static rv_status check_time(rv_regex_scratch *scratch, size_t length, rv_error *err)
{
    struct timespec t;
    if (scratch->searches++ % 64) return RV_OK;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    if (scratch->searches == 1) scratch->started = now;
    if (now - scratch->started <= LIMIT_SECONDS + 1e-6 * (double)length) return RV_OK;
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "regular expression: it takes more than %d seconds on this text",
                   LIMIT_SECONDS);
}

rv_status rv_regex_next(bool *found, const rv_regex *regex, rv_regex_scratch *scratch,
                        const char *text, size_t length, rv_regex_cursor *cursor, rv_error *err)
{
    *found = false;
    pcre2_set_match_limit(scratch->context, (uint32_t)(LIMIT_STEPS + 16 * length));
    while (cursor->at <= length) {
        size_t slice = regex->anchored ? length : cursor->at + SLICE;
        RV_TRY(check_time(scratch, length, err));
        pcre2_set_offset_limit(scratch->context, slice);
        int result = match(regex, scratch, text, length, cursor->at);
        if (result == PCRE2_ERROR_NOMATCH && slice < length) {
            cursor->at = next_char(text, length, slice);
            continue;
        }
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
            cursor->at = next_char(text, length, cursor->at);
            continue;
        }
        cursor->at = cursor->last_end = cursor->end;
        cursor->matched = *found = true;
        return RV_OK;
    }
    return RV_OK;
}
