/* AdamW (ops/adamw.h) on a network. */
#ifndef RV_VISION_ADAMW_H
#define RV_VISION_ADAMW_H

#include "vision/network.h"

typedef struct rv_network_adamw {
    real *mean,
        *square; /* running means of the gradient and of its square, as net->parameters */
} rv_network_adamw;

rv_status rv_network_adamw_init(rv_network_adamw *out, const rv_network *net, rv_error *err);
void rv_network_adamw_release(rv_network_adamw *adamw);

/* One step, counted from 0; afterwards the network is refreshed. Only weights of products decay, by rate * decay. */
void rv_network_adamw_step(rv_network_adamw *adamw, rv_network *net, const real *gradient,
                           size_t step, double rate, double decay);

#endif
