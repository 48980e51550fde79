/* The backward pass: forward.c read from its end. Every gradient buffer is (rows, width of the value). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "model/pass_internal.h"
#include "model/unembed.h"

static void zero(real *x, size_t count)
{
    memset(x, 0, count * sizeof *x);
}

static void norm_backward(const rv_pass *p, real *dx, const rv_norm *wanted, const real *dout,
                          const real *x, const rv_norm *norm, const real *mean,
                          const real *rstd)
{
    size_t C = p->model->config.width;
    real *dweight = wanted ? wanted->weight : NULL, *dbias = wanted ? wanted->bias : NULL;
    if (p->model->config.norm == RV_NORM_LAYER)
        p->model->kernels->layernorm_backward(dx, C, dweight, dbias, dout, C, x, C,
                                              norm->weight, mean, rstd, p->rows, C,
                                              p->options.threads);
    else
        p->model->kernels->rmsnorm_backward(dx, C, dweight, dout, C, x, C, norm->weight, rstd,
                                            p->rows, 1, C, p->options.threads);
}

/* din += W^T dout, and the weights' own gradients where wanted. */
static void linear_backward(const rv_pass *p, real *din, const real *dout, const real *in,
                            const rv_matrix *m, real *dweight, real *dbias)
{
    const rv_kernels *k = p->model->kernels;
    if (dweight || dbias)
        k->linear_backward_weight(dweight, dbias, dout, m->M, in, m->K, p->rows, m->K, m->M,
                                  p->options.threads);
    k->linear_backward(din, m->K, dout, m->M, m, p->rows, p->options.threads);
}

/* dbranch: gradient at what the branch added to the stream; becomes that before the post-norm. */
static const real *through_post_norm(rv_pass *p, size_t layer, rv_site_kind site,
                                     const rv_norm *wanted, const real *raw,
                                     const rv_norm *norm, const real *mean, const real *rstd,
                                     const real *dstream)
{
    size_t C = p->model->config.width;
    memcpy(p->dbranch, dstream, p->rows * C * sizeof *dstream);
    rv_visit_gradient(p, site, layer, p->dbranch, C, C);
    if (!norm->weight) return p->dbranch;
    zero(p->dnorm, p->rows * C);
    norm_backward(p, p->dnorm, wanted, p->dbranch, raw, norm, mean, rstd);
    memcpy(p->dbranch, p->dnorm, p->rows * C * sizeof *dstream);
    return p->dbranch;
}

/* Adds to dx (at the second norm's input) what comes back through the MLP from dstream. */
static void mlp_backward(rv_pass *p, size_t layer, real *dx, const real *x, const real *dstream,
                         rv_block_gradients *g)
{
    const rv_config *c = &p->model->config;
    const rv_block *b = &p->model->blocks[layer];
    const rv_layer_values *v = &p->layers[layer];
    size_t C = c->width, F = c->mlp_width, W = p->up_width;
    const real *dout =
        through_post_norm(p, layer, RV_SITE_MLP_OUT, &g->post_mlp, v->mlp, &b->post_mlp,
                          v->post_mlp_mean, v->post_mlp_rstd, dstream);
    zero(p->dpost, p->rows * F);
    linear_backward(p, p->dpost, dout, v->post, &b->down, g->down, g->down_bias);
    rv_visit_gradient(p, RV_SITE_MLP_POST, layer, p->dpost, F, F);
    zero(p->dpre, p->rows * W);
    p->model->kernels->activation_backward(p->dpre, W, c->gated ? p->dpre + F : NULL, W,
                                           p->dpost, F, v->pre, W, c->gated ? v->pre + F : NULL,
                                           W, p->rows, F, c->activation, p->options.threads);
    rv_visit_gradient(p, RV_SITE_MLP_PRE, layer, p->dpre, W, F);
    if (c->gated) rv_visit_gradient(p, RV_SITE_MLP_PRE_LINEAR, layer, p->dpre + F, W, F);
    zero(p->dnorm, p->rows * C);
    linear_backward(p, p->dnorm, p->dpre, v->n2, &b->up, g->up, g->up_bias);
    zero(p->dbranch, p->rows * C);
    norm_backward(p, p->dbranch, &g->ln2, p->dnorm, x, &b->ln2, v->ln2_mean, v->ln2_rstd);
    rv_visit_norm_gradient(p, RV_SITE_LN2_SCALE, RV_SITE_LN2_NORMALIZED, layer, p->dbranch, x,
                           v->ln2_mean, v->ln2_rstd);
    rv_visit_gradient(p, RV_SITE_MLP_IN, layer, p->dbranch, C, C);
    for (size_t i = 0; i < p->rows * C; i++) dx[i] += p->dbranch[i];
}

/* dqkv, at the rotated and normed queries and keys, becomes the gradient at the projection's output. */
static void project_backward(rv_pass *p, size_t layer, rv_block_gradients *g)
{
    const rv_config *c = &p->model->config;
    const rv_kernels *k = p->model->kernels;
    const rv_block *b = &p->model->blocks[layer];
    const rv_layer_values *v = &p->layers[layer];
    size_t Q = p->query_width, K = p->key_width, W = p->qkv_width, D = c->head_size;
    if (p->model->rope_pairs) {
        rv_visit_gradient(p, RV_SITE_ROT_Q, layer, p->dqkv, W, Q);
        rv_visit_gradient(p, RV_SITE_ROT_K, layer, p->dqkv + Q, W, K);
        int table = c->layer[layer].rope;
        k->rope(p->dqkv, W, p->position, p->model->cosine[table], p->model->sine[table],
                p->rows, c->heads + c->kv_heads, D, p->model->rope_pairs, true,
                p->options.threads);
    }
    if (c->qk_norm) {
        real *draw = p->dz; // (rows, Q): free again; keys follow in a second turn
        zero(draw, p->rows * Q);
        k->rmsnorm_backward(draw, Q, g->q_norm.weight, p->dqkv, W, v->qk_raw, Q + K,
                            b->q_norm.weight, v->q_rstd, p->rows, c->heads, D,
                            p->options.threads);
        for (size_t r = 0; r < p->rows; r++)
            memcpy(p->dqkv + r * W, draw + r * Q, Q * sizeof *draw);
        zero(draw, p->rows * K);
        k->rmsnorm_backward(draw, K, g->k_norm.weight, p->dqkv + Q, W, v->qk_raw + Q, Q + K,
                            b->k_norm.weight, v->k_rstd, p->rows, c->kv_heads, D,
                            p->options.threads);
        for (size_t r = 0; r < p->rows; r++)
            memcpy(p->dqkv + r * W + Q, draw + r * K, K * sizeof *draw);
    }
    rv_visit_gradient(p, RV_SITE_Q, layer, p->dqkv, W, Q);
    rv_visit_gradient(p, RV_SITE_K, layer, p->dqkv + Q, W, K);
    rv_visit_gradient(p, RV_SITE_V, layer, p->dqkv + Q + K, W, K);
}

/* Adds to dx (at resid_pre) what comes back through attention from dstream. */
static void attention_block_backward(rv_pass *p, size_t layer, real *dx, const real *dstream,
                                     rv_block_gradients *g)
{
    const rv_block *b = &p->model->blocks[layer];
    const rv_layer_values *v = &p->layers[layer];
    size_t C = p->model->config.width, Q = p->query_width;
    const real *dout = through_post_norm(
        p, layer, RV_SITE_ATTN_OUT, &g->post_attention, v->attention, &b->post_attention,
        v->post_attention_mean, v->post_attention_rstd, dstream);
    zero(p->dz, p->rows * Q);
    linear_backward(p, p->dz, dout, v->z, &b->o, g->o, g->o_bias);
    rv_visit_result_gradient(p, layer, p->dz);
    rv_visit_gradient(p, RV_SITE_Z, layer, p->dz, Q, Q);
    zero(p->dqkv, p->rows * p->qkv_width);
    rv_attention_setup(p, layer, v, p->dqkv);
    rv_attention_shape shape = rv_attention_shape_of(p, layer);
    p->model->kernels->attention_backward(p->dqkv, p->qkv_width, p->dz, Q, p->maps,
                                          rv_map_seeds(p, RV_SITE_PATTERN, layer, p->dpattern),
                                          rv_map_seeds(p, RV_SITE_SCORES, layer, p->dscores),
                                          v->qkv, p->qkv_width, p->attention, p->sequence_count,
                                          &shape, p->options.threads);
    project_backward(p, layer, g);
    zero(p->dnorm, p->rows * C);
    linear_backward(p, p->dnorm, p->dqkv, v->n1, &b->qkv, g->qkv, g->qkv_bias);
    norm_backward(p, dx, &g->ln1, p->dnorm, v->resid_pre, &b->ln1, v->ln1_mean, v->ln1_rstd);
    rv_visit_norm_gradient(p, RV_SITE_LN1_SCALE, RV_SITE_LN1_NORMALIZED, layer, dx,
                           v->resid_pre, v->ln1_mean, v->ln1_rstd);
}

/* dstream: in, the gradient at resid_post; out, at resid_pre. */
static void block_backward(rv_pass *p, size_t layer, rv_gradients *gradients)
{
    static const rv_block_gradients none = {0};
    rv_block_gradients unwanted = none, *g = gradients ? &gradients->blocks[layer] : &unwanted;
    const rv_layer_values *v = &p->layers[layer];
    size_t C = p->model->config.width, numbers = p->rows * C;
    rv_visit_gradient(p, RV_SITE_RESID_POST, layer, p->dstream, C, C);
    memcpy(p->dmid, p->dstream, numbers * sizeof *p->dmid);
    if (p->model->config.parallel_residual) {
        mlp_backward(p, layer, p->dstream, v->resid_pre, p->dmid, g);
        attention_block_backward(p, layer, p->dstream, p->dmid, g);
    } else {
        mlp_backward(p, layer, p->dmid, v->resid_mid, p->dstream, g);
        rv_visit_gradient(p, RV_SITE_RESID_MID, layer, p->dmid, C, C);
        memcpy(p->dstream, p->dmid, numbers * sizeof *p->dmid);
        attention_block_backward(p, layer, p->dstream, p->dmid, g);
    }
    rv_visit_gradient(p, RV_SITE_RESID_PRE, layer, p->dstream, C, C);
}

/* dhidden += from the losses; the head's own gradient (a slow path, row by row) where wanted. */
static void unembed_backward(rv_pass *p, real *dhidden, const real *weights, real *dhead)
{
    const rv_config *c = &p->model->config;
    size_t C = c->width;
    zero(p->weights, p->rows);
    for (size_t r = 0; r < p->rows; r++) p->labels[r] = -1;
    for (size_t s = 0; s < p->sequence_count; s++)
        for (size_t i = 1; i < p->spans[s].count && p->sequences[s].ids; i++) {
            size_t row = p->spans[s].row + i;
            p->weights[row - 1] = weights[row];
            p->labels[row - 1] = p->ids[row];
        }
    p->model->kernels->logsumexp_backward(dhidden, C, p->lse, p->hidden, p->labels, p->weights,
                                          p->model->head, p->rows, c->vocabulary,
                                          (real)c->logit_softcap, p->options.threads);
    for (size_t r = 0; dhead && r < p->rows; r++) {
        if (p->weights[r] == 0) continue;
        const real *x = p->hidden + r * C;
        for (size_t v = 0; v < c->vocabulary; v++) {
            real z = rv_unembed_one(p->model, v, x), slope = rv_unembed_slope(p->model, z);
            real dz =
                (exp(z - p->lse[r]) - (p->labels[r] == (int32_t)v)) * slope * p->weights[r];
            for (size_t i = 0; i < C; i++) dhead[v * C + i] += dz * x[i];
        }
    }
}

static void finish_backward(rv_pass *p, const real *weights, rv_gradients *g)
{
    const rv_config *c = &p->model->config;
    size_t C = c->width;
    real *dhead = g ? (c->tied ? g->embedding : g->head) : NULL;
    const real *mean = c->norm == RV_NORM_LAYER ? p->final_mean : NULL;
    zero(p->dnorm, p->rows * C);
    if (weights) unembed_backward(p, p->dnorm, weights, dhead);
    rv_visit_gradient(p, RV_SITE_UNEMBED_IN, 0, p->dnorm, C, C);
    norm_backward(p, p->dstream, g ? &g->final_norm : NULL, p->dnorm, p->stream,
                  &p->model->final_norm, mean, p->final_rstd);
    rv_visit_norm_gradient(p, RV_SITE_LN_FINAL_SCALE, RV_SITE_LN_FINAL_NORMALIZED, 0,
                           p->dstream, p->stream, mean, p->final_rstd);
}

/* hook_embed and hook_pos_embed are summed, so each gets the gradient of the sum and its own seed. */
static void embed_backward(rv_pass *p, rv_gradients *g)
{
    const rv_config *c = &p->model->config;
    size_t C = c->width;
    if (c->learned_positions) {
        memcpy(p->dbranch, p->dstream, p->rows * C * sizeof *p->dbranch);
        rv_visit_gradient(p, RV_SITE_POS_EMBED, 0, p->dbranch, C, C);
    }
    rv_visit_gradient(p, RV_SITE_EMBED, 0, p->dstream, C, C);
    for (size_t r = 0; g && r < p->rows; r++) {
        const real *d = p->dstream + r * C;
        for (size_t i = 0; g->positions && i < C; i++)
            g->positions[(size_t)p->position[r] * C + i] += p->dbranch[r * C + i];
        for (size_t i = 0; g->embedding && p->ids[r] >= 0 && i < C; i++)
            g->embedding[(size_t)p->ids[r] * C + i] += (real)c->embedding_scale * d[i];
    }
}

void rv_pass_backward(rv_pass *p, const real *weights, rv_gradients *gradients)
{
    size_t layers = p->model->config.layers;
    long top = weights ? (long)layers : rv_highest_seed(p);
    RV_ASSERT(p->options.keep && p->finished);
    zero(p->dstream, p->rows * p->model->config.width);
    if (top == (long)layers) {
        finish_backward(p, weights, gradients);
        top = (long)layers - 1;
    }
    for (long layer = top; layer >= 0; layer--) block_backward(p, (size_t)layer, gradients);
    embed_backward(p, gradients);
}

static rv_status new_norm(rv_norm *out, const rv_norm *like, size_t width, rv_error *err)
{
    if (like->weight) RV_TRY(RV_NEW(out->weight, width, err));
    return like->bias ? RV_NEW(out->bias, width, err) : RV_OK;
}

static rv_status new_matrix(real **weight, real **bias, const rv_matrix *like, rv_error *err)
{
    RV_TRY(RV_NEW(*weight, like->M * like->K, err));
    return like->bias ? RV_NEW(*bias, like->M, err) : RV_OK;
}

static rv_status fill_gradients(rv_gradients *g, const rv_transformer *m, rv_error *err)
{
    const rv_config *c = &m->config;
    size_t C = c->width;
    RV_TRY(RV_NEW(g->blocks, c->layers, err));
    RV_TRY(RV_NEW(g->embedding, c->vocabulary * C, err));
    if (!c->tied) RV_TRY(RV_NEW(g->head, c->vocabulary * C, err));
    if (c->learned_positions) RV_TRY(RV_NEW(g->positions, c->context * C, err));
    RV_TRY(new_norm(&g->final_norm, &m->final_norm, C, err));
    for (size_t l = 0; l < c->layers; l++) {
        const rv_block *b = &m->blocks[l];
        rv_block_gradients *d = &g->blocks[l];
        RV_TRY(new_norm(&d->ln1, &b->ln1, C, err));
        RV_TRY(new_norm(&d->ln2, &b->ln2, C, err));
        RV_TRY(new_norm(&d->post_attention, &b->post_attention, C, err));
        RV_TRY(new_norm(&d->post_mlp, &b->post_mlp, C, err));
        RV_TRY(new_norm(&d->q_norm, &b->q_norm, c->head_size, err));
        RV_TRY(new_norm(&d->k_norm, &b->k_norm, c->head_size, err));
        RV_TRY(new_matrix(&d->qkv, &d->qkv_bias, &b->qkv, err));
        RV_TRY(new_matrix(&d->o, &d->o_bias, &b->o, err));
        RV_TRY(new_matrix(&d->up, &d->up_bias, &b->up, err));
        RV_TRY(new_matrix(&d->down, &d->down_bias, &b->down, err));
    }
    return RV_OK;
}

rv_status rv_gradients_new(rv_gradients **out, const rv_transformer *model, rv_error *err)
{
    *out = NULL;
    rv_gradients *g;
    RV_TRY(RV_NEW(g, 1, err));
    rv_status status = fill_gradients(g, model, err);
    if (status != RV_OK) {
        rv_gradients_free(g, model);
        return status;
    }
    *out = g;
    return RV_OK;
}

void rv_gradients_free(rv_gradients *g, const rv_transformer *model)
{
    if (!g) return;
    for (size_t l = 0; g->blocks && l < model->config.layers; l++) {
        rv_block_gradients *d = &g->blocks[l];
        rv_norm *norms[] = {&d->ln1,      &d->ln2,    &d->post_attention,
                            &d->post_mlp, &d->q_norm, &d->k_norm};
        real *matrices[] = {d->qkv, d->qkv_bias, d->o,    d->o_bias,
                            d->up,  d->up_bias,  d->down, d->down_bias};
        for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++)
            free(norms[i]->weight), free(norms[i]->bias);
        for (size_t i = 0; i < sizeof matrices / sizeof matrices[0]; i++) free(matrices[i]);
    }
    free(g->blocks);
    free(g->embedding);
    free(g->head);
    free(g->positions);
    free(g->final_norm.weight);
    free(g->final_norm.bias);
    free(g);
}
