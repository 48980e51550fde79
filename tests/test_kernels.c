/* Every tuned table that this processor runs, against the reference: one list of shapes drives
 * all entries. Outputs stand between guard words and have padding between their rows; both must
 * survive. Results must not depend on the rows beside a row, nor on the number of threads. */
#include "kernel_check.h"

/* The same weights packed for the reference and for the tuned table. */
typedef struct weights {
    rows W, bias;
    rv_matrix expected, tuned;
} weights;

static weights make_weights(size_t M, size_t K, bool bias)
{
    weights w = {.W = make_rows_ld(M, K, K), .bias = make_rows(1, M)};
    const float *b = bias ? w.bias.at : NULL;
    rv_error err;
    assert_int_equal(rv_matrix_pack(&w.expected, reference, w.W.at, b, M, K, &err), RV_OK);
    assert_int_equal(rv_matrix_pack(&w.tuned, tuned, w.W.at, b, M, K, &err), RV_OK);
    return w;
}

static void free_weights(weights *w)
{
    rv_matrix_release(&w->expected);
    rv_matrix_release(&w->tuned);
    free(w->W.all);
    free(w->bias.all);
}

/* ---- linear ---------------------------------------------------------------------------- */
static void linear_forward(const shape *s)
{
    weights w = make_weights(s->M, s->K, s->N % 2);
    size_t ldx = s->K % 1024 ? s->K + PAD : s->K; // 1024 numbers apart: rows alias in the cache
    rows x = make_rows_ld(s->N, s->K, ldx), out = make_rows(s->N, s->M);
    for (int epilogue = RV_STORE; epilogue <= RV_ACCUMULATE; epilogue++) {
        rows expected = copy_of(&out), found = copy_of(&out), threaded = copy_of(&out);
        rows alone = copy_of(&out);
        reference->linear_forward(expected.at, expected.ld, x.at, x.ld, &w.expected, s->N,
                                  (rv_epilogue)epilogue, 1);
        tuned->linear_forward(found.at, found.ld, x.at, x.ld, &w.tuned, s->N,
                              (rv_epilogue)epilogue, 1);
        tuned->linear_forward(threaded.at, found.ld, x.at, x.ld, &w.tuned, s->N,
                              (rv_epilogue)epilogue, 2);
        check_close("linear_forward", &found, &expected, s->K, sqrtf((float)s->K));
        for (size_t n = 0; n < s->N; n++) {
            tuned->linear_forward(alone.at + n * alone.ld, 1, x.at + n * x.ld, 1, &w.tuned, 1,
                                  (rv_epilogue)epilogue, 1);
            check_same_row("linear_forward", found.at + n * found.ld, alone.at + n * alone.ld,
                           s->M);
            check_same_row("linear_forward", found.at + n * found.ld,
                           threaded.at + n * found.ld, s->M);
        }
        free_rows((rows[]){expected, found, threaded, alone}, 4);
    }
    free_rows((rows[]){x, out}, 2);
    free_weights(&w);
}

static void linear_backward(const shape *s)
{
    weights w = make_weights(s->M, s->K, false);
    rows dout = make_rows(s->N, s->M), dx = make_rows(s->N, s->K);
    rows expected = copy_of(&dx), found = copy_of(&dx), threaded = copy_of(&dx);
    reference->linear_backward(expected.at, dx.ld, dout.at, dout.ld, &w.expected, s->N, 1);
    tuned->linear_backward(found.at, dx.ld, dout.at, dout.ld, &w.tuned, s->N, 1);
    tuned->linear_backward(threaded.at, dx.ld, dout.at, dout.ld, &w.tuned, s->N, 2);
    check_close("linear_backward", &found, &expected, s->M, sqrtf((float)s->M));
    for (size_t n = 0; n < s->N; n++) {
        float *alone = dx.at + n * dx.ld;
        tuned->linear_backward(alone, 1, dout.at + n * dout.ld, 1, &w.tuned, 1, 1);
        check_same_row("linear_backward", found.at + n * dx.ld, alone, s->K);
        check_same_row("linear_backward", found.at + n * dx.ld, threaded.at + n * dx.ld, s->K);
    }
    free_rows((rows[]){dout, dx, expected, found, threaded}, 5);
    free_weights(&w);
}

static void linear_backward_weight(const shape *s)
{
    rows dout = make_rows(s->N, s->M), x = make_rows(s->N, s->K);
    rows dW = make_rows_ld(s->M, s->K, s->K), dbias = make_rows(1, s->M);
    for (int wanted = 1; wanted <= 3; wanted++) { // dW, dbias, both
        rows W[3] = {copy_of(&dW), copy_of(&dW), copy_of(&dW)};
        rows b[3] = {copy_of(&dbias), copy_of(&dbias), copy_of(&dbias)};
        for (int i = 0; i < 3; i++)
            (i == 0 ? reference : tuned)
                ->linear_backward_weight(wanted & 1 ? W[i].at : NULL,
                                         wanted & 2 ? b[i].at : NULL, dout.at, dout.ld, x.at,
                                         x.ld, s->N, s->K, s->M, i == 2 ? 2 : 1);
        check_close("linear_backward_weight dW", &W[1], &W[0], s->N, sqrtf((float)s->N));
        check_close("linear_backward_weight dbias", &b[1], &b[0], s->N, sqrtf((float)s->N));
        for (size_t m = 0; m < s->M; m++)
            check_same_row("linear_backward_weight", W[1].at + m * s->K, W[2].at + m * s->K,
                           s->K);
        check_same_row("linear_backward_weight", b[1].at, b[2].at, s->M);
        free_rows(W, 3);
        free_rows(b, 3);
    }
    free_rows((rows[]){dout, x, dW, dbias}, 4);
}

/* ---- log-sum-exp ----------------------------------------------------------------------- */
typedef struct unembedding {
    weights head;
    rows x, weight, lse, logit;
    int32_t *label;
    size_t valid;
    float softcap;
} unembedding;

/* Logits of about `spread`; every third shape has a padded vocabulary, every other a softcap. */
static unembedding make_unembedding(const shape *s, float spread)
{
    unembedding u = {.head = make_weights(s->M, s->K, s->N % 2),
                     .x = make_rows(s->N, s->K),
                     .weight = make_rows(1, s->N),
                     .lse = make_rows(1, s->N),
                     .logit = make_rows(1, s->N),
                     .label = rv_alloc(s->N, sizeof *u.label),
                     .valid = s->M % 3 && s->M > 5 ? s->M - 5 : s->M,
                     .softcap = s->K % 2 ? 0 : 3 * spread};
    assert_non_null(u.label);
    for (size_t n = 0; n < s->N; n++) {
        u.label[n] = n % 5 == 4 ? -1 : (int32_t)rv_random_below(&source, s->M);
        if (n % 7 == 2) u.weight.at[n] = 0;
        for (size_t k = 0; k < s->K; k++) u.x.at[n * u.x.ld + k] *= spread / sqrtf((float)s->K);
    }
    return u;
}

static void free_unembedding(unembedding *u)
{
    free_weights(&u->head);
    free_rows((rows[]){u->x, u->weight, u->lse, u->logit}, 4);
    free(u->label);
}

static void logsumexp_forward(const shape *s)
{
    for (float spread = 1; spread < 100; spread *= 40) {
        unembedding u = make_unembedding(s, spread);
        rows lse[2] = {copy_of(&u.lse), copy_of(&u.lse)};
        rows logit[3] = {copy_of(&u.logit), copy_of(&u.logit), copy_of(&u.logit)};
        reference->logsumexp_forward(u.lse.at, logit[0].at, u.x.at, u.x.ld, u.label,
                                     &u.head.expected, s->N, u.valid, u.softcap, 1);
        for (int i = 0; i < 2; i++)
            tuned->logsumexp_forward(lse[i].at, logit[i + 1].at, u.x.at, u.x.ld, u.label,
                                     &u.head.tuned, s->N, u.valid, u.softcap, i + 1);
        check_close("logsumexp lse", &lse[0], &u.lse, s->K, spread);
        check_close("logsumexp label_logit", &logit[1], &logit[0], s->K, spread);
        check_same_row("logsumexp lse", lse[0].at, lse[1].at, s->N);
        check_same_row("logsumexp label_logit", logit[1].at, logit[2].at, s->N);
        for (size_t n = 0; n < s->N; n++) {
            float alone = 0;
            tuned->logsumexp_forward(&alone, NULL, u.x.at + n * u.x.ld, 1, NULL, &u.head.tuned,
                                     1, u.valid, u.softcap, 1);
            check_same_row("logsumexp lse", &lse[0].at[n], &alone, 1);
        }
        free_rows((rows[]){lse[0], lse[1], logit[0], logit[1], logit[2]}, 5);
        free_unembedding(&u);
    }
}

static void logsumexp_backward(const shape *s)
{
    unembedding u = make_unembedding(s, 1);
    rows dx = make_rows(s->N, s->K), d[3] = {copy_of(&dx), copy_of(&dx), copy_of(&dx)};
    reference->logsumexp_forward(u.lse.at, NULL, u.x.at, u.x.ld, NULL, &u.head.expected, s->N,
                                 u.valid, u.softcap, 1);
    for (int i = 0; i < 3; i++)
        (i == 0 ? reference : tuned)
            ->logsumexp_backward(d[i].at, dx.ld, u.lse.at, u.x.at, u.label, u.weight.at,
                                 i == 0 ? &u.head.expected : &u.head.tuned, s->N, u.valid,
                                 u.softcap, i == 2 ? 2 : 1);
    check_close("logsumexp_backward", &d[1], &d[0], s->M + s->K, 1);
    for (size_t n = 0; n < s->N; n++) {
        float *alone = dx.at + n * dx.ld;
        if (u.weight.at[n] == 0) // skipped
            check_same_row("logsumexp_backward", d[1].at + n * dx.ld, alone, s->K);
        tuned->logsumexp_backward(alone, 1, u.lse.at + n, u.x.at + n * u.x.ld, u.label + n,
                                  u.weight.at + n, &u.head.tuned, 1, u.valid, u.softcap, 1);
        check_same_row("logsumexp_backward", d[1].at + n * dx.ld, alone, s->K);
        check_same_row("logsumexp_backward", d[1].at + n * dx.ld, d[2].at + n * dx.ld, s->K);
    }
    free_rows((rows[]){dx, d[0], d[1], d[2]}, 4);
    free_unembedding(&u);
}

/* ---- bf16 ------------------------------------------------------------------------------ */

/* To the nearest bf16, by another way than the library's: the neighbours are compared. */
static float as_bf16(float x)
{
    uint32_t bits, down;
    memcpy(&bits, &x, sizeof bits);
    down = bits & 0xffff0000u;
    uint32_t up = down + 0x10000u;
    float low, high;
    memcpy(&low, &down, sizeof low);
    memcpy(&high, &up, sizeof high);
    if (fabsf(x - low) == fabsf(high - x)) return down & 0x10000u ? high : low;
    return fabsf(x - low) < fabsf(high - x) ? low : high;
}

static void round_all(rows *r)
{
    for (size_t n = 0; n < r->count; n++)
        for (size_t i = 0; i < r->columns; i++)
            r->at[n * r->ld + i] = as_bf16(r->at[n * r->ld + i]);
}

/* The narrow product of any numbers is the float product of the rounded numbers. */
static void narrow(const shape *s)
{
    weights w = make_weights(s->M, s->K, s->N % 2);
    rows x = make_rows(s->N, s->K), out = make_rows(s->N, s->M), lse[2], logit[2];
    int32_t *label = rv_alloc(s->N, sizeof *label);
    assert_non_null(label);
    for (size_t n = 0; n < s->N; n++) label[n] = (int32_t)rv_random_below(&source, s->M);
    for (size_t i = 0; i < s->N * x.ld; i++) x.at[i] *= x.at[i] == guard_word ? 1 : 0.1f;
    rv_error err;
    assert_int_equal(rv_matrix_narrow(&w.tuned, tuned, &err), RV_OK);
    assert_int_equal(tuned->narrow, w.tuned.narrow != NULL);

    rows expected = copy_of(&out), found = copy_of(&out), threaded = copy_of(&out);
    rows exact = copy_of(&x);
    for (int i = 0; i < 2; i++) lse[i] = make_rows(1, s->N), logit[i] = make_rows(1, s->N);
    tuned->linear_forward_narrow(found.at, out.ld, x.at, x.ld, &w.tuned, s->N, RV_ACCUMULATE,
                                 1);
    tuned->linear_forward_narrow(threaded.at, out.ld, x.at, x.ld, &w.tuned, s->N, RV_ACCUMULATE,
                                 2);
    tuned->logsumexp_forward_narrow(lse[0].at, logit[0].at, x.at, x.ld, label, &w.tuned, s->N,
                                    s->M, 0, 2);
    for (size_t n = 0; n < s->N; n++) {
        float *alone = out.at + n * out.ld, lse_alone = 0;
        tuned->logsumexp_forward_narrow(&lse_alone, NULL, x.at + n * x.ld, 1, NULL, &w.tuned, 1,
                                        s->M, 0, 1);
        check_same_row("narrow logsumexp", &lse_alone, &lse[0].at[n], 1);
        memcpy(alone, expected.at + n * out.ld, s->M * sizeof *alone);
        tuned->linear_forward_narrow(alone, 1, x.at + n * x.ld, 1, &w.tuned, 1, RV_ACCUMULATE,
                                     1);
        check_same_row("narrow linear", alone, found.at + n * out.ld, s->M);
        check_same_row("narrow linear", alone, threaded.at + n * out.ld, s->M);
    }
    if (tuned->narrow) {
        round_all(&w.W), round_all(&exact);
        rv_matrix_set_rows(&w.expected, 0, s->M, w.W.at);
    }
    reference->linear_forward(expected.at, out.ld, exact.at, x.ld, &w.expected, s->N,
                              RV_ACCUMULATE, 1);
    reference->logsumexp_forward(lse[1].at, logit[1].at, exact.at, x.ld, label, &w.expected,
                                 s->N, s->M, 0, 1);
    check_close("narrow linear", &found, &expected, s->K, sqrtf((float)s->K));
    check_close("narrow lse", &lse[0], &lse[1], s->K, sqrtf((float)s->K));
    check_close("narrow label_logit", &logit[0], &logit[1], s->K, sqrtf((float)s->K));
    free_rows((rows[]){x, out, expected, found, threaded, exact}, 6);
    free_rows((rows[]){lse[0], lse[1], logit[0], logit[1]}, 4);
    free(label);
    free_weights(&w);
}

/* ---- norms ----------------------------------------------------------------------------- */
static void layernorm(const shape *s)
{
    rows x = make_rows(s->N, s->K), y = make_rows(s->N, s->K), dout = make_rows(s->N, s->K);
    rows weight = make_rows(1, s->K), bias = make_rows(1, s->K);
    for (size_t i = 0; i < s->N * x.ld; i++) x.at[i] += x.at[i] == guard_word ? 0 : 3;
    rows out[3], mean[3], rstd[3], dx[3], dweight[3], dbias[3];
    for (int i = 0; i < 3; i++) {
        const rv_kernels *k = i == 0 ? reference : tuned;
        int threads = i == 2 ? 2 : 1;
        out[i] = copy_of(&y), mean[i] = make_rows(1, s->N), rstd[i] = make_rows(1, s->N);
        dx[i] = copy_of(&y), dweight[i] = copy_of(&weight), dbias[i] = copy_of(&bias);
        k->layernorm_forward(out[i].at, y.ld, mean[i].at, rstd[i].at, x.at, x.ld, weight.at,
                             s->N % 3 ? bias.at : NULL, s->N, s->K, 1e-5f, threads);
        k->layernorm_backward(dx[i].at, y.ld, dweight[i].at, dbias[i].at, dout.at, dout.ld,
                              x.at, x.ld, weight.at, mean[0].at, rstd[0].at, s->N, s->K,
                              threads);
    }
    // one channel normalises to 0 / sqrt(eps): rounding of the mean is multiplied by 300
    float size = s->K < 4 ? 300 : 1;
    check_close("layernorm out", &out[1], &out[0], s->K, size);
    check_close("layernorm mean", &mean[1], &mean[0], s->K, 1);
    check_close("layernorm rstd", &rstd[1], &rstd[0], s->K, size);
    check_close("layernorm dx", &dx[1], &dx[0], s->K, size);
    check_close("layernorm dweight", &dweight[1], &dweight[0], s->N, size);
    check_close("layernorm dbias", &dbias[1], &dbias[0], s->N, sqrtf((float)s->N));
    check_same_row("layernorm dweight", dweight[1].at, dweight[2].at, s->K);
    for (size_t n = 0; n < s->N; n++) {
        float *in_place = x.at + n * x.ld, *dx_alone = y.at + n * y.ld;
        check_same_row("layernorm dx", dx[1].at + n * y.ld, dx[2].at + n * y.ld, s->K);
        tuned->layernorm_backward(dx_alone, 1, NULL, NULL, dout.at + n * dout.ld, 1, in_place,
                                  1, weight.at, mean[0].at + n, rstd[0].at + n, 1, s->K, 1);
        check_same_row("layernorm dx", dx[1].at + n * y.ld, dx_alone, s->K);
        tuned->layernorm_forward(in_place, 1, NULL, NULL, in_place, 1, weight.at,
                                 s->N % 3 ? bias.at : NULL, 1, s->K, 1e-5f, 1);
        check_same_row("layernorm out", out[1].at + n * y.ld, in_place, s->K);
        check_same_row("layernorm out", out[2].at + n * y.ld, in_place, s->K);
    }
    for (int i = 0; i < 3; i++)
        free_rows((rows[]){out[i], mean[i], rstd[i], dx[i], dweight[i], dbias[i]}, 6);
    free_rows((rows[]){x, y, dout, weight, bias}, 5);
}

/* Rows of `groups` heads of K channels. */
static void rmsnorm(const shape *s)
{
    size_t groups = s->N % 4 + 1, C = s->K;
    rows x = make_rows(s->N, groups * C), y = make_rows(s->N, groups * C);
    rows dout = make_rows(s->N, groups * C), weight = make_rows(1, C), out[3], rstd[3], dx[3];
    rows dweight[3];
    for (int i = 0; i < 3; i++) {
        const rv_kernels *k = i == 0 ? reference : tuned;
        int threads = i == 2 ? 2 : 1;
        out[i] = copy_of(&y), rstd[i] = make_rows(1, s->N * groups);
        dx[i] = copy_of(&y), dweight[i] = copy_of(&weight);
        k->rmsnorm_forward(out[i].at, y.ld, rstd[i].at, x.at, x.ld, weight.at, s->N, groups, C,
                           1e-5f, threads);
        k->rmsnorm_backward(dx[i].at, y.ld, dweight[i].at, dout.at, dout.ld, x.at, x.ld,
                            weight.at, rstd[0].at, s->N, groups, C, threads);
    }
    check_close("rmsnorm out", &out[1], &out[0], C, 1);
    check_close("rmsnorm rstd", &rstd[1], &rstd[0], C, 1);
    check_close("rmsnorm dx", &dx[1], &dx[0], C, C < 4 ? 30 : 1);
    check_close("rmsnorm dweight", &dweight[1], &dweight[0], s->N * groups, (float)groups);
    check_same_row("rmsnorm dweight", dweight[1].at, dweight[2].at, C);
    for (size_t n = 0; n < s->N; n++) {
        float *in_place = x.at + n * x.ld, *dx_alone = y.at + n * y.ld;
        check_same_row("rmsnorm dx", dx[1].at + n * y.ld, dx[2].at + n * y.ld, groups * C);
        tuned->rmsnorm_backward(dx_alone, 1, NULL, dout.at + n * dout.ld, 1, in_place, 1,
                                weight.at, rstd[0].at + n * groups, 1, groups, C, 1);
        check_same_row("rmsnorm dx", dx[1].at + n * y.ld, dx_alone, groups * C);
        tuned->rmsnorm_forward(in_place, 1, NULL, in_place, 1, weight.at, 1, groups, C, 1e-5f,
                               1);
        check_same_row("rmsnorm out", out[1].at + n * y.ld, in_place, groups * C);
        check_same_row("rmsnorm out", out[2].at + n * y.ld, in_place, groups * C);
    }
    for (int i = 0; i < 3; i++) free_rows((rows[]){out[i], rstd[i], dx[i], dweight[i]}, 4);
    free_rows((rows[]){x, y, dout, weight}, 4);
}

/* ---- activations and rotary embedding -------------------------------------------------- */
static void activation(const shape *s)
{
    rows pre = make_rows(s->N, s->M), up = make_rows(s->N, s->M), post = make_rows(s->N, s->M);
    rows dpost = make_rows(s->N, s->M);
    for (rv_activation kind = RV_ACT_GELU_TANH; kind <= RV_ACT_RELU; kind++)
        for (int gated = 0; gated < 2; gated++) {
            const float *u = gated ? up.at : NULL;
            rows p[2], dpre[2], dup[2];
            for (int i = 0; i < 2; i++) {
                const rv_kernels *k = i == 0 ? reference : tuned;
                p[i] = copy_of(&post), dpre[i] = copy_of(&post), dup[i] = copy_of(&post);
                k->activation_forward(p[i].at, post.ld, pre.at, pre.ld, u, up.ld, s->N, s->M,
                                      kind, 2);
                k->activation_backward(dpre[i].at, post.ld, gated ? dup[i].at : NULL, post.ld,
                                       dpost.at, dpost.ld, pre.at, pre.ld, u, up.ld, s->N, s->M,
                                       kind, 2);
            }
            check_close("activation post", &p[1], &p[0], 0, 1);
            check_close("activation dpre", &dpre[1], &dpre[0], 0, 4);
            check_close("activation dup", &dup[1], &dup[0], 0, 4);
            for (int i = 0; i < 2; i++) free_rows((rows[]){p[i], dpre[i], dup[i]}, 3);
        }
    free_rows((rows[]){pre, up, post, dpost}, 4);
}

/* M is the head size. */
static void rope(const shape *s)
{
    size_t heads = s->N % 3 + 1, D = s->M + 1, pairs = D / (s->N % 2 ? 2 : 4);
    if (pairs == 0) pairs = 1;
    enum { POSITIONS = 50 };
    rows cosine = make_rows_ld(POSITIONS, pairs, pairs), x = make_rows(s->N, heads * D);
    rows sine = make_rows_ld(POSITIONS, pairs, pairs), expected = copy_of(&x);
    int32_t *position = rv_alloc(s->N, sizeof *position);
    assert_non_null(position);
    for (size_t n = 0; n < s->N; n++)
        position[n] = (int32_t)rv_random_below(&source, POSITIONS);
    for (int inverse = 0; inverse < 2; inverse++) {
        reference->rope(expected.at, x.ld, position, cosine.at, sine.at, s->N, heads, D, pairs,
                        inverse, 1);
        tuned->rope(x.at, x.ld, position, cosine.at, sine.at, s->N, heads, D, pairs, inverse,
                    2);
        check_close("rope", &x, &expected, 0, 8);
    }
    free_rows((rows[]){cosine, sine, x, expected}, 4);
    free(position);
}

/* The claim of vector_math.h: relative error below 1e-6 (against double precision), through the
 * activations that are made of them, over the whole range of interest. */
static double exact_activation(double x, rv_activation kind, double *slope)
{
    if (kind == RV_ACT_GELU_ERF) {
        double p = 0.5 * erfc(-x * sqrt(0.5));
        *slope = p + x * exp(-0.5 * x * x) * 0.39894228040143267794;
        return x * p;
    }
    double a = sqrt(8 / 3.14159265358979323846);
    double u = x, du = 1;
    if (kind == RV_ACT_QUICK_GELU) u = 1.702 * x, du = 1.702;
    if (kind == RV_ACT_GELU_TANH) u = a * (x + 0.044715 * x * x * x);
    if (kind == RV_ACT_GELU_TANH) du = a * (1 + 3 * 0.044715 * x * x);
    double sigmoid = 1 / (1 + exp(-u));
    *slope = sigmoid + x * sigmoid * (1 - sigmoid) * du;
    return x * sigmoid;
}

static void accuracy(const shape *s)
{
    if (s != &shapes[0]) return;
    enum { COUNT = 4001 };
    float pre[COUNT], post[COUNT], slope[COUNT], one[COUNT];
    for (rv_activation kind = RV_ACT_GELU_TANH; kind <= RV_ACT_SILU; kind++) {
        for (size_t i = 0; i < COUNT; i++) {
            pre[i] = ((float)i - 2000) / 250; // -8 to 8
            slope[i] = 0, one[i] = 1;
        }
        tuned->activation_forward(post, 1, pre, 1, NULL, 0, 1, COUNT, kind, 1);
        tuned->activation_backward(slope, 1, NULL, 0, one, 1, pre, 1, NULL, 0, 1, COUNT, kind,
                                   1);
        for (size_t i = 0; i < COUNT; i++) {
            // x itself is rounded: an error of half a unit in u(x) is one of |u| in e^u
            double d, y = exact_activation((double)pre[i], kind, &d), x = fabs((double)pre[i]);
            double limit = 1e-6 + FLT_EPSILON * (kind == RV_ACT_GELU_TANH ? x * x * x / 4 : x);
            if (fabs((double)post[i] - y) > limit * fabs(y))
                fail_msg("%s activation %d: f(%g): expected %.9g, found %.9g", tuned->name,
                         kind, (double)pre[i], y, (double)post[i]);
            if (fabs((double)slope[i] - d) > 4 * limit * fmax(fabs(d), 0.1 * fabs(y)))
                fail_msg("%s activation %d: f'(%g): expected %.9g, found %.9g", tuned->name,
                         kind, (double)pre[i], d, (double)slope[i]);
        }
    }
}

/* ---- which tables ---------------------------------------------------------------------- */
static void tables_are_chosen_by_name_or_environment(void **state)
{
    (void)state;
    assert_null(rv_kernels_select("no such table"));
    assert_string_equal(rv_kernels_select("reference")->name, "reference");
    assert_int_equal(setenv("REVERIE_KERNELS", "portable", 1), 0);
    assert_string_equal(rv_kernels_select(NULL)->name, "portable");
    assert_int_equal(setenv("REVERIE_KERNELS", "no such table", 1), 0);
    assert_non_null(rv_kernels_select(NULL));
    const rv_kernels *chosen;
    rv_error err;
    assert_int_equal(rv_kernels_choose(&chosen, NULL, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "REVERIE_KERNELS"));
    assert_int_equal(rv_kernels_choose(&chosen, "portable", &err), RV_OK);
    assert_int_equal(unsetenv("REVERIE_KERNELS"), 0);
    assert_non_null(rv_kernels_select(NULL));
}

TEST(linear_forward)
TEST(linear_backward)
TEST(linear_backward_weight)
TEST(logsumexp_forward)
TEST(logsumexp_backward)
TEST(narrow)
TEST(layernorm)
TEST(rmsnorm)
TEST(activation)
TEST(rope)
TEST(accuracy)

int main(void)
{
    source = rv_random_stream(11, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_chosen_by_name_or_environment),
        cmocka_unit_test(test_linear_forward),
        cmocka_unit_test(test_linear_backward),
        cmocka_unit_test(test_linear_backward_weight),
        cmocka_unit_test(test_logsumexp_forward),
        cmocka_unit_test(test_logsumexp_backward),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_rmsnorm),
        cmocka_unit_test(test_activation),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_accuracy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
