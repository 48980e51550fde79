/* The trade between activation g and cross-entropy x (nats per token), over plain points. */
#ifndef RV_RECORD_FRONTIER_H
#define RV_RECORD_FRONTIER_H

#include "record/record.h"
#include "record/run.h"

typedef struct rv_point {
    double activation, cross_entropy;
} rv_point;

#define RV_NOT_FOUND SIZE_MAX /* an index that is none */

/* The non-dominated set: no other point is at least as active and at least as fluent, and better
 * in one of the two; of equal points the first. out (n), indices by rising cross-entropy; returns
 * how many. Points that are not finite are left out. RV_NOT_FOUND: memory is short. */
size_t rv_non_dominated(size_t *out, const rv_point *points, size_t n);

/* best(x): the largest activation among points with cross-entropy <= x; -INFINITY if there are
 * none. */
double rv_best_at(const rv_point *points, size_t n, double x);

/* Frontier area: the mean of max(0, best(x)) over x = 3, 3.1, ..., 9. */
double rv_frontier_area(const rv_point *points, size_t n);

/* The same of n items that are no plain points: `at` says what the i-th is. */
typedef rv_point (*rv_point_at)(const void *items, size_t i);
double rv_best_of(rv_point_at at, const void *items, size_t n, double x);
double rv_area_of(rv_point_at at, const void *items, size_t n);

/* Whether best(x) of the points is above best(x) of the corpus windows. */
bool rv_wins_at(const rv_point *points, size_t n, const rv_point *windows, size_t m, double x);

/* The published win: the best activation with cross-entropy in [3, 9] above the strongest
 * corpus window, however fluent that is. */
bool rv_wins_published(const rv_point *points, size_t n, const rv_point *windows, size_t m);

/* Quantile by linear interpolation between order statistics (numpy's default); p in [0, 1].
 * NAN for n = 0. Sorts values. */
double rv_quantile(double *values, size_t n, double p);

/* Interquartile range divided by the median. NAN when n < 2 or the median is 0. Sorts values. */
double rv_spread(double *values, size_t n);

/* The most active point with cross-entropy <= median, that of the median corpus window; of equal
 * ones the more fluent. If no point is that fluent, the most fluent one. RV_NOT_FOUND if n = 0. */
size_t rv_choose_headline(const rv_point *points, size_t n, double median);

/* The same, fluent by byte too: nats per token alone are small for a text of short tokens, which no reader would
 * call fluent. per_byte (n): nats a byte, of the whole or of its latter half. Of the points that take at most 0.65 of the median window's nats a byte
 * the most active one; if the strongest corpus window is stronger, that limit is widened just as far as beats it,
 * at most to the median itself. */
size_t rv_choose_headline_by_byte(const rv_point *points, const double *per_byte, size_t n,
                                  double median, double median_per_byte, double strongest);

/* Picks up to `most` of the candidates (n indices into dreams) that differ from dreams[first] and
 * from each other: the most active first, passing over those that share more than half of their
 * tokens (Jaccard index of the sets of ids) with one already picked, and those below a fifth of the first one's
 * activation, which tell nothing about the neuron. out (most); returns how many. */
size_t rv_choose_diverse(size_t *out, size_t most, const rv_dream_record *dreams,
                         const size_t *candidates, size_t n, size_t first);

/* Share of token ids in common: |A and B| / |A or B| of the sets of the first 1024; 1 for two
 * empty ones. */
double rv_token_overlap(const rv_dream_record *a, const rv_dream_record *b);

#endif
