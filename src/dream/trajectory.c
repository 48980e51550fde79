/* The state of a search under way. */
#include <math.h>

#include "dream/emit.h"

enum { MEMBERS = 8 };

/* The headline of the moment, and texts from the most fluent to the most active one. */
static rv_status some_of_front(rv_member_entry *out, size_t *count, rv_arena *arena,
                               const rv_dreaming *d, const rv_front *front, rv_error *err)
{
    size_t n = front->count, picked[MEMBERS + 1], kept = 0;
    rv_point *points = rv_arena_alloc(arena, n + 1, sizeof *points);
    size_t *order = rv_arena_alloc(arena, n + 1, sizeof *order);
    double *per_byte = rv_arena_alloc(arena, n + 1, sizeof *per_byte);
    if (!points || !order || !per_byte) return rv_fail_memory(err, n * sizeof *points);
    for (size_t i = 0; i < n; i++) {
        points[i] = (rv_point){front->items[i].g, front->items[i].xe};
        per_byte[i] = front->items[i].xb;
    }
    size_t sorted = rv_non_dominated(order, points, n), first = 0;
    if (sorted == RV_NOT_FOUND) return rv_fail_memory(err, n * sizeof *order);
    if (sorted > 0) {
        picked[kept++] = rv_emit_headline(points, per_byte, n, d);
        size_t spread = sorted < MEMBERS ? sorted : MEMBERS;
        for (size_t i = 0; i < spread; i++)
            picked[kept++] = order[spread > 1 ? i * (sorted - 1) / (spread - 1) : 0];
    }
    for (*count = 0; first < kept; first++) {
        const rv_candidate *c = &front->items[picked[first]];
        bool shown = false;
        for (size_t i = 0; i < first; i++) shown |= picked[i] == picked[first];
        if (shown) continue;
        rv_member_entry *m = &out[(*count)++];
        *m = (rv_member_entry){.activation = c->g, .cross_entropy = c->xe};
        RV_TRY(rv_emit_text(&m->text, arena, d, c, err));
    }
    return RV_OK;
}

rv_status rv_record_trajectory(rv_dreaming *d, const rv_search *s, double seconds,
                               rv_error *err)
{
    static const double levels[RV_BEST_COUNT] = {4, 5, 6, 9};
    rv_trajectory_record t = rv_trajectory_record_empty();
    t.forward_tokens = s->work.forward;
    t.backward_tokens = s->work.backward;
    t.seconds = seconds;
    t.area = rv_front_area(&s->front);
    for (size_t i = 0; i < RV_BEST_COUNT; i++) {
        double best = rv_front_best(&s->front, levels[i]);
        t.best[i] = isfinite(best) ? best : NAN;
    }
    rv_arena arena = {0};
    rv_member_entry members[MEMBERS + 1];
    size_t before = d->lines.length;
    rv_status status = some_of_front(members, &t.member_count, &arena, d, &s->front, err);
    t.members = members;
    if (status == RV_OK) status = rv_put_trajectory(&d->lines, &t, err);
    rv_arena_release(&arena);
    RV_TRY(status);
    RV_TRY(rv_emit_lines(d, before, err));
    return rv_emit_commit(d, err);
}
