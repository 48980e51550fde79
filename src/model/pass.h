/* A pass: sequences through a transformer, forward, and backward if asked.
 *
 *     rv_pass *pass;
 *     RV_TRY(rv_pass_new(&pass, model, &(rv_pass_options){.rows = 96, .sequences = 8, .keep = true}, err));
 *     RV_TRY(rv_pass_begin(pass, sequences, 8, taps, tap_count, err));
 *     rv_pass_forward(pass, layers);       // all blocks
 *     rv_pass_finish(pass);                // final norm
 *     rv_pass_losses(pass, nll);           // -log p of every token
 *     rv_pass_backward(pass, weights, NULL);
 *     const real *gradient = rv_pass_input_gradient(pass);
 *
 * A batch is ragged: its rows are (sequence, position) pairs without padding. A sequence may continue a
 * prefix (prefix.h) from any of its positions; then only its own positions are rows. A row's numbers
 * do not depend on the rest of the batch, so a cached and an uncached pass agree bit for bit.
 * A pass allocates when it is made and never afterwards. It is used by one thread at a time; the
 * model is only read and may be shared. */
#ifndef RV_MODEL_PASS_H
#define RV_MODEL_PASS_H

#include "model/prefix.h"
#include "model/site.h"
#include "model/transformer.h"

typedef struct rv_pass rv_pass;

typedef struct rv_pass_options {
    size_t rows;      /* at most so many rows in a batch */
    size_t sequences; /* at most so many sequences */
    size_t
        positions; /* at most so many positions in a sequence, prefix included; 0: the context */
    bool keep;     /* keep what backward needs (every layer's values) */
    bool select;   /* room for rv_pass_neuron and rv_pass_select */
    int threads;   /* 0: as many as there are processors */
    bool
        narrow; /* products in bf16 where the model has narrow weights: for screening, without keep */
} rv_pass_options;

typedef struct rv_sequence {
    const int32_t *ids; /* (count) own tokens; NULL only where inputs is given */
    const real *inputs; /* (count, C) vectors at hook_embed instead of the tokens', or NULL */
    size_t count;       /* own positions, at least 1 */
    const rv_prefix *prefix; /* what comes before; NULL: nothing */
    size_t shared;           /* own positions start here: the prefix's first so many are used */
    rv_prefix *save; /* keys, values (and, after rv_pass_losses, losses) of the own positions
                                are stored here, as a continuation of `prefix`; the same object as
                                `prefix`: appended to it, from `shared` on; NULL: not */
} rv_sequence;

/* What a caller wants at a site. Numbers of a row site are (rows, width); of a map (scores, pattern)
 * one (H, count, shared + count) block per sequence, in order. With `columns` above 0 a row site is
 * narrowed to columns [column, column + columns), and width is `columns`. Any pointer may be NULL. */
typedef struct rv_tap {
    rv_site site;
    size_t column, columns;
    real *value; /* forward fills it */
    const real
        *replace; /* forward puts these in place of what it computed (not at derived sites) */
    const real *seed; /* backward adds this gradient */
    real
        *gradient; /* backward fills it with the gradient there, own seed included (likewise) */
} rv_tap;

/* Gradients of weights, accumulated; shaped (M, K) row-major like the weights' matrices. Pointers may
 * be NULL: not wanted. */
typedef struct rv_block_gradients {
    real *qkv, *qkv_bias, *o, *o_bias, *up, *up_bias, *down, *down_bias;
    rv_norm ln1, ln2, post_attention, post_mlp, q_norm, k_norm;
} rv_block_gradients;

typedef struct rv_gradients {
    real *embedding; /* (V, C); a tied head's part included */
    real *head;      /* (V, C) untied */
    real *positions; /* (context, C) */
    rv_norm final_norm;
    rv_block_gradients *blocks;
} rv_gradients;

/* Bytes that a pass with these options takes. */
size_t rv_pass_bytes(const rv_transformer *model, const rv_pass_options *options);

rv_status rv_pass_new(rv_pass **out, const rv_transformer *model,
                      const rv_pass_options *options, rv_error *err);
void rv_pass_free(rv_pass *pass); /* NULL is fine */

/* Checks ids, lengths and taps, embeds. Sequences, taps and what they point to stay the caller's and
 * must live until the pass is begun anew. taps may be NULL. */
rv_status rv_pass_begin(rv_pass *pass, const rv_sequence *sequences, size_t count,
                        const rv_tap *taps, size_t tap_count, rv_error *err);

/* Runs the blocks that are left before layer `end` (at most all of them). */
void rv_pass_forward(rv_pass *pass, size_t end);

/* Runs the blocks before `layer`, its attention, and one neuron of its MLP: post (rows). The rest of the block waits
 * for what comes next. Needs `select`; without `keep` or taps; for blocks that are not parallel. */
void rv_pass_neuron(rv_pass *pass, real *post, size_t layer, size_t neuron);

/* Goes on with the first counts[i] (at least 1) own positions of the sequences kept[i] only, i < count; kept are
 * ascending indices into the batch that was begun. From where the pass stood when this was called first: it may be
 * called again with others. Needs `select`; without `keep` or `save`, without taps from there on. */
void rv_pass_select(rv_pass *pass, const size_t *kept, const size_t *counts, size_t count);

/* After all blocks: the final norm. */
void rv_pass_finish(rv_pass *pass);

/* nll (rows): -log p of each row's own token given what comes before it in its sequence, in nats; 0
 * for the token at position 0, which nothing precedes. Stores into the sequences' `save`. */
void rv_pass_losses(rv_pass *pass, real *nll);

/* nll (rows): -log p of the token behind each row, also where rv_pass_select left that token's own row out; 0 where
 * none is behind. In place of rv_pass_losses; sequences of tokens without `save`. */
void rv_pass_next_losses(rv_pass *pass, real *nll);

/* -log p of the sequence's first own token, which its prefix predicts; 0 where nothing precedes it. */
real rv_pass_first_loss(const rv_pass *pass, const rv_sequence *sequence);

/* logits (count, V) of the given rows. */
void rv_pass_logits(const rv_pass *pass, real *logits, const size_t *rows, size_t count);

/* d/d(everything) of  sum_r weights[r] * nll[r]  +  sum over taps <seed, site>.   weights (rows) or
 * NULL. Needs `keep`; after rv_pass_losses where weights is given. gradients may be NULL. The label term
 * of a token's own loss (d nll[r] / d onehot[r, v] = -log p(v)) is not part of it: read it off the logits. */
void rv_pass_backward(rv_pass *pass, const real *weights, rv_gradients *gradients);

/* (rows, C): the gradient at hook_embed, after rv_pass_backward. */
const real *rv_pass_input_gradient(const rv_pass *pass);

const rv_transformer *rv_pass_model(const rv_pass *pass);
const rv_config *rv_pass_config(const rv_pass *pass);
size_t rv_pass_rows(const rv_pass *pass);
size_t rv_pass_sequences(const rv_pass *pass);
/* First row of a sequence; its own and its shared positions. */
size_t rv_pass_span(const rv_pass *pass, size_t sequence, size_t *count, size_t *shared);
const real *rv_pass_hidden(const rv_pass *pass); /* (rows, C): input of the unembedding */
/* What a neuron's activation is of, and what multiplies it (1 where the MLP is not gated): post = act(z) u.
 * Needs `keep`. */
void rv_pass_mlp_input(const rv_pass *pass, size_t layer, size_t row, size_t neuron, real *z,
                       real *u);
/* (rows, F): activations of the MLP in the block that ran last. */
const real *rv_pass_mlp_post(const rv_pass *pass);
/* How many numbers a tap of this site holds in the batch that was begun. */
size_t rv_pass_site_size(const rv_pass *pass, rv_site site);

/* All weights' gradients allocated and zero; release with rv_gradients_free. */
rv_status rv_gradients_new(rv_gradients **out, const rv_transformer *model, rv_error *err);
void rv_gradients_free(rv_gradients *gradients, const rv_transformer *model);

#endif
