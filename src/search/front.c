/* The non-dominated set of (activation, cross-entropy by token, cross-entropy by byte). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "record/frontier.h"
#include "search/search.h"

static bool dominates(const rv_candidate *c, double g, double xe, double xb)
{
    return c->g >= g && c->xe <= xe && c->xb <= xb;
}

bool rv_front_would_accept(const rv_front *front, double g, double xe, double xb)
{
    if (!isfinite(g) || !isfinite(xe)) return false;
    for (size_t i = 0; i < front->count; i++)
        if (dominates(&front->items[i], g, xe, xb)) return false;
    return true;
}

rv_status rv_front_add(rv_front *front, const rv_candidate *c, rv_error *err)
{
    size_t kept = 0;
    RV_ASSERT(c->length > 0 && !c->estimated);
    int32_t *ids = malloc(c->length * sizeof *ids);
    if (!ids) return rv_fail_memory(err, c->length * sizeof *ids);
    memcpy(ids, c->ids, c->length * sizeof *ids);
    for (size_t i = 0; i < front->count; i++) {
        const rv_candidate *old = &front->items[i];
        if (dominates(c, old->g, old->xe, old->xb))
            free(old->ids);
        else
            front->items[kept++] = *old;
    }
    front->count = kept;
    rv_status status =
        rv_grow((void **)&front->items, &front->capacity, kept + 1, sizeof *front->items, err);
    if (status != RV_OK) {
        free(ids);
        return status;
    }
    front->items[front->count] = *c;
    front->items[front->count++].ids = ids;
    return RV_OK;
}

void rv_front_release(rv_front *front)
{
    for (size_t i = 0; i < front->count; i++) free(front->items[i].ids);
    free(front->items);
    *front = (rv_front){0};
}

static rv_point point_of(const void *items, size_t i)
{
    const rv_candidate *c = (const rv_candidate *)items + i;
    return (rv_point){c->g, c->xe};
}

double rv_front_best(const rv_front *front, double x)
{
    return rv_best_of(point_of, front->items, front->count, x);
}

double rv_front_area(const rv_front *front)
{
    return rv_area_of(point_of, front->items, front->count);
}
