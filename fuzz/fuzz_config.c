/* A config.json and, behind a NUL, the model.safetensors that it stands beside. What is accepted
 * must also run: forwards, backwards, within its sizes. */
#include <string.h>

#include "base/json.h"
#include "checkpoint/internal.h"
#include "fuzz.h"
#include "model/pass.h"

enum { ROWS = 3 };

static void run(const rv_transformer *model)
{
    const rv_config *c = &model->config;
    int32_t ids[ROWS] = {0, (int32_t)(c->vocabulary / 2), (int32_t)(c->vocabulary - 1)};
    size_t rows = c->context < ROWS ? c->context : ROWS;
    rv_sequence sequence = {.ids = ids, .count = rows};
    rv_pass_options options = {
        .rows = rows, .sequences = 1, .positions = rows, .keep = true, .threads = 1};
    rv_pass *pass;
    rv_error err;
    real nll[ROWS], weights[ROWS] = {1, 1, 1};
    FUZZ_REQUIRE(rv_pass_new(&pass, model, &options, &err) == RV_OK);
    FUZZ_REQUIRE(rv_pass_begin(pass, &sequence, 1, NULL, 0, &err) == RV_OK);
    rv_pass_forward(pass, c->layers);
    rv_pass_finish(pass);
    rv_pass_losses(pass, nll);
    rv_pass_backward(pass, weights, NULL);
    rv_pass_free(pass);
}

static void load(const rv_checkpoint *ck)
{
    static rv_config config; // 25 kB
    rv_transformer *model;
    rv_error err = {.message = ""};
    rv_status status = rv_transformer_configure(&config, ck, &err);
    FUZZ_REQUIRE(status == RV_OK || err.message[0]);
    if (status != RV_OK) return;
    FUZZ_REQUIRE(config.vocabulary && config.context && config.width && config.head_size);
    FUZZ_REQUIRE(config.kv_heads && config.heads % config.kv_heads == 0);
    FUZZ_REQUIRE(config.layers && config.layers <= RV_MAX_LAYERS);
    status = rv_transformer_load(&model, ck, NULL, &err);
    FUZZ_REQUIRE(status == RV_OK || (!model && err.message[0]));
    if (status == RV_OK) run(model);
    rv_transformer_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    rv_checkpoint *ck;
    rv_error err;
    if (!end) return 0;
    size_t length = (size_t)(end - data);
    if (rv_checkpoint_open_memory(&ck, end + 1, size - length - 1, "fuzz.safetensors", &err) !=
        RV_OK)
        return 0;
    json_decref(ck->config);
    ck->config = NULL;
    if (rv_json_parse_object(&ck->config, (const char *)data, length, "config.json", &err) ==
        RV_OK)
        load(ck);
    rv_checkpoint_close(ck);
    return 0;
}
