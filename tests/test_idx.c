#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "vision/idx.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/reverie-idx-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *const names[] = {"a",
                                 "a.gz",
                                 "train-images-idx3-ubyte",
                                 "train-images-idx3-ubyte.gz",
                                 "train-labels-idx1-ubyte",
                                 "train-labels-idx1-ubyte.gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(path_of(names[i]));
    return rmdir(folder);
}

static void put(const char *name, const void *bytes, size_t length)
{
    rv_error err;
    assert_int_equal(rv_write_file(path_of(name), bytes, length, &err), RV_OK);
}

static void put_gz(const char *name, const void *bytes, size_t length)
{
    gzFile file = gzopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)length), (int)length);
    assert_int_equal(gzclose(file), Z_OK);
}

/* Reading must fail with this status, and the message must hold these words. */
static void refuses(const char *name, size_t rank, rv_status status, const char *words)
{
    rv_idx idx;
    rv_error err = {0};
    assert_int_equal(rv_idx_read(&idx, path_of(name), rank, &err), status);
    assert_null(idx.elements);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
}

static const unsigned char matrix[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};

static void plain_and_gzip_read_the_same(void **state)
{
    (void)state;
    put("a", matrix, sizeof matrix);
    put_gz("a.gz", matrix, sizeof matrix);
    for (int gz = 0; gz < 2; gz++) {
        rv_idx idx;
        rv_error err;
        assert_int_equal(rv_idx_read(&idx, path_of(gz ? "a.gz" : "a"), 2, &err), RV_OK);
        assert_int_equal(idx.rank, 2);
        assert_int_equal(idx.shape[0], 2);
        assert_int_equal(idx.shape[1], 3);
        assert_memory_equal(idx.elements, matrix + 12, 6);
        rv_idx_release(&idx);
    }
}

static void damaged_files_are_refused_by_name(void **state)
{
    (void)state;
    unsigned char bytes[sizeof matrix + 1];
    refuses("absent", 2, RV_ERR_NOT_FOUND, "absent: cannot open");
    put("a", "", 0);
    refuses("a", 2, RV_ERR_FORMAT, "a: magic: expected 4 bytes, found 0");
    put("a", "PK\3\4 some other file", 20);
    refuses("a", 2, RV_ERR_FORMAT, "found 504b0304");
    put("a", matrix, sizeof matrix);
    refuses("a", 3, RV_ERR_FORMAT, "expected 00000803 (IDX, bytes, rank 3), found 00000802");
    put("a", matrix, 9);
    refuses("a", 2, RV_ERR_FORMAT, "sizes: expected 8 bytes, found 5");
    put("a", matrix, sizeof matrix - 1);
    refuses("a", 2, RV_ERR_FORMAT, "the sizes promise 6, found 5");
    memcpy(bytes, matrix, sizeof matrix);
    bytes[sizeof matrix] = 7;
    put("a", bytes, sizeof bytes);
    refuses("a", 2, RV_ERR_FORMAT, "the sizes promise 6, found more than 6");
    memset(bytes + 4, 0xff, 8);
    put("a", bytes, sizeof matrix); // promises 2^64 elements
    refuses("a", 2, RV_ERR_FORMAT, "found 6");
    bytes[2] = 0x0d; // floats
    put("a", bytes, sizeof matrix);
    refuses("a", 2, RV_ERR_FORMAT, "magic");
}

static void damaged_gzip_is_refused(void **state)
{
    (void)state;
    unsigned char big[12 + 100 * 100] = {0, 0, 8, 2, 0, 0, 0, 100, 0, 0, 0, 100};
    for (size_t i = 12; i < sizeof big; i++) big[i] = (unsigned char)(i * i >> 3);
    put_gz("a.gz", big, sizeof big);
    char *packed;
    size_t length;
    rv_error err;
    assert_int_equal(rv_read_file(&packed, &length, path_of("a.gz"), 1 << 20, &err), RV_OK);
    const size_t cuts[] = {length / 2, length - 9, length - 1};
    for (size_t i = 0; i < 3; i++) {
        put("a.gz", packed, cuts[i]);
        refuses("a.gz", 2, RV_ERR_FORMAT, "truncated gzip data");
    }
    packed[length - 6] ^= 1; // checksum
    put("a.gz", packed, length);
    refuses("a.gz", 2, RV_ERR_FORMAT, "damaged gzip data");
    free(packed);
}

/* A folder of `images` images of side x 28 and `labels` labels, all `label`. */
static void put_set(size_t images, size_t side, size_t labels, unsigned char label)
{
    unsigned char pixels[16 + 3 * 28 * 28] = {0, 0, 8, 3}, marks[8 + 3] = {0, 0, 8, 1};
    pixels[7] = (unsigned char)images, pixels[11] = (unsigned char)side, pixels[15] = 28;
    marks[7] = (unsigned char)labels;
    memset(marks + 8, label, 3);
    put_gz("train-images-idx3-ubyte.gz", pixels, 16 + images * side * 28);
    put("train-labels-idx1-ubyte", marks, 8 + labels);
}

static void refuses_set(rv_status status, const char *words)
{
    rv_images images;
    rv_error err = {0};
    assert_int_equal(rv_images_read(&images, folder, "train", &err), status);
    assert_null(images.pixels);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
}

static void sets_must_fit_together(void **state)
{
    (void)state;
    rv_images images;
    rv_error err;
    refuses_set(RV_ERR_NOT_FOUND, "expected train-images-idx3-ubyte or");
    put_set(3, 28, 3, 9);
    assert_int_equal(rv_images_read(&images, folder, "train", &err), RV_OK);
    assert_int_equal(images.count, 3);
    assert_int_equal(images.labels[2], 9);
    rv_images_release(&images);
    put_set(3, 28, 2, 9);
    refuses_set(RV_ERR_FORMAT, "labels: expected 3");
    put_set(3, 27, 3, 9);
    refuses_set(RV_ERR_UNSUPPORTED, "expected images of 28 x 28, found 27 x 28");
    put_set(3, 28, 3, 10);
    refuses_set(RV_ERR_FORMAT, "label 0: expected 0 to 9, found 10");
    put_set(0, 28, 0, 0);
    refuses_set(RV_ERR_FORMAT, "holds no images");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_and_gzip_read_the_same, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(damaged_files_are_refused_by_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(damaged_gzip_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(sets_must_fit_together, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
