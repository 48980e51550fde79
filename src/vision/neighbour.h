/* How far an image is from those a model was trained on, and how far that is: nearest images and
 * tables of quantiles. */
#ifndef RV_VISION_NEIGHBOUR_H
#define RV_VISION_NEIGHBOUR_H

#include <jansson.h>

#include "vision/idx.h"
#include "vision/layers.h"

/* For each query (count, 28, 28) in [0, 1]: the image of the set at the smallest Euclidean distance
 * (pixels in [0, 1]) and that distance. Both (count). The first of equals. */
rv_status rv_neighbours_find(size_t *index, double *distance, const real *queries, size_t count,
                             const rv_images *set, int threads, rv_error *err);

enum { RV_PERCENTILES = 101 };

/* What share of a sample is below a value: entry i is the sample's i-th percentile. */
typedef struct rv_percentiles {
    double value[RV_PERCENTILES];
} rv_percentiles;

/* Of count > 0 numbers, which are sorted in place. */
rv_percentiles rv_percentiles_of(double *sample, size_t count);
/* Share of the sample below x, 0 to 1, interpolated between percentiles. */
double rv_percentiles_rank(const rv_percentiles *quantiles, double x);
/* As the text that metadata hold: a JSON array. malloc'ed; NULL when memory is short. */
char *rv_percentiles_write(const rv_percentiles *quantiles);
rv_status rv_percentiles_read(rv_percentiles *out, const char *text, rv_error *err);

#endif
