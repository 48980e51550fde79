/* The file of a direction. What is accepted can be measured and climbed. */
#include <string.h>

#include "file.h"
#include "model.h"
#include "target/probe.h"

enum { ROWS = 4 };

static void climb(const rv_target *target, const rv_transformer *model)
{
    static const int32_t ids[ROWS] = {2, 0, 5, 3};
    static const rv_sequence sequence = {.ids = ids, .count = ROWS};
    rv_pass_options options = {.rows = ROWS, .sequences = 1, .positions = ROWS, .threads = 1};
    rv_probe *probe;
    rv_error err;
    real weight = 1;
    FUZZ_REQUIRE(rv_probe_new(&probe, model, target, 1, &options, true, &err) == RV_OK);
    FUZZ_REQUIRE(rv_probe_run(probe, &sequence, 1, &err) == RV_OK);
    rv_pass_finish(probe->pass);
    size_t row = rv_target_row(target, rv_probe_values(probe, 0), 0, ROWS);
    FUZZ_REQUIRE(row < ROWS);
    rv_probe_backward(probe, &weight, NULL);
    rv_probe_free(probe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rv_transformer *model;
    char path[FUZZ_PATH], name[2 * FUZZ_PATH];
    rv_target target;
    rv_error err = {.message = ""};
    if (!model) model = new_model(true);
    fuzz_path(path, "direction");
    fuzz_write(path, data, size);
    snprintf(name, sizeof name, "direction:%s@blocks.1.hook_resid_mid", path);
    rv_status status = rv_target_parse(&target, name, &model->config, NULL, &err);
    FUZZ_REQUIRE(status == RV_OK || err.message[0]);
    if (status == RV_OK) {
        climb(&target, model);
        rv_target_release(&target);
    }
    unlink(path);
    return 0;
}
