/* dictionary_learning: config.json with trainer.dict_class, ae.pt. */
#include <string.h>

#include "features/formats.h"

static bool recognise(const char *folder)
{
    return rv_coder_has_file(folder, "config.json") && rv_coder_has_file(folder, "ae.pt");
}

/* What a class's state dict calls its parts, and what its encoder does; NULL: has none. */
typedef struct dictionary_class {
    const char *name, *encoder, *encoder_bias, *decoder, *decoder_bias, *threshold;
    rv_gate gate;
    bool shifted, by_decoder_norm;
} dictionary_class;

static const dictionary_class classes[] = {
    {"AutoEncoder", "encoder.weight", "encoder.bias", "decoder.weight", "bias", NULL,
     RV_GATE_RELU, true, true},
    {"AutoEncoderNew", "encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias", NULL,
     RV_GATE_RELU, false, false},
    {"GatedAutoEncoder", "encoder.weight", NULL, "decoder.weight", "decoder_bias", NULL,
     RV_GATE_GATED, true, false},
    {"AutoEncoderTopK", "encoder.weight", "encoder.bias", "decoder.weight", "b_dec", NULL,
     RV_GATE_TOP_K, true, false},
    {"BatchTopKSAE", "encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "threshold",
     RV_GATE_THRESHOLD, true, false},
    {"MatryoshkaBatchTopKSAE", "W_enc", "b_enc", "W_dec", "b_dec", "threshold",
     RV_GATE_THRESHOLD, true, false},
    {"JumpReluAutoEncoder", "W_enc", "b_enc", "W_dec", "b_dec", "threshold", RV_GATE_THRESHOLD,
     false, false}};

static rv_status find_class(const dictionary_class **out, const rv_coder *c, const char *name,
                            rv_error *err)
{
    for (size_t i = 0; name && i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(classes[i].name, name) == 0) {
            *out = &classes[i];
            return RV_OK;
        }
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "%s: config.json: trainer.dict_class: expected AutoEncoder, AutoEncoderNew, "
                   "GatedAutoEncoder, AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE or "
                   "JumpReluAutoEncoder, found \"%s\"",
                   c->path, name ? name : "none");
}

/* One number for all features, or one each. */
static rv_status read_threshold(rv_coder *c, const char *name, rv_error *err)
{
    const rv_tensor *t;
    real value;
    RV_TRY(rv_coder_tensor(&t, c, name, true, err));
    if (t->elements != 1) {
        c->thresholds = t;
        return RV_OK;
    }
    RV_TRY(rv_tensor_read(t, &value, err));
    c->threshold = (double)value;
    return RV_OK;
}

static rv_status read_tensors(rv_coder *c, const dictionary_class *d, rv_error *err)
{
    c->gate = d->gate;
    c->shifted = d->shifted;
    c->by_decoder_norm = d->by_decoder_norm;
    RV_TRY(rv_coder_tensor(&c->encoder, c, d->encoder, true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, d->decoder, true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, d->decoder_bias, false, err));
    if (d->encoder_bias)
        RV_TRY(rv_coder_tensor(&c->encoder_bias, c, d->encoder_bias, true, err));
    if (d->threshold) RV_TRY(read_threshold(c, d->threshold, err));
    if (d->gate != RV_GATE_GATED) return RV_OK;
    RV_TRY(rv_coder_tensor(&c->gate_bias, c, "gate_bias", true, err));
    RV_TRY(rv_coder_tensor(&c->magnitude_bias, c, "mag_bias", true, err));
    return rv_coder_tensor(&c->magnitude_scale, c, "r_mag", true, err);
}

/* A module of the model: its output, or its input where buffer.io says so. */
static rv_status read_site(rv_coder *c, const json_t *config, rv_error *err)
{
    const json_t *trainer = json_object_get(config, "trainer"),
                 *layer = json_object_get(trainer, "layer");
    const char *module = json_string_value(json_object_get(trainer, "submodule_name")),
               *io =
                   json_string_value(json_object_get(json_object_get(config, "buffer"), "io"));
    if (!json_is_integer(layer) || json_integer_value(layer) < 0) return RV_OK;
    long long l = json_integer_value(layer);
    bool output = !io || strcmp(io, "out") == 0;
    if (module && strncmp(module, "mlp", 3) == 0)
        return output ? rv_coder_set_site(c, err, "blocks.%lld.hook_mlp_out", l) : RV_OK;
    if (module && strncmp(module, "attn", 4) == 0)
        return output ? rv_coder_set_site(c, err, "blocks.%lld.hook_attn_out", l) : RV_OK;
    return rv_coder_set_site(c, err, "blocks.%lld.hook_resid_%s", l, output ? "post" : "pre");
}

static rv_status read_config(rv_coder *c, const json_t *config, rv_error *err)
{
    const json_t *trainer = json_object_get(config, "trainer"),
                 *named = json_object_get(trainer, "dict_class");
    const dictionary_class *d = NULL;
    RV_TRY(find_class(&d, c, json_string_value(named), err));
    RV_TRY(rv_coder_keep(&c->architecture, named, err));
    RV_TRY(rv_coder_keep(&c->model, json_object_get(trainer, "lm_name"), err));
    c->k = (size_t)json_integer_value(json_object_get(trainer, "k"));
    if (c->k) c->declared_l0 = (double)c->k;
    RV_TRY(read_site(c, config, err));
    return read_tensors(c, d, err);
}

static rv_status open(rv_coder *c, const char *folder, rv_error *err)
{
    json_t *config = NULL;
    RV_TRY(rv_coder_read_weights(c, folder, "ae.pt", err));
    RV_TRY(rv_coder_read_json(&config, folder, "config.json", err));
    rv_status status = read_config(c, config, err);
    json_decref(config);
    return status;
}

const rv_coder_format rv_format_dictionary_learning = {"dictionary_learning", recognise, open};
