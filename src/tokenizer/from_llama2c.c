/* llama2.c's tokenizer.bin: u32 length of the longest token, then per token f32 score, u32
 * length, bytes; little-endian. Spaces are spaces; ids 0 to 2 are <unk>, <s>, </s>. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tokenizer/internal.h"
#include "tokenizer/unicode.h"

enum { UNKNOWN_ID, BOS_ID, EOS_ID, FIRST_ORDINARY_ID };

static uint32_t read_u32(const unsigned char *b)
{
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static rv_status read_token(rv_tokenizer *tok, int64_t id, const char *piece, size_t length,
                            rv_error *err)
{
    // Ids of bytes and special tokens never come out of merging; nor does the second of two
    // tokens with one spelling, which llama2.c's search finds or does not find by chance.
    if (id < FIRST_ORDINARY_ID || rv_byte_piece(piece, length) >= 0 || length == 0 ||
        rv_vocabulary_find(&tok->vocabulary, piece, length) >= 0)
        return rv_vocabulary_name(&tok->vocabulary, id, piece, length, err);
    return rv_vocabulary_add(&tok->vocabulary, id, piece, length, err);
}

static rv_status read_tokens(rv_tokenizer *tok, float **scores, const rv_mapping *file,
                             rv_error *err)
{
    size_t capacity = 0;
    int64_t id = 0;
    if (file->length < 4)
        return rv_fail(err, RV_ERR_FORMAT, "expected at least 4 bytes, found %zu",
                       file->length);
    for (size_t at = 4; at < file->length; id++) {
        if (file->length - at < 8)
            return rv_fail(err, RV_ERR_FORMAT, "token %lld: the file ends in its header",
                           (long long)id);
        uint32_t bits = read_u32(file->bytes + at), length = read_u32(file->bytes + at + 4);
        at += 8;
        if (length > file->length - at)
            return rv_fail(err, RV_ERR_FORMAT,
                           "token %lld: length: expected at most %zu (the rest of the file), "
                           "found %u",
                           (long long)id, file->length - at, length);
        RV_TRY(read_token(tok, id, (const char *)file->bytes + at, length, err));
        RV_TRY(rv_grow((void **)scores, &capacity, (size_t)id + 1, sizeof **scores, err));
        memcpy(*scores + id, &bits, sizeof bits);
        at += length;
    }
    if (id < FIRST_ORDINARY_ID)
        return rv_fail(err, RV_ERR_FORMAT, "expected at least 3 tokens, found %lld",
                       (long long)id);
    return rv_bpe_set_scores(&tok->bpe, *scores, (size_t)id, err);
}

static rv_status add_pipeline(rv_tokenizer *tok, rv_error *err)
{
    rv_normalize_step *normalize;
    RV_TRY(rv_normalizer_add(&normalize, &tok->normalizer, RV_NORMALIZE_PREPEND, err));
    rv_text_puts(&normalize->content, " ");
    rv_decode_step *decode;
    RV_TRY(rv_decoder_add(&decode, &tok->decoder, RV_DECODE_BYTE_FALLBACK, err));
    tok->decoder.joint = tok->decoder.count;
    RV_TRY(rv_decoder_add(&decode, &tok->decoder, RV_DECODE_STRIP, err));
    rv_text_puts(&decode->content, " ");
    decode->left = 1;
    return RV_OK;
}

rv_status rv_tokenizer_from_llama2c_bytes(rv_tokenizer *tok, const unsigned char *bytes,
                                          size_t length, const char *name, rv_error *err)
{
    const rv_mapping file = {bytes, length};
    float *scores = NULL;
    rv_status status = read_tokens(tok, &scores, &file, err);
    free(scores);
    if (status != RV_OK) return rv_context(err, status, "%s", name);
    tok->bpe.unknown = tok->special.unknown = UNKNOWN_ID;
    tok->bpe.byte_fallback = tok->bpe.fuse_unknown = true;
    rv_bpe_index(&tok->bpe, &tok->vocabulary);
    tok->special.bos = BOS_ID;
    tok->special.eos = EOS_ID;
    RV_TRY(rv_ids_push(&tok->before, BOS_ID, err));
    for (int32_t id = UNKNOWN_ID; id < FIRST_ORDINARY_ID; id++)
        RV_TRY(rv_tokenizer_mark(tok, id, RV_TOKEN_SPECIAL | RV_TOKEN_SKIPPED, err));
    return add_pipeline(tok, err);
}

rv_status rv_tokenizer_from_llama2c(rv_tokenizer *tok, const char *path, rv_error *err)
{
    rv_mapping file;
    RV_TRY(rv_map_file(&file, path, err));
    rv_status status = rv_tokenizer_from_llama2c_bytes(tok, file.bytes, file.length, path, err);
    rv_unmap(&file);
    return status;
}
