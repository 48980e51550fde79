#include "autoencoder/text_loss.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- candidates ------------------------------------------------------------------------------ */

typedef struct ranked_token {
    size_t seen;
    int32_t id;
} ranked_token;

static int by_frequency(const void *a, const void *b)
{
    const ranked_token *x = a, *y = b;
    if (x->seen != y->seen) return x->seen > y->seen ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static rv_status rank(rv_text_candidates *c, const int32_t *ids, size_t N, rv_error *err)
{
    size_t V = c->subject->config.vocabulary;
    ranked_token *tokens;
    RV_TRY(RV_NEW(tokens, V, err));
    for (size_t v = 0; v < V; v++) tokens[v].id = (int32_t)v;
    for (size_t i = 0; i < N; i++) tokens[ids[i]].seen++;
    qsort(tokens, V, sizeof *tokens, by_frequency);
    for (size_t r = 0; r < V; r++) {
        int32_t id = tokens[r].id;
        c->ranked[r] = id;
        c->frequency[id] = (double)tokens[r].seen / (double)(N ? N : 1);
        double log_uniform = log((double)(r + 2) / (double)(r + 1)) / log((double)V + 1);
        c->chance[id] = 0.5 * log_uniform + 0.5 / (double)V;
        c->place[r] = -1;
    }
    free(tokens);
    return RV_OK;
}

static rv_status candidates_init(rv_text_candidates *c, const int32_t *ids, size_t N,
                                 rv_error *err)
{
    size_t V = c->subject->config.vocabulary, C = c->subject->config.width;
    RV_TRY(rv_matrix_init(&c->head, c->subject->kernels, c->capacity, C, true, err));
    RV_TRY(RV_NEW(c->ids, c->capacity, err));
    RV_TRY(RV_NEW(c->place, V, err));
    RV_TRY(RV_NEW(c->ranked, V, err));
    RV_TRY(RV_NEW(c->frequency, V, err));
    RV_TRY(RV_NEW(c->chance, V, err));
    return rank(c, ids, N, err);
}

rv_status rv_text_candidates_new(rv_text_candidates **out, const rv_transformer *subject,
                                 const int32_t *ids, size_t N, size_t capacity, rv_error *err)
{
    *out = NULL;
    rv_text_candidates *c;
    RV_TRY(RV_NEW(c, 1, err));
    c->subject = subject;
    c->capacity = capacity;
    rv_status status = candidates_init(c, ids, N, err);
    if (status != RV_OK) {
        rv_text_candidates_free(c);
        return status;
    }
    *out = c;
    return RV_OK;
}

void rv_text_candidates_free(rv_text_candidates *c)
{
    if (!c) return;
    rv_matrix_release(&c->head);
    free(c->ids);
    free(c->place);
    free(c->ranked);
    free(c->frequency);
    free(c->chance);
    free(c);
}

static int32_t include(rv_text_candidates *c, int32_t id)
{
    if (c->place[id] < 0) {
        c->place[id] = (int32_t)c->count;
        c->ids[c->count++] = id;
    }
    return c->place[id];
}

void rv_text_candidates_draw(int32_t *label, rv_text_candidates *c, const int32_t *ids,
                             size_t N, size_t draws, rv_random *random, int threads)
{
    const rv_matrix *head = c->subject->head;
    size_t V = c->subject->config.vocabulary;
    for (size_t i = 0; i < c->count; i++) c->place[c->ids[i]] = -1;
    c->count = 0;
    for (size_t i = 0; i < N; i++) label[i] = include(c, ids[i]);
    for (size_t i = 0; i < draws; i++) {
        double x = rv_random_uniform(random);
        size_t rank = i % 2
                          ? (size_t)(x * (double)V)
                          : (size_t)(exp(x * log((double)V + 1))) - 1; // inverse of log(r + 2)
        include(c, c->ranked[rank < V ? rank : V - 1]);
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < c->count; i++) {
        size_t id = (size_t)c->ids[i];
        // Panels hold rows as columns; this copies one column into another.
        const real *from =
            head->data + id / head->width * head->K * head->width + id % head->width;
        real *to =
            c->head.data + i / c->head.width * c->head.K * c->head.width + i % c->head.width;
        for (size_t k = 0; k < head->K; k++) to[k * c->head.width] = from[k * head->width];
        double missed =
            pow(1 - c->frequency[id], (double)N) * pow(1 - c->chance[id], (double)draws);
        c->head.bias[i] = (real)-log(1 - missed) + (head->bias ? head->bias[id] : 0);
    }
}

/* ---- the loss -------------------------------------------------------------------------------- */

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
    RV_TRY(rv_text_pass_encode(l->z, p, b->rows, b->hidden, b->length, b->count, err));
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
