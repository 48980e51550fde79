#include "autoencoder/text_autoencoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { BLOCK_TENSORS = 6 };

rv_text_autoencoder_config rv_text_autoencoder_config_default(void)
{
    return (rv_text_autoencoder_config){.width = 192,
                                        .heads = 4,
                                        .encoder_layers = 2,
                                        .decoder_layers = 6,
                                        .code = 192,
                                        .tokens_per_slot = 2,
                                        .tokens = 24,
                                        .language_model = true,
                                        .site = {RV_SITE_EMBED, 0},
                                        .bos = -1,
                                        .noise = 1.5};
}

size_t rv_text_slots(const rv_text_autoencoder_config *config, size_t tokens)
{
    return (tokens + config->tokens_per_slot - 1) / config->tokens_per_slot;
}

static rv_status check_config(const rv_text_autoencoder_config *c,
                              const rv_transformer *subject, rv_error *err)
{
    const struct {
        const char *name;
        size_t value, least, most;
    } sizes[] = {{"width", c->width, 2, 4096},
                 {"heads", c->heads, 1, 64},
                 {"encoder layers", c->encoder_layers, 1, RV_TEXT_LAYERS_MAX},
                 {"decoder layers", c->decoder_layers, 1, RV_TEXT_LAYERS_MAX},
                 {"numbers of a slot", c->code, 2, 4096},
                 {"tokens of a slot", c->tokens_per_slot, 1, RV_TEXT_TOKENS_MAX},
                 {"tokens", c->tokens, 1, RV_TEXT_TOKENS_MAX}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].value < sizes[i].least || sizes[i].value > sizes[i].most)
            return rv_fail(err, RV_ERR_USAGE, "autoencoder: %s: expected %zu to %zu, found %zu",
                           sizes[i].name, sizes[i].least, sizes[i].most, sizes[i].value);
    if (c->width % (2 * c->heads))
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: width: expected a multiple of twice its %zu heads, found "
                       "%zu",
                       c->heads, c->width);
    if (!(c->noise >= 0 && c->noise <= 100))
        return rv_fail(err, RV_ERR_USAGE, "autoencoder: noise: expected 0 to 100, found %g",
                       c->noise);
    bool inner = c->site.kind == RV_SITE_RESID_PRE && c->site.layer < subject->config.layers;
    if (c->site.kind != RV_SITE_EMBED && !inner) {
        char name[RV_SITE_NAME_MAX];
        rv_site_name(name, c->site);
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: site: expected embed or blocks.L.hook_resid_pre with L "
                       "below %zu, found %s",
                       subject->config.layers, name);
    }
    if (c->language_model && (subject->config.logit_softcap > 0 || subject->head->bias))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "autoencoder: this model's head is not linear in its final hidden, so "
                       "that what it expects cannot be added to what the decoder says; leave "
                       "the language model out");
    if ((c->language_model || inner) &&
        (c->bos < 0 || (size_t)c->bos >= subject->config.vocabulary))
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: expected a token to begin texts with, found %d", c->bos);
    if (c->tokens + 1 > subject->config.context)
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: tokens: expected fewer than the model's context of %zu, "
                       "found %zu",
                       subject->config.context, c->tokens);
    return RV_OK;
}

static rv_status new_transformer(rv_transformer **out, const rv_text_autoencoder_config *c,
                                 size_t layers, const rv_kernels *kernels, rv_error *err)
{
    rv_config *shape;
    RV_TRY(RV_NEW(shape, 1, err));
    size_t head_size = c->width / c->heads;
    *shape = (rv_config){.family = "autoencoder",
                         .vocabulary = 1, // rows come in as inputs
                         .context = c->tokens + rv_text_slots(c, c->tokens),
                         .layers = layers,
                         .width = c->width,
                         .heads = c->heads,
                         .kv_heads = c->heads,
                         .head_size = head_size,
                         .mlp_width = (c->width * 8 / 3 + 31) / 32 * 32,
                         .norm = RV_NORM_RMS,
                         .norm_eps = 1e-5,
                         .rotary_size = head_size,
                         .rope[0] = {.theta = 10000, .factor = 1},
                         .activation = RV_ACT_SILU,
                         .gated = true,
                         .tied = true,
                         .embedding_scale = 1};
    for (size_t l = 0; l < layers; l++)
        shape->layer[l].score_scale = 1 / sqrt((double)head_size);
    rv_status status = rv_transformer_new(out, shape, kernels, err);
    free(shape);
    return status;
}

static rv_text_parameter *add(rv_text_autoencoder *ae, const char *name, size_t rows,
                              size_t columns, double deviation)
{
    rv_text_parameter *p = &ae->tensors[ae->tensor_count++];
    *p = (rv_text_parameter){.offset = ae->parameter_count,
                             .rows = rows,
                             .columns = columns,
                             .deviation = deviation};
    snprintf(p->name, sizeof p->name, "%s", name);
    ae->parameter_count += rows * columns;
    return p;
}

static rv_status add_matrix(rv_text_autoencoder *ae, const char *name, rv_matrix *matrix,
                            size_t rows, size_t columns, double gain, rv_error *err)
{
    if (!matrix->data)
        RV_TRY(rv_matrix_init(matrix, ae->subject->kernels, rows, columns, false, err));
    add(ae, name, rows, columns, gain / sqrt((double)columns))->matrix = matrix;
    return RV_OK;
}

static rv_status add_transformer(rv_text_autoencoder *ae, const char *name, rv_transformer *m,
                                 rv_error *err)
{
    const rv_config *c = &m->config;
    size_t W = c->width, F = c->mlp_width;
    double back = 1 / sqrt(2 * (double)c->layers);
    char full[RV_TEXT_NAME_MAX];
    for (size_t l = 0; l < c->layers; l++) {
        rv_block *b = &m->blocks[l];
        const struct {
            const char *part;
            rv_matrix *matrix;
            real *vector;
            size_t rows, columns;
            double gain;
        } parts[BLOCK_TENSORS] = {
            {"ln1", NULL, b->ln1.weight, 1, W, 0}, {"qkv", &b->qkv, NULL, 3 * W, W, 1},
            {"o", &b->o, NULL, W, W, back},        {"ln2", NULL, b->ln2.weight, 1, W, 0},
            {"up", &b->up, NULL, 2 * F, W, 1},     {"down", &b->down, NULL, W, F, back}};
        for (size_t i = 0; i < BLOCK_TENSORS; i++) {
            snprintf(full, sizeof full, "%s.blocks.%zu.%s", name, l, parts[i].part);
            if (parts[i].vector)
                add(ae, full, 1, W, -1)->vector = parts[i].vector;
            else
                RV_TRY(add_matrix(ae, full, parts[i].matrix, parts[i].rows, parts[i].columns,
                                  parts[i].gain, err));
        }
    }
    snprintf(full, sizeof full, "%s.final_norm", name);
    add(ae, full, 1, W, -1)->vector = m->final_norm.weight;
    return RV_OK;
}

static rv_status add_tensors(rv_text_autoencoder *ae, rv_error *err)
{
    const rv_text_autoencoder_config *c = &ae->config;
    size_t C = ae->subject->config.width, W = c->width, Z = c->code,
           S = rv_text_slots(c, c->tokens);
    RV_TRY(RV_NEW(ae->tensors,
                  RV_TEXT_TENSORS + BLOCK_TENSORS * (c->encoder_layers + c->decoder_layers) + 2,
                  err));
    // In the order of rv_text_tensor.
    RV_TRY(add_matrix(ae, "in", &ae->in, W, C, 1, err));
    RV_TRY(add_matrix(ae, "in_expect", &ae->in_expect, W, C, 1, err));
    add(ae, "in_position", c->tokens, W, 1);
    add(ae, "slot", S, W, 1);
    add(ae, "in_bind", c->tokens_per_slot, W, 1);
    RV_TRY(add_matrix(ae, "code", &ae->code, Z, W, 1, err));
    RV_TRY(add_matrix(ae, "from_code", &ae->from_code, W, Z, 1, err));
    add(ae, "slot_position", S, W, 1);
    add(ae, "bind", c->tokens_per_slot, W, 1);
    RV_TRY(add_matrix(ae, "token", &ae->token, W, C, 1, err));
    RV_TRY(add_matrix(ae, "expect", &ae->expect, W, C, 1, err));
    add(ae, "position", c->tokens, W, 1);
    add(ae, "start", 1, W, 1);
    add(ae, "mask", 1, W, 1);
    RV_TRY(add_matrix(ae, "out", &ae->out, C, W, 0, err));
    if (c->site.kind != RV_SITE_EMBED)
        RV_TRY(add_matrix(ae, "site_out", &ae->site_out, C, W, 0, err));
    RV_TRY(add_transformer(ae, "encoder", ae->encoder, err));
    RV_TRY(add_transformer(ae, "decoder", ae->decoder, err));
    RV_TRY(RV_NEW(ae->site_mean, C, err));
    RV_TRY(RV_NEW(ae->ones, Z, err));
    for (size_t i = 0; i < Z; i++) ae->ones[i] = 1;
    return RV_NEW(ae->parameters, ae->parameter_count, err);
}

/* One over the root mean square of the subject's embeddings. */
static rv_status measure_embeddings(rv_text_autoencoder *ae, rv_error *err)
{
    const rv_transformer *m = ae->subject;
    size_t C = m->config.width, V = m->config.vocabulary;
    double sum = 0;
    real *row;
    RV_TRY(RV_NEW(row, C, err));
    for (size_t v = 0; v < V; v++) {
        rv_matrix_get_row(&m->embedding, v, row);
        for (size_t i = 0; i < C; i++) sum += (double)row[i] * (double)row[i];
    }
    free(row);
    double scale = m->config.embedding_scale * sqrt(sum / (double)(V * C));
    if (!(scale > 0 && isfinite(scale)))
        return rv_fail(err, RV_ERR_NUMERIC, "autoencoder: the model's embeddings are %s",
                       sum == 0 ? "all zero" : "not finite");
    ae->token_scale = (real)(1 / scale);
    ae->site_scale = ae->token_scale;
    return RV_OK;
}

static void randomise(rv_text_autoencoder *ae, uint64_t seed)
{
    for (size_t t = 0; t < ae->tensor_count; t++) {
        const rv_text_parameter *p = &ae->tensors[t];
        rv_random random = rv_random_stream(seed, t, 0);
        for (size_t i = 0; i < p->rows * p->columns; i++)
            ae->parameters[p->offset + i] =
                p->deviation < 0 ? 1 : (real)(p->deviation * rv_random_normal(&random));
    }
}

static rv_status init(rv_text_autoencoder *ae, uint64_t seed, rv_error *err)
{
    const rv_text_autoencoder_config *c = &ae->config;
    const rv_kernels *kernels = ae->subject->kernels;
    RV_TRY(check_config(c, ae->subject, err));
    RV_TRY(new_transformer(&ae->encoder, c, c->encoder_layers, kernels, err));
    RV_TRY(new_transformer(&ae->decoder, c, c->decoder_layers, kernels, err));
    RV_TRY(add_tensors(ae, err));
    RV_TRY(measure_embeddings(ae, err));
    randomise(ae, seed);
    rv_text_autoencoder_refresh(ae, 1);
    return RV_OK;
}

rv_status rv_text_autoencoder_new(rv_text_autoencoder **out, const rv_transformer *subject,
                                  const rv_text_autoencoder_config *config, uint64_t seed,
                                  rv_error *err)
{
    *out = NULL;
    rv_text_autoencoder *ae;
    RV_TRY(RV_NEW(ae, 1, err));
    ae->config = *config;
    ae->subject = subject;
    rv_status status = init(ae, seed, err);
    if (status != RV_OK) {
        rv_text_autoencoder_free(ae);
        return status;
    }
    *out = ae;
    return RV_OK;
}

void rv_text_autoencoder_free(rv_text_autoencoder *ae)
{
    if (!ae) return;
    rv_transformer_free(ae->encoder);
    rv_transformer_free(ae->decoder);
    rv_matrix *const matrices[] = {&ae->in,    &ae->in_expect, &ae->code, &ae->from_code,
                                   &ae->token, &ae->expect,    &ae->out,  &ae->site_out};
    for (size_t i = 0; i < sizeof matrices / sizeof matrices[0]; i++)
        rv_matrix_release(matrices[i]);
    free(ae->tensors);
    free(ae->parameters);
    free(ae->site_mean);
    free(ae->ones);
    free(ae);
}

void rv_text_autoencoder_refresh(rv_text_autoencoder *ae, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (size_t t = 0; t < ae->tensor_count; t++) {
        const rv_text_parameter *p = &ae->tensors[t];
        const real *numbers = ae->parameters + p->offset;
        if (p->matrix) rv_matrix_set_rows(p->matrix, 0, p->rows, numbers);
        if (p->vector) memcpy(p->vector, numbers, p->columns * sizeof *numbers);
    }
}
