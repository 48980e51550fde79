/* IDX files, the format of MNIST: two zero bytes, an element type (only 0x08, unsigned byte, is
 * read), the rank, the sizes as big-endian 32-bit numbers, the elements. Plain or gzip.
 *
 *     rv_images train;
 *     RV_TRY(rv_images_read(&train, "mnist", "train", err));
 *     ... train.pixels[i * train.height * train.width], train.labels[i] ...
 *     rv_images_release(&train);                                                            */
#ifndef RV_VISION_IDX_H
#define RV_VISION_IDX_H

#include <stdint.h>

#include "base/error.h"
#include "reverie/image.h"

enum { RV_IDX_MAX_RANK = 3 };

typedef struct rv_idx {
    size_t rank, shape[RV_IDX_MAX_RANK];
    unsigned char *elements; /* product of shape bytes, owned */
} rv_idx;

/* Reads an IDX file of bytes, of the rank asked for. */
rv_status rv_idx_read(rv_idx *out, const char *path, size_t rank, rv_error *err);
void rv_idx_release(rv_idx *idx);

/* Grey images of 28 x 28 with a label below 10 each. */
typedef struct rv_images {
    size_t count;
    unsigned char *pixels; /* (count, 28, 28), 0 black */
    unsigned char *labels; /* (count) */
} rv_images;

/* Reads FOLDER/PART-images-idx3-ubyte and FOLDER/PART-labels-idx1-ubyte, each plain or with
 * ".gz"; part is "train" or "t10k". */
rv_status rv_images_read(rv_images *out, const char *folder, const char *part, rv_error *err);
void rv_images_release(rv_images *images);

/* Writes both files, gzipped, into a folder that exists. */
rv_status rv_images_write(const rv_images *images, const char *folder, const char *part,
                          rv_error *err);

#endif
