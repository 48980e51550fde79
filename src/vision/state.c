/* The state of a training in a file: parameters, AdamW's means, the best epoch's parameters as
 * float32, and where it stands as metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "ops/adamw.h"
#include "vision/trainer.h"
#include "vision/weights.h"

enum { KINDS = 4 };
static const char *const kinds[KINDS] = {"weights", "mean", "square", "best"};

static const real *numbers_of(const rv_learner_run *t, size_t net, size_t kind)
{
    const real *const all[KINDS] = {t->learner->net[net]->parameters, t->adamw[net].mean,
                                    t->adamw[net].square, t->best[net]};
    return all[kind];
}

static rv_status digest(char hex[RV_HASH_HEX], const rv_images *images, rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, images->pixels, images->count * RV_IMAGE_PIXELS);
    rv_hash_add(hash, images->labels, images->count);
    rv_hash_finish(hash, hex);
    rv_hash_free(hash);
    return RV_OK;
}

/* Two trainings with the same text are the same training. */
static rv_status describe(char *out, size_t room, const rv_learner_run *t, rv_error *err)
{
    const rv_learner_settings *s = t->settings;
    char hex[RV_HASH_HEX];
    RV_TRY(digest(hex, t->images, err));
    int used = snprintf(out, room,
                        "seed %llu, %zu epochs, batch %zu, rate %.17g, decay %.17g, shift %zu, "
                        "%zu held out, images %s",
                        (unsigned long long)s->seed, s->epochs, s->batch, s->rate, s->decay,
                        s->shift, s->held_out, hex);
    for (size_t i = 0; i < t->learner->nets && used > 0 && (size_t)used < room; i++)
        used +=
            snprintf(out + used, room - (size_t)used, "; %s", t->learner->net[i]->description);
    return used > 0 && (size_t)used < room
               ? RV_OK
               : rv_fail(err, RV_ERR_USAGE, "settings: their description is too long");
}

static json_t *make_metadata(const rv_learner_run *t, const char *settings)
{
    char loss[40], step[24];
    snprintf(loss, sizeof loss, "%.17g", t->epoch_loss);
    snprintf(step, sizeof step, "%zu", t->step);
    json_t *curve = rv_learning_curve_json(t->curve);
    char *text = json_dumps(curve, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_t *metadata = json_pack("{s:s, s:s, s:s, s:s?}", "settings", settings, "step", step,
                                 "epoch_loss", loss, "curve", text);
    json_decref(curve);
    free(text);
    return metadata;
}

rv_status rv_learner_save(const rv_learner_run *t, rv_error *err)
{
    if (!t->settings->state) return RV_OK;
    rv_named_network networks[RV_LEARNER_NETS * KINDS];
    char names[RV_LEARNER_NETS * KINDS][32], settings[4096];
    size_t count = 0;
    for (size_t net = 0; net < t->learner->nets; net++)
        for (size_t kind = 0; kind < KINDS; kind++, count++) {
            snprintf(names[count], sizeof names[count], "%s.%s", t->learner->name[net],
                     kinds[kind]);
            networks[count] = (rv_named_network){names[count], t->learner->net[net],
                                                 numbers_of(t, net, kind)};
        }
    RV_TRY(describe(settings, sizeof settings, t, err));
    json_t *metadata = make_metadata(t, settings);
    rv_status status =
        metadata ? rv_networks_write(t->settings->state, networks, count, RV_F32, metadata, err)
                 : rv_fail_memory(err, sizeof settings);
    json_decref(metadata);
    return status;
}

static bool read_curve(rv_learning_curve *curve, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    const json_t *train = json_object_get(json, "train_loss"),
                 *loss = json_object_get(json, "loss"),
                 *accuracy = json_object_get(json, "accuracy");
    size_t count = json_array_size(loss);
    bool ok = json_is_array(loss) && count <= RV_MAX_EPOCHS &&
              json_array_size(train) == count && json_array_size(accuracy) == count;
    curve->count = curve->best = 0;
    for (size_t i = 0; ok && i < count; i++) {
        const json_t *t = json_array_get(train, i), *l = json_array_get(loss, i),
                     *a = json_array_get(accuracy, i);
        ok = json_is_number(t) && json_is_number(l) && json_is_number(a);
        curve->epoch[curve->count++] = (rv_learning_epoch){
            json_number_value(t), json_number_value(l), json_number_value(a)};
        if (curve->epoch[i].loss < curve->epoch[curve->best].loss) curve->best = i;
    }
    json_decref(json);
    return ok;
}

static rv_status read_state(rv_learner_run *t, const rv_checkpoint *ck, rv_error *err)
{
    const char *path = t->settings->state, *settings, *curve;
    char expected[4096];
    RV_TRY(describe(expected, sizeof expected, t, err));
    RV_TRY(rv_checkpoint_metadata_string(&settings, ck, "settings", err));
    if (strcmp(settings, expected) != 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: the state of another training (%.300s); remove it or name another "
                       "output",
                       path, settings);
    size_t total = t->settings->epochs * t->steps;
    RV_TRY(rv_checkpoint_metadata_count(&t->step, ck, "step", total, err));
    RV_TRY(rv_checkpoint_metadata_number(&t->epoch_loss, ck, "epoch_loss", err));
    RV_TRY(rv_checkpoint_metadata_string(&curve, ck, "curve", err));
    if (!read_curve(t->curve, curve) || t->curve->count != t->step / t->steps)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: metadata: curve: expected the losses and accuracies of %zu epochs, "
                       "found '%.60s'",
                       path, t->step / t->steps, curve);
    for (size_t net = 0; net < t->learner->nets; net++)
        for (size_t kind = 0; kind < KINDS; kind++) {
            char name[32];
            snprintf(name, sizeof name, "%s.%s", t->learner->name[net], kinds[kind]);
            RV_TRY(rv_network_read_parameters((real *)numbers_of(t, net, kind),
                                              t->learner->net[net], ck, name, err));
        }
    for (size_t net = 0; net < t->learner->nets; net++) {
        if (!rv_adamw_squares_hold(t->adamw[net].square, t->learner->net[net]->parameter_count))
            return rv_fail(err, RV_ERR_FORMAT,
                           "%s: tensors of %s.square: expected no number below 0", path,
                           t->learner->name[net]);
        rv_network_refresh(t->learner->net[net]);
    }
    return RV_OK;
}

rv_status rv_learner_load(rv_learner_run *t, bool *found, rv_error *err)
{
    *found = t->settings->state && rv_file_exists(t->settings->state);
    if (!*found) return RV_OK;
    rv_checkpoint *ck;
    RV_TRY(rv_checkpoint_open(&ck, t->settings->state, err));
    rv_status status = read_state(t, ck, err);
    rv_checkpoint_close(ck);
    return status;
}
