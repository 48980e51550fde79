#include "autoencoder/text_pass.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ENCODER, DECODER };

/* ---- gradients ------------------------------------------------------------------------------- */

static rv_status point(rv_gradients *g, const rv_text_autoencoder *ae, real *flat,
                       size_t *tensor, size_t layers, rv_error *err)
{
    RV_TRY(RV_NEW(g->blocks, layers, err));
    for (size_t l = 0; l < layers; l++) {
        rv_block_gradients *b = &g->blocks[l];
        real **const parts[] = {&b->ln1.weight, &b->qkv, &b->o,
                                &b->ln2.weight, &b->up,  &b->down};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            *parts[i] = flat + ae->tensors[(*tensor)++].offset;
    }
    g->final_norm.weight = flat + ae->tensors[(*tensor)++].offset;
    return RV_OK;
}

rv_status rv_text_gradients_new(rv_text_gradients **out, const rv_text_autoencoder *ae,
                                rv_error *err)
{
    *out = NULL;
    rv_text_gradients *g;
    RV_TRY(RV_NEW(g, 1, err));
    size_t tensor = RV_TEXT_TENSORS - (ae->config.site.kind == RV_SITE_EMBED);
    rv_status status = RV_NEW(g->flat, ae->parameter_count, err);
    if (status == RV_OK)
        status = point(&g->encoder, ae, g->flat, &tensor, ae->config.encoder_layers, err);
    if (status == RV_OK)
        status = point(&g->decoder, ae, g->flat, &tensor, ae->config.decoder_layers, err);
    if (status != RV_OK) {
        rv_text_gradients_free(g);
        return status;
    }
    *out = g;
    return RV_OK;
}

void rv_text_gradients_free(rv_text_gradients *g)
{
    if (!g) return;
    free(g->encoder.blocks);
    free(g->decoder.blocks);
    free(g->flat);
    free(g);
}

/* ---- the pass -------------------------------------------------------------------------------- */

static rv_status allocate(rv_text_pass *p, rv_error *err)
{
    const rv_text_autoencoder *ae = p->ae;
    size_t W = ae->config.width, Z = ae->config.code, C = ae->subject->config.width,
           rows = p->tokens + p->slots;
    const rv_transformer *const models[] = {ae->encoder, ae->decoder};
    rv_pass **const passes[] = {&p->encoder, &p->decoder};
    rv_pass_options options = {
        .rows = rows, .sequences = p->texts, .keep = p->keep, .threads = p->threads};
    for (size_t i = 0; i < 2; i++) {
        RV_TRY(rv_pass_new(passes[i], models[i], &options, err));
        RV_TRY(RV_NEW(p->sequences[i], p->texts, err));
        RV_TRY(RV_NEW(p->inputs[i], rows * W, err));
        RV_TRY(RV_NEW(p->seed[i], rows * W, err));
    }
    RV_TRY(RV_NEW(p->length, p->texts, err));
    RV_TRY(RV_NEW(p->first, p->texts, err));
    RV_TRY(RV_NEW(p->slot, p->texts, err));
    RV_TRY(RV_NEW(p->x, p->tokens * C, err));
    RV_TRY(RV_NEW(p->rows, p->tokens * C, err));
    for (size_t i = 0; i < 2 && ae->config.language_model; i++)
        RV_TRY(RV_NEW(p->expected[i], p->tokens * C, err));
    RV_TRY(RV_NEW(p->w, rows * W, err));
    RV_TRY(RV_NEW(p->v, p->tokens * W, err));
    RV_TRY(RV_NEW(p->coded, p->slots * W, err));
    RV_TRY(RV_NEW(p->hidden, rows * W, err));
    RV_TRY(RV_NEW(p->out_hidden, p->tokens * W, err));
    RV_TRY(RV_NEW(p->code_hidden, p->slots * W, err));
    RV_TRY(RV_NEW(p->raw, p->slots * Z, err));
    RV_TRY(RV_NEW(p->z, p->slots * Z, err));
    RV_TRY(RV_NEW(p->draw, p->slots * Z, err));
    RV_TRY(RV_NEW(p->mean, p->slots, err));
    return RV_NEW(p->rstd, p->slots, err);
}

rv_status rv_text_pass_new(rv_text_pass **out, const rv_text_autoencoder *ae, size_t texts,
                           size_t tokens, bool keep, int threads, rv_error *err)
{
    *out = NULL;
    rv_text_pass *p;
    if (texts == 0 || tokens < texts)
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: expected texts with tokens, found none");
    RV_TRY(RV_NEW(p, 1, err));
    p->ae = ae;
    p->texts = texts;
    p->tokens = tokens;
    p->slots = tokens / ae->config.tokens_per_slot + texts; // every text may round up
    p->threads = threads;
    p->keep = keep;
    rv_status status = allocate(p, err);
    if (status != RV_OK) {
        rv_text_pass_free(p);
        return status;
    }
    *out = p;
    return RV_OK;
}

void rv_text_pass_free(rv_text_pass *p)
{
    if (!p) return;
    rv_pass_free(p->encoder);
    rv_pass_free(p->decoder);
    for (size_t i = 0; i < 2; i++) {
        free(p->sequences[i]);
        free(p->inputs[i]);
        free(p->seed[i]);
        free(p->expected[i]);
    }
    void *const owned[] = {
        p->coded,  p->length,     p->first,       p->slot, p->x, p->rows, p->w,    p->v,
        p->hidden, p->out_hidden, p->code_hidden, p->raw,  p->z, p->draw, p->mean, p->rstd};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(p);
}

rv_status rv_text_pass_begin(rv_text_pass *p, const size_t *length, size_t count, rv_error *err)
{
    if (count == 0 || count > p->texts)
        return rv_fail(err, RV_ERR_USAGE, "autoencoder: expected 1 to %zu texts, found %zu",
                       p->texts, count);
    p->count = count;
    p->N = p->T = 0;
    for (size_t s = 0; s < count; s++) {
        if (length[s] < 1 || length[s] > p->ae->config.tokens)
            return rv_fail(err, RV_ERR_USAGE,
                           "autoencoder: text %zu: expected 1 to %zu tokens, found %zu", s,
                           p->ae->config.tokens, length[s]);
        p->length[s] = length[s];
        p->first[s] = p->N;
        p->slot[s] = p->T;
        p->N += length[s];
        p->T += rv_text_slots(&p->ae->config, length[s]);
    }
    if (p->N > p->tokens)
        return rv_fail(err, RV_ERR_USAGE, "autoencoder: expected at most %zu tokens, found %zu",
                       p->tokens, p->N);
    return RV_OK;
}

static size_t slots_of(const rv_text_pass *p, size_t text)
{
    return (text + 1 < p->count ? p->slot[text + 1] : p->T) - p->slot[text];
}

static size_t slot_of(const rv_text_pass *p, size_t text, size_t t)
{
    return p->slot[text] + t / p->ae->config.tokens_per_slot;
}

static const real *tensor_of(const rv_text_pass *p, rv_text_tensor which)
{
    return p->ae->parameters + p->ae->tensors[which].offset;
}

static real *gradient_of(const rv_text_pass *p, rv_text_gradients *g, rv_text_tensor which)
{
    return g->flat + p->ae->tensors[which].offset;
}

static void put_sum(real *out, const real *a, const real *b, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

static void add_to(real *out, const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] += x[i];
}

static void add_product(real *out, const real *a, const real *b, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] += a[i] * b[i];
}

void rv_text_normalise(real *out, const rv_text_autoencoder *ae, const real *rows, size_t N)
{
    size_t C = ae->subject->config.width;
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < C; i++)
            out[r * C + i] = (rows[r * C + i] - ae->site_mean[i]) * ae->site_scale;
}

void rv_text_denormalise(real *out, const rv_text_autoencoder *ae, const real *rows, size_t N)
{
    size_t C = ae->subject->config.width;
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < C; i++)
            out[r * C + i] = rows[r * C + i] / ae->site_scale + ae->site_mean[i];
}

void rv_text_embed(real *rows, const rv_transformer *subject, const int32_t *ids, size_t count)
{
    size_t C = subject->config.width;
    real scale = (real)subject->config.embedding_scale;
    for (size_t r = 0; r < count; r++, rows += C) {
        rv_matrix_get_row(&subject->embedding, (size_t)ids[r], rows);
        for (size_t i = 0; scale != 1 && i < C; i++) rows[i] *= scale;
    }
}

/* Begins a transformer with the rows in inputs[which], runs it, and finds its final hidden. */
static rv_status run(rv_text_pass *p, size_t which, rv_error *err)
{
    size_t W = p->ae->config.width, row = 0;
    rv_pass *pass = which == ENCODER ? p->encoder : p->decoder;
    for (size_t s = 0; s < p->count; s++) {
        size_t rows = p->length[s] + slots_of(p, s);
        p->sequences[which][s] =
            (rv_sequence){.inputs = p->inputs[which] + row * W, .count = rows};
        row += rows;
    }
    p->tap[which] = (rv_tap){.site = {RV_SITE_UNEMBED_IN, 0}, .seed = p->seed[which]};
    RV_TRY(rv_pass_begin(pass, p->sequences[which], p->count, &p->tap[which], p->keep, err));
    rv_pass_finish(pass);
    return RV_OK;
}

/* Rows of mean square 1, as the transformers' inputs are. */
void rv_text_expected(real *out, const real *hidden, size_t count, size_t C)
{
    for (size_t r = 0; r < count; r++, out += C, hidden += C) {
        double square = 0;
        for (size_t i = 0; i < C; i++) square += (double)hidden[i] * (double)hidden[i];
        real scale = (real)(1 / sqrt(square / (double)C + 1e-9));
        for (size_t i = 0; i < C; i++) out[i] = hidden[i] * scale;
    }
}

/* encoder: tokens, then slots */
rv_status rv_text_pass_encode(real *z, rv_text_pass *p, const real *rows, const real *hidden,
                              const size_t *length, size_t count, rv_error *err)
{
    const rv_text_autoencoder *ae = p->ae;
    const rv_kernels *k = ae->subject->kernels;
    size_t W = ae->config.width, Z = ae->config.code, C = ae->subject->config.width;
    RV_TRY(rv_text_pass_begin(p, length, count, err));
    rv_text_normalise(p->rows, ae, rows, p->N);
    k->linear_forward(p->w, W, p->rows, C, &ae->in, p->N, RV_STORE, p->threads);
    if (p->expected[ENCODER]) {
        rv_text_expected(p->expected[ENCODER], hidden, p->N, C);
        k->linear_forward(p->w, W, p->expected[ENCODER], C, &ae->in_expect, p->N, RV_ACCUMULATE,
                          p->threads);
    }
    const real *position = tensor_of(p, RV_TEXT_IN_POSITION),
               *slot = tensor_of(p, RV_TEXT_SLOT), *bind = tensor_of(p, RV_TEXT_IN_BIND);
    size_t per_slot = ae->config.tokens_per_slot;
    real *to = p->inputs[ENCODER];
    for (size_t s = 0; s < count; s++) {
        size_t n = p->length[s], S = slots_of(p, s);
        put_sum(to, p->w + p->first[s] * W, position, n * W);
        memcpy(to + n * W, slot, S * W * sizeof *to);
        for (size_t t = 0; t < n; t++)
            add_product(to + (n + t / per_slot) * W, bind + t % per_slot * W, to + t * W, W);
        to += (n + S) * W;
    }
    RV_TRY(run(p, ENCODER, err));
    const real *from = rv_pass_hidden(p->encoder);
    for (size_t s = 0; s < count; s++) {
        size_t S = slots_of(p, s), row = p->first[s] + p->slot[s] + p->length[s];
        memcpy(p->code_hidden + p->slot[s] * W, from + row * W, S * W * sizeof *from);
    }
    k->linear_forward(p->raw, Z, p->code_hidden, W, &ae->code, p->T, RV_STORE, p->threads);
    k->layernorm_forward(z, Z, p->mean, p->rstd, p->raw, Z, ae->ones, NULL, p->T, Z, (real)1e-5,
                         p->threads);
    return RV_OK;
}

void rv_text_pass_encode_backward(rv_text_pass *p, const real *dz, rv_text_gradients *g)
{
    const rv_text_autoencoder *ae = p->ae;
    const rv_kernels *k = ae->subject->kernels;
    size_t W = ae->config.width, Z = ae->config.code, C = ae->subject->config.width;
    memset(p->draw, 0, p->T * Z * sizeof *p->draw);
    k->layernorm_backward(p->draw, Z, NULL, NULL, dz, Z, p->raw, Z, ae->ones, p->mean, p->rstd,
                          p->T, Z, p->threads);
    k->linear_backward_weight(gradient_of(p, g, RV_TEXT_CODE), NULL, p->draw, Z, p->code_hidden,
                              W, p->T, W, Z, p->threads);
    memset(p->hidden, 0, p->T * W * sizeof *p->hidden);
    k->linear_backward(p->hidden, W, p->draw, Z, &ae->code, p->T, p->threads);
    memset(p->seed[ENCODER], 0, (p->N + p->T) * W * sizeof *p->seed[ENCODER]);
    for (size_t s = 0; s < p->count; s++) {
        size_t row = p->first[s] + p->slot[s] + p->length[s];
        memcpy(p->seed[ENCODER] + row * W, p->hidden + p->slot[s] * W,
               slots_of(p, s) * W * sizeof *p->hidden);
    }
    rv_pass_backward(p->encoder, NULL, &g->encoder);
    const real *from = rv_pass_input_gradient(p->encoder);
    real *dposition = gradient_of(p, g, RV_TEXT_IN_POSITION),
         *dslot = gradient_of(p, g, RV_TEXT_SLOT), *dbind = gradient_of(p, g, RV_TEXT_IN_BIND);
    const real *bind = tensor_of(p, RV_TEXT_IN_BIND), *row = p->inputs[ENCODER];
    size_t per_slot = ae->config.tokens_per_slot;
    for (size_t s = 0; s < p->count; s++) {
        size_t n = p->length[s], S = slots_of(p, s);
        real *dtokens = p->w + p->first[s] * W;
        memcpy(dtokens, from, n * W * sizeof *from);
        for (size_t t = 0; t < n; t++) {
            const real *dto = from + (n + t / per_slot) * W;
            add_product(dtokens + t * W, bind + t % per_slot * W, dto, W);
            add_product(dbind + t % per_slot * W, row + t * W, dto, W);
        }
        add_to(dposition, dtokens, n * W);
        add_to(dslot, from + n * W, S * W);
        from += (n + S) * W;
        row += (n + S) * W;
    }
    k->linear_backward_weight(gradient_of(p, g, RV_TEXT_IN), NULL, p->w, W, p->rows, C, p->N, C,
                              W, p->threads);
    if (p->expected[ENCODER])
        k->linear_backward_weight(gradient_of(p, g, RV_TEXT_IN_EXPECT), NULL, p->w, W,
                                  p->expected[ENCODER], C, p->N, C, W, p->threads);
}

static bool is_dropped(const rv_text_pass *p, size_t row, size_t t)
{
    return t && p->dropped && p->dropped[row - 1];
}

/* Row t of a text: the token before it, what the subject expects behind that, and its slot. */
static void put_token_row(real *to, const rv_text_pass *p, size_t text, size_t t)
{
    size_t W = p->ae->config.width, row = p->first[text] + t;
    bool dropped = is_dropped(p, row, t);
    const real *token = t == 0    ? tensor_of(p, RV_TEXT_START)
                        : dropped ? tensor_of(p, RV_TEXT_MASK)
                                  : p->w + (row - 1) * W;
    put_sum(to, token, tensor_of(p, RV_TEXT_POSITION) + t * W, W);
    if (!dropped && p->expected[DECODER]) add_to(to, p->v + row * W, W);
    size_t per_slot = p->ae->config.tokens_per_slot;
    add_product(to, tensor_of(p, RV_TEXT_BIND) + t % per_slot * W,
                p->coded + slot_of(p, text, t) * W, W);
}

/* decoder: slots, then start and all tokens but the last */
rv_status rv_text_pass_decode(real *out, real *site, rv_text_pass *p, const real *z,
                              const int32_t *ids, const real *hidden, const bool *dropped,
                              rv_error *err)
{
    const rv_text_autoencoder *ae = p->ae;
    const rv_kernels *k = ae->subject->kernels;
    size_t W = ae->config.width, Z = ae->config.code, C = ae->subject->config.width;
    p->dropped = dropped;
    memcpy(p->z, z, p->T * Z * sizeof *z);
    rv_text_embed(p->x, ae->subject, ids, p->N);
    for (size_t i = 0; i < p->N * C; i++) p->x[i] *= ae->token_scale;
    k->linear_forward(p->w, W, p->x, C, &ae->token, p->N, RV_STORE, p->threads);
    k->linear_forward(p->coded, W, p->z, Z, &ae->from_code, p->T, RV_STORE, p->threads);
    if (p->expected[DECODER]) {
        rv_text_expected(p->expected[DECODER], hidden, p->N, C);
        k->linear_forward(p->v, W, p->expected[DECODER], C, &ae->expect, p->N, RV_STORE,
                          p->threads);
    }
    const real *slot = tensor_of(p, RV_TEXT_SLOT_POSITION);
    real *to = p->inputs[DECODER];
    for (size_t s = 0; s < p->count; s++) {
        size_t n = p->length[s], S = slots_of(p, s);
        put_sum(to, p->coded + p->slot[s] * W, slot, S * W);
        to += S * W;
        for (size_t t = 0; t < n; t++, to += W) put_token_row(to, p, s, t);
    }
    RV_TRY(run(p, DECODER, err));
    const real *from = rv_pass_hidden(p->decoder);
    for (size_t s = 0; s < p->count; s++) {
        size_t row = p->first[s] + p->slot[s] + slots_of(p, s);
        memcpy(p->out_hidden + p->first[s] * W, from + row * W,
               p->length[s] * W * sizeof *from);
    }
    k->linear_forward(out, C, p->out_hidden, W, &ae->out, p->N, RV_STORE, p->threads);
    if (site)
        k->linear_forward(site, C, p->out_hidden, W, &ae->site_out, p->N, RV_STORE, p->threads);
    return RV_OK;
}

/* The gradient at the decoder's token rows goes to who stood there; p->w: to the tokens'
 * products, p->v: to those of what the subject expects. */
static void share_out(rv_text_pass *p, rv_text_gradients *g)
{
    size_t W = p->ae->config.width;
    const real *from = rv_pass_input_gradient(p->decoder);
    real *dposition = gradient_of(p, g, RV_TEXT_POSITION),
         *dslot = gradient_of(p, g, RV_TEXT_SLOT_POSITION),
         *dstart = gradient_of(p, g, RV_TEXT_START), *dmask = gradient_of(p, g, RV_TEXT_MASK),
         *dbind = gradient_of(p, g, RV_TEXT_BIND);
    size_t per_slot = p->ae->config.tokens_per_slot;
    memset(p->w, 0, p->N * W * sizeof *p->w);
    memset(p->v, 0, p->N * W * sizeof *p->v);
    for (size_t s = 0; s < p->count; s++) {
        size_t n = p->length[s], S = slots_of(p, s), row = p->first[s];
        add_to(dslot, from, S * W);
        from += S * W;
        add_to(dposition, from, n * W);
        for (size_t t = 0; t < n; t++, from += W) {
            bool dropped = is_dropped(p, row + t, t);
            add_to(t == 0 ? dstart : dropped ? dmask : p->w + (row + t - 1) * W, from, W);
            if (!dropped) add_to(p->v + (row + t) * W, from, W);
            add_product(dbind + t % per_slot * W, p->coded + slot_of(p, s, t) * W, from, W);
        }
    }
}

void rv_text_pass_decode_backward(real *dz, rv_text_pass *p, const real *dout,
                                  const real *dsite, rv_text_gradients *g)
{
    const rv_text_autoencoder *ae = p->ae;
    const rv_kernels *k = ae->subject->kernels;
    size_t W = ae->config.width, Z = ae->config.code, C = ae->subject->config.width;
    memset(p->w, 0, p->N * W * sizeof *p->w);
    k->linear_backward(p->w, W, dout, C, &ae->out, p->N, p->threads);
    if (dsite) k->linear_backward(p->w, W, dsite, C, &ae->site_out, p->N, p->threads);
    if (g)
        k->linear_backward_weight(gradient_of(p, g, RV_TEXT_OUT), NULL, dout, C, p->out_hidden,
                                  W, p->N, W, C, p->threads);
    if (g && dsite)
        k->linear_backward_weight(gradient_of(p, g, RV_TEXT_SITE_OUT), NULL, dsite, C,
                                  p->out_hidden, W, p->N, W, C, p->threads);
    memset(p->seed[DECODER], 0, (p->N + p->T) * W * sizeof *p->seed[DECODER]);
    for (size_t s = 0; s < p->count; s++) {
        size_t row = p->first[s] + p->slot[s] + slots_of(p, s);
        memcpy(p->seed[DECODER] + row * W, p->w + p->first[s] * W,
               p->length[s] * W * sizeof *p->w);
    }
    rv_pass_backward(p->decoder, NULL, g ? &g->decoder : NULL);
    const real *from = rv_pass_input_gradient(p->decoder), *bind = tensor_of(p, RV_TEXT_BIND);
    size_t per_slot = ae->config.tokens_per_slot;
    for (size_t s = 0; s < p->count; s++) {
        size_t S = slots_of(p, s);
        memcpy(p->hidden + p->slot[s] * W, from, S * W * sizeof *from);
        from += S * W;
        for (size_t t = 0; t < p->length[s]; t++, from += W)
            add_product(p->hidden + slot_of(p, s, t) * W, bind + t % per_slot * W, from, W);
    }
    memset(dz, 0, p->T * Z * sizeof *dz);
    k->linear_backward(dz, Z, p->hidden, W, &ae->from_code, p->T, p->threads);
    if (!g) return;
    k->linear_backward_weight(gradient_of(p, g, RV_TEXT_FROM_CODE), NULL, p->hidden, W, p->z, Z,
                              p->T, Z, W, p->threads);
    share_out(p, g);
    k->linear_backward_weight(gradient_of(p, g, RV_TEXT_TOKEN), NULL, p->w, W, p->x, C, p->N, C,
                              W, p->threads);
    if (p->expected[DECODER])
        k->linear_backward_weight(gradient_of(p, g, RV_TEXT_EXPECT), NULL, p->v, W,
                                  p->expected[DECODER], C, p->N, C, W, p->threads);
}
