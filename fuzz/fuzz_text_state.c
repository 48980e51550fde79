/* The state of a text autoencoder's training: step, loss_sum, site_sum and curve, and tensors. What is accepted can be
 * gone on from: it is saved and read again as the same. */
#include "autoencoder/text_train.h"
#include "model.h"
#include "state.h"

enum { STEPS = 9, KINDS = 3 };
static const char *const keys[] = {"step", "loss_sum", "site_sum", "curve"};
static const char *const kinds[KINDS] = {"weights", "mean", "square"};

static rv_text_autoencoder *new_autoencoder(void)
{
    rv_text_autoencoder_config c = rv_text_autoencoder_config_default();
    rv_text_autoencoder *ae;
    rv_error err;
    c.width = c.code = 4;
    c.heads = c.encoder_layers = c.decoder_layers = 1;
    c.tokens = 4;
    c.bos = 0;
    FUZZ_REQUIRE(rv_text_autoencoder_new(&ae, new_model(true), &c, 1, &err) == RV_OK);
    return ae;
}

static rv_status load(rv_text_training *t, bool *found, rv_error *err)
{
    err->message[0] = '\0';
    t->curve->count = 0;
    return rv_text_training_load(t, found, err);
}

static void go_on(rv_text_training *t)
{
    size_t count = t->ae->parameter_count, step = t->step, points = t->curve->count;
    double sum = t->loss_sum;
    bool found;
    rv_error err;
    FUZZ_REQUIRE(step <= STEPS && isfinite(sum) && isfinite(t->site_sum));
    for (size_t i = 0; i < points; i++) FUZZ_REQUIRE(t->curve->items[i].step <= step);
    require_finite(t->ae->parameters, count, false);
    require_finite(t->mean, count, false);
    require_finite(t->square, count, true);
    FUZZ_REQUIRE(rv_text_training_save(t, &err) == RV_OK);
    FUZZ_REQUIRE(load(t, &found, &err) == RV_OK && found);
    FUZZ_REQUIRE(t->step == step && t->curve->count == points && t->loss_sum == sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rv_text_autoencoder *ae; // made once: a state overwrites all of its numbers
    static char path[FUZZ_PATH], *expected;
    static real *mean, *square, *scratch;
    rv_text_train_settings settings = rv_text_train_settings_default();
    rv_text_curve curve = {0};
    bool found;
    rv_error err = {.message = ""};
    if (!ae) {
        ae = new_autoencoder();
        fuzz_path(path, "text-state");
        mean = calloc(ae->parameter_count, sizeof *mean);
        square = calloc(ae->parameter_count, sizeof *square);
        scratch = calloc(ae->parameter_count, sizeof *scratch);
        FUZZ_REQUIRE(mean && square && scratch);
    }
    settings.steps = STEPS;
    settings.state = path;
    rv_text_training t = {
        .ae = ae, .settings = &settings, .curve = &curve, .mean = mean, .square = square};
    if (!expected) {
        FUZZ_REQUIRE(rv_text_training_save(&t, &err) == RV_OK);
        expected = read_settings(path);
        go_on(&t);
    }
    json_t *metadata =
        take_metadata(&data, &size, expected, keys, sizeof keys / sizeof keys[0]);
    rv_tensor_source tensors[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        tensors[i] = (rv_tensor_source){kinds[i], scratch, 1, {ae->parameter_count}};
    memset(scratch, 0, ae->parameter_count * sizeof *scratch);
    if (metadata &&
        write_state(path, data, size, tensors, KINDS, scratch, ae->parameter_count, metadata)) {
        rv_status status = load(&t, &found, &err);
        FUZZ_REQUIRE(found && (status == RV_OK || err.message[0]));
        if (status == RV_OK) go_on(&t);
    }
    json_decref(metadata);
    rv_text_curve_release(&curve);
    unlink(path);
    return 0;
}
