#include "vision/neighbour.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/kernels.h"

enum { CHUNK = 128, SHARDS = 8 };

typedef struct search {
    const real *queries;
    const rv_images *set;
    const rv_kernels *kernels;
    rv_matrix matrix; /* the queries as weights: products with an image are one row */
    size_t count;
    size_t *index;   /* (SHARDS, count) */
    real *closeness; /* (SHARDS, count): the largest of x . q - |x|^2 / 2 */
    real *images;    /* (SHARDS, CHUNK, 784) */
    real *products;  /* (SHARDS, CHUNK, count) */
} search;

static void search_chunk(search *s, size_t shard, size_t first)
{
    real *images = s->images + shard * CHUNK * RV_IMAGE_PIXELS;
    real *products = s->products + shard * CHUNK * s->count;
    size_t n = s->set->count - first < CHUNK ? s->set->count - first : CHUNK;
    for (size_t i = 0; i < n * RV_IMAGE_PIXELS; i++)
        images[i] = (real)s->set->pixels[first * RV_IMAGE_PIXELS + i] / 255;
    s->kernels->linear_forward(products, s->count, images, RV_IMAGE_PIXELS, &s->matrix, n,
                               RV_STORE, 1);
    for (size_t i = 0; i < n; i++) {
        real half = 0;
        for (size_t p = 0; p < RV_IMAGE_PIXELS; p++) {
            real x = images[i * RV_IMAGE_PIXELS + p];
            half += x * x / 2;
        }
        for (size_t q = 0; q < s->count; q++) {
            real closeness = products[i * s->count + q] - half;
            if (!(closeness > s->closeness[shard * s->count + q])) continue;
            s->closeness[shard * s->count + q] = closeness;
            s->index[shard * s->count + q] = first + i;
        }
    }
}

static double exact_distance(const real *query, const unsigned char *pixels)
{
    double sum = 0;
    for (size_t p = 0; p < RV_IMAGE_PIXELS; p++) {
        double d = (double)query[p] - (double)pixels[p] / 255;
        sum += d * d;
    }
    return sqrt(sum);
}

static rv_status run(search *s, size_t *index, double *distance, int threads, rv_error *err)
{
    RV_TRY(rv_matrix_pack(&s->matrix, s->kernels, s->queries, NULL, s->count, RV_IMAGE_PIXELS,
                          err));
    RV_TRY(RV_NEW(s->index, SHARDS * s->count, err));
    RV_TRY(RV_NEW(s->closeness, SHARDS * s->count, err));
    RV_TRY(RV_NEW(s->images, SHARDS * CHUNK * RV_IMAGE_PIXELS, err));
    RV_TRY(RV_NEW(s->products, SHARDS * CHUNK * s->count, err));
    for (size_t i = 0; i < SHARDS * s->count; i++) s->closeness[i] = -INFINITY;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t shard = 0; shard < SHARDS; shard++)
        for (size_t first = shard * CHUNK; first < s->set->count; first += SHARDS * CHUNK)
            search_chunk(s, shard, first);
    for (size_t q = 0; q < s->count; q++) {
        size_t best = q;
        for (size_t i = q + s->count; i < SHARDS * s->count; i += s->count) {
            real gain = s->closeness[i] - s->closeness[best];
            if (gain > 0 || (gain == 0 && s->index[i] < s->index[best])) best = i;
        }
        index[q] = s->index[best];
        distance[q] = exact_distance(s->queries + q * RV_IMAGE_PIXELS,
                                     s->set->pixels + index[q] * RV_IMAGE_PIXELS);
    }
    return RV_OK;
}

rv_status rv_neighbours_find(size_t *index, double *distance, const real *queries, size_t count,
                             const rv_images *set, int threads, rv_error *err)
{
    if (count == 0) return RV_OK;
    search s = {
        .queries = queries, .set = set, .kernels = rv_kernels_select(NULL), .count = count};
    rv_status status = run(&s, index, distance, threads, err);
    rv_matrix_release(&s.matrix);
    free(s.index);
    free(s.closeness);
    free(s.images);
    free(s.products);
    return status;
}

/* ---- quantiles --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

rv_percentiles rv_percentiles_of(double *sample, size_t count)
{
    rv_percentiles quantiles;
    qsort(sample, count, sizeof *sample, compare);
    for (size_t i = 0; i < RV_PERCENTILES; i++)
        quantiles.value[i] = sample[i * (count - 1) / (RV_PERCENTILES - 1)];
    return quantiles;
}

double rv_percentiles_rank(const rv_percentiles *quantiles, double x)
{
    const double *v = quantiles->value;
    if (!(x > v[0])) return 0;
    for (size_t i = 1; i < RV_PERCENTILES; i++)
        if (x <= v[i])
            return ((double)i - (v[i] - x) / (v[i] - v[i - 1])) / (RV_PERCENTILES - 1);
    return 1;
}

char *rv_percentiles_write(const rv_percentiles *quantiles)
{
    json_t *array = json_array();
    for (size_t i = 0; i < RV_PERCENTILES; i++)
        json_array_append_new(array, json_real(quantiles->value[i]));
    char *text = json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(array);
    return text;
}

rv_status rv_percentiles_read(rv_percentiles *out, const char *text, rv_error *err)
{
    json_t *array = json_loads(text, 0, NULL);
    bool ok = json_array_size(array) == RV_PERCENTILES;
    for (size_t i = 0; ok && i < RV_PERCENTILES; i++) {
        ok = json_is_number(json_array_get(array, i));
        out->value[i] = json_number_value(json_array_get(array, i));
        ok = ok && isfinite(out->value[i]) && (i == 0 || out->value[i] >= out->value[i - 1]);
    }
    json_decref(array);
    return ok ? RV_OK
              : rv_fail(err, RV_ERR_FORMAT,
                        "quantiles: expected %d rising numbers, found '%.60s'", RV_PERCENTILES,
                        text);
}
