/* Qwen2 (2.5) and Qwen3: llama's layout; Qwen2 with biases on q, k, v, Qwen3 with norms on q and k. */
#include <string.h>

#include "model/family.h"

/* Layers that slide: layer_types where given, else those from max_window_layers on. */
static rv_status read_windows(rv_config *c, const rv_source *s, rv_error *err)
{
    bool sliding = false, slides[RV_MAX_LAYERS];
    size_t window = rv_is_null(s, "sliding_window") ? 0 : 4096, first = 28;
    RV_TRY(rv_read_bool(s, "use_sliding_window", NULL, &sliding, err));
    RV_TRY(rv_read_size(s, "sliding_window", NULL, &window, err));
    RV_TRY(rv_read_size(s, "max_window_layers", NULL, &first, err));
    if (!sliding || !s->json) window = 0;
    for (size_t l = 0; l < c->layers; l++) slides[l] = window && l >= first;
    RV_TRY(rv_read_layer_types(slides, c, s, err));
    for (size_t l = 0; l < c->layers; l++) {
        c->layer[l].window = slides[l] ? window : 0;
        if (slides[l] && !window)
            return rv_fail(err, RV_ERR_FORMAT,
                           "%s: layer_types[%zu]: expected full_attention, since "
                           "use_sliding_window and sliding_window give no window; found "
                           "sliding_attention",
                           rv_checkpoint_path(s->checkpoint), l);
    }
    return RV_OK;
}

static rv_status configure(rv_config *c, const rv_source *s, size_t head_size, rv_error *err)
{
    const rv_shape usual = {.vocabulary = 151936,
                            .context = 32768,
                            .width = 4096,
                            .layers = 32,
                            .heads = 32,
                            .kv_heads = 32,
                            .head_size = head_size,
                            .mlp_width = 22016};
    RV_TRY(rv_read_llama_like(c, s, &usual, err));
    RV_TRY(rv_read_rope(c, s, "rope_theta", 10000, err));
    return read_windows(c, s, err);
}

static rv_status configure_qwen2(rv_config *c, const rv_source *s, rv_error *err)
{
    c->qkv_bias = true;
    return configure(c, s, 0, err);
}

static rv_status configure_qwen3(rv_config *c, const rv_source *s, rv_error *err)
{
    c->qk_norm = true;
    RV_TRY(rv_read_bool(s, "attention_bias", NULL, &c->qkv_bias, err));
    c->o_bias = c->qkv_bias;
    return configure(c, s, 128, err);
}

const rv_family rv_family_qwen2 = {
    .name = "qwen2",
    .model_types = (const char *const[]){"qwen2", NULL},
    .architectures = (const char *const[]){"qwen2", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .configure = configure_qwen2,
};

const rv_family rv_family_qwen3 = {
    .name = "qwen3",
    .model_types = (const char *const[]){"qwen3", NULL},
    .architectures = (const char *const[]){"qwen3", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .configure = configure_qwen3,
};
