/* Llama Scope (hyperparams.json, checkpoints/final.safetensors) and the OpenMOSS format that came after it (config.json with
 * sae_type, sae_weights.safetensors). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "features/formats.h"

/* The input is x sqrt(d) / norm. */
static void set_scale(rv_coder *c, double norm)
{
    c->scale =
        sqrt((double)c->encoder->shape[c->encoder->shape[0] > c->encoder->shape[1]]) / norm;
}

/* ---- Llama Scope -------------------------------------------------------------------------------- */

static bool recognise_llama(const char *folder)
{
    return rv_coder_has_file(folder, "hyperparams.json") &&
           rv_coder_has_file(folder, "checkpoints/final.safetensors");
}

static rv_status read_llama(rv_coder *c, const json_t *config, rv_error *err)
{
    const json_t *norm =
        json_object_get(json_object_get(config, "dataset_average_activation_norm"), "in");
    const char *in = json_string_value(json_object_get(config, "hook_point_in")),
               *out = json_string_value(json_object_get(config, "hook_point_out"));
    c->gate = RV_GATE_THRESHOLD;
    c->threshold = json_number_value(json_object_get(config, "jump_relu_threshold"));
    c->transcoder = in && out && strcmp(in, out) != 0;
    if (in) RV_TRY(rv_coder_set_site(c, err, "%s", in));
    if (json_is_number(norm)) set_scale(c, json_number_value(norm));
    return RV_OK;
}

static rv_status open_llama(rv_coder *c, const char *folder, rv_error *err)
{
    json_t *config = NULL;
    RV_TRY(rv_coder_read_weights(c, folder, "checkpoints/final.safetensors", err));
    RV_TRY(rv_coder_tensor(&c->encoder, c, "encoder.weight", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "encoder.bias", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "decoder.weight", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, "decoder.bias", false, err));
    RV_TRY(rv_coder_read_json(&config, folder, "hyperparams.json", err));
    rv_status status = read_llama(c, config, err);
    json_decref(config);
    return status;
}

const rv_coder_format rv_format_llama_scope = {"Llama Scope", recognise_llama, open_llama};

/* ---- OpenMOSS ----------------------------------------------------------------------------------- */

static bool recognise_openmoss(const char *folder)
{
    return rv_coder_has_file(folder, "config.json") &&
           rv_coder_has_file(folder, "sae_weights.safetensors");
}

static rv_status read_gate(rv_coder *c, const char *function, rv_error *err)
{
    if (!function || strcmp(function, "relu") == 0) {
        c->gate = RV_GATE_RELU;
    } else if (strcmp(function, "topk") == 0) {
        c->gate = RV_GATE_TOP_K;
    } else if (strcmp(function, "jumprelu") == 0) {
        c->gate = RV_GATE_THRESHOLD;
        c->log_threshold = true;
        return rv_coder_tensor(&c->thresholds, c, "activation_function.log_jumprelu_threshold",
                               true, err);
    } else {
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: config.json: act_fn: expected relu, topk or jumprelu, found \"%s\"",
                       c->path, function);
    }
    return RV_OK;
}

static rv_status read_norm(rv_coder *c, const json_t *config, rv_error *err)
{
    const char *norm = json_string_value(json_object_get(config, "norm_activation"));
    char name[320];
    const rv_tensor *average;
    real value;
    if (!norm || strcmp(norm, "inference") == 0) return RV_OK;
    if (strcmp(norm, "token-wise") == 0) {
        c->input = RV_INPUT_CONSTANT_NORM;
        return RV_OK;
    }
    if (strcmp(norm, "dataset-wise") != 0)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: config.json: norm_activation: expected inference, token-wise or "
                       "dataset-wise, found \"%s\"",
                       c->path, norm);
    snprintf(name, sizeof name, "dataset_average_activation_norm.%s", c->site ? c->site : "");
    RV_TRY(rv_coder_tensor(&average, c, name, true, err));
    if (average->elements != 1)
        return rv_fail(err, RV_ERR_FORMAT, "%s: tensor %s: expected one number, found %zu",
                       c->path, name, average->elements);
    RV_TRY(rv_tensor_read(average, &value, err));
    set_scale(c, (double)value);
    return RV_OK;
}

static rv_status read_openmoss(rv_coder *c, const json_t *config, rv_error *err)
{
    const char *type = json_string_value(json_object_get(config, "sae_type")),
               *in = json_string_value(json_object_get(config, "hook_point_in")),
               *out = json_string_value(json_object_get(config, "hook_point_out"));
    if (type && strcmp(type, "sae") != 0)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: config.json: sae_type: expected sae, found \"%s\"", c->path, type);
    if (rv_coder_flag(config, "use_glu_encoder", false))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: config.json: use_glu_encoder: expected false, found true", c->path);
    c->transcoder = in && out && strcmp(in, out) != 0;
    c->k = (size_t)json_integer_value(json_object_get(config, "top_k"));
    c->by_decoder_norm = rv_coder_flag(config, "sparsity_include_decoder_norm", true);
    c->plain_values = true;
    RV_TRY(rv_coder_keep(&c->model, json_object_get(config, "model_name"), err));
    if (in) RV_TRY(rv_coder_set_site(c, err, "%s", in));
    RV_TRY(read_gate(c, json_string_value(json_object_get(config, "act_fn")), err));
    return read_norm(c, config, err);
}

static rv_status open_openmoss(rv_coder *c, const char *folder, rv_error *err)
{
    json_t *config = NULL;
    RV_TRY(rv_coder_read_weights(c, folder, "sae_weights.safetensors", err));
    RV_TRY(rv_coder_tensor(&c->encoder, c, "W_E", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "b_E", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "W_D", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, "b_D", false, err));
    RV_TRY(rv_coder_read_json(&config, folder, "config.json", err));
    rv_status status = read_openmoss(c, config, err);
    json_decref(config);
    return status;
}

const rv_coder_format rv_format_openmoss = {"OpenMOSS", recognise_openmoss, open_openmoss};
