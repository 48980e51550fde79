#include "explain/gzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"

enum { GZIP = 16, WINDOW = 15, PIECE = 1 << 16 };

rv_status rv_gzip_write(const char *path, const char *bytes, size_t length, rv_error *err)
{
    z_stream z = {0};
    if (length > (uInt)-1)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "%s: %zu bytes are too many for one file", path,
                       length);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW + GZIP, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return rv_fail_memory(err, length);
    uLong room = deflateBound(&z, (uLong)length);
    unsigned char *packed = malloc(room);
    rv_status status = packed ? RV_OK : rv_fail_memory(err, room);
    if (packed) {
        z.next_in = (unsigned char *)bytes;
        z.avail_in = (uInt)length;
        z.next_out = packed;
        z.avail_out = (uInt)room;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
            status = rv_write_file(path, packed, room - z.avail_out, err);
        else
            status = rv_fail(err, RV_ERR_IO, "%s: cannot compress", path);
    }
    deflateEnd(&z);
    free(packed);
    return status;
}

rv_status rv_gzip_read(rv_text *out, const char *path, size_t limit, rv_error *err)
{
    rv_mapping file;
    unsigned char piece[PIECE];
    z_stream z = {0};
    size_t before = out->length;
    RV_TRY(rv_map_file(&file, path, err));
    if (file.length > (uInt)-1 || inflateInit2(&z, WINDOW + GZIP) != Z_OK) {
        rv_unmap(&file);
        return rv_fail(err, RV_ERR_FORMAT, "%s: cannot start to decompress %zu bytes", path,
                       file.length);
    }
    z.next_in = (unsigned char *)file.bytes;
    z.avail_in = (uInt)file.length;
    rv_status status = RV_OK;
    int code = Z_OK;
    while (status == RV_OK && !(code == Z_STREAM_END && z.avail_in == 0)) {
        if (code == Z_STREAM_END) inflateReset(&z); // another member follows
        z.next_out = piece;
        z.avail_out = PIECE;
        code = inflate(&z, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END)
            status = rv_fail(err, RV_ERR_FORMAT, "%s: expected a whole gzip file: %s", path,
                             z.msg ? z.msg : "it ends too early");
        rv_text_append(out, piece, PIECE - z.avail_out);
        if (out->length - before > limit)
            status = rv_fail(err, RV_ERR_FORMAT, "%s: expected at most %zu bytes inside", path,
                             limit);
    }
    inflateEnd(&z);
    rv_unmap(&file);
    return status == RV_OK && out->failed ? rv_fail_memory(err, out->length) : status;
}
