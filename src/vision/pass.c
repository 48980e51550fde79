/* A batch on its way through a network, and back. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "vision/network.h"

/* Neighbourhoods of several small images make one product: at least so many rows. */
enum { PRODUCT_ROWS = 256 };

static size_t samples_per_product(const rv_layer *l)
{
    size_t pixels = l->out.height * l->out.width;
    return (PRODUCT_ROWS + pixels - 1) / pixels;
}

static rv_status allocate(rv_network_pass *pass, rv_error *err)
{
    const rv_network *net = pass->net;
    size_t largest = rv_volume_size(rv_network_input(net)), patches = 0;
    RV_TRY(RV_NEW(pass->input, pass->capacity * largest, err));
    for (size_t i = 0; i < net->count; i++) {
        const rv_layer *l = &net->layer[i];
        size_t size = rv_volume_size(l->out);
        if (size > largest) largest = size;
        RV_TRY(RV_NEW(pass->out[i], pass->capacity * size, err));
        if (l->kind == RV_LAYER_NORM)
            RV_TRY(RV_NEW(pass->moments[i], pass->capacity * 2 * l->groups, err));
        size_t rows = samples_per_product(l) * l->out.height * l->out.width;
        if (l->kind == RV_LAYER_CONV && rows * l->matrix.K > patches)
            patches = rows * l->matrix.K;
    }
    for (size_t i = 0; i < 2; i++)
        RV_TRY(RV_NEW(pass->gradient[i], pass->capacity * largest, err));
    RV_TRY(RV_NEW(pass->patches, patches, err));
    return RV_NEW(pass->dpatches, patches, err);
}

rv_status rv_network_pass_init(rv_network_pass *out, const rv_network *net, size_t capacity,
                               rv_error *err)
{
    *out = (rv_network_pass){.net = net, .capacity = capacity};
    rv_status status = allocate(out, err);
    if (status != RV_OK) rv_network_pass_release(out);
    return status;
}

void rv_network_pass_release(rv_network_pass *pass)
{
    free(pass->input);
    for (size_t i = 0; i < RV_MAX_LAYERS; i++) {
        free(pass->out[i]);
        free(pass->moments[i]);
    }
    for (size_t i = 0; i < 2; i++) free(pass->gradient[i]);
    free(pass->patches);
    free(pass->dpatches);
    *pass = (rv_network_pass){0};
}

/* ---- convolution: patches, then a product ------------------------------------------------------ */

/* Fills pass->patches with the neighbourhoods of samples first .. ; returns how many samples. */
static size_t fill_patches(rv_network_pass *pass, const rv_layer *l, const real *x,
                           size_t first)
{
    size_t count = samples_per_product(l), pixels = l->out.height * l->out.width;
    if (count > pass->samples - first) count = pass->samples - first;
    for (size_t i = 0; i < count; i++)
        rv_patches_forward(pass->patches + i * pixels * l->matrix.K,
                           x + (first + i) * rv_volume_size(l->in), l->in, l->stride);
    return count;
}

static void conv_forward(rv_network_pass *pass, const rv_layer *l, real *out, const real *x)
{
    size_t pixels = l->out.height * l->out.width, K = l->matrix.K, M = l->matrix.M, count;
    for (size_t first = 0; first < pass->samples; first += count) {
        count = fill_patches(pass, l, x, first);
        pass->net->kernels->linear_forward(out + first * pixels * M, M, pass->patches, K,
                                           &l->matrix, count * pixels, RV_STORE, 1);
    }
}

static void conv_backward(rv_network_pass *pass, const rv_layer *l, real *dx, real *dparameters,
                          const real *dout, const real *x)
{
    const rv_kernels *kernels = pass->net->kernels;
    size_t pixels = l->out.height * l->out.width, K = l->matrix.K, M = l->matrix.M;
    size_t step = samples_per_product(l);
    for (size_t first = 0; first < pass->samples; first += step) {
        size_t count = pass->samples - first < step ? pass->samples - first : step;
        const real *d = dout + first * pixels * M;
        if (dparameters) {
            fill_patches(pass, l, x, first);
            kernels->linear_backward_weight(dparameters + l->weight, dparameters + l->bias, d,
                                            M, pass->patches, K, count * pixels, K, M, 1);
        }
        memset(pass->dpatches, 0, count * pixels * K * sizeof(real));
        kernels->linear_backward(pass->dpatches, K, d, M, &l->matrix, count * pixels, 1);
        for (size_t i = 0; i < count; i++)
            rv_patches_backward(dx + (first + i) * rv_volume_size(l->in),
                                pass->dpatches + i * pixels * K, l->in, l->stride);
    }
}

/* ---- all layers -------------------------------------------------------------------------------- */

static void layer_forward(rv_network_pass *pass, size_t i, const real *x)
{
    const rv_kernels *kernels = pass->net->kernels;
    const rv_layer *l = &pass->net->layer[i];
    const real *parameters = pass->net->parameters;
    real *out = pass->out[i];
    size_t N = pass->samples, size = rv_volume_size(l->in);
    switch (l->kind) {
    case RV_LAYER_CONV:
        conv_forward(pass, l, out, x);
        break;
    case RV_LAYER_DENSE:
        kernels->linear_forward(out, l->matrix.M, x, l->matrix.K, &l->matrix, N, RV_STORE, 1);
        break;
    case RV_LAYER_NORM:
        rv_groupnorm_forward(out, pass->moments[i], x, parameters + l->weight,
                             parameters + l->bias, N, l->in.height * l->in.width,
                             l->in.channels, l->groups);
        break;
    case RV_LAYER_RELU:
        rv_softrelu_forward(out, x, N * size, pass->softness);
        break;
    case RV_LAYER_SILU:
        kernels->activation_forward(out, size, x, size, NULL, 0, N, size, RV_ACT_SILU, 1);
        break;
    case RV_LAYER_MAXPOOL:
        rv_maxpool_forward(out, x, l->in, N);
        break;
    case RV_LAYER_AVERAGE:
        rv_average_forward(out, x, l->in, N);
        break;
    case RV_LAYER_UPSAMPLE:
        rv_upsample_forward(out, x, l->in, N);
        break;
    case RV_LAYER_SHUFFLE:
        rv_shuffle_forward(out, x, l->in, N);
        break;
    default:
        break;
    }
}

static void layer_backward(rv_network_pass *pass, size_t i, real *dx, real *dparameters,
                           const real *dout, const real *x)
{
    const rv_kernels *kernels = pass->net->kernels;
    const rv_layer *l = &pass->net->layer[i];
    size_t N = pass->samples, size = rv_volume_size(l->in);
    switch (l->kind) {
    case RV_LAYER_CONV:
        conv_backward(pass, l, dx, dparameters, dout, x);
        break;
    case RV_LAYER_DENSE:
        if (dparameters)
            kernels->linear_backward_weight(dparameters + l->weight, dparameters + l->bias,
                                            dout, l->matrix.M, x, l->matrix.K, N, l->matrix.K,
                                            l->matrix.M, 1);
        kernels->linear_backward(dx, l->matrix.K, dout, l->matrix.M, &l->matrix, N, 1);
        break;
    case RV_LAYER_NORM:
        rv_groupnorm_backward(dx, dparameters ? dparameters + l->weight : NULL,
                              dparameters ? dparameters + l->bias : NULL, dout, x,
                              pass->net->parameters + l->weight, pass->moments[i], N,
                              l->in.height * l->in.width, l->in.channels, l->groups);
        break;
    case RV_LAYER_RELU:
        rv_softrelu_backward(dx, dout, x, N * size, pass->softness);
        break;
    case RV_LAYER_SILU:
        kernels->activation_backward(dx, size, NULL, 0, dout, size, x, size, NULL, 0, N, size,
                                     RV_ACT_SILU, 1);
        break;
    case RV_LAYER_MAXPOOL:
        rv_maxpool_backward(dx, dout, x, l->in, N);
        break;
    case RV_LAYER_AVERAGE:
        rv_average_backward(dx, dout, l->in, N);
        break;
    case RV_LAYER_UPSAMPLE:
        rv_upsample_backward(dx, dout, l->in, N);
        break;
    case RV_LAYER_SHUFFLE:
        rv_shuffle_backward(dx, dout, l->in, N);
        break;
    default:
        break;
    }
}

const real *rv_network_forward(rv_network_pass *pass, const real *input, size_t samples)
{
    const rv_network *net = pass->net;
    pass->samples = samples;
    memcpy(pass->input, input, samples * rv_volume_size(rv_network_input(net)) * sizeof *input);
    for (size_t i = 0; i < net->count; i++)
        layer_forward(pass, i, i ? pass->out[i - 1] : pass->input);
    return pass->out[net->count - 1];
}

real *rv_network_pass_seed(rv_network_pass *pass, size_t layer)
{
    pass->seeded = layer;
    size_t count = pass->samples * rv_volume_size(pass->net->layer[layer].out);
    return memset(pass->gradient[layer % 2], 0, count * sizeof(real));
}

const real *rv_network_backward(rv_network_pass *pass, real *dparameters)
{
    for (size_t i = pass->seeded + 1; i-- > 0;) {
        real *dout = pass->gradient[i % 2], *dx = pass->gradient[(i + 1) % 2];
        memset(dx, 0, pass->samples * rv_volume_size(pass->net->layer[i].in) * sizeof *dx);
        layer_backward(pass, i, dx, dparameters, dout, i ? pass->out[i - 1] : pass->input);
    }
    return pass->gradient[1];
}
