/* Gemma 2 and Gemma 3 (text, or the text part of a multimodal checkpoint): four norms a layer that multiply
 * by (1 + weight), sliding and global layers. Gemma 2 caps scores and logits; Gemma 3 has norms on q and
 * k, and a rotary table for each kind of layer. */
#include <string.h>

#include "model/family.h"

/* The reference rounds sqrt(width) to the type of the weights: bfloat16 in published checkpoints,
 * float32 where the file says so. */
static double embedding_scale(const rv_config *c, const rv_source *s)
{
    float scale = (float)sqrt((double)c->width);
    const rv_source whole = {.json = rv_checkpoint_config(s->checkpoint)};
    const char *key = "dtype|torch_dtype", *dtype = json_string_value(rv_read_json(s, key));
    if (!dtype) dtype = json_string_value(rv_read_json(&whole, key)); // of a multimodal model
    if (!dtype || strcmp(dtype, "bfloat16") != 0) return scale;
    unsigned bits;
    memcpy(&bits, &scale, sizeof bits);
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
    memcpy(&scale, &bits, sizeof bits);
    return scale;
}

/* Every pattern-th layer is global, unless layer_types say otherwise. GGUF has a pattern for Gemma 3 alone. */
static rv_status read_windows(rv_config *c, const rv_source *s, size_t pattern, rv_error *err)
{
    size_t window = 4096;
    bool slides[RV_MAX_LAYERS];
    RV_TRY(rv_read_size(s, "sliding_window", "attention.sliding_window", &window, err));
    if (pattern == 0 || window == 0 || rv_is_null(s, "sliding_window"))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: sliding_window and sliding_window_pattern: expected numbers above "
                       "0, found 0 or null",
                       rv_checkpoint_path(s->checkpoint));
    for (size_t l = 0; l < c->layers; l++) slides[l] = (l + 1) % pattern != 0;
    RV_TRY(rv_read_layer_types(slides, c, s, err));
    for (size_t l = 0; l < c->layers; l++) c->layer[l].window = slides[l] ? window : 0;
    return RV_OK;
}

/* Global layers turn by the first table, which alone rope_scaling is for; sliding ones by the second. */
static rv_status read_ropes(rv_config *c, const rv_source *s, rv_error *err)
{
    static const rv_rope_place
        global = {{"rope_scaling", "rope_parameters.full_attention"}, "rope_theta", 1e6, true},
        local = {{"rope_parameters.sliding_attention"}, "rope_local_base_freq", 1e4, true};
    c->rope[1].theta = 1e4;
    if (s->json) {
        RV_TRY(rv_read_rope_at(c, 0, s, &global, err));
        return rv_read_rope_at(c, 1, s, &local, err);
    }
    RV_TRY(rv_read_positive(s, NULL, "rope.freq_base_swa", &c->rope[1].theta, err));
    return rv_read_rope_gguf(c, s, err);
}

/* What a score is divided by, squared. GGUF does not say it: llama.cpp knows the 27B by its layers. */
static rv_status read_scale(rv_config *c, const rv_source *s, size_t layers_of_27b,
                            rv_error *err)
{
    double scalar = 256;
    if (!s->json)
        scalar = (double)(c->layers == layers_of_27b ? c->width / c->heads : c->head_size);
    RV_TRY(rv_read_positive(s, "query_pre_attn_scalar", NULL, &scalar, err));
    for (size_t l = 0; l < c->layers; l++) c->layer[l].score_scale = 1 / sqrt(scalar);
    return RV_OK;
}

static rv_status configure(rv_config *c, const rv_source *s, const rv_shape *usual,
                           rv_error *err)
{
    bool both_ways = false;
    RV_TRY(rv_read_llama_like(c, s, usual, err));
    RV_TRY(rv_read_bool(s, "use_bidirectional_attention", NULL, &both_ways, err));
    if (both_ways)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: use_bidirectional_attention: expected false, found true: tokens of "
                       "this model see those behind them, which a dream cannot use",
                       rv_checkpoint_path(s->checkpoint));
    RV_TRY(rv_read_bool(s, "attention_bias", NULL, &c->qkv_bias, err));
    c->o_bias = c->qkv_bias;
    c->activation = RV_ACT_GELU_TANH;
    RV_TRY(rv_read_activation(c, s, "hidden_activation", err));
    c->post_norms = true;
    c->embedding_scale = embedding_scale(c, s);
    if (rv_is_null(s, "final_logit_softcapping")) c->logit_softcap = 0;
    return rv_read_number(s, "final_logit_softcapping", "final_logit_softcapping",
                          &c->logit_softcap, err);
}

static rv_status configure_gemma2(rv_config *c, const rv_source *s, rv_error *err)
{
    static const rv_shape usual = {.vocabulary = 256000,
                                   .context = 8192,
                                   .width = 2304,
                                   .layers = 26,
                                   .heads = 8,
                                   .kv_heads = 4,
                                   .head_size = 256,
                                   .mlp_width = 9216,
                                   .tied = true};
    c->logit_softcap = 30;
    c->score_softcap = rv_is_null(s, "attn_logit_softcapping") ? 0 : 50;
    RV_TRY(configure(c, s, &usual, err));
    RV_TRY(rv_read_number(s, "attn_logit_softcapping", "attn_logit_softcapping",
                          &c->score_softcap, err));
    RV_TRY(read_scale(c, s, 46, err));
    RV_TRY(rv_read_rope(c, s, "rope_theta", 10000, err));
    return read_windows(c, s, 2, err);
}

static rv_status configure_gemma3(rv_config *c, const rv_source *s, rv_error *err)
{
    static const rv_shape usual = {.vocabulary = 262208,
                                   .context = 131072,
                                   .width = 2304,
                                   .layers = 26,
                                   .heads = 8,
                                   .kv_heads = 4,
                                   .head_size = 256,
                                   .mlp_width = 9216,
                                   .tied = true};
    size_t pattern = 6;
    c->qk_norm = true;
    RV_TRY(configure(c, s, &usual, err));
    RV_TRY(read_scale(c, s, 62, err));
    RV_TRY(read_ropes(c, s, err));
    RV_TRY(rv_read_size(s, "sliding_window_pattern", "attention.sliding_window_pattern",
                        &pattern, err));
    RV_TRY(read_windows(c, s, pattern, err));
    for (size_t l = 0; l < c->layers; l++) c->layer[l].rope = c->layer[l].window != 0;
    return RV_OK;
}

static const char *const names[RV_SLOTS] = {
    [RV_EMBEDDING] = "embed_tokens.weight",
    [RV_FINAL_NORM_WEIGHT] = "norm.weight",
    [RV_HEAD] = "/lm_head.weight|language_model.lm_head.weight",
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

const rv_family rv_family_gemma2 = {
    .name = "gemma2",
    .model_types = (const char *const[]){"gemma2", NULL},
    .architectures = (const char *const[]){"gemma2", NULL},
    .prefixes = rv_llama_prefixes,
    .names = names,
    .layout = RV_LAYOUT_NORM_MINUS_ONE,
    .configure = configure_gemma2,
};

const rv_family rv_family_gemma3 = {
    .name = "gemma3",
    .model_types = (const char *const[]){"gemma3_text", "gemma3", NULL},
    .architectures = (const char *const[]){"gemma3", NULL},
    .prefixes = rv_llama_prefixes,
    .names = names,
    .layout = RV_LAYOUT_NORM_MINUS_ONE,
    .configure = configure_gemma3,
};
