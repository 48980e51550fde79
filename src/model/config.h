/* What distinguishes one decoder-only transformer from another, as data. A family
 * (family/NAME.c) fills this in; nothing else knows the family's name.
 *
 * Alphabet:  C width of the residual stream   H query heads   G key/value heads   D head size
 *            F width of the MLP   V vocabulary   L layers                                        */
#ifndef RV_MODEL_CONFIG_H
#define RV_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"
#include "ops/kernels.h"

typedef enum rv_norm_kind { RV_NORM_LAYER, RV_NORM_RMS } rv_norm_kind;

typedef enum rv_rope_scaling {
    RV_ROPE_PLAIN,
    RV_ROPE_LINEAR,
    RV_ROPE_LLAMA3,
    RV_ROPE_YARN,
    RV_ROPE_DIVIDED /* every pair by a number of its own: LongRoPE, GGUF's rope_freqs */
} rv_rope_scaling;

enum { RV_ROPE_PAIRS_MAX = 512 };

/* Frequencies of one rotary table: theta^(-2i/R), scaled (rope.c). */
typedef struct rv_rope_config {
    double theta;
    rv_rope_scaling scaling;
    double factor, original_context;
    double low_frequency_factor, high_frequency_factor; /* llama3 */
    double fast_turns, slow_turns;     /* yarn: turns within original_context */
    bool exact_bounds;                 /* yarn: bounds are not whole pairs */
    double divisor[RV_ROPE_PAIRS_MAX]; /* divided */
    double magnitude;                  /* of cosine and sine; 0 means 1 */
    bool ends_with_context;            /* beyond it all positions would turn otherwise */
} rv_rope_config;

typedef struct rv_layer_config {
    size_t window;      /* positions seen, itself included; 0: all */
    int rope;           /* which rotary table */
    double score_scale; /* factor on q . k */
} rv_layer_config;

enum { RV_ROPE_TABLES = 2, RV_MAX_LAYERS = 1024 };

typedef struct rv_config {
    const char *family;
    size_t vocabulary, context, layers, width, heads, kv_heads, head_size, mlp_width;
    rv_norm_kind norm;
    double norm_eps;
    bool learned_positions;
    size_t rotary_size; /* R: leading numbers of each head that rotate; 0: none */
    rv_rope_config rope[RV_ROPE_TABLES];
    rv_activation activation;
    bool gated;             /* act(gate) * up instead of act(up) */
    bool parallel_residual; /* x + attn(ln1 x) + mlp(ln2 x) */
    bool qk_norm;           /* RMSNorm per head on queries and keys, before rope */
    bool post_norms;        /* a norm behind attention and behind the MLP */
    bool tied;              /* the head is the embedding */
    bool qkv_bias, o_bias, up_bias, down_bias; /* up_bias: of the gate too */
    double embedding_scale;
    double score_softcap, logit_softcap; /* 0: none */
    rv_layer_config layer[RV_MAX_LAYERS];
} rv_config;

#endif
