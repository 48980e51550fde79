/* Written files read back; narrow numbers as numpy (F16) and PyTorch (BF16) round them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "checkpoint/checkpoint.h"

static char path[64];

static int make_path(void **state)
{
    (void)state;
    strcpy(path, "/tmp/reverie-weights-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static const struct {
    float number;
    uint16_t f16, bf16;
} rounded[] = {
    {0.0f, 0x0000, 0x0000},
    {-0.0f, 0x8000, 0x8000},
    {1.0f, 0x3c00, 0x3f80},
    {-2.0f, 0xc000, 0xc000},
    {0.3333333432674408f, 0x3555, 0x3eab},
    {0.10000000149011612f, 0x2e66, 0x3dcd},
    {65504.0f, 0x7bff, 0x4780},
    {-65504.0f, 0xfbff, 0xc780},
    {6.103515625e-05f, 0x0400, 0x3880},
    {6.097555160522461e-05f, 0x03ff, 0x3880},
    {5.960464477539063e-08f, 0x0001, 0x3380},
    {2.9802322387695312e-08f, 0x0000, 0x3300},
    {2.980232594040899e-08f, 0x0001, 0x3300},
    {8.940696716308594e-08f, 0x0002, 0x33c0},
    {1.00048828125f, 0x3c00, 0x3f80},
    {1.00146484375f, 0x3c02, 0x3f80},
    {3.1415927410125732f, 0x4248, 0x4049},
    {0.0010000000474974513f, 0x1419, 0x3a83},
    {12345.677734375f, 0x7207, 0x4641},
    {2049.0f, 0x6800, 0x4500},
    {2051.0f, 0x6802, 0x4500},
};
enum { ROUNDED = sizeof rounded / sizeof *rounded };

static void numbers_are_rounded_as_by_numpy_and_torch(void **state)
{
    (void)state;
    real numbers[ROUNDED], back[ROUNDED];
    for (size_t i = 0; i < ROUNDED; i++) numbers[i] = rounded[i].number;
    const rv_tensor_source tensor = {"x", numbers, 1, {ROUNDED}};
    const rv_dtype types[] = {RV_F32, RV_F16, RV_BF16};
    for (size_t k = 0; k < 3; k++) {
        rv_error err;
        rv_checkpoint *ck;
        assert_int_equal(rv_safetensors_write(path, &tensor, 1, types[k], NULL, &err), RV_OK);
        assert_int_equal(rv_checkpoint_open(&ck, path, &err), RV_OK);
        const rv_tensor *t = rv_checkpoint_find(ck, "x");
        assert_non_null(t);
        assert_int_equal(t->dtype, types[k]);
        assert_int_equal(rv_tensor_read(t, back, &err), RV_OK);
        for (size_t i = 0; i < ROUNDED; i++) {
            uint16_t bits = (uint16_t)(t->bytes[2 * i] | t->bytes[2 * i + 1] << 8);
            if (k == 0) assert_memory_equal(&back[i], &numbers[i], sizeof back[i]);
            if (k == 1) assert_int_equal(bits, rounded[i].f16);
            if (k == 2) assert_int_equal(bits, rounded[i].bf16);
        }
        assert_null(rv_checkpoint_metadata(ck));
        rv_checkpoint_close(ck);
    }
}

static void shapes_and_metadata_come_back(void **state)
{
    (void)state;
    const real a[6] = {1, 2, 3, 4, 5, 6}, b[1] = {7};
    const rv_tensor_source tensors[] = {{"first.weight", a, 2, {3, 2}}, {"b", b, 0, {0}}};
    json_t *metadata = json_pack("{s:s}", "architecture", "28x28x1 dense10 \"quoted\"");
    rv_error err;
    assert_int_equal(rv_safetensors_write(path, tensors, 2, RV_F16, metadata, &err), RV_OK);
    rv_checkpoint *ck;
    assert_int_equal(rv_checkpoint_open(&ck, path, &err), RV_OK);
    assert_int_equal(rv_checkpoint_count(ck), 2);
    assert_true(json_equal(rv_checkpoint_metadata(ck), metadata));
    const rv_tensor *t = rv_checkpoint_find(ck, "first.weight");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 3);
    real back[6];
    assert_int_equal(rv_tensor_read(t, back, &err), RV_OK);
    assert_memory_equal(back, a, sizeof a);
    assert_int_equal(rv_checkpoint_find(ck, "b")->rank, 0);
    rv_checkpoint_close(ck);
    json_decref(metadata);
}

static void what_cannot_be_held_or_stored_is_refused(void **state)
{
    (void)state;
    const real a[2] = {1, 70000}, b[1] = {NAN};
    rv_tensor_source tensor = {"x", a, 1, {2}};
    rv_error err;
    assert_int_equal(rv_safetensors_write(path, &tensor, 1, RV_F16, NULL, &err),
                     RV_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "tensor 'x', number 1"));
    assert_int_equal(rv_safetensors_write(path, &tensor, 1, RV_BF16, NULL, &err), RV_OK);
    tensor = (rv_tensor_source){"x", b, 1, {1}};
    assert_int_equal(rv_safetensors_write(path, &tensor, 1, RV_F32, NULL, &err),
                     RV_ERR_NUMERIC);
    tensor = (rv_tensor_source){"x", a, 1, {2}};
    assert_int_equal(rv_safetensors_write("/dev/full", &tensor, 1, RV_F32, NULL, &err),
                     RV_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_rounded_as_by_numpy_and_torch),
        cmocka_unit_test(shapes_and_metadata_come_back),
        cmocka_unit_test(what_cannot_be_held_or_stored_is_refused),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
