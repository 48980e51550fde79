/* Texts to latents and back, and the gradient back through soft tokens. */
#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_pass.h"
#include "base/memory.h"
#include "model/unembed.h"

enum { TEXTS = 64, LOGIT_ROWS = 32 };

static rv_status check(const rv_text_autoencoder *ae, const int32_t *ids, size_t count,
                       size_t length, rv_error *err)
{
    if (count < 1 || length < 1 || length > ae->config.tokens)
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: expected texts of 1 to %zu tokens, found %zu of %zu",
                       ae->config.tokens, count, length);
    for (size_t i = 0; ids && i < count * length; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= ae->subject->config.vocabulary)
            return rv_fail(err, RV_ERR_USAGE,
                           "autoencoder: token %zu: expected an id from 0 to %zu, found %d", i,
                           ae->subject->config.vocabulary - 1, ids[i]);
    return RV_OK;
}

static size_t *equal_lengths(size_t count, size_t length)
{
    size_t *lengths = rv_alloc(count, sizeof *lengths);
    for (size_t i = 0; lengths && i < count; i++) lengths[i] = length;
    return lengths;
}

rv_status rv_text_autoencoder_encode(real *z, const rv_text_autoencoder *ae, const int32_t *ids,
                                     size_t count, size_t length, int threads, rv_error *err)
{
    RV_TRY(check(ae, ids, count, length, err));
    size_t C = ae->subject->config.width, texts = count < TEXTS ? count : TEXTS,
           numbers = rv_text_slots(&ae->config, length) * ae->config.code;
    rv_text_pass *pass = NULL;
    real *rows = NULL, *hidden = NULL;
    rv_status status;
    size_t *lengths = equal_lengths(texts, length);
    if (!lengths) return rv_fail_memory(err, texts * sizeof *lengths);
    RV_GOTO(rv_text_pass_new(&pass, ae, texts, texts * length, false, threads, err));
    RV_GOTO(RV_NEW(rows, texts * length * C, err));
    RV_GOTO(RV_NEW(hidden, texts * length * C, err));
    for (size_t s = 0; s < count; s += texts) {
        size_t n = count - s < texts ? count - s : texts;
        RV_GOTO(rv_text_subject(hidden, rows, ae, ids + s * length, lengths, n, false, threads,
                                err));
        RV_GOTO(rv_text_pass_encode(z + s * numbers, pass, rows, hidden, lengths, n, err));
    }
done:
    rv_text_pass_free(pass);
    free(rows);
    free(hidden);
    free(lengths);
    return status;
}

/* ---- writing, token by token ----------------------------------------------------------------- */

typedef struct writer {
    const rv_text_autoencoder *ae;
    size_t count, length, slots;
    int threads;
    rv_pass *subject, *decoder;
    rv_prefix **past[2]; /* (count) of the subject, of the decoder */
    rv_sequence *sequences;
    int32_t *last;    /* (count) the token before */
    real *inputs;     /* (count, slots + 1, W) */
    real *x;          /* (count, C) */
    real *coded;      /* (count * slots, W) */
    real *w, *v;      /* (count, W) */
    real *hidden, *u; /* (count, W), (count, C) */
    real *logits;     /* (LOGIT_ROWS, V) */
} writer;

static rv_status writer_init(writer *r, rv_error *err)
{
    const rv_text_autoencoder *ae = r->ae;
    size_t W = ae->config.width, C = ae->subject->config.width, n = r->count;
    rv_pass_options own = {.rows = n * (r->slots + 1), .sequences = n, .threads = r->threads},
                    subject = {.rows = n,
                               .sequences = n,
                               .positions = r->length,
                               .threads = r->threads};
    RV_TRY(rv_pass_new(&r->decoder, ae->decoder, &own, err));
    RV_TRY(RV_NEW(r->past[0], n, err));
    RV_TRY(RV_NEW(r->past[1], n, err));
    if (ae->config.language_model) RV_TRY(rv_pass_new(&r->subject, ae->subject, &subject, err));
    for (size_t s = 0; s < n; s++) {
        if (r->subject) RV_TRY(rv_prefix_new(&r->past[0][s], ae->subject, r->length, err));
        RV_TRY(rv_prefix_new(&r->past[1][s], ae->decoder, r->slots + r->length, err));
    }
    RV_TRY(RV_NEW(r->sequences, n, err));
    RV_TRY(RV_NEW(r->last, n, err));
    RV_TRY(RV_NEW(r->inputs, n * (r->slots + 1) * W, err));
    RV_TRY(RV_NEW(r->x, n * C, err));
    RV_TRY(RV_NEW(r->coded, n * r->slots * W, err));
    RV_TRY(RV_NEW(r->w, n * W, err));
    RV_TRY(RV_NEW(r->v, n * W, err));
    RV_TRY(RV_NEW(r->hidden, n * W, err));
    RV_TRY(RV_NEW(r->u, n * C, err));
    return RV_NEW(r->logits, LOGIT_ROWS * ae->subject->config.vocabulary, err);
}

static void writer_release(writer *r)
{
    for (size_t i = 0; i < 2; i++) {
        for (size_t s = 0; r->past[i] && s < r->count; s++) rv_prefix_free(r->past[i][s]);
        free(r->past[i]);
    }
    rv_pass_free(r->subject);
    rv_pass_free(r->decoder);
    void *const owned[] = {r->coded, r->sequences, r->last,   r->inputs, r->x,
                           r->w,     r->v,         r->hidden, r->u,      r->logits};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static const real *tensor_of(const writer *r, rv_text_tensor which)
{
    return r->ae->parameters + r->ae->tensors[which].offset;
}

/* u = h_t of every text, from BOS or from the token before. */
static rv_status expect(writer *r, size_t t, rv_error *err)
{
    size_t C = r->ae->subject->config.width;
    memset(r->u, 0, r->count * C * sizeof *r->u);
    if (!r->subject) return RV_OK;
    for (size_t s = 0; s < r->count; s++)
        r->sequences[s] = (rv_sequence){.ids = t ? &r->last[s] : &r->ae->config.bos,
                                        .count = 1,
                                        .prefix = t ? r->past[0][s] : NULL,
                                        .shared = t,
                                        .save = r->past[0][s]};
    RV_TRY(rv_pass_begin(r->subject, r->sequences, r->count, NULL, 0, err));
    rv_pass_finish(r->subject);
    memcpy(r->u, rv_pass_hidden(r->subject), r->count * C * sizeof *r->u);
    return RV_OK;
}

/* The decoder's rows of step t: at first the slots and the start, then the token before. */
static void place_inputs(writer *r, const real *z, size_t t)
{
    const rv_text_autoencoder *ae = r->ae;
    const rv_kernels *k = ae->subject->kernels;
    size_t W = ae->config.width, Z = ae->config.code, C = ae->subject->config.width,
           S = r->slots;
    const real *position = tensor_of(r, RV_TEXT_POSITION) + t * W,
               *slot = tensor_of(r, RV_TEXT_SLOT_POSITION),
               *start = tensor_of(r, RV_TEXT_START);
    size_t per_slot = ae->config.tokens_per_slot;
    const real *bind = tensor_of(r, RV_TEXT_BIND) + t % per_slot * W;
    if (t == 0) {
        k->linear_forward(r->coded, W, z, Z, &ae->from_code, r->count * S, RV_STORE,
                          r->threads);
    } else {
        rv_text_embed(r->x, ae->subject, r->last, r->count);
        for (size_t i = 0; i < r->count * C; i++) r->x[i] *= ae->token_scale;
        k->linear_forward(r->w, W, r->x, C, &ae->token, r->count, RV_STORE, r->threads);
    }
    if (r->subject) {
        rv_text_expected(r->x, r->u, r->count, C);
        k->linear_forward(r->v, W, r->x, C, &ae->expect, r->count, RV_STORE, r->threads);
    }
    real *to = r->inputs;
    for (size_t s = 0; s < r->count; s++) {
        size_t rows = t ? 1 : S + 1;
        r->sequences[s] = (rv_sequence){.inputs = to,
                                        .count = rows,
                                        .prefix = t ? r->past[1][s] : NULL,
                                        .shared = t ? S + t : 0,
                                        .save = r->past[1][s]};
        for (size_t i = 0; t == 0 && i < S * W; i++, to++)
            *to = r->coded[s * S * W + i] + slot[i];
        for (size_t i = 0; i < W; i++, to++)
            *to = position[i] + (t ? r->w[s * W + i] : start[i]) + r->v[s * W + i] +
                  bind[i] * r->coded[(s * S + t / per_slot) * W + i];
    }
}

/* The most likely token of every text. */
static void choose(writer *r)
{
    const rv_transformer *m = r->ae->subject;
    size_t V = m->config.vocabulary, C = m->config.width;
    for (size_t s = 0; s < r->count; s += LOGIT_ROWS) {
        size_t n = r->count - s < LOGIT_ROWS ? r->count - s : LOGIT_ROWS;
        rv_unembed(r->logits, m, r->u + s * C, n, r->threads);
        for (size_t i = 0; i < n; i++) {
            const real *row = r->logits + i * V;
            size_t best = 0;
            for (size_t v = 1; v < V; v++)
                if (row[v] > row[best]) best = v;
            r->last[s + i] = (int32_t)best;
        }
    }
}

static rv_status write_texts(writer *r, int32_t *ids, real *hidden, const real *z,
                             rv_error *err)
{
    const rv_text_autoencoder *ae = r->ae;
    size_t W = ae->config.width, C = ae->subject->config.width, n = r->length;
    for (size_t t = 0; t < n; t++) {
        RV_TRY(expect(r, t, err));
        for (size_t s = 0; hidden && s < r->count; s++)
            memcpy(hidden + (s * n + t) * C, r->u + s * C, C * sizeof *hidden);
        place_inputs(r, z, t);
        RV_TRY(rv_pass_begin(r->decoder, r->sequences, r->count, NULL, 0, err));
        rv_pass_finish(r->decoder);
        size_t rows = t ? 1 : r->slots + 1;
        for (size_t s = 0; s < r->count; s++)
            memcpy(r->hidden + s * W, rv_pass_hidden(r->decoder) + ((s + 1) * rows - 1) * W,
                   W * sizeof *r->hidden);
        ae->subject->kernels->linear_forward(r->u, C, r->hidden, W, &ae->out, r->count,
                                             RV_ACCUMULATE, r->threads);
        choose(r);
        for (size_t s = 0; s < r->count; s++) ids[s * n + t] = r->last[s];
    }
    return RV_OK;
}

rv_status rv_text_autoencoder_decode(int32_t *ids, real *hidden, const rv_text_autoencoder *ae,
                                     const real *z, size_t count, size_t length, int threads,
                                     rv_error *err)
{
    RV_TRY(check(ae, NULL, count, length, err));
    size_t S = rv_text_slots(&ae->config, length), C = ae->subject->config.width;
    rv_status status = RV_OK;
    for (size_t s = 0; s < count && status == RV_OK; s += TEXTS) {
        writer r = {.ae = ae,
                    .count = count - s < TEXTS ? count - s : TEXTS,
                    .length = length,
                    .slots = S,
                    .threads = threads};
        status = writer_init(&r, err);
        if (status == RV_OK)
            status = write_texts(&r, ids + s * length, hidden ? hidden + s * length * C : NULL,
                                 z + s * S * ae->config.code, err);
        writer_release(&r);
    }
    return status;
}

/* ---- the gradient ---------------------------------------------------------------------------- */

/* du (rows, C) of soft tokens p = softmax(E u / temperature); soft (rows, C), or NULL. */
static void pull_tokens(real *du, real *soft, real *logits, real *slope,
                        const rv_transformer *m, const real *u, const real *drows, size_t rows,
                        double temperature, int threads)
{
    size_t V = m->config.vocabulary, C = m->config.width;
    real scale = (real)m->config.embedding_scale, cool = (real)(1 / temperature);
    rv_unembed(logits, m, u, rows, threads);
    m->kernels->linear_forward(slope, V, drows, C, &m->embedding, rows, RV_STORE, threads);
    for (size_t r = 0; r < rows; r++) {
        real *p = logits + r * V, *d = slope + r * V, top = p[0];
        double sum = 0, mean = 0;
        for (size_t v = 1; v < V; v++) top = p[v] > top ? p[v] : top;
        for (size_t v = 0; v < V; v++) sum += (double)(p[v] = exp((p[v] - top) * cool));
        for (size_t v = 0; v < V; v++) {
            p[v] = (real)((double)p[v] / sum);
            mean += (double)p[v] * (double)d[v];
        }
        for (size_t v = 0; v < V; v++) d[v] = scale * cool * p[v] * (d[v] - (real)mean);
    }
    memset(du, 0, rows * C * sizeof *du);
    m->kernels->linear_backward(du, C, slope, V, m->head, rows, threads);
    if (!soft) return;
    memset(soft, 0, rows * C * sizeof *soft);
    m->kernels->linear_backward(soft, C, logits, V, &m->embedding, rows, threads);
    for (size_t i = 0; scale != 1 && i < rows * C; i++) soft[i] *= scale;
}

rv_status rv_text_autoencoder_pull(real *dz, real *rows, const rv_text_autoencoder *ae,
                                   const real *z, const int32_t *ids, const real *hidden,
                                   const real *drows, size_t count, size_t length,
                                   double temperature, int threads, rv_error *err)
{
    RV_TRY(check(ae, ids, count, length, err));
    if (!(temperature > 0))
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: temperature: expected a number above 0, found %g",
                       temperature);
    const rv_transformer *m = ae->subject;
    size_t C = m->config.width, V = m->config.vocabulary, N = count * length;
    rv_text_pass *pass = NULL;
    real *u = NULL, *du = NULL, *own = NULL, *logits = NULL, *slope = NULL;
    rv_status status;
    size_t *lengths = equal_lengths(count, length);
    if (!lengths) return rv_fail_memory(err, count * sizeof *lengths);
    RV_GOTO(rv_text_pass_new(&pass, ae, count, N, true, threads, err));
    RV_GOTO(RV_NEW(u, N * C, err));
    RV_GOTO(RV_NEW(du, N * C, err));
    RV_GOTO(RV_NEW(logits, LOGIT_ROWS * V, err));
    RV_GOTO(RV_NEW(slope, LOGIT_ROWS * V, err));
    if (!hidden) {
        RV_GOTO(RV_NEW(own, N * C, err));
        RV_GOTO(rv_text_subject(own, NULL, ae, ids, lengths, count, false, threads, err));
        hidden = own;
    }
    RV_GOTO(rv_text_pass_begin(pass, lengths, count, err));
    RV_GOTO(rv_text_pass_decode(u, NULL, pass, z, ids, hidden, NULL, err));
    for (size_t i = 0; i < N * C; i++) u[i] += hidden[i];
    for (size_t r = 0; r < N; r += LOGIT_ROWS) {
        size_t n = N - r < LOGIT_ROWS ? N - r : LOGIT_ROWS;
        pull_tokens(du + r * C, rows ? rows + r * C : NULL, logits, slope, m, u + r * C,
                    drows + r * C, n, temperature, threads);
    }
    rv_text_pass_decode_backward(dz, pass, du, NULL, NULL);
done:
    rv_text_pass_free(pass);
    free(lengths);
    free(own);
    free(u);
    free(du);
    free(logits);
    free(slope);
    return status;
}
