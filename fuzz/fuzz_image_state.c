/* The state of an image network's training: step, epoch_loss and curve, and tensors. What is accepted can be gone on
 * from: it is saved and read again as the same. */
#include "state.h"
#include "vision/trainer.h"

enum { KINDS = 4, TENSORS = 2, EPOCHS = 3, STEPS = 2 };
static const char *const keys[] = {"step", "epoch_loss", "curve"};
static const char *const kinds[KINDS] = {"weights", "mean", "square", "best"};
static const char description[] = "28x28x1 average dense2";

static rv_status load(rv_learner_run *t, bool *found, rv_error *err)
{
    err->message[0] = '\0';
    return rv_learner_load(t, found, err);
}

static void go_on(rv_learner_run *t)
{
    size_t count = t->learner->net[0]->parameter_count, step = t->step, epochs;
    bool found;
    rv_error err;
    epochs = t->curve->count;
    FUZZ_REQUIRE(step <= EPOCHS * STEPS && epochs == step / STEPS && isfinite(t->epoch_loss));
    FUZZ_REQUIRE(t->curve->best < (epochs ? epochs : 1));
    require_finite(t->learner->net[0]->parameters, count, false);
    require_finite(t->adamw[0].mean, count, false);
    require_finite(t->adamw[0].square, count, true);
    require_finite(t->best[0], count, false);
    FUZZ_REQUIRE(rv_learner_save(t, &err) == RV_OK);
    FUZZ_REQUIRE(load(t, &found, &err) == RV_OK && found);
    FUZZ_REQUIRE(t->step == step && t->curve->count == epochs);
}

/* names has room for every tensor. */
static void list_tensors(rv_tensor_source *out, char (*names)[40], const rv_network *net,
                         const real *numbers)
{
    const rv_layer *dense = &net->layer[net->count - 1];
    for (size_t k = 0; k < KINDS; k++) {
        rv_tensor_source *weight = &out[TENSORS * k], *bias = weight + 1;
        snprintf(names[TENSORS * k], 40, "net.%s.dense1.weight", kinds[k]);
        snprintf(names[TENSORS * k + 1], 40, "net.%s.dense1.bias", kinds[k]);
        *weight = (rv_tensor_source){
            names[TENSORS * k], numbers, 2, {dense->biases, dense->matrix.K}};
        *bias = (rv_tensor_source){
            names[TENSORS * k + 1], numbers + dense->weights, 1, {dense->biases}};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rv_network net; // made once: a state overwrites all of its numbers
    static rv_learner_run t;
    static rv_learning_curve curve;
    static char path[FUZZ_PATH], *expected;
    static unsigned char pixels[RV_IMAGE_PIXELS], label;
    static real scratch[16];
    rv_images images = {1, pixels, &label};
    rv_learner learner = {.net = {&net}, .name = {"net"}, .nets = 1};
    rv_learner_settings settings = {.epochs = EPOCHS, .batch = 8, .state = path};
    rv_error err = {.message = ""};
    bool found;
    if (!net.count) {
        fuzz_path(path, "image-state");
        FUZZ_REQUIRE(rv_network_init(&net, description, &err) == RV_OK);
        FUZZ_REQUIRE(rv_network_adamw_init(&t.adamw[0], &net, &err) == RV_OK);
        t.best[0] = calloc(net.parameter_count, sizeof(real));
        FUZZ_REQUIRE(t.best[0] && net.parameter_count <= sizeof scratch / sizeof *scratch);
    }
    t.learner = &learner, t.images = &images, t.settings = &settings, t.curve = &curve;
    t.steps = STEPS;
    if (!expected) {
        FUZZ_REQUIRE(rv_learner_save(&t, &err) == RV_OK);
        expected = read_settings(path);
        go_on(&t);
    }
    rv_tensor_source tensors[KINDS * TENSORS];
    char names[KINDS * TENSORS][40];
    memset(scratch, 0, sizeof scratch);
    list_tensors(tensors, names, &net, scratch);
    json_t *metadata =
        take_metadata(&data, &size, expected, keys, sizeof keys / sizeof keys[0]);
    if (metadata && write_state(path, data, size, tensors, KINDS * TENSORS, scratch,
                                net.parameter_count, metadata)) {
        rv_status status = load(&t, &found, &err);
        FUZZ_REQUIRE(found && (status == RV_OK || err.message[0]));
        if (status == RV_OK) go_on(&t);
    }
    json_decref(metadata);
    unlink(path);
    return 0;
}
