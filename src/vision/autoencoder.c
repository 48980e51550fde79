#include "vision/autoencoder.h"

#include <stdlib.h>

#include "base/memory.h"

const char *const rv_autoencoder_encoder =
    "28x28x1 conv16/2 norm2 silu conv32/2 norm4 silu conv32/2 norm4 silu dense48";
const char *const rv_autoencoder_decoder =
    "1x1x24 dense7x7x32 norm4 silu conv64 shuffle norm2 silu conv32 norm4 silu conv4 shuffle";

/* z = mean + deviation noise, or the mean itself where random is NULL. */
static void draw_latents(rv_autoencoder_learner *a, size_t shard, const real *codes,
                         rv_random *random, size_t count)
{
    const size_t L = a->latent;
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < L; i++) {
            real mean = codes[n * 2 * L + i], log_variance = codes[n * 2 * L + L + i];
            real noise = random ? (real)rv_random_normal(&random[n]) : 0;
            a->noise[shard][n * L + i] = noise;
            a->latents[shard][n * L + i] = mean + exp(log_variance / 2) * noise;
        }
}

/* KL(q || prior) of one sample, and beta times its gradient by mean and log variance. */
static double prior_loss(real *dcode, const real *code, size_t L, double beta)
{
    double loss = 0;
    for (size_t i = 0; i < L; i++) {
        double mean = (double)code[i], log_variance = (double)code[L + i];
        loss += 0.5 * (mean * mean + exp(log_variance) - 1 - log_variance);
        if (!dcode) continue;
        dcode[i] += (real)(beta * mean);
        dcode[L + i] += (real)(beta * 0.5 * (exp(log_variance) - 1));
    }
    return beta * loss;
}

static void backward(rv_autoencoder_learner *a, size_t shard, const real *images,
                     const real *logits, size_t count, real *const *gradients)
{
    const size_t L = a->latent;
    rv_network_pass *encode = &a->encode[shard], *decode = &a->decode[shard];
    real *dlogits = rv_network_pass_seed(decode, decode->net->count - 1);
    rv_pixel_loss(dlogits, logits, images, count * RV_IMAGE_PIXELS, 1);
    const real *dlatents = rv_network_backward(decode, gradients[1]);
    const real *codes = encode->out[encode->net->count - 1];
    real *dcodes = rv_network_pass_seed(encode, encode->net->count - 1);
    for (size_t n = 0; n < count; n++, codes += 2 * L, dcodes += 2 * L) {
        prior_loss(dcodes, codes, L, a->beta);
        for (size_t i = 0; i < L; i++) {
            real dz = dlatents[n * L + i], noise = a->noise[shard][n * L + i];
            dcodes[i] += dz;
            dcodes[L + i] += dz * noise * exp(codes[L + i] / 2) / 2;
        }
    }
    rv_network_backward(encode, gradients[0]);
}

static rv_learner_part autoencoder_loss(void *context, size_t shard, const real *images,
                                        const unsigned char *labels, rv_random *random,
                                        size_t count, double progress, real *const *gradients)
{
    (void)labels;
    (void)progress;
    rv_autoencoder_learner *a = context;
    const size_t L = a->latent;
    const real *codes = rv_network_forward(&a->encode[shard], images, count);
    draw_latents(a, shard, codes, random, count);
    const real *logits = rv_network_forward(&a->decode[shard], a->latents[shard], count);
    rv_learner_part part = {
        .loss = (double)rv_pixel_loss(NULL, logits, images, count * RV_IMAGE_PIXELS, 1)};
    for (size_t n = 0; n < count; n++)
        part.loss += prior_loss(NULL, codes + n * 2 * L, L, a->beta);
    if (gradients) backward(a, shard, images, logits, count, gradients);
    return part;
}

rv_status rv_image_autoencoder_join(rv_image_autoencoder *out, rv_network *encoder,
                                    rv_network *decoder, rv_error *err)
{
    *out = (rv_image_autoencoder){*encoder, *decoder, 0};
    *encoder = *decoder = (rv_network){0};
    rv_volume image = rv_network_input(&out->encoder),
              pixels = rv_network_output(&out->decoder);
    out->latent = rv_volume_size(rv_network_input(&out->decoder));
    if (image.height == RV_IMAGE_SIDE && image.width == RV_IMAGE_SIDE && image.channels == 1 &&
        rv_volume_size(pixels) == RV_IMAGE_PIXELS &&
        rv_volume_size(rv_network_output(&out->encoder)) == 2 * out->latent)
        return RV_OK;
    rv_status status =
        rv_fail(err, RV_ERR_FORMAT,
                "networks '%.200s' and '%.200s': expected an encoder of %dx%dx1 to "
                "2 L numbers and a decoder of L numbers to %dx%dx1",
                out->encoder.description, out->decoder.description, RV_IMAGE_SIDE,
                RV_IMAGE_SIDE, RV_IMAGE_SIDE, RV_IMAGE_SIDE);
    rv_image_autoencoder_release(out);
    return status;
}

rv_status rv_image_autoencoder_init(rv_image_autoencoder *out, const char *encoder,
                                    const char *decoder, uint64_t seed, rv_error *err)
{
    rv_network networks[2];
    RV_TRY(rv_network_init(&networks[0], encoder, err));
    rv_status status = rv_network_init(&networks[1], decoder, err);
    if (status != RV_OK) {
        rv_network_release(&networks[0]);
        return status;
    }
    RV_TRY(rv_image_autoencoder_join(out, &networks[0], &networks[1], err));
    rv_network_randomise(&out->encoder, seed);
    rv_network_randomise(&out->decoder, seed + 1);
    return RV_OK;
}

void rv_image_autoencoder_release(rv_image_autoencoder *autoencoder)
{
    rv_network_release(&autoencoder->encoder);
    rv_network_release(&autoencoder->decoder);
}

rv_status rv_autoencoder_learner_init(rv_autoencoder_learner *out,
                                      rv_image_autoencoder *autoencoder, double beta,
                                      size_t capacity, rv_error *err)
{
    *out = (rv_autoencoder_learner){
        .learner = {.net = {&autoencoder->encoder, &autoencoder->decoder},
                    .name = {"encoder", "decoder"},
                    .nets = 2,
                    .context = out,
                    .loss = autoencoder_loss},
        .latent = autoencoder->latent,
        .beta = beta};
    rv_status status = RV_OK;
    for (size_t s = 0; s < RV_SHARDS; s++) {
        RV_GOTO(rv_network_pass_init(&out->encode[s], &autoencoder->encoder, capacity, err));
        RV_GOTO(rv_network_pass_init(&out->decode[s], &autoencoder->decoder, capacity, err));
        RV_GOTO(RV_NEW(out->latents[s], capacity * out->latent, err));
        RV_GOTO(RV_NEW(out->noise[s], capacity * out->latent, err));
    }
done:
    if (status != RV_OK) rv_autoencoder_learner_release(out);
    return status;
}

void rv_autoencoder_learner_release(rv_autoencoder_learner *learner)
{
    for (size_t s = 0; s < RV_SHARDS; s++) {
        rv_network_pass_release(&learner->encode[s]);
        rv_network_pass_release(&learner->decode[s]);
        free(learner->latents[s]);
        free(learner->noise[s]);
    }
}
