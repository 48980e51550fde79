/* The state of a training in a file: parameters and AdamW's means as float32, and where it stands as metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_files.h"
#include "autoencoder/text_train.h"
#include "base/memory.h"
#include "ops/adamw.h"

enum { KINDS = 3, NUMBERS = 7 };
static const char *const kinds[KINDS] = {"weights", "mean", "square"};

static real *numbers_of(const rv_text_training *t, size_t kind)
{
    real *const all[KINDS] = {t->ae->parameters, t->mean, t->square};
    return all[kind];
}

/* Two trainings with the same text are the same training. When to stop is not part of it, nor is the number
 * of steps: a training that goes on with more of them follows the rates of the longer schedule from there. */
static rv_status describe(char *out, size_t room, const rv_text_training *t, rv_error *err)
{
    const rv_text_train_settings *s = t->settings;
    const rv_text_autoencoder_config *c = &t->ae->config;
    char site[RV_SITE_NAME_MAX];
    rv_site_name(site, c->site);
    int used = snprintf(
        out, room,
        "%s, batch %zu, draws %zu, rate %.17g, decay %.17g, clip %.17g, corruption "
        "%.17g, dropout %.17g, replaced %.17g, shuffled %.17g, site weight %.17g, cycle weight "
        "%.17g, judged every %zu, seed "
        "%llu; "
        "%s, width %zu, heads %zu, layers %zu and %zu, code %zu, %zu tokens a slot of %zu, "
        "noise "
        "%.17g%s",
        s->identity ? s->identity : "", s->batch, s->draws, s->rate, s->decay, s->clip,
        s->corruption, s->dropout, s->replaced, s->shuffled, s->site_weight, s->cycle_weight,
        s->judge_every, (unsigned long long)s->seed, site, c->width, c->heads,
        c->encoder_layers, c->decoder_layers, c->code, c->tokens_per_slot, c->tokens, c->noise,
        c->language_model ? "" : ", no language model");
    return used > 0 && (size_t)used < room
               ? RV_OK
               : rv_fail(err, RV_ERR_USAGE, "settings: their description is too long");
}

json_t *rv_text_curve_json(const rv_text_curve *curve)
{
    json_t *array = json_array();
    for (size_t i = 0; i < curve->count; i++) {
        const rv_text_curve_point *p = &curve->items[i];
        json_array_append_new(array,
                              json_pack("[f,f,f,f,f,f,f]", (double)p->step, p->loss, p->site,
                                        p->full, p->sampled, p->accuracy, p->exact));
    }
    return array;
}

rv_status rv_text_training_save(const rv_text_training *t, rv_error *err)
{
    if (!t->settings->state) return RV_OK;
    char settings[2048], step[24], loss[40], site[40];
    RV_TRY(describe(settings, sizeof settings, t, err));
    snprintf(step, sizeof step, "%zu", t->step);
    snprintf(loss, sizeof loss, "%.17g", t->loss_sum);
    snprintf(site, sizeof site, "%.17g", t->site_sum);
    json_t *curve = rv_text_curve_json(t->curve);
    char *text = json_dumps(curve, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(curve);
    json_t *metadata = json_pack("{s:s, s:s, s:s, s:s, s:s?}", "settings", settings, "step",
                                 step, "loss_sum", loss, "site_sum", site, "curve", text);
    free(text);
    rv_tensor_source tensors[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        tensors[i] =
            (rv_tensor_source){kinds[i], numbers_of(t, i), 1, {t->ae->parameter_count}};
    rv_status status = metadata ? rv_safetensors_write(t->settings->state, tensors, KINDS,
                                                       RV_F32, metadata, err)
                                : rv_fail_memory(err, sizeof settings);
    json_decref(metadata);
    return status;
}

/* Points of which the last is no later than step. False: they are not. */
static bool read_points(rv_text_curve *curve, const json_t *points, size_t step)
{
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i), *number;
        double n[NUMBERS];
        if (json_array_size(point) != NUMBERS) return false;
        for (size_t k = 0; k < NUMBERS; k++) {
            number = json_array_get(point, k);
            if (!json_is_number(number)) return false;
            n[k] = json_number_value(number);
        }
        if (!(n[0] >= 0 && n[0] <= (double)step)) return false;
        if (curve->count && n[0] < (double)curve->items[curve->count - 1].step) return false;
        curve->items[curve->count++] =
            (rv_text_curve_point){(size_t)n[0], n[1], n[2], n[3], n[4], n[5], n[6]};
    }
    return json_is_array(points);
}

static rv_status read_curve(rv_text_curve *curve, const rv_checkpoint *ck, size_t step,
                            rv_error *err)
{
    const char *text;
    RV_TRY(rv_checkpoint_metadata_string(&text, ck, "curve", err));
    json_t *points = json_loads(text, 0, NULL);
    curve->count = 0;
    rv_status status = rv_grow((void **)&curve->items, &curve->capacity,
                               json_array_size(points) + 1, sizeof *curve->items, err);
    if (status == RV_OK && !read_points(curve, points, step))
        status = rv_fail(err, RV_ERR_FORMAT,
                         "%s: metadata: curve: expected rows of %d numbers, their steps rising "
                         "up to %zu, found '%.60s'",
                         rv_checkpoint_path(ck), NUMBERS, step, text);
    json_decref(points);
    return status;
}

static rv_status read_state(rv_text_training *t, const rv_checkpoint *ck, rv_error *err)
{
    const char *path = t->settings->state, *settings;
    char expected[2048];
    RV_TRY(describe(expected, sizeof expected, t, err));
    RV_TRY(rv_checkpoint_metadata_string(&settings, ck, "settings", err));
    if (strcmp(settings, expected) != 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: the state of another training (%.400s); remove it or name another "
                       "output folder",
                       path, settings);
    RV_TRY(rv_checkpoint_metadata_count(&t->step, ck, "step", t->settings->steps, err));
    RV_TRY(rv_checkpoint_metadata_number(&t->loss_sum, ck, "loss_sum", err));
    RV_TRY(rv_checkpoint_metadata_number(&t->site_sum, ck, "site_sum", err));
    RV_TRY(read_curve(t->curve, ck, t->step, err));
    for (size_t i = 0; i < KINDS; i++)
        RV_TRY(
            rv_text_read_tensor(numbers_of(t, i), ck, kinds[i], t->ae->parameter_count, err));
    if (!rv_adamw_squares_hold(t->square, t->ae->parameter_count))
        return rv_fail(err, RV_ERR_FORMAT, "%s: tensor 'square': expected no number below 0",
                       path);
    rv_text_autoencoder_refresh(t->ae, t->settings->threads);
    return RV_OK;
}

rv_status rv_text_training_load(rv_text_training *t, bool *found, rv_error *err)
{
    *found = t->settings->state && rv_file_exists(t->settings->state);
    if (!*found) return RV_OK;
    rv_checkpoint *ck;
    RV_TRY(rv_checkpoint_open(&ck, t->settings->state, err));
    rv_status status = read_state(t, ck, err);
    rv_checkpoint_close(ck);
    return status;
}
