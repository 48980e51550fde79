/* The forward pass, block by block. Shapes in comments: (rows, numbers a row). */
#include <string.h>

#include "base/assert.h"
#include "model/pass_internal.h"

void rv_norm_forward(const rv_pass *p, real *out, real *mean, real *rstd, const real *x,
                     const rv_norm *norm)
{
    const rv_config *c = &p->model->config;
    size_t C = c->width;
    int threads = p->options.threads;
    if (c->norm == RV_NORM_LAYER)
        p->model->kernels->layernorm_forward(out, C, mean, rstd, x, C, norm->weight, norm->bias,
                                             p->rows, C, (real)c->norm_eps, threads);
    else
        p->model->kernels->rmsnorm_forward(out, C, rstd, x, C, norm->weight, p->rows, 1, C,
                                           (real)c->norm_eps, threads);
}

rv_attention_shape rv_attention_shape_of(const rv_pass *p, size_t layer)
{
    const rv_config *c = &p->model->config;
    return (rv_attention_shape){.H = c->heads,
                                .G = c->kv_heads,
                                .D = c->head_size,
                                .scale = (real)c->layer[layer].score_scale,
                                .softcap = (real)c->score_softcap,
                                .window = c->layer[layer].window};
}

/* What each sequence sees: its prefixes' keys, oldest first, then its own rows. */
void rv_attention_setup(rv_pass *p, size_t layer, const rv_layer_values *v, real *dqkv)
{
    size_t Q = p->query_width, K = p->key_width;
    for (size_t s = 0; s < p->sequence_count; s++) {
        const rv_sequence *q = &p->sequences[s];
        rv_segment *segments = p->segments + s * RV_PREFIX_DEPTH_MAX,
                   *last = segments + RV_PREFIX_DEPTH_MAX;
        size_t count = 0, end = q->shared, own = p->spans[s].row * p->qkv_width;
        last[-1] = (rv_segment){.keys = v->qkv + own + Q,
                                .values = v->qkv + own + Q + K,
                                .dkeys = dqkv ? dqkv + own + Q : NULL,
                                .dvalues = dqkv ? dqkv + own + Q + K : NULL,
                                .first = q->shared,
                                .count = p->spans[s].count,
                                .stride = p->qkv_width};
        for (const rv_prefix *x = q->prefix; x && end; x = x->parent) {
            if (x->first >= end) continue;
            const real *keys = x->keys_values + layer * x->capacity * 2 * K;
            count++;
            last[-1 - (long)count] = (rv_segment){.keys = keys,
                                                  .values = keys + K,
                                                  .first = x->first,
                                                  .count = end - x->first,
                                                  .stride = 2 * K};
            end = x->first;
        }
        p->attention[s] = (rv_attention_sequence){.row = p->spans[s].row,
                                                  .first = q->shared,
                                                  .count = p->spans[s].count,
                                                  .segments = last - 1 - count,
                                                  .segment_count = count + 1};
        p->maps[s] = v->probabilities ? v->probabilities + p->map_offset[s] : NULL;
    }
}

static void save_keys(const rv_pass *p, size_t layer, const rv_layer_values *v)
{
    size_t K = p->key_width;
    for (size_t s = 0; s < p->sequence_count; s++) {
        rv_prefix *save = p->sequences[s].save;
        if (!save) continue;
        size_t before = rv_saved_before(&p->sequences[s]), count = p->sequences[s].count;
        real *to = save->keys_values + (layer * save->capacity + before) * 2 * K;
        const real *from = v->qkv + p->spans[s].row * p->qkv_width + p->query_width;
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * 2 * K, from + i * p->qkv_width, 2 * K * sizeof *to);
    }
}

/* out (rows, M) = or += in (rows, K) * matrix. */
static void multiply(const rv_pass *p, real *out, size_t ldo, const real *in, size_t ldi,
                     const rv_matrix *m, rv_epilogue epilogue)
{
    const rv_kernels *k = p->model->kernels;
    int threads = p->options.threads;
    (p->options.narrow ? k->linear_forward_narrow
                       : k->linear_forward)(out, ldo, in, ldi, m, p->rows, epilogue, threads);
}

/* n1 -> qkv: projection, norms of queries and keys, rotation. */
static void project(rv_pass *p, size_t layer, const rv_layer_values *v)
{
    const rv_config *c = &p->model->config;
    const rv_kernels *k = p->model->kernels;
    const rv_block *b = &p->model->blocks[layer];
    size_t Q = p->query_width, K = p->key_width, W = p->qkv_width, D = c->head_size;
    int threads = p->options.threads;
    multiply(p, v->qkv, W, v->n1, c->width, &b->qkv, RV_STORE);
    rv_visit(p, RV_SITE_Q, layer, v->qkv, W, Q);
    rv_visit(p, RV_SITE_K, layer, v->qkv + Q, W, K);
    rv_visit(p, RV_SITE_V, layer, v->qkv + Q + K, W, K);
    if (c->qk_norm) {
        for (size_t r = 0; r < p->rows; r++)
            memcpy(v->qk_raw + r * (Q + K), v->qkv + r * W, (Q + K) * sizeof *v->qkv);
        k->rmsnorm_forward(v->qkv, W, v->q_rstd, v->qk_raw, Q + K, b->q_norm.weight, p->rows,
                           c->heads, D, (real)c->norm_eps, threads);
        k->rmsnorm_forward(v->qkv + Q, W, v->k_rstd, v->qk_raw + Q, Q + K, b->k_norm.weight,
                           p->rows, c->kv_heads, D, (real)c->norm_eps, threads);
    }
    if (p->model->rope_pairs == 0) return;
    int table = c->layer[layer].rope;
    k->rope(v->qkv, W, p->position, p->model->cosine[table], p->model->sine[table], p->rows,
            c->heads + c->kv_heads, D, p->model->rope_pairs, false, threads);
    rv_visit(p, RV_SITE_ROT_Q, layer, v->qkv, W, Q);
    rv_visit(p, RV_SITE_ROT_K, layer, v->qkv + Q, W, K);
}

/* stream (+)= matrix * in, through the branch where a post-norm or a tap wants to see it. */
static void add_branch(rv_pass *p, size_t layer, real *stream, const real *in, size_t in_width,
                       const rv_matrix *m, const rv_norm *post, real *raw, real *mean,
                       real *rstd, rv_site_kind site)
{
    size_t C = p->model->config.width;
    if (!post->weight && !rv_tapped(p, site, layer)) {
        multiply(p, stream, C, in, in_width, m, RV_ACCUMULATE);
        return;
    }
    real *out = post->weight ? raw : p->branch;
    multiply(p, out, C, in, in_width, m, RV_STORE);
    if (post->weight) rv_norm_forward(p, p->branch, mean, rstd, raw, post);
    rv_visit(p, site, layer, p->branch, C, C);
    for (size_t i = 0; i < p->rows * C; i++) stream[i] += p->branch[i];
}

static void attention_block(rv_pass *p, size_t layer, const rv_layer_values *v)
{
    const rv_block *b = &p->model->blocks[layer];
    project(p, layer, v);
    save_keys(p, layer, v);
    rv_attention_setup(p, layer, v, NULL);
    rv_attention_shape shape = rv_attention_shape_of(p, layer);
    p->model->kernels->attention_forward(
        v->z, p->query_width, v->probabilities ? p->maps : NULL, v->qkv, p->qkv_width,
        p->attention, p->sequence_count, &shape, p->options.threads);
    rv_visit_maps(p, layer, v);
    rv_visit(p, RV_SITE_Z, layer, v->z, p->query_width, p->query_width);
    rv_visit_result(p, layer, v->z);
    add_branch(p, layer, v->resid_mid, v->z, p->query_width, &b->o, &b->post_attention,
               v->attention, v->post_attention_mean, v->post_attention_rstd, RV_SITE_ATTN_OUT);
}

static void mlp_block(rv_pass *p, size_t layer, const rv_layer_values *v, real *stream)
{
    const rv_config *c = &p->model->config;
    const rv_kernels *k = p->model->kernels;
    const rv_block *b = &p->model->blocks[layer];
    size_t F = c->mlp_width, W = p->up_width;
    multiply(p, v->pre, W, v->n2, c->width, &b->up, RV_STORE);
    rv_visit(p, RV_SITE_MLP_PRE, layer, v->pre, W, F);
    if (c->gated) rv_visit(p, RV_SITE_MLP_PRE_LINEAR, layer, v->pre + F, W, F);
    k->activation_forward(v->post, F, v->pre, W, c->gated ? v->pre + F : NULL, W, p->rows, F,
                          c->activation, p->options.threads);
    rv_visit(p, RV_SITE_MLP_POST, layer, v->post, F, F);
    add_branch(p, layer, stream, v->post, F, &b->down, &b->post_mlp, v->mlp, v->post_mlp_mean,
               v->post_mlp_rstd, RV_SITE_MLP_OUT);
}

/* n2 from the block's second norm: of resid_mid, or in parallel blocks of resid_pre. */
static void second_norm(rv_pass *p, size_t layer, const rv_layer_values *v, real *x)
{
    const rv_block *b = &p->model->blocks[layer];
    size_t C = p->model->config.width;
    if (rv_tapped(p, RV_SITE_MLP_IN,
                  layer)) { // a replacement here changes the branch, not the stream
        memcpy(p->gathered, x, p->rows * C * sizeof *x);
        rv_visit(p, RV_SITE_MLP_IN, layer, p->gathered, C, C);
        x = p->gathered;
    }
    rv_norm_forward(p, v->n2, v->ln2_mean, v->ln2_rstd, x, &b->ln2);
    rv_visit_norm(p, RV_SITE_LN2_SCALE, RV_SITE_LN2_NORMALIZED, layer, x, v->ln2_mean,
                  v->ln2_rstd);
}

/* A block up to its MLP. */
static void begin_block(rv_pass *p, size_t layer)
{
    const rv_config *c = &p->model->config;
    const rv_layer_values *v = &p->layers[layer];
    size_t C = c->width;
    rv_visit(p, RV_SITE_RESID_PRE, layer, v->resid_pre, C, C);
    rv_norm_forward(p, v->n1, v->ln1_mean, v->ln1_rstd, v->resid_pre,
                    &p->model->blocks[layer].ln1);
    rv_visit_norm(p, RV_SITE_LN1_SCALE, RV_SITE_LN1_NORMALIZED, layer, v->resid_pre,
                  v->ln1_mean, v->ln1_rstd);
    if (c->parallel_residual) second_norm(p, layer, v, v->resid_pre);
    if (v->resid_mid != v->resid_pre)
        memcpy(v->resid_mid, v->resid_pre, p->rows * C * sizeof(real));
    attention_block(p, layer, v);
}

static void end_block(rv_pass *p, size_t layer)
{
    const rv_config *c = &p->model->config;
    const rv_layer_values *v = &p->layers[layer];
    size_t C = c->width;
    real *next = layer + 1 < c->layers ? p->layers[layer + 1].resid_pre : p->stream;
    if (!c->parallel_residual) {
        rv_visit(p, RV_SITE_RESID_MID, layer, v->resid_mid, C, C);
        second_norm(p, layer, v, v->resid_mid);
    }
    if (next != v->resid_mid) memcpy(next, v->resid_mid, p->rows * C * sizeof(real));
    mlp_block(p, layer, v, next);
    rv_visit(p, RV_SITE_RESID_POST, layer, next, C, C);
}

void rv_pass_forward(rv_pass *p, size_t end)
{
    if (end > p->model->config.layers) end = p->model->config.layers;
    for (; p->next_layer < end; p->next_layer++) {
        if (!p->midway) begin_block(p, p->next_layer);
        end_block(p, p->next_layer);
        p->midway = false;
    }
}

/* The panel of a matrix that has this output. */
static rv_matrix panel_of(const rv_matrix *m, size_t output)
{
    size_t first = output / m->width * m->width, left = m->M - first;
    rv_matrix panel = *m;
    panel.M = left < m->width ? left : m->width;
    panel.panels = 1;
    panel.data += first * m->K;
    if (m->bias) panel.bias += first;
    if (m->narrow) panel.narrow += first * ((m->K + 1) / 2) * 2;
    return panel;
}

void rv_pass_neuron(rv_pass *p, real *post, size_t layer, size_t neuron)
{
    const rv_config *c = &p->model->config;
    const rv_layer_values *v = &p->layers[layer];
    const rv_matrix *m = &p->model->blocks[layer].up;
    size_t W = m->width, linear = c->mlp_width + neuron;
    real *pre = p->panels, *up = c->gated ? pre + p->rows * W : NULL;
    RV_ASSERT(p->options.select && !p->options.keep && !p->tap_count);
    RV_ASSERT(!c->parallel_residual && layer < c->layers && neuron < c->mlp_width);
    rv_pass_forward(p, layer);
    begin_block(p, layer);
    p->midway = true;
    second_norm(p, layer, v, v->resid_mid);
    rv_matrix panel = panel_of(m, neuron);
    multiply(p, pre, W, v->n2, c->width, &panel, RV_STORE);
    if (up) {
        panel = panel_of(m, linear);
        multiply(p, up, W, v->n2, c->width, &panel, RV_STORE);
        up += linear % W;
    }
    p->model->kernels->activation_forward(post, 1, pre + neuron % W, W, up, W, p->rows, 1,
                                          c->activation, p->options.threads);
}

void rv_pass_finish(rv_pass *p)
{
    rv_pass_forward(p, p->model->config.layers);
    size_t C = p->model->config.width;
    rv_norm_forward(p, p->hidden, p->final_mean, p->final_rstd, p->stream,
                    &p->model->final_norm);
    const real *mean = p->model->config.norm == RV_NORM_LAYER ? p->final_mean : NULL;
    rv_visit_norm(p, RV_SITE_LN_FINAL_SCALE, RV_SITE_LN_FINAL_NORMALIZED, 0, p->stream, mean,
                  p->final_rstd);
    rv_visit(p, RV_SITE_UNEMBED_IN, 0, p->hidden, C, C);
    p->finished = true;
}
