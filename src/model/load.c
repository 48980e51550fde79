/* Weights from a checkpoint into a transformer: shapes checked, layouts undone, packed row by row,
 * so that beside the packed weights only one tensor's worth of memory is ever in use; what has been
 * read of the mapped file is let go. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/family.h"
#include "model/transformer.h"

enum { CHUNK_ROWS = 256, LEAST_CONTEXT = 64 };

typedef struct loader {
    const rv_family *family;
    rv_source source;
    unsigned layout;
    rv_slot embedding; /* where its rows are: a tied model may have them as the head's alone */
    rv_transformer *model;
    real *buffer;
    size_t buffer_size;
    double done, total;
    const rv_load_options *options;
    rv_error *err;
} loader;

static const char *path_of(const loader *l)
{
    return rv_checkpoint_path(l->source.checkpoint);
}

static rv_status reserve(loader *l, size_t numbers)
{
    if (numbers <= l->buffer_size) return RV_OK;
    free(l->buffer);
    l->buffer_size = 0;
    RV_TRY(RV_NEW(l->buffer, numbers, l->err));
    l->buffer_size = numbers;
    return RV_OK;
}

static rv_status report(loader *l, size_t numbers)
{
    l->done += (double)numbers;
    if (!l->options || !l->options->progress) return RV_OK;
    rv_progress event = {"loading", "million weights", NULL, l->done / 1e6, l->total / 1e6};
    if (l->options->progress(l->options->progress_context, &event)) return RV_OK;
    return rv_fail(l->err, RV_ERR_CANCELLED, "loading was cancelled");
}

/* The tensor of a slot, its shape checked: rows x columns, or `columns` alone where rows is 0. */
static rv_status find(loader *l, const rv_tensor **out, rv_slot slot, size_t layer, size_t rows,
                      size_t columns)
{
    char name[160], found[96] = "";
    *out = rv_family_tensor(l->family, &l->source, slot, layer, name);
    if (!*out)
        return rv_fail(l->err, RV_ERR_FORMAT,
                       "%s: tensor %s: expected by the configuration, found none", path_of(l),
                       name);
    const rv_tensor *t = *out;
    if (t->dtype == RV_OTHER)
        return rv_fail(l->err, RV_ERR_UNSUPPORTED,
                       "%s: tensor %s: type: expected one that is read as numbers, found %s",
                       path_of(l), t->name, t->type_name);
    bool fits = rows ? t->rank == 2 && t->shape[0] == rows && t->shape[1] == columns
                     : t->rank == 1 && t->shape[0] == columns;
    if (fits) return RV_OK;
    for (size_t i = 0; i < t->rank; i++) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%zu", i ? " x " : "", t->shape[i]);
    }
    char expected[64];
    if (rows)
        snprintf(expected, sizeof expected, "%zu x %zu", rows, columns);
    else
        snprintf(expected, sizeof expected, "%zu", columns);
    return rv_fail(l->err, RV_ERR_FORMAT, "%s: tensor %s: expected shape %s, found %s",
                   path_of(l), t->name, expected, found);
}

/* A weight that is no number makes others of everything behind it: better said here than found there. */
static rv_status check_finite(const loader *l, const rv_tensor *t, const real *numbers,
                              size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]))
            return rv_fail(l->err, RV_ERR_NUMERIC,
                           "%s: tensor %s: number %zu: expected a finite one, found %g; the "
                           "weights are damaged",
                           path_of(l), t->name, first + i, (double)numbers[i]);
    return RV_OK;
}

static bool has(const loader *l, rv_slot slot, size_t layer)
{
    char name[160];
    return rv_family_tensor(l->family, &l->source, slot, layer, name) != NULL;
}

/* Where a stored row of q, k or a fused qkv belongs. */
typedef enum row_order { ROWS_PLAIN, ROWS_INTERLEAVED, ROWS_QKV_PER_HEAD } row_order;

static size_t place(const rv_config *c, row_order order, size_t row)
{
    size_t D = c->head_size;
    if (order == ROWS_INTERLEAVED) {
        size_t j = row % D, half = c->rotary_size / 2;
        return j < 2 * half ? row - j + (j % 2 ? half + j / 2 : j / 2) : row;
    }
    if (order == ROWS_QKV_PER_HEAD) {
        size_t j = row % D, part = row / D % 3, head = row / D / 3;
        return part * c->heads * D + head * D + j;
    }
    return row;
}

/* Rows [at, at + rows) of the matrix from a weight tensor (rows, columns), or (columns, rows) where the
 * family stores it transposed. */
static rv_status load_rows(loader *l, rv_matrix *m, size_t at, rv_slot slot, size_t layer,
                           size_t rows, row_order order)
{
    const rv_config *c = &l->model->config;
    const rv_tensor *t;
    size_t columns = m->K;
    if (l->layout & RV_LAYOUT_TRANSPOSED && slot != RV_EMBEDDING && slot != RV_HEAD) {
        RV_TRY(find(l, &t, slot, layer, columns, rows));
        RV_TRY(reserve(l, rows * columns + columns));
        RV_TRY(rv_tensor_read(t, l->buffer, l->err));
        RV_TRY(check_finite(l, t, l->buffer, 0, rows * columns));
        real *row = l->buffer + rows * columns;
        for (size_t r = 0; r < rows; r++) {
            for (size_t k = 0; k < columns; k++) row[k] = l->buffer[k * rows + r];
            rv_matrix_set_rows(m, at + place(c, order, r), 1, row);
        }
        rv_checkpoint_forget(l->source.checkpoint);
        return report(l, rows * columns);
    }
    RV_TRY(find(l, &t, slot, layer, rows, columns));
    RV_TRY(reserve(l, CHUNK_ROWS * columns));
    for (size_t r = 0; r < rows; r += CHUNK_ROWS) {
        size_t count = rows - r < CHUNK_ROWS ? rows - r : CHUNK_ROWS;
        RV_TRY(rv_tensor_read_rows(t, r, count, l->buffer, l->err));
        RV_TRY(check_finite(l, t, l->buffer, r * columns, count * columns));
        for (size_t i = 0; i < count; i++)
            rv_matrix_set_rows(m, at + place(c, order, r + i), 1, l->buffer + i * columns);
        rv_checkpoint_forget(l->source.checkpoint);
        RV_TRY(report(l, count * columns));
    }
    return RV_OK;
}

static rv_status load_bias(loader *l, rv_matrix *m, size_t at, rv_slot slot, size_t layer,
                           size_t rows, row_order order)
{
    const rv_tensor *t;
    // llama.cpp takes each bias where there is one; a config.json that says so wants all.
    if (!m->bias || (!l->source.json && !has(l, slot, layer))) return RV_OK;
    RV_TRY(find(l, &t, slot, layer, 0, rows));
    RV_TRY(reserve(l, rows));
    RV_TRY(rv_tensor_read(t, l->buffer, l->err));
    RV_TRY(check_finite(l, t, l->buffer, 0, rows));
    for (size_t r = 0; r < rows; r++)
        m->bias[at + place(&l->model->config, order, r)] = l->buffer[r];
    return RV_OK;
}

static rv_status load_linear(loader *l, rv_matrix *m, size_t at, rv_slot weight, rv_slot bias,
                             size_t layer, size_t rows, row_order order)
{
    RV_TRY(load_rows(l, m, at, weight, layer, rows, order));
    return load_bias(l, m, at, bias, layer, rows, order);
}

static rv_status load_vector(loader *l, real *out, rv_slot slot, size_t layer, size_t width)
{
    const rv_tensor *t;
    RV_TRY(find(l, &t, slot, layer, 0, width));
    RV_TRY(rv_tensor_read(t, out, l->err));
    RV_TRY(check_finite(l, t, out, 0, width));
    return report(l, width);
}

static rv_status load_norm(loader *l, rv_norm *norm, rv_slot weight, rv_slot bias, size_t layer,
                           size_t width)
{
    if (!norm->weight) return RV_OK;
    RV_TRY(load_vector(l, norm->weight, weight, layer, width));
    for (size_t i = 0; l->layout & RV_LAYOUT_NORM_MINUS_ONE && i < width; i++)
        norm->weight[i] += 1;
    return norm->bias ? load_vector(l, norm->bias, bias, layer, width) : RV_OK;
}

static rv_status load_attention(loader *l, rv_block *b, size_t layer)
{
    const rv_config *c = &l->model->config;
    size_t queries = c->heads * c->head_size, keys = c->kv_heads * c->head_size;
    row_order order = l->layout & RV_LAYOUT_ROPE_INTERLEAVED ? ROWS_INTERLEAVED : ROWS_PLAIN;
    if (has(l, RV_QKV_WEIGHT, layer)) {
        row_order fused = l->layout & RV_LAYOUT_QKV_PER_HEAD ? ROWS_QKV_PER_HEAD : ROWS_PLAIN;
        RV_TRY(load_linear(l, &b->qkv, 0, RV_QKV_WEIGHT, RV_QKV_BIAS, layer, queries + 2 * keys,
                           fused));
    } else {
        RV_TRY(load_linear(l, &b->qkv, 0, RV_Q_WEIGHT, RV_Q_BIAS, layer, queries, order));
        RV_TRY(load_linear(l, &b->qkv, queries, RV_K_WEIGHT, RV_K_BIAS, layer, keys, order));
        RV_TRY(load_linear(l, &b->qkv, queries + keys, RV_V_WEIGHT, RV_V_BIAS, layer, keys,
                           ROWS_PLAIN));
    }
    return load_linear(l, &b->o, 0, RV_O_WEIGHT, RV_O_BIAS, layer, c->width, ROWS_PLAIN);
}

static rv_status load_block(loader *l, size_t layer)
{
    const rv_config *c = &l->model->config;
    rv_block *b = &l->model->blocks[layer];
    RV_TRY(load_norm(l, &b->ln1, RV_LN1_WEIGHT, RV_LN1_BIAS, layer, c->width));
    RV_TRY(load_norm(l, &b->ln2, RV_LN2_WEIGHT, RV_LN2_BIAS, layer, c->width));
    RV_TRY(
        load_norm(l, &b->post_attention, RV_POST_ATTENTION_WEIGHT, RV_SLOTS, layer, c->width));
    RV_TRY(load_norm(l, &b->post_mlp, RV_POST_MLP_WEIGHT, RV_SLOTS, layer, c->width));
    RV_TRY(load_norm(l, &b->q_norm, RV_Q_NORM_WEIGHT, RV_SLOTS, layer, c->head_size));
    RV_TRY(load_norm(l, &b->k_norm, RV_K_NORM_WEIGHT, RV_SLOTS, layer, c->head_size));
    RV_TRY(load_attention(l, b, layer));
    size_t up = c->gated ? c->mlp_width : 0;
    if (c->gated)
        RV_TRY(load_linear(l, &b->up, 0, RV_GATE_WEIGHT, RV_GATE_BIAS, layer, c->mlp_width,
                           ROWS_PLAIN));
    RV_TRY(
        load_linear(l, &b->up, up, RV_UP_WEIGHT, RV_UP_BIAS, layer, c->mlp_width, ROWS_PLAIN));
    return load_linear(l, &b->down, 0, RV_DOWN_WEIGHT, RV_DOWN_BIAS, layer, c->width,
                       ROWS_PLAIN);
}

static rv_status load_all(loader *l)
{
    rv_transformer *m = l->model;
    const rv_config *c = &m->config;
    RV_TRY(load_rows(l, &m->embedding, 0, l->embedding, 0, c->vocabulary, ROWS_PLAIN));
    if (!c->tied)
        RV_TRY(load_rows(l, &m->untied_head, 0, RV_HEAD, 0, c->vocabulary, ROWS_PLAIN));
    if (m->positions) {
        const rv_tensor *t;
        RV_TRY(find(l, &t, RV_POSITIONS, 0, c->context, c->width));
        RV_TRY(rv_tensor_read(t, m->positions, l->err));
        RV_TRY(check_finite(l, t, m->positions, 0, t->elements));
    }
    RV_TRY(load_norm(l, &m->final_norm, RV_FINAL_NORM_WEIGHT, RV_FINAL_NORM_BIAS, 0, c->width));
    for (size_t layer = 0; layer < c->layers; layer++) RV_TRY(load_block(l, layer));
    return RV_OK;
}

/* A tied model has its matrix under one name, or twice; where the two differ, the checkpoint was not
 * tied, whatever its configuration says (as transformers decides it). */
static rv_status find_head(rv_config *c, loader *l)
{
    char name[160];
    const rv_tensor *rows = rv_family_tensor(l->family, &l->source, RV_EMBEDDING, 0, name),
                    *head = rv_family_tensor(l->family, &l->source, RV_HEAD, 0, name);
    l->embedding = c->tied && !rows && head ? RV_HEAD : RV_EMBEDDING;
    if (c->tied && rows && head)
        c->tied = rows->dtype == head->dtype && rows->length == head->length &&
                  memcmp(rows->bytes, head->bytes, rows->length) == 0;
    if (c->tied || head) return RV_OK;
    return rv_fail(l->err, RV_ERR_FORMAT,
                   "%s: tensor %s: expected by the configuration (tie_word_embeddings is "
                   "false), found none",
                   path_of(l), name);
}

/* Allocates nothing that the file does not pay for: it must hold the numbers that the configuration
 * claims, in types that can be read. */
static rv_status check_weights(const rv_config *c, loader *l)
{
    const rv_tensor *t;
    char name[160];
    RV_TRY(find(l, &t, l->embedding, 0, c->vocabulary, c->width));
    for (size_t layer = 0; layer < c->layers; layer++)
        for (rv_slot slot = RV_LN1_WEIGHT; slot < RV_SLOTS; slot++) {
            t = rv_family_tensor(l->family, &l->source, slot, layer, name);
            if (t && t->dtype == RV_OTHER) return find(l, &t, slot, layer, 0, 0);
        }
    rv_checkpoint_plan plan; // counts only numbers that really lie in the file
    rv_checkpoint_plan_memory(&plan, l->source.checkpoint);
    size_t stored = plan.parameters, wanted = rv_config_parameters(c);
    if (stored < wanted)
        return rv_fail(l->err, RV_ERR_FORMAT,
                       "%s: weights: expected %zu numbers by the configuration, found %zu",
                       path_of(l), wanted, stored);
    l->total = (double)wanted;
    return RV_OK;
}

/* What GGUF says by its tensors alone: biases are where there are some. */
static void find_biases(rv_config *c, const loader *l)
{
    c->qkv_bias = has(l, RV_QKV_BIAS, 0) || has(l, RV_Q_BIAS, 0) || has(l, RV_K_BIAS, 0) ||
                  has(l, RV_V_BIAS, 0);
    c->o_bias = has(l, RV_O_BIAS, 0);
    c->up_bias = has(l, RV_UP_BIAS, 0) || has(l, RV_GATE_BIAS, 0);
    c->down_bias = has(l, RV_DOWN_BIAS, 0);
}

/* A rotary model takes texts that are longer than those it was trained with. Real contexts are long
 * enough; a toy's would cut what others read whole. */
static void widen_context(rv_config *c)
{
    bool ends = c->learned_positions;
    for (size_t t = 0; t < RV_ROPE_TABLES; t++) ends = ends || c->rope[t].ends_with_context;
    if (!ends && c->context < LEAST_CONTEXT) c->context = LEAST_CONTEXT;
}

static rv_status complete(rv_config *c, loader *l)
{
    c->family = l->family->name;
    widen_context(c);
    if (!l->source.json) find_biases(c, l);
    RV_TRY(find_head(c, l));
    rv_status status = rv_config_check(c, l->err);
    if (status != RV_OK) return rv_context(l->err, status, "%s", path_of(l));
    return check_weights(c, l);
}

static rv_status configure(rv_config *out, loader *l, const rv_checkpoint *checkpoint,
                           rv_error *err)
{
    *out = (rv_config){0};
    l->err = err;
    RV_TRY(rv_family_of(&l->family, &l->source, checkpoint, err));
    l->layout = l->source.json ? l->family->layout : l->family->layout_gguf;
    bool interleaved = false;
    RV_TRY(rv_read_bool(&l->source, "rope_interleaved", NULL, &interleaved, err)); // llama2.c
    if (interleaved) l->layout |= RV_LAYOUT_ROPE_INTERLEAVED;
    RV_TRY(l->family->configure(out, &l->source, err));
    return complete(out, l);
}

rv_status rv_transformer_configure(rv_config *out, const rv_checkpoint *checkpoint,
                                   rv_error *err)
{
    loader l = {0};
    return configure(out, &l, checkpoint, err);
}

rv_status rv_transformer_load(rv_transformer **out, const rv_checkpoint *checkpoint,
                              const rv_load_options *options, rv_error *err)
{
    *out = NULL;
    rv_config *config;
    loader l = {.options = options};
    RV_TRY(RV_NEW(config, 1, err));
    rv_status status = configure(config, &l, checkpoint, err);
    if (status == RV_OK)
        status = rv_transformer_new(&l.model, config, options ? options->kernels : NULL, err);
    free(config);
    if (status == RV_OK) status = load_all(&l);
    free(l.buffer);
    if (status != RV_OK) {
        rv_transformer_free(l.model);
        return status;
    }
    *out = l.model;
    return RV_OK;
}
