#include "vision/idx.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"

enum { UNSIGNED_BYTE = 0x08 };

static rv_status fail_zlib(rv_error *err, const char *path, gzFile file)
{
    int code;
    const char *text = gzerror(file, &code);
    if (code == Z_ERRNO) return rv_fail(err, RV_ERR_IO, "%s: cannot read", path);
    return rv_fail(err, RV_ERR_FORMAT, "%s: damaged gzip data (%s)", path, text);
}

/* Reads exactly length bytes, of which the caller says what they are. */
static rv_status read_exactly(gzFile file, void *out, size_t length, const char *what,
                              const char *path, rv_error *err)
{
    size_t got = 0;
    while (got < length) {
        size_t left = length - got;
        int n = gzread(file, (char *)out + got, left < INT_MAX ? (unsigned)left : INT_MAX);
        if (n < 0) return fail_zlib(err, path, file);
        if (n == 0) break;
        got += (size_t)n;
    }
    int code;
    gzerror(file, &code);
    if (code == Z_BUF_ERROR || got < length)
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %zu bytes, found %zu%s", path,
                       what, length, got, code == Z_BUF_ERROR ? " (truncated gzip data)" : "");
    return RV_OK;
}

static rv_status read_header(rv_idx *out, size_t *elements, gzFile file, const char *path,
                             size_t rank, rv_error *err)
{
    unsigned char magic[4], sizes[4 * RV_IDX_MAX_RANK];
    RV_TRY(read_exactly(file, magic, sizeof magic, "magic", path, err));
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != UNSIGNED_BYTE || magic[3] != rank)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: magic: expected 0000%02x%02zx (IDX, bytes, rank %zu), found "
                       "%02x%02x%02x%02x",
                       path, UNSIGNED_BYTE, rank, rank, magic[0], magic[1], magic[2], magic[3]);
    RV_TRY(read_exactly(file, sizes, 4 * rank, "sizes", path, err));
    out->rank = rank;
    *elements = 1;
    for (size_t i = 0; i < rank; i++) {
        const unsigned char *b = sizes + 4 * i;
        out->shape[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (rv_mul_overflows(*elements, out->shape[i], elements))
            return rv_fail(err, RV_ERR_FORMAT, "%s: sizes: their product overflows", path);
    }
    return RV_OK;
}

/* Grows as data arrive: a header that lies about its sizes costs no memory. */
static rv_status read_elements(rv_idx *out, size_t elements, gzFile file, const char *path,
                               rv_error *err)
{
    enum { PIECE = 1 << 22 };
    size_t capacity = 0, got = 0;
    void *bytes = NULL;
    rv_status status = RV_OK;
    do {
        size_t piece = elements - got < PIECE ? elements - got : PIECE;
        RV_GOTO(rv_grow(&bytes, &capacity, got + piece, 1, err));
        int n = gzread(file, (char *)bytes + got, (unsigned)piece);
        if (n < 0) RV_GOTO(fail_zlib(err, path, file));
        got += (size_t)n;
        if ((size_t)n < piece) break;
    } while (got < elements);
    // One byte more must not be there; asking for it also makes zlib check the checksum.
    unsigned char beyond;
    int more = got == elements ? gzread(file, &beyond, 1) : 0, code;
    gzerror(file, &code);
    if (more < 0 && code != Z_BUF_ERROR) RV_GOTO(fail_zlib(err, path, file));
    if (more > 0 || got < elements || code == Z_BUF_ERROR)
        RV_GOTO(rv_fail(err, RV_ERR_FORMAT,
                        "%s: elements: the sizes promise %zu, found %s%zu%s", path, elements,
                        more > 0 ? "more than " : "", got,
                        code == Z_BUF_ERROR ? " (truncated gzip data)" : ""));
    out->elements = bytes;
    bytes = NULL;
done:
    free(bytes);
    return status;
}

rv_status rv_idx_read(rv_idx *out, const char *path, size_t rank, rv_error *err)
{
    *out = (rv_idx){0};
    if (rank < 1 || rank > RV_IDX_MAX_RANK)
        return rv_fail(err, RV_ERR_USAGE, "IDX rank: expected 1 to %d, found %zu",
                       RV_IDX_MAX_RANK, rank);
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file && errno == ENOMEM) return rv_fail_memory(err, 0);
    if (!file)
        return rv_fail(err, rv_file_exists(path) ? RV_ERR_IO : RV_ERR_NOT_FOUND,
                       "%s: cannot open", path);
    size_t elements;
    rv_status status = read_header(out, &elements, file, path, rank, err);
    if (status == RV_OK) status = read_elements(out, elements, file, path, err);
    gzclose(file);
    return status;
}

void rv_idx_release(rv_idx *idx)
{
    free(idx->elements);
    *idx = (rv_idx){0};
}

/* Finds FOLDER/PART-KIND or the same with ".gz" and reads it. */
static rv_status read_part(rv_idx *out, char *path, size_t room, const char *folder,
                           const char *part, const char *kind, size_t rank, rv_error *err)
{
    *out = (rv_idx){0};
    int length = snprintf(path, room, "%s/%s-%s", folder, part, kind);
    if (length < 0 || (size_t)length + sizeof ".gz" > room)
        return rv_fail(err, RV_ERR_USAGE, "%.200s...: path is too long", folder);
    if (!rv_file_exists(path)) strcat(path, ".gz");
    if (!rv_file_exists(path))
        return rv_fail(err, RV_ERR_NOT_FOUND, "%s: expected %s-%s or %s-%s.gz there", folder,
                       part, kind, part, kind);
    return rv_idx_read(out, path, rank, err);
}

rv_status rv_images_read(rv_images *out, const char *folder, const char *part, rv_error *err)
{
    *out = (rv_images){0};
    char image_path[PATH_MAX], label_path[PATH_MAX];
    rv_idx images = {0}, labels = {0};
    rv_status status;
    RV_GOTO(read_part(&images, image_path, sizeof image_path, folder, part, "images-idx3-ubyte",
                      3, err));
    RV_GOTO(read_part(&labels, label_path, sizeof label_path, folder, part, "labels-idx1-ubyte",
                      1, err));
    if (images.shape[1] != RV_IMAGE_SIDE || images.shape[2] != RV_IMAGE_SIDE)
        RV_GOTO(rv_fail(err, RV_ERR_UNSUPPORTED,
                        "%s: size: expected images of %d x %d, found "
                        "%zu x %zu",
                        image_path, RV_IMAGE_SIDE, RV_IMAGE_SIDE, images.shape[1],
                        images.shape[2]));
    if (images.shape[0] == 0)
        RV_GOTO(rv_fail(err, RV_ERR_FORMAT, "%s: holds no images", image_path));
    if (images.shape[0] != labels.shape[0])
        RV_GOTO(rv_fail(err, RV_ERR_FORMAT,
                        "%s: labels: expected %zu, as many as %s has images, "
                        "found %zu",
                        label_path, images.shape[0], image_path, labels.shape[0]));
    for (size_t i = 0; i < labels.shape[0]; i++)
        if (labels.elements[i] >= RV_IMAGE_CLASSES)
            RV_GOTO(rv_fail(err, RV_ERR_FORMAT, "%s: label %zu: expected 0 to %d, found %d",
                            label_path, i, RV_IMAGE_CLASSES - 1, labels.elements[i]));
    *out = (rv_images){images.shape[0], images.elements, labels.elements};
    images.elements = labels.elements = NULL;
done:
    rv_idx_release(&images);
    rv_idx_release(&labels);
    return status;
}

void rv_images_release(rv_images *images)
{
    free(images->pixels);
    free(images->labels);
    *images = (rv_images){0};
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The header and elements, gzipped in memory: no name and no date, so that the same images give the
 * same file. */
static rv_status write_part(const char *path, const size_t *shape, size_t rank,
                            const unsigned char *elements, rv_error *err)
{
    unsigned char header[4 + 4 * RV_IDX_MAX_RANK] = {0, 0, UNSIGNED_BYTE, (unsigned char)rank};
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        for (size_t b = 0; b < 4; b++)
            header[4 + 4 * i + b] = (unsigned char)(shape[i] >> (24 - 8 * b));
        count *= shape[i];
    }
    const size_t length = 4 + 4 * rank;
    z_stream z = {.avail_in = 0};
    enum { GZIP = 15 + 16 };
    if (count + length > UINT32_MAX / 2 ||
        deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return rv_fail_memory(err, count);
    size_t room = deflateBound(&z, count + length);
    unsigned char *packed = malloc(room);
    rv_status status = packed ? RV_OK : rv_fail_memory(err, room);
    if (packed) {
        z.next_out = packed;
        z.avail_out = (uInt)room;
        z.next_in = header;
        z.avail_in = (uInt)length;
        deflate(&z, Z_NO_FLUSH);
        z.next_in = (unsigned char *)elements;
        z.avail_in = (uInt)count;
        int code = deflate(&z, Z_FINISH);
        status = code == Z_STREAM_END ? rv_write_file(path, packed, z.total_out, err)
                                      : rv_fail(err, RV_ERR_IO, "%s: cannot be packed", path);
    }
    deflateEnd(&z);
    free(packed);
    return status;
}

rv_status rv_images_write(const rv_images *images, const char *folder, const char *part,
                          rv_error *err)
{
    char path[PATH_MAX];
    const size_t shape[3] = {images->count, RV_IMAGE_SIDE, RV_IMAGE_SIDE};
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte.gz", folder, part);
    RV_TRY(write_part(path, shape, 3, images->pixels, err));
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte.gz", folder, part);
    return write_part(path, shape, 1, images->labels, err);
}
