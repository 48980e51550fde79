/* Layers that change the number of pixels. */
#include "vision/layers.h"

/* Index of the first largest of the square's four pixels, and its position in x. */
static size_t find_largest(const real *x, rv_volume in, size_t y, size_t column, size_t c)
{
    size_t corner = (2 * y * in.width + 2 * column) * in.channels + c,
           row = in.width * in.channels;
    const size_t four[4] = {corner, corner + in.channels, corner + row,
                            corner + row + in.channels};
    size_t best = four[0];
    for (size_t i = 1; i < 4; i++)
        if (x[four[i]] > x[best]) best = four[i];
    return best;
}

void rv_maxpool_forward(real *out, const real *x, rv_volume in, size_t N)
{
    for (size_t n = 0; n < N; n++, x += rv_volume_size(in))
        for (size_t y = 0; y < in.height / 2; y++)
            for (size_t column = 0; column < in.width / 2; column++)
                for (size_t c = 0; c < in.channels; c++)
                    *out++ = x[find_largest(x, in, y, column, c)];
}

void rv_maxpool_backward(real *dx, const real *dout, const real *x, rv_volume in, size_t N)
{
    for (size_t n = 0; n < N; n++, x += rv_volume_size(in), dx += rv_volume_size(in))
        for (size_t y = 0; y < in.height / 2; y++)
            for (size_t column = 0; column < in.width / 2; column++)
                for (size_t c = 0; c < in.channels; c++)
                    dx[find_largest(x, in, y, column, c)] += *dout++;
}

void rv_average_forward(real *out, const real *x, rv_volume in, size_t N)
{
    const size_t P = in.height * in.width, C = in.channels;
    for (size_t n = 0; n < N; n++, x += P * C, out += C) {
        for (size_t c = 0; c < C; c++) out[c] = 0;
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < C; c++) out[c] += x[p * C + c];
        for (size_t c = 0; c < C; c++) out[c] /= (real)P;
    }
}

void rv_average_backward(real *dx, const real *dout, rv_volume in, size_t N)
{
    const size_t P = in.height * in.width, C = in.channels;
    for (size_t n = 0; n < N; n++, dx += P * C, dout += C)
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < C; c++) dx[p * C + c] += dout[c] / (real)P;
}

void rv_upsample_forward(real *out, const real *x, rv_volume in, size_t N)
{
    const size_t W = in.width, C = in.channels;
    for (size_t row = 0; row < N * in.height; row++, x += W * C)
        for (size_t copy = 0; copy < 2; copy++)
            for (size_t column = 0; column < 2 * W; column++, out += C)
                for (size_t c = 0; c < C; c++) out[c] = x[column / 2 * C + c];
}

void rv_upsample_backward(real *dx, const real *dout, rv_volume in, size_t N)
{
    const size_t W = in.width, C = in.channels;
    for (size_t row = 0; row < N * in.height; row++, dx += W * C)
        for (size_t copy = 0; copy < 2; copy++)
            for (size_t column = 0; column < 2 * W; column++, dout += C)
                for (size_t c = 0; c < C; c++) dx[column / 2 * C + c] += dout[c];
}

/* Place in x of output row r (of N * 2 H), column j: where its C / 4 channels start. */
static size_t shuffle_place(size_t r, size_t j, rv_volume in)
{
    return ((r / 2 * in.width + j / 2) * 4 + r % 2 * 2 + j % 2) * (in.channels / 4);
}

void rv_shuffle_forward(real *out, const real *x, rv_volume in, size_t N)
{
    const size_t C = in.channels / 4;
    for (size_t r = 0; r < N * 2 * in.height; r++)
        for (size_t j = 0; j < 2 * in.width; j++, out += C)
            for (size_t c = 0; c < C; c++) out[c] = x[shuffle_place(r, j, in) + c];
}

void rv_shuffle_backward(real *dx, const real *dout, rv_volume in, size_t N)
{
    const size_t C = in.channels / 4;
    for (size_t r = 0; r < N * 2 * in.height; r++)
        for (size_t j = 0; j < 2 * in.width; j++, dout += C)
            for (size_t c = 0; c < C; c++) dx[shuffle_place(r, j, in) + c] += dout[c];
}
