/* A small convolutional network, described by one line of text:
 *
 *     28x28x1 conv16 norm2 relu maxpool conv32/2 norm4 silu average dense10
 *
 * The first word is the input (height x width x channels). Then, in order: convM or convM/2 (3 x 3,
 * zero-padded, M channels out, stride 1 or 2), denseM or denseHxWxC (the output reshaped), normG
 * (group norm, G groups), relu (which can be softened), silu, maxpool (2 x 2), average (over all
 * pixels), upsample (2 x 2), shuffle (four channels become 2 x 2 pixels). A layer is named by its
 * kind and its ordinal among them: conv2.
 *
 *     rv_network net; rv_network_pass pass;
 *     RV_TRY(rv_network_init(&net, "28x28x1 conv8 relu average dense10", err));
 *     rv_network_randomise(&net, seed);
 *     RV_TRY(rv_network_pass_init(&pass, &net, 32, err));
 *     const real *logits = rv_network_forward(&pass, images, 32);
 *     real *dlogits = rv_network_pass_seed(&pass, net.count - 1);      // zeroed; to be filled
 *     const real *dimages = rv_network_backward(&pass, net.count - 1, dparameters);         */
#ifndef RV_VISION_NETWORK_H
#define RV_VISION_NETWORK_H

#include <stdint.h>

#include "base/error.h"
#include "ops/kernels.h"
#include "vision/layers.h"

enum { RV_MAX_LAYERS = 64 };

typedef enum rv_layer_kind {
    RV_LAYER_CONV,
    RV_LAYER_DENSE,
    RV_LAYER_NORM,
    RV_LAYER_RELU,
    RV_LAYER_SILU,
    RV_LAYER_MAXPOOL,
    RV_LAYER_AVERAGE,
    RV_LAYER_UPSAMPLE,
    RV_LAYER_SHUFFLE,
    RV_LAYER_KINDS
} rv_layer_kind;

typedef struct rv_layer {
    rv_layer_kind kind;
    char name[16]; /* "conv2" */
    rv_volume in, out;
    size_t stride, groups;  /* of conv; of norm */
    size_t weight, weights; /* place and count in the network's parameters; 0: none */
    size_t bias, biases;
    rv_matrix matrix; /* the weights packed for the kernels: conv and dense */
} rv_layer;

typedef struct rv_network {
    char *description;
    const rv_kernels *kernels;
    rv_layer layer[RV_MAX_LAYERS];
    size_t count;
    real *parameters; /* all weights and biases, layer by layer */
    size_t parameter_count;
} rv_network;

/* Parameters are zero at first. RV_ERR_FORMAT names the word that cannot be. */
rv_status rv_network_init(rv_network *out, const char *description, rv_error *err);
void rv_network_release(rv_network *net);

/* Weights normal with variance 2 / inputs (He et al., arXiv 1502.01852), norms 1, biases 0. */
void rv_network_randomise(rv_network *net, uint64_t seed);

/* To be called after every change of the parameters. */
void rv_network_refresh(rv_network *net);

rv_volume rv_network_input(const rv_network *net);
rv_volume rv_network_output(const rv_network *net);

/* SIZE_MAX if no layer has that name. */
size_t rv_network_find(const rv_network *net, const char *name);

/* What a batch needs on its way through; bound to one network, single-threaded (threads take a
 * pass each). */
typedef struct rv_network_pass {
    const rv_network *net;
    size_t capacity, samples;
    real softness;            /* of every relu; 0 at first */
    real *input;              /* (samples, input) */
    real *out[RV_MAX_LAYERS]; /* (samples, layer's output) */
    real *moments[RV_MAX_LAYERS];
    real *gradient[2]; /* of the layer in work and of the one below */
    real *patches, *dpatches;
    size_t seeded;
} rv_network_pass;

rv_status rv_network_pass_init(rv_network_pass *out, const rv_network *net, size_t capacity,
                               rv_error *err);
void rv_network_pass_release(rv_network_pass *pass);

/* Runs layers 0 .. net->count; input (samples, input size) is copied. Returns the last layer's
 * output, owned by the pass. */
const real *rv_network_forward(rv_network_pass *pass, const real *input, size_t samples);

/* Zeroed room for d loss / d (output of that layer), from where backward starts. */
real *rv_network_pass_seed(rv_network_pass *pass, size_t layer);

/* From the seeded layer down. dparameters (as net->parameters) is accumulated, NULL: not wanted.
 * Returns d loss / d input (samples, input size), owned by the pass, until the next call. */
const real *rv_network_backward(rv_network_pass *pass, real *dparameters);

#endif
