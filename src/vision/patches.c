/* 3 x 3 neighbourhoods, zero-padded by one pixel: what makes a convolution a matrix product. */
#include <string.h>

#include "vision/layers.h"

/* One row of a neighbourhood that lies inside the image is contiguous: pixels left .. right. */
typedef struct run {
    size_t pixel; /* of the image, the first inside */
    size_t slot;  /* of the row of three, where it goes */
    size_t count; /* pixels inside */
} run;

static run find_run(size_t centre, size_t width)
{
    run r = {.pixel = centre > 0 ? centre - 1 : 0, .slot = centre > 0 ? 0 : 1};
    size_t last = centre + 1 < width ? centre + 1 : width - 1;
    r.count = last - r.pixel + 1;
    return r;
}

void rv_patches_forward(real *patches, const real *image, rv_volume in, size_t stride)
{
    const size_t C = in.channels;
    for (size_t y = 0; y < in.height; y += stride)
        for (size_t x = 0; x < in.width; x += stride, patches += 9 * C) {
            run across = find_run(x, in.width), down = find_run(y, in.height);
            if (across.count * down.count < 9) memset(patches, 0, 9 * C * sizeof *patches);
            for (size_t i = 0; i < down.count; i++)
                memcpy(patches + ((down.slot + i) * 3 + across.slot) * C,
                       image + ((down.pixel + i) * in.width + across.pixel) * C,
                       across.count * C * sizeof *patches);
        }
}

void rv_patches_backward(real *dimage, const real *dpatches, rv_volume in, size_t stride)
{
    const size_t C = in.channels;
    for (size_t y = 0; y < in.height; y += stride)
        for (size_t x = 0; x < in.width; x += stride, dpatches += 9 * C) {
            run across = find_run(x, in.width), down = find_run(y, in.height);
            for (size_t i = 0; i < down.count; i++) {
                const real *from = dpatches + ((down.slot + i) * 3 + across.slot) * C;
                real *to = dimage + ((down.pixel + i) * in.width + across.pixel) * C;
                const size_t count = across.count * C;
#pragma omp simd
                for (size_t j = 0; j < count; j++) to[j] += from[j];
            }
        }
}
