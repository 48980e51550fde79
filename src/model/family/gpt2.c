/* GPT-2: learned positions, LayerNorm, plain MLP, weights stored (in, out). */
#include "model/family.h"

static const rv_shape_keys keys = {"n_positions|max_position_embeddings",
                                   "n_embd|hidden_size",
                                   "n_layer|num_hidden_layers",
                                   "n_head|num_attention_heads",
                                   "n_inner",
                                   NULL,
                                   NULL};
static const rv_shape usual = {&keys,        50257,       .context = 1024, .width = 768,
                               .layers = 12, .heads = 12, .tied = true};

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    c->norm = RV_NORM_LAYER;
    c->norm_eps = 1e-5;
    c->activation = RV_ACT_GELU_TANH;
    c->learned_positions = true;
    c->embedding_scale = 1;
    c->qkv_bias = c->o_bias = c->up_bias = c->down_bias = true;
    RV_TRY(rv_read_shape(c, s, &usual, err));
    RV_TRY(rv_read_number(s, "layer_norm_epsilon", "attention.layer_norm_epsilon", &c->norm_eps,
                          err));
    RV_TRY(rv_read_activation(c, s, "activation_function", err));
    bool scaled = true, by_layer = false;
    RV_TRY(rv_read_bool(s, "scale_attn_weights", NULL, &scaled, err));
    RV_TRY(rv_read_bool(s, "scale_attn_by_inverse_layer_idx", NULL, &by_layer, err));
    for (size_t l = 0; l < c->layers; l++) {
        if (!scaled) c->layer[l].score_scale = 1;
        if (by_layer) c->layer[l].score_scale /= (double)(l + 1);
    }
    return RV_OK;
}

static const char *const names[RV_SLOTS] = {
    [RV_EMBEDDING] = "wte.weight",
    [RV_POSITIONS] = "wpe.weight",
    [RV_FINAL_NORM_WEIGHT] = "ln_f.weight",
    [RV_FINAL_NORM_BIAS] = "ln_f.bias",
    [RV_HEAD] = "/lm_head.weight",
    [RV_LN1_WEIGHT] = "h.%zu.ln_1.weight",
    [RV_LN1_BIAS] = "h.%zu.ln_1.bias",
    [RV_LN2_WEIGHT] = "h.%zu.ln_2.weight",
    [RV_LN2_BIAS] = "h.%zu.ln_2.bias",
    [RV_QKV_WEIGHT] = "h.%zu.attn.c_attn.weight",
    [RV_QKV_BIAS] = "h.%zu.attn.c_attn.bias",
    [RV_O_WEIGHT] = "h.%zu.attn.c_proj.weight",
    [RV_O_BIAS] = "h.%zu.attn.c_proj.bias",
    [RV_UP_WEIGHT] = "h.%zu.mlp.c_fc.weight",
    [RV_UP_BIAS] = "h.%zu.mlp.c_fc.bias",
    [RV_DOWN_WEIGHT] = "h.%zu.mlp.c_proj.weight",
    [RV_DOWN_BIAS] = "h.%zu.mlp.c_proj.bias",
};

const rv_family rv_family_gpt2 = {
    .name = "gpt2",
    .model_types = (const char *const[]){"gpt2", NULL},
    .architectures = (const char *const[]){"gpt2", NULL},
    .prefixes = (const char *const[]){"transformer.", "", NULL},
    .names = names,
    .layout = RV_LAYOUT_TRANSPOSED,
    .configure = configure,
};
