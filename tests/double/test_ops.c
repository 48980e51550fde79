/* Every derivative of the reference operations against central differences, in double.
 *
 * The loss is always sum(mix * out) with random numbers `mix`, so that one call of the backward
 * operation with dout = mix gives the whole gradient. Gradients start at BEFORE, since backward
 * accumulates. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/kernels.h"

#define BEFORE    0.5
#define STEP      1e-5
#define TOLERANCE 1e-7
#define LENGTH(a) (sizeof(a) / sizeof *(a))

static rv_random source;

static real *numbers(size_t count)
{
    real *out = rv_alloc(count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) out[i] = rv_random_normal(&source);
    return out;
}

static real *gradients(size_t count)
{
    real *out = rv_alloc(count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) out[i] = BEFORE;
    return out;
}

static real mixed(const real *mix, const real *out, size_t rows, size_t columns, size_t ld)
{
    real sum = 0;
    for (size_t n = 0; n < rows; n++)
        for (size_t i = 0; i < columns; i++) sum += mix[n * ld + i] * out[n * ld + i];
    return sum;
}

/* Compares gradient (count), which started at BEFORE, with differences of loss(context). */
static void check(const char *name, double (*loss)(void *), void *context, real *values,
                  const real *gradient, size_t count)
{
    double largest = 1e-3;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(gradient[i] - BEFORE));
    size_t stride = count / 300 + 1;
    for (size_t i = 0; i < count; i += stride) {
        real kept = values[i];
        values[i] = kept + STEP;
        double up = loss(context);
        values[i] = kept - STEP;
        double down = loss(context);
        values[i] = kept;
        double expected = (up - down) / (2 * STEP), found = gradient[i] - BEFORE;
        if (fabs(expected - found) > TOLERANCE * largest)
            fail_msg("%s: d/dx[%zu]: expected %.12g, found %.12g", name, i, expected, found);
    }
}

/* ---- linear ---------------------------------------------------------------------------- */
typedef struct linear {
    size_t N, K, M, ldx, ldo;
    real *x, *W, *bias, *mix, *start, *out;
    rv_epilogue epilogue;
} linear;

static double linear_loss(void *context)
{
    linear *c = context;
    const rv_kernels *k = rv_kernels_reference();
    rv_matrix m;
    rv_error err;
    assert_int_equal(rv_matrix_pack(&m, k, c->W, c->bias, c->M, c->K, &err), RV_OK);
    memcpy(c->out, c->start, c->N * c->ldo * sizeof *c->out);
    k->linear_forward(c->out, c->ldo, c->x, c->ldx, &m, c->N, c->epilogue, 1);
    rv_matrix_release(&m);
    return mixed(c->mix, c->out, c->N, c->M, c->ldo);
}

static void linear_layers(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1}, {3, 65, 33}, {2, 7, 16}, {5, 4, 40}};
    const rv_kernels *k = rv_kernels_reference();
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        size_t N = shapes[s][0], K = shapes[s][1], M = shapes[s][2];
        linear c = {.N = N, .K = K, .M = M, .ldx = K + 2, .ldo = M + 1};
        c.epilogue = s % 2 ? RV_ACCUMULATE : RV_STORE;
        c.x = numbers(N * c.ldx), c.W = numbers(M * K), c.bias = numbers(M);
        c.mix = numbers(N * c.ldo), c.start = numbers(N * c.ldo), c.out = numbers(N * c.ldo);
        real *dx = gradients(N * c.ldx), *dW = gradients(M * K), *dbias = gradients(M);
        rv_matrix m;
        assert_int_equal(rv_matrix_pack(&m, k, c.W, c.bias, M, K, NULL), RV_OK);
        k->linear_backward(dx, c.ldx, c.mix, c.ldo, &m, N, 1);
        k->linear_backward_weight(dW, dbias, c.mix, c.ldo, c.x, c.ldx, N, K, M, 1);
        k->linear_backward_weight(NULL, NULL, c.mix, c.ldo, c.x, c.ldx, N, K, M, 1);
        check("linear x", linear_loss, &c, c.x, dx, N * c.ldx);
        check("linear W", linear_loss, &c, c.W, dW, M * K);
        check("linear bias", linear_loss, &c, c.bias, dbias, M);
        real *row = numbers(K);
        rv_matrix_get_row(&m, M - 1, row);
        assert_memory_equal(row, c.W + (M - 1) * K, K * sizeof *row);
        rv_matrix_release(&m);
        void *all[] = {c.x, c.W, c.bias, c.mix, c.start, c.out, dx, dW, dbias, row};
        for (size_t i = 0; i < LENGTH(all); i++) free(all[i]);
    }
}

static void matrices_refuse_impossible_shapes(void **state)
{
    (void)state;
    rv_matrix m;
    rv_error err;
    const rv_kernels *k = rv_kernels_reference();
    assert_int_equal(rv_matrix_init(&m, k, 0, 3, false, &err), RV_ERR_USAGE);
    assert_int_equal(rv_matrix_init(&m, k, SIZE_MAX, 3, false, &err), RV_ERR_MEMORY);
    assert_int_equal(rv_matrix_init(&m, k, SIZE_MAX / 8, 64, false, &err), RV_ERR_MEMORY);
    assert_null(m.data);
}

/* ---- log-sum-exp ----------------------------------------------------------------------- */
typedef struct unembedding {
    size_t N, K, ldx, valid;
    real *x, *weight, *lse, *logit;
    int32_t *label;
    real softcap;
    rv_matrix head;
} unembedding;

static double unembedding_loss(void *context)
{
    unembedding *c = context;
    rv_kernels_reference()->logsumexp_forward(c->lse, c->logit, c->x, c->ldx, c->label,
                                              &c->head, c->N, c->valid, c->softcap, 1);
    double loss = 0;
    for (size_t n = 0; n < c->N; n++)
        loss += c->weight[n] * (c->lse[n] - (c->label[n] < 0 ? 0 : c->logit[n]));
    return loss;
}

/* N, K, V, valid, softcap, bias */
static void fused_unembedding(void **state)
{
    (void)state;
    static const struct {
        size_t N, K, V, valid;
        double softcap;
        bool bias;
    } cases[] = {{4, 5, 7, 7, 0, false},
                 {1, 8, 1, 1, 0, false},
                 {5, 65, 50, 43, 0, true},
                 {3, 9, 32, 20, 2.5, true},
                 {2, 3, 17, 17, 1, false}};
    const rv_kernels *k = rv_kernels_reference();
    for (size_t s = 0; s < LENGTH(cases); s++) {
        size_t N = cases[s].N, K = cases[s].K, V = cases[s].V;
        unembedding c = {.N = N, .K = K, .ldx = K + 3, .valid = cases[s].valid};
        c.softcap = cases[s].softcap;
        c.x = numbers(N * c.ldx), c.weight = numbers(N), c.lse = numbers(N),
        c.logit = numbers(N);
        c.label = rv_alloc(N, sizeof *c.label);
        for (size_t n = 0; n < N; n++) c.label[n] = (int32_t)rv_random_below(&source, V);
        c.label[N - 1] = -1;
        if (N > 2) c.weight[1] = 0;
        real *W = numbers(V * K), *bias = cases[s].bias ? numbers(V) : NULL;
        assert_int_equal(rv_matrix_pack(&c.head, k, W, bias, V, K, NULL), RV_OK);

        unembedding_loss(&c);
        for (size_t n = 0; n < N; n++) { // the definition, with logits
            double sum = 0;
            for (size_t v = 0; v < V; v++) {
                double z = bias ? bias[v] : 0;
                for (size_t i = 0; i < K; i++) z += c.x[n * c.ldx + i] * W[v * K + i];
                if (c.softcap > 0) z = c.softcap * tanh(z / c.softcap);
                if (v < c.valid) sum += exp(z);
                if ((int32_t)v == c.label[n])
                    assert_true(fabs(z - c.logit[n]) < 1e-12 * (1 + fabs(z)));
            }
            assert_true(fabs(log(sum) - c.lse[n]) < 1e-12 * (1 + fabs(c.lse[n])));
        }
        real *dx = gradients(N * c.ldx);
        k->logsumexp_backward(dx, c.ldx, c.lse, c.x, c.label, c.weight, &c.head, N, c.valid,
                              c.softcap, 1);
        check("logsumexp x", unembedding_loss, &c, c.x, dx, N * c.ldx);
        rv_matrix_release(&c.head);
        void *all[] = {c.x, c.weight, c.lse, c.logit, c.label, W, bias, dx};
        for (size_t i = 0; i < LENGTH(all); i++) free(all[i]);
    }
}

/* ---- attention ------------------------------------------------------------------------- */
typedef struct attention {
    rv_attention_shape shape;
    size_t ld, rows;
    real *q, *out, *mix; /* (rows, ld) */
    rv_segment segments[3];
    rv_attention_sequence sequences[2]; /* both look back at segment 0 */
    real *probability[2], *mix_probability[2];
} attention;

static size_t pattern_size(const attention *c, size_t s)
{
    const rv_attention_sequence *q = &c->sequences[s];
    return c->shape.H * q->count * (q->first + q->count);
}

static double attention_loss(void *context)
{
    attention *c = context;
    rv_kernels_reference()->attention_forward(c->out, c->ld, c->probability, c->q, c->ld,
                                              c->sequences, 2, &c->shape, 1);
    double loss = mixed(c->mix, c->out, c->rows, c->shape.H * c->shape.D, c->ld);
    for (size_t s = 0; s < 2; s++)
        loss += mixed(c->mix_probability[s], c->probability[s], 1, pattern_size(c, s), 0);
    return loss;
}

/* A prefix of `shared` positions, then two sequences of `first` and `second` own positions. */
static attention make_attention(rv_attention_shape shape, size_t shared, size_t first,
                                size_t second)
{
    attention c = {.shape = shape, .ld = shape.H * shape.D + 2, .rows = first + second};
    size_t stride = shape.G * shape.D + 1, counts[3] = {shared, first, second};
    c.q = numbers(c.rows * c.ld), c.out = numbers(c.rows * c.ld),
    c.mix = numbers(c.rows * c.ld);
    for (size_t i = 0; i < 3; i++) {
        size_t n = counts[i] * stride;
        c.segments[i] = (rv_segment){.keys = numbers(n),
                                     .values = numbers(n),
                                     .dkeys = gradients(n),
                                     .dvalues = gradients(n),
                                     .first = i ? shared : 0,
                                     .count = counts[i],
                                     .stride = stride};
    }
    return c;
}

/* Sequence i is the prefix (where there is one) and its own segment. */
static void connect(attention *c, rv_segment lists[2][2])
{
    size_t row = 0;
    for (size_t i = 0; i < 2; i++) {
        lists[i][0] = c->segments[0];
        lists[i][1] = c->segments[i + 1];
        bool prefix = c->segments[0].count > 0;
        c->sequences[i] = (rv_attention_sequence){.row = row,
                                                  .first = c->segments[0].count,
                                                  .count = c->segments[i + 1].count,
                                                  .segments = &lists[i][prefix ? 0 : 1],
                                                  .segment_count = prefix ? 2 : 1};
        row += c->sequences[i].count;
        c->probability[i] = numbers(pattern_size(c, i));
        c->mix_probability[i] = numbers(pattern_size(c, i));
    }
}

static void free_attention(attention *c)
{
    for (size_t i = 0; i < 3; i++) {
        rv_segment *s = &c->segments[i];
        void *all[] = {(void *)s->keys, (void *)s->values, s->dkeys, s->dvalues};
        for (size_t j = 0; j < LENGTH(all); j++) free(all[j]);
    }
    void *all[] = {c->q,
                   c->out,
                   c->mix,
                   c->probability[0],
                   c->probability[1],
                   c->mix_probability[0],
                   c->mix_probability[1]};
    for (size_t j = 0; j < LENGTH(all); j++) free(all[j]);
}

static const rv_attention_shape attention_shapes[] = {
    {.H = 1, .G = 1, .D = 65, .scale = 0.12},
    {.H = 4, .G = 2, .D = 3, .scale = 0.5},
    {.H = 6, .G = 2, .D = 5, .scale = 0.4, .softcap = 1.5},
    {.H = 3, .G = 1, .D = 8, .scale = 0.3, .window = 2},
    {.H = 2, .G = 2, .D = 4, .scale = 1, .softcap = 2, .window = 3}};

static void attention_over_segments(void **state)
{
    (void)state;
    static const size_t lengths[][3] = {{3, 2, 4}, {0, 1, 5}, {7, 1, 1}};
    for (size_t s = 0; s < LENGTH(attention_shapes) * LENGTH(lengths); s++) {
        const size_t *length = lengths[s % LENGTH(lengths)];
        attention c = make_attention(attention_shapes[s / LENGTH(lengths)], length[0],
                                     length[1], length[2]);
        rv_segment lists[2][2];
        connect(&c, lists);
        real *dq = gradients(c.rows * c.ld), *dq_again = gradients(c.rows * c.ld);
        attention_loss(&c);
        const real *const dprobability[2] = {c.mix_probability[0], c.mix_probability[1]};
        const rv_kernels *k = rv_kernels_reference();
        k->attention_backward(dq, c.ld, c.mix, c.ld, c.probability, dprobability, NULL, c.q,
                              c.ld, c.sequences, 2, &c.shape, 1);
        check("attention q", attention_loss, &c, c.q, dq, c.rows * c.ld);
        for (size_t i = 0; i < 3; i++) {
            rv_segment *g = &c.segments[i];
            size_t n = g->count * g->stride;
            check("attention keys", attention_loss, &c, (real *)g->keys, g->dkeys, n);
            check("attention values", attention_loss, &c, (real *)g->values, g->dvalues, n);
        }
        // a prefix that wants no gradient, and a pattern that was not kept
        for (size_t i = 0; i < 2; i++) lists[i][0].dkeys = lists[i][0].dvalues = NULL;
        k->attention_backward(dq_again, c.ld, c.mix, c.ld, NULL, dprobability, NULL, c.q, c.ld,
                              c.sequences, 2, &c.shape, 1);
        assert_memory_equal(dq, dq_again, c.rows * c.ld * sizeof *dq);
        free(dq), free(dq_again);
        free_attention(&c);
    }
}

/* log p[j] - log p[l] is the difference of the scores: a loss on scores that needs no scores. */
static double score_loss(void *context)
{
    attention *c = context;
    rv_kernels_reference()->attention_forward(c->out, c->ld, c->probability, c->q, c->ld,
                                              c->sequences, 2, &c->shape, 1);
    const real *row = c->probability[1] + pattern_size(c, 1) - 7; // last head, last query
    return log(row[6]) - log(row[4]);
}

static void gradients_arrive_at_scores(void **state)
{
    (void)state;
    for (size_t s = 0; s < LENGTH(attention_shapes); s++) {
        if (attention_shapes[s].window == 2) continue; // position 4 is out of its sight
        attention c = make_attention(attention_shapes[s], 3, 2, 4);
        rv_segment lists[2][2];
        connect(&c, lists);
        score_loss(&c);
        real *dscore = rv_alloc(pattern_size(&c, 1), sizeof *dscore);
        dscore[pattern_size(&c, 1) - 1] = 1;
        dscore[pattern_size(&c, 1) - 3] = -1;
        const real *const dscores[2] = {NULL, dscore};
        memset(c.mix, 0, c.rows * c.ld * sizeof *c.mix);
        real *dq = gradients(c.rows * c.ld);
        rv_kernels_reference()->attention_backward(dq, c.ld, c.mix, c.ld, c.probability, NULL,
                                                   dscores, c.q, c.ld, c.sequences, 2, &c.shape,
                                                   1);
        check("score q", score_loss, &c, c.q, dq, c.rows * c.ld);
        check("score keys", score_loss, &c, (real *)c.segments[2].keys, c.segments[2].dkeys,
              c.segments[2].count * c.segments[2].stride);
        free(dq), free(dscore);
        free_attention(&c);
    }
}

static void patterns_are_masked_distributions(void **state)
{
    (void)state;
    for (size_t s = 0; s < LENGTH(attention_shapes); s++) {
        attention c = make_attention(attention_shapes[s], 3, 2, 4);
        rv_segment lists[2][2];
        connect(&c, lists);
        attention_loss(&c);
        size_t window = c.shape.window;
        for (size_t h = 0; h < c.shape.H; h++)
            for (size_t i = 0; i < 4; i++) {
                double sum = 0;
                for (size_t j = 0; j < 7; j++) {
                    real p = c.probability[1][(h * 4 + i) * 7 + j];
                    bool seen = j <= 3 + i && (!window || 3 + i - j < window);
                    assert_true(seen ? p > 0 : p == 0);
                    sum += p;
                }
                assert_true(fabs(sum - 1) < 1e-12);
            }
        free_attention(&c);
    }
}

/* ---- norms ----------------------------------------------------------------------------- */
typedef struct norm {
    size_t N, groups, C, ld;
    real *x, *weight, *bias, *mix, *out, *mean, *rstd;
} norm;

static const real norm_eps = 1e-5;

static double layernorm_loss(void *context)
{
    norm *c = context;
    rv_kernels_reference()->layernorm_forward(c->out, c->ld, c->mean, c->rstd, c->x, c->ld,
                                              c->weight, c->bias, c->N, c->C, norm_eps, 1);
    return mixed(c->mix, c->out, c->N, c->C, c->ld);
}

static double rmsnorm_loss(void *context)
{
    norm *c = context;
    rv_kernels_reference()->rmsnorm_forward(c->out, c->ld, c->rstd, c->x, c->ld, c->weight,
                                            c->N, c->groups, c->C, norm_eps, 1);
    return mixed(c->mix, c->out, c->N, c->groups * c->C, c->ld);
}

static void check_norm(size_t N, size_t groups, size_t C, bool rms)
{
    const rv_kernels *k = rv_kernels_reference();
    norm c = {.N = N, .groups = groups, .C = C, .ld = groups * C + 2};
    size_t size = N * c.ld;
    c.x = numbers(size), c.mix = numbers(size), c.out = numbers(size);
    c.weight = numbers(C), c.bias = numbers(C), c.mean = numbers(N),
    c.rstd = numbers(N * groups);
    double (*loss)(void *) = rms ? rmsnorm_loss : layernorm_loss;
    real *dx = gradients(size), *dweight = gradients(C), *dbias = gradients(C);
    loss(&c);
    if (rms) {
        k->rmsnorm_backward(dx, c.ld, dweight, c.mix, c.ld, c.x, c.ld, c.weight, c.rstd, N,
                            groups, C, 1);
        k->rmsnorm_backward(NULL, 0, NULL, c.mix, c.ld, c.x, c.ld, c.weight, c.rstd, N, groups,
                            C, 1);
    } else {
        k->layernorm_backward(dx, c.ld, dweight, dbias, c.mix, c.ld, c.x, c.ld, c.weight,
                              c.mean, c.rstd, N, C, 1);
        k->layernorm_backward(NULL, 0, NULL, NULL, c.mix, c.ld, c.x, c.ld, c.weight, c.mean,
                              c.rstd, N, C, 1);
        check("layernorm bias", loss, &c, c.bias, dbias, C);
    }
    check("norm x", loss, &c, c.x, dx, size);
    check("norm weight", loss, &c, c.weight, dweight, C);
    void *all[] = {c.x, c.mix, c.out, c.weight, c.bias, c.mean, c.rstd, dx, dweight, dbias};
    for (size_t i = 0; i < LENGTH(all); i++) free(all[i]);
}

static void norms(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 2}, {3, 1, 65}, {2, 3, 5}, {1, 4, 64}, {4, 1, 17}};
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        check_norm(shapes[s][0], shapes[s][1], shapes[s][2], true);
        if (shapes[s][1] == 1) check_norm(shapes[s][0], 1, shapes[s][2], false);
    }
}

/* ---- activations ----------------------------------------------------------------------- */
typedef struct activation {
    size_t N, F, ld;
    real *pre, *up, *mix, *out;
    bool gated;
    rv_activation kind;
} activation;

static double activation_loss(void *context)
{
    activation *c = context;
    rv_kernels_reference()->activation_forward(
        c->out, c->ld, c->pre, c->ld, c->gated ? c->up : NULL, c->ld, c->N, c->F, c->kind, 1);
    return mixed(c->mix, c->out, c->N, c->F, c->ld);
}

static void activations(void **state)
{
    (void)state;
    for (rv_activation kind = RV_ACT_GELU_TANH; kind <= RV_ACT_RELU; kind++)
        for (size_t gated = 0; gated < 2; gated++) {
            activation c = {.N = 3, .F = 33, .ld = 35, .gated = gated, .kind = kind};
            size_t size = c.N * c.ld;
            c.pre = numbers(size), c.up = numbers(size), c.mix = numbers(size);
            c.out = numbers(size);
            for (size_t i = 0; i < size; i++) // away from the kink of ReLU
                if (fabs(c.pre[i]) < 0.01) c.pre[i] = 0.3;
            c.pre[0] = -9, c.pre[1] = 9;
            real *dpre = gradients(size), *dup = gradients(size);
            rv_kernels_reference()->activation_backward(
                dpre, c.ld, gated ? dup : NULL, c.ld, c.mix, c.ld, c.pre, c.ld,
                gated ? c.up : NULL, c.ld, c.N, c.F, kind, 1);
            check("activation pre", activation_loss, &c, c.pre, dpre, size);
            if (gated) check("activation up", activation_loss, &c, c.up, dup, size);
            void *all[] = {c.pre, c.up, c.mix, c.out, dpre, dup};
            for (size_t i = 0; i < LENGTH(all); i++) free(all[i]);
        }
}

/* ---- rotary embedding ------------------------------------------------------------------ */
static void rotation_is_orthogonal_and_relative(void **state)
{
    (void)state;
    enum { HEADS = 3, D = 7, PAIRS = 2, LD = HEADS * D + 2, POSITIONS = 20, N = 4 };
    const rv_kernels *k = rv_kernels_reference();
    real cosine[POSITIONS * PAIRS], sine[POSITIONS * PAIRS];
    for (size_t p = 0; p < POSITIONS; p++)
        for (size_t i = 0; i < PAIRS; i++) {
            double angle = (double)p * (i == 0 ? 1 : 0.1);
            cosine[p * PAIRS + i] = cos(angle), sine[p * PAIRS + i] = sin(angle);
        }
    const int32_t position[N] = {0, 3, 3, 19}, later[N] = {0, 5, 0, 2};
    real *x = numbers(N * LD), *y = numbers(N * LD), *z = numbers(N * LD);
    memcpy(y, x, N * LD * sizeof *x);
    k->rope(y, LD, position, cosine, sine, N, HEADS, D, PAIRS, false, 1);
    for (size_t n = 0; n < N; n++)
        for (size_t i = 0; i < LD; i++) {
            bool rotates = position[n] && i < HEADS * D && i % D < 2 * PAIRS;
            assert_int_equal(rotates, x[n * LD + i] != y[n * LD + i]);
        }
    // x[i] + i x[i + pairs] turns by the angle
    double turned = x[LD] * cos(3.0) - x[LD + PAIRS] * sin(3.0);
    assert_true(fabs(turned - y[LD]) < 1e-14);
    k->rope(y, LD, position, cosine, sine, N, HEADS, D, PAIRS, true, 1);
    for (size_t i = 0; i < N * LD; i++) assert_true(fabs(x[i] - y[i]) < 1e-14);

    // the adjoint of a rotation is its inverse: <R x, z> = <x, R' z>
    memcpy(y, x, N * LD * sizeof *x);
    k->rope(y, LD, later, cosine, sine, N, HEADS, D, PAIRS, false, 1);
    double forward = mixed(y, z, N, LD, LD);
    k->rope(z, LD, later, cosine, sine, N, HEADS, D, PAIRS, true, 1);
    assert_true(fabs(forward - mixed(x, z, N, LD, LD)) < 1e-12);
    free(x), free(y), free(z);
}

int main(void)
{
    source = rv_random_stream(5, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_layers),
        cmocka_unit_test(matrices_refuse_impossible_shapes),
        cmocka_unit_test(fused_unembedding),
        cmocka_unit_test(attention_over_segments),
        cmocka_unit_test(gradients_arrive_at_scores),
        cmocka_unit_test(patterns_are_masked_distributions),
        cmocka_unit_test(norms),
        cmocka_unit_test(activations),
        cmocka_unit_test(rotation_is_orthogonal_and_relative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
