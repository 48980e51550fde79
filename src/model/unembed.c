#include "model/unembed.h"

static real soft_cap(const rv_transformer *m, real z)
{
    real cap = (real)m->config.logit_softcap;
    return cap > 0 ? cap * tanh(z / cap) : z;
}

void rv_unembed(real *logits, const rv_transformer *m, const real *x, size_t N, int threads)
{
    size_t V = m->config.vocabulary;
    m->kernels->linear_forward(logits, V, x, m->config.width, m->head, N, RV_STORE, threads);
    for (size_t i = 0; m->config.logit_softcap > 0 && i < N * V; i++)
        logits[i] = soft_cap(m, logits[i]);
}

real rv_unembed_slope(const rv_transformer *m, real logit)
{
    real cap = (real)m->config.logit_softcap;
    return cap > 0 ? 1 - logit / cap * (logit / cap) : 1;
}

real rv_unembed_one(const rv_transformer *m, size_t v, const real *x)
{
    real bias = m->head->bias ? m->head->bias[v] : 0;
    return soft_cap(m, rv_matrix_dot(m->head, v, x) + bias);
}

void rv_unembed_one_backward(real *dx, const rv_transformer *m, size_t v, real logit,
                             real dlogit)
{
    const rv_matrix *h = m->head;
    const real *w = h->data + v / h->width * h->K * h->width + v % h->width;
    real dz = dlogit * rv_unembed_slope(m, logit);
    for (size_t i = 0; i < h->K; i++) dx[i] += dz * w[i * h->width];
}
