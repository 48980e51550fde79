#include "ops/reference.h"

#define SQRT_2_OVER_PI    ((real)0.79788456080286535588)
#define SQRT_1_OVER_2     ((real)0.70710678118654752440)
#define ONE_OVER_SQRT_2PI ((real)0.39894228040143267794)
#define CUBIC             ((real)0.044715)
#define QUICK             ((real)1.702)

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

static real activate(real x, rv_activation activation)
{
    switch (activation) {
    case RV_ACT_GELU_TANH:
        return (real)0.5 * x * (1 + tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x)));
    case RV_ACT_GELU_ERF:
        return (real)0.5 * x * (1 + erf(x * SQRT_1_OVER_2));
    case RV_ACT_QUICK_GELU:
        return x * sigmoid(QUICK * x);
    case RV_ACT_SILU:
        return x * sigmoid(x);
    case RV_ACT_RELU:
        return x > 0 ? x : 0;
    }
    return x;
}

static real slope(real x, rv_activation activation)
{
    switch (activation) {
    case RV_ACT_GELU_TANH: {
        real t = tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        real du = SQRT_2_OVER_PI * (1 + 3 * CUBIC * x * x);
        return (real)0.5 * (1 + t) + (real)0.5 * x * (1 - t * t) * du;
    }
    case RV_ACT_GELU_ERF: // Phi(x) + x phi(x)
        return (real)0.5 * (1 + erf(x * SQRT_1_OVER_2)) +
               x * ONE_OVER_SQRT_2PI * exp((real)-0.5 * x * x);
    case RV_ACT_QUICK_GELU: {
        real s = sigmoid(QUICK * x);
        return s + QUICK * x * s * (1 - s);
    }
    case RV_ACT_SILU: {
        real s = sigmoid(x);
        return s + x * s * (1 - s);
    }
    case RV_ACT_RELU:
        return x > 0 ? 1 : 0;
    }
    return 1;
}

void rv_activation_forward(real *post, size_t ldpost, const real *pre, size_t ldpre,
                           const real *up, size_t ldup, size_t N, size_t F,
                           rv_activation activation, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < F; i++) {
            real y = activate(pre[n * ldpre + i], activation);
            post[n * ldpost + i] = up ? y * up[n * ldup + i] : y;
        }
}

/* dpre += dpost * up * act'(pre),   dup += dpost * act(pre) */
void rv_activation_backward(real *dpre, size_t lddpre, real *dup, size_t lddup,
                            const real *dpost, size_t lddpost, const real *pre, size_t ldpre,
                            const real *up, size_t ldup, size_t N, size_t F,
                            rv_activation activation, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < F; i++) {
            real x = pre[n * ldpre + i], d = dpost[n * lddpost + i];
            dpre[n * lddpre + i] += d * slope(x, activation) * (up ? up[n * ldup + i] : 1);
            if (up && dup) dup[n * lddup + i] += d * activate(x, activation);
        }
}
