/* Every config.json of tests/fixtures/configs on its family's checkpoint: the losses must be those of
 * transformers (tools/make_golden_configs.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/internal.h"
#include "model/pass.h"

#define FOLDER "tests/fixtures/configs/"

enum { TOKENS = 64 };

static json_t *golden;

static int load(void **state)
{
    (void)state;
    rv_error err;
    return rv_json_read_object(&golden, FOLDER "cases.json", 1 << 20, &err) == RV_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

static rv_status losses(real *out, const rv_transformer *model, const int32_t *ids,
                        size_t count, rv_error *err)
{
    rv_pass_options options = {.rows = count, .sequences = 1, .positions = count, .threads = 1};
    rv_sequence sequence = {.ids = ids, .count = count};
    rv_pass *pass;
    RV_TRY(rv_pass_new(&pass, model, &options, err));
    rv_status status = rv_pass_begin(pass, &sequence, 1, NULL, 0, err);
    if (status == RV_OK) {
        rv_pass_forward(pass, model->config.layers);
        rv_pass_finish(pass);
        rv_pass_losses(pass, out);
    }
    rv_pass_free(pass);
    return status;
}

/* The losses of the family's weights under this configuration. */
static rv_status run(real *out, const json_t *item, const int32_t *ids, size_t count,
                     rv_error *err)
{
    char path[128], *bytes;
    size_t length;
    rv_checkpoint *ck;
    rv_transformer *model = NULL;
    snprintf(path, sizeof path, FOLDER "%s.safetensors",
             json_string_value(json_object_get(item, "family")));
    RV_TRY(rv_read_file(&bytes, &length, path, 1 << 20, err));
    rv_status status = rv_checkpoint_open_memory(&ck, bytes, length, path, err);
    if (status == RV_OK) {
        ck->config = json_incref(json_object_get(item, "config"));
        status = rv_transformer_load(&model, ck, NULL, err);
        if (status == RV_OK) status = losses(out, model, ids, count, err);
        rv_transformer_free(model);
        rv_checkpoint_close(ck);
    }
    free(bytes);
    return status;
}

static void configurations_mean_what_they_mean_to_transformers(void **state)
{
    (void)state;
    int32_t ids[TOKENS];
    const json_t *list = json_object_get(golden, "ids"), *item;
    size_t count = json_array_size(list), i, wrong = 0;
    assert_in_range(count, 40, TOKENS);
    for (i = 0; i < count; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    assert_in_range(json_array_size(json_object_get(golden, "cases")), 180, 1000);
    json_array_foreach(json_object_get(golden, "cases"), i, item)
    {
        real nll[TOKENS];
        rv_error err = {.message = ""};
        double worst = 0;
        rv_status status = run(nll, item, ids, count, &err);
        for (size_t t = 1; status == RV_OK && t < count; t++) {
            const json_t *value = json_array_get(json_object_get(item, "losses"), t - 1);
            worst = fmax(worst, fabs((double)nll[t] - json_number_value(value)));
        }
        if (status == RV_OK && worst < 1e-4) continue;
        wrong++;
        print_error("%s, %s: off by %g nats %s\n",
                    json_string_value(json_object_get(item, "family")),
                    json_string_value(json_object_get(item, "name")), worst, err.message);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations_mean_what_they_mean_to_transformers),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
