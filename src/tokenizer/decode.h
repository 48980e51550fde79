/* Decoders: from pieces back to text. First every piece for itself becomes the bytes that it
 * stands for, then steps that need the whole text run over what was put together. */
#ifndef RV_TOKENIZER_DECODE_H
#define RV_TOKENIZER_DECODE_H

#include "base/error.h"
#include "base/text.h"

typedef enum rv_decode_kind {
    RV_DECODE_BYTE_LEVEL,    /* characters of GPT-2's alphabet become bytes */
    RV_DECODE_BYTE_FALLBACK, /* "<0x0A>" becomes one byte */
    RV_DECODE_REPLACE,       /* pattern becomes content */
    RV_DECODE_METASPACE, /* pattern becomes a space; in the first piece nothing, if drop_first */
    RV_DECODE_SUFFIX,    /* pattern becomes a space, in the last piece nothing */
    RV_DECODE_WORDPIECE, /* a piece that begins with pattern loses it, others get a space before */
    RV_DECODE_STRIP      /* up to `left` and `right` times content at the ends */
} rv_decode_kind;

typedef struct rv_decode_step {
    rv_decode_kind kind;
    rv_text pattern, content;
    size_t left, right;
    bool drop_first;
} rv_decode_step;

typedef struct rv_decoder {
    rv_decode_step *steps;
    size_t count, capacity;
    size_t joint;    /* steps from here on see the whole text */
    bool spaced;     /* pieces are joined by spaces: a tokenizer without a decoder */
    bool positional; /* the first or last piece may come out differently */
} rv_decoder;

rv_status rv_decoder_add(rv_decode_step **out, rv_decoder *decoder, rv_decode_kind kind,
                         rv_error *err);
void rv_decoder_release(rv_decoder *decoder);

/* Appends what one piece stands for. */
void rv_decode_piece(const rv_decoder *decoder, rv_text *out, const char *piece, size_t length,
                     bool first, bool last);

/* Runs the joint steps over what out holds from `start` on. */
void rv_decode_joint(const rv_decoder *decoder, rv_text *out, size_t start);

#endif
