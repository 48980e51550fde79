/* sparsify (EleutherAI): cfg.json and sae.safetensors in a folder that is named by the module. */
#include <string.h>

#include "features/formats.h"

static bool recognise(const char *folder)
{
    return rv_coder_has_file(folder, "cfg.json") &&
           rv_coder_has_file(folder, "sae.safetensors");
}

/* layers.15 is a block's output; layers.15.mlp the module's output, of a transcoder its input. */
static rv_status read_site(rv_coder *c, const char *folder, rv_error *err)
{
    size_t length = strlen(folder), layer;
    while (length && folder[length - 1] == '/') length--;
    size_t start = length;
    while (start && folder[start - 1] != '/') start--;
    char name[128] = "";
    if (length - start < sizeof name) memcpy(name, folder + start, length - start);
    if (strcmp(name, "embed_tokens") == 0) return rv_coder_set_site(c, err, "hook_embed");
    if (!rv_coder_layer(&layer, name, "layers.") && !rv_coder_layer(&layer, name, "h."))
        return RV_OK;
    if (!strstr(name, ".mlp"))
        return rv_coder_set_site(c, err, "blocks.%zu.hook_resid_post", layer);
    if (!c->transcoder) return rv_coder_set_site(c, err, "blocks.%zu.hook_mlp_out", layer);
    c->gain = true;
    return rv_coder_set_site(c, err, "blocks.%zu.ln2.hook_normalized", layer);
}

static rv_status read_config(rv_coder *c, const json_t *config, rv_error *err)
{
    const char *activation = json_string_value(json_object_get(config, "activation"));
    if (activation && strcmp(activation, "topk") != 0)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: cfg.json: activation: expected topk, found \"%s\"", c->path,
                       activation);
    if (rv_coder_flag(config, "signed", false))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: cfg.json: signed: expected false, found true", c->path);
    c->gate = RV_GATE_TOP_K;
    c->k = (size_t)json_integer_value(json_object_get(config, "k"));
    c->declared_l0 = (double)c->k;
    c->transcoder = rv_coder_flag(config, "transcode", false);
    c->shifted = !c->transcoder;
    return RV_OK;
}

static rv_status open(rv_coder *c, const char *folder, rv_error *err)
{
    json_t *config = NULL;
    RV_TRY(rv_coder_read_weights(c, folder, "sae.safetensors", err));
    RV_TRY(rv_coder_read_json(&config, folder, "cfg.json", err));
    rv_status status = read_config(c, config, err);
    json_decref(config);
    RV_TRY(status);
    RV_TRY(read_site(c, folder, err));
    RV_TRY(rv_coder_tensor(&c->encoder, c, "encoder.weight", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "encoder.bias", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "W_dec", false, err));
    if (!c->decoder) RV_TRY(rv_coder_tensor(&c->decoder, c, "decoder.weight", true, err));
    return rv_coder_tensor(&c->decoder_bias, c, "b_dec", true, err);
}

const rv_coder_format rv_format_sparsify = {"sparsify", recognise, open};
