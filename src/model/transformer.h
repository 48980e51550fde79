/* One decoder-only transformer for all families: weights packed for the kernels, driven by a
 * config.   Alphabet: see config.h.
 *
 *     rv_transformer *model;
 *     RV_TRY(rv_transformer_load(&model, checkpoint, NULL, err));
 *     ... rv_pass (pass.h) runs it ...
 *     rv_transformer_free(model);                                                             */
#ifndef RV_MODEL_TRANSFORMER_H
#define RV_MODEL_TRANSFORMER_H

#include "checkpoint/checkpoint.h"
#include "model/config.h"

typedef struct rv_norm {
    real *weight, *bias; /* (C), or (D) for q/k norms; bias NULL for RMSNorm */
} rv_norm;

typedef struct rv_block {
    rv_norm ln1, ln2, post_attention, post_mlp, q_norm, k_norm; /* weight NULL: not there */
    rv_matrix qkv;  /* C -> (H + 2 G) D: queries, keys, values */
    rv_matrix o;    /* H D -> C */
    rv_matrix up;   /* C -> F, or gated C -> 2 F: gate, then up */
    rv_matrix down; /* F -> C */
} rv_block;

typedef struct rv_transformer {
    rv_config config;
    const rv_kernels *kernels;
    rv_matrix embedding;   /* C -> V: row v is token v */
    rv_matrix untied_head; /* empty where the head is tied */
    const rv_matrix *head; /* one of the two above */
    real *positions;       /* (context, C) learned; or NULL */
    rv_norm final_norm;
    rv_block *blocks;
    size_t rope_pairs, rope_positions;
    real *cosine[RV_ROPE_TABLES], *sine[RV_ROPE_TABLES]; /* (rope_positions, rope_pairs) */
} rv_transformer;

typedef struct rv_load_options {
    const rv_kernels *kernels; /* NULL: the fastest here */
    rv_progress_fn progress;   /* may be NULL */
    void *progress_context;
} rv_load_options;

/* Reads the configuration only. */
rv_status rv_transformer_configure(rv_config *out, const rv_checkpoint *checkpoint,
                                   rv_error *err);

/* Reads and packs all weights. The checkpoint may be closed afterwards. options may be NULL. */
rv_status rv_transformer_load(rv_transformer **out, const rv_checkpoint *checkpoint,
                              const rv_load_options *options, rv_error *err);

/* A transformer of this shape with all weights zero (norm weights one), to be filled by hand or by
 * rv_transformer_randomise. kernels NULL: the fastest here. */
rv_status rv_transformer_new(rv_transformer **out, const rv_config *config,
                             const rv_kernels *kernels, rv_error *err);

/* Normal weights of deviation 0.02 (the projections back into the stream divided by
 * sqrt(2 L), as GPT-2 initialises), biases zero. Same seed, same weights. */
rv_status rv_transformer_randomise(rv_transformer *model, uint64_t seed, rv_error *err);

/* Adds copies of the matrices in bf16 (half as much again) for passes that are `narrow`, where the kernels have
 * a use for them. */
rv_status rv_transformer_narrow(rv_transformer *model, rv_error *err);

void rv_transformer_free(rv_transformer *model); /* NULL is fine */

/* Whether a transformer of this shape can be: the rotary size, and the product of all sizes. */
rv_status rv_config_check(const rv_config *config, rv_error *err);

/* Numbers that were learned; bytes that a transformer of this shape takes (but for what packing pads)
 * and how much of that are the packed weights of a given one. */
size_t rv_config_parameters(const rv_config *config);
size_t rv_config_bytes(const rv_config *config);

/* <row of the matrix, x>: one logit, summed in the order of k. Used wherever a single logit is
 * wanted, so that it is the same number everywhere. */
real rv_matrix_dot(const rv_matrix *matrix, size_t row, const real *x);

#endif
