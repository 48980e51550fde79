/* GBDA (Guo et al. 2021, arXiv 2104.13733): a distribution over tokens for every place, climbed through
 * Gumbel-softmax samples; what is judged are texts drawn from it.
 *
 *   p[i,v] = softmax_v((theta[i,v] + gumbel) / T)     input[i] = sum_v p[i,v] E[v]
 *   climbed: g(input) - penalty / n * sum_i sum_v p[i,v] nll(v | inputs before i)                    */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/unembed.h"
#include "search/continuous.h"
#include "search/engine.h"

enum {
    MEMBERS = 8,
    SAMPLES = 4, /* texts judged of each member in a round: the likeliest and three drawn */
    ROUND = 10,  /* iterations */
    RESTART = 200
};
static const double RATE = 0.1, TEMPERATURE = 1, START = 3, LEAST_PENALTY = 0.1,
                    MOST_PENALTY = 10;

typedef struct gbda {
    rv_search *search;
    rv_continuous *c;
    rv_adam adam;
    real *theta;    /* (S, n, V); -INFINITY where a token is not allowed */
    real *p;        /* (S, n, V) */
    real *slope;    /* (S, n, V): of the objective with respect to p, then to theta */
    real *logits;   /* (n, V) */
    real *hidden;   /* (n, C) */
    real *gradient; /* (S, n, C) */
    int32_t *ids;   /* (S, n) */
    rv_random random;
} gbda;

static real gumbel(rv_random *random)
{
    real uniform = ((real)(rv_random_u32(random) >> 9) + (real)0.5) * (real)0x1p-23;
    return -log(-log(uniform));
}

/* theta: every place leans towards one token, random or of a given prompt. */
static void start(gbda *b, bool given)
{
    size_t V = b->search->problem->model->config.vocabulary, rows = MEMBERS * b->c->length;
    rv_continuous_start(b->c, b->ids, given, &b->random);
    for (size_t r = 0; r < rows; r++) {
        for (size_t v = 0; v < V; v++)
            b->theta[r * V + v] =
                rv_search_allowed(b->search, (int32_t)v) ? 0 : -(real)INFINITY;
        b->theta[r * V + (size_t)b->ids[r]] += (real)START;
    }
    rv_adam_restart(&b->adam, rows * V);
}

/* p and the inputs of all members. */
static void relax(gbda *b)
{
    const rv_transformer *m = b->search->problem->model;
    size_t V = m->config.vocabulary, C = m->config.width, n = b->c->length;
    for (size_t r = 0; r < MEMBERS * n; r++) {
        const real *theta = b->theta + r * V;
        real *p = b->p + r * V, largest = -INFINITY;
        for (size_t v = 0; v < V; v++) {
            p[v] = theta[v] > -(real)INFINITY
                       ? (theta[v] + gumbel(&b->random)) / (real)TEMPERATURE
                       : -(real)INFINITY;
            if (p[v] > largest) largest = p[v];
        }
        double sum = 0;
        for (size_t v = 0; v < V; v++) sum += (double)(p[v] = exp(p[v] - largest));
        for (size_t v = 0; v < V; v++) p[v] /= (real)sum;
    }
    for (size_t s = 0; s < MEMBERS; s++) {
        real *inputs = b->c->inputs + s * b->c->span * C,
             scale = (real)m->config.embedding_scale;
        memset(inputs, 0, n * C * sizeof *inputs);
        m->kernels->linear_backward(inputs, C, b->p + s * n * V, V, &m->embedding, n,
                                    b->search->params.threads);
        for (size_t i = 0; scale != 1 && i < n * C; i++) inputs[i] *= scale;
    }
}

/* Logits (n, V) at the places before each free token of a member. */
static void fill_logits(gbda *b, size_t s)
{
    const rv_transformer *m = b->search->problem->model;
    const rv_prefix *fixed = b->search->engine->fixed;
    size_t C = m->config.width, n = b->c->length;
    const real *hidden = rv_pass_hidden(b->c->probe->pass) + s * b->c->span * C;
    if (fixed)
        memcpy(b->hidden, fixed->hidden + (fixed->count - 1) * C, C * sizeof *hidden);
    else
        memset(b->hidden, 0, C * sizeof *hidden);
    memcpy(b->hidden + C, hidden, (n - 1) * C * sizeof *hidden);
    rv_unembed(b->logits, m, b->hidden, n, b->search->params.threads);
}

/* The fluency term of one member:  slope[i,v] = -penalty / scored * nll[i,v],  and what flows back into the
 * hidden values before it:  -penalty / scored * (softmax(logits) - p) times the head. */
static void add_fluency(gbda *b, size_t s)
{
    const rv_transformer *m = b->search->problem->model;
    size_t V = m->config.vocabulary, C = m->config.width, n = b->c->length,
           first = b->search->engine->fixed_count == 0;
    real weight = (real)(-b->c->penalty[s] / (double)(n > first ? n - first : 1));
    fill_logits(b, s);
    for (size_t i = first; i < n; i++) {
        real *z = b->logits + i * V, *slope = b->slope + (s * n + i) * V, largest = -INFINITY;
        const real *p = b->p + (s * n + i) * V;
        double sum = 0;
        for (size_t v = 0; v < V; v++)
            if (z[v] > largest) largest = z[v];
        for (size_t v = 0; v < V; v++) sum += (double)exp(z[v] - largest);
        real lse = largest + (real)log(sum);
        for (size_t v = 0; v < V; v++) {
            slope[v] = weight * (lse - z[v]);
            z[v] = weight * (exp(z[v] - lse) - p[v]) * rv_unembed_slope(m, z[v]);
        }
    }
    if (n > 1)
        m->kernels->linear_backward(b->c->hidden_seed + s * b->c->span * C, C, b->logits + V, V,
                                    m->head, n - 1, b->search->params.threads);
}

/* slope: with respect to p, becomes with respect to theta:  p (slope - <p, slope>) / T. */
static void add_inputs(gbda *b, size_t s)
{
    const rv_transformer *m = b->search->problem->model;
    size_t V = m->config.vocabulary, C = m->config.width, n = b->c->length;
    real *gradient = b->gradient + s * n * C, scale = (real)m->config.embedding_scale;
    for (size_t i = 0; scale != 1 && i < n * C; i++) gradient[i] *= scale;
    m->kernels->linear_forward(b->slope + s * n * V, V, gradient, C, &m->embedding, n,
                               RV_ACCUMULATE, b->search->params.threads);
    for (size_t i = 0; i < n; i++) {
        real *slope = b->slope + (s * n + i) * V;
        const real *p = b->p + (s * n + i) * V;
        double mean = 0;
        for (size_t v = 0; v < V; v++) mean += (double)(p[v] * slope[v]);
        for (size_t v = 0; v < V; v++)
            slope[v] = p[v] * (slope[v] - (real)mean) / (real)TEMPERATURE;
    }
}

static rv_status climb(gbda *b, rv_error *err)
{
    size_t V = b->search->problem->model->config.vocabulary, count = MEMBERS * b->c->length * V;
    relax(b);
    RV_TRY(rv_continuous_forward(b->c, NULL, err));
    memset(b->slope, 0, count * sizeof *b->slope);
    for (size_t s = 0; s < MEMBERS; s++) add_fluency(b, s);
    rv_continuous_backward(b->c, b->gradient);
    for (size_t s = 0; s < MEMBERS; s++) add_inputs(b, s);
    rv_adam_ascend(&b->adam, b->theta, b->slope, count);
    return RV_OK;
}

/* The likeliest text of a member, or one drawn from it. */
static void draw(gbda *b, int32_t *ids, size_t s, bool likeliest)
{
    size_t V = b->search->problem->model->config.vocabulary, n = b->c->length;
    for (size_t i = 0; i < n; i++) {
        const real *theta = b->theta + (s * n + i) * V;
        real largest = -INFINITY;
        for (size_t v = 0; v < V; v++) {
            if (!(theta[v] > -(real)INFINITY)) continue;
            real z = likeliest ? theta[v] : theta[v] + gumbel(&b->random);
            if (z <= largest) continue;
            largest = z;
            ids[i] = (int32_t)v;
        }
    }
}

static rv_status judge(gbda *b, rv_error *err)
{
    size_t found = 0;
    for (size_t s = 0; s < MEMBERS; s++)
        for (size_t k = 0; k < SAMPLES; k++) {
            int32_t *ids = b->c->candidates[found].ids;
            draw(b, ids, s, k == 0);
            found += rv_search_survives(b->search, ids, b->c->length);
        }
    return rv_continuous_judge(b->c, found, err);
}

static rv_status dream(gbda *b, rv_error *err)
{
    size_t iteration = 0;
    do {
        b->random = rv_search_random(b->search, 0);
        if (iteration % RESTART == 0) start(b, iteration == 0);
        do {
            if (!rv_continuous_affords(b->c, MEMBERS * SAMPLES)) break;
            RV_TRY(climb(b, err));
        } while (++iteration % ROUND);
        RV_TRY(judge(b, err));
    } while (rv_search_continue(b->search) && rv_continuous_affords(b->c, MEMBERS * SAMPLES));
    return RV_OK;
}

static rv_status run(rv_search *s, rv_error *err)
{
    gbda b = {.search = s};
    size_t n = s->params.most, C = s->problem->model->config.width,
           V = s->problem->model->config.vocabulary, count = MEMBERS * n * V;
    rv_status status;
    // theta, p, slope, two moments of (S, n, V)
    RV_GOTO(rv_continuous_new(&b.c, s, MEMBERS, MEMBERS * SAMPLES, 5 * count + n * V, err));
    RV_GOTO(rv_adam_new(&b.adam, RATE, 0, count, err));
    RV_GOTO(RV_NEW(b.theta, count, err));
    RV_GOTO(RV_NEW(b.p, count, err));
    RV_GOTO(RV_NEW(b.slope, count, err));
    RV_GOTO(RV_NEW(b.logits, n * V, err));
    RV_GOTO(RV_NEW(b.hidden, n * C, err));
    RV_GOTO(RV_NEW(b.gradient, MEMBERS * n * C, err));
    RV_GOTO(RV_NEW(b.ids, MEMBERS * n, err));
    rv_continuous_spread(b.c, LEAST_PENALTY, MOST_PENALTY);
    RV_GOTO(dream(&b, err));
done:
    rv_continuous_free(b.c);
    rv_adam_release(&b.adam);
    free(b.theta);
    free(b.p);
    free(b.slope);
    free(b.logits);
    free(b.hidden);
    free(b.gradient);
    free(b.ids);
    return status;
}

const rv_dreamer rv_dreamer_gumbel = {
    .name = "gumbel",
    .summary =
        "a distribution over tokens for every place, climbed through soft samples (GBDA)",
    .children = MEMBERS * SAMPLES,
    .run = run,
};
