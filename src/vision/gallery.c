/* What is done with finished dreams: the best, medians, records, the neighbours that they need. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "reverie/image.h"
#include "vision/gallery.h"
#include "vision/idx.h"

void rv_image_gallery_release(rv_image_gallery *gallery)
{
    free(gallery->target_name);
    free(gallery->dreams);
    *gallery = (rv_image_gallery){0};
}

const rv_image_picture *rv_image_gallery_at(const rv_image_gallery *gallery, size_t target,
                                            rv_image_method method, size_t start)
{
    size_t group = target * RV_IMAGE_METHODS + (size_t)method;
    return &gallery->dreams[group * gallery->starts + start];
}

const rv_image_picture *rv_image_gallery_best(const rv_image_gallery *gallery, size_t target,
                                              rv_image_method method)
{
    const rv_image_picture *dream = rv_image_gallery_at(gallery, target, method, 0);
    while (!dream->best) dream++;
    return dream;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t count)
{
    qsort(x, count, sizeof *x, compare);
    return (x[(count - 1) / 2] + x[count / 2]) / 2;
}

void rv_image_gallery_median(double *attacked, double *judge, const rv_image_gallery *gallery,
                             size_t target, rv_image_method method)
{
    double a[RV_IMAGE_MAX_STARTS], b[RV_IMAGE_MAX_STARTS];
    for (size_t s = 0; s < gallery->starts; s++) {
        const rv_image_picture *dream = rv_image_gallery_at(gallery, target, method, s);
        a[s] = dream->attacked;
        b[s] = dream->judge;
    }
    *attacked = gallery->units ? (double)NAN : median(a, gallery->starts);
    *judge = gallery->units ? (double)NAN : median(b, gallery->starts);
}

static char *dream_json(const rv_image_gallery *gallery, const rv_image_picture *d)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:s, s:b, s:f, "
        "s:f}",
        "type", "image_dream", "dataset", gallery->dataset, "target",
        gallery->target_name[d->target], "method", rv_image_method_name(d->method), "seed",
        (json_int_t)gallery->seed, "start", (json_int_t)d->start, "best", d->best, "score",
        d->score, "value", d->value, "norm", d->norm, "norm_rank", d->norm_rank, "reencoding",
        d->reencoding, "reencoding_rank", d->reencoding_rank, "neighbour",
        (json_int_t)d->neighbour, "neighbour_label", gallery->class_name[d->neighbour_label],
        "neighbour_of_whole_set", gallery->whole_set, "distance", d->distance, "distance_rank",
        d->distance_rank);
    if (!gallery->units) {
        json_object_set_new(json, "attacked", json_real(d->attacked));
        json_object_set_new(json, "judge", json_real(d->judge));
    }
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(json);
    return text;
}

static rv_status put_records(rv_text *out, const rv_image_gallery *gallery, rv_error *err)
{
    const size_t count = gallery->targets * RV_IMAGE_METHODS * gallery->starts;
    for (size_t i = 0; i < count; i++) {
        char *line = dream_json(gallery, &gallery->dreams[i]);
        if (!line) return rv_fail_memory(err, out->length);
        rv_text_printf(out, "%s\n", line);
        free(line);
    }
    return out->failed ? rv_fail_memory(err, out->length) : RV_OK;
}

rv_status rv_image_gallery_json(char **out, const rv_image_gallery *gallery, rv_error *err)
{
    rv_text text = {0};
    *out = NULL;
    rv_status status = put_records(&text, gallery, err);
    if (status == RV_OK && !(*out = rv_text_take(&text))) status = rv_fail_memory(err, 1);
    rv_text_release(&text);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------- */

static rv_status write_with(const rv_image_gallery *gallery, const char *path, rv_error *err,
                            rv_status (*make)(rv_text *, const rv_image_gallery *, rv_error *))
{
    rv_text text = {0};
    rv_status status = make(&text, gallery, err);
    if (status == RV_OK)
        status = text.failed ? rv_fail_memory(err, text.length)
                             : rv_write_file(path, text.bytes, text.length, err);
    rv_text_release(&text);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static bool is_one_file(const char *path)
{
    return ends_with(path, ".html") || ends_with(path, ".png") || ends_with(path, ".jsonl");
}

rv_status rv_image_gallery_prepare(const char *path, rv_error *err)
{
    if (!is_one_file(path)) return rv_make_folders(path, err);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? rv_strndup(path, (size_t)(slash - path) + 1) : rv_strndup(".", 1);
    if (!folder) return rv_fail_memory(err, strlen(path) + 1);
    rv_status status = RV_OK;
    if (access(folder, W_OK) != 0)
        status = rv_fail(err, RV_ERR_IO, "%s: %s", folder, strerror(errno));
    free(folder);
    return status;
}

static rv_status write_one(const rv_image_gallery *gallery, const char *path, rv_error *err)
{
    if (ends_with(path, ".html")) return write_with(gallery, path, err, rv_image_page);
    if (ends_with(path, ".png")) return write_with(gallery, path, err, rv_image_grid);
    return write_with(gallery, path, err, put_records);
}

rv_status rv_image_gallery_write(const rv_image_gallery *gallery, const char *path,
                                 rv_error *err)
{
    if (is_one_file(path)) return write_one(gallery, path, err);
    static const char *const names[] = {"dreams.html", "dreams.png", "dreams.jsonl"};
    RV_TRY(rv_make_folders(path, err));
    for (size_t i = 0; i < 3; i++) {
        char *file = rv_path_join(path, names[i]);
        rv_status status = file ? write_one(gallery, file, err) : rv_fail_memory(err, 1);
        free(file);
        if (status != RV_OK) return status;
    }
    return RV_OK;
}

static int compare_neighbours(const void *a, const void *b)
{
    const rv_image_picture *x = *(const rv_image_picture *const *)a;
    const rv_image_picture *y = *(const rv_image_picture *const *)b;
    return (x->neighbour > y->neighbour) - (x->neighbour < y->neighbour);
}

rv_status rv_image_gallery_keep_neighbours(const rv_image_gallery *gallery, const char *folder,
                                           rv_error *err)
{
    const size_t count = gallery->targets * RV_IMAGE_METHODS * gallery->starts;
    const rv_image_picture **order = NULL;
    rv_images kept = {0};
    rv_status status;
    RV_GOTO(RV_NEW(order, count, err));
    RV_GOTO(RV_NEW(kept.pixels, count * RV_IMAGE_PIXELS, err));
    RV_GOTO(RV_NEW(kept.labels, count, err));
    for (size_t i = 0; i < count; i++) order[i] = &gallery->dreams[i];
    qsort(order, count, sizeof *order, compare_neighbours);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && order[i]->neighbour == order[i - 1]->neighbour) continue;
        memcpy(kept.pixels + kept.count * RV_IMAGE_PIXELS, order[i]->neighbour_pixels,
               RV_IMAGE_PIXELS);
        kept.labels[kept.count++] = order[i]->neighbour_label;
    }
    RV_GOTO(rv_make_folders(folder, err));
    status = rv_images_write(&kept, folder, "neighbours", err);
done:
    free(order);
    rv_images_release(&kept);
    return status;
}
