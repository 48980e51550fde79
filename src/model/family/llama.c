/* Llama 2 and 3, SmolLM2, TinyLlama, Mistral, and llama2.c's checkpoints. */
#include "model/family.h"

static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    RV_TRY(rv_read_llama_like(c, s, err));
    size_t window = 0;
    RV_TRY(rv_read_size(s, "sliding_window", "attention.sliding_window", &window, err));
    for (size_t l = 0; l < c->layers; l++) c->layer[l].window = window;
    return RV_OK;
}

const char *const rv_llama_names[RV_SLOTS] = {
    [RV_EMBEDDING] = "embed_tokens.weight",
    [RV_FINAL_NORM_WEIGHT] = "norm.weight",
    [RV_HEAD] = "/lm_head.weight",
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

const char *const rv_llama_prefixes[] = {"model.", "", NULL};

const rv_family rv_family_llama = {
    .name = "llama",
    .model_types = (const char *const[]){"llama", "mistral", NULL},
    .architectures = (const char *const[]){"llama", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .layout_gguf = RV_LAYOUT_ROPE_INTERLEAVED,
    .configure = configure,
};
