#include "corpus/coder_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/top_k.h"
#include "corpus/windows.h"

enum { ROWS = 64 }; /* encoded together */
static const double DENSE = 0.1, LEAST_EXPLAINED = 0.2, L0_FACTOR = 2;

/* d width, F features, N rows of a batch. */
typedef struct fit {
    rv_model *model;
    const rv_coder *coder;
    rv_site site;
    rv_windows windows;
    rv_pass *pass;
    rv_matrix encoder, decoder; /* d -> F, F -> output; folded */
    double *threshold, *value_scale, *magnitude_scale, *magnitude_bias, *bias; /* (F) */
    real *x, *again; /* (N, d) at the site; what the coder makes of it */
    real *u, *z;     /* (ROWS, d), (ROWS, F) */
    real *nll;       /* (N) */
    uint64_t *fired; /* (F) */
    double *sum;     /* (d) of x */
    double squares, error, active, loss[3];
    uint64_t positions, scored;
} fit;

/* ---- the coder as two matrices ------------------------------------------------------------------ */

static rv_status take_feature(fit *f, size_t i, real *column, rv_error *err)
{
    rv_feature one;
    RV_TRY(rv_feature_load(&one, f->coder, i, err));
    rv_matrix_set_rows(&f->encoder, i, 1, one.encoder);
    f->encoder.bias[i] = (real)one.bias;
    f->bias[i] = one.bias;
    f->threshold[i] = one.threshold;
    f->value_scale[i] = one.value_scale;
    f->magnitude_scale[i] = one.magnitude_scale;
    f->magnitude_bias[i] = one.magnitude_bias;
    for (size_t k = 0; k < f->coder->output_width; k++)
        column[k * f->coder->features + i] = one.decoder[k];
    rv_feature_release(&one);
    return RV_OK;
}

static rv_status read_bias(fit *f, rv_error *err)
{
    const rv_coder *c = f->coder;
    if (!c->decoder_bias) return RV_OK;
    RV_TRY(rv_tensor_read(c->decoder_bias, f->decoder.bias, err));
    for (size_t k = 0; !c->transcoder && k < c->output_width; k++)
        f->decoder.bias[k] = (real)((double)f->decoder.bias[k] / c->scale);
    return RV_OK;
}

static rv_status load_matrices(fit *f, rv_error *err)
{
    const rv_coder *c = f->coder;
    const rv_kernels *kernels = f->model->transformer->kernels;
    real *columns = NULL;
    rv_status status;
    RV_GOTO(rv_matrix_init(&f->encoder, kernels, c->features, c->width, true, err));
    RV_GOTO(rv_matrix_init(&f->decoder, kernels, c->output_width, c->features, true, err));
    RV_GOTO(RV_NEW(columns, c->features * c->output_width, err));
    double **const of_feature[] = {&f->threshold, &f->value_scale, &f->magnitude_scale,
                                   &f->magnitude_bias, &f->bias};
    for (size_t i = 0; i < sizeof of_feature / sizeof of_feature[0]; i++)
        RV_GOTO(RV_NEW(*of_feature[i], c->features, err));
    for (size_t i = 0; i < c->features; i++) RV_GOTO(take_feature(f, i, columns, err));
    rv_matrix_set_rows(&f->decoder, 0, c->output_width, columns);
    status = read_bias(f, err);
done:
    free(columns);
    return status;
}

/* ---- values ------------------------------------------------------------------------------------- */

/* Keeps the k largest of z (F); the others become 0, which every gate closes to. */
static rv_status keep_largest(const fit *f, real *z, rv_error *err)
{
    const size_t k = f->coder->k;
    int32_t *kept = NULL;
    real *held = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(kept, k, err));
    RV_GOTO(RV_NEW(held, k, err));
    size_t count = rv_top_k(kept, z, f->coder->features, k);
    for (size_t n = 0; n < count; n++) held[n] = z[kept[n]];
    memset(z, 0, f->coder->features * sizeof *z);
    for (size_t n = 0; n < count; n++) z[kept[n]] = held[n];
done:
    free(kept);
    free(held);
    return status;
}

/* z (F) of a row becomes a (F). */
static rv_status gate(const fit *f, real *z, rv_error *err)
{
    if (f->coder->gate == RV_GATE_TOP_K) RV_TRY(keep_largest(f, z, err));
    for (size_t i = 0; i < f->coder->features; i++) {
        rv_feature one = {.threshold = f->threshold[i],
                          .value_scale = f->value_scale[i],
                          .magnitude_scale = f->magnitude_scale[i],
                          .magnitude_bias = f->magnitude_bias[i],
                          .bias = f->bias[i]};
        z[i] = (real)rv_feature_gate(&one, f->coder, (double)z[i]);
    }
    return RV_OK;
}

/* Rows [first, first + n) of x: their features, counted where `counts` (n), and what is written again. */
static rv_status code_rows(fit *f, size_t first, size_t n, const bool *counts, rv_error *err)
{
    const rv_coder *c = f->coder;
    const rv_kernels *k = f->model->transformer->kernels;
    const size_t d = c->width, F = c->features;
    const int threads = f->model->threads;
    const real *gain = c->gain ? f->model->transformer->blocks[f->site.layer].ln2.weight : NULL;
    for (size_t r = 0; r < n; r++) {
        real *u = f->u + r * d;
        memcpy(u, f->x + (first + r) * d, d * sizeof *u);
        for (size_t i = 0; gain && i < d; i++) u[i] *= gain[i];
        rv_coder_input_apply(u, u, c);
    }
    k->linear_forward(f->z, F, f->u, d, &f->encoder, n, RV_STORE, threads);
    for (size_t r = 0; r < n; r++) {
        RV_TRY(gate(f, f->z + r * F, err));
        for (size_t i = 0; counts[r] && i < F; i++)
            if (f->z[r * F + i] != 0) f->fired[i]++, f->active++;
    }
    if (c->transcoder) return RV_OK;
    k->linear_forward(f->again + first * d, d, f->z, F, &f->decoder, n, RV_STORE, threads);
    for (size_t r = 0; r < n; r++)
        rv_coder_output_restore(f->again + (first + r) * d, f->x + (first + r) * d, c);
    return RV_OK;
}

static void add_error(fit *f, const real *x, const real *again)
{
    for (size_t i = 0; i < f->coder->width; i++) {
        double e = (double)x[i] - (double)again[i];
        f->error += e * e;
        f->squares += (double)x[i] * (double)x[i];
        f->sum[i] += (double)x[i];
    }
}

/* All rows of a batch. The first position of a window is left as it is. */
static rv_status code_batch(fit *f, rv_error *err)
{
    const size_t d = f->coder->width, rows = rv_pass_rows(f->pass);
    bool *counts;
    RV_TRY(RV_NEW(counts, rows, err));
    for (size_t i = 0, row = 0; i < f->windows.count; row += f->windows.lengths[i], i++)
        for (size_t p = 1; p < f->windows.lengths[i]; p++) counts[row + p] = true;
    rv_status status = RV_OK;
    for (size_t r = 0; status == RV_OK && r < rows; r += ROWS)
        status = code_rows(f, r, rows - r < ROWS ? rows - r : ROWS, counts + r, err);
    for (size_t r = 0; status == RV_OK && r < rows; r++) {
        f->positions += counts[r];
        if (f->coder->transcoder) continue;
        if (counts[r])
            add_error(f, f->x + r * d, f->again + r * d);
        else
            memcpy(f->again + r * d, f->x + r * d, d * sizeof *f->x);
    }
    free(counts);
    return status;
}

/* The model's loss with these rows (NULL: its own) at the site. */
static rv_status add_loss(fit *f, double *loss, rv_tap *tap, rv_error *err)
{
    RV_TRY(rv_pass_begin(f->pass, f->windows.sequences, f->windows.count, tap, 1, err));
    rv_pass_finish(f->pass);
    rv_pass_losses(f->pass, f->nll);
    for (size_t i = 0, row = 0; i < f->windows.count; row += f->windows.lengths[i], i++)
        for (size_t p = 1; p < f->windows.lengths[i]; p++) *loss += (double)f->nll[row + p];
    return RV_OK;
}

static rv_status run_batch(fit *f, rv_error *err)
{
    rv_tap own = {.site = f->site, .value = f->x},
           spliced = {.site = f->site, .replace = f->again};
    RV_TRY(add_loss(f, &f->loss[0], &own, err));
    RV_TRY(code_batch(f, err));
    if (f->coder->transcoder) return RV_OK;
    RV_TRY(add_loss(f, &f->loss[1], &spliced, err));
    for (size_t r = 0, row = 0; r < f->windows.count; row += f->windows.lengths[r], r++)
        memset(f->again + (row + 1) * f->coder->width, 0,
               (f->windows.lengths[r] - 1) * f->coder->width * sizeof *f->again);
    return add_loss(f, &f->loss[2], &spliced, err);
}

static rv_status run(fit *f, const rv_features_params *p, rv_error *err)
{
    for (;;) {
        RV_TRY(rv_windows_read(&f->windows, err));
        if (f->windows.count == 0) return RV_OK;
        RV_TRY(run_batch(f, err));
        for (size_t i = 0; i < f->windows.count; i++) f->scored += f->windows.lengths[i] - 1;
        rv_progress event = {"measuring the coder", "tokens", NULL, (double)f->windows.tokens,
                             (double)p->corpus_tokens};
        if (p->progress && !p->progress(p->progress_context, &event))
            return rv_fail(err, RV_ERR_CANCELLED, "measuring the coder was cancelled");
    }
}

/* ---- setting up ------------------------------------------------------------------------------- */

static rv_status check_site(fit *f, const char *site, rv_error *err)
{
    const rv_config *config = &f->model->transformer->config;
    if (!site)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: site: %s does not say where it was trained; name it",
                       f->coder->path, f->coder->format);
    RV_TRY(rv_site_parse(&f->site, site, config, err));
    size_t width = rv_site_width(f->site, config);
    if (width == f->coder->width) return RV_OK;
    return rv_fail(
        err, RV_ERR_USAGE,
        "%s: expected a coder of this model, for %zu numbers at %s, found one for %zu",
        f->coder->path, width, site, f->coder->width);
}

static rv_status allocate(fit *f, rv_error *err)
{
    const size_t d = f->coder->width, rows = rv_windows_rows(&f->windows);
    rv_pass_options options = {.rows = rows,
                               .sequences = f->windows.room,
                               .positions = f->windows.options->window,
                               .threads = f->model->threads};
    RV_TRY(rv_pass_new(&f->pass, f->model->transformer, &options, err));
    RV_TRY(RV_NEW(f->x, rows * d, err));
    RV_TRY(RV_NEW(f->again, rows * d, err));
    RV_TRY(RV_NEW(f->u, ROWS * d, err));
    RV_TRY(RV_NEW(f->z, ROWS * f->coder->features, err));
    RV_TRY(RV_NEW(f->nll, rows, err));
    RV_TRY(RV_NEW(f->fired, f->coder->features, err));
    RV_TRY(RV_NEW(f->sum, d, err));
    return load_matrices(f, err);
}

static void release(fit *f)
{
    rv_windows_release(&f->windows);
    rv_pass_free(f->pass);
    rv_matrix_release(&f->encoder);
    rv_matrix_release(&f->decoder);
    void *const owned[] = {f->threshold, f->value_scale, f->magnitude_scale, f->magnitude_bias,
                           f->bias,      f->x,           f->again,           f->u,
                           f->z,         f->nll,         f->fired,           f->sum};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

/* ---- what it amounts to ------------------------------------------------------------------------- */

static void sum_up(rv_features_info *out, const fit *f)
{
    double n = (double)f->positions, variance = f->squares, dead = 0, dense = 0;
    for (size_t i = 0; i < f->coder->width; i++) variance -= f->sum[i] * f->sum[i] / n;
    for (size_t i = 0; i < f->coder->features; i++) {
        dead += f->fired[i] == 0;
        dense += (double)f->fired[i] > DENSE * n;
    }
    out->tokens = f->windows.tokens;
    out->l0 = f->active / n;
    out->dead = dead / (double)f->coder->features;
    out->dense = dense / (double)f->coder->features;
    if (f->coder->transcoder) return;
    out->explained_variance = variance > 0 ? 1 - f->error / variance : NAN;
    out->loss = f->loss[0] / (double)f->scored;
    out->spliced_loss = f->loss[1] / (double)f->scored;
    out->ablated_loss = f->loss[2] / (double)f->scored;
    out->loss_recovered =
        (out->ablated_loss - out->spliced_loss) / (out->ablated_loss - out->loss);
}

/* A wrong site, gain or centring changes the number of active features by factors, and the reconstruction is then lost. */
static rv_status judge(rv_features_info *out, rv_error *err)
{
    rv_text t = {0};
    double ratio = out->l0 / out->declared_l0;
    bool odd_count = isfinite(ratio) && (ratio > L0_FACTOR || ratio < 1 / L0_FACTOR),
         lost = isfinite(out->explained_variance) && out->explained_variance < LEAST_EXPLAINED;
    out->fits = !odd_count && !lost && out->l0 > 0;
    if (out->fits)
        rv_text_puts(&t, "It fits this model and site.");
    else if (out->l0 == 0)
        rv_text_puts(&t, "It does not fit this model and site: no feature ever fires.");
    else if (odd_count)
        rv_text_printf(&t,
                       "It does not fit this model and site: %.1f features are active at a "
                       "position, where it declares %.1f.",
                       out->l0, out->declared_l0);
    else
        rv_text_printf(
            &t, "It does not fit this model and site: it explains %.0f %% of the variance.",
            100 * out->explained_variance);
    out->verdict = rv_text_take(&t);
    return out->verdict ? RV_OK : rv_fail_memory(err, 100);
}

static rv_status measure(rv_features_info *out, rv_model *model, const rv_coder *coder,
                         const rv_features_params *p, rv_error *err)
{
    fit f = {.model = model, .coder = coder};
    rv_corpus corpus = {p->corpus, p->corpus_count};
    rv_corpus_options options = rv_corpus_options_default();
    const char *why;
    options.tokens = p->corpus_tokens;
    options.window = rv_corpus_window(&model->transformer->config);
    options.skip = 1;
    rv_dream_bos(&options.bos, &why, model);
    rv_status status;
    RV_GOTO(check_site(&f, p->site ? p->site : coder->site, err));
    RV_GOTO(rv_windows_init(&f.windows, &corpus, model->tokenizer, &options,
                            &model->transformer->config, err));
    RV_GOTO(allocate(&f, err));
    RV_GOTO(run(&f, p, err));
    if (f.positions == 0)
        RV_GOTO(rv_fail(err, RV_ERR_USAGE,
                        "corpus: expected at least two tokens in a row, found none"));
    sum_up(out, &f);
    status = judge(out, err);
done:
    release(&f);
    return status;
}

static rv_status keep(char **out, const char *text, rv_error *err)
{
    if (!text) return RV_OK;
    *out = rv_strndup(text, strlen(text));
    return *out ? RV_OK : rv_fail_memory(err, strlen(text));
}

static rv_status describe(rv_features_info *out, const rv_coder *c, rv_error *err)
{
    out->gate = rv_gate_name(c->gate);
    out->width = c->width;
    out->features = c->features;
    out->output_width = c->output_width;
    out->k = c->gate == RV_GATE_TOP_K ? c->k : 0;
    out->declared_l0 = c->declared_l0;
    out->transcoder = c->transcoder;
    out->explained_variance = out->loss = out->spliced_loss = out->ablated_loss =
        out->loss_recovered = NAN;
    RV_TRY(keep(&out->path, c->path, err));
    RV_TRY(keep(&out->format, c->format, err));
    RV_TRY(keep(&out->architecture, c->architecture, err));
    RV_TRY(keep(&out->model, c->model, err));
    return keep(&out->site, c->site, err);
}

rv_status rv_coder_inspect(rv_features_info *out, rv_model *model, const char *path,
                           const rv_features_params *p, rv_error *err)
{
    *out = (rv_features_info){0};
    rv_coder *coder;
    RV_TRY(rv_coder_open(&coder, path, err));
    rv_status status = describe(out, coder, err);
    if (status == RV_OK && p->corpus_count && !model)
        status = rv_fail(err, RV_ERR_USAGE, "corpus: expected a model to read it, found none");
    if (status == RV_OK && p->corpus_count) status = measure(out, model, coder, p, err);
    rv_coder_close(coder);
    if (status != RV_OK) rv_features_info_release(out);
    return status;
}
