/* A config.json that claims what cannot be is refused before memory is asked for, with one sentence
 * that names the file, what was expected and what was found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/file.h"
#include "checkpoint/internal.h"
#include "model/transformer.h"

/* A config.json, a NUL, and the model.safetensors that it describes. */
#define SEED "tests/fixtures/fuzz/config/seed-llama"

typedef struct model {
    char *bytes;
    rv_checkpoint *ck;
} model;

/* The model with one key of its configuration set to the JSON value given. */
static void open_with(model *m, const char *key, const char *value)
{
    size_t length, config;
    rv_error err;
    json_error_t wrong;
    assert_int_equal(rv_read_file(&m->bytes, &length, SEED, 1 << 20, &err), RV_OK);
    config = strlen(m->bytes);
    assert_int_equal(rv_checkpoint_open_memory(&m->ck, m->bytes + config + 1,
                                               length - config - 1, "odd.safetensors", &err),
                     RV_OK);
    m->ck->config = json_loads(m->bytes, 0, &wrong);
    if (key)
        json_object_set_new(m->ck->config, key, json_loads(value, JSON_DECODE_ANY, &wrong));
}

static void close_model(model *m)
{
    rv_checkpoint_close(m->ck);
    free(m->bytes);
}

static void refuses(const char *key, const char *value, const char *words)
{
    static rv_config config;
    model m;
    rv_transformer *transformer;
    rv_error err = {.message = "nothing"};
    open_with(&m, key, value);
    if (rv_transformer_configure(&config, m.ck, &err) == RV_OK || !strstr(err.message, words))
        fail_msg("%s %s: expected '%s', found '%s'", key, value, words, err.message);
    assert_int_equal(strncmp(err.message, "odd.safetensors: ", 17), 0);
    for (const char *c = err.message; *c; c++) assert_in_range((unsigned char)*c, ' ', '~');
    assert_int_not_equal(rv_transformer_load(&transformer, m.ck, NULL, &err), RV_OK);
    assert_null(transformer);
    close_model(&m);
}

static void sizes_that_no_file_holds_are_refused(void **state)
{
    (void)state;
    refuses("intermediate_size", "1073741824", "weights: expected ");
    refuses("intermediate_size", "4611686018427387904",
            "intermediate_size: expected a whole number");
    refuses("num_hidden_layers", "1024", "weights: expected ");
    refuses("num_hidden_layers", "1025", "layers: expected at most 1024, found 1025");
    refuses("head_dim", "1000000000", "rotary size: expected an even number up to 1024");
    refuses("head_dim", "3", "rotary size: expected an even number up to 3, found 3");
    refuses("hidden_size", "1073741824", "expected shape ");
    refuses("vocab_size", "1000000000", "expected shape ");
    refuses("hidden_size", "0", "expected sizes above 0");
    refuses("hidden_size", "-4", "expected a whole number");
    refuses("hidden_size", "4.5", "expected a whole number");
    refuses("hidden_size", "\"4\"", "expected a number");
    refuses("num_attention_heads", "1073741824", "weights: expected ");
    refuses("num_key_value_heads", "3",
            "key/value heads: expected a divisor of 2 heads, found 3");
    refuses("num_key_value_heads", "0", "key/value heads: expected a divisor");
}

/* Sizes up to 2^30 each, whose product wraps around; rotary tables of 32768 positions, which no file pays for. */
static void products_do_not_wrap_around(void **state)
{
    (void)state;
    static rv_config config;
    const size_t huge = (size_t)1 << 30;
    rv_transformer *transformer;
    rv_error err;
    config = (rv_config){.vocabulary = 2,
                         .context = huge,
                         .layers = 2,
                         .width = 4,
                         .heads = huge,
                         .kv_heads = 1,
                         .head_size = huge,
                         .mlp_width = 4};
    assert_true(rv_config_parameters(&config) >= (size_t)1 << 48); // 2^64 and a little
    assert_int_equal(rv_transformer_new(&transformer, &config, NULL, &err), RV_ERR_FORMAT);
    assert_string_equal(err.message, "configuration: sizes too large to multiply");
    config.heads = 1;
    config.head_size = config.rotary_size = 100000;
    assert_int_equal(rv_transformer_new(&transformer, &config, NULL, &err), RV_ERR_FORMAT);
    assert_string_equal(err.message,
                        "rotary size: expected an even number up to 1024, found 100000");
    assert_null(transformer);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    refuses("model_type", "\"perceptron\"", "found \"perceptron\"");
    refuses("model_type", "\"\\u001b[2J\\u009b\\n\"", "found \"?[2J??\"");
    refuses("model_type", "3", "found \"(none)\"");
    refuses("model_type", "\"mixtral\"", "found \"mixtral\", which is most like llama");
    refuses("model_type", "\"gemma3n\"", "found \"gemma3n\", which is most like gemma3");
    refuses("hidden_act", "\"softmax\"", "found \"softmax\"");
    refuses("rope_scaling", "{\"rope_type\": \"proportional\"}", "found \"proportional\"");
    refuses("rope_scaling", "{\"rope_type\": \"yarn\"}",
            "rope_scaling.factor: expected a number, found none");
    refuses("rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 0}", "above 0, found 0");
}

/* What is asked for at most: a small multiple of what lies in the file, the rotary tables aside. */
static void a_model_is_as_large_as_its_file(void **state)
{
    (void)state;
    static rv_config config;
    model m;
    rv_error err;
    open_with(&m, "max_position_embeddings", "1073741824");
    assert_int_equal(rv_transformer_configure(&config, m.ck, &err), RV_OK);
    rv_checkpoint_plan plan;
    rv_checkpoint_plan_memory(&plan, m.ck);
    assert_int_equal(rv_config_parameters(&config), plan.parameters);
    assert_in_range(rv_config_bytes(&config), 4 * plan.parameters, 1 << 20);
    close_model(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_no_file_holds_are_refused),
        cmocka_unit_test(products_do_not_wrap_around),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(a_model_is_as_large_as_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
