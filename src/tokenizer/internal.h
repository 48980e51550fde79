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

/* bos_token and its like, as the configuration names them; templates know them by these names. */
typedef struct rv_named_token {
    char *name, *content;
    size_t length;
} rv_named_token;

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
                             content or shadows a piece, or 0; NULL: there are none */
    char *token_bytes;    /* what each token stands for, one after the other */
    size_t *token_starts; /* size + 1 */
    rv_special_ids special;
    rv_named_token *named;
    size_t named_count, named_capacity;
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

/* Adds a token that is sought in texts before anything else, as the tokenizers library does, whatever
 * token->id says: one that the vocabulary has keeps its id there, one that was added before gets the
 * new flags, any other the next free id. */
rv_status rv_tokenizer_add(rv_tokenizer *tok, const rv_added_token *token, rv_error *err);

/* Remembers a special token by its name; the first of a name counts. */
rv_status rv_tokenizer_add_name(rv_tokenizer *tok, const char *name, const char *content,
                                size_t length, rv_error *err);

/* For byte-level tokenizers: the steps of ByteLevel, and its decoder. */
rv_status rv_tokenizer_byte_level(rv_tokenizer *tok, bool prefix_space, bool use_regex,
                                  rv_error *err);

/* The files beside a tokenizer: tokens that they add, special tokens by name, chat template.
 * `defaults`: names and contents of special tokens that hold where no file says otherwise, in pairs
 * up to NULL. obey_add_bos: add_bos_token and add_eos_token say what goes around a text (where there
 * is a post-processor, it does). */
rv_status rv_tokenizer_read_config(rv_tokenizer *tok, const char *folder,
                                   const char *const *defaults, bool obey_add_bos,
                                   rv_error *err);

#endif
