#include "vision/dream.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { JITTER = 1, COPIES = 8, BLUR_EVERY = 4 };
enum { DRAWS = 8, START_TRIPS = 3, ROUND_TRIP = 5 }; /* of the latent method */

static const double ENOUGH = 12;        /* log odds from which on the ascent slows down */
static const double LATENT_RATE = 0.15; /* times the gradient of mean magnitude 1 */
static const double LATENT_NOISE = 0.3;
static const double PIXEL_RATE = 0.02;
static const double PIXEL_DECAY = 0.003;
static const double TOTAL_VARIATION = 1;

/* One ascent: buffers for all its starts side by side. */
typedef struct ascent {
    const rv_image_target *target;
    const rv_image_ascent *settings;
    rv_image_method method;
    size_t L;
    rv_network_pass classify, encode, decode;
    real *shifted, *gradient; /* (starts, 784) */
    real *noisy, *step;       /* (starts, L) */
    double *value, *best;     /* (starts) */
    int (*jitter)[2];         /* (starts) */
} ascent;

static rv_random stream(const ascent *a, size_t step)
{
    uint64_t run =
        (uint64_t)a->method << 48 | (uint64_t)a->target->layer << 32 | a->target->index;
    return rv_random_stream(a->settings->seed, run, (uint32_t)step);
}

/* out[y + dy, x + dx] = image[y, x], black elsewhere. */
static void shift_image(real *out, const real *image, int dy, int dx)
{
    for (int y = 0; y < RV_IMAGE_SIDE; y++)
        for (int x = 0; x < RV_IMAGE_SIDE; x++) {
            int from_y = y - dy, from_x = x - dx;
            bool inside =
                from_y >= 0 && from_y < RV_IMAGE_SIDE && from_x >= 0 && from_x < RV_IMAGE_SIDE;
            *out++ = inside ? image[from_y * RV_IMAGE_SIDE + from_x] : 0;
        }
}

/* ---- the target ---------------------------------------------------------------------------- */

/* Log odds of a class: l_k - log sum_{j != k} exp l_j. Its gradient points where that of log p
 * does, and does not vanish where p is 1. */
static double class_odds(real *dlogits, const real *logits, size_t k)
{
    double top = -INFINITY, sum = 0;
    for (size_t j = 0; j < RV_IMAGE_CLASSES; j++)
        if (j != k && (double)logits[j] > top) top = (double)logits[j];
    for (size_t j = 0; j < RV_IMAGE_CLASSES; j++)
        if (j != k) sum += exp((double)logits[j] - top);
    for (size_t j = 0; dlogits && j < RV_IMAGE_CLASSES; j++)
        dlogits[j] += (real)(j == k ? 1 : -exp((double)logits[j] - top) / sum);
    return (double)logits[k] - top - log(sum);
}

static double unit_mean(real *dout, const real *out, rv_volume v, size_t channel)
{
    size_t pixels = v.height * v.width;
    double sum = 0;
    for (size_t p = 0; p < pixels; p++) {
        sum += (double)out[p * v.channels + channel];
        if (dout) dout[p * v.channels + channel] += 1 / (real)pixels;
    }
    return sum / (double)pixels;
}

/* After a forward pass: values, and (with seed) the gradient of their sum at the target's layer. */
static void read_target(double *value, rv_network_pass *pass, const rv_image_target *target,
                        bool seed)
{
    const rv_volume v = pass->net->layer[target->layer].out;
    const real *out = pass->out[target->layer];
    real *dout = seed ? rv_network_pass_seed(pass, target->layer) : NULL;
    for (size_t n = 0; n < pass->samples; n++) {
        real *d = dout ? dout + n * rv_volume_size(v) : NULL;
        const real *x = out + n * rv_volume_size(v);
        value[n] = rv_image_target_is_class(target, pass->net)
                       ? class_odds(d, x, target->index)
                       : unit_mean(d, x, v, target->index);
    }
}

/* Gradient of each image's value at its pixels, into a->gradient; the classifier sees the images
 * shifted by a->jitter. */
static void differentiate(ascent *a, const real *images)
{
    const size_t S = a->settings->starts;
    for (size_t s = 0; s < S; s++)
        shift_image(a->shifted + s * RV_IMAGE_PIXELS, images + s * RV_IMAGE_PIXELS,
                    a->jitter[s][0], a->jitter[s][1]);
    rv_network_forward(&a->classify, a->shifted, S);
    read_target(a->value, &a->classify, a->target, true);
    const real *d = rv_network_backward(&a->classify, NULL);
    for (size_t s = 0; s < S; s++)
        shift_image(a->gradient + s * RV_IMAGE_PIXELS, d + s * RV_IMAGE_PIXELS,
                    -a->jitter[s][0], -a->jitter[s][1]);
}

static void draw_jitter(ascent *a, rv_random *random)
{
    for (size_t s = 0; s < a->settings->starts; s++)
        for (size_t i = 0; i < 2; i++)
            a->jitter[s][i] = (int)rv_random_below(random, 2 * JITTER + 1) - JITTER;
}

/* Scales a gradient to mean magnitude `size`. */
static void normalise(real *gradient, size_t count, double size)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += fabs((double)gradient[i]);
    if (!(sum > 0)) return;
    for (size_t i = 0; i < count; i++) gradient[i] *= (real)(size * (double)count / sum);
}

/* How much of a step is worth taking: all of it for a unit; of a class, less and less once its
 * probability is as good as 1, lest the ascent leaves for ever stranger pictures. */
static double need_of(const ascent *a, size_t start)
{
    bool class = rv_image_target_is_class(a->target, a->classify.net);
    return class ? 1 / (1 + exp(a->value[start] - ENOUGH)) : 1;
}

/* Softened at first, so that dead units wake; exact in the second half. */
static real softness_at(size_t step, size_t steps)
{
    return 2 * step < steps ? (real)0.5 * (1 - 2 * (real)step / (real)steps) : 0;
}

/* ---- pixels -------------------------------------------------------------------------------- */

/* Adds the descent direction of sum |x - right|^2 + |x - below|^2, and pulls towards black. */
static void regularise(real *gradient, const real *image)
{
    for (size_t y = 0; y < RV_IMAGE_SIDE; y++)
        for (size_t x = 0; x < RV_IMAGE_SIDE; x++) {
            size_t i = y * RV_IMAGE_SIDE + x;
            const bool there[4] = {x > 0, x + 1 < RV_IMAGE_SIDE, y > 0, y + 1 < RV_IMAGE_SIDE};
            const size_t near[4] = {i - 1, i + 1, i - RV_IMAGE_SIDE, i + RV_IMAGE_SIDE};
            for (size_t k = 0; k < 4; k++)
                if (there[k])
                    gradient[i] +=
                        (real)(PIXEL_RATE * TOTAL_VARIATION * 2) * (image[near[k]] - image[i]);
            gradient[i] -= (real)PIXEL_DECAY * image[i];
        }
}

/* The binomial kernel (1 2 1) / 4 along both axes. */
static void blur(real *image)
{
    real rows[RV_IMAGE_PIXELS];
    for (size_t i = 0; i < RV_IMAGE_PIXELS; i++) {
        size_t x = i % RV_IMAGE_SIDE;
        real left = x > 0 ? image[i - 1] : 0, right = x + 1 < RV_IMAGE_SIDE ? image[i + 1] : 0;
        rows[i] = (left + 2 * image[i] + right) / 4;
    }
    for (size_t i = 0; i < RV_IMAGE_PIXELS; i++) {
        size_t y = i / RV_IMAGE_SIDE;
        real above = y > 0 ? rows[i - RV_IMAGE_SIDE] : 0;
        real below = y + 1 < RV_IMAGE_SIDE ? rows[i + RV_IMAGE_SIDE] : 0;
        image[i] = (above + 2 * rows[i] + below) / 4;
    }
}

static void ascend_pixels(ascent *a, real *images)
{
    const size_t S = a->settings->starts, T = a->settings->steps;
    const bool regular = a->method == RV_IMAGE_REGULARISED;
    rv_random random = stream(a, 0);
    for (size_t i = 0; i < S * RV_IMAGE_PIXELS; i++)
        images[i] = (real)rv_random_uniform(&random) / 2;
    for (size_t t = 0; t < T; t++) {
        random = stream(a, t + 1);
        if (regular) draw_jitter(a, &random);
        a->classify.softness = regular ? softness_at(t, T) : 0;
        differentiate(a, images);
        for (size_t s = 0; s < S; s++) {
            real *image = images + s * RV_IMAGE_PIXELS, *g = a->gradient + s * RV_IMAGE_PIXELS;
            normalise(g, RV_IMAGE_PIXELS, PIXEL_RATE * need_of(a, s));
            if (regular) regularise(g, image);
            for (size_t i = 0; i < RV_IMAGE_PIXELS; i++) {
                real x = image[i] + g[i];
                image[i] = x < 0 ? 0 : x > 1 ? 1 : x;
            }
            if (regular && t % BLUR_EVERY == 0 && t + T / 10 < T) blur(image);
        }
    }
}

/* ---- latent -------------------------------------------------------------------------------- */

static void decode_images(ascent *a, real *images, const real *latents)
{
    const size_t S = a->settings->starts;
    const real *logits = rv_network_forward(&a->decode, latents, S);
    for (size_t i = 0; i < S * RV_IMAGE_PIXELS; i++) images[i] = rv_logistic(logits[i]);
}

/* The means that the encoder gives. */
static void encode_images(ascent *a, real *latents, const real *images)
{
    const size_t S = a->settings->starts, L = a->L;
    const real *codes = rv_network_forward(&a->encode, images, S);
    for (size_t s = 0; s < S; s++)
        memcpy(latents + s * L, codes + s * 2 * L, L * sizeof *latents);
}

static void keep_norm(real *z, size_t L, double low, double high)
{
    double norm = 0;
    for (size_t i = 0; i < L; i++) norm += (double)z[i] * (double)z[i];
    norm = sqrt(norm);
    double scale = norm > high ? high / norm : norm > 0 && norm < low ? low / norm : 1;
    for (size_t i = 0; i < L; i++) z[i] *= (real)scale;
}

static void add_noise(ascent *a, real *noisy, const real *latents, double size,
                      rv_random *random)
{
    for (size_t i = 0; i < a->settings->starts * a->L; i++)
        noisy[i] = latents[i] + (real)(size * rv_random_normal(random));
}

static void step_latents(ascent *a, real *latents, real *images, size_t t)
{
    const rv_image_ascent *s = a->settings;
    const double left = 1 - (double)t / (double)s->steps;
    rv_random random = stream(a, t + 1);
    draw_jitter(a, &random);
    add_noise(a, a->noisy, latents, LATENT_NOISE * left, &random);
    decode_images(a, images, a->noisy);
    a->classify.softness = softness_at(t, s->steps);
    differentiate(a, images);
    real *dlogits = rv_network_pass_seed(&a->decode, a->decode.net->count - 1);
    for (size_t i = 0; i < s->starts * RV_IMAGE_PIXELS; i++)
        dlogits[i] = a->gradient[i] * images[i] * (1 - images[i]);
    memcpy(a->step, rv_network_backward(&a->decode, NULL), s->starts * a->L * sizeof(real));
    for (size_t n = 0; n < s->starts; n++) {
        real *z = latents + n * a->L, *g = a->step + n * a->L;
        normalise(g, a->L, LATENT_RATE * (0.1 + 0.9 * left) * need_of(a, n));
        for (size_t i = 0; i < a->L; i++) z[i] += g[i];
        keep_norm(z, a->L, s->norm_low, s->norm_high);
    }
}

/* z <- encode(decode(z)), through images. */
static void round_trip(ascent *a, real *latents, real *images)
{
    decode_images(a, images, latents);
    encode_images(a, latents, images);
}

/* Each start is the best of a few draws from the prior, after round trips that bring them to where
 * images are: from a draw that resembles nothing the ascent ends too often in nothing. */
static void draw_starts(ascent *a, real *latents, real *images)
{
    const size_t S = a->settings->starts, L = a->L;
    rv_random random = stream(a, 0);
    for (size_t draw = 0; draw < DRAWS; draw++) {
        real *z = a->step;
        for (size_t i = 0; i < S * L; i++) z[i] = (real)rv_random_normal(&random);
        for (size_t trip = 0; trip < START_TRIPS; trip++) round_trip(a, z, images);
        decode_images(a, images, z);
        rv_network_forward(&a->classify, images, S);
        read_target(a->value, &a->classify, a->target, false);
        for (size_t s = 0; s < S; s++) {
            if (draw > 0 && !(a->value[s] > a->best[s])) continue;
            a->best[s] = a->value[s];
            memcpy(latents + s * L, z + s * L, L * sizeof *z);
        }
    }
}

static void ascend_latents(ascent *a, real *latents, real *images)
{
    const size_t T = a->settings->steps;
    const bool class = rv_image_target_is_class(a->target, a->classify.net);
    draw_starts(a, latents, images);
    for (size_t t = 0; t < T; t++) {
        step_latents(a, latents, images, t);
        // A class is left to settle in the last third: a round trip costs a little of what it makes
        // honest. A unit never has enough, and would leave for anything.
        if ((t + 1) % ROUND_TRIP == 0 && (!class || 3 * (t + 1) <= 2 * T))
            round_trip(a, latents, images);
    }
    decode_images(a, images, latents);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void score_starts(ascent *a, double *score, const real *latents, const real *images)
{
    const size_t S = a->settings->starts;
    a->classify.softness = 0;
    for (size_t s = 0; s < S; s++) score[s] = 0;
    for (size_t copy = 0; copy < COPIES; copy++) {
        rv_random random = stream(a, UINT32_MAX - copy);
        draw_jitter(a, &random);
        const real *seen = images;
        if (a->method == RV_IMAGE_LATENT) {
            add_noise(a, a->noisy, latents, LATENT_NOISE, &random);
            decode_images(a, a->gradient, a->noisy);
            seen = a->gradient;
        }
        for (size_t s = 0; s < S; s++)
            shift_image(a->shifted + s * RV_IMAGE_PIXELS, seen + s * RV_IMAGE_PIXELS,
                        a->jitter[s][0], a->jitter[s][1]);
        rv_network_forward(&a->classify, a->shifted, S);
        read_target(a->value, &a->classify, a->target, false);
        for (size_t s = 0; s < S; s++) score[s] += a->value[s] / COPIES;
    }
}

static void release(ascent *a)
{
    rv_network_pass_release(&a->classify);
    rv_network_pass_release(&a->encode);
    rv_network_pass_release(&a->decode);
    free(a->shifted);
    free(a->gradient);
    free(a->noisy);
    free(a->step);
    free(a->value);
    free(a->best);
    free(a->jitter);
}

static rv_status allocate(ascent *a, const rv_network *attacked,
                          const rv_image_autoencoder *autoencoder, rv_error *err)
{
    const size_t S = a->settings->starts;
    RV_TRY(rv_network_pass_init(&a->classify, attacked, S, err));
    RV_TRY(RV_NEW(a->shifted, S * RV_IMAGE_PIXELS, err));
    RV_TRY(RV_NEW(a->gradient, S * RV_IMAGE_PIXELS, err));
    RV_TRY(RV_NEW(a->value, S, err));
    RV_TRY(RV_NEW(a->jitter, S, err));
    if (a->method != RV_IMAGE_LATENT) return RV_OK;
    a->L = autoencoder->latent;
    RV_TRY(rv_network_pass_init(&a->encode, &autoencoder->encoder, S, err));
    RV_TRY(rv_network_pass_init(&a->decode, &autoencoder->decoder, S, err));
    RV_TRY(RV_NEW(a->best, S, err));
    RV_TRY(RV_NEW(a->noisy, S * a->L, err));
    return RV_NEW(a->step, S * a->L, err);
}

rv_status rv_image_ascend(real *images, real *latents, double *score, rv_image_method method,
                          const rv_image_target *target, const rv_network *attacked,
                          const rv_image_autoencoder *autoencoder,
                          const rv_image_ascent *settings, rv_error *err)
{
    ascent a = {.target = target, .settings = settings, .method = method};
    real *z = NULL;
    rv_status status = allocate(&a, attacked, autoencoder, err);
    if (status == RV_OK && method == RV_IMAGE_LATENT)
        status = RV_NEW(z, settings->starts * a.L, err);
    if (status == RV_OK) {
        if (method == RV_IMAGE_LATENT)
            ascend_latents(&a, z, images);
        else
            ascend_pixels(&a, images);
        score_starts(&a, score, z, images);
        if (z && latents) memcpy(latents, z, settings->starts * a.L * sizeof *z);
    }
    free(z);
    release(&a);
    return status;
}

rv_status rv_image_values(double *values, const rv_image_target *target, const rv_network *net,
                          const real *images, size_t count, rv_error *err)
{
    enum { ROOM = 64 };
    rv_network_pass pass;
    RV_TRY(rv_network_pass_init(&pass, net, ROOM, err));
    for (size_t i = 0; i < count; i += ROOM) {
        rv_network_forward(&pass, images + i * RV_IMAGE_PIXELS,
                           count - i < ROOM ? count - i : ROOM);
        read_target(values + i, &pass, target, false);
    }
    rv_network_pass_release(&pass);
    return RV_OK;
}
