/* Sites: one table for reading values, replacing them, and seeding and reading gradients. */
#include <string.h>

#include "model/pass_internal.h"

static bool matches(const rv_tap *tap, rv_site_kind kind, size_t layer)
{
    return tap->site.kind == kind && tap->site.layer == layer;
}

bool rv_tapped(const rv_pass *p, rv_site_kind kind, size_t layer)
{
    for (size_t t = 0; t < p->tap_count; t++)
        if (matches(&p->taps[t], kind, layer)) return true;
    return false;
}

/* The part of a row that a tap sees. */
static void narrow(const rv_tap *tap, real **values, size_t *width)
{
    if (tap->columns == 0) return;
    *values += tap->column;
    *width = tap->columns;
}

void rv_visit(const rv_pass *p, rv_site_kind kind, size_t layer, real *values, size_t leading,
              size_t width)
{
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        if (!matches(tap, kind, layer)) continue;
        real *seen = values;
        size_t w = width;
        narrow(tap, &seen, &w);
        for (size_t r = 0; r < p->rows; r++, seen += leading) {
            if (tap->replace) memcpy(seen, tap->replace + r * w, w * sizeof *seen);
            if (tap->value) memcpy(tap->value + r * w, seen, w * sizeof *seen);
        }
    }
}

void rv_visit_gradient(const rv_pass *p, rv_site_kind kind, size_t layer, real *gradient,
                       size_t leading, size_t width)
{
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        if (!matches(tap, kind, layer)) continue;
        real *seen = gradient;
        size_t w = width;
        narrow(tap, &seen, &w);
        for (size_t r = 0; r < p->rows; r++, seen += leading) {
            for (size_t i = 0; tap->seed && i < w; i++) seen[i] += tap->seed[r * w + i];
            if (tap->gradient) memcpy(tap->gradient + r * w, seen, w * sizeof *seen);
            if (tap->replace)
                memset(seen, 0, w * sizeof *seen); // what was replaced has no influence
        }
    }
}

/* Columns [first, end) of a site `width` wide that a tap sees. */
static size_t seen_columns(const rv_tap *tap, size_t width, size_t *end)
{
    *end = tap->columns ? tap->column + tap->columns : width;
    return tap->columns ? tap->column : 0;
}

void rv_visit_norm(const rv_pass *p, rv_site_kind scale, rv_site_kind normalized, size_t layer,
                   const real *x, const real *mean, const real *rstd)
{
    size_t C = p->model->config.width, end;
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        real *out = tap->value;
        for (size_t r = 0; r < p->rows && out && matches(tap, scale, layer); r++)
            out[r] = 1 / rstd[r];
        if (!out || !matches(tap, normalized, layer)) continue;
        size_t first = seen_columns(tap, C, &end);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t i = first; i < end; i++)
                *out++ = (x[r * C + i] - (mean ? mean[r] : 0)) * rstd[r];
    }
}

/* xhat = (x - m) / scale:  dx = rstd (s - mean(s) - xhat mean(s xhat)), where for RMSNorm m and mean(s)
 * are not there. One row; seed: of columns [first, end). */
static void seed_normalized(real *dx, const real *seed, size_t first, size_t end, const real *x,
                            const real *mean, real rstd, size_t C)
{
    real sum = 0, along = 0, m = mean ? *mean : 0;
    for (size_t i = first; i < end; i++) {
        sum += seed[i - first];
        along += seed[i - first] * (x[i] - m) * rstd;
    }
    for (size_t i = 0; i < C; i++) {
        real s = i >= first && i < end ? seed[i - first] : 0;
        dx[i] += rstd * (s - (mean ? sum / (real)C : 0) - (x[i] - m) * rstd * along / (real)C);
    }
}

void rv_visit_norm_gradient(rv_pass *p, rv_site_kind scale, rv_site_kind normalized,
                            size_t layer, real *dx, const real *x, const real *mean,
                            const real *rstd)
{
    size_t C = p->model->config.width, end;
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        if (!tap->seed) continue;
        // scale = sqrt(mean((x - m)^2) + eps):  d scale / dx = (x - m) / (C scale)
        for (size_t i = 0; matches(tap, scale, layer) && i < p->rows * C; i++)
            dx[i] +=
                tap->seed[i / C] * (x[i] - (mean ? mean[i / C] : 0)) * rstd[i / C] / (real)C;
        if (!matches(tap, normalized, layer)) continue;
        size_t first = seen_columns(tap, C, &end);
        for (size_t r = 0; r < p->rows; r++)
            seed_normalized(dx + r * C, tap->seed + r * (end - first), first, end, x + r * C,
                            mean ? &mean[r] : NULL, rstd[r], C);
    }
}

static const real *key_at(const rv_attention_sequence *s, size_t position)
{
    const rv_segment *g = s->segments;
    while (position >= g->first + g->count) g++;
    return g->keys + (position - g->first) * g->stride;
}

/* Scores of one sequence, (H, count, first + count), minus infinity where masked. */
static void fill_scores(const rv_pass *p, real *out, const rv_attention_sequence *s,
                        const rv_attention_shape *a, const real *qkv)
{
    size_t total = s->first + s->count;
    for (size_t h = 0; h < a->H; h++)
        for (size_t i = 0; i < s->count; i++)
            for (size_t j = 0; j < total; j++, out++) {
                size_t position = s->first + i;
                *out = -INFINITY;
                if (j > position || (a->window && position - j >= a->window)) continue;
                const real *q = qkv + (s->row + i) * p->qkv_width + h * a->D;
                const real *k = key_at(s, j) + h / (a->H / a->G) * a->D;
                real z = 0;
                for (size_t d = 0; d < a->D; d++) z += q[d] * k[d];
                z *= a->scale;
                *out = a->softcap > 0 ? a->softcap * tanh(z / a->softcap) : z;
            }
}

void rv_visit_maps(const rv_pass *p, size_t layer, const rv_layer_values *v)
{
    rv_attention_shape shape = rv_attention_shape_of(p, layer);
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        if (!tap->value) continue;
        if (matches(tap, RV_SITE_PATTERN, layer))
            memcpy(tap->value, v->probabilities,
                   p->map_offset[p->sequence_count] * sizeof *tap->value);
        for (size_t s = 0; matches(tap, RV_SITE_SCORES, layer) && s < p->sequence_count; s++)
            fill_scores(p, tap->value + p->map_offset[s], &p->attention[s], &shape, v->qkv);
    }
}

const real *const *rv_map_seeds(const rv_pass *p, rv_site_kind kind, size_t layer,
                                const real **out)
{
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        if (!tap->seed || !matches(tap, kind, layer)) continue;
        for (size_t s = 0; s < p->sequence_count; s++) out[s] = tap->seed + p->map_offset[s];
        return out;
    }
    return NULL;
}

/* result[r, h, :] = W_o[:, head h] z[r, head h]: column h C + i */
void rv_visit_result(const rv_pass *p, size_t layer, const real *z)
{
    const rv_config *c = &p->model->config;
    const rv_matrix *o = &p->model->blocks[layer].o;
    size_t D = c->head_size, end;
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        if (!tap->value || !matches(tap, RV_SITE_RESULT, layer)) continue;
        real *out = tap->value;
        size_t first = seen_columns(tap, c->heads * c->width, &end);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t at = first; at < end; at++, out++) {
                size_t h = at / c->width, i = at % c->width;
                const real *w = o->data + i / o->width * o->K * o->width + i % o->width;
                *out = 0;
                for (size_t d = h * D; d < (h + 1) * D; d++)
                    *out += w[d * o->width] * z[r * p->query_width + d];
            }
    }
}

void rv_visit_result_gradient(const rv_pass *p, size_t layer, real *dz)
{
    const rv_config *c = &p->model->config;
    const rv_matrix *o = &p->model->blocks[layer].o;
    size_t D = c->head_size, end;
    for (size_t t = 0; t < p->tap_count; t++) {
        const rv_tap *tap = &p->taps[t];
        const real *seed = tap->seed;
        if (!seed || !matches(tap, RV_SITE_RESULT, layer)) continue;
        size_t first = seen_columns(tap, c->heads * c->width, &end);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t at = first; at < end; at++, seed++) {
                size_t h = at / c->width, i = at % c->width;
                const real *w = o->data + i / o->width * o->K * o->width + i % o->width;
                for (size_t d = h * D; d < (h + 1) * D; d++)
                    dz[r * p->query_width + d] += w[d * o->width] * *seed;
            }
    }
}

long rv_highest_seed(const rv_pass *p)
{
    long highest = -1;
    for (size_t t = 0; t < p->tap_count; t++) {
        if (!p->taps[t].seed) continue;
        rv_site site = p->taps[t].site;
        long layer = (long)site.layer;
        if (site.kind >= RV_SITE_LN_FINAL_SCALE) layer = (long)p->model->config.layers;
        if (layer > highest) highest = layer;
    }
    return highest;
}
