#include "record/frontier.h"

#include <math.h>
#include <stdlib.h>

typedef struct ranked {
    rv_point point;
    size_t index;
} ranked;

/* By cross-entropy, then the more active first, then the earlier. */
static int by_fluency(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->point.cross_entropy != b->point.cross_entropy)
        return a->point.cross_entropy < b->point.cross_entropy ? -1 : 1;
    if (a->point.activation != b->point.activation)
        return a->point.activation > b->point.activation ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

size_t rv_non_dominated(size_t *out, const rv_point *points, size_t n)
{
    if (n == 0) return 0;
    ranked *order = n <= SIZE_MAX / sizeof *order ? malloc(n * sizeof *order) : NULL;
    if (!order) return RV_NOT_FOUND;
    size_t kept = 0, found = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(points[i].activation) && isfinite(points[i].cross_entropy))
            order[kept++] = (ranked){points[i], i};
    qsort(order, kept, sizeof *order, by_fluency);
    for (size_t i = 0; i < kept; i++)
        if (found == 0 || order[i].point.activation > points[out[found - 1]].activation)
            out[found++] = order[i].index;
    free(order);
    return found;
}

double rv_best_of(rv_point_at at, const void *items, size_t n, double x)
{
    double best = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        rv_point p = at(items, i);
        if (p.cross_entropy <= x && p.activation > best) best = p.activation;
    }
    return best;
}

double rv_area_of(rv_point_at at, const void *items, size_t n)
{
    double sum = 0;
    for (int tenth = 30; tenth <= 90; tenth++)
        sum += fmax(0, rv_best_of(at, items, n, tenth / 10.0));
    return sum / 61;
}

static rv_point itself(const void *items, size_t i)
{
    return ((const rv_point *)items)[i];
}

double rv_best_at(const rv_point *points, size_t n, double x)
{
    return rv_best_of(itself, points, n, x);
}

double rv_frontier_area(const rv_point *points, size_t n)
{
    return rv_area_of(itself, points, n);
}

bool rv_wins_at(const rv_point *points, size_t n, const rv_point *windows, size_t m, double x)
{
    return rv_best_at(points, n, x) > rv_best_at(windows, m, x);
}

bool rv_wins_published(const rv_point *points, size_t n, const rv_point *windows, size_t m)
{
    double best = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (points[i].cross_entropy >= 3 && points[i].cross_entropy <= 9)
            best = fmax(best, points[i].activation);
    return best > rv_best_at(windows, m, INFINITY);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double rv_quantile(double *values, size_t n, double p)
{
    if (n == 0) return NAN;
    qsort(values, n, sizeof *values, by_value);
    double at = p * (double)(n - 1);
    size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;
    // Infinities may stand among the values: no difference between two of them.
    if (at == (double)low || values[low] == values[high]) return values[low];
    return values[low] + (at - (double)low) * (values[high] - values[low]);
}

double rv_spread(double *values, size_t n)
{
    if (n < 2) return NAN;
    double median = rv_quantile(values, n, 0.5);
    if (median == 0) return NAN;
    return (rv_quantile(values, n, 0.75) - rv_quantile(values, n, 0.25)) / median;
}

size_t rv_choose_headline(const rv_point *points, size_t n, double median)
{
    size_t best = RV_NOT_FOUND, fluent = RV_NOT_FOUND;
    for (size_t i = 0; i < n; i++) {
        rv_point p = points[i];
        if (!isfinite(p.activation) || !isfinite(p.cross_entropy)) continue;
        if (fluent == RV_NOT_FOUND || p.cross_entropy < points[fluent].cross_entropy)
            fluent = i;
        if (!(p.cross_entropy <= median)) continue;
        if (best == RV_NOT_FOUND || p.activation > points[best].activation ||
            (p.activation == points[best].activation &&
             p.cross_entropy < points[best].cross_entropy))
            best = i;
    }
    return best != RV_NOT_FOUND ? best : fluent;
}

/* Texts found by a model's own likelihood are about half as improbable again to another model: so much of the
 * median corpus window's bits per byte a headline takes where that costs nothing
 * (docs/notebook/2026-11-23-fluency.md). */
static const double USUAL_SHARE = 0.65;

size_t rv_choose_headline_by_byte(const rv_point *points, const double *per_byte, size_t n,
                                  double median, double median_per_byte, double strongest)
{
    size_t best = RV_NOT_FOUND;
    double limit = USUAL_SHARE * median_per_byte;
    for (;;) {
        double next = INFINITY;
        for (size_t i = 0; i < n; i++) {
            rv_point p = points[i];
            if (!isfinite(p.activation) || !(p.cross_entropy <= median)) continue;
            if (per_byte[i] > limit)
                next = fmin(next, per_byte[i]);
            else if (best == RV_NOT_FOUND || p.activation > points[best].activation)
                best = i;
        }
        if (best != RV_NOT_FOUND && points[best].activation > strongest) return best;
        if (!(next <= median_per_byte) || isinf(next)) break; // nothing lies above the limit
        limit = next;
    }
    return best != RV_NOT_FOUND ? best : rv_choose_headline(points, n, median);
}

static bool has_id(const rv_token_entry *tokens, size_t count, int32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i].id == id) return true;
    return false;
}

double rv_token_overlap(const rv_dream_record *a, const rv_dream_record *b)
{
    enum { MOST = 1024 };
    size_t n = a->token_count < MOST ? a->token_count : MOST, both = 0, either = 0;
    size_t m = b->token_count < MOST ? b->token_count : MOST;
    for (size_t i = 0; i < n; i++) {
        if (has_id(a->tokens, i, a->tokens[i].id)) continue;
        either++;
        both += has_id(b->tokens, m, a->tokens[i].id);
    }
    for (size_t i = 0; i < m; i++)
        either +=
            !has_id(b->tokens, i, b->tokens[i].id) && !has_id(a->tokens, n, b->tokens[i].id);
    return either ? (double)both / (double)either : 1;
}

/* Whether a dream is unlike dreams[first] and all those picked. */
static bool differs(const rv_dream_record *dreams, size_t i, size_t first, const size_t *picked,
                    size_t n)
{
    if (i == first || rv_token_overlap(&dreams[i], &dreams[first]) > 0.5) return false;
    for (size_t k = 0; k < n; k++)
        if (picked[k] == i || rv_token_overlap(&dreams[i], &dreams[picked[k]]) > 0.5)
            return false;
    return true;
}

size_t rv_choose_diverse(size_t *out, size_t most, const rv_dream_record *dreams,
                         const size_t *candidates, size_t n, size_t first)
{
    size_t found = 0;
    double least = dreams[first].activation > 0 ? dreams[first].activation / 5 : -INFINITY;
    while (found < most) {
        size_t best = RV_NOT_FOUND;
        for (size_t k = 0; k < n; k++) {
            size_t i = candidates[k];
            if (dreams[i].activation < least) continue;
            if (best != RV_NOT_FOUND && !(dreams[i].activation > dreams[best].activation))
                continue;
            if (differs(dreams, i, first, out, found)) best = i;
        }
        if (best == RV_NOT_FOUND) break;
        out[found++] = best;
    }
    return found;
}
