/* The tokenizer's inside, shared by the files that read one (from_*.c) and tokenizer.c. */
#ifndef RV_TOKENIZER_INTERNAL_H
#define RV_TOKENIZER_INTERNAL_H

#include "tokenizer/added.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decode.h"
#include "tokenizer/normalize.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

enum { RV_LIMIT_TOKENIZER_FILE = 256 * 1024 * 1024 };

/* Immutable once opened. */
struct rv_tokenizer {
    rv_vocabulary vocabulary; /* find() sees the model's pieces only, not the added tokens */
    rv_added added;
    rv_normalizer normalizer;
    rv_pretokenizer pretokenizer;
    rv_bpe bpe;
    rv_ids before, after; /* what the post-processor puts around a text */
    rv_decoder decoder;

    unsigned char *kinds; /* by id: RV_TOKEN_* */
    uint32_t *renamed;    /* by id: 1 + index of an added token that decodes to its normalised
                             content, or 0; NULL: there are none */
    char *token_bytes;    /* what each token stands for, one after the other */
    size_t *token_starts; /* size + 1 */
    rv_special_ids special;
    char *chat_template; /* NULL: none */
    const char *source;  /* static */
};

enum {
    RV_TOKEN_SPECIAL = 1, /* never an ordinary part of a text */
    RV_TOKEN_SKIPPED = 2  /* left out by decode(skip_special) */
};

/* Readers fill a zeroed tokenizer; rv_tokenizer_finish builds the rest. On failure the caller
 * closes it. `special` may hold -1 where the file says nothing. */
rv_status rv_tokenizer_from_json(rv_tokenizer *tok, const char *path, rv_error *err);
rv_status rv_tokenizer_from_gguf(rv_tokenizer *tok, const rv_checkpoint *checkpoint,
                                 rv_error *err);
rv_status rv_tokenizer_from_gpt2(rv_tokenizer *tok, const char *folder, rv_error *err);
rv_status rv_tokenizer_from_llama2c(rv_tokenizer *tok, const char *path, rv_error *err);

/* The same of bytes in memory; name stands for the file in errors. */
rv_status rv_tokenizer_from_json_bytes(rv_tokenizer *tok, const char *bytes, size_t length,
                                       const char *name, rv_error *err);
rv_status rv_tokenizer_from_llama2c_bytes(rv_tokenizer *tok, const unsigned char *bytes,
                                          size_t length, const char *name, rv_error *err);

/* Opens a tokenizer.json, where the bytes begin with '{', or else a tokenizer.bin. */
rv_status rv_tokenizer_open_memory(rv_tokenizer **out, const void *bytes, size_t length,
                                   const char *name, rv_error *err);

/* Marks a token; kinds grows with the vocabulary, so call it after the last token came in. */
rv_status rv_tokenizer_mark(rv_tokenizer *tok, int32_t id, unsigned kind, rv_error *err);

/* The id of a token by its spelling, added tokens included; -1: none. */
int32_t rv_tokenizer_id(const rv_tokenizer *tok, const char *content, size_t length);

/* For byte-level tokenizers: the steps of ByteLevel, and its decoder. */
rv_status rv_tokenizer_byte_level(rv_tokenizer *tok, bool prefix_space, bool use_regex,
                                  rv_error *err);

/* tokenizer_config.json beside a tokenizer: special tokens, add_bos_token, chat template. */
rv_status rv_tokenizer_read_config(rv_tokenizer *tok, const char *folder, rv_error *err);

#endif
