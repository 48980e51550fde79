/* Text to token ids and back, byte-exact: byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM2) and
 * SentencePiece-style BPE (Llama 2, Gemma, llama2.c), from tokenizer.json, GGUF metadata,
 * llama2.c's tokenizer.bin, or GPT-2's encoder.json + vocab.bpe.
 *
 *     rv_tokenizer *tok;
 *     RV_TRY(rv_tokenizer_open(&tok, "models/SmolLM2-135M", NULL, err));
 *     rv_ids ids = {0};
 *     RV_TRY(rv_tokenizer_encode(tok, text, strlen(text), RV_ENCODE_PLAIN, &ids, err));
 *     ...
 *     rv_ids_release(&ids);
 *     rv_tokenizer_close(tok);
 */
#ifndef RV_TOKENIZER_H
#define RV_TOKENIZER_H

#include "base/error.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"

typedef struct rv_tokenizer rv_tokenizer;

typedef struct rv_ids {
    int32_t *items;
    size_t count, capacity;
} rv_ids;

rv_status rv_ids_push(rv_ids *ids, int32_t id, rv_error *err);
void rv_ids_release(rv_ids *ids);

/* path: a model folder (tokenizer.json, or vocab.bpe with encoder.json, or merges.txt with
 * vocab.json, or tokenizer.bin), a tokenizer.json, or a tokenizer.bin. checkpoint: used when it
 * is a GGUF (path may then be NULL); else NULL. A tokenizer is immutable: threads may share it. */
rv_status rv_tokenizer_open(rv_tokenizer **out, const char *path,
                            const rv_checkpoint *checkpoint, rv_error *err);
void rv_tokenizer_close(rv_tokenizer *tok); /* NULL is fine */

enum {
    RV_ENCODE_PLAIN = 0, /* special tokens in the text are plain text; nothing is added */
    RV_ENCODE_SPECIAL = 1 << 0, /* special tokens in the text are taken as such (chats) */
    RV_ENCODE_TEMPLATE = 1 << 1 /* add what the tokenizer's post-processor adds (BOS, EOS) */
};

/* Appends to ids. Any bytes are accepted: what is not UTF-8 is read as U+FFFD, as the reference
 * sees it after Python's bytes.decode(errors="replace"). NUL is a character like any other. */
rv_status rv_tokenizer_encode(const rv_tokenizer *tok, const char *text, size_t length,
                              unsigned flags, rv_ids *ids, rv_error *err);

/* Appends the text of the ids. skip_special leaves special tokens out. Byte-exact for byte-level
 * and byte-fallback tokens; an incomplete UTF-8 sequence is kept as its bytes. */
rv_status rv_tokenizer_decode(const rv_tokenizer *tok, const int32_t *ids, size_t count,
                              bool skip_special, rv_text *out, rv_error *err);

/* The bytes that one token stands for (a leading space included where the token carries one).
 * Borrowed; *length bytes, not terminated; NULL for an id that has no token. */
const char *rv_token_bytes(const rv_tokenizer *tok, int32_t id, size_t *length);

/* The file it was read from, by its usual name: "tokenizer.json", "GGUF metadata", ...; static. */
const char *rv_tokenizer_source(const rv_tokenizer *tok);

size_t rv_tokenizer_size(const rv_tokenizer *tok); /* largest id + 1 */

/* Control tokens, the unknown token, unused ones: what never is an ordinary part of a text. */
bool rv_token_is_special(const rv_tokenizer *tok, int32_t id);

/* Ids of special tokens, as the configuration names them; -1 where there is none. Where add_bos is
 * false, bos may be something else than a beginning (SmolLM2 names <|im_start|>): to begin a text
 * there, use `separator`, the token between documents (<|endoftext|> or its like). */
typedef struct rv_special_ids {
    int32_t bos, eos, unknown, pad, separator;
    bool add_bos; /* the tokenizer's configuration says that BOS goes first */
} rv_special_ids;
rv_special_ids rv_tokenizer_special(const rv_tokenizer *tok);

/* The special tokens that a chat template may name: "bos_token" and what stands for it. NULL behind
 * the last; borrowed. */
const char *rv_tokenizer_named(const rv_tokenizer *tok, size_t index, const char **content,
                               size_t *length);

/* The Jinja chat template of the model; NULL where it has none. Borrowed. */
const char *rv_tokenizer_chat_template(const rv_tokenizer *tok);

#endif
