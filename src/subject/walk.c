#include "subject/walk.h"

#include <stdlib.h>

#include "base/memory.h"

enum { PIECE_ROWS = 512, KEPT_BYTES = 256 << 20 };

typedef struct walker {
    const rv_walk *walk;
    rv_pass *pass;
    rv_prefix *cache; /* NULL where every window is one piece */
    int32_t *ids;     /* (rows) */
    size_t window, rows;
} walker;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t rv_walk_window(const rv_model *m, size_t count)
{
    const rv_transformer *t = m->transformer;
    size_t limit = t->config.context;
    if (t->config.rotary_size) limit = smaller(limit, t->rope_positions);
    return smaller(limit, count);
}

/* A pass that keeps attention maps holds (rows, window) numbers a head and layer: fewer rows then. */
size_t rv_walk_rows(const rv_walk *r)
{
    size_t window = rv_walk_window(r->model, r->count);
    rv_pass_options options = {.rows = smaller(window, PIECE_ROWS),
                               .sequences = 1,
                               .positions = window,
                               .keep = r->keep,
                               .threads = 1};
    while (r->keep && options.rows > 1 &&
           rv_pass_bytes(r->model->transformer, &options) > KEPT_BYTES)
        options.rows = (options.rows + 1) / 2;
    return options.rows;
}

static rv_status report(const rv_walk *r, size_t done, rv_error *err)
{
    const rv_model *m = r->model;
    rv_progress event = {"reading", "tokens", NULL, (double)done, (double)r->count};
    if (!m->progress || m->progress(m->progress_context, &event)) return RV_OK;
    return rv_fail(err, RV_ERR_CANCELLED, "reading was cancelled after %zu of %zu tokens", done,
                   r->count);
}

/* Positions [from, from + count) of the window that holds ids [at, at + own) behind `lead` tokens. */
static rv_status run_piece(walker *d, size_t at, size_t own, size_t lead, size_t from,
                           size_t count, rv_error *err)
{
    const rv_walk *r = d->walk;
    const rv_model *m = r->model;
    size_t layers = m->transformer->config.layers;
    for (size_t i = 0; i < count; i++) {
        size_t position = from + i;
        if (position >= lead)
            d->ids[i] = r->ids[at + position - lead];
        else
            d->ids[i] = m->bos >= 0 ? m->bos : r->ids[at - 1];
    }
    rv_sequence sequence = {
        .ids = d->ids, .count = count, .prefix = d->cache, .shared = from, .save = d->cache};
    RV_TRY(rv_pass_begin(d->pass, &sequence, 1, r->taps, r->tap_count, err));
    rv_pass_forward(d->pass, smaller(r->depth, layers));
    if (r->depth > layers) rv_pass_finish(d->pass);
    size_t skipped = from == 0 ? lead : 0;
    rv_piece piece = {d->pass, at + from + skipped - lead, count - skipped, skipped,
                      own + lead};
    if (piece.count) RV_TRY(r->visit(r->context, &piece, err));
    return report(r, piece.at + piece.count, err);
}

static rv_status run_windows(walker *d, rv_error *err)
{
    const rv_walk *r = d->walk;
    for (size_t at = 0; at < r->count;) {
        size_t lead = at > 0, own = smaller(d->window - lead, r->count - at);
        if (own == 0)
            return rv_fail(err, RV_ERR_UNSUPPORTED,
                           "%s: context: expected at least 2 tokens, found 1", r->model->path);
        for (size_t from = 0, count; from < lead + own; from += count) {
            count = smaller(d->rows, lead + own - from);
            RV_TRY(run_piece(d, at, own, lead, from, count, err));
        }
        at += own;
    }
    return RV_OK;
}

rv_status rv_walk_text(const rv_walk *r, rv_error *err)
{
    walker d = {
        .walk = r, .window = rv_walk_window(r->model, r->count), .rows = rv_walk_rows(r)};
    rv_pass_options options = {.rows = d.rows,
                               .sequences = 1,
                               .positions = d.window,
                               .keep = r->keep,
                               .threads = r->model->threads};
    rv_status status;
    if (r->pass)
        d.pass = r->pass;
    else
        RV_GOTO(rv_pass_new(&d.pass, r->model->transformer, &options, err));
    RV_GOTO(RV_NEW(d.ids, d.rows, err));
    if (d.window > d.rows)
        RV_GOTO(rv_prefix_new(&d.cache, r->model->transformer, d.window, err));
    RV_GOTO(run_windows(&d, err));
done:
    if (!r->pass) rv_pass_free(d.pass);
    rv_prefix_free(d.cache);
    free(d.ids);
    return status;
}
