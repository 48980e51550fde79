#include "vision/adamw.h"

#include <stdlib.h>

#include "base/memory.h"

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
    const double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8, t = (double)step + 1;
    const double correction1 = 1 - pow(beta1, t), correction2 = 1 - pow(beta2, t);
    for (size_t i = 0; i < net->count; i++) {
        const rv_layer *l = &net->layer[i];
        if (!l->matrix.K) continue;
        for (size_t j = l->weight; j < l->weight + l->weights; j++)
            net->parameters[j] *= (real)(1 - rate * decay);
    }
    for (size_t j = 0; j < net->parameter_count; j++) {
        double g = (double)gradient[j];
        double m = beta1 * (double)adamw->mean[j] + (1 - beta1) * g;
        double v = beta2 * (double)adamw->square[j] + (1 - beta2) * g * g;
        adamw->mean[j] = (real)m;
        adamw->square[j] = (real)v;
        net->parameters[j] -=
            (real)(rate * (m / correction1) / (sqrt(v / correction2) + epsilon));
    }
    rv_network_refresh(net);
}
