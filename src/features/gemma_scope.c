/* Gemma Scope 1 (params.npz in layer_N/width_W/average_l0_K, its site in the name of the repository) and 2 (config.json with
 * hf_hook_point_in, params.safetensors). Thresholds; the decoder's bias is not taken from the input. */
#include <string.h>

#include "features/formats.h"

static bool recognise(const char *folder)
{
    return rv_coder_has_file(folder, "config.json") &&
           rv_coder_has_file(folder, "params.safetensors");
}

/* The module path that the encoder reads, as TransformerLens names the place. */
static rv_status read_site(rv_coder *c, const char *hook, rv_error *err)
{
    size_t layer;
    if (!rv_coder_layer(&layer, hook, "layers."))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: config.json: hf_hook_point_in: expected one layer's, such as "
                       "model.layers.12.output, found \"%s\"",
                       c->path, hook);
    if (strstr(hook, "self_attn.o_proj.input"))
        return rv_coder_set_site(c, err, "blocks.%zu.attn.hook_z", layer);
    if (strstr(hook, "post_feedforward_layernorm.output"))
        return rv_coder_set_site(c, err, "blocks.%zu.hook_mlp_out", layer);
    if (strstr(hook, "pre_feedforward_layernorm.output")) {
        c->gain = true; // the norm's output, its gain included
        return rv_coder_set_site(c, err, "blocks.%zu.ln2.hook_normalized", layer);
    }
    const char *rest = strchr(strstr(hook, "layers.") + 7, '.');
    if (rest && strcmp(rest, ".output") == 0)
        return rv_coder_set_site(c, err, "blocks.%zu.hook_resid_post", layer);
    return rv_fail(
        err, RV_ERR_UNSUPPORTED,
        "%s: config.json: hf_hook_point_in: expected a layer's output, o_proj's input "
        "or a norm's output, found \"%s\"",
        c->path, hook);
}

static rv_status read_config(rv_coder *c, const json_t *config, rv_error *err)
{
    const char *type = json_string_value(json_object_get(config, "type")),
               *hook = json_string_value(json_object_get(config, "hf_hook_point_in"));
    if (type && (strcmp(type, "clt") == 0 || strcmp(type, "crosscoder") == 0))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: config.json: type: expected sae or transcoder, found \"%s\", which "
                       "belongs to several layers",
                       c->path, type);
    c->transcoder = type && strcmp(type, "transcoder") == 0;
    c->gate = RV_GATE_THRESHOLD;
    RV_TRY(rv_coder_keep(&c->architecture, json_object_get(config, "architecture"), err));
    RV_TRY(rv_coder_keep(&c->model, json_object_get(config, "model_name"), err));
    if (json_is_number(json_object_get(config, "l0")))
        c->declared_l0 = json_number_value(json_object_get(config, "l0"));
    return hook ? read_site(c, hook, err) : RV_OK;
}

static rv_status open(rv_coder *c, const char *folder, rv_error *err)
{
    json_t *config = NULL;
    RV_TRY(rv_coder_read_weights(c, folder, "params.safetensors", err));
    RV_TRY(rv_coder_read_json(&config, folder, "config.json", err));
    rv_status status = read_config(c, config, err);
    json_decref(config);
    RV_TRY(status);
    RV_TRY(rv_coder_tensor(&c->encoder, c, "w_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "w_dec", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "b_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, "b_dec", true, err));
    return rv_coder_tensor(&c->thresholds, c, "threshold", true, err);
}

const rv_coder_format rv_format_gemma_scope_2 = {"Gemma Scope 2", recognise, open};

/* ---- Gemma Scope 1 ------------------------------------------------------------------------------ */

static bool recognise_first(const char *folder)
{
    return rv_coder_has_file(folder, "params.npz");
}

/* google/gemma-scope-2b-pt-res/layer_20/...; the transcoders read what the norm has normalised, without its gain. */
static rv_status site_of_path(rv_coder *c, const char *folder, rv_error *err)
{
    size_t layer, l0;
    if (rv_coder_layer(&l0, folder, "average_l0_")) c->declared_l0 = (double)l0;
    if (!rv_coder_layer(&layer, folder, "layer_")) return RV_OK;
    c->transcoder = strstr(folder, "-transcoders") != NULL;
    if (c->transcoder)
        return rv_coder_set_site(c, err, "blocks.%zu.ln2.hook_normalized", layer);
    if (strstr(folder, "-att"))
        return rv_coder_set_site(c, err, "blocks.%zu.attn.hook_z", layer);
    if (strstr(folder, "-mlp"))
        return rv_coder_set_site(c, err, "blocks.%zu.hook_mlp_out", layer);
    if (strstr(folder, "-res"))
        return rv_coder_set_site(c, err, "blocks.%zu.hook_resid_post", layer);
    return RV_OK;
}

static rv_status open_first(rv_coder *c, const char *folder, rv_error *err)
{
    c->gate = RV_GATE_THRESHOLD;
    RV_TRY(rv_coder_read_weights(c, folder, "params.npz", err));
    RV_TRY(site_of_path(c, folder, err));
    RV_TRY(rv_coder_tensor(&c->encoder, c, "W_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "W_dec", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "b_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, "b_dec", true, err));
    return rv_coder_tensor(&c->thresholds, c, "threshold", true, err);
}

const rv_coder_format rv_format_gemma_scope_1 = {"Gemma Scope 1", recognise_first, open_first};
