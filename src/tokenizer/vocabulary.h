/* The pieces of a tokenizer by id, and ids by piece. A piece is the text of a token as the
 * tokenizer's file spells it ("Ġthe", "▁the", "<0x0A>"), not yet what it stands for.
 *
 * Built once, then only read. Ids may have holes. */
#ifndef RV_TOKENIZER_VOCABULARY_H
#define RV_TOKENIZER_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    RV_LIMIT_IDS = 1 << 22,  /* more ids than this are taken for a broken file */
    RV_LIMIT_PIECE = 1 << 16 /* bytes of one piece */
};

typedef struct rv_piece {
    uint32_t start, length; /* in bytes */
    bool present;           /* false: a hole */
} rv_piece;

typedef struct rv_vocabulary {
    rv_piece *pieces; /* by id */
    size_t size, capacity;
    char *bytes; /* all pieces, one after the other */
    size_t used, bytes_capacity;
    int32_t *slots; /* open addressing; -1 is free */
    size_t slot_count, slots_used;
    size_t longest; /* piece that can be found, in bytes */
} rv_vocabulary;

/* Gives id its piece; find() will not see it. Refuses an id that is taken or out of range. */
rv_status rv_vocabulary_name(rv_vocabulary *vocabulary, int64_t id, const char *piece,
                             size_t length, rv_error *err);

/* The same, and lets find() see it. Refuses a piece that is already found under another id. */
rv_status rv_vocabulary_add(rv_vocabulary *vocabulary, int64_t id, const char *piece,
                            size_t length, rv_error *err);

void rv_vocabulary_release(rv_vocabulary *vocabulary);

/* -1 where there is no such piece. */
int32_t rv_vocabulary_find(const rv_vocabulary *vocabulary, const char *piece, size_t length);

/* NULL for a hole and for ids out of range. Borrowed, not terminated. */
const char *rv_vocabulary_piece(const rv_vocabulary *vocabulary, int64_t id, size_t *length);

#endif
