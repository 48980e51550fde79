#include "vision/adamw.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ops/adamw.h"

rv_status rv_network_adamw_init(rv_network_adamw *out, const rv_network *net, rv_error *err)
{
    *out = (rv_network_adamw){0};
    rv_status status = RV_NEW(out->mean, net->parameter_count, err);
    if (status == RV_OK) status = RV_NEW(out->square, net->parameter_count, err);
    if (status != RV_OK) rv_network_adamw_release(out);
    return status;
}

void rv_network_adamw_release(rv_network_adamw *adamw)
{
    free(adamw->mean);
    free(adamw->square);
    *adamw = (rv_network_adamw){0};
}

void rv_network_adamw_step(rv_network_adamw *adamw, rv_network *net, const real *gradient,
                           size_t step, double rate, double decay)
{
    for (size_t i = 0; i < net->count; i++) {
        const rv_layer *l = &net->layer[i];
        if (!l->matrix.K) continue;
        rv_adamw_decay(net->parameters + l->weight, l->weights, rate, decay);
    }
    rv_adamw_step(net->parameters, adamw->mean, adamw->square, gradient, net->parameter_count,
                  step, rate, 1);
    rv_network_refresh(net);
}
