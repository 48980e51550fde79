/* Checkpoints that are what they claim to be: values against the `gguf` package
 * (tools/make_golden_quants.py), and every format's own features. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"

#define FIXTURES "tests/fixtures/checkpoint/"

static rv_checkpoint *open_ok(const char *path)
{
    rv_checkpoint *ck;
    rv_error err = {.message = ""};
    if (rv_checkpoint_open(&ck, path, &err) != RV_OK) fail_msg("%s", err.message);
    return ck;
}

static void quantised_values_are_the_gguf_packages_to_the_last_bit(void **state)
{
    (void)state;
    rv_checkpoint *ck = open_ok(FIXTURES "quants.gguf");
    char *expected;
    size_t length, done = 0;
    rv_error err;
    assert_int_equal(rv_read_file(&expected, &length, FIXTURES "quants.f32", 1 << 20, &err), 0);
    assert_int_equal(rv_checkpoint_count(ck), 18);
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++) {
        const rv_tensor *t = rv_checkpoint_at(ck, i);
        const rv_dtype_info *info = rv_dtype_describe(t->dtype);
        assert_string_equal(info->name, t->type_name);
        assert_int_equal(t->length, t->elements / info->block_elements * info->block_bytes);
        real *values = rv_alloc(t->elements, sizeof *values);
        assert_int_equal(rv_tensor_read(t, values, &err), RV_OK);
        assert_in_range(done + t->elements * 4, 0, length);
        for (size_t j = 0; j < t->elements; j++) {
            if (memcmp(&values[j], expected + done + 4 * j, 4) == 0) continue;
            float want;
            memcpy(&want, expected + done + 4 * j, 4);
            fail_msg("%s[%zu]: expected %.9g, found %.9g", t->name, j, want, values[j]);
        }
        done += t->elements * 4;
        free(values);
    }
    assert_int_equal(done, length);
    free(expected);
    rv_checkpoint_close(ck);
}

static void rows_can_be_read_one_by_one(void **state)
{
    (void)state;
    rv_checkpoint *ck = open_ok(FIXTURES "quants.gguf");
    rv_error err;
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++) {
        const rv_tensor *t = rv_checkpoint_at(ck, i);
        real all[3 * 512], row[512];
        assert_int_equal(t->rank, 2);
        assert_int_equal(t->shape[1], 512);
        assert_int_equal(rv_tensor_read(t, all, &err), RV_OK);
        for (size_t r = 0; r < 3; r++) {
            assert_int_equal(rv_tensor_read_rows(t, r, 1, row, &err), RV_OK);
            assert_memory_equal(row, all + 512 * r, sizeof row);
        }
        assert_int_equal(rv_tensor_read_rows(t, 3, 0, row, &err), RV_OK);
        assert_int_equal(rv_tensor_read_rows(t, 3, 1, row, &err), RV_ERR_USAGE);
        assert_int_equal(rv_tensor_read_rows(t, SIZE_MAX, 2, row, &err), RV_ERR_USAGE);
    }
    rv_checkpoint_close(ck);
}

static void plain_types_are_read_from_safetensors(void **state)
{
    (void)state;
    static const char *const names[] = {"bfloat16", "empty", "float16", "float32",
                                        "float64",  "rank5", "scalar"};
    static const char *const others[] = {"bool",  "float8", "int16", "int32",
                                         "int64", "int8",   "uint8"};
    rv_checkpoint *ck = open_ok(FIXTURES "types.safetensors");
    char *expected;
    size_t length, done = 0;
    rv_error err;
    assert_int_equal(rv_checkpoint_format(ck), RV_FORMAT_SAFETENSORS);
    assert_null(rv_checkpoint_config(ck));
    assert_int_equal(rv_read_file(&expected, &length, FIXTURES "types.f32", 1 << 20, &err), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const rv_tensor *t = rv_checkpoint_find(ck, names[i]);
        float values[64] = {0};
        assert_non_null(t);
        assert_int_equal(rv_tensor_read(t, values, &err), RV_OK);
        assert_in_range(done + t->elements * 4, 0, length);
        assert_memory_equal(values, expected + done, t->elements * 4);
        done += t->elements * 4;
    }
    assert_int_equal(done, length);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const rv_tensor *t = rv_checkpoint_find(ck, others[i]);
        float value;
        assert_non_null(t);
        assert_int_equal(rv_tensor_read_rows(t, 0, 1, &value, &err), RV_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, t->type_name));
    }
    const rv_tensor *t = rv_checkpoint_find(ck, "rank5");
    assert_int_equal(t->rank, 5);
    assert_int_equal(t->shape[2], 3);
    assert_int_equal(rv_checkpoint_find(ck, "empty")->elements, 0);
    assert_null(rv_checkpoint_find(ck, "absent"));
    free(expected);
    rv_checkpoint_close(ck);
}

static void shards_make_one_checkpoint(void **state)
{
    (void)state;
    rv_checkpoint *ck = open_ok(FIXTURES "sharded");
    rv_error err;
    char name[32], hash[65];
    assert_int_equal(rv_checkpoint_count(ck), 5);
    for (int i = 0; i < 5; i++) {
        float values[32];
        snprintf(name, sizeof name, "layer.%d.weight", i);
        const rv_tensor *t = rv_checkpoint_find(ck, name);
        assert_non_null(t);
        assert_int_equal(rv_tensor_read(t, values, &err), RV_OK);
        for (int j = 0; j < 32; j++) assert_float_equal(values[j], i, 0);
    }
    assert_int_equal(
        json_integer_value(json_object_get(rv_checkpoint_config(ck), "hidden_size")), 8);
    // cat tests/fixtures/checkpoint/sharded/*.safetensors | sha256sum
    assert_int_equal(rv_checkpoint_hash(ck, hash, &err), RV_OK);
    assert_string_equal(hash,
                        "039b0ce4b3fa39e2fbb7f0e5c64aab9327c5ed5edc4ed5d79abddff6506a922f");
    assert_int_equal(rv_checkpoint_bytes(ck), 1120);
    rv_checkpoint_close(ck);
}

static void check_number(const rv_checkpoint *ck, const char *key, double expected)
{
    double number;
    int64_t integer;
    assert_true(rv_meta_number(ck, key, &number));
    assert_true(number == expected);
    bool whole = strcmp(key, "test.f32") != 0 && strcmp(key, "test.f64") != 0;
    bool fits = expected < 9e18;
    assert_int_equal(rv_meta_integer(ck, key, &integer), whole && fits);
    if (whole && fits) assert_true(integer == (int64_t)expected);
}

static void metadata_scalars_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"test.u8", 200},       {"test.i8", -100},        {"test.u16", 60000},
        {"test.i16", -30000},   {"test.u32", 4000000000}, {"test.i32", -2000000000},
        {"test.u64", 0x1.8p63}, {"test.i64", -0x1p60},    {"test.f32", 0.5},
        {"test.f64", 0.1},
    };
    rv_checkpoint *ck = open_ok(FIXTURES "quants.gguf");
    const char *text;
    size_t length;
    bool truth = false;
    double number;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        check_number(ck, numbers[i].key, numbers[i].value);
    assert_true(rv_meta_bool(ck, "test.bool", &truth) && truth);
    assert_true(rv_meta_string(ck, "test.string", &text, &length));
    assert_int_equal(length, 9);
    assert_memory_equal(text, "dream \xe2\x98\x83", 9);
    assert_true(rv_meta_string(ck, "general.architecture", &text, &length));
    assert_memory_equal(text, "test", length);
    assert_false(rv_meta_string(ck, "test.u8", &text, &length));
    assert_false(rv_meta_bool(ck, "test.u8", &truth));
    assert_false(rv_meta_number(ck, "test.string", &number));
    assert_false(rv_meta_number(ck, "test.absent", &number));
    rv_checkpoint_close(ck);
}

static void metadata_arrays_are_read_element_by_element(void **state)
{
    (void)state;
    rv_checkpoint *ck = open_ok(FIXTURES "quants.gguf");
    const char *text;
    size_t length, count;
    double number;
    assert_true(rv_meta_array(ck, "test.strings", &count));
    assert_int_equal(count, 4);
    assert_true(rv_meta_array_string(ck, "test.strings", 2, &text, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(text, "b\0c", 3);
    assert_true(rv_meta_array_string(ck, "test.strings", 3, &text, &length));
    assert_memory_equal(text, "\xe6\xbc\xa2", length);
    assert_false(rv_meta_array_string(ck, "test.strings", 4, &text, &length));
    assert_true(rv_meta_array_number(ck, "test.integers", 1, &number) && number == -1);
    assert_true(rv_meta_array_number(ck, "test.floats", 1, &number) && number == -8);
    assert_true(rv_meta_array_number(ck, "test.bools", 1, &number) && number == 0);
    assert_true(rv_meta_array(ck, "test.nested", &count) && count == 2);
    assert_false(rv_meta_array_number(ck, "test.nested", 0, &number));
    assert_false(rv_meta_array_number(ck, "test.integers", 3, &number));
    assert_false(rv_meta_array_string(ck, "test.integers", 0, &text, &length));
    rv_checkpoint_close(ck);
}

static void the_plan_adds_up(void **state)
{
    (void)state;
    rv_checkpoint *ck = open_ok(FIXTURES "quants.gguf");
    rv_checkpoint_plan plan;
    rv_checkpoint_plan_memory(&plan, ck);
    assert_int_equal(plan.parameters, 18 * 3 * 512);
    assert_int_equal(plan.tensors[RV_Q4_K], 1);
    assert_int_equal(plan.elements[RV_Q4_K], 3 * 512);
    assert_int_equal(plan.bytes[RV_Q4_K], 3 * 2 * 144);
    assert_int_equal(plan.float32_bytes, plan.parameters * 4);
    assert_int_equal(plan.bfloat16_bytes, plan.parameters * 2);
    assert_int_equal(plan.file_bytes, rv_checkpoint_bytes(ck));
    rv_checkpoint_close(ck);

    ck = open_ok(FIXTURES "types.safetensors");
    rv_checkpoint_plan_memory(&plan, ck);
    assert_int_equal(plan.tensors[RV_OTHER], 7);
    assert_int_equal(plan.elements[RV_OTHER], 7 * 35);
    assert_int_equal(plan.parameters, 4 * 35 + 12 + 1);
    rv_checkpoint_close(ck);
}

static void forgotten_pages_come_back(void **state)
{
    (void)state;
    rv_checkpoint *ck = open_ok(FIXTURES "quants.gguf");
    const rv_tensor *t = rv_checkpoint_find(ck, "q6_k");
    real before[3 * 512], after[3 * 512];
    rv_error err;
    assert_int_equal(rv_tensor_read(t, before, &err), RV_OK);
    rv_checkpoint_forget(ck);
    assert_int_equal(rv_tensor_read(t, after, &err), RV_OK);
    assert_memory_equal(before, after, sizeof before);
    rv_checkpoint_close(ck);
}

/* The header and the length of Andrej Karpathy's stories260K, its numbers all 0: dim 64, 5 layers, 8 heads of
 * which 4 for keys, 512 tokens, and two tables of rotary angles that nobody reads. */
static void llama2c_gets_hugging_face_names(void **state)
{
    (void)state;
    const int32_t header[] = {64, 172, 5, 8, 4, 512, 512};
    const size_t layer = 64 + 2 * 64 * 64 + 2 * 64 * 32 + 64 + 3 * 64 * 172;
    char path[] = "/tmp/reverie-llama2c-XXXXXX.bin";
    int file = mkstemps(path, 4);
    assert_true(file >= 0);
    assert_int_equal(write(file, header, sizeof header), sizeof header);
    assert_int_equal(
        ftruncate(file, (off_t)(sizeof header + 4 * (512 * 64 + 5 * layer + 64 + 512 * 8))), 0);
    close(file);
    rv_checkpoint *ck = open_ok(path);
    const json_t *config = rv_checkpoint_config(ck);
    assert_int_equal(rv_checkpoint_format(ck), RV_FORMAT_LLAMA2C);
    assert_string_equal(json_string_value(json_object_get(config, "model_type")), "llama");
    assert_true(json_is_true(json_object_get(config, "rope_interleaved")));
    assert_true(json_is_true(json_object_get(config, "tie_word_embeddings")));
    assert_int_equal(json_integer_value(json_object_get(config, "num_key_value_heads")), 4);
    assert_int_equal(json_integer_value(json_object_get(config, "intermediate_size")), 172);
    assert_int_equal(rv_checkpoint_count(ck), 1 + 5 * 9 + 1);
    const rv_tensor *k = rv_checkpoint_find(ck, "model.layers.4.self_attn.k_proj.weight");
    assert_non_null(k);
    assert_int_equal(k->shape[0], 32);
    assert_int_equal(k->shape[1], 64);
    // 28 header bytes, embeddings, attention norms, wq of 5 layers, wk of 4
    const rv_tensor *e = rv_checkpoint_find(ck, "model.embed_tokens.weight");
    assert_int_equal(k->bytes - e->bytes, 4 * (512 * 64 + 5 * 64 + 5 * 64 * 64 + 4 * 32 * 64));
    assert_null(rv_checkpoint_find(ck, "lm_head.weight"));
    rv_checkpoint_close(ck);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantised_values_are_the_gguf_packages_to_the_last_bit),
        cmocka_unit_test(rows_can_be_read_one_by_one),
        cmocka_unit_test(plain_types_are_read_from_safetensors),
        cmocka_unit_test(shards_make_one_checkpoint),
        cmocka_unit_test(metadata_scalars_are_read),
        cmocka_unit_test(metadata_arrays_are_read_element_by_element),
        cmocka_unit_test(the_plan_adds_up),
        cmocka_unit_test(forgotten_pages_come_back),
        cmocka_unit_test(llama2c_gets_hugging_face_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
