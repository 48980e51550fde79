/* GPT-NeoX and Pythia: LayerNorm, partial rotary embedding, attention and MLP in parallel. */
#include "model/family.h"

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    c->norm = RV_NORM_LAYER;
    c->norm_eps = 1e-5;
    c->activation = RV_ACT_GELU_ERF;
    c->embedding_scale = 1;
    c->parallel_residual = true;
    c->rope[0].theta = 10000;
    RV_TRY(rv_read_shape(c, s, err));
    RV_TRY(
        rv_read_number(s, "layer_norm_eps", "attention.layer_norm_epsilon", &c->norm_eps, err));
    RV_TRY(rv_read_activation(c, s, "hidden_act", err));
    RV_TRY(rv_read_bool(s, "use_parallel_residual", "use_parallel_residual",
                        &c->parallel_residual, err));
    RV_TRY(rv_read_rope(&c->rope[0], s, "", err));
    double fraction = 0.25;
    RV_TRY(rv_read_number(
        s, "rotary_pct|rope_parameters.partial_rotary_factor|partial_rotary_factor", NULL,
        &fraction, err));
    if (!(fraction >= 0 && fraction <= 1))
        return rv_fail(err, RV_ERR_FORMAT, "%s: rotary_pct: expected 0 to 1, found %g",
                       rv_checkpoint_path(s->checkpoint), fraction);
    c->rotary_size = (size_t)((double)c->head_size * fraction);
    return rv_read_size(s, "rotary_ndims", "rope.dimension_count", &c->rotary_size, err);
}

static const char *const names[RV_SLOTS] = {
    [RV_EMBEDDING] = "embed_in.weight",
    [RV_FINAL_NORM_WEIGHT] = "final_layer_norm.weight",
    [RV_FINAL_NORM_BIAS] = "final_layer_norm.bias",
    [RV_HEAD] = "/embed_out.weight",
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
