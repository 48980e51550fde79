/* Image dreams: load the networks, dream, measure every dream on its pixels as shown. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assets.h"
#include "base/file.h"
#include "base/memory.h"
#include "reverie/image.h"
#include "vision/dataset.h"
#include "vision/dream.h"
#include "vision/gallery.h"
#include "vision/measure.h"
#include "vision/neighbour.h"
#include "vision/weights.h"

enum { MAX_STEPS = 10000 };

static const double SURE = 0.9999; // of a class: what the goal asks of a dream

rv_image_dream_params rv_image_dream_params_default(void)
{
    return (rv_image_dream_params){.size = sizeof(rv_image_dream_params),
                                   .only = -1,
                                   .starts = 16,
                                   .steps = 120,
                                   .seed = 1,
                                   .threads = 1};
}

const char *rv_image_method_name(rv_image_method method)
{
    static const char *const names[RV_IMAGE_METHODS] = {"naive", "regularised", "latent"};
    return (size_t)method < RV_IMAGE_METHODS ? names[method] : "unknown";
}

rv_status rv_image_shipped_weights(char **out, const char *name, rv_error *err)
{
    *out = NULL;
    if (!*name || strchr(name, '/') || name[0] == '.')
        return rv_fail(err, RV_ERR_USAGE, "networks '%.60s': expected a name such as mnist",
                       name);
    RV_TRY(rv_asset_find(out, "images", name, err));
    return *out ? RV_OK
                : rv_fail(
                      err, RV_ERR_NOT_FOUND,
                      "networks '%.60s': no folder assets/images/%.60s beside the program or "
                      "here, none in REVERIE_ASSETS",
                      name, name);
}

/* Everything one call holds. */
typedef struct job {
    const rv_image_dream_params *params;
    rv_image_gallery *gallery;
    rv_network attacked, judge;
    rv_image_autoencoder autoencoder;
    rv_percentiles norms, errors, distances;
    rv_image_target target[RV_IMAGE_CLASSES];
    rv_images set; /* the nearest are looked for in */
    real *images;  /* (targets, methods, starts, 28, 28) */
    double *score; /* (targets, methods, starts) */
    size_t count;  /* of dreams */
} job;

/* ---- loading ------------------------------------------------------------------------------- */

static rv_status open_weights(rv_checkpoint **out, const char *folder, const char *name,
                              rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder) + strlen(name) + 2);
    rv_status status = rv_checkpoint_open(out, path, err);
    free(path);
    return status;
}

static rv_status load_classifier(rv_network *out, char *about, size_t room, const char *folder,
                                 const char *name, rv_error *err)
{
    rv_checkpoint *ck;
    const char *accuracy = "", *seed = "";
    RV_TRY(open_weights(&ck, folder, name, err));
    rv_status status = rv_network_read(out, ck, "classifier", err);
    if (status == RV_OK) {
        status = rv_classifier_check(out, err);
        if (status != RV_OK) rv_context(err, status, "%s", rv_checkpoint_path(ck));
    }
    if (status == RV_OK)
        status = rv_checkpoint_metadata_string(&accuracy, ck, "test_accuracy", err);
    if (status == RV_OK) status = rv_checkpoint_metadata_string(&seed, ck, "seed", err);
    if (status == RV_OK)
        snprintf(about, room, "%s (%zu parameters, seed %s, test accuracy %s)",
                 out->description, out->parameter_count, seed, accuracy);
    rv_checkpoint_close(ck);
    return status;
}

static rv_status read_percentiles(rv_percentiles *out, const rv_checkpoint *ck, const char *key,
                                  rv_error *err)
{
    const char *text;
    RV_TRY(rv_checkpoint_metadata_string(&text, ck, key, err));
    rv_status status = rv_percentiles_read(out, text, err);
    return status == RV_OK ? RV_OK
                           : rv_context(err, status, "%s: %s", rv_checkpoint_path(ck), key);
}

static rv_status read_autoencoder(job *j, const rv_checkpoint *ck, rv_error *err)
{
    rv_network encoder, decoder;
    const char *dataset, *seed, *loss;
    RV_TRY(rv_checkpoint_metadata_string(&dataset, ck, "dataset", err));
    RV_TRY(rv_checkpoint_metadata_string(&seed, ck, "seed", err));
    RV_TRY(rv_checkpoint_metadata_string(&loss, ck, "test_loss", err));
    RV_TRY(read_percentiles(&j->norms, ck, "code_norms", err));
    RV_TRY(read_percentiles(&j->errors, ck, "reencoding_errors", err));
    RV_TRY(read_percentiles(&j->distances, ck, "neighbour_distances", err));
    RV_TRY(rv_network_read(&encoder, ck, "encoder", err));
    rv_status status = rv_network_read(&decoder, ck, "decoder", err);
    if (status != RV_OK) {
        rv_network_release(&encoder);
        return status;
    }
    status = rv_image_autoencoder_join(&j->autoencoder, &encoder, &decoder, err);
    if (status != RV_OK) return rv_context(err, status, "%s", rv_checkpoint_path(ck));
    rv_image_gallery *g = j->gallery;
    snprintf(g->dataset, sizeof g->dataset, "%s", dataset);
    snprintf(g->autoencoder, sizeof g->autoencoder,
             "%s; latent; %s (%zu parameters, seed %s, test loss %s nats)",
             j->autoencoder.encoder.description, j->autoencoder.decoder.description,
             j->autoencoder.encoder.parameter_count + j->autoencoder.decoder.parameter_count,
             seed, loss);
    const rv_dataset *known = rv_dataset_named(dataset);
    for (size_t i = 0; i < RV_IMAGE_CLASSES; i++)
        snprintf(g->class_name[i], sizeof g->class_name[i], "%s", known->class_name[i]);
    return RV_OK;
}

static rv_status load(job *j, rv_error *err)
{
    const rv_image_dream_params *p = j->params;
    rv_image_gallery *g = j->gallery;
    rv_checkpoint *ck;
    const rv_dataset *dataset;
    RV_TRY(load_classifier(&j->attacked, g->attacked, sizeof g->attacked, p->weights,
                           "classifier.safetensors", err));
    RV_TRY(load_classifier(&j->judge, g->judge, sizeof g->judge, p->weights,
                           "judge.safetensors", err));
    RV_TRY(open_weights(&ck, p->weights, "autoencoder.safetensors", err));
    rv_status status = read_autoencoder(j, ck, err);
    rv_checkpoint_close(ck);
    if (status != RV_OK) return status;
    RV_TRY(rv_images_read(&j->set, p->data ? p->data : p->weights,
                          p->data ? "train" : "neighbours", err));
    RV_TRY(rv_dataset_recognise(&dataset, &j->set, err));
    if (p->data && strcmp(dataset->name, g->dataset) != 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: expected %s, which the networks of %s know, found %s", p->data,
                       g->dataset, p->weights, dataset->name);
    g->neighbours = j->set.count;
    g->whole_set = p->data != NULL;
    return RV_OK;
}

/* ---- targets --------------------------------------------------------------------------------- */

static rv_status find_unit(rv_image_target *out, const rv_network *net, const char *text,
                           rv_error *err)
{
    char layer[32], *end = NULL;
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0, index = 0;
    if (length > 0 && length < sizeof layer && colon[1] >= '0' && colon[1] <= '9') {
        memcpy(layer, text, length);
        layer[length] = '\0';
        index = strtoul(colon + 1, &end, 10);
    }
    if (!end || *end)
        return rv_fail(err, RV_ERR_USAGE, "unit '%.60s': expected LAYER:INDEX such as relu2:7",
                       text);
    *out = (rv_image_target){rv_network_find(net, layer), index};
    if (out->layer == SIZE_MAX)
        return rv_fail(err, RV_ERR_NOT_FOUND,
                       "unit '%.60s': the classifier has no layer '%s'; it is %s", text, layer,
                       net->description);
    size_t channels = net->layer[out->layer].out.channels;
    if (out->index >= channels)
        return rv_fail(err, RV_ERR_USAGE, "unit '%.60s': expected an index below %zu", text,
                       channels);
    return RV_OK;
}

static rv_status choose_targets(job *j, rv_error *err)
{
    const rv_image_dream_params *p = j->params;
    rv_image_gallery *g = j->gallery;
    if (p->unit) RV_TRY(find_unit(&j->target[0], &j->attacked, p->unit, err));
    // The last layer's outputs are the classes.
    const bool unit = p->unit && !rv_image_target_is_class(&j->target[0], &j->attacked);
    const int only = p->unit && !unit ? (int)j->target[0].index : p->only;
    g->units = unit;
    g->targets = unit || only >= 0 ? 1 : RV_IMAGE_CLASSES;
    RV_TRY(RV_NEW(g->target_name, g->targets, err));
    for (size_t i = 0; i < g->targets && !unit; i++) {
        size_t class = only >= 0 ? (size_t)only : i;
        j->target[i] = (rv_image_target){j->attacked.count - 1, class};
        snprintf(g->target_name[i], sizeof g->target_name[i], "%s", g->class_name[class]);
    }
    if (unit) snprintf(g->target_name[0], sizeof g->target_name[0], "%.31s", p->unit);
    return RV_OK;
}

/* ---- dreaming and measuring ---------------------------------------------------------------------- */

/* All starts of one target by one method. */
static rv_status dream_part(job *j, size_t part, rv_error *err)
{
    const rv_image_gallery *g = j->gallery;
    const size_t target = part / RV_IMAGE_METHODS, first = part * g->starts;
    const rv_image_ascent ascent = {.seed = g->seed,
                                    .starts = g->starts,
                                    .steps = g->steps,
                                    .norm_low = j->norms.value[25],
                                    .norm_high = j->norms.value[75]};
    return rv_image_ascend(j->images + first * RV_IMAGE_PIXELS, NULL, j->score + first,
                           (rv_image_method)(part % RV_IMAGE_METHODS), &j->target[target],
                           &j->attacked, &j->autoencoder, &ascent, err);
}

static bool report(const job *j, size_t done, size_t parts)
{
    const rv_image_dream_params *p = j->params;
    rv_progress event = {"dreaming", "ascents", NULL, (double)done, (double)parts};
    return !p->progress || p->progress(p->progress_context, &event);
}

/* Targets and methods side by side on the threads; each is a stream of random numbers of its own.
 */
static rv_status dream(job *j, rv_error *err)
{
    const size_t parts = j->gallery->targets * RV_IMAGE_METHODS;
    rv_status status = RV_OK;
    size_t done = 0;
#pragma omp parallel for num_threads(j->params->threads) schedule(dynamic)
    for (size_t part = 0; part < parts; part++) {
        rv_status before;
#pragma omp atomic read
        before = status;
        if (before != RV_OK) continue;
        rv_error own;
        rv_status s = dream_part(j, part, &own);
#pragma omp critical(rv_image_dream)
        {
            if (s == RV_OK && !report(j, ++done, parts))
                s = rv_fail(&own, RV_ERR_CANCELLED, "stopped after %zu of %zu ascents", done,
                            parts);
            if (s != RV_OK && status == RV_OK) {
                if (err) *err = own;
#pragma omp atomic write
                status = s;
            }
        }
    }
    return status;
}

/* Who and where each dream is, and its bytes. The images become what the bytes say. */
static void fill_dreams(job *j)
{
    rv_image_gallery *g = j->gallery;
    for (size_t first = 0; first < j->count; first += g->starts) {
        for (size_t i = first; i < first + g->starts; i++) {
            rv_image_picture *d = &g->dreams[i];
            real *image = j->images + i * RV_IMAGE_PIXELS;
            d->target = first / g->starts / RV_IMAGE_METHODS;
            d->method = (rv_image_method)(first / g->starts % RV_IMAGE_METHODS);
            d->start = i - first;
            d->score = j->score[i];
            for (size_t p = 0; p < RV_IMAGE_PIXELS; p++)
                d->pixels[p] = (uint8_t)(image[p] * 255 + (real)0.5);
            rv_image_numbers(image, d->pixels, RV_IMAGE_PIXELS);
        }
    }
}

/* Numbers of all dreams at once; column by column. */
typedef struct columns {
    double *value, *attacked, *judge, *norm, *error, *distance;
    size_t *neighbour, *class;
} columns;

static rv_status measure_targets(job *j, columns *c, rv_error *err)
{
    const rv_image_gallery *g = j->gallery;
    const size_t share = RV_IMAGE_METHODS * g->starts;
    for (size_t t = 0; t < g->targets; t++)
        RV_TRY(rv_image_values(c->value + t * share, &j->target[t], &j->attacked,
                               j->images + t * share * RV_IMAGE_PIXELS, share, err));
    for (size_t i = 0; i < j->count; i++) {
        c->attacked[i] = c->judge[i] = NAN;
        c->class[i] = g->units ? 0 : j->target[g->dreams[i].target].index;
    }
    if (g->units) return RV_OK;
    RV_TRY(rv_image_probability(c->attacked, &j->attacked, j->images, c->class, j->count, err));
    return rv_image_probability(c->judge, &j->judge, j->images, c->class, j->count, err);
}

static void copy_columns(job *j, const columns *c)
{
    for (size_t i = 0; i < j->count; i++) {
        rv_image_picture *d = &j->gallery->dreams[i];
        d->value = c->value[i];
        d->attacked = c->attacked[i];
        d->judge = c->judge[i];
        d->norm = c->norm[i];
        d->norm_rank = rv_percentiles_rank(&j->norms, d->norm);
        d->reencoding = c->error[i];
        d->reencoding_rank = rv_percentiles_rank(&j->errors, d->reencoding);
        d->neighbour = c->neighbour[i];
        d->neighbour_label = j->set.labels[d->neighbour];
        memcpy(d->neighbour_pixels, j->set.pixels + d->neighbour * RV_IMAGE_PIXELS,
               RV_IMAGE_PIXELS);
        d->distance = c->distance[i];
        d->distance_rank = rv_percentiles_rank(&j->distances, d->distance);
    }
}

static rv_status measure(job *j, rv_error *err)
{
    double *numbers = NULL;
    size_t *indices = NULL;
    const size_t n = j->count;
    const int threads = j->params->threads;
    rv_status status;
    RV_GOTO(RV_NEW(numbers, 6 * n, err));
    RV_GOTO(RV_NEW(indices, 2 * n, err));
    columns c = {numbers,         numbers + n,     numbers + 2 * n, numbers + 3 * n,
                 numbers + 4 * n, numbers + 5 * n, indices,         indices + n};
    RV_GOTO(measure_targets(j, &c, err));
    RV_GOTO(rv_image_reencode(c.norm, c.error, &j->autoencoder, j->images, n, threads, err));
    RV_GOTO(rv_neighbours_find(c.neighbour, c.distance, j->images, n, &j->set, threads, err));
    copy_columns(j, &c);
done:
    free(numbers);
    free(indices);
    return status;
}

/* Whether a is a better dream than b. All that the classifier is sure of are equally good to it: of them the most
 * typical one, whose code the autoencoder's prior finds likeliest. The judge and the data have no part in it. */
static bool is_better(const rv_image_picture *a, const rv_image_picture *b)
{
    bool sure = a->attacked >= SURE, other = b->attacked >= SURE; // NAN, of a unit: not sure
    if (sure != other) return sure;
    return sure ? a->norm < b->norm : a->score > b->score;
}

static void choose_best(rv_image_gallery *g, size_t count)
{
    for (size_t first = 0; first < count; first += g->starts) {
        rv_image_picture *best = &g->dreams[first];
        for (size_t i = first + 1; i < first + g->starts; i++)
            if (is_better(&g->dreams[i], best)) best = &g->dreams[i];
        best->best = true;
    }
}

static rv_status run(job *j, rv_error *err)
{
    RV_TRY(load(j, err));
    RV_TRY(choose_targets(j, err));
    rv_image_gallery *g = j->gallery;
    j->count = g->targets * RV_IMAGE_METHODS * g->starts;
    RV_TRY(RV_NEW(g->dreams, j->count, err));
    RV_TRY(RV_NEW(j->images, j->count * RV_IMAGE_PIXELS, err));
    RV_TRY(RV_NEW(j->score, j->count, err));
    RV_TRY(dream(j, err));
    fill_dreams(j);
    RV_TRY(measure(j, err));
    choose_best(g, j->count);
    return RV_OK;
}

static rv_status check_params(const rv_image_dream_params *p, rv_error *err)
{
    if (!p->weights)
        return rv_fail(err, RV_ERR_USAGE, "dreaming: expected a folder of weights");
    if (p->only >= RV_IMAGE_CLASSES)
        return rv_fail(err, RV_ERR_USAGE, "class: expected 0 to %d, found %d",
                       RV_IMAGE_CLASSES - 1, p->only);
    if (p->starts < 1 || p->starts > RV_IMAGE_MAX_STARTS)
        return rv_fail(err, RV_ERR_USAGE, "starts: expected 1 to %d, found %zu",
                       RV_IMAGE_MAX_STARTS, p->starts);
    if (p->steps < 1 || p->steps > MAX_STEPS)
        return rv_fail(err, RV_ERR_USAGE, "steps: expected 1 to %d, found %zu", MAX_STEPS,
                       p->steps);
    if (p->threads < 1 || p->threads > 1024)
        return rv_fail(err, RV_ERR_USAGE, "threads: expected 1 to 1024, found %d", p->threads);
    return RV_OK;
}

rv_status rv_vision_dream(rv_image_gallery *out, const rv_image_dream_params *params,
                          rv_error *err)
{
    *out = (rv_image_gallery){
        .starts = params->starts, .steps = params->steps, .seed = params->seed};
    RV_TRY(check_params(params, err));
    job j = {.params = params, .gallery = out};
    rv_status status = run(&j, err);
    rv_network_release(&j.attacked);
    rv_network_release(&j.judge);
    rv_image_autoencoder_release(&j.autoencoder);
    rv_images_release(&j.set);
    free(j.images);
    free(j.score);
    if (status != RV_OK) rv_image_gallery_release(out);
    return status;
}
