/* IDX files, plain or gzip: the whole input as one, and as a pair of images and labels, the length of the first in four
 * bytes before them. A pair that is accepted is written and read again as the same. */
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "vision/idx.h"

static char folder[FUZZ_PATH];
static const char *const parts[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "again-images-idx3-ubyte.gz", "again-labels-idx1-ubyte.gz"};
enum { PARTS = sizeof parts / sizeof parts[0] };

static const char *part_path(size_t part)
{
    static char path[2 * FUZZ_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, parts[part]);
    return path;
}

static void read_one(const uint8_t *data, size_t size)
{
    fuzz_write(part_path(0), data, size);
    for (size_t rank = 1; rank <= RV_IDX_MAX_RANK; rank++) {
        rv_idx idx;
        rv_error err = {.message = ""};
        rv_status status = rv_idx_read(&idx, part_path(0), rank, &err);
        FUZZ_REQUIRE(status == RV_OK ? idx.rank == rank : !idx.elements && err.message[0]);
        size_t count = status == RV_OK;
        for (size_t i = 0; i < idx.rank; i++) count *= idx.shape[i];
        unsigned char sum = 0;
        for (size_t i = 0; status == RV_OK && i < count; i++) sum ^= idx.elements[i];
        volatile unsigned char touched = sum; // so that the reads are not optimised away
        (void)touched;
        rv_idx_release(&idx);
    }
}

static void read_pair(const uint8_t *data, size_t size)
{
    if (size < 4) return;
    size_t first = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
    if (first > size - 4) first = size - 4;
    fuzz_write(part_path(0), data + 4, first);
    fuzz_write(part_path(1), data + 4 + first, size - 4 - first);
    rv_images images, again;
    rv_error err = {.message = ""};
    if (rv_images_read(&images, folder, "train", &err) != RV_OK) {
        FUZZ_REQUIRE(!images.pixels && !images.labels && err.message[0]);
        return;
    }
    FUZZ_REQUIRE(rv_images_write(&images, folder, "again", &err) == RV_OK);
    FUZZ_REQUIRE(rv_images_read(&again, folder, "again", &err) == RV_OK);
    FUZZ_REQUIRE(images.count == again.count);
    FUZZ_REQUIRE(memcmp(images.pixels, again.pixels, images.count * RV_IMAGE_PIXELS) == 0);
    FUZZ_REQUIRE(memcmp(images.labels, again.labels, images.count) == 0);
    rv_images_release(&images);
    rv_images_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_path(folder, "idx");
    FUZZ_REQUIRE(mkdir(folder, 0700) == 0);
    read_one(data, size);
    read_pair(data, size);
    for (size_t i = 0; i < PARTS; i++) unlink(part_path(i));
    FUZZ_REQUIRE(rmdir(folder) == 0);
    return 0;
}
