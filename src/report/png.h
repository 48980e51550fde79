/* PNG pictures of grey pixels. */
#ifndef RV_REPORT_PNG_H
#define RV_REPORT_PNG_H

#include "base/error.h"
#include "base/text.h"

/* Appends a PNG file of pixels (height, width), 0 black to 255 white. */
rv_status rv_png_encode(rv_text *out, const unsigned char *pixels, size_t height, size_t width,
                        rv_error *err);

#endif
