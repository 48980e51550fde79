#include "report/png.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEAD = 8 + 25 }; /* signature and IHDR */

static void put_number(rv_text *out, uint32_t x)
{
    for (int shift = 24; shift >= 0; shift -= 8) rv_text_putc(out, (char)(x >> shift));
}

/* length, type, content, check of the last two (PNG 1.2, 3.2) */
static void put_chunk(rv_text *out, const char *type, const char *content, size_t length)
{
    uLong check = crc32(0, (const Bytef *)type, 4);
    put_number(out, (uint32_t)length);
    rv_text_append(out, type, 4);
    rv_text_append(out, content, length);
    put_number(out, (uint32_t)crc32(check, (const Bytef *)content, (uInt)length));
}

rv_status rv_png_encode(rv_text *out, const unsigned char *pixels, size_t height, size_t width,
                        rv_error *err)
{
    if (height == 0 || width == 0 || height > 65535 || width > 65535)
        return rv_fail(err, RV_ERR_USAGE,
                       "picture: expected a size of 1 to 65535, found %zu x %zu", height,
                       width);
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    image.format = PNG_FORMAT_GRAY;
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes = malloc(room);
    if (!bytes) return rv_fail_memory(err, room);
    rv_status status = RV_OK;
    if (png_image_write_to_memory(&image, bytes, &room, 0, pixels, 0, NULL)) {
        rv_text_append(out, bytes, HEAD);
        put_chunk(out, "tEXt", "Software\0Reverie", sizeof "Software\0Reverie" - 1);
        rv_text_append(out, (char *)bytes + HEAD, room - HEAD);
    } else
        status = rv_fail_memory(err, room); // to memory nothing else can fail
    free(bytes);
    return status;
}
