/* Byte-pair encoding of one word: neighbouring pieces are merged, the best pair first, the
 * leftmost of equals, until no pair can be.
 *
 * Two kinds, one algorithm. With a merge list (GPT-2 and its heirs, and what Hugging Face makes
 * of SentencePiece models) a pair is a pair of ids and its rank is its place in the list. With
 * scores (SentencePiece, GGUF "llama", llama2.c) a pair may merge if the text of both together
 * is a piece, and the piece with the highest score is the best. */
#ifndef RV_TOKENIZER_BPE_H
#define RV_TOKENIZER_BPE_H

#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

typedef struct rv_merge {
    int32_t left, right; /* left -1: a free slot */
    int32_t id;          /* of the two together */
    uint32_t rank;
} rv_merge;

enum { RV_DIRECT_CHARS = 0x400 };

typedef struct rv_bpe {
    rv_merge *merges; /* open addressing */
    size_t slot_count, merge_count;
    uint32_t *order; /* by id, smallest first; not NULL for a model with scores */
    size_t order_count;
    int32_t unknown; /* -1: none */
    bool fuse_unknown, byte_fallback, ignore_merges;
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix, or NULL */
    int32_t byte_ids[256]; /* of "<0x00>" to "<0xFF>", -1 where there is none */
    int32_t char_ids[RV_DIRECT_CHARS]; /* of pieces that are one character */
    bool joined[256]; /* some piece has this byte right before a U+2581 or a space inside it */
} rv_bpe;

/* Call once the vocabulary is complete: fills byte_ids and char_ids. */
void rv_bpe_index(rv_bpe *bpe, const rv_vocabulary *vocabulary);

/* The next merge of the list. RV_ERR_FORMAT if a side or the result is no piece. */
rv_status rv_bpe_add_merge(rv_bpe *bpe, const rv_vocabulary *vocabulary, const char *left,
                           size_t left_length, const char *right, size_t right_length,
                           rv_error *err);

/* Makes it a model with scores; scores by id, count = vocabulary size. Copies them. */
rv_status rv_bpe_set_scores(rv_bpe *bpe, const float *scores, size_t count, rv_error *err);
void rv_bpe_release(rv_bpe *bpe);

typedef struct rv_symbol {
    int32_t id;             /* -1: a character that is no piece */
    int32_t previous, next; /* neighbours, -1 at the ends */
    uint32_t start, length; /* in the word; length 0: merged into its neighbour */
} rv_symbol;

typedef struct rv_candidate {
    uint32_t rank, position; /* of the left symbol */
    uint32_t length;         /* of both together, to tell candidates that are out of date */
    int32_t id;
} rv_candidate;

/* Buffers; {0} at first, then used again for word after word. */
typedef struct rv_bpe_work {
    rv_symbol *symbols;
    size_t count, symbols_capacity;
    rv_candidate *heap;
    size_t heap_count, heap_capacity;
} rv_bpe_work;

void rv_bpe_work_release(rv_bpe_work *work);

/* Appends the ids of one word (valid UTF-8, shorter than 2 GiB). */
rv_status rv_bpe_encode(const rv_bpe *bpe, const rv_vocabulary *vocabulary, rv_bpe_work *work,
                        const char *word, size_t length, rv_ids *ids, rv_error *err);

#endif
