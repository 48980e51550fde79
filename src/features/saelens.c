/* SAELens: cfg.json (flat before version 6, the model's side in `metadata` since) and sae_weights.safetensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "features/formats.h"

static bool recognise(const char *folder)
{
    return rv_coder_has_file(folder, "cfg.json") &&
           rv_coder_has_file(folder, "sae_weights.safetensors");
}

/* Configurations of versions before 6 have other names and defaults. */
static bool is_old(const json_t *config)
{
    const json_t *version = json_object_get(config, "sae_lens_version");
    if (!version)
        version = json_object_get(json_object_get(config, "metadata"), "sae_lens_version");
    int major = 0;
    return !json_is_string(version) || sscanf(json_string_value(version), "%d", &major) != 1 ||
           major < 6;
}

/* A key of the model's side, wherever this version has it. */
static const json_t *about_model(const json_t *config, const char *key, const char *older)
{
    const json_t *found = json_object_get(json_object_get(config, "metadata"), key);
    if (!found) found = json_object_get(config, key);
    if (!found && older) found = json_object_get(config, older);
    return json_is_null(found) ? NULL : found;
}

static rv_status read_input(rv_coder *c, const json_t *config, rv_error *err)
{
    const json_t *norm = json_object_get(config, "normalize_activations");
    const char *name = json_string_value(norm);
    if (json_is_true(norm)) name = "expected_average_only_in";
    if (!name || strcmp(name, "none") == 0) return RV_OK;
    if (strcmp(name, "layer_norm") == 0)
        c->input = RV_INPUT_LAYER_NORM;
    else if (strcmp(name, "constant_norm_rescale") == 0)
        c->input = RV_INPUT_CONSTANT_NORM;
    else
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: cfg.json: normalize_activations: expected none, layer_norm or "
                       "constant_norm_rescale, found \"%s\", whose scale is in no file",
                       c->path, name);
    return RV_OK;
}

static rv_status read_gate(rv_coder *c, const json_t *config, const char *architecture,
                           rv_error *err)
{
    static const struct {
        const char *name;
        rv_gate gate;
        bool transcoder;
    } known[] = {{"standard", RV_GATE_RELU, false},
                 {"gated", RV_GATE_GATED, false},
                 {"jumprelu", RV_GATE_THRESHOLD, false},
                 {"topk", RV_GATE_TOP_K, false},
                 {"batchtopk", RV_GATE_THRESHOLD, false},
                 {"matryoshka_batchtopk", RV_GATE_THRESHOLD, false},
                 {"transcoder", RV_GATE_RELU, true},
                 {"skip_transcoder", RV_GATE_RELU, true},
                 {"jumprelu_transcoder", RV_GATE_THRESHOLD, true},
                 {"jumprelu_skip_transcoder", RV_GATE_THRESHOLD, true}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(architecture, known[i].name) != 0) continue;
        c->gate = known[i].gate;
        c->transcoder = known[i].transcoder;
        const json_t *k = json_object_get(config, "k");
        if (!k) k = json_object_get(json_object_get(config, "activation_fn_kwargs"), "k");
        c->k = (size_t)json_integer_value(k);
        c->by_decoder_norm = strstr(architecture, "batchtopk") ||
                             rv_coder_flag(config, "rescale_acts_by_decoder_norm", false);
        return RV_OK;
    }
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "%s: cfg.json: architecture: expected standard, gated, jumprelu, topk, "
                   "batchtopk, transcoder or skip_transcoder, found \"%s\"",
                   c->path, architecture);
}

/* The thresholds of a training checkpoint of batchtopk are one number. */
static rv_status read_thresholds(rv_coder *c, rv_error *err)
{
    const rv_tensor *one;
    real value;
    if (c->gate != RV_GATE_THRESHOLD) return RV_OK;
    RV_TRY(rv_coder_tensor(&c->thresholds, c, "threshold", false, err));
    if (c->thresholds) return RV_OK;
    RV_TRY(rv_coder_tensor(&c->thresholds, c, "log_threshold", false, err));
    c->log_threshold = c->thresholds != NULL;
    if (c->thresholds) return RV_OK;
    RV_TRY(rv_coder_tensor(&one, c, "topk_threshold", true, err));
    if (one->elements != 1)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: tensor topk_threshold: expected one number, found %zu", c->path,
                       one->elements);
    RV_TRY(rv_tensor_read(one, &value, err));
    c->threshold = (double)value;
    return RV_OK;
}

static rv_status read_tensors(rv_coder *c, rv_error *err)
{
    bool gated = c->gate == RV_GATE_GATED;
    RV_TRY(rv_coder_tensor(&c->encoder, c, "W_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "W_dec", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, "b_dec", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "b_enc", !gated, err));
    RV_TRY(rv_coder_tensor(&c->gate_bias, c, "b_gate", gated, err));
    RV_TRY(rv_coder_tensor(&c->magnitude_bias, c, "b_mag", gated, err));
    RV_TRY(rv_coder_tensor(&c->magnitude_scale, c, "r_mag", gated, err));
    if (!gated) c->gate_bias = c->magnitude_bias = c->magnitude_scale = NULL;
    return read_thresholds(c, err);
}

static rv_status read_config(rv_coder *c, const json_t *config, rv_error *err)
{
    const json_t *named = json_object_get(config, "architecture"),
                 *hook = about_model(config, "hook_name", "hook_point"),
                 *activation = about_model(config, "activation_fn", "activation_fn_str");
    const char *architecture = json_string_value(named),
               *function = json_string_value(activation);
    if (!architecture) architecture = "standard";
    // the first top-k autoencoders call themselves standard
    if (is_old(config) && function && strcmp(function, "topk") == 0) architecture = "topk";
    RV_TRY(rv_coder_keep(&c->architecture, named, err));
    RV_TRY(rv_coder_keep(&c->model, about_model(config, "model_name", NULL), err));
    if (json_is_string(hook)) RV_TRY(rv_coder_set_site(c, err, "%s", json_string_value(hook)));
    RV_TRY(read_gate(c, config, architecture, err));
    RV_TRY(read_input(c, config, err));
    c->shifted = !c->transcoder && rv_coder_flag(config, "apply_b_dec_to_input", true);
    const json_t *how = about_model(config, "model_from_pretrained_kwargs", NULL);
    c->centred = rv_coder_flag(how, "center_writing_weights", false);
    const json_t *head = about_model(config, "hook_head_index", "hook_point_head_index");
    if (head)
        return rv_fail(
            err, RV_ERR_UNSUPPORTED,
            "%s: cfg.json: hook_head_index: expected the whole site, found head %lld", c->path,
            (long long)json_integer_value(head));
    const json_t *l0 = about_model(config, "l0", NULL);
    if (json_is_number(l0)) c->declared_l0 = json_number_value(l0);
    return RV_OK;
}

static rv_status open(rv_coder *c, const char *folder, rv_error *err)
{
    json_t *config = NULL;
    RV_TRY(rv_coder_read_weights(c, folder, "sae_weights.safetensors", err));
    RV_TRY(rv_coder_read_json(&config, folder, "cfg.json", err));
    rv_status status = read_config(c, config, err);
    json_decref(config);
    return status == RV_OK ? read_tensors(c, err) : status;
}

const rv_coder_format rv_format_saelens = {"SAELens", recognise, open};
