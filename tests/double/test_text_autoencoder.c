/* The text autoencoder's derivatives by central differences, and that writing token by token is the same as reading
 * the written text at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_candidates.h"
#include "autoencoder/text_loss.h"
#include "base/memory.h"

enum { WIDTH = 12, VOCABULARY = 31, TEXTS = 3, LONGEST = 7 };

static const size_t length[TEXTS] = {7, 1, 5};
static const int32_t ids[] = {3, 9, 9, 30, 1, 0, 12, 4, 8, 3, 17, 22, 5};

static void fill(real *x, size_t count, uint64_t run, real deviation)
{
    rv_random random = rv_random_stream(11, run, 0);
    for (size_t i = 0; i < count; i++) x[i] = deviation * rv_random_normal(&random);
}

static rv_transformer *make_subject(void)
{
    static rv_config c;
    c = (rv_config){.family = "test",
                    .vocabulary = VOCABULARY,
                    .context = 16,
                    .layers = 2,
                    .width = WIDTH,
                    .heads = 2,
                    .kv_heads = 1,
                    .head_size = 6,
                    .mlp_width = 20,
                    .norm = RV_NORM_RMS,
                    .norm_eps = 1e-5,
                    .rotary_size = 6,
                    .rope[0] = {.theta = 10000, .factor = 1},
                    .activation = RV_ACT_SILU,
                    .gated = true,
                    .tied = true,
                    .embedding_scale = 1.5};
    for (size_t l = 0; l < c.layers; l++) c.layer[l].score_scale = 0.4;
    rv_transformer *m;
    rv_error err;
    if (rv_transformer_new(&m, &c, NULL, &err) != RV_OK) fail_msg("%s", err.message);
    rv_transformer_randomise(m, 3, &err);
    real row[WIDTH];
    for (size_t v = 0; v < VOCABULARY; v++) {
        fill(row, WIDTH, 100 + v, 0.5);
        rv_matrix_set_rows(&m->embedding, v, 1, row);
    }
    return m;
}

static rv_text_autoencoder *make(const rv_transformer *subject, rv_site_kind kind, bool lm)
{
    rv_text_autoencoder_config c = rv_text_autoencoder_config_default();
    c.width = 16, c.heads = 2, c.encoder_layers = 1, c.decoder_layers = 2, c.code = 5;
    c.tokens_per_slot = 3;
    c.tokens = LONGEST, c.language_model = lm, c.bos = 2;
    c.site = (rv_site){kind, kind == RV_SITE_EMBED ? 0 : 1};
    rv_text_autoencoder *ae;
    rv_error err;
    if (rv_text_autoencoder_new(&ae, subject, &c, 5, &err) != RV_OK)
        fail_msg("%s", err.message);
    for (size_t t = RV_TEXT_OUT; t < RV_TEXT_TENSORS - (kind == RV_SITE_EMBED); t++)
        fill(ae->parameters + ae->tensors[t].offset, WIDTH * 16, 7 + t, 0.3);
    rv_text_autoencoder_refresh(ae, 1);
    return ae;
}

static void whole_loss(rv_site_kind kind)
{
    rv_transformer *subject = make_subject();
    rv_text_autoencoder *ae = make(subject, kind, true);
    enum { N = sizeof ids / sizeof ids[0], T = 6 };
    rv_error err;
    rv_text_learner *learner;
    rv_text_gradients *g;
    rv_text_candidates *candidates;
    assert_int_equal(rv_text_learner_new(&learner, ae, TEXTS, N, true, 1, &err), RV_OK);
    assert_int_equal(rv_text_gradients_new(&g, ae, &err), RV_OK);
    assert_int_equal(rv_text_candidates_new(&candidates, subject, ids, N, N, 9, &err), RV_OK);
    real *rows = rv_alloc(N * WIDTH, sizeof *rows), *hidden = rv_alloc(N * WIDTH, sizeof *rows),
         *target = rv_alloc(N * WIDTH, sizeof *rows), *seen = rv_alloc(N * WIDTH, sizeof *rows),
         noise[T * 5];
    bool dropped[N] = {false, true, [9] = true};
    int32_t label[N];
    rv_random random = rv_random_stream(1, 2, 3);
    fill(noise, T * 5, 50, 0.5);
    fill(ae->site_mean, WIDTH, 51, 0.1);
    fill(seen, N * WIDTH, 52, 1);
    assert_int_equal(rv_text_subject(hidden, rows, ae, ids, length, TEXTS, false, 1, &err),
                     RV_OK);
    rv_text_normalise(target, ae, rows, N);
    rv_text_candidates_draw(label, candidates, ids, N, 9, &random, 1);
    rv_text_batch batch = {.ids = ids,
                           .length = length,
                           .count = TEXTS,
                           .rows = rows,
                           .hidden = hidden,
                           .seen = seen,
                           .noise = noise,
                           .dropped = dropped,
                           .target = kind == RV_SITE_EMBED ? NULL : target,
                           .head = &candidates->head,
                           .head_rows = candidates->count,
                           .label = label,
                           .site_weight = 0.7};
    rv_text_loss loss, up, down;
    if (rv_text_batch_loss(&loss, learner, &batch, g, &err) != RV_OK)
        fail_msg("%s", err.message);
    const real h = 1e-5;
    for (size_t t = 0; t < ae->tensor_count; t++) {
        const rv_text_parameter *p = &ae->tensors[t];
        for (size_t i = 0; i < p->rows * p->columns; i += 1 + p->rows * p->columns / 7) {
            real *x = &ae->parameters[p->offset + i], kept = *x, found = g->flat[p->offset + i];
            *x = kept + h;
            rv_text_autoencoder_refresh(ae, 1);
            rv_text_batch_loss(&up, learner, &batch, NULL, &err);
            *x = kept - h;
            rv_text_autoencoder_refresh(ae, 1);
            rv_text_batch_loss(&down, learner, &batch, NULL, &err);
            *x = kept;
            double expected = (up.nll + 0.7 * up.site - down.nll - 0.7 * down.site) / (2 * h);
            if (fabs(expected - found) > 1e-7 * (1 + fabs(expected)))
                fail_msg("%s, number %zu: expected %.10g by differences, found %.10g", p->name,
                         i, expected, found);
        }
    }
    free(rows);
    free(hidden);
    free(seen);
    free(target);
    rv_text_candidates_free(candidates);
    rv_text_gradients_free(g);
    rv_text_learner_free(learner);
    rv_text_autoencoder_free(ae);
    rv_transformer_free(subject);
}

static void loss_at_the_embedding(void **state)
{
    (void)state;
    whole_loss(RV_SITE_EMBED);
}

static void loss_at_an_inner_layer(void **state)
{
    (void)state;
    whole_loss(RV_SITE_RESID_PRE);
}

/* Writes texts from random latents; their soft rows' derivative; and that the passes agree. */
static void latents(bool language_model)
{
    rv_transformer *subject = make_subject();
    rv_text_autoencoder *ae = make(subject, RV_SITE_EMBED, language_model);
    enum { COUNT = 2, N = COUNT * LONGEST, NUMBERS = COUNT * 3 * 5 };
    rv_error err;
    real z[NUMBERS], dz[NUMBERS], hidden[N * WIDTH], again[N * WIDTH], rows[N * WIDTH],
        drows[N * WIDTH];
    size_t lengths[COUNT] = {LONGEST, LONGEST};
    int32_t written[N];
    fill(z, NUMBERS, 1, 1);
    fill(drows, N * WIDTH, 2, 1);
    if (rv_text_autoencoder_decode(written, hidden, ae, z, COUNT, LONGEST, 1, &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_text_subject(again, NULL, ae, written, lengths, COUNT, false, 1, &err);
    for (size_t i = 0; i < N * WIDTH; i++) assert_true(fabs(hidden[i] - again[i]) < 1e-12);
    // So cold that only the most likely token is left: the rows are those of what was written.
    if (rv_text_autoencoder_pull(dz, rows, ae, z, written, NULL, drows, COUNT, LONGEST, 1e-6, 1,
                                 &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_text_embed(again, subject, written, N);
    for (size_t i = 0; i < N * WIDTH; i++) assert_true(fabs(rows[i] - again[i]) < 1e-9);
    rv_text_autoencoder_pull(dz, rows, ae, z, written, hidden, drows, COUNT, LONGEST, 1.3, 1,
                             &err);
    const real h = 1e-5;
    for (size_t i = 0; i < NUMBERS; i++) {
        real kept = z[i], value[2] = {0, 0}, unused[NUMBERS];
        for (int side = 0; side < 2; side++) {
            z[i] = kept + (side ? h : -h);
            rv_text_autoencoder_pull(unused, rows, ae, z, written, hidden, drows, COUNT,
                                     LONGEST, 1.3, 1, &err);
            for (size_t k = 0; k < N * WIDTH; k++) value[side] += rows[k] * drows[k];
        }
        z[i] = kept;
        real expected = (value[1] - value[0]) / (2 * h);
        if (fabs(expected - dz[i]) > 1e-7 * (1 + fabs(expected)))
            fail_msg("z %zu: expected %.10g by differences, found %.10g", i, expected, dz[i]);
    }
    rv_text_autoencoder_free(ae);
    rv_transformer_free(subject);
}

static void soft_tokens(void **state)
{
    (void)state;
    latents(true);
    latents(false);
}

/* Softmax over sampled tokens estimates the sum over all: on average over many draws, the corrected
 * weights of a token add up to one whatever its frequency. */
static void candidates_are_unbiased(void **state)
{
    (void)state;
    rv_transformer *subject = make_subject();
    enum { DRAWS = 8, TRIALS = 20000 };
    rv_text_candidates *c;
    rv_error err;
    int32_t label;
    double sum[VOCABULARY] = {0};
    assert_int_equal(rv_text_candidates_new(&c, subject, NULL, 0, 1, DRAWS, &err), RV_OK);
    for (size_t i = 0; i < TRIALS; i++) {
        rv_random random = rv_random_stream(9, i, 0);
        int32_t own = 30;
        rv_text_candidates_draw(&label, c, &own, 1, DRAWS, &random, 1);
        for (size_t k = 0; k < c->count; k++) sum[c->ids[k]] += exp(c->head.bias[k]) / TRIALS;
    }
    for (size_t v = 0; v < VOCABULARY; v++)
        if (fabs(sum[v] - 1) > 0.12) fail_msg("token %zu: expected 1, found %g", v, sum[v]);
    rv_text_candidates_free(c);
    rv_transformer_free(subject);
}

/* The tokens most like one, by the cosine of the head's rows, are always among the candidates, with their own weight. */
static void near_tokens_are_always_there(void **state)
{
    (void)state;
    rv_transformer *subject = make_subject();
    rv_text_candidates *c;
    rv_error err;
    int32_t label, own = 11, best = -1;
    double most = -2, row[2][WIDTH];
    assert_int_equal(rv_text_candidates_new(&c, subject, NULL, 0, 1, 0, &err), RV_OK);
    rv_random random = rv_random_stream(9, 1, 0);
    rv_text_candidates_draw(&label, c, &own, 1, 0, &random, 1);
    rv_matrix_get_row(subject->head, (size_t)own, row[0]);
    for (int32_t v = 0; v < VOCABULARY; v++) {
        double product = 0, square = 0;
        rv_matrix_get_row(subject->head, (size_t)v, row[1]);
        for (size_t k = 0; k < WIDTH; k++)
            product += row[0][k] * row[1][k], square += row[1][k] * row[1][k];
        if (v == own || product / sqrt(square) <= most) continue;
        most = product / sqrt(square), best = v;
    }
    assert_int_equal(c->count, 1 + RV_TEXT_NEAR);
    assert_int_equal(c->ids[0], own);
    assert_int_equal(c->ids[1], best);
    for (size_t i = 0; i < c->count; i++) assert_true(c->head.bias[i] == 0);
    rv_text_candidates_free(c);
    rv_transformer_free(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_at_the_embedding),
        cmocka_unit_test(loss_at_an_inner_layer),
        cmocka_unit_test(soft_tokens),
        cmocka_unit_test(candidates_are_unbiased),
        cmocka_unit_test(near_tokens_are_always_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
