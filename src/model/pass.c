#include "model/pass.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "model/pass_internal.h"

/* Lays buffers out one behind the other: first without memory, to learn the size, then with it. */
typedef struct layout {
    real *base;
    size_t used;
} layout;

static real *place(layout *l, size_t count)
{
    real *at = l->base ? l->base + l->used : NULL;
    l->used += (count + 15) / 16 * 16;
    return at;
}

static size_t map_numbers(const rv_pass *p)
{
    // Maps of all sequences: at worst every row of a sequence sees `positions` positions.
    return p->options.keep ? p->options.rows * p->model->config.heads * p->options.positions
                           : 0;
}

static void place_layer(layout *l, rv_layer_values *v, const rv_pass *p)
{
    const rv_config *c = &p->model->config;
    size_t R = p->options.rows, C = c->width;
    bool layer_norm = c->norm == RV_NORM_LAYER;
    v->resid_pre = place(l, R * C);
    v->resid_mid = p->options.keep ? place(l, R * C) : v->resid_pre;
    v->ln1_mean = layer_norm ? place(l, R) : NULL;
    v->ln1_rstd = place(l, R);
    v->ln2_mean = layer_norm ? place(l, R) : NULL;
    v->ln2_rstd = place(l, R);
    v->n1 = place(l, R * C);
    v->n2 = place(l, R * C);
    v->qkv = place(l, R * p->qkv_width);
    if (c->qk_norm) {
        v->qk_raw = place(l, R * (p->query_width + p->key_width));
        v->q_rstd = place(l, R * c->heads);
        v->k_rstd = place(l, R * c->kv_heads);
    }
    if (p->options.keep) v->probabilities = place(l, map_numbers(p));
    v->z = place(l, R * p->query_width);
    if (c->post_norms) {
        v->attention = place(l, R * C);
        v->mlp = place(l, R * C);
        v->post_attention_mean = layer_norm ? place(l, R) : NULL;
        v->post_attention_rstd = place(l, R);
        v->post_mlp_mean = layer_norm ? place(l, R) : NULL;
        v->post_mlp_rstd = place(l, R);
    }
    v->pre = place(l, R * p->up_width);
    v->post = place(l, R * c->mlp_width);
}

static size_t place_all(rv_pass *p, real *base)
{
    const rv_config *c = &p->model->config;
    size_t R = p->options.rows, C = c->width;
    layout l = {base, 0};
    for (size_t i = 0; i < (p->options.keep ? c->layers : 1); i++) {
        rv_layer_values v = {0};
        place_layer(&l, &v, p);
        if (p->layers) p->layers[i] = v;
    }
    for (size_t i = 1; p->layers && !p->options.keep && i < c->layers; i++)
        p->layers[i] = p->layers[0];
    p->stream = p->options.keep || !p->layers ? place(&l, R * C) : p->layers[0].resid_pre;
    p->final_mean = place(&l, R);
    p->final_rstd = place(&l, R);
    p->hidden = place(&l, R * C);
    p->branch = place(&l, R * C);
    p->gathered = place(&l, R * C);
    p->lse = place(&l, R);
    p->label_logit = place(&l, R);
    p->weights = place(&l, R);
    p->ones = place(&l, C > c->head_size ? C : c->head_size);
    if (p->options.select) {
        p->parked_stream = place(&l, R * C);
        p->panels = place(&l, 2 * R * RV_PANEL_MAX);
    }
    if (p->options.keep) {
        p->dstream = place(&l, R * C);
        p->dbranch = place(&l, R * C);
        p->dnorm = place(&l, R * C);
        p->dmid = place(&l, R * C);
        p->dqkv = place(&l, R * p->qkv_width);
        p->dz = place(&l, R * p->query_width);
        p->dpre = place(&l, R * p->up_width);
        p->dpost = place(&l, R * c->mlp_width);
    }
    return l.used;
}

static void set_sizes(rv_pass *p, const rv_transformer *model, const rv_pass_options *options)
{
    const rv_config *c = &model->config;
    p->model = model;
    p->options = *options;
    size_t limit = c->context;
    if (c->rotary_size && model->rope_positions < limit) limit = model->rope_positions;
    if (p->options.positions == 0 || p->options.positions > limit) p->options.positions = limit;
    if (p->options.threads <= 0) p->options.threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (p->options.threads <= 0) p->options.threads = 1;
    p->query_width = c->heads * c->head_size;
    p->key_width = c->kv_heads * c->head_size;
    p->qkv_width = p->query_width + 2 * p->key_width;
    p->up_width = c->gated ? 2 * c->mlp_width : c->mlp_width;
}

size_t rv_pass_bytes(const rv_transformer *model, const rv_pass_options *options)
{
    rv_pass p = {0};
    set_sizes(&p, model, options);
    return place_all(&p, NULL) * sizeof(real);
}

static rv_status allocate(rv_pass *p, rv_error *err)
{
    const rv_config *c = &p->model->config;
    size_t S = p->options.sequences, R = p->options.rows;
    RV_TRY(RV_NEW(p->spans, S, err));
    RV_TRY(RV_NEW(p->ids, R, err));
    RV_TRY(RV_NEW(p->position, R, err));
    RV_TRY(RV_NEW(p->index, R, err));
    RV_TRY(RV_NEW(p->labels, R, err));
    RV_TRY(RV_NEW(p->selected, S, err));
    RV_TRY(RV_NEW(p->parked_spans, S, err));
    RV_TRY(RV_NEW(p->segments, S * RV_PREFIX_DEPTH_MAX, err));
    RV_TRY(RV_NEW(p->attention, S, err));
    RV_TRY(RV_NEW(p->maps, S, err));
    RV_TRY(RV_NEW(p->map_offset, S + 1, err));
    RV_TRY(RV_NEW(p->dscores, S, err));
    RV_TRY(RV_NEW(p->dpattern, S, err));
    RV_TRY(RV_NEW(p->layers, c->layers, err));
    RV_TRY(RV_NEW(p->arena, place_all(p, NULL), err));
    place_all(p, p->arena);
    for (size_t i = 0; i < c->width || i < c->head_size; i++) p->ones[i] = 1;
    return RV_OK;
}

rv_status rv_pass_new(rv_pass **out, const rv_transformer *model,
                      const rv_pass_options *options, rv_error *err)
{
    *out = NULL;
    rv_pass *p;
    if (options->rows == 0 || options->sequences == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "pass: expected room for at least one row, found none");
    RV_TRY(RV_NEW(p, 1, err));
    set_sizes(p, model, options);
    rv_status status = allocate(p, err);
    if (status != RV_OK) {
        rv_pass_free(p);
        return status;
    }
    *out = p;
    return RV_OK;
}

void rv_pass_free(rv_pass *p)
{
    if (!p) return;
    void *const owned[] = {p->spans,      p->ids,          p->position, p->index,     p->labels,
                           p->selected,   p->parked_spans, p->segments, p->attention, p->maps,
                           p->map_offset, p->dscores,      p->dpattern, p->layers,    p->arena};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(p);
}

size_t rv_saved_before(const rv_sequence *s)
{
    return s->save && s->save == s->prefix ? s->shared - s->save->first : 0;
}

static rv_status check_sequence(const rv_pass *p, const rv_sequence *s, size_t index,
                                rv_error *err)
{
    const rv_config *c = &p->model->config;
    size_t limit = p->options.positions;
    if (s->count == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "sequence %zu: expected at least one token, found none", index);
    if (s->shared + s->count > limit)
        return rv_fail(err, RV_ERR_USAGE,
                       "sequence %zu: length: expected at most %zu tokens%s, found %zu", index,
                       limit, limit == c->context ? " (the model's context)" : "",
                       s->shared + s->count);
    if (s->shared > rv_prefix_length(s->prefix))
        return rv_fail(
            err, RV_ERR_USAGE,
            "sequence %zu: shared positions: expected at most the prefix's %zu, found %zu",
            index, rv_prefix_length(s->prefix), s->shared);
    size_t depth = 0;
    for (const rv_prefix *x = s->prefix; x; x = x->parent) depth++;
    if (depth >= RV_PREFIX_DEPTH_MAX)
        return rv_fail(err, RV_ERR_USAGE,
                       "sequence %zu: prefixes: expected a chain shorter than %d, found %zu",
                       index, RV_PREFIX_DEPTH_MAX, depth);
    size_t kept = rv_saved_before(s);
    if (s->save && (s->save->capacity < kept + s->count ||
                    (s->save == s->prefix && s->shared < s->save->first)))
        return rv_fail(err, RV_ERR_USAGE,
                       "sequence %zu: room to save: expected %zu positions, found %zu", index,
                       kept + s->count, s->save->capacity);
    for (size_t i = 0; s->ids && i < s->count; i++)
        if (s->ids[i] < 0 || (size_t)s->ids[i] >= c->vocabulary)
            return rv_fail(
                err, RV_ERR_USAGE,
                "sequence %zu: token %zu: expected a row of the embedding, 0 to %zu; "
                "found id %d",
                index, i, c->vocabulary - 1, s->ids[i]);
    if (!s->ids && !s->inputs)
        return rv_fail(err, RV_ERR_USAGE, "sequence %zu: expected tokens, found none", index);
    return RV_OK;
}

static rv_status check_taps(const rv_pass *p, const rv_tap *taps, size_t count, rv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        char name[RV_SITE_NAME_MAX];
        if (!rv_site_exists(taps[i].site, &p->model->config))
            return rv_fail(err, RV_ERR_USAGE, "tap %zu: this model has no such site", i);
        rv_site_name(name, taps[i].site);
        size_t width = rv_site_width(taps[i].site, &p->model->config);
        if (taps[i].columns && taps[i].column + taps[i].columns > width)
            return rv_fail(err, RV_ERR_USAGE, "site %s: column: expected 0 to %zu, found %zu",
                           name, width ? width - 1 : 0, taps[i].column + taps[i].columns - 1);
        if (rv_site_is_derived(taps[i].site) && (taps[i].replace || taps[i].gradient))
            return rv_fail(err, RV_ERR_UNSUPPORTED,
                           "site %s: can be read and seeded, not replaced", name);
        if (rv_site_is_map(taps[i].site) && taps[i].value && !p->options.keep)
            return rv_fail(err, RV_ERR_USAGE,
                           "site %s: can only be read by a pass that keeps its values", name);
        if ((taps[i].seed || taps[i].gradient) && !p->options.keep)
            return rv_fail(err, RV_ERR_USAGE,
                           "site %s: gradients need a pass that keeps its values", name);
    }
    return RV_OK;
}

/* hook_embed, then hook_pos_embed, then the stream of block 0. */
static void embed(rv_pass *p)
{
    const rv_config *c = &p->model->config;
    size_t C = c->width;
    real *x = p->layers[0].resid_pre;
    for (size_t s = 0; s < p->sequence_count; s++) {
        const rv_sequence *q = &p->sequences[s];
        for (size_t i = 0; i < q->count; i++) {
            real *row = x + (p->spans[s].row + i) * C;
            if (q->inputs) {
                memcpy(row, q->inputs + i * C, C * sizeof *row);
                continue;
            }
            rv_matrix_get_row(&p->model->embedding, (size_t)q->ids[i], row);
            real scale = (real)c->embedding_scale;
            for (size_t k = 0; scale != 1 && k < C; k++) row[k] *= scale;
        }
    }
    rv_visit(p, RV_SITE_EMBED, 0, x, C, C);
    if (!c->learned_positions) return;
    real *position = p->branch;
    for (size_t r = 0; r < p->rows; r++)
        memcpy(position + r * C, p->model->positions + (size_t)p->position[r] * C,
               C * sizeof *position);
    rv_visit(p, RV_SITE_POS_EMBED, 0, position, C, C);
    for (size_t i = 0; i < p->rows * C; i++) x[i] += position[i];
}

/* Rows, positions and map sizes of p->sequences, of which counts[s] positions run; NULL: all. */
static void number_rows(rv_pass *p, const size_t *counts)
{
    p->rows = 0;
    p->map_offset[0] = 0;
    for (size_t s = 0; s < p->sequence_count; s++) {
        const rv_sequence *q = &p->sequences[s];
        size_t count = counts ? counts[s] : q->count;
        p->spans[s] = (rv_row_span){p->rows, count, q->shared};
        for (size_t i = 0; i < count; i++) {
            p->ids[p->rows] = q->ids ? q->ids[i] : -1;
            p->position[p->rows++] = (int32_t)(q->shared + i);
        }
        p->map_offset[s + 1] =
            p->map_offset[s] + p->model->config.heads * count * (q->shared + count);
    }
}

rv_status rv_pass_begin(rv_pass *p, const rv_sequence *sequences, size_t count,
                        const rv_tap *taps, size_t tap_count, rv_error *err)
{
    size_t rows = 0;
    if (count == 0 || count > p->options.sequences)
        return rv_fail(err, RV_ERR_USAGE, "batch: expected 1 to %zu sequences, found %zu",
                       p->options.sequences, count);
    for (size_t s = 0; s < count; s++) {
        RV_TRY(check_sequence(p, &sequences[s], s, err));
        rows += sequences[s].count;
    }
    if (rows > p->options.rows)
        return rv_fail(err, RV_ERR_USAGE, "batch: expected at most %zu rows, found %zu",
                       p->options.rows, rows);
    RV_TRY(check_taps(p, taps, tap_count, err));
    p->sequences = sequences;
    p->sequence_count = count;
    p->taps = taps;
    p->tap_count = tap_count;
    p->next_layer = 0;
    p->midway = p->finished = false;
    p->parked = NULL;
    number_rows(p, NULL);
    for (size_t s = 0; s < count; s++) {
        rv_prefix *save = sequences[s].save;
        if (!save) continue;
        if (save != sequences[s].prefix) {
            save->parent = sequences[s].shared ? sequences[s].prefix : NULL;
            save->first = sequences[s].shared;
        }
        save->count = rv_saved_before(&sequences[s]) + sequences[s].count;
        save->complete = false;
    }
    embed(p);
    return RV_OK;
}

static void park(rv_pass *p)
{
    memcpy(p->parked_stream, p->stream, p->rows * p->model->config.width * sizeof *p->stream);
    memcpy(p->parked_spans, p->spans, p->sequence_count * sizeof *p->spans);
    p->parked = p->sequences;
    p->parked_layer = p->next_layer;
    p->parked_midway = p->midway;
}

void rv_pass_select(rv_pass *p, const size_t *kept, const size_t *counts, size_t count)
{
    size_t C = p->model->config.width, row = 0;
    RV_ASSERT(p->options.select && !p->options.keep);
    if (!p->parked) park(p);
    for (size_t i = 0; i < count; i++) {
        RV_ASSERT((i == 0 || kept[i] > kept[i - 1]) && counts[i] > 0);
        RV_ASSERT(counts[i] <= p->parked_spans[kept[i]].count);
        memcpy(p->stream + row * C, p->parked_stream + p->parked_spans[kept[i]].row * C,
               counts[i] * C * sizeof *p->stream);
        p->selected[i] = p->parked[kept[i]];
        row += counts[i];
    }
    p->sequences = p->selected;
    p->sequence_count = count;
    p->next_layer = p->parked_layer;
    p->midway = p->parked_midway;
    p->finished = false;
    number_rows(p, counts);
}

size_t rv_pass_rows(const rv_pass *p)
{
    return p->rows;
}

size_t rv_pass_sequences(const rv_pass *p)
{
    return p->sequence_count;
}

const rv_transformer *rv_pass_model(const rv_pass *p)
{
    return p->model;
}

const rv_config *rv_pass_config(const rv_pass *p)
{
    return &p->model->config;
}

size_t rv_pass_span(const rv_pass *p, size_t sequence, size_t *count, size_t *shared)
{
    *count = p->spans[sequence].count;
    *shared = p->spans[sequence].first;
    return p->spans[sequence].row;
}

const real *rv_pass_hidden(const rv_pass *p)
{
    return p->hidden;
}

const real *rv_pass_input_gradient(const rv_pass *p)
{
    return p->dstream;
}

void rv_pass_mlp_input(const rv_pass *p, size_t layer, size_t row, size_t neuron, real *z,
                       real *u)
{
    const rv_config *c = &p->model->config;
    const real *pre = p->layers[layer].pre + row * p->up_width;
    *z = pre[neuron];
    *u = c->gated ? pre[c->mlp_width + neuron] : 1;
}

const real *rv_pass_mlp_post(const rv_pass *p)
{
    return p->layers[p->next_layer - 1].post;
}

size_t rv_pass_site_size(const rv_pass *p, rv_site site)
{
    if (rv_site_is_map(site)) return p->map_offset[p->sequence_count];
    return p->rows * rv_site_width(site, &p->model->config);
}
