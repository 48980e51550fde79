/* Activations and losses: number by number. */
#include "vision/layers.h"

real rv_logistic(real x)
{
    return 1 / (1 + exp(-x));
}

/* log(1 + exp(x)) without overflow. */
static real softplus(real x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

void rv_softrelu_forward(real *out, const real *x, size_t count, real softness)
{
    if (softness > 0) {
        for (size_t i = 0; i < count; i++) out[i] = softness * softplus(x[i] / softness);
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < count; i++) out[i] = x[i] < 0 ? 0 : x[i]; // keeps NaN
}

void rv_softrelu_backward(real *dx, const real *dout, const real *x, size_t count,
                          real softness)
{
    if (softness > 0) {
        for (size_t i = 0; i < count; i++) dx[i] += dout[i] * rv_logistic(x[i] / softness);
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < count; i++) dx[i] += x[i] > 0 ? dout[i] : 0;
}

static real largest(const real *x, size_t count)
{
    real top = x[0];
    for (size_t i = 1; i < count; i++)
        if (x[i] > top) top = x[i];
    return top;
}

void rv_class_softmax(real *p, const real *logits, size_t C)
{
    real top = largest(logits, C), sum = 0;
    for (size_t c = 0; c < C; c++) sum += p[c] = exp(logits[c] - top);
    for (size_t c = 0; c < C; c++) p[c] /= sum;
}

real rv_class_loss(real *dlogits, const real *logits, size_t label, size_t C, real scale)
{
    real top = largest(logits, C), sum = 0;
    for (size_t c = 0; c < C; c++) sum += exp(logits[c] - top);
    real lse = top + log(sum);
    for (size_t c = 0; dlogits && c < C; c++)
        dlogits[c] += scale * (exp(logits[c] - lse) - (real)(c == label));
    return lse - logits[label];
}

real rv_pixel_loss(real *dlogits, const real *logits, const real *x, size_t count, real scale)
{
    double loss = 0;
    for (size_t i = 0; i < count; i++) {
        loss += (double)(softplus(logits[i]) - x[i] * logits[i]);
        if (dlogits) dlogits[i] += scale * (rv_logistic(logits[i]) - x[i]);
    }
    return (real)loss;
}
