/* What a sequence leaves behind for others to continue: keys and values of every layer, and what
 * the loss of a next token needs. Prefixes chain: a child may continue its parent from any
 * position, and the parent a fixed template. */
#ifndef RV_MODEL_PREFIX_H
#define RV_MODEL_PREFIX_H

#include "model/transformer.h"

typedef struct rv_prefix {
    const struct rv_prefix *parent; /* positions [0, first) */
    size_t first, count, capacity;  /* own positions [first, first + count) */
    size_t layers, key_width, width;
    real *keys_values; /* (layers, capacity, 2 * key_width): key, then value */
    real *hidden;      /* (capacity, width): input of the unembedding */
    real *lse;         /* (capacity): log-sum-exp of the logits there */
    real *nll;         /* (capacity): of the token at the position, given those before */
    bool complete;     /* hidden, lse and nll are there (rv_pass_losses ran) */
} rv_prefix;

/* Room for `capacity` own positions. */
rv_status rv_prefix_new(rv_prefix **out, const rv_transformer *model, size_t capacity,
                        rv_error *err);
void rv_prefix_free(rv_prefix *prefix); /* NULL is fine */

/* Makes `to`, made for the same model with at least as much room, hold what `from` holds. */
void rv_prefix_copy(rv_prefix *to, const rv_prefix *from);

/* All positions, the parents' included. */
size_t rv_prefix_length(const rv_prefix *prefix);

/* The link of the chain that owns a position (position < length), and the index there. */
const rv_prefix *rv_prefix_owner(const rv_prefix *prefix, size_t position, size_t *index);

/* Sum of nll over positions [from, to). */
double rv_prefix_loss(const rv_prefix *prefix, size_t from, size_t to);

#endif
