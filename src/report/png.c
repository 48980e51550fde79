#include "report/png.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

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
    if (png_image_write_to_memory(&image, bytes, &room, 0, pixels, 0, NULL))
        rv_text_append(out, bytes, room);
    else
        status = rv_fail(err, RV_ERR_IO, "picture: %s", image.message);
    free(bytes);
    return status;
}
