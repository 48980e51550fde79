/* The grid: rows of small pictures, twice their size, on a grey ground. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "report/gallery.h"
#include "report/png.h"

enum { SCALE = 2, GAP = 4, GROUND = 110, SHOWN_STARTS = 8 };

typedef struct canvas {
    unsigned char *pixels;
    size_t width, side, cell; /* side: of a picture; cell: SCALE times that */
} canvas;

static void put(canvas *c, size_t row, size_t left, const char *base64)
{
    unsigned char image[RV_GALLERY_SIDE_MAX * RV_GALLERY_SIDE_MAX];
    const size_t top = GAP + row * (c->cell + GAP);
    if (!base64 || !rv_base64_decode(image, c->side * c->side, base64)) return;
    for (size_t y = 0; y < c->cell; y++)
        for (size_t x = 0; x < c->cell; x++)
            c->pixels[(top + y) * c->width + left + x] = image[y / SCALE * c->side + x / SCALE];
}

static void put_row(canvas *c, const rv_gallery *g, size_t row, const char *target)
{
    const size_t pair = 2 * c->cell + 3 * GAP; // a dream, its neighbour, a wider gap
    for (size_t m = 0; m < RV_GALLERY_METHODS; m++) {
        const rv_image_dream_record *d = rv_gallery_best(g, target, rv_gallery_methods[m]);
        if (!d) continue;
        put(c, row, GAP + m * pair, d->pixels);
        put(c, row, GAP + m * pair + c->cell, d->neighbour_pixels);
    }
    for (size_t i = 0, s = 0; i < g->dream_count && s < SHOWN_STARTS; i++) {
        const rv_image_dream_record *d = &g->dreams[i];
        if (strcmp(d->target, target) != 0 || strcmp(d->method, "latent") != 0) continue;
        put(c, row, GAP + RV_GALLERY_METHODS * pair + s++ * (c->cell + GAP), d->pixels);
    }
}

rv_status rv_put_gallery_grid(rv_text *out, const rv_gallery *g, rv_error *err)
{
    canvas c = {.side = g->about.side, .cell = g->about.side * SCALE};
    const size_t starts = g->about.starts < SHOWN_STARTS ? g->about.starts : SHOWN_STARTS;
    size_t targets = 0;
    for (size_t i = 0; i < g->dream_count; i++) targets += rv_gallery_new_target(g, i) != NULL;
    const size_t height = GAP + targets * (c.cell + GAP);
    c.width = GAP + RV_GALLERY_METHODS * (2 * c.cell + 3 * GAP) + starts * (c.cell + GAP);
    RV_TRY(RV_NEW(c.pixels, height * c.width, err));
    memset(c.pixels, GROUND, height * c.width);
    for (size_t i = 0, row = 0; i < g->dream_count; i++) {
        const char *target = rv_gallery_new_target(g, i);
        if (target) put_row(&c, g, row++, target);
    }
    rv_status status = rv_png_encode(out, c.pixels, height, c.width, err);
    free(c.pixels);
    return status;
}
