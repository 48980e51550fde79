/* The grid: rows of small pictures, twice their size, on a grey ground. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "vision/gallery.h"
#include "vision/png.h"

enum { SCALE = 2, CELL = RV_IMAGE_SIDE * SCALE, GAP = 4, GROUND = 110, SHOWN_STARTS = 8 };

typedef struct canvas {
    unsigned char *pixels;
    size_t width;
} canvas;

static void put(canvas *c, size_t row, size_t left, const uint8_t *image)
{
    const size_t top = GAP + row * (CELL + GAP);
    for (size_t y = 0; y < CELL; y++)
        for (size_t x = 0; x < CELL; x++)
            c->pixels[(top + y) * c->width + left + x] =
                image[y / SCALE * RV_IMAGE_SIDE + x / SCALE];
}

rv_status rv_image_grid(rv_text *out, const rv_image_gallery *gallery, rv_error *err)
{
    const size_t starts = gallery->starts < SHOWN_STARTS ? gallery->starts : SHOWN_STARTS;
    const size_t pair = 2 * CELL + 3 * GAP; // a dream, its neighbour, a wider gap
    const size_t height = GAP + gallery->targets * (CELL + GAP);
    canvas c = {.width = GAP + RV_IMAGE_METHODS * pair + starts * (CELL + GAP)};
    RV_TRY(RV_NEW(c.pixels, height * c.width, err));
    memset(c.pixels, GROUND, height * c.width);
    for (size_t t = 0; t < gallery->targets; t++) {
        for (size_t m = 0; m < RV_IMAGE_METHODS; m++) {
            const rv_image_picture *d = rv_image_gallery_best(gallery, t, (rv_image_method)m);
            put(&c, t, GAP + m * pair, d->pixels);
            put(&c, t, GAP + m * pair + CELL, d->neighbour_pixels);
        }
        for (size_t s = 0; s < starts; s++)
            put(&c, t, GAP + RV_IMAGE_METHODS * pair + s * (CELL + GAP),
                rv_image_gallery_at(gallery, t, RV_IMAGE_LATENT, s)->pixels);
    }
    rv_status status = rv_png_encode(out, c.pixels, height, c.width, err);
    free(c.pixels);
    return status;
}
