#include "vision/network.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { MAX_SIDE = 1024, MAX_CHANNELS = 4096, MAX_PARAMETERS = 1 << 24, MAX_VOLUME = 1 << 22 };

static const char *const kind_names[RV_LAYER_KINDS] = {
    "conv", "dense", "norm", "relu", "silu", "maxpool", "average", "upsample", "shuffle"};

/* ---- reading a description ------------------------------------------------------------------ */

/* Reads a decimal number of at most MAX_CHANNELS; NULL if there is none. */
static const char *read_number(size_t *out, const char *text)
{
    size_t value = 0;
    const char *start = text;
    for (; isdigit((unsigned char)*text); text++) {
        value = 10 * value + (size_t)(*text - '0');
        if (value > MAX_CHANNELS) return NULL;
    }
    *out = value;
    return text > start && value > 0 ? text : NULL;
}

/* HxWxC; a single number is 1x1xC. */
static const char *read_volume(rv_volume *out, const char *text)
{
    size_t numbers[3], count = 0;
    do {
        if (count == 3) return NULL;
        text = read_number(&numbers[count++], text);
    } while (text && *text == 'x' && text++);
    if (!text || count == 2) return NULL;
    *out = count == 1 ? (rv_volume){1, 1, numbers[0]}
                      : (rv_volume){numbers[0], numbers[1], numbers[2]};
    bool fits = out->height <= MAX_SIDE && out->width <= MAX_SIDE;
    return fits && rv_volume_size(*out) <= MAX_VOLUME ? text : NULL;
}

static const char *read_kind(rv_layer_kind *out, const char *word)
{
    for (size_t kind = 0; kind < RV_LAYER_KINDS; kind++) {
        size_t length = strlen(kind_names[kind]);
        if (strncmp(word, kind_names[kind], length) != 0) continue;
        *out = (rv_layer_kind)kind;
        return word + length;
    }
    return NULL;
}

/* Reads one layer's word, of which in and kind's arguments decide the rest. False: it cannot be. */
static bool read_layer(rv_layer *layer, const char *word)
{
    const char *rest = read_kind(&layer->kind, word);
    if (!rest) return false;
    rv_volume in = layer->in;
    layer->out = in;
    layer->stride = 1;
    switch (layer->kind) {
    case RV_LAYER_CONV:
        rest = read_number(&layer->out.channels, rest);
        if (rest && strcmp(rest, "/2") == 0) layer->stride = 2, rest += 2;
        layer->out.height = (in.height + layer->stride - 1) / layer->stride;
        layer->out.width = (in.width + layer->stride - 1) / layer->stride;
        layer->weights = layer->out.channels * 9 * in.channels;
        layer->biases = layer->out.channels;
        break;
    case RV_LAYER_DENSE:
        rest = read_volume(&layer->out, rest);
        if (rest) layer->biases = rv_volume_size(layer->out);
        if (rest && rv_mul_overflows(layer->biases, rv_volume_size(in), &layer->weights))
            return false;
        break;
    case RV_LAYER_NORM:
        rest = read_number(&layer->groups, rest);
        if (rest && in.channels % layer->groups != 0) return false;
        layer->weights = layer->biases = in.channels;
        break;
    case RV_LAYER_MAXPOOL:
        layer->out = (rv_volume){in.height / 2, in.width / 2, in.channels};
        break;
    case RV_LAYER_AVERAGE:
        layer->out = (rv_volume){1, 1, in.channels};
        break;
    case RV_LAYER_UPSAMPLE:
        layer->out = (rv_volume){2 * in.height, 2 * in.width, in.channels};
        break;
    case RV_LAYER_SHUFFLE:
        if (in.channels % 4 != 0) return false;
        layer->out = (rv_volume){2 * in.height, 2 * in.width, in.channels / 4};
        break;
    default:
        break;
    }
    size_t size = rv_volume_size(layer->out);
    return rest && *rest == '\0' && size > 0 && size <= MAX_VOLUME &&
           layer->weights <= MAX_PARAMETERS;
}

static void name_layer(rv_network *net, rv_layer *layer)
{
    size_t ordinal = 1;
    for (const rv_layer *l = net->layer; l < layer; l++) ordinal += l->kind == layer->kind;
    snprintf(layer->name, sizeof layer->name, "%s%zu", kind_names[layer->kind], ordinal);
}

static rv_status add_layer(rv_network *net, const char *word, rv_volume in, rv_error *err)
{
    if (net->count == RV_MAX_LAYERS)
        return rv_fail(err, RV_ERR_FORMAT, "network: expected at most %d layers",
                       RV_MAX_LAYERS);
    rv_layer *layer = &net->layer[net->count];
    *layer = (rv_layer){.in = in};
    if (!read_layer(layer, word))
        return rv_fail(
            err, RV_ERR_FORMAT,
            "network: '%.40s' after %zux%zux%zu: expected a layer such as conv16, "
            "conv16/2, dense10, dense7x7x16, norm2 (a divisor of the channels), relu, "
            "silu, maxpool, average, upsample, shuffle (of a multiple of 4 channels)",
            word, in.height, in.width, in.channels);
    net->count++;
    name_layer(net, layer);
    layer->weight = net->parameter_count;
    layer->bias = layer->weight + layer->weights;
    net->parameter_count = layer->bias + layer->biases;
    if (net->parameter_count > MAX_PARAMETERS)
        return rv_fail(err, RV_ERR_FORMAT, "network: expected at most %d parameters",
                       MAX_PARAMETERS);
    bool product = layer->kind == RV_LAYER_CONV || layer->kind == RV_LAYER_DENSE;
    return product ? rv_matrix_init(&layer->matrix, net->kernels, layer->biases,
                                    layer->weights / layer->biases, true, err)
                   : RV_OK;
}

static rv_status read_description(rv_network *net, char *words, rv_error *err)
{
    char *state, *word = strtok_r(words, " ", &state);
    rv_volume volume = {0};
    const char *rest = word ? read_volume(&volume, word) : NULL;
    if (!rest || *rest)
        return rv_fail(err, RV_ERR_FORMAT,
                       "network: '%.40s': expected the input's size first, "
                       "such as 28x28x1",
                       word ? word : "");
    while ((word = strtok_r(NULL, " ", &state)) != NULL) {
        RV_TRY(add_layer(net, word, volume, err));
        volume = net->layer[net->count - 1].out;
    }
    if (net->count == 0) return rv_fail(err, RV_ERR_FORMAT, "network: expected a layer");
    return RV_NEW(net->parameters, net->parameter_count, err);
}

rv_status rv_network_init(rv_network *out, const char *description, rv_error *err)
{
    *out = (rv_network){0};
    RV_TRY(rv_kernels_choose(&out->kernels, NULL, err));
    char *words = rv_strndup(description, strlen(description));
    out->description = rv_strndup(description, strlen(description));
    rv_status status = words && out->description ? read_description(out, words, err)
                                                 : rv_fail_memory(err, strlen(description) + 1);
    free(words);
    if (status != RV_OK) rv_network_release(out);
    return status;
}

void rv_network_release(rv_network *net)
{
    for (size_t i = 0; i < net->count; i++) rv_matrix_release(&net->layer[i].matrix);
    free(net->parameters);
    free(net->description);
    *net = (rv_network){0};
}

rv_volume rv_network_input(const rv_network *net)
{
    return net->layer[0].in;
}

rv_volume rv_network_output(const rv_network *net)
{
    return net->layer[net->count - 1].out;
}

size_t rv_network_find(const rv_network *net, const char *name)
{
    for (size_t i = 0; i < net->count; i++)
        if (strcmp(net->layer[i].name, name) == 0) return i;
    return SIZE_MAX;
}

/* ---- parameters -------------------------------------------------------------------------------- */

void rv_network_randomise(rv_network *net, uint64_t seed)
{
    for (size_t i = 0; i < net->count; i++) {
        const rv_layer *l = &net->layer[i];
        real *weight = net->parameters + l->weight;
        rv_random random = rv_random_stream(seed, 0, (uint32_t)i);
        double deviation = l->matrix.K ? sqrt(2 / (double)l->matrix.K) : 0;
        for (size_t j = 0; j < l->weights; j++)
            weight[j] = (real)(l->matrix.K ? deviation * rv_random_normal(&random) : 1);
        for (size_t j = 0; j < l->biases; j++) net->parameters[l->bias + j] = 0;
    }
    rv_network_refresh(net);
}

void rv_network_refresh(rv_network *net)
{
    for (size_t i = 0; i < net->count; i++) {
        rv_layer *l = &net->layer[i];
        if (!l->matrix.K) continue;
        rv_matrix_set_rows(&l->matrix, 0, l->matrix.M, net->parameters + l->weight);
        memcpy(l->matrix.bias, net->parameters + l->bias, l->biases * sizeof(real));
    }
}
