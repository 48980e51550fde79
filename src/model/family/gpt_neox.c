/* GPT-NeoX and Pythia: LayerNorm, partial rotary embedding, attention and MLP in parallel. */
#include "model/family.h"

static const rv_shape_keys keys = {"max_position_embeddings",
                                   "hidden_size",
                                   "num_hidden_layers",
                                   "num_attention_heads",
                                   "intermediate_size",
                                   NULL,
                                   NULL};
static const rv_shape usual = {&keys,        50432,       .context = 2048,   .width = 6144,
                               .layers = 44, .heads = 64, .mlp_width = 24576};

/* How much of a head rotates: as rope_parameters say, else rotary_pct. */
static rv_status read_rotary_size(rv_config *c, const rv_source *s, rv_error *err)
{
    double fraction = s->json ? 0.25 : 1;
    bool scaled = json_object_size(rv_read_json(s, "rope_scaling")) > 0;
    RV_TRY(rv_read_number(s,
                          scaled ? "rope_scaling.partial_rotary_factor|rotary_pct"
                                 : "rope_parameters.partial_rotary_factor|rotary_pct",
                          NULL, &fraction, err));
    if (!(fraction >= 0 && fraction <= 1))
        return rv_fail(err, RV_ERR_FORMAT, "%s: rotary_pct: expected 0 to 1, found %g",
                       rv_checkpoint_path(s->checkpoint), fraction);
    c->rotary_size = (size_t)((double)c->head_size * fraction);
    return rv_read_size(s, NULL, "rope.dimension_count", &c->rotary_size, err);
}

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    c->norm = RV_NORM_LAYER;
    c->norm_eps = 1e-5;
    c->activation = RV_ACT_GELU_ERF;
    c->embedding_scale = 1;
    c->parallel_residual = true;
    c->qkv_bias = c->up_bias = c->down_bias = true;
    RV_TRY(rv_read_shape(c, s, &usual, err));
    RV_TRY(
        rv_read_number(s, "layer_norm_eps", "attention.layer_norm_epsilon", &c->norm_eps, err));
    RV_TRY(rv_read_activation(c, s, "hidden_act", err));
    RV_TRY(rv_read_bool(s, "use_parallel_residual", "use_parallel_residual",
                        &c->parallel_residual, err));
    RV_TRY(rv_read_bool(s, "attention_bias", NULL, &c->qkv_bias, err));
    c->o_bias = c->qkv_bias;
    RV_TRY(read_rotary_size(c, s, err));
    return rv_read_rope(c, s, "rotary_emb_base", 10000, err);
}

static const char *const names[RV_SLOTS] = {
    [RV_EMBEDDING] = "embed_in.weight",
    [RV_FINAL_NORM_WEIGHT] = "final_layer_norm.weight",
    [RV_FINAL_NORM_BIAS] = "final_layer_norm.bias",
    [RV_HEAD] = "/embed_out.weight|lm_head.weight",
    [RV_LN1_WEIGHT] = "layers.%zu.input_layernorm.weight",
    [RV_LN1_BIAS] = "layers.%zu.input_layernorm.bias",
    [RV_LN2_WEIGHT] = "layers.%zu.post_attention_layernorm.weight",
    [RV_LN2_BIAS] = "layers.%zu.post_attention_layernorm.bias",
    [RV_QKV_WEIGHT] = "layers.%zu.attention.query_key_value.weight",
    [RV_QKV_BIAS] = "layers.%zu.attention.query_key_value.bias",
    [RV_O_WEIGHT] = "layers.%zu.attention.dense.weight",
    [RV_O_BIAS] = "layers.%zu.attention.dense.bias",
    [RV_UP_WEIGHT] = "layers.%zu.mlp.dense_h_to_4h.weight",
    [RV_UP_BIAS] = "layers.%zu.mlp.dense_h_to_4h.bias",
    [RV_DOWN_WEIGHT] = "layers.%zu.mlp.dense_4h_to_h.weight",
    [RV_DOWN_BIAS] = "layers.%zu.mlp.dense_4h_to_h.bias",
};

const rv_family rv_family_gpt_neox = {
    .name = "gpt_neox",
    .model_types = (const char *const[]){"gpt_neox", NULL},
    .architectures = (const char *const[]){"gptneox", NULL},
    .prefixes = (const char *const[]){"gpt_neox.", "", NULL},
    .names = names,
    .layout = RV_LAYOUT_QKV_PER_HEAD,
    .configure = configure,
};
