/* GPT-Neo (TinyStories): GPT-2 with local layers and unscaled attention scores. */
#include <string.h>

#include "model/family.h"

static const rv_shape_keys keys = {"max_position_embeddings",
                                   "hidden_size",
                                   "num_layers|num_hidden_layers",
                                   "num_heads|num_attention_heads",
                                   "intermediate_size",
                                   NULL,
                                   NULL};
static const rv_shape usual = {&keys,        50257,       .context = 2048, .width = 2048,
                               .layers = 24, .heads = 16, .tied = true};

/* attention_layers, or attention_types [[["global", "local"], 12]] repeated out. */
static rv_status read_windows(rv_config *c, const rv_source *s, rv_error *err)
{
    size_t window = 256, l = 0;
    RV_TRY(rv_read_size(s, "window_size", NULL, &window, err));
    const json_t *layers = rv_read_json(s, "attention_layers"),
                 *types = rv_read_json(s, "attention_types");
    if (!types && !layers && c->layers == usual.layers) {
        for (l = 1; l < c->layers; l += 2) c->layer[l].window = window;
        return RV_OK;
    }
    size_t groups = layers ? 1 : json_array_size(types);
    for (size_t g = 0; g < groups; g++) {
        const json_t *group = json_array_get(types, g);
        const json_t *kinds = layers ? layers : json_array_get(group, 0);
        size_t count = json_array_size(kinds);
        json_int_t times = layers ? 1 : json_integer_value(json_array_get(group, 1));
        for (json_int_t t = 0; count && t < times && l < c->layers; t++)
            for (size_t k = 0; k < count && l < c->layers; k++, l++) {
                const char *kind = json_string_value(json_array_get(kinds, k));
                bool local = kind && strcmp(kind, "local") == 0;
                if (!local && !(kind && strcmp(kind, "global") == 0))
                    return rv_fail(err, RV_ERR_FORMAT,
                                   "%s: attention_types: expected global or local, found "
                                   "\"%.80s\"",
                                   rv_checkpoint_path(s->checkpoint),
                                   kind ? kind : "no string");
                c->layer[l].window = local ? window : 0;
            }
    }
    if (l != c->layers)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: attention_types: expected kinds for %zu layers, found %zu",
                       rv_checkpoint_path(s->checkpoint), c->layers, l);
    return RV_OK;
}

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    c->norm = RV_NORM_LAYER;
    c->norm_eps = 1e-5;
    c->activation = RV_ACT_GELU_TANH;
    c->learned_positions = true;
    c->embedding_scale = 1;
    c->o_bias = c->up_bias = c->down_bias = true;
    RV_TRY(rv_read_shape(c, s, &usual, err));
    RV_TRY(rv_read_number(s, "layer_norm_epsilon", NULL, &c->norm_eps, err));
    RV_TRY(rv_read_activation(c, s, "activation_function", err));
    for (size_t l = 0; l < c->layers; l++) c->layer[l].score_scale = 1;
    return read_windows(c, s, err);
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
    [RV_Q_WEIGHT] = "h.%zu.attn.attention.q_proj.weight",
    [RV_K_WEIGHT] = "h.%zu.attn.attention.k_proj.weight",
    [RV_V_WEIGHT] = "h.%zu.attn.attention.v_proj.weight",
    [RV_O_WEIGHT] = "h.%zu.attn.attention.out_proj.weight",
    [RV_O_BIAS] = "h.%zu.attn.attention.out_proj.bias",
    [RV_UP_WEIGHT] = "h.%zu.mlp.c_fc.weight",
    [RV_UP_BIAS] = "h.%zu.mlp.c_fc.bias",
    [RV_DOWN_WEIGHT] = "h.%zu.mlp.c_proj.weight",
    [RV_DOWN_BIAS] = "h.%zu.mlp.c_proj.bias",
};

const rv_family rv_family_gpt_neo = {
    .name = "gpt_neo",
    .model_types = (const char *const[]){"gpt_neo", NULL},
    .prefixes = (const char *const[]){"transformer.", "", NULL},
    .names = names,
    .configure = configure,
};
