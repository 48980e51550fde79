/* Checkpoints that are what they claim to be: values against the `gguf` package
 * (tools/make_golden_quants.py), and every format's own features. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

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
    assert_int_equal(rv_checkpoint_count(ck), 13);
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++) {
        const rv_tensor *t = rv_checkpoint_at(ck, i);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantised_values_are_the_gguf_packages_to_the_last_bit),
        cmocka_unit_test(rows_can_be_read_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
