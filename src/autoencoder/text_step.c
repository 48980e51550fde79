#include "autoencoder/text_step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/adamw.h"

enum { CYCLE_EVERY = 50, CYCLE_TEXTS = 8 };

static const double WARM_SHARE = 0.05, WARM_STEPS = 300;

bool rv_text_is_inner(const rv_text_trainer *x)
{
    return x->t.ae->config.site.kind != RV_SITE_EMBED;
}

static void shuffle(rv_text_trainer *x, size_t epoch)
{
    rv_random random = rv_random_stream(x->t.settings->seed, RV_TEXT_ORDER, (uint32_t)epoch);
    for (size_t i = 0; i < x->training; i++) x->order[i] = i;
    rv_random_shuffle(&random, x->order, x->training, sizeof *x->order);
    x->epoch = epoch;
}

/* The batch's windows, at most `most` tokens of each. Returns how many tokens there are. */
size_t rv_text_gather(rv_text_trainer *x, const size_t *windows, size_t count, size_t most)
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
static void replace(rv_text_trainer *x, size_t N)
{
    const rv_transformer *subject = x->t.ae->subject;
    const rv_text_train_settings *s = x->t.settings;
    size_t C = subject->config.width;
    rv_random random = rv_random_stream(s->seed, RV_TEXT_REPLACED, (uint32_t)x->t.step);
    for (size_t r = 0; r < N && !rv_text_is_inner(x); r++) {
        bool other = rv_random_uniform(&random) < s->replaced;
        int32_t id = (int32_t)rv_random_below(&random, subject->config.vocabulary);
        if (!other) continue;
        x->ids[r] = id;
        rv_text_embed(x->rows + r * C, subject, &id, 1);
    }
}

/* The encoder sees the first texts of the batch (which are as good as any) in another order, and what the
 * subject expects in it. */
static rv_status scramble(rv_text_trainer *x, size_t N, rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    const rv_text_autoencoder *ae = x->t.ae;
    size_t count = (size_t)(s->shuffled * (double)s->batch + 0.5), first = 0;
    memcpy(x->seen, x->hidden, N * ae->subject->config.width * sizeof *x->seen);
    if (count == 0) return RV_OK;
    rv_random random = rv_random_stream(s->seed, RV_TEXT_SHUFFLED, (uint32_t)x->t.step);
    memcpy(x->mixed, x->ids, N * sizeof *x->ids);
    for (size_t t = 0; t < count; first += x->length[t++])
        rv_random_shuffle(&random, x->mixed + first, x->length[t], sizeof *x->mixed);
    return rv_text_subject(x->seen, x->rows, ae, x->mixed, x->length, count, true, s->threads,
                           err);
}

/* Rows of other places of the batch in the place of some; tokens that the decoder does not see. */
static void corrupt(rv_text_trainer *x, size_t N)
{
    const rv_text_train_settings *s = x->t.settings;
    size_t C = x->t.ae->subject->config.width;
    rv_random random = rv_random_stream(s->seed, RV_TEXT_CORRUPTION, (uint32_t)x->t.step);
    for (size_t r = 0; r < N; r++) {
        bool other = rv_random_uniform(&random) < s->corruption;
        size_t from = rv_random_below(&random, N);
        if (other && from != r)
            memcpy(x->rows + r * C, x->rows + from * C, C * sizeof *x->rows);
    }
    random = rv_random_stream(s->seed, RV_TEXT_DROPOUT, (uint32_t)x->t.step);
    for (size_t r = 0; r < N; r++) x->dropped[r] = rv_random_uniform(&random) < s->dropout;
}

static double warm_steps(const rv_text_trainer *x)
{
    double share = WARM_SHARE * (double)x->t.settings->steps;
    return share < WARM_STEPS ? share : WARM_STEPS;
}

static void draw_noise(rv_text_trainer *x, size_t count)
{
    double warm = 2 * warm_steps(x), rise = warm > 0 ? (double)x->t.step / warm : 1;
    double deviation = x->t.ae->config.noise * (rise < 1 ? rise : 1);
    rv_random random =
        rv_random_stream(x->t.settings->seed, RV_TEXT_NOISE, (uint32_t)x->t.step);
    for (size_t s = 0, at = 0; s < count; s++) {
        size_t numbers = rv_text_slots(&x->t.ae->config, x->length[s]) * x->t.ae->config.code;
        for (size_t i = 0; i < numbers; i++, at++)
            x->noise[at] = (real)(deviation * rv_random_normal(&random));
    }
}

/* Adds the gradient of weight * mean (enc(dec(z)) - z)^2 to the encoder's. The texts are in x->ids. */
static rv_status cycle(rv_text_trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t count = s->batch < CYCLE_TEXTS ? s->batch : CYCLE_TEXTS, least = SIZE_MAX;
    for (size_t i = 0; i < count; i++) least = x->length[i] < least ? x->length[i] : least;
    const size_t *windows = x->order + x->t.step % (x->training / s->batch) * s->batch;
    rv_text_gather(x, windows, count, least);
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

static rv_status fail_numeric(const rv_text_trainer *x, const char *what, const char *tensor,
                              rv_error *err)
{
    const rv_text_train_settings *s = x->t.settings;
    return rv_fail(err, RV_ERR_NUMERIC, "step %zu: %s%s is not finite%s%s", x->t.step, what,
                   tensor, s->state ? "; the last good state is in " : "",
                   s->state ? s->state : "");
}

/* One over how much too long the gradient is. */
static rv_status clip(const rv_text_trainer *x, rv_error *err)
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

static void update(rv_text_trainer *x)
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

rv_status rv_text_step(rv_text_trainer *x, rv_error *err)
{
    rv_text_autoencoder *ae = x->t.ae;
    const rv_text_train_settings *s = x->t.settings;
    size_t per_epoch = x->training / s->batch, epoch = x->t.step / per_epoch;
    if (epoch != x->epoch) shuffle(x, epoch);
    size_t N =
        rv_text_gather(x, x->order + x->t.step % per_epoch * s->batch, s->batch, SIZE_MAX);
    if (rv_text_is_inner(x)) rv_text_normalise(x->target, ae, x->rows, N);
    replace(x, N);
    RV_TRY(scramble(x, N, err));
    corrupt(x, N);
    draw_noise(x, s->batch);
    rv_random random = rv_random_stream(s->seed, RV_TEXT_DRAWS, (uint32_t)x->t.step);
    rv_text_candidates_draw(x->label, x->candidates, x->ids, N, s->draws, &random, s->threads);
    const rv_text_batch batch = {.ids = x->ids,
                                 .length = x->length,
                                 .count = s->batch,
                                 .rows = x->rows,
                                 .hidden = x->hidden,
                                 .seen = x->seen,
                                 .target = rv_text_is_inner(x) ? x->target : NULL,
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
