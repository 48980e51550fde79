#include "tokenizer/decode.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/normalize.h"
#include "tokenizer/unicode.h"

rv_status rv_decoder_add(rv_decode_step **out, rv_decoder *decoder, rv_decode_kind kind,
                         rv_error *err)
{
    RV_TRY(rv_grow((void **)&decoder->steps, &decoder->capacity, decoder->count + 1,
                   sizeof *decoder->steps, err));
    *out = &decoder->steps[decoder->count++];
    **out = (rv_decode_step){.kind = kind};
    return RV_OK;
}

void rv_decoder_release(rv_decoder *decoder)
{
    for (size_t i = 0; i < decoder->count; i++) {
        rv_text_release(&decoder->steps[i].pattern);
        rv_text_release(&decoder->steps[i].content);
    }
    free(decoder->steps);
    *decoder = (rv_decoder){0};
}

/* A piece with any other character than those of the alphabet stands for itself. */
static void byte_level(rv_text *out, const char *text, size_t length)
{
    size_t start = out->length;
    for (size_t i = 0, n; i < length; i += n) {
        unsigned c;
        n = rv_utf8_decode(text + i, length - i, &c);
        int byte = n ? rv_char_byte(c) : -1;
        if (byte < 0) {
            out->length = start;
            rv_text_append(out, text, length);
            return;
        }
        rv_text_putc(out, (char)byte);
    }
}

static void strip(const rv_decode_step *step, rv_text *out, const char *text, size_t length)
{
    const rv_text *c = &step->content;
    size_t start = 0, end = length;
    for (size_t k = 0; k < step->left && end - start >= c->length &&
                       memcmp(text + start, c->bytes, c->length) == 0;
         k++)
        start += c->length;
    for (size_t k = 0; k < step->right && end - start >= c->length &&
                       memcmp(text + end - c->length, c->bytes, c->length) == 0;
         k++)
        end -= c->length;
    rv_text_append(out, text + start, end - start);
}

static void run_step(const rv_decode_step *step, rv_text *out, const char *text, size_t length,
                     bool first, bool last)
{
    static const rv_text space = {.bytes = (char *)" ", .length = 1},
                         nothing = {.bytes = (char *)""};
    switch (step->kind) {
    case RV_DECODE_BYTE_LEVEL:
        byte_level(out, text, length);
        break;
    case RV_DECODE_BYTE_FALLBACK: {
        int byte = rv_byte_piece(text, length);
        if (byte < 0)
            rv_text_append(out, text, length);
        else
            rv_text_putc(out, (char)byte);
        break;
    }
    case RV_DECODE_REPLACE:
        rv_replace_all(out, text, length, &step->pattern, &step->content);
        break;
    case RV_DECODE_METASPACE:
        rv_replace_all(out, text, length, &step->pattern,
                       first && step->drop_first ? &nothing : &space);
        break;
    case RV_DECODE_SUFFIX:
        rv_replace_all(out, text, length, &step->pattern, last ? &nothing : &space);
        break;
    case RV_DECODE_WORDPIECE: {
        size_t n = step->pattern.length;
        if (!first && length >= n && memcmp(text, step->pattern.bytes, n) == 0) {
            text += n;
            length -= n;
        } else if (!first) {
            rv_text_putc(out, ' ');
        }
        rv_text_append(out, text, length);
        break;
    }
    case RV_DECODE_STRIP:
        strip(step, out, text, length);
        break;
    }
}

void rv_decode_piece(const rv_decoder *decoder, rv_text *out, const char *piece, size_t length,
                     bool first, bool last)
{
    rv_text now = {0}, next = {0};
    rv_text_append(&now, piece, length);
    for (size_t i = 0; i < decoder->joint && !now.failed; i++) {
        next.length = 0;
        rv_text_append(&next, "", 0);
        if (next.failed) break;
        run_step(&decoder->steps[i], &next, now.bytes, now.length, first, last);
        rv_text swap = now;
        now = next;
        next = swap;
    }
    out->failed |= now.failed || next.failed;
    if (!out->failed) rv_text_append(out, now.bytes, now.length);
    rv_text_release(&now);
    rv_text_release(&next);
}

void rv_decode_joint(const rv_decoder *decoder, rv_text *out, size_t start)
{
    for (size_t i = decoder->joint; i < decoder->count && !out->failed; i++) {
        rv_text next = {0};
        if (!out->bytes) return;
        run_step(&decoder->steps[i], &next, out->bytes + start, out->length - start, true,
                 true);
        out->length = start;
        rv_text_append(out, next.bytes, next.length);
        out->failed |= next.failed;
        rv_text_release(&next);
    }
}
