#include "target/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/unembed.h"

void rv_target_release(rv_target *t)
{
    free(t->vector);
    free(t->mean);
    free(t->scale);
    *t = (rv_target){0};
}

size_t rv_target_depth(const rv_target *t, const rv_config *c)
{
    if (t->kind == RV_TARGET_LOGIT || t->site.kind >= RV_SITE_LN_FINAL_SCALE)
        return c->layers + 1;
    switch (t->site.kind) {
    case RV_SITE_EMBED:
    case RV_SITE_POS_EMBED:
        return 0;
    default:
        return t->site.layer + 1;
    }
}

bool rv_target_needs_keep(const rv_target *t)
{
    return t->kind == RV_TARGET_ATTENTION;
}

bool rv_target_tap(rv_tap *tap, const rv_target *t, real *buffer)
{
    if (t->kind == RV_TARGET_LOGIT) return false;
    *tap = (rv_tap){.site = t->site, .value = buffer};
    if (t->kind == RV_TARGET_NUMBER) {
        tap->column = t->index;
        tap->columns = 1;
    }
    return true;
}

size_t rv_target_buffer(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    if (t->kind == RV_TARGET_ATTENTION) return rows * c->heads * positions;
    if (t->site.kind == RV_SITE_MLP_POST && t->kind == RV_TARGET_NUMBER) return 2 * rows;
    return rows * (t->kind == RV_TARGET_LOGIT ? c->width : t->width);
}

/* The best token other than the target's. */
static size_t best_other(const rv_target *t, const real *logits, size_t vocabulary)
{
    size_t best = SIZE_MAX;
    for (size_t v = 0; v < vocabulary; v++) {
        if ((int32_t)v == t->token) continue;
        if (best == SIZE_MAX || logits[v] > logits[best]) best = v;
    }
    return best;
}

static real direction_value(const rv_target *t, const real *x)
{
    real sum = 0;
    for (size_t i = 0; i < t->width; i++) {
        real v = t->mean ? (x[i] - t->mean[i]) * t->scale[i] : x[i];
        sum += v * t->vector[i];
    }
    return sum;
}

static long from_end(long position, size_t total)
{
    return position < 0 ? position + (long)total : position;
}

void rv_target_values(real *values, const rv_target *t, const rv_pass *pass, const real *buffer,
                      real *logits)
{
    const rv_config *c = rv_pass_config(pass);
    size_t rows = rv_pass_rows(pass);
    if (t->kind == RV_TARGET_ATTENTION) {
        for (size_t s = 0; s < rv_pass_sequences(pass); s++) {
            size_t count, shared, row = rv_pass_span(pass, s, &count, &shared),
                                  total = shared + count;
            long key = from_end(t->key, total);
            for (size_t i = 0; i < count; i++) {
                bool seen = key >= 0 && key <= (long)(shared + i);
                values[row + i] =
                    seen ? buffer[(t->index * count + i) * total + (size_t)key] : (real)NAN;
            }
            buffer += c->heads * count * total;
        }
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        if (t->kind == RV_TARGET_NUMBER)
            values[r] = buffer[r];
        else if (t->kind == RV_TARGET_DIRECTION)
            values[r] = direction_value(t, buffer + r * t->width);
        else {
            rv_pass_logits(pass, logits, &r, 1);
            size_t other = best_other(t, logits, c->vocabulary);
            values[r] = logits[t->token] - (other == SIZE_MAX ? 0 : logits[other]);
        }
    }
}

size_t rv_target_row(const rv_target *t, const real *values, size_t shared, size_t count)
{
    size_t total = shared + count;
    if (t->reading == RV_READ_MAX && t->kind != RV_TARGET_ATTENTION) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < count; i++)
            if (best == SIZE_MAX || t->sign * values[i] > t->sign * values[best]) best = i;
        return best;
    }
    long position = t->reading == RV_READ_AT ? from_end(t->position, total) : (long)total - 1;
    if (t->kind == RV_TARGET_ATTENTION) position = from_end(t->query, total);
    return position >= (long)shared && position < (long)total ? (size_t)position - shared
                                                              : SIZE_MAX;
}

/* Climbing a logit margin: the difference of the two tokens' unembedding vectors at the head's input. */
static void seed_logit(real *seed, const rv_target *t, const rv_pass *pass, size_t row,
                       real weight, real *logits)
{
    const rv_transformer *m = rv_pass_model(pass);
    size_t C = m->config.width;
    rv_pass_logits(pass, logits, &row, 1);
    size_t other = best_other(t, logits, m->config.vocabulary);
    real *to = seed + row * C;
    for (int k = 0; k < 2; k++) {
        size_t v = k == 0 ? (size_t)t->token : other;
        if (v == SIZE_MAX) continue;
        const rv_matrix *h = m->head;
        const real *w = h->data + v / h->width * h->K * h->width + v % h->width;
        real slope = rv_unembed_slope(m, logits[v]);
        for (size_t i = 0; i < C; i++)
            to[i] += (k == 0 ? weight : -weight) * slope * w[i * h->width];
    }
}

/* Climbing a neuron f = act(z) u (u = 1 where the MLP is not gated) through z and u:
 *   df/dz = act'(z) u    df/du = act(z)
 * Below z = 0 act is next to flat, and act and act' may point away from the side that fires; so there, and where
 * u has the wrong sign, they are taken as at least LEAST: z upwards, u in the direction of the sign. */
static void seed_neuron(real *dz, real *du, const rv_target *t, const rv_pass *pass, size_t row,
                        real weight)
{
    static const real LEAST = (real)0.1;
    const rv_transformer *m = rv_pass_model(pass);
    real z, u, one = 1, slope = 0, act = 0;
    rv_pass_mlp_input(pass, t->site.layer, row, t->index, &z, &u);
    m->kernels->activation_backward(&slope, 1, &act, 1, &one, 1, &z, 1, &one, 1, 1, 1,
                                    m->config.activation, 1);
    u *= t->sign; // now it is wanted large
    bool off = z <= 0 || u <= 0;
    if (!m->config.gated && t->sign < 0) off = false; // the lowest point lies just below 0
    if (off) {
        slope = slope > LEAST ? slope : LEAST;
        act = act > LEAST ? act : LEAST;
        u = u > LEAST ? u : LEAST;
    }
    *dz = weight * slope * u;
    *du = weight * t->sign * act;
}

static void seed_neurons(rv_tap taps[RV_TARGET_TAPS], real *seed, const rv_target *t,
                         const rv_pass *pass, const size_t *rows, const real *weight,
                         size_t sequences)
{
    size_t count, shared, all = rv_pass_rows(pass);
    bool gated = rv_pass_config(pass)->gated;
    memset(seed, 0, 2 * all * sizeof *seed);
    for (size_t s = 0; s < sequences; s++) {
        size_t row = rv_pass_span(pass, s, &count, &shared) + rows[s];
        if (rows[s] == SIZE_MAX) continue;
        seed_neuron(&seed[row], &seed[all + row], t, pass, row, weight[s]);
    }
    taps[0] = (rv_tap){.site = {RV_SITE_MLP_PRE, t->site.layer}, .seed = seed};
    taps[1] = (rv_tap){.site = {RV_SITE_MLP_PRE_LINEAR, t->site.layer}, .seed = seed + all};
    for (size_t i = 0; i < 2; i++) taps[i].column = t->index, taps[i].columns = 1;
    if (!gated) taps[1] = (rv_tap){.site = t->site};
}

void rv_target_seed(rv_tap taps[RV_TARGET_TAPS], real *seed, const rv_target *t,
                    const rv_pass *pass, const size_t *rows, const real *weight,
                    size_t sequences, real *logits)
{
    const rv_config *c = rv_pass_config(pass);
    if (t->kind == RV_TARGET_NUMBER && t->site.kind == RV_SITE_MLP_POST) {
        seed_neurons(taps, seed, t, pass, rows, weight, sequences);
        return;
    }
    rv_tap *tap = &taps[0];
    rv_target_tap(tap, t, NULL);
    if (t->kind == RV_TARGET_LOGIT) *tap = (rv_tap){.site = {RV_SITE_UNEMBED_IN, 0}};
    tap->seed = seed;
    taps[1] = (rv_tap){.site = tap->site};
    size_t numbers =
        t->kind == RV_TARGET_ATTENTION
            ? rv_pass_site_size(pass, t->site)
            : rv_pass_rows(pass) * (t->kind == RV_TARGET_LOGIT ? c->width : t->width);
    memset(seed, 0, numbers * sizeof *seed);
    real *map = seed;
    for (size_t s = 0; s < sequences; s++) {
        size_t count, shared, first = rv_pass_span(pass, s, &count, &shared),
                              total = shared + count;
        size_t row = first + rows[s];
        real w = t->sign * weight[s], *entry = map;
        map += t->kind == RV_TARGET_ATTENTION ? c->heads * count * total : 0;
        if (rows[s] == SIZE_MAX) continue;
        if (t->kind == RV_TARGET_NUMBER) seed[row] = w;
        for (size_t i = 0; t->kind == RV_TARGET_DIRECTION && i < t->width; i++)
            seed[row * t->width + i] = w * t->vector[i] * (t->scale ? t->scale[i] : 1);
        if (t->kind == RV_TARGET_LOGIT) seed_logit(seed, t, pass, row, w, logits);
        long key = from_end(t->key, total);
        if (t->kind == RV_TARGET_ATTENTION && key >= 0 && key <= (long)(shared + rows[s]))
            entry[(t->index * count + rows[s]) * total + (size_t)key] = w;
    }
}
