#include "report/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "report/heat.h"
#include "report/png.h"

const char *const rv_gallery_methods[RV_GALLERY_METHODS] = {"naive", "regularised", "latent"};

rv_status rv_gallery_png(rv_text *out, const rv_gallery *g, const char *pixels, rv_error *err)
{
    unsigned char bytes[RV_GALLERY_SIDE_MAX * RV_GALLERY_SIDE_MAX];
    size_t side = g->about.side;
    if (!rv_base64_decode(bytes, side * side, pixels))
        return rv_fail(err, RV_ERR_FORMAT,
                       "picture: expected %zu bytes as base64, found others", side * side);
    return rv_png_encode(out, bytes, side, side, err);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t count)
{
    if (count == 0) return NAN;
    qsort(x, count, sizeof *x, compare);
    return (x[(count - 1) / 2] + x[count / 2]) / 2;
}

rv_status rv_gallery_median(double *attacked, double *judge, const rv_gallery *g,
                            const char *target, const char *method, rv_error *err)
{
    double *a;
    size_t n = 0, m = 0;
    RV_TRY(RV_NEW(a, 2 * g->dream_count + 1, err));
    double *b = a + g->dream_count;
    for (size_t i = 0; i < g->dream_count; i++) {
        const rv_image_dream_record *d = &g->dreams[i];
        if (strcmp(d->target, target) != 0 || strcmp(d->method, method) != 0) continue;
        if (isfinite(d->attacked)) a[n++] = d->attacked;
        if (isfinite(d->judge)) b[m++] = d->judge;
    }
    *attacked = median(a, n);
    *judge = median(b, m);
    free(a);
    return RV_OK;
}

static void put_name(rv_text *out, const char *name, int width)
{
    size_t before = out->length;
    rv_put_visible(out, name, strlen(name));
    int used = (int)(out->length - before);
    rv_text_printf(out, "%*s ", used < width ? width - used : 0, "");
}

static rv_status put_line(rv_text *out, const rv_gallery *g, const rv_image_dream_record *d,
                          rv_error *err)
{
    put_name(out, d->target, 12);
    put_name(out, d->method, 12);
    if (g->about.units) {
        rv_text_printf(out, "%10.4g", d->value);
    } else {
        double attacked, judge;
        RV_TRY(rv_gallery_median(&attacked, &judge, g, d->target, d->method, err));
        rv_text_printf(out, "%8.6f %8.6f  %8.6f %8.6f", d->attacked, d->judge, attacked, judge);
    }
    rv_text_printf(out, "  %5.2f %4.2f   %5.3f %4.2f   %5.2f %4.2f  ", d->norm, d->norm_rank,
                   d->reencoding, d->reencoding_rank, d->distance, d->distance_rank);
    put_name(out, d->neighbour_label, 0);
    rv_text_putc(out, '\n');
    return RV_OK;
}

rv_status rv_put_gallery_table(rv_text *out, const rv_gallery *g, rv_error *err)
{
    const rv_image_run_record *a = &g->about;
    put_name(out, a->dataset, 0);
    rv_text_printf(out, "networks, seed %llu, %llu starts of %llu steps; best: %s\n\n",
                   (unsigned long long)a->seed, (unsigned long long)a->starts,
                   (unsigned long long)a->steps,
                   a->units ? "the strongest" : "the most typical of those attacked at 0.9999");
    rv_text_printf(out, "%-25s %s   code norm   re-encoding   nearest of %llu\n", "",
                   a->units ? "activation" : " best of the starts  median of the starts",
                   (unsigned long long)a->neighbours);
    rv_text_printf(out, "%-12s %-12s %s          rank          rank    distance, rank\n",
                   "target", "method",
                   a->units ? "          " : "attacked    judge  attacked    judge");
    for (size_t i = 0; i < g->dream_count; i++) {
        const char *target = rv_gallery_new_target(g, i);
        for (size_t m = 0; target && m < RV_GALLERY_METHODS; m++) {
            const rv_image_dream_record *best =
                rv_gallery_best(g, target, rv_gallery_methods[m]);
            if (best) RV_TRY(put_line(out, g, best, err));
        }
    }
    return RV_OK;
}
