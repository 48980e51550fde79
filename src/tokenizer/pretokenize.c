#include "tokenizer/pretokenize.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/normalize.h"
#include "tokenizer/unicode.h"

const char rv_gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

rv_status rv_pretokenizer_add(rv_pretokenize_step **out, rv_pretokenizer *pretokenizer,
                              rv_pretokenize_kind kind, rv_error *err)
{
    RV_TRY(rv_grow((void **)&pretokenizer->steps, &pretokenizer->capacity,
                   pretokenizer->count + 1, sizeof *pretokenizer->steps, err));
    *out = &pretokenizer->steps[pretokenizer->count++];
    **out = (rv_pretokenize_step){.kind = kind};
    return RV_OK;
}

rv_status rv_pretokenizer_add_regex(rv_pretokenizer *pretokenizer, const char *pattern,
                                    size_t length, rv_split_behavior behavior, bool invert,
                                    rv_error *err)
{
    rv_pretokenize_step *step;
    RV_TRY(rv_pretokenizer_add(&step, pretokenizer, RV_PRETOKENIZE_REGEX, err));
    step->behavior = behavior;
    step->invert = invert;
    return rv_regex_compile(&step->regex, pattern, length, err);
}

void rv_pretokenizer_release(rv_pretokenizer *pretokenizer)
{
    for (size_t i = 0; i < pretokenizer->count; i++) {
        rv_regex_free(pretokenizer->steps[i].regex);
        rv_text_release(&pretokenizer->steps[i].content);
    }
    free(pretokenizer->steps);
    *pretokenizer = (rv_pretokenizer){0};
}

rv_status rv_pretokenize_work_init(rv_pretokenize_work *work,
                                   const rv_pretokenizer *pretokenizer, rv_error *err)
{
    *work = (rv_pretokenize_work){.count = pretokenizer->count};
    RV_TRY(RV_NEW(work->texts, pretokenizer->count, err));
    return rv_regex_scratch_new(&work->scratch, err);
}

void rv_pretokenize_work_release(rv_pretokenize_work *work)
{
    for (size_t i = 0; i < work->count; i++)
        if (work->texts) rv_text_release(&work->texts[i]);
    free(work->texts);
    rv_regex_scratch_free(work->scratch);
    *work = (rv_pretokenize_work){0};
}

/* One run over one text. */
typedef struct run {
    const rv_pretokenizer *pretokenizer;
    rv_pretokenize_work *work;
    rv_word_fn word;
    void *context;
} run;

static rv_status run_from(const run *r, size_t index, const char *text, size_t length,
                          bool first, rv_error *err);

/* The pieces of a splitting step go through here in order, matches and what lies between them;
 * the behavior decides which of them are joined. One piece waits, as it may yet grow. */
typedef struct splitter {
    const run *run;
    size_t index; /* of the step */
    const char *text;
    bool first;
    size_t start, end; /* the piece that waits */
    bool waits, waiting_is_match, previous_match;
} splitter;

static rv_status emit(splitter *s, size_t start, size_t end, rv_error *err)
{
    if (start == end) return RV_OK;
    return run_from(s->run, s->index + 1, s->text + start, end - start, s->first && start == 0,
                    err);
}

static rv_status flush(splitter *s, rv_error *err)
{
    if (!s->waits) return RV_OK;
    s->waits = false;
    return emit(s, s->start, s->end, err);
}

static rv_status put_piece(splitter *s, size_t start, size_t end, bool is_match, rv_error *err)
{
    const rv_pretokenize_step *step = &s->run->pretokenizer->steps[s->index];
    if (step->invert) is_match = !is_match;
    bool join = false;
    switch (step->behavior) {
    case RV_SPLIT_REMOVED:
        return is_match ? RV_OK : emit(s, start, end, err);
    case RV_SPLIT_ISOLATED:
        return emit(s, start, end, err);
    case RV_SPLIT_CONTIGUOUS:
        join = is_match == s->previous_match;
        break;
    case RV_SPLIT_MERGED_WITH_PREVIOUS:
        join = is_match && !s->previous_match;
        break;
    case RV_SPLIT_MERGED_WITH_NEXT:
        join = s->waiting_is_match && !is_match;
        break;
    }
    s->previous_match = is_match;
    if (!join || !s->waits) {
        RV_TRY(flush(s, err));
        s->start = start;
    }
    s->end = end;
    s->waits = true;
    s->waiting_is_match = is_match;
    return RV_OK;
}

static rv_status split_regex(splitter *s, const rv_regex *regex, const char *text,
                             size_t length, rv_error *err)
{
    rv_regex_cursor cursor = {0};
    size_t at = 0;
    for (;;) {
        bool found;
        RV_TRY(rv_regex_next(&found, regex, s->run->work->scratch, text, length, &cursor, err));
        if (!found) break;
        if (at < cursor.start) RV_TRY(put_piece(s, at, cursor.start, false, err));
        RV_TRY(put_piece(s, cursor.start, cursor.end, true, err));
        at = cursor.end;
    }
    return at < length ? put_piece(s, at, length, false, err) : RV_OK;
}

static rv_status split_literal(splitter *s, const rv_text *literal, const char *text,
                               size_t length, rv_error *err)
{
    size_t at = 0;
    while (literal->length && length - at >= literal->length) {
        const char *hit = memmem(text + at, length - at, literal->bytes, literal->length);
        if (!hit) break;
        size_t start = (size_t)(hit - text);
        if (at < start) RV_TRY(put_piece(s, at, start, false, err));
        at = start + literal->length;
        RV_TRY(put_piece(s, start, at, true, err));
    }
    return at < length ? put_piece(s, at, length, false, err) : RV_OK;
}

static rv_status split_class(splitter *s, bool (*in_class)(unsigned), const char *text,
                             size_t length, rv_error *err)
{
    size_t at = 0;
    for (size_t i = 0, n; i < length; i += n) {
        if (!in_class(rv_char_at(text + i, &n))) continue;
        if (at < i) RV_TRY(put_piece(s, at, i, false, err));
        RV_TRY(put_piece(s, i, i + n, true, err));
        at = i + n;
    }
    return at < length ? put_piece(s, at, length, false, err) : RV_OK;
}

static bool begins_with(const char *text, size_t length, const rv_text *start)
{
    return length >= start->length && memcmp(text, start->bytes, start->length) == 0;
}

static void rewrite(const rv_pretokenize_step *step, rv_text *out, const char *text,
                    size_t length, bool first)
{
    static const rv_text space = {.bytes = (char *)" ", .length = 1};
    out->length = 0;
    switch (step->kind) {
    case RV_PRETOKENIZE_SPACE_FIRST:
        if (text[0] != ' ') rv_text_putc(out, ' ');
        rv_text_append(out, text, length);
        break;
    case RV_PRETOKENIZE_METASPACE:
        if ((step->prepend == RV_PREPEND_ALWAYS ||
             (step->prepend == RV_PREPEND_FIRST && first)) &&
            text[0] != ' ' && !begins_with(text, length, &step->content))
            rv_text_append(out, step->content.bytes, step->content.length);
        rv_replace_all(out, text, length, &space, &step->content);
        break;
    default:
        for (size_t i = 0; i < length; i++) {
            char bytes[4];
            rv_text_append(out, bytes,
                           rv_utf8_encode(rv_byte_char((unsigned char)text[i]), bytes));
        }
    }
}

static rv_status run_from(const run *r, size_t index, const char *text, size_t length,
                          bool first, rv_error *err)
{
    if (length == 0) return RV_OK;
    if (index == r->pretokenizer->count) return r->word(r->context, text, length, err);
    const rv_pretokenize_step *step = &r->pretokenizer->steps[index];
    splitter s = {.run = r, .index = index, .text = text, .first = first};
    switch (step->kind) {
    case RV_PRETOKENIZE_REGEX:
        RV_TRY(split_regex(&s, step->regex, text, length, err));
        break;
    case RV_PRETOKENIZE_LITERAL:
        RV_TRY(split_literal(&s, &step->content, text, length, err));
        break;
    case RV_PRETOKENIZE_CLASS:
        RV_TRY(split_class(&s, step->in_class, text, length, err));
        break;
    default: {
        rv_text *out = &r->work->texts[index];
        rewrite(step, out, text, length, first);
        if (out->failed) return rv_fail_memory(err, length);
        return run_from(r, index + 1, out->bytes, out->length, first, err);
    }
    }
    return flush(&s, err);
}

rv_status rv_pretokenize(const rv_pretokenizer *pretokenizer, rv_pretokenize_work *work,
                         const char *text, size_t length, bool first, rv_word_fn word,
                         void *context, rv_error *err)
{
    const run r = {pretokenizer, work, word, context};
    return run_from(&r, 0, text, length, first, err);
}
