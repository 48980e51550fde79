/* circuit-tracer, a layer of a transcoder set: layer_N.safetensors beside config.yaml, of which little is needed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "features/formats.h"

enum { CONFIG_LIMIT = 1 << 20, VALUE = 256 };

static bool recognise(const char *folder)
{
    return rv_coder_has_file(folder, "config.yaml");
}

/* The scalar behind "key:" at the start of a line, without quotes. */
static bool find(char out[VALUE], const char *yaml, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = yaml; line;
         line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncmp(line, key, length) != 0 || line[length] != ':') continue;
        const char *from = line + length + 1;
        from += strspn(from, " \t\"'");
        size_t count = strcspn(from, "\"'\r\n#");
        while (count && from[count - 1] == ' ') count--;
        if (count >= VALUE) return false;
        memcpy(out, from, count);
        out[count] = '\0';
        return count > 0;
    }
    return false;
}

static rv_status read_site(rv_coder *c, const char *hook, size_t layer, rv_error *err)
{
    c->gain = strcmp(hook, "mlp.hook_in") == 0; // the norm's output
    return rv_coder_set_site(c, err, "blocks.%zu.%s", layer,
                             c->gain ? "ln2.hook_normalized" : hook);
}

static rv_status read_config(rv_coder *c, const char *yaml, size_t layer, rv_error *err)
{
    char value[VALUE];
    if (find(value, yaml, "model_kind") && strcmp(value, "transcoder_set") != 0)
        return rv_fail(
            err, RV_ERR_UNSUPPORTED,
            "%s: config.yaml: model_kind: expected transcoder_set, found \"%s\", which "
            "belongs to several layers",
            c->path, value);
    c->transcoder = true;
    if (find(value, yaml, "model_name")) {
        free(c->model);
        c->model = rv_strndup(value, strlen(value));
        if (!c->model) return rv_fail_memory(err, VALUE);
    }
    if (find(value, yaml, "activation") && strcmp(value, "topk") == 0) {
        c->gate = RV_GATE_TOP_K;
        c->signed_values = true; // here top k keeps negative values
        if (find(value, yaml, "k")) c->k = strtoul(value, NULL, 10);
    }
    return find(value, yaml, "feature_input_hook") ? read_site(c, value, layer, err) : RV_OK;
}

/* The one layer in the folder; several are an error that says how to name one. */
static rv_status find_layer(size_t *layer, const char *folder, rv_error *err)
{
    size_t found = 0;
    for (size_t n = 0; n < 1000; n++) {
        char name[40];
        snprintf(name, sizeof name, "layer_%zu.safetensors", n);
        if (rv_coder_has_file(folder, name)) *layer = n, found++;
    }
    if (found == 1) return RV_OK;
    return rv_fail(
        err, RV_ERR_USAGE,
        "%s: expected the file of one layer, found %zu: name FOLDER/layer_N.safetensors",
        folder, found);
}

static rv_status read_yaml(rv_coder *c, const char *folder, size_t layer, rv_error *err)
{
    char *path = rv_path_join(folder, "config.yaml"), *yaml = NULL;
    if (!path) return rv_fail_memory(err, strlen(folder));
    rv_status status = rv_read_file(&yaml, NULL, path, CONFIG_LIMIT, err);
    if (status == RV_OK) status = read_config(c, yaml, layer, err);
    free(yaml);
    free(path);
    return status;
}

static rv_status open(rv_coder *c, const char *folder, rv_error *err)
{
    size_t layer = 0;
    char name[40];
    RV_TRY(find_layer(&layer, folder, err));
    snprintf(name, sizeof name, "layer_%zu.safetensors", layer);
    RV_TRY(rv_coder_read_weights(c, folder, name, err));
    RV_TRY(read_yaml(c, folder, layer, err));
    RV_TRY(rv_coder_tensor(&c->encoder, c, "W_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder, c, "W_dec", true, err));
    RV_TRY(rv_coder_tensor(&c->encoder_bias, c, "b_enc", true, err));
    RV_TRY(rv_coder_tensor(&c->decoder_bias, c, "b_dec", true, err));
    RV_TRY(rv_coder_tensor(&c->thresholds, c, "activation_function.threshold", false, err));
    if (c->thresholds) c->gate = RV_GATE_THRESHOLD;
    return RV_OK;
}

const rv_coder_format rv_format_circuit_tracer = {"circuit-tracer", recognise, open};
