/* Unembedding fused with the logarithm of the softmax's denominator:
 *   z[n,v] = c(x[n] . W[v] + bias[v])     lse[n] = log sum_{v < valid} exp z[n,v] */
#include "ops/reference.h"

static real soft_capped(real z, real softcap)
{
    return softcap > 0 ? softcap * tanh(z / softcap) : z;
}

void rv_logsumexp_forward(real *lse, real *label_logit, const real *x, size_t ldx,
                          const int32_t *label, const rv_matrix *head, size_t N, size_t valid,
                          real softcap, int threads)
{
    (void)threads;
    real z[RV_MAX_PANEL_WIDTH];
    for (size_t n = 0; n < N; n++) {
        real largest = -INFINITY, sum = 0; // sum of exp(z - largest)
        for (size_t v = 0; v < head->M; v++) {
            size_t j = v % head->width;
            if (j == 0) rv_panel_product(z, x + n * ldx, head, v / head->width);
            real capped = soft_capped(z[j], softcap);
            if (label && label_logit && label[n] >= 0 && (size_t)label[n] == v)
                label_logit[n] = capped;
            if (v >= valid) continue;
            if (capped > largest) {
                sum *= exp(largest - capped);
                largest = capped;
            }
            sum += exp(capped - largest);
        }
        lse[n] = largest + log(sum);
    }
}

/* dz[n,v] = weight[n] (exp(z[n,v] - lse[n]) - [v = label[n]]) c'(x[n] . W[v])
 * dx[n,:] += sum_v dz[n,v] W[v,:]          c'(.) = 1 - (z / softcap)^2 */
void rv_logsumexp_backward(real *dx, size_t ldx, const real *lse, const real *x,
                           const int32_t *label, const real *weight, const rv_matrix *head,
                           size_t N, size_t valid, real softcap, int threads)
{
    (void)threads;
    real z[RV_MAX_PANEL_WIDTH];
    for (size_t n = 0; n < N; n++) {
        if (weight[n] == 0) continue;
        for (size_t v = 0; v < head->M; v++) {
            size_t j = v % head->width;
            if (j == 0) rv_panel_product(z, x + n * ldx, head, v / head->width);
            real capped = soft_capped(z[j], softcap);
            real dz = v < valid ? exp(capped - lse[n]) : 0;
            if (label && label[n] >= 0 && (size_t)label[n] == v) dz -= 1;
            dz *= weight[n];
            if (softcap > 0) dz *= 1 - (capped / softcap) * (capped / softcap);
            const real *w = head->data + v / head->width * head->K * head->width + j;
            for (size_t k = 0; k < head->K; k++) dx[n * ldx + k] += dz * w[k * head->width];
        }
    }
}
