#include "vision/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "ops/adamw.h"
#include "vision/trainer.h"

enum { WARM_UP = 200 }; // steps

void rv_image_shift(real *out, const unsigned char *pixels, int dy, int dx)
{
    for (int y = 0; y < RV_IMAGE_SIDE; y++)
        for (int x = 0; x < RV_IMAGE_SIDE; x++) {
            int from_y = y - dy, from_x = x - dx;
            bool inside =
                from_y >= 0 && from_y < RV_IMAGE_SIDE && from_x >= 0 && from_x < RV_IMAGE_SIDE;
            *out++ = inside ? (real)pixels[from_y * RV_IMAGE_SIDE + from_x] / 255 : 0;
        }
}

json_t *rv_learning_curve_json(const rv_learning_curve *curve)
{
    json_t *train = json_array(), *loss = json_array(), *accuracy = json_array();
    for (size_t i = 0; i < curve->count; i++) {
        json_array_append_new(train, json_real(curve->epoch[i].train_loss));
        json_array_append_new(loss, json_real(curve->epoch[i].loss));
        json_array_append_new(accuracy, json_real(curve->epoch[i].accuracy));
    }
    return json_pack("{s:o, s:o, s:o}", "train_loss", train, "loss", loss, "accuracy",
                     accuracy);
}

rv_learner_part rv_learner_judge(const rv_learner *learner, const rv_images *images,
                                 size_t first, size_t count, size_t capacity, int threads)
{
    enum { ROOM = 64 };
    rv_learner_part shard[RV_SHARDS] = {{0}}, sum = {0};
    if (capacity > ROOM) capacity = ROOM;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t s = 0; s < RV_SHARDS; s++) {
        real input[ROOM * RV_IMAGE_PIXELS];
        for (size_t i = s * capacity; i < count; i += RV_SHARDS * capacity) {
            size_t n = count - i < capacity ? count - i : capacity;
            for (size_t j = 0; j < n; j++)
                rv_image_shift(input + j * RV_IMAGE_PIXELS,
                               images->pixels + (first + i + j) * RV_IMAGE_PIXELS, 0, 0);
            rv_learner_part part = learner->loss(learner->context, s, input,
                                                 images->labels + first + i, NULL, n, 1, NULL);
            shard[s].loss += part.loss;
            shard[s].correct += part.correct;
        }
    }
    for (size_t s = 0; s < RV_SHARDS; s++) {
        sum.loss += shard[s].loss;
        sum.correct += shard[s].correct;
    }
    return sum;
}

static double learning_rate(const rv_learner_run *t)
{
    double total = (double)(t->settings->epochs * t->steps), step = (double)t->step;
    double warm = WARM_UP < total / 10 ? WARM_UP : total / 10;
    return rv_cosine_rate(t->settings->rate, step, warm, total);
}

static void shuffle(rv_learner_run *t, size_t epoch)
{
    rv_random random = rv_random_stream(t->settings->seed, epoch + 1, UINT32_MAX);
    for (size_t i = 0; i < t->training; i++) t->order[i] = i;
    rv_random_shuffle(&random, t->order, t->training, sizeof *t->order);
}

/* One shard's samples, shifted at random, and what they add to loss and gradient. */
static rv_learner_part run_shard(rv_learner_run *t, size_t shard)
{
    const rv_learner_settings *s = t->settings;
    const size_t count = s->batch / RV_SHARDS, epoch = t->step / t->steps;
    const size_t first = shard * count, place = t->step % t->steps * s->batch + first;
    real *gradients[RV_LEARNER_NETS];
    for (size_t net = 0; net < t->learner->nets; net++) {
        size_t parameters = t->learner->net[net]->parameter_count;
        gradients[net] = t->gradient[net] + shard * parameters;
        memset(gradients[net], 0, parameters * sizeof(real));
    }
    for (size_t i = 0; i < count; i++) {
        size_t index = t->order[place + i], range = 2 * s->shift + 1;
        rv_random *random = &t->random[first + i];
        *random = rv_random_stream(s->seed, epoch + 1, (uint32_t)(place + i));
        int dy = (int)rv_random_below(random, range) - (int)s->shift;
        int dx = (int)rv_random_below(random, range) - (int)s->shift;
        t->labels[first + i] = t->images->labels[index];
        rv_image_shift(t->input + (first + i) * RV_IMAGE_PIXELS,
                       t->images->pixels + index * RV_IMAGE_PIXELS, dy, dx);
    }
    double progress = (double)t->step / (double)(t->steps * s->epochs);
    return t->learner->loss(t->learner->context, shard, t->input + first * RV_IMAGE_PIXELS,
                            t->labels + first, t->random + first, count, progress, gradients);
}

/* Adds the shards' gradients into the first, as a mean over the batch. */
static void gather_gradient(rv_learner_run *t, size_t net)
{
    const size_t count = t->learner->net[net]->parameter_count;
    real *sum = t->gradient[net];
    for (size_t shard = 1; shard < RV_SHARDS; shard++)
        for (size_t i = 0; i < count; i++) sum[i] += sum[shard * count + i];
    for (size_t i = 0; i < count; i++) sum[i] /= (real)t->settings->batch;
}

static bool all_finite(const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static rv_status fail_numeric(const rv_learner_run *t, const char *what, rv_error *err)
{
    const char *state = t->settings->state;
    return rv_fail(
        err, RV_ERR_NUMERIC,
        "step %zu: %s is not finite (learning rate %g); %zu whole epochs were trained%s%s",
        t->step, what, learning_rate(t), t->curve->count,
        state ? "; the last good weights are in " : "", state ? state : "");
}

static rv_status check_gradient(const rv_learner_run *t, size_t net, rv_error *err)
{
    const rv_network *n = t->learner->net[net];
    char what[96];
    for (size_t i = 0; i < n->count; i++) {
        const rv_layer *l = &n->layer[i];
        bool weight = all_finite(t->gradient[net] + l->weight, l->weights);
        if (weight && all_finite(t->gradient[net] + l->bias, l->biases)) continue;
        snprintf(what, sizeof what, "the gradient of %s.%s.%s", t->learner->name[net], l->name,
                 weight ? "bias" : "weight");
        return fail_numeric(t, what, err);
    }
    return RV_OK;
}

static rv_status run_step(rv_learner_run *t, rv_error *err)
{
    rv_learner_part part[RV_SHARDS];
    double loss = 0;
#pragma omp parallel for num_threads(t->settings->threads) schedule(static)
    for (size_t shard = 0; shard < RV_SHARDS; shard++) part[shard] = run_shard(t, shard);
    for (size_t shard = 0; shard < RV_SHARDS; shard++) loss += part[shard].loss;
    loss /= (double)t->settings->batch;
    for (size_t net = 0; net < t->learner->nets; net++) {
        gather_gradient(t, net);
        RV_TRY(check_gradient(t, net, err));
    }
    if (!isfinite(loss)) return fail_numeric(t, "the loss", err);
    for (size_t net = 0; net < t->learner->nets; net++)
        rv_network_adamw_step(&t->adamw[net], t->learner->net[net], t->gradient[net], t->step,
                              learning_rate(t), t->settings->decay);
    t->epoch_loss += loss;
    t->step++;
    return RV_OK;
}

static rv_status end_epoch(rv_learner_run *t, rv_error *err)
{
    const rv_learner_settings *s = t->settings;
    rv_learner_part part = rv_learner_judge(t->learner, t->images, t->training, s->held_out,
                                            s->batch / RV_SHARDS, s->threads);
    double count = (double)s->held_out;
    rv_learning_curve *curve = t->curve;
    curve->epoch[curve->count] = (rv_learning_epoch){t->epoch_loss / (double)t->steps,
                                                     part.loss / count, part.correct / count};
    if (!isfinite(part.loss)) return fail_numeric(t, "the loss of the held-out images", err);
    if (curve->count == 0 || curve->epoch[curve->count].loss < curve->epoch[curve->best].loss) {
        curve->best = curve->count;
        for (size_t net = 0; net < t->learner->nets; net++)
            memcpy(t->best[net], t->learner->net[net]->parameters,
                   t->learner->net[net]->parameter_count * sizeof(real));
    }
    curve->count++;
    t->epoch_loss = 0;
    return rv_learner_save(t, err);
}

static bool report(const rv_learner_run *t)
{
    const rv_learner_settings *s = t->settings;
    if (!s->progress) return true;
    char note[120] = "";
    const rv_learning_curve *c = t->curve;
    size_t in_epoch = t->step % t->steps;
    int used = 0;
    if (in_epoch)
        used = snprintf(note, sizeof note, "loss %.4g", t->epoch_loss / (double)in_epoch);
    if (c->count)
        snprintf(note + used, sizeof note - (size_t)used, "%sheld out %.4g after %zu epochs",
                 used ? ", " : "", c->epoch[c->count - 1].loss, c->count);
    rv_progress event = {"training", "images", note, (double)(t->step * s->batch),
                         (double)(s->epochs * t->steps * s->batch)};
    return s->progress(s->context, &event);
}

static rv_status run_epochs(rv_learner_run *t, rv_error *err)
{
    bool found;
    RV_TRY(rv_learner_load(t, &found, err));
    // Written at once, so that a full disk is met before the work and not after it.
    if (!found) RV_TRY(rv_learner_save(t, err));
    const size_t total = t->settings->epochs * t->steps;
    if (t->step < total) shuffle(t, t->step / t->steps);
    while (t->step < total) {
        if (!report(t)) {
            RV_TRY(rv_learner_save(t, err));
            const char *state = t->settings->state;
            return rv_fail(err, RV_ERR_CANCELLED, "stopped at step %zu of %zu%s%s", t->step,
                           total, state ? "; the same command goes on from " : "",
                           state ? state : "");
        }
        RV_TRY(run_step(t, err));
        if (t->step % t->steps) continue;
        RV_TRY(end_epoch(t, err));
        if (t->step < total) shuffle(t, t->step / t->steps);
    }
    report(t);
    return RV_OK;
}

static void take_best(rv_learner_run *t)
{
    for (size_t net = 0; net < t->learner->nets; net++) {
        rv_network *n = t->learner->net[net];
        memcpy(n->parameters, t->best[net], n->parameter_count * sizeof(real));
        rv_network_refresh(n);
    }
}

static rv_status check_settings(const rv_learner_settings *s, const rv_images *images,
                                rv_error *err)
{
    if (s->batch < RV_SHARDS || s->batch % RV_SHARDS)
        return rv_fail(err, RV_ERR_USAGE, "batch: expected a multiple of %d, found %zu",
                       RV_SHARDS, s->batch);
    if (s->epochs < 1 || s->epochs > RV_MAX_EPOCHS)
        return rv_fail(err, RV_ERR_USAGE, "epochs: expected 1 to %d, found %zu", RV_MAX_EPOCHS,
                       s->epochs);
    if (s->held_out < 1 || s->held_out > images->count ||
        images->count - s->held_out < s->batch)
        return rv_fail(
            err, RV_ERR_USAGE,
            "images: expected at least %zu, a batch of %zu and %zu held out, found %zu",
            s->batch + s->held_out, s->batch, s->held_out, images->count);
    return RV_OK;
}

static rv_status allocate(rv_learner_run *t, rv_error *err)
{
    const size_t batch = t->settings->batch;
    for (size_t net = 0; net < t->learner->nets; net++) {
        const rv_network *n = t->learner->net[net];
        RV_TRY(rv_network_adamw_init(&t->adamw[net], n, err));
        RV_TRY(RV_NEW(t->best[net], n->parameter_count, err));
        RV_TRY(RV_NEW(t->gradient[net], RV_SHARDS * n->parameter_count, err));
    }
    RV_TRY(RV_NEW(t->input, batch * RV_IMAGE_PIXELS, err));
    RV_TRY(RV_NEW(t->labels, batch, err));
    RV_TRY(RV_NEW(t->random, batch, err));
    return RV_NEW(t->order, t->training, err);
}

static void release(rv_learner_run *t)
{
    for (size_t net = 0; net < RV_LEARNER_NETS; net++) {
        rv_network_adamw_release(&t->adamw[net]);
        free(t->best[net]);
        free(t->gradient[net]);
    }
    free(t->input);
    free(t->labels);
    free(t->random);
    free(t->order);
}

rv_status rv_learner_train(rv_learning_curve *curve, const rv_learner *learner,
                           const rv_images *images, const rv_learner_settings *settings,
                           rv_error *err)
{
    *curve = (rv_learning_curve){.count = 0};
    RV_TRY(check_settings(settings, images, err));
    rv_learner_run t = {
        .learner = learner, .images = images, .settings = settings, .curve = curve};
    t.training = images->count - settings->held_out;
    t.steps = t.training / settings->batch;
    rv_status status = allocate(&t, err);
    if (status == RV_OK) status = run_epochs(&t, err);
    if (curve->count > 0) take_best(&t);
    release(&t);
    if (status == RV_OK && settings->state) unlink(settings->state);
    return status;
}
