#include "model/transformer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/rope.h"

enum { ROPE_POSITIONS_MAX = 32768, ROTARY_MAX = 2 * RV_ROPE_PAIRS_MAX };

static const size_t PARAMETERS_MAX = (size_t)1 << 48;

static bool uses_rope(const rv_config *c, size_t table)
{
    for (size_t l = 0; c->rotary_size && l < c->layers; l++)
        if ((size_t)c->layer[l].rope == table) return true;
    return false;
}

static size_t rope_positions(const rv_config *c)
{
    return c->context < ROPE_POSITIONS_MAX ? c->context : ROPE_POSITIONS_MAX;
}

static rv_status init_rope(rv_transformer *m, rv_error *err)
{
    const rv_config *c = &m->config;
    m->rope_pairs = c->rotary_size / 2;
    if (m->rope_pairs == 0) return RV_OK;
    m->rope_positions = rope_positions(c);
    for (size_t t = 0; t < RV_ROPE_TABLES; t++) {
        if (uses_rope(c, t))
            RV_TRY(rv_rope_tables(&m->cosine[t], &m->sine[t], &c->rope[t], c->rotary_size,
                                  m->rope_positions, err));
    }
    return RV_OK;
}

static rv_status init_norm(rv_norm *norm, size_t width, bool bias, rv_error *err)
{
    RV_TRY(RV_NEW(norm->weight, width, err));
    for (size_t i = 0; i < width; i++) norm->weight[i] = 1;
    return bias ? RV_NEW(norm->bias, width, err) : RV_OK;
}

static rv_status init_block(rv_block *b, const rv_config *c, const rv_kernels *k, rv_error *err)
{
    bool norm_bias = c->norm == RV_NORM_LAYER;
    RV_TRY(init_norm(&b->ln1, c->width, norm_bias, err));
    RV_TRY(init_norm(&b->ln2, c->width, norm_bias, err));
    if (c->post_norms) RV_TRY(init_norm(&b->post_attention, c->width, norm_bias, err));
    if (c->post_norms) RV_TRY(init_norm(&b->post_mlp, c->width, norm_bias, err));
    if (c->qk_norm) RV_TRY(init_norm(&b->q_norm, c->head_size, false, err));
    if (c->qk_norm) RV_TRY(init_norm(&b->k_norm, c->head_size, false, err));
    size_t queries = c->heads * c->head_size, keys = c->kv_heads * c->head_size;
    RV_TRY(rv_matrix_init(&b->qkv, k, queries + 2 * keys, c->width, c->qkv_bias, err));
    RV_TRY(rv_matrix_init(&b->o, k, c->width, queries, c->o_bias, err));
    RV_TRY(rv_matrix_init(&b->up, k, c->gated ? 2 * c->mlp_width : c->mlp_width, c->width,
                          c->up_bias, err));
    return rv_matrix_init(&b->down, k, c->width, c->mlp_width, c->down_bias, err);
}

rv_status rv_config_check(const rv_config *c, rv_error *err)
{
    size_t most = c->head_size < ROTARY_MAX ? c->head_size : ROTARY_MAX;
    if (c->rotary_size > most || c->rotary_size % 2)
        return rv_fail(err, RV_ERR_FORMAT,
                       "rotary size: expected an even number up to %zu, found %zu", most,
                       c->rotary_size);
    if (rv_config_parameters(c) >= PARAMETERS_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "configuration: sizes too large to multiply");
    return RV_OK;
}

static rv_status init(rv_transformer *m, rv_error *err)
{
    const rv_config *c = &m->config;
    RV_TRY(rv_config_check(c, err));
    RV_TRY(RV_NEW(m->blocks, c->layers, err));
    RV_TRY(rv_matrix_init(&m->embedding, m->kernels, c->vocabulary, c->width, false, err));
    if (!c->tied)
        RV_TRY(
            rv_matrix_init(&m->untied_head, m->kernels, c->vocabulary, c->width, false, err));
    m->head = c->tied ? &m->embedding : &m->untied_head;
    if (c->learned_positions) RV_TRY(RV_NEW(m->positions, c->context * c->width, err));
    RV_TRY(init_norm(&m->final_norm, c->width, c->norm == RV_NORM_LAYER, err));
    for (size_t l = 0; l < c->layers; l++)
        RV_TRY(init_block(&m->blocks[l], c, m->kernels, err));
    return init_rope(m, err);
}

rv_status rv_transformer_new(rv_transformer **out, const rv_config *config,
                             const rv_kernels *kernels, rv_error *err)
{
    *out = NULL;
    rv_transformer *m;
    RV_TRY(RV_NEW(m, 1, err));
    m->config = *config;
    m->kernels = kernels ? kernels : rv_kernels_select(NULL);
    rv_status status = init(m, err);
    if (status != RV_OK) {
        rv_transformer_free(m);
        return status;
    }
    *out = m;
    return RV_OK;
}

static void free_norm(rv_norm *norm)
{
    free(norm->weight);
    free(norm->bias);
}

void rv_transformer_free(rv_transformer *m)
{
    if (!m) return;
    for (size_t l = 0; m->blocks && l < m->config.layers; l++) {
        rv_block *b = &m->blocks[l];
        rv_norm *norms[] = {&b->ln1,      &b->ln2,    &b->post_attention,
                            &b->post_mlp, &b->q_norm, &b->k_norm};
        for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) free_norm(norms[i]);
        rv_matrix_release(&b->qkv);
        rv_matrix_release(&b->o);
        rv_matrix_release(&b->up);
        rv_matrix_release(&b->down);
    }
    free(m->blocks);
    rv_matrix_release(&m->embedding);
    rv_matrix_release(&m->untied_head);
    free(m->positions);
    free_norm(&m->final_norm);
    for (size_t t = 0; t < RV_ROPE_TABLES; t++) {
        free(m->cosine[t]);
        free(m->sine[t]);
    }
    free(m);
}

static rv_status randomise_matrix(rv_matrix *m, double deviation, uint64_t seed,
                                  uint64_t *stream, rv_error *err)
{
    if (!m->data) return RV_OK;
    rv_random random = rv_random_stream(seed, (*stream)++, 0);
    real *row;
    RV_TRY(RV_NEW(row, m->K, err));
    for (size_t r = 0; r < m->M; r++) {
        for (size_t k = 0; k < m->K; k++)
            row[k] = (real)(deviation * rv_random_normal(&random));
        rv_matrix_set_rows(m, r, 1, row);
    }
    free(row);
    return RV_OK;
}

rv_status rv_transformer_randomise(rv_transformer *m, uint64_t seed, rv_error *err)
{
    const double deviation = 0.02;
    const rv_config *c = &m->config;
    double back = deviation / sqrt(2 * (double)c->layers);
    uint64_t stream = 0;
    RV_TRY(randomise_matrix(&m->embedding, deviation, seed, &stream, err));
    RV_TRY(randomise_matrix(&m->untied_head, deviation, seed, &stream, err));
    for (size_t l = 0; l < c->layers; l++) {
        RV_TRY(randomise_matrix(&m->blocks[l].qkv, deviation, seed, &stream, err));
        RV_TRY(randomise_matrix(&m->blocks[l].o, back, seed, &stream, err));
        RV_TRY(randomise_matrix(&m->blocks[l].up, deviation, seed, &stream, err));
        RV_TRY(randomise_matrix(&m->blocks[l].down, back, seed, &stream, err));
    }
    rv_random random = rv_random_stream(seed, stream, 0);
    for (size_t i = 0; m->positions && i < c->context * c->width; i++)
        m->positions[i] = (real)(deviation * rv_random_normal(&random));
    return RV_OK;
}

size_t rv_config_parameters(const rv_config *c)
{
    // In double, exact up to 2^53: a configuration may claim sizes whose product no integer holds.
    double width = (double)c->width, mlp = (double)c->mlp_width;
    double head_size = (double)c->head_size, queries = (double)c->heads * head_size,
           keys = (double)c->kv_heads * head_size;
    double norm = c->norm == RV_NORM_LAYER ? 2 * width : width, up = c->gated ? 2 * mlp : mlp;
    double block = (queries + 2 * keys) * (width + c->qkv_bias) +
                   width * (queries + c->o_bias) + up * (width + c->up_bias) +
                   width * (mlp + c->down_bias) + norm * (c->post_norms ? 4 : 2) +
                   (c->qk_norm ? 2 * head_size : 0);
    double all = (double)c->vocabulary * width * (c->tied ? 1 : 2) +
                 (c->learned_positions ? (double)c->context * width : 0) + norm +
                 (double)c->layers * block;
    return all < (double)PARAMETERS_MAX ? (size_t)all : PARAMETERS_MAX;
}

size_t rv_config_bytes(const rv_config *c)
{
    size_t numbers = rv_config_parameters(c);
    for (size_t t = 0; t < RV_ROPE_TABLES; t++)
        if (uses_rope(c, t)) numbers += rope_positions(c) * (c->rotary_size / 2) * 2;
    return numbers * sizeof(real);
}

/* make of every matrix that products are taken with, the embedding last: where it is done, all are. */
static rv_status for_matrices(rv_transformer *m,
                              rv_status (*make)(rv_matrix *, const rv_kernels *, rv_error *),
                              rv_error *err)
{
    if (m->untied_head.data) RV_TRY(make(&m->untied_head, m->kernels, err));
    for (size_t l = 0; l < m->config.layers; l++) {
        rv_matrix *const all[] = {&m->blocks[l].qkv, &m->blocks[l].o, &m->blocks[l].up,
                                  &m->blocks[l].down};
        for (size_t i = 0; i < 4; i++) RV_TRY(make(all[i], m->kernels, err));
    }
    return make(&m->embedding, m->kernels, err);
}

rv_status rv_transformer_narrow(rv_transformer *m, rv_error *err)
{
    return m->embedding.narrow ? RV_OK : for_matrices(m, rv_matrix_narrow, err);
}

real rv_matrix_dot(const rv_matrix *m, size_t row, const real *x)
{
    const real *w = m->data + row / m->width * m->K * m->width + row % m->width;
    real sum = 0;
    for (size_t k = 0; k < m->K; k++) sum += x[k] * w[k * m->width];
    return sum;
}
