/* Gemma 3 (text, or the text part of a multimodal checkpoint): four norms a layer that multiply by
 * (1 + weight), norms on q and k, sliding and global layers with a rotary table each. */
#include <string.h>

#include "model/family.h"

/* The reference rounds sqrt(width) to the type of the weights: bfloat16 in published checkpoints,
 * float32 where the file says so. */
static double embedding_scale(const rv_config *c, const rv_source *s)
{
    float scale = (float)sqrt((double)c->width);
    const char *dtype = rv_read_word(s, "dtype|torch_dtype");
    if (!dtype || strcmp(dtype, "bfloat16") != 0) return scale;
    unsigned bits;
    memcpy(&bits, &scale, sizeof bits);
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
    memcpy(&scale, &bits, sizeof bits);
    return scale;
}

static rv_status read_windows(rv_config *c, const rv_source *s, rv_error *err)
{
    size_t window = 4096, pattern = 6;
    RV_TRY(rv_read_size(s, "sliding_window", "attention.sliding_window", &window, err));
    RV_TRY(rv_read_size(s, "sliding_window_pattern|_sliding_window_pattern",
                        "attention.sliding_window_pattern", &pattern, err));
    const json_t *types = rv_read_json(s, "layer_types");
    for (size_t l = 0; l < c->layers; l++) {
        const char *type = json_string_value(json_array_get(types, l));
        bool slides =
            type ? strcmp(type, "sliding_attention") == 0 : pattern && (l + 1) % pattern != 0;
        c->layer[l].window = slides ? window : 0;
        c->layer[l].rope = slides;
    }
    return RV_OK;
}

static rv_status read_ropes(rv_config *c, const rv_source *s, rv_error *err)
{
    c->rope[0] = (rv_rope_config){.theta = 1e6};
    c->rope[1] = (rv_rope_config){.theta = 1e4};
    RV_TRY(rv_read_number(s, "rope_local_base_freq", "rope.freq_base_swa", &c->rope[1].theta,
                          err));
    if (!rv_read_json(s, "rope_parameters.full_attention"))
        return rv_read_rope(&c->rope[0], s, "", err);
    RV_TRY(rv_read_rope(&c->rope[0], s, "rope_parameters.full_attention.", err));
    return rv_read_rope(&c->rope[1], s, "rope_parameters.sliding_attention.", err);
}

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    RV_TRY(rv_read_llama_like(c, s, err));
    if (s->json && !rv_read_json(s, "head_dim")) c->head_size = c->rotary_size = 256;
    if (s->json && !rv_read_json(s, "tie_word_embeddings")) c->tied = true;
    c->activation = RV_ACT_GELU_TANH;
    RV_TRY(rv_read_activation(c, s, "hidden_activation|hidden_act", err));
    c->qk_norm = true;
    c->post_norms = true;
    c->embedding_scale = embedding_scale(c, s);
    RV_TRY(rv_read_number(s, "final_logit_softcapping", "final_logit_softcapping",
                          &c->logit_softcap, err));
    RV_TRY(rv_read_number(s, "attn_logit_softcapping", "attn_logit_softcapping",
                          &c->score_softcap, err));
    RV_TRY(read_ropes(c, s, err));
    double scalar = (double)c->head_size;
    RV_TRY(rv_read_number(s, "query_pre_attn_scalar", NULL, &scalar, err));
    if (!(scalar > 0))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: query_pre_attn_scalar: expected a number above 0, found %g",
                       rv_checkpoint_path(s->checkpoint), scalar);
    for (size_t l = 0; l < c->layers; l++) c->layer[l].score_scale = 1 / sqrt(scalar);
    return read_windows(c, s, err);
}

static const char *const names[RV_SLOTS] = {
    [RV_EMBEDDING] = "embed_tokens.weight",
    [RV_FINAL_NORM_WEIGHT] = "norm.weight",
    [RV_HEAD] = "/lm_head.weight",
    [RV_LN1_WEIGHT] = "layers.%zu.input_layernorm.weight",
    [RV_POST_ATTENTION_WEIGHT] = "layers.%zu.post_attention_layernorm.weight",
    [RV_LN2_WEIGHT] = "layers.%zu.pre_feedforward_layernorm.weight",
    [RV_POST_MLP_WEIGHT] = "layers.%zu.post_feedforward_layernorm.weight",
    [RV_Q_NORM_WEIGHT] = "layers.%zu.self_attn.q_norm.weight",
    [RV_K_NORM_WEIGHT] = "layers.%zu.self_attn.k_norm.weight",
    [RV_Q_WEIGHT] = "layers.%zu.self_attn.q_proj.weight",
    [RV_Q_BIAS] = "layers.%zu.self_attn.q_proj.bias",
    [RV_K_WEIGHT] = "layers.%zu.self_attn.k_proj.weight",
    [RV_K_BIAS] = "layers.%zu.self_attn.k_proj.bias",
    [RV_V_WEIGHT] = "layers.%zu.self_attn.v_proj.weight",
    [RV_V_BIAS] = "layers.%zu.self_attn.v_proj.bias",
    [RV_O_WEIGHT] = "layers.%zu.self_attn.o_proj.weight",
    [RV_O_BIAS] = "layers.%zu.self_attn.o_proj.bias",
    [RV_GATE_WEIGHT] = "layers.%zu.mlp.gate_proj.weight",
    [RV_UP_WEIGHT] = "layers.%zu.mlp.up_proj.weight",
    [RV_DOWN_WEIGHT] = "layers.%zu.mlp.down_proj.weight",
};

const rv_family rv_family_gemma3 = {
    .name = "gemma3",
    .model_types = (const char *const[]){"gemma3_text", "gemma3", NULL},
    .architectures = (const char *const[]){"gemma3", NULL},
    .prefixes = (const char *const[]){"model.", "language_model.model.",
                                      "model.language_model.", "", NULL},
    .names = names,
    .layout = RV_LAYOUT_NORM_MINUS_ONE,
    .configure = configure,
};
