#include "autoencoder/text_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_step.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/adamw.h"

enum { SAMPLES = 16, SAMPLE_LENGTH = 12, SITE_ROWS = 65536 };

static const double SAVE_SECONDS = 45;

rv_text_train_settings rv_text_train_settings_default(void)
{
    return (rv_text_train_settings){.seed = 1,
                                    .steps = 10000,
                                    .batch = 32,
                                    .draws = 2048,
                                    .rate = 2e-3,
                                    .decay = 0.01,
                                    .clip = 1,
                                    .corruption = 0.05,
                                    .dropout = 0.2,
                                    .replaced = 0.1,
                                    .shuffled = 0.03,
                                    .site_weight = 0.5,
                                    .cycle_weight = 0.1,
                                    .judge_every = 250,
                                    .threads = 1};
}

/* ---- how it stands --------------------------------------------------------------------------- */

/* The first tokens of held-out windows, written freely from what the encoder makes of them. */
static rv_status write_samples(rv_text_trainer *x, rv_text_curve_point *point, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    const rv_text_windows *w = x->windows;
    size_t n = SIZE_MAX, count = w->held_out < SAMPLES ? w->held_out : SAMPLES, right = 0,
           whole = 0;
    int32_t ids[SAMPLES * SAMPLE_LENGTH], back[SAMPLES * SAMPLE_LENGTH];
    for (size_t i = 0; i < count; i++)
        n = w->length[x->training + i] < n ? w->length[x->training + i] : n;
    n = n < SAMPLE_LENGTH ? n : SAMPLE_LENGTH;
    for (size_t i = 0; i < count; i++)
        memcpy(ids + i * n, w->ids + w->first[x->training + i], n * sizeof *ids);
    RV_TRY(rv_text_autoencoder_encode(x->learner->z, x->t.ae, ids, count, n, s->threads, err));
    RV_TRY(rv_text_autoencoder_decode(back, NULL, x->t.ae, x->learner->z, count, n, s->threads,
                                      err));
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t t = 0; t < n; t++) same += ids[i * n + t] == back[i * n + t];
        right += same;
        whole += same == n;
    }
    point->accuracy = (double)right / (double)(count * n);
    point->exact = (double)whole / (double)count;
    size_t shown = x->t.curve->count % count;
    if (s->sample) s->sample(s->context, ids + shown * n, back + shown * n, n);
    return RV_OK;
}

static rv_status judge(rv_text_trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t windows[1024],
        count = x->windows->held_out < s->batch ? x->windows->held_out : s->batch;
    double steps =
        (double)(x->t.step -
                 (x->t.curve->count ? x->t.curve->items[x->t.curve->count - 1].step : 0));
    for (size_t i = 0; i < count; i++) windows[i] = x->training + i;
    size_t N = rv_text_gather(x, windows, count, SIZE_MAX);
    rv_random random = rv_random_stream(s->seed, RV_TEXT_JUDGED, (uint32_t)x->t.step);
    rv_text_candidates_draw(x->label, x->candidates, x->ids, N, s->draws, &random, s->threads);
    rv_text_batch batch = {.ids = x->ids,
                           .length = x->length,
                           .count = count,
                           .rows = x->rows,
                           .hidden = x->hidden,
                           .head = &x->candidates->head,
                           .head_rows = x->candidates->count,
                           .label = x->label};
    rv_text_loss sampled, full;
    RV_TRY(rv_text_batch_loss(&sampled, x->learner, &batch, NULL, err));
    batch.head = ae->subject->head;
    batch.head_rows = ae->subject->config.vocabulary;
    batch.label = x->ids;
    RV_TRY(rv_text_batch_loss(&full, x->learner, &batch, NULL, err));
    rv_text_curve_point point = {.step = x->t.step,
                                 .loss = x->t.loss_sum / steps,
                                 .site = x->t.site_sum / steps,
                                 .full = full.nll,
                                 .sampled = sampled.nll};
    RV_TRY(write_samples(x, &point, err));
    rv_text_curve *c = x->t.curve;
    RV_TRY(rv_grow((void **)&c->items, &c->capacity, c->count + 1, sizeof *c->items, err));
    c->items[c->count++] = point;
    x->t.loss_sum = x->t.site_sum = 0;
    return RV_OK;
}

static bool report(rv_text_trainer *x)
{
    const rv_text_train_settings *s = x->t.settings;
    if (!s->progress) return true;
    double elapsed = rv_seconds() - x->started;
    const rv_text_curve *c = x->t.curve;
    char note[160];
    int used = snprintf(note, sizeof note, "loss %.3f", x->last_loss);
    if (elapsed > 0 && x->t.step > x->began && used > 0)
        used += snprintf(note + used, sizeof note - (size_t)used, ", %.0f tokens/s",
                         (double)x->tokens / elapsed);
    if (c->count && used > 0)
        snprintf(note + used, sizeof note - (size_t)used, ", held out %.3f, %.0f %% of tokens",
                 c->items[c->count - 1].full, 100 * c->items[c->count - 1].accuracy);
    rv_progress event = {"training", "steps", note, (double)x->t.step, (double)s->steps};
    return s->progress(s->context, &event);
}

static rv_status save(rv_text_trainer *x, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    RV_TRY(rv_text_training_save(&x->t, err));
    x->saved = rv_seconds();
    return s->saved ? s->saved(s->context, x->t.step, x->t.curve, err) : RV_OK;
}

static rv_status run_all(rv_text_trainer *x, bool *done, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    bool found;
    RV_TRY(rv_text_training_load(&x->t, &found, err));
    // Written at once, so that a full disk is met before the work and not after it.
    if (!found) RV_TRY(save(x, err));
    x->started = x->saved = rv_seconds();
    x->began = x->t.step;
    while (x->t.step < s->steps) {
        if (!report(x)) {
            RV_TRY(save(x, err));
            return rv_fail(err, RV_ERR_CANCELLED,
                           "stopped after %zu of %zu steps; the same command goes on",
                           x->t.step, s->steps);
        }
        bool late = s->minutes > 0 && rv_seconds() - x->started > 60 * s->minutes;
        if (late || (s->stop && x->t.step >= s->stop)) break;
        RV_TRY(rv_text_step(x, err));
        if (x->t.step % s->judge_every == 0 || x->t.step == s->steps) RV_TRY(judge(x, err));
        if (s->state && rv_seconds() - x->saved > SAVE_SECONDS) RV_TRY(save(x, err));
    }
    report(x);
    *done = x->t.step == s->steps;
    return save(x, err);
}

/* ---- setting up ------------------------------------------------------------------------------ */

/* Mean and deviation of the rows at an inner site, over the first windows. */
static rv_status measure_site(rv_text_trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_windows *w = x->windows;
    size_t C = ae->subject->config.width, N = 0;
    double *sum = NULL, *square = NULL, variance = 0;
    rv_status status;
    RV_GOTO(RV_NEW(sum, C, err));
    RV_GOTO(RV_NEW(square, C, err));
    for (size_t i = 0; i < x->training && N < SITE_ROWS; i++) {
        rv_text_cache_read(x->hidden, x->rows, x->cache, ae, w, i);
        for (size_t k = 0; k < w->length[i] * C; k++) {
            double v = (double)x->rows[k];
            sum[k % C] += v;
            square[k % C] += v * v;
        }
        N += w->length[i];
    }
    for (size_t k = 0; k < C; k++) {
        double mean = sum[k] / (double)N;
        ae->site_mean[k] = (real)mean;
        variance += (square[k] / (double)N - mean * mean) / (double)C;
    }
    if (!(variance > 0 && isfinite(variance)))
        RV_GOTO(rv_fail(err, RV_ERR_NUMERIC,
                        "the residual stream at the site: its variance is %g", variance));
    ae->site_scale = (real)(1 / sqrt(variance));
done:
    free(sum);
    free(square);
    return status;
}

static rv_status check_settings(const rv_text_trainer *x, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    if (s->steps < 1 || s->steps >= UINT32_MAX)
        return rv_fail(err, RV_ERR_USAGE, "steps: expected 1 to %u, found %zu", UINT32_MAX - 1,
                       s->steps);
    if (s->batch < 1 || s->batch > 1024)
        return rv_fail(err, RV_ERR_USAGE, "batch: expected 1 to 1024 windows, found %zu",
                       s->batch);
    if (s->judge_every < 1 || s->draws > (1u << 24))
        return rv_fail(err, RV_ERR_USAGE,
                       "training: expected steps between judgements and at most 2^24 draws");
    if (!(s->rate > 0 && s->decay >= 0 && s->corruption >= 0 && s->corruption < 1 &&
          s->replaced >= 0 && s->replaced < 1 && s->shuffled >= 0 && s->shuffled <= 1 &&
          s->dropout >= 0 && s->dropout <= 1 && s->site_weight >= 0 && s->cycle_weight >= 0))
        return rv_fail(
            err, RV_ERR_USAGE,
            "training: expected a rate above 0, weights of at least 0, and shares of "
            "tokens from 0 to 1");
    if (x->training < s->batch || x->windows->held_out == 0)
        return rv_fail(
            err, RV_ERR_USAGE,
            "corpus: expected at least a batch of %zu windows and one held out, found "
            "%zu and %zu",
            s->batch, x->training, x->windows->held_out);
    return RV_OK;
}

static rv_status allocate(rv_text_trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t C = ae->subject->config.width, longest = 0;
    for (size_t i = 0; i < x->windows->count; i++)
        longest = x->windows->length[i] > longest ? x->windows->length[i] : longest;
    x->most = s->batch * longest;
    if (longest > ae->config.tokens)
        return rv_fail(err, RV_ERR_USAGE,
                       "windows: expected at most the autoencoder's %zu tokens, found %zu",
                       ae->config.tokens, longest);
    RV_TRY(RV_NEW(x->order, x->training, err));
    RV_TRY(RV_NEW(x->ids, x->most, err));
    RV_TRY(RV_NEW(x->label, x->most, err));
    RV_TRY(RV_NEW(x->length, s->batch, err));
    RV_TRY(RV_NEW(x->dropped, x->most, err));
    RV_TRY(RV_NEW(x->rows, x->most * C, err));
    RV_TRY(RV_NEW(x->hidden, x->most * C, err));
    RV_TRY(RV_NEW(x->seen, x->most * C, err));
    RV_TRY(RV_NEW(x->mixed, x->most, err));
    if (rv_text_is_inner(x)) RV_TRY(RV_NEW(x->target, x->most * C, err));
    RV_TRY(RV_NEW(x->t.mean, ae->parameter_count, err));
    RV_TRY(RV_NEW(x->t.square, ae->parameter_count, err));
    RV_TRY(rv_text_gradients_new(&x->gradients, ae, err));
    size_t texts = s->batch > SAMPLES ? s->batch : SAMPLES,
           room = x->most > SAMPLES * SAMPLE_LENGTH ? x->most : SAMPLES * SAMPLE_LENGTH;
    RV_TRY(rv_text_learner_new(&x->learner, ae, texts, room, true, s->threads, err));
    RV_TRY(RV_NEW(x->noise, x->learner->pass->slots * ae->config.code, err));
    size_t first_held = x->windows->first[x->training];
    return rv_text_candidates_new(&x->candidates, ae->subject, x->windows->ids, first_held,
                                  x->most, s->draws, err);
}

static void release(rv_text_trainer *x)
{
    rv_text_learner_free(x->learner);
    rv_text_gradients_free(x->gradients);
    rv_text_candidates_free(x->candidates);
    void *const owned[] = {x->order,   x->ids,    x->label,   x->mixed, x->length,
                           x->dropped, x->rows,   x->hidden,  x->seen,  x->noise,
                           x->target,  x->t.mean, x->t.square};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

rv_status rv_text_train(rv_text_curve *curve, bool *done, rv_text_autoencoder *ae,
                        const rv_text_windows *windows, const rv_text_cache *cache,
                        const rv_text_train_settings *settings, rv_error *err)
{
    *curve = (rv_text_curve){0};
    *done = false;
    rv_text_trainer x = {.t = {.ae = ae, .settings = settings, .curve = curve},
                         .windows = windows,
                         .cache = cache,
                         .training = windows->count - windows->held_out,
                         .epoch = SIZE_MAX};
    RV_TRY(check_settings(&x, err));
    rv_status status = allocate(&x, err);
    if (status == RV_OK && rv_text_is_inner(&x)) status = measure_site(&x, err);
    if (status == RV_OK) status = run_all(&x, done, err);
    release(&x);
    return status;
}

void rv_text_curve_release(rv_text_curve *curve)
{
    free(curve->items);
    *curve = (rv_text_curve){0};
}
