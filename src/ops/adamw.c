#include "ops/adamw.h"

void rv_adamw_decay(real *parameters, size_t count, double rate, double decay)
{
    for (size_t i = 0; i < count; i++) parameters[i] *= (real)(1 - rate * decay);
}

void rv_adamw_step(real *parameters, real *mean, real *square, const real *gradient,
                   size_t count, size_t step, double rate, int threads)
{
    const double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8, t = (double)step + 1;
    const double correction1 = 1 - pow(beta1, t), correction2 = 1 - pow(beta2, t);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < count; i++) {
        double g = (double)gradient[i];
        double m = beta1 * (double)mean[i] + (1 - beta1) * g;
        double v = beta2 * (double)square[i] + (1 - beta2) * g * g;
        mean[i] = (real)m;
        square[i] = (real)v;
        parameters[i] -= (real)(rate * (m / correction1) / (sqrt(v / correction2) + epsilon));
    }
}

bool rv_adamw_squares_hold(const real *square, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(square[i] >= 0)) return false;
    return true;
}

double rv_cosine_rate(double rate, double step, double warm, double total)
{
    double rise = step + 1 < warm ? (step + 1) / warm : 1;
    return rate * rise * (0.5 + 0.5 * cos(3.141592653589793 * step / total));
}
