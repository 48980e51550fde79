/* Qwen2 (2.5) and Qwen3: llama's layout; Qwen2 with biases on q, k, v, Qwen3 with norms on q and k.
 * Biases are taken where the checkpoint has them. */
#include <string.h>

#include "model/family.h"

/* Layers that slide: layer_types where given, else those from max_window_layers on. */
static rv_status configure(rv_config *c, const rv_source *s, rv_error *err)
{
    RV_TRY(rv_read_llama_like(c, s, err));
    bool sliding = false;
    size_t window = 0, first = c->layers;
    RV_TRY(rv_read_bool(s, "use_sliding_window", NULL, &sliding, err));
    RV_TRY(rv_read_size(s, "sliding_window", NULL, &window, err));
    RV_TRY(rv_read_size(s, "max_window_layers", NULL, &first, err));
    const json_t *types = rv_read_json(s, "layer_types");
    for (size_t l = 0; sliding && l < c->layers; l++) {
        const char *type = json_string_value(json_array_get(types, l));
        bool slides = type ? strcmp(type, "sliding_attention") == 0 : l >= first;
        c->layer[l].window = slides ? window : 0;
    }
    return RV_OK;
}

static rv_status configure_qwen3(rv_config *c, const rv_source *s, rv_error *err)
{
    RV_TRY(configure(c, s, err));
    c->qk_norm = true;
    return RV_OK;
}

const rv_family rv_family_qwen2 = {
    .name = "qwen2",
    .model_types = (const char *const[]){"qwen2", NULL},
    .architectures = (const char *const[]){"qwen2", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .configure = configure,
};

const rv_family rv_family_qwen3 = {
    .name = "qwen3",
    .model_types = (const char *const[]){"qwen3", NULL},
    .architectures = (const char *const[]){"qwen3", NULL},
    .prefixes = rv_llama_prefixes,
    .names = rv_llama_names,
    .configure = configure_qwen3,
};
