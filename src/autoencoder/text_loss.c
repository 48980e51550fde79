#include "autoencoder/text_loss.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static rv_status learner_init(rv_text_learner *l, const rv_text_autoencoder *ae, size_t texts,
                              size_t tokens, bool keep, int threads, rv_error *err)
{
    size_t C = ae->subject->config.width, Z = ae->config.code;
    RV_TRY(rv_text_pass_new(&l->pass, ae, texts, tokens, keep, threads, err));
    size_t T = l->pass->slots;
    real **const slots[] = {&l->z, &l->noisy, &l->dz};
    real **const rows[] = {&l->u, &l->du, &l->site, &l->dsite};
    real **const numbers[] = {&l->lse, &l->logit, &l->weight};
    bool inner = ae->config.site.kind != RV_SITE_EMBED;
    for (size_t i = 0; i < 3; i++) RV_TRY(RV_NEW(*slots[i], T * Z, err));
    for (size_t i = 0; i < (inner ? 4 : 2); i++) RV_TRY(RV_NEW(*rows[i], tokens * C, err));
    for (size_t i = 0; i < 3; i++) RV_TRY(RV_NEW(*numbers[i], tokens, err));
    return RV_OK;
}

rv_status rv_text_learner_new(rv_text_learner **out, const rv_text_autoencoder *ae,
                              size_t texts, size_t tokens, bool keep, int threads,
                              rv_error *err)
{
    *out = NULL;
    rv_text_learner *l;
    RV_TRY(RV_NEW(l, 1, err));
    rv_status status = learner_init(l, ae, texts, tokens, keep, threads, err);
    if (status != RV_OK) {
        rv_text_learner_free(l);
        return status;
    }
    *out = l;
    return RV_OK;
}

void rv_text_learner_free(rv_text_learner *l)
{
    if (!l) return;
    rv_text_pass_free(l->pass);
    void *const owned[] = {l->z,    l->noisy, l->dz,  l->u,     l->du,
                           l->site, l->dsite, l->lse, l->logit, l->weight};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(l);
}

/* Mean over rows and columns of (site - target)^2, and weight times its gradient. */
static double site_error(real *dsite, const real *site, const real *target, size_t numbers,
                         double weight)
{
    double sum = 0;
    for (size_t i = 0; i < numbers; i++) {
        double d = (double)site[i] - (double)target[i];
        sum += d * d;
        dsite[i] = (real)(weight * 2 * d / (double)numbers);
    }
    return sum / (double)numbers;
}

rv_status rv_text_batch_loss(rv_text_loss *out, rv_text_learner *l, const rv_text_batch *b,
                             rv_text_gradients *gradients, rv_error *err)
{
    rv_text_pass *p = l->pass;
    const rv_text_autoencoder *ae = p->ae;
    const rv_kernels *k = ae->subject->kernels;
    size_t C = ae->subject->config.width, Z = ae->config.code;
    *out = (rv_text_loss){0};
    const real *seen = b->seen ? b->seen : b->hidden;
    RV_TRY(rv_text_pass_encode(l->z, p, b->rows, seen, b->length, b->count, err));
    size_t N = p->N, numbers = p->T * Z;
    for (size_t i = 0; i < numbers; i++) l->noisy[i] = l->z[i] + (b->noise ? b->noise[i] : 0);
    RV_TRY(rv_text_pass_decode(l->u, b->target ? l->site : NULL, p, l->noisy, b->ids, b->hidden,
                               b->dropped, err));
    for (size_t i = 0; i < N * C; i++) l->u[i] += b->hidden[i];
    k->logsumexp_forward(l->lse, l->logit, l->u, C, b->label, b->head, N, b->head_rows, 0,
                         p->threads);
    for (size_t r = 0; r < N; r++) {
        out->nll += (double)(l->lse[r] - l->logit[r]) / (double)N;
        l->weight[r] = 1 / (real)N;
    }
    if (b->target) out->site = site_error(l->dsite, l->site, b->target, N * C, b->site_weight);
    if (!gradients) return RV_OK;
    memset(l->du, 0, N * C * sizeof *l->du);
    k->logsumexp_backward(l->du, C, l->lse, l->u, b->label, l->weight, b->head, N, b->head_rows,
                          0, p->threads);
    rv_text_pass_decode_backward(l->dz, p, l->du, b->target ? l->dsite : NULL, gradients);
    rv_text_pass_encode_backward(p, l->dz, gradients);
    return RV_OK;
}
