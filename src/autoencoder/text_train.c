#include "autoencoder/text_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "autoencoder/text_candidates.h"
#include "autoencoder/text_loss.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/adamw.h"

enum { CYCLE_EVERY = 50, CYCLE_TEXTS = 8, SAMPLES = 16, SAMPLE_LENGTH = 12, SITE_ROWS = 65536 };

/* Streams of random numbers. */
enum { ORDER = 2, CORRUPTION, NOISE, DROPOUT, DRAWS, JUDGED, REPLACED, SHUFFLED };

static const double SAVE_SECONDS = 45, WARM_SHARE = 0.05, WARM_STEPS = 300;

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

/* A training's own things, beside what its state holds. */
typedef struct trainer {
    rv_text_training t;
    const rv_text_windows *windows;
    const rv_text_cache *cache;
    rv_text_learner *learner;
    rv_text_gradients *gradients;
    rv_text_candidates *candidates;
    size_t training;              /* windows that are trained on */
    size_t *order;                /* (training) of this epoch */
    size_t epoch;                 /* whose order it is; SIZE_MAX: none */
    size_t most;                  /* tokens of a batch */
    int32_t *ids, *label;         /* (most) */
    int32_t *mixed;               /* (most) ids, as the encoder is shown them */
    size_t *length;               /* (batch) */
    real *rows, *hidden, *target; /* (most, C) */
    real *seen;                   /* (most, C) hidden, as the encoder is told */
    real *noise;                  /* (T, Z) */
    bool *dropped;                /* (most) */
    double started, saved, last_loss;
    size_t began, tokens; /* step; tokens since */
} trainer;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool is_inner(const trainer *x)
{
    return x->t.ae->config.site.kind != RV_SITE_EMBED;
}

static void shuffle(trainer *x, size_t epoch)
{
    rv_random random = rv_random_stream(x->t.settings->seed, ORDER, (uint32_t)epoch);
    for (size_t i = 0; i < x->training; i++) x->order[i] = i;
    rv_random_shuffle(&random, x->order, x->training, sizeof *x->order);
    x->epoch = epoch;
}

/* The batch's windows, at most `most` tokens of each. Returns how many tokens there are. */
static size_t gather(trainer *x, const size_t *windows, size_t count, size_t most)
{
    const rv_text_windows *w = x->windows;
    size_t N = 0, C = x->t.ae->subject->config.width;
    for (size_t s = 0; s < count; s++) {
        size_t i = windows[s], n = w->length[i] < most ? w->length[i] : most;
        rv_text_cache_read(x->hidden + N * C, x->rows + N * C, x->cache, x->t.ae, w, i);
        memcpy(x->ids + N, w->ids + w->first[i], n * sizeof *x->ids);
        x->length[s] = n;
        N += n;
    }
    return N;
}

/* Some tokens become any of the vocabulary; what the subject expects behind them stays as it was. */
static void replace(trainer *x, size_t N)
{
    const rv_transformer *subject = x->t.ae->subject;
    const rv_text_train_settings *s = x->t.settings;
    size_t C = subject->config.width;
    rv_random random = rv_random_stream(s->seed, REPLACED, (uint32_t)x->t.step);
    for (size_t r = 0; r < N && !is_inner(x); r++) {
        bool other = rv_random_uniform(&random) < s->replaced;
        int32_t id = (int32_t)rv_random_below(&random, subject->config.vocabulary);
        if (!other) continue;
        x->ids[r] = id;
        rv_text_embed(x->rows + r * C, subject, &id, 1);
    }
}

/* The encoder sees the first texts of the batch (which are as good as any) in another order, and what the
 * subject expects in it. */
static rv_status scramble(trainer *x, size_t N, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    const rv_text_autoencoder *ae = x->t.ae;
    size_t count = (size_t)(s->shuffled * (double)s->batch + 0.5), first = 0;
    memcpy(x->seen, x->hidden, N * ae->subject->config.width * sizeof *x->seen);
    if (count == 0) return RV_OK;
    rv_random random = rv_random_stream(s->seed, SHUFFLED, (uint32_t)x->t.step);
    memcpy(x->mixed, x->ids, N * sizeof *x->ids);
    for (size_t t = 0; t < count; first += x->length[t++])
        rv_random_shuffle(&random, x->mixed + first, x->length[t], sizeof *x->mixed);
    return rv_text_subject(x->seen, x->rows, ae, x->mixed, x->length, count, true, s->threads,
                           err);
}

/* Rows of other places of the batch in the place of some; tokens that the decoder does not see. */
static void corrupt(trainer *x, size_t N)
{
    const rv_text_train_settings *s = x->t.settings;
    size_t C = x->t.ae->subject->config.width;
    rv_random random = rv_random_stream(s->seed, CORRUPTION, (uint32_t)x->t.step);
    for (size_t r = 0; r < N; r++) {
        bool other = rv_random_uniform(&random) < s->corruption;
        size_t from = rv_random_below(&random, N);
        if (other && from != r)
            memcpy(x->rows + r * C, x->rows + from * C, C * sizeof *x->rows);
    }
    random = rv_random_stream(s->seed, DROPOUT, (uint32_t)x->t.step);
    for (size_t r = 0; r < N; r++) x->dropped[r] = rv_random_uniform(&random) < s->dropout;
}

static double warm_steps(const trainer *x)
{
    double share = WARM_SHARE * (double)x->t.settings->steps;
    return share < WARM_STEPS ? share : WARM_STEPS;
}

static void draw_noise(trainer *x, size_t count)
{
    double warm = 2 * warm_steps(x), rise = warm > 0 ? (double)x->t.step / warm : 1;
    double deviation = x->t.ae->config.noise * (rise < 1 ? rise : 1);
    rv_random random = rv_random_stream(x->t.settings->seed, NOISE, (uint32_t)x->t.step);
    for (size_t s = 0, at = 0; s < count; s++) {
        size_t numbers = rv_text_slots(&x->t.ae->config, x->length[s]) * x->t.ae->config.code;
        for (size_t i = 0; i < numbers; i++, at++)
            x->noise[at] = (real)(deviation * rv_random_normal(&random));
    }
}

/* Adds the gradient of weight * mean (enc(dec(z)) - z)^2 to the encoder's. The texts are in x->ids. */
static rv_status cycle(trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t count = s->batch < CYCLE_TEXTS ? s->batch : CYCLE_TEXTS, least = SIZE_MAX;
    for (size_t i = 0; i < count; i++) least = x->length[i] < least ? x->length[i] : least;
    const size_t *windows = x->order + x->t.step % (x->training / s->batch) * s->batch;
    gather(x, windows, count, least);
    rv_text_learner *l = x->learner;
    size_t numbers = count * rv_text_slots(&ae->config, least) * ae->config.code;
    RV_TRY(rv_text_pass_encode(l->z, l->pass, x->rows, x->hidden, x->length, count, err));
    RV_TRY(
        rv_text_autoencoder_decode(x->ids, x->hidden, ae, l->z, count, least, s->threads, err));
    RV_TRY(
        rv_text_subject(NULL, x->rows, ae, x->ids, x->length, count, false, s->threads, err));
    RV_TRY(rv_text_pass_encode(l->noisy, l->pass, x->rows, x->hidden, x->length, count, err));
    for (size_t i = 0; i < numbers; i++)
        l->dz[i] = (real)(s->cycle_weight * 2 / (double)numbers) * (l->noisy[i] - l->z[i]);
    rv_text_pass_encode_backward(l->pass, l->dz, x->gradients);
    return RV_OK;
}

static rv_status fail_numeric(const trainer *x, const char *what, const char *tensor,
                              rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    return rv_fail(err, RV_ERR_NUMERIC, "step %zu: %s%s is not finite%s%s", x->t.step, what,
                   tensor, s->state ? "; the last good state is in " : "",
                   s->state ? s->state : "");
}

/* One over how much too long the gradient is. */
static rv_status clip(const trainer *x, rv_error *err)
{
    const rv_text_autoencoder *ae = x->t.ae;
    double sum = 0;
    for (size_t t = 0; t < ae->tensor_count; t++) {
        const rv_text_parameter *p = &ae->tensors[t];
        double own = 0;
        for (size_t i = 0; i < p->rows * p->columns; i++) {
            double g = (double)x->gradients->flat[p->offset + i];
            own += g * g;
        }
        if (!isfinite(own)) return fail_numeric(x, "the gradient of ", p->name, err);
        sum += own;
    }
    double norm = sqrt(sum), limit = x->t.settings->clip;
    real factor = limit > 0 && norm > limit ? (real)(limit / norm) : 1;
    for (size_t i = 0; factor != 1 && i < ae->parameter_count; i++)
        x->gradients->flat[i] *= factor;
    return RV_OK;
}

static void update(trainer *x)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    double rate = rv_cosine_rate(s->rate, (double)x->t.step, warm_steps(x), (double)s->steps);
    for (size_t t = 0; t < ae->tensor_count; t++) {
        const rv_text_parameter *p = &ae->tensors[t];
        if (p->matrix)
            rv_adamw_decay(ae->parameters + p->offset, p->rows * p->columns, rate, s->decay);
    }
    rv_adamw_step(ae->parameters, x->t.mean, x->t.square, x->gradients->flat,
                  ae->parameter_count, x->t.step, rate, s->threads);
    rv_text_autoencoder_refresh(ae, s->threads);
}

static rv_status run_step(trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t per_epoch = x->training / s->batch, epoch = x->t.step / per_epoch;
    if (epoch != x->epoch) shuffle(x, epoch);
    size_t N = gather(x, x->order + x->t.step % per_epoch * s->batch, s->batch, SIZE_MAX);
    if (is_inner(x)) rv_text_normalise(x->target, ae, x->rows, N);
    replace(x, N);
    RV_TRY(scramble(x, N, err));
    corrupt(x, N);
    draw_noise(x, s->batch);
    rv_random random = rv_random_stream(s->seed, DRAWS, (uint32_t)x->t.step);
    rv_text_candidates_draw(x->label, x->candidates, x->ids, N, s->draws, &random, s->threads);
    const rv_text_batch batch = {.ids = x->ids,
                                 .length = x->length,
                                 .count = s->batch,
                                 .rows = x->rows,
                                 .hidden = x->hidden,
                                 .seen = x->seen,
                                 .target = is_inner(x) ? x->target : NULL,
                                 .noise = x->noise,
                                 .dropped = x->dropped,
                                 .head = &x->candidates->head,
                                 .head_rows = x->candidates->count,
                                 .label = x->label,
                                 .site_weight = s->site_weight};
    rv_text_loss loss;
    memset(x->gradients->flat, 0, ae->parameter_count * sizeof *x->gradients->flat);
    RV_TRY(rv_text_batch_loss(&loss, x->learner, &batch, x->gradients, err));
    if (!isfinite(loss.nll + loss.site)) return fail_numeric(x, "the loss", "", err);
    if (s->cycle_weight > 0 && x->t.step % CYCLE_EVERY == CYCLE_EVERY - 1)
        RV_TRY(cycle(x, err));
    RV_TRY(clip(x, err));
    update(x);
    x->t.loss_sum += loss.nll;
    x->t.site_sum += loss.site;
    x->last_loss = loss.nll;
    x->tokens += N;
    x->t.step++;
    return RV_OK;
}

/* ---- how it stands --------------------------------------------------------------------------- */

/* The first tokens of held-out windows, written freely from what the encoder makes of them. */
static rv_status write_samples(trainer *x, rv_text_curve_point *point, rv_error *err)
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

static rv_status judge(trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t windows[1024],
        count = x->windows->held_out < s->batch ? x->windows->held_out : s->batch;
    double steps =
        (double)(x->t.step -
                 (x->t.curve->count ? x->t.curve->items[x->t.curve->count - 1].step : 0));
    for (size_t i = 0; i < count; i++) windows[i] = x->training + i;
    size_t N = gather(x, windows, count, SIZE_MAX);
    rv_random random = rv_random_stream(s->seed, JUDGED, (uint32_t)x->t.step);
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

static bool report(trainer *x)
{
    const rv_text_train_settings *s = x->t.settings;
    if (!s->progress) return true;
    double elapsed = seconds_now() - x->started;
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

static rv_status save(trainer *x, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    RV_TRY(rv_text_training_save(&x->t, err));
    x->saved = seconds_now();
    return s->saved ? s->saved(s->context, x->t.step, x->t.curve, err) : RV_OK;
}

static rv_status run_all(trainer *x, bool *done, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    bool found;
    RV_TRY(rv_text_training_load(&x->t, &found, err));
    // Written at once, so that a full disk is met before the work and not after it.
    if (!found) RV_TRY(save(x, err));
    x->started = x->saved = seconds_now();
    x->began = x->t.step;
    while (x->t.step < s->steps) {
        if (!report(x)) {
            RV_TRY(save(x, err));
            return rv_fail(err, RV_ERR_CANCELLED,
                           "stopped after %zu of %zu steps; the same command goes on",
                           x->t.step, s->steps);
        }
        bool late = s->minutes > 0 && seconds_now() - x->started > 60 * s->minutes;
        if (late || (s->stop && x->t.step >= s->stop)) break;
        RV_TRY(run_step(x, err));
        if (x->t.step % s->judge_every == 0 || x->t.step == s->steps) RV_TRY(judge(x, err));
        if (s->state && seconds_now() - x->saved > SAVE_SECONDS) RV_TRY(save(x, err));
    }
    report(x);
    *done = x->t.step == s->steps;
    return save(x, err);
}

/* ---- setting up ------------------------------------------------------------------------------ */

/* Mean and deviation of the rows at an inner site, over the first windows. */
static rv_status measure_site(trainer *x, rv_error *err)
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

static rv_status check_settings(const trainer *x, rv_error *err)
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

static rv_status allocate(trainer *x, rv_error *err)
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
    if (is_inner(x)) RV_TRY(RV_NEW(x->target, x->most * C, err));
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

static void release(trainer *x)
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
    trainer x = {.t = {.ae = ae, .settings = settings, .curve = curve},
                 .windows = windows,
                 .cache = cache,
                 .training = windows->count - windows->held_out,
                 .epoch = SIZE_MAX};
    RV_TRY(check_settings(&x, err));
    rv_status status = allocate(&x, err);
    if (status == RV_OK && is_inner(&x)) status = measure_site(&x, err);
    if (status == RV_OK) status = run_all(&x, done, err);
    release(&x);
    return status;
}

void rv_text_curve_release(rv_text_curve *curve)
{
    free(curve->items);
    *curve = (rv_text_curve){0};
}
