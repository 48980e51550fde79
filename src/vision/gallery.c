/* What is done with finished dreams: the best, medians, records, the neighbours that they need. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/output.h"
#include "base/memory.h"
#include "report/gallery.h"
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

/* A picture as base64, in the arena; NULL: memory is short. */
static const char *keep_pixels(rv_arena *arena, const uint8_t *pixels)
{
    rv_text text = {0};
    rv_put_base64(&text, pixels, RV_IMAGE_PIXELS);
    const char *kept = text.failed ? NULL : rv_arena_copy(arena, text.bytes, text.length);
    rv_text_release(&text);
    return kept;
}

static rv_status fill_record(rv_image_dream_record *out, rv_arena *arena,
                             const rv_image_gallery *g, const rv_image_picture *d,
                             rv_error *err)
{
    *out = (rv_image_dream_record){.target = g->target_name[d->target],
                                   .method = rv_image_method_name(d->method),
                                   .start = d->start,
                                   .best = d->best,
                                   .score = d->score,
                                   .value = d->value,
                                   .attacked = g->units ? (double)NAN : d->attacked,
                                   .judge = g->units ? (double)NAN : d->judge,
                                   .norm = d->norm,
                                   .norm_rank = d->norm_rank,
                                   .reencoding = d->reencoding,
                                   .reencoding_rank = d->reencoding_rank,
                                   .distance = d->distance,
                                   .distance_rank = d->distance_rank,
                                   .neighbour = d->neighbour,
                                   .neighbour_label = g->class_name[d->neighbour_label],
                                   .pixels = keep_pixels(arena, d->pixels),
                                   .neighbour_pixels = keep_pixels(arena, d->neighbour_pixels)};
    return out->pixels && out->neighbour_pixels ? RV_OK : rv_fail_memory(err, RV_IMAGE_PIXELS);
}

/* The gallery as its records, which borrow from it and from the arena. */
static rv_status to_records(rv_gallery *out, rv_arena *arena, const rv_image_gallery *g,
                            rv_error *err)
{
    const size_t count = g->targets * RV_IMAGE_METHODS * g->starts;
    *out = (rv_gallery){.about = {.dataset = g->dataset,
                                  .attacked = g->attacked,
                                  .judge = g->judge,
                                  .autoencoder = g->autoencoder,
                                  .starts = g->starts,
                                  .steps = g->steps,
                                  .seed = g->seed,
                                  .units = g->units,
                                  .neighbours = g->neighbours,
                                  .whole_set = g->whole_set,
                                  .side = RV_IMAGE_SIDE,
                                  .version = RV_VERSION_STRING},
                        .dream_count = count};
    out->dreams = rv_arena_alloc(arena, count, sizeof *out->dreams);
    if (!out->dreams) return rv_fail_memory(err, count * sizeof *out->dreams);
    for (size_t i = 0; i < count; i++)
        RV_TRY(fill_record(&out->dreams[i], arena, g, &g->dreams[i], err));
    return RV_OK;
}

typedef rv_status put_gallery(rv_text *out, const rv_gallery *gallery, rv_error *err);

static rv_status put_lines(rv_text *out, const rv_gallery *g, rv_error *err)
{
    RV_TRY(rv_put_image_run(out, &g->about, err));
    for (size_t i = 0; i < g->dream_count; i++)
        RV_TRY(rv_put_image_dream(out, &g->dreams[i], err));
    return RV_OK;
}

static rv_status tell(rv_text *out, const rv_image_gallery *gallery, put_gallery *put,
                      rv_error *err)
{
    rv_arena arena = {0};
    rv_gallery records;
    rv_status status = to_records(&records, &arena, gallery, err);
    if (status == RV_OK) status = put(out, &records, err);
    if (status == RV_OK && out->failed) status = rv_fail_memory(err, out->length);
    rv_arena_release(&arena);
    return status;
}

static rv_status hand_over(char **out, const rv_image_gallery *gallery, put_gallery *put,
                           rv_error *err)
{
    rv_text text = {0};
    *out = NULL;
    rv_status status = tell(&text, gallery, put, err);
    if (status == RV_OK && !(*out = rv_text_take(&text))) status = rv_fail_memory(err, 1);
    rv_text_release(&text);
    return status;
}

rv_status rv_image_gallery_json(char **out, const rv_image_gallery *gallery, rv_error *err)
{
    return hand_over(out, gallery, put_lines, err);
}

rv_status rv_image_gallery_text(char **out, const rv_image_gallery *gallery, rv_error *err)
{
    return hand_over(out, gallery, rv_put_gallery_table, err);
}

/* ---- writing ------------------------------------------------------------------------------- */

static rv_status write_with(const rv_image_gallery *gallery, const char *path, put_gallery *put,
                            rv_error *err)
{
    rv_text text = {0};
    rv_status status = tell(&text, gallery, put, err);
    if (status == RV_OK) status = rv_output_write(path, text.bytes, text.length, err);
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
    if (ends_with(path, ".html")) return write_with(gallery, path, rv_put_gallery_page, err);
    if (ends_with(path, ".png")) return write_with(gallery, path, rv_put_gallery_grid, err);
    return write_with(gallery, path, put_lines, err);
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
