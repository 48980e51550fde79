/* Llama 2 and 3, SmolLM2, TinyLlama and llama2.c's checkpoints; Mistral, which is the same with a
 * window and without biases; Ministral, where some layers have none. */
#include "model/family.h"

/* llama.cpp takes pairs of the whole head, and biases where a file has them (load.c). */
static rv_status check_gguf(const rv_config *c, const rv_source *s, rv_error *err)
{
    if (s->json || c->rotary_size == c->head_size) return RV_OK;
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "%s: rope.dimension_count: expected %zu, the size of a head; found %zu",
                   rv_checkpoint_path(s->checkpoint), c->head_size, c->rotary_size);
}

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    static const rv_shape usual = {.vocabulary = 32000,
                                   .context = 2048,
                                   .width = 4096,
                                   .layers = 32,
                                   .heads = 32,
                                   .mlp_width = 11008};
    RV_TRY(rv_read_llama_like(c, s, &usual, err));
    RV_TRY(check_gguf(c, s, err));
    RV_TRY(rv_read_bool(s, "attention_bias", NULL, &c->qkv_bias, err));
    RV_TRY(rv_read_bool(s, "mlp_bias", NULL, &c->up_bias, err));
    c->o_bias = c->qkv_bias;
    c->down_bias = c->up_bias;
    double scale = 0; // 0: 1 / sqrt(head size)
    RV_TRY(rv_read_number(s, NULL, "attention.scale", &scale, err));
    for (size_t l = 0; scale != 0 && l < c->layers; l++) c->layer[l].score_scale = scale;
    return rv_read_rope(c, s, "rope_theta", 10000, err);
}

/* Mistral slides in every layer, Ministral in those of layer_types: all, where there are none. */
static rv_status configure_mistral(rv_config *c, const rv_source *s, rv_error *err)
{
    static const rv_shape usual = {.vocabulary = 32000,
                                   .context = 131072,
                                   .width = 4096,
                                   .layers = 32,
                                   .heads = 32,
                                   .kv_heads = 8,
                                   .mlp_width = 14336};
    size_t window = rv_is_null(s, "sliding_window") ? 0 : 4096;
    RV_TRY(rv_read_llama_like(c, s, &usual, err));
    RV_TRY(rv_read_size(s, "sliding_window", NULL, &window, err));
    for (size_t l = 0; l < c->layers; l++) c->layer[l].window = window;
    return rv_read_rope(c, s, "rope_theta", 10000, err);
}

static rv_status configure_ministral(rv_config *c, const rv_source *s, rv_error *err)
{
    bool slides[RV_MAX_LAYERS];
    RV_TRY(configure_mistral(c, s, err));
    for (size_t l = 0; l < c->layers; l++) slides[l] = c->layer[l].window != 0;
    RV_TRY(rv_read_layer_types(slides, c, s, err));
    for (size_t l = 0; l < c->layers; l++) {
        if (slides[l] && !c->layer[l].window)
            return rv_fail(
                err, RV_ERR_FORMAT,
                "%s: layer_types[%zu]: expected full_attention, since sliding_window "
                "gives no window; found sliding_attention",
                rv_checkpoint_path(s->checkpoint), l);
        if (!slides[l]) c->layer[l].window = 0;
    }
    return RV_OK;
}

const char *const rv_llama_names[RV_SLOTS] = {
    [RV_EMBEDDING] = "embed_tokens.weight",
    [RV_FINAL_NORM_WEIGHT] = "norm.weight",
    [RV_HEAD] = "/lm_head.weight|language_model.lm_head.weight",
    [RV_LN1_WEIGHT] = "layers.%zu.input_layernorm.weight",
    [RV_LN2_WEIGHT] = "layers.%zu.post_attention_layernorm.weight",
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
    [RV_GATE_BIAS] = "layers.%zu.mlp.gate_proj.bias",
    [RV_UP_WEIGHT] = "layers.%zu.mlp.up_proj.weight",
    [RV_UP_BIAS] = "layers.%zu.mlp.up_proj.bias",
    [RV_DOWN_WEIGHT] = "layers.%zu.mlp.down_proj.weight",
    [RV_DOWN_BIAS] = "layers.%zu.mlp.down_proj.bias",
};

const char *const rv_llama_prefixes[] = {
    "model.", "language_model.model.", "model.language_model.", "model.text_model.", "", NULL};

const rv_family rv_family_llama = {
    .name = "llama",
    .model_types = (const char *const[]){"llama", NULL},
    .architectures = (const char *const[]){"llama", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .layout_gguf = RV_LAYOUT_ROPE_INTERLEAVED,
    .configure = configure,
};

const rv_family rv_family_mistral = {
    .name = "mistral",
    .model_types = (const char *const[]){"mistral", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .configure = configure_mistral,
};

const rv_family rv_family_ministral = {
    .name = "ministral",
    .model_types = (const char *const[]){"ministral", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .configure = configure_ministral,
};
