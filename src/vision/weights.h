/* Networks on disk: one safetensors file for the networks of a model, its metadata telling each
 * network's description ("classifier.network": "28x28x1 conv16 ...") and what else there is to
 * say. Tensors are named NETWORK.LAYER.weight and .bias; conv weights are (M, 3, 3, C), dense
 * ones (M, K). */
#ifndef RV_VISION_WEIGHTS_H
#define RV_VISION_WEIGHTS_H

#include "checkpoint/checkpoint.h"
#include "vision/network.h"

typedef struct rv_named_network {
    const char *name;
    rv_network *net;
    const real *parameters; /* written in place of the network's own; NULL: its own */
} rv_named_network;

/* metadata (may be NULL) is completed with the descriptions in a copy. */
rv_status rv_networks_write(const char *path, const rv_named_network *networks, size_t count,
                            rv_dtype dtype, const json_t *metadata, rv_error *err);

/* Makes the network of that name from an open checkpoint. */
rv_status rv_network_read(rv_network *out, const rv_checkpoint *ck, const char *name,
                          rv_error *err);

/* Reads parameters (as net->parameters) alone, for a network whose layers are known. */
rv_status rv_network_read_parameters(real *parameters, const rv_network *net,
                                     const rv_checkpoint *ck, const char *name, rv_error *err);

#endif
