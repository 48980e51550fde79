/* The name of a target, for a gated and for a plain model. What is accepted must be readable,
 * climbable, and known by its canonical name too. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "model.h"
#include "target/probe.h"
#include "tokenizer/internal.h"

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
    FUZZ_REQUIRE(row == SIZE_MAX || row < ROWS);
    rv_probe_backward(probe, &weight, NULL);
    rv_probe_free(probe);
}

static void same(const rv_target *a, const rv_config *c, const rv_tokenizer *tok)
{
    rv_target b;
    rv_error err;
    if (strncmp(a->name, "direction:", 10) == 0) return; // would read the file again
    FUZZ_REQUIRE(rv_target_parse(&b, a->name, c, tok, &err) == RV_OK);
    FUZZ_REQUIRE(strcmp(a->name, b.name) == 0 && a->kind == b.kind);
    FUZZ_REQUIRE(a->site.kind == b.site.kind && a->site.layer == b.site.layer);
    rv_target_release(&b);
}

static void name_it(const char *name, const rv_transformer *model, const rv_tokenizer *tok)
{
    rv_target target;
    rv_error err = {.message = ""};
    rv_status status = rv_target_parse(&target, name, &model->config, tok, &err);
    FUZZ_REQUIRE(status == RV_OK || err.message[0]);
    if (status != RV_OK) return;
    FUZZ_REQUIRE(rv_target_depth(&target, &model->config) <= LAYERS + 1);
    FUZZ_REQUIRE(rv_site_exists(target.site, &model->config));
    same(&target, &model->config, tok);
    climb(&target, model);
    rv_target_release(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\" \":2,"
        "\" a\":3,\"\\\"\":4,\"]\":5},\"merges\":[[\" \",\"a\"]]}}";
    static rv_tokenizer *tok; // made once: nothing below changes them
    static rv_transformer *plain, *gated;
    rv_error err;
    if (!tok) {
        FUZZ_REQUIRE(rv_tokenizer_open_memory(&tok, json, sizeof json - 1, "fuzz.json", &err) ==
                     RV_OK);
        plain = new_model(false);
        gated = new_model(true);
    }
    char *name = rv_strndup((const char *)data, size);
    FUZZ_REQUIRE(name);
    name_it(name, plain, tok);
    name_it(name, gated, tok);
    free(name);
    return 0;
}
