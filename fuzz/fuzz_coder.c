/* The folder of a coder: a letter for the names of its two files, its configuration, a NUL, its weights. What is accepted
 * can be asked for features. */
#include <string.h>
#include <sys/stat.h>

#include "features/coder.h"
#include "file.h"

static const struct {
    const char *config, *weights;
} names[] = {{"cfg.json", "sae_weights.safetensors"},
             {"cfg.json", "sae.safetensors"},
             {"config.json", "params.safetensors"},
             {"config.json", "params.npz"},
             {"config.json", "sae_weights.safetensors"},
             {"config.yaml", "layer_1.safetensors"},
             {"hyperparams.json", "checkpoints/final.safetensors"},
             {"config.json", "ae.pt"}};
enum { NAMES = sizeof names / sizeof names[0] };

static void use(const rv_feature *f, const rv_coder *c)
{
    real *x = calloc(c->width, sizeof *x), *u = calloc(c->width, sizeof *u),
         *slope = calloc(c->width, sizeof *slope);
    rv_rivals rivals = {0};
    rv_error err;
    FUZZ_REQUIRE(x && u && slope && f->width == c->width);
    for (size_t i = 0; i < c->width; i++) x[i] = (real)(i % 3) - 1;
    double z = rv_feature_pre(f, c, x, u);
    rv_feature_slope(slope, f, c, x, u);
    rv_coder_input_apply(u, x, c);
    if (c->gate != RV_GATE_TOP_K) {
        rv_feature_gate(f, c, z);
    } else if (rv_rivals_load(&rivals, c, &err) == RV_OK) {
        rv_rivals_admit(&rivals, u, f->index, z, c->k);
        rv_rivals_release(&rivals);
    }
    if (!c->transcoder) rv_coder_output_restore(u, x, c);
    free(x);
    free(u);
    free(slope);
}

static void ask(const rv_coder *c)
{
    FUZZ_REQUIRE(c->features && c->width && c->output_width);
    for (size_t i = 0; i < 3; i++) {
        size_t index = i < 2 ? i * (c->features - 1) : c->features;
        rv_feature feature;
        rv_error err = {.message = ""};
        rv_status status = rv_feature_load(&feature, c, index, &err);
        FUZZ_REQUIRE(status == RV_OK ? index < c->features : err.message[0] != '\0');
        if (status == RV_OK) use(&feature, c);
        rv_feature_release(&feature);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    if (!nul || nul == data) return 0;
    char folder[FUZZ_PATH], deeper[2 * FUZZ_PATH], config[2 * FUZZ_PATH],
        weights[2 * FUZZ_PATH];
    size_t which = (size_t)(data[0] - 'a') % NAMES;
    rv_coder *coder;
    rv_error err = {.message = ""};
    fuzz_path(folder, "coder");
    snprintf(deeper, sizeof deeper, "%s/checkpoints", folder);
    snprintf(config, sizeof config, "%s/%s", folder, names[which].config);
    snprintf(weights, sizeof weights, "%s/%s", folder, names[which].weights);
    FUZZ_REQUIRE(mkdir(folder, 0700) == 0 && mkdir(deeper, 0700) == 0);
    fuzz_write(config, data + 1, (size_t)(nul - data) - 1);
    fuzz_write(weights, nul + 1, size - (size_t)(nul + 1 - data));
    rv_status status = rv_coder_open(&coder, folder, &err);
    FUZZ_REQUIRE(status == RV_OK ? coder != NULL : !coder && err.message[0]);
    if (coder) ask(coder);
    rv_coder_close(coder);
    unlink(config);
    unlink(weights);
    FUZZ_REQUIRE(rmdir(deeper) == 0 && rmdir(folder) == 0);
    return 0;
}
