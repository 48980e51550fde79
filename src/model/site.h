/* Places inside a model where values can be read and gradients seeded, named as TransformerLens
 * names them (blocks.5.mlp.hook_post). Shapes are per row (one token of one sequence), except the
 * two attention maps, which are per sequence (H, own positions, all positions). */
#ifndef RV_MODEL_SITE_H
#define RV_MODEL_SITE_H

#include "model/config.h"

/* X(kind, name inside its block or whole name, in a block, alias for get_act_name) */
#define RV_SITES(X)                                                                 \
    X(RV_SITE_EMBED, "hook_embed", false, "embed")                                  \
    X(RV_SITE_POS_EMBED, "hook_pos_embed", false, "pos_embed")                      \
    X(RV_SITE_RESID_PRE, "hook_resid_pre", true, "resid_pre")                       \
    X(RV_SITE_LN1_SCALE, "ln1.hook_scale", true, "ln1.scale")                       \
    X(RV_SITE_LN1_NORMALIZED, "ln1.hook_normalized", true, "ln1.normalized")        \
    X(RV_SITE_Q, "attn.hook_q", true, "q")                                          \
    X(RV_SITE_K, "attn.hook_k", true, "k")                                          \
    X(RV_SITE_V, "attn.hook_v", true, "v")                                          \
    X(RV_SITE_ROT_Q, "attn.hook_rot_q", true, "rot_q")                              \
    X(RV_SITE_ROT_K, "attn.hook_rot_k", true, "rot_k")                              \
    X(RV_SITE_SCORES, "attn.hook_attn_scores", true, "attn_scores")                 \
    X(RV_SITE_PATTERN, "attn.hook_pattern", true, "pattern")                        \
    X(RV_SITE_Z, "attn.hook_z", true, "z")                                          \
    X(RV_SITE_RESULT, "attn.hook_result", true, "result")                           \
    X(RV_SITE_ATTN_OUT, "hook_attn_out", true, "attn_out")                          \
    X(RV_SITE_RESID_MID, "hook_resid_mid", true, "resid_mid")                       \
    X(RV_SITE_MLP_IN, "hook_mlp_in", true, "mlp_in")                                \
    X(RV_SITE_LN2_SCALE, "ln2.hook_scale", true, "ln2.scale")                       \
    X(RV_SITE_LN2_NORMALIZED, "ln2.hook_normalized", true, "ln2.normalized")        \
    X(RV_SITE_MLP_PRE, "mlp.hook_pre", true, "pre")                                 \
    X(RV_SITE_MLP_PRE_LINEAR, "mlp.hook_pre_linear", true, "pre_linear")            \
    X(RV_SITE_MLP_POST, "mlp.hook_post", true, "post")                              \
    X(RV_SITE_MLP_OUT, "hook_mlp_out", true, "mlp_out")                             \
    X(RV_SITE_RESID_POST, "hook_resid_post", true, "resid_post")                    \
    X(RV_SITE_LN_FINAL_SCALE, "ln_final.hook_scale", false, "scale")                \
    X(RV_SITE_LN_FINAL_NORMALIZED, "ln_final.hook_normalized", false, "normalized") \
    X(RV_SITE_UNEMBED_IN, "unembed.hook_in", false, "unembed_in")

typedef enum rv_site_kind {
#define X(kind, name, block, alias) kind,
    RV_SITES(X)
#undef X
        RV_SITE_KINDS
} rv_site_kind;

typedef struct rv_site {
    rv_site_kind kind;
    size_t layer; /* 0 where the kind is not in a block */
} rv_site;

enum { RV_SITE_NAME_MAX = 64 };

/* "blocks.5.mlp.hook_post", and the shorthands of get_act_name: "post5", "5.post", "attn5" for
 * the pattern, "key5", "mlp_mid5", "normalized5ln2". The message lists what the model has. */
rv_status rv_site_parse(rv_site *out, const char *name, const rv_config *config, rv_error *err);

/* The canonical name. */
void rv_site_name(char out[RV_SITE_NAME_MAX], rv_site site);

/* Whether a model of this configuration has the site. */
bool rv_site_exists(rv_site site, const rv_config *config);

/* Numbers a row; 0 for the attention maps. */
size_t rv_site_width(rv_site site, const rv_config *config);

bool rv_site_is_map(rv_site site); /* scores or pattern */

/* Computed beside the forward pass, not by it (maps, inside of norms, heads' results): such a site can be
 * read and seeded, but not replaced, and no gradient is kept there. */
bool rv_site_is_derived(rv_site site);

#endif
