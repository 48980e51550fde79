#include "target/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void rv_target_release(rv_target *t)
{
    free(t->banned);
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
    return rows * (t->kind == RV_TARGET_LOGIT ? c->width : t->width);
}

/* The best token other than the target's and the banned ones. */
static size_t best_other(const rv_target *t, const real *logits, size_t vocabulary)
{
    size_t best = SIZE_MAX;
    for (size_t v = 0; v < vocabulary; v++) {
        if ((int32_t)v == t->token || (t->banned && t->banned[v])) continue;
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
    real *to = seed + row * C, cap = (real)m->config.logit_softcap;
    for (int k = 0; k < 2; k++) {
        size_t v = k == 0 ? (size_t)t->token : other;
        if (v == SIZE_MAX) continue;
        const rv_matrix *h = m->head;
        const real *w = h->data + v / h->width * h->K * h->width + v % h->width;
        real slope = cap > 0 ? 1 - logits[v] / cap * (logits[v] / cap) : 1;
        for (size_t i = 0; i < C; i++)
            to[i] += (k == 0 ? weight : -weight) * slope * w[i * h->width];
    }
}

static bool is_flat(const rv_target *t, const rv_config *c, real value)
{
    return t->kind == RV_TARGET_NUMBER && t->site.kind == RV_SITE_MLP_POST &&
           c->activation == RV_ACT_RELU && value == 0;
}

void rv_target_seed(rv_tap *tap, real *seed, const rv_target *t, const rv_pass *pass,
                    const real *values, const size_t *rows, const real *weight,
                    size_t sequences, real *logits)
{
    const rv_config *c = rv_pass_config(pass);
    bool all_flat = true;
    rv_target_tap(tap, t, NULL);
    if (t->kind == RV_TARGET_LOGIT) *tap = (rv_tap){.site = {RV_SITE_UNEMBED_IN, 0}};
    tap->seed = seed;
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
        all_flat = all_flat && is_flat(t, c, values[row]);
        if (t->kind == RV_TARGET_NUMBER) seed[row] = w;
        for (size_t i = 0; t->kind == RV_TARGET_DIRECTION && i < t->width; i++)
            seed[row * t->width + i] = w * t->vector[i] * (t->scale ? t->scale[i] : 1);
        if (t->kind == RV_TARGET_LOGIT) seed_logit(seed, t, pass, row, w, logits);
        long key = from_end(t->key, total);
        if (t->kind == RV_TARGET_ATTENTION && key >= 0 && key <= (long)(shared + rows[s]))
            entry[(t->index * count + rows[s]) * total + (size_t)key] = w;
    }
    if (all_flat && t->site.kind == RV_SITE_MLP_POST) tap->site.kind = RV_SITE_MLP_PRE;
}
