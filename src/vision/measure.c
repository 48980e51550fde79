#include "vision/measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ROOM = 64 };

void rv_image_numbers(real *out, const unsigned char *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = (real)pixels[i] / 255;
}

/* One batch of at most ROOM images. */
static void reencode(double *norm, double *error, rv_network_pass *encode,
                     rv_network_pass *decode, real *latents, const real *images, size_t count,
                     size_t L)
{
    const real *codes = rv_network_forward(encode, images, count);
    for (size_t n = 0; n < count; n++) {
        double sum = 0;
        for (size_t i = 0; i < L; i++) {
            real mean = codes[n * 2 * L + i];
            latents[n * L + i] = mean;
            sum += (double)mean * (double)mean;
        }
        norm[n] = sqrt(sum);
    }
    const real *logits = rv_network_forward(decode, latents, count);
    for (size_t n = 0; n < count; n++) {
        double sum = 0;
        for (size_t i = n * RV_IMAGE_PIXELS; i < (n + 1) * RV_IMAGE_PIXELS; i++) {
            double d = (double)(rv_logistic(logits[i]) - images[i]);
            sum += d * d;
        }
        error[n] = sqrt(sum / RV_IMAGE_PIXELS);
    }
}

static rv_status reencode_share(double *norm, double *error,
                                const rv_image_autoencoder *autoencoder, const real *images,
                                size_t count, rv_error *err)
{
    rv_network_pass encode = {0}, decode = {0};
    real *latents = NULL;
    rv_status status;
    RV_GOTO(rv_network_pass_init(&encode, &autoencoder->encoder, ROOM, err));
    RV_GOTO(rv_network_pass_init(&decode, &autoencoder->decoder, ROOM, err));
    RV_GOTO(RV_NEW(latents, ROOM * autoencoder->latent, err));
    for (size_t i = 0; i < count; i += ROOM)
        reencode(norm + i, error + i, &encode, &decode, latents, images + i * RV_IMAGE_PIXELS,
                 count - i < ROOM ? count - i : ROOM, autoencoder->latent);
done:
    free(latents);
    rv_network_pass_release(&encode);
    rv_network_pass_release(&decode);
    return status;
}

rv_status rv_image_reencode(double *norm, double *error,
                            const rv_image_autoencoder *autoencoder, const real *images,
                            size_t count, int threads, rv_error *err)
{
    rv_status status = RV_OK;
    const size_t share = (count + (size_t)threads - 1) / (size_t)threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < threads; i++) {
        size_t first = (size_t)i * share;
        if (first >= count) continue;
        size_t n = count - first < share ? count - first : share;
        rv_error own;
        rv_status s = reencode_share(norm + first, error + first, autoencoder,
                                     images + first * RV_IMAGE_PIXELS, n, &own);
        if (s == RV_OK) continue;
#pragma omp critical(rv_image_reencode)
        {
            status = s;
            if (err) *err = own;
        }
    }
    return status;
}

rv_status rv_image_probability(double *p, const rv_network *classifier, const real *images,
                               const size_t *index, size_t count, rv_error *err)
{
    rv_network_pass pass;
    RV_TRY(rv_network_pass_init(&pass, classifier, ROOM, err));
    for (size_t i = 0; i < count; i += ROOM) {
        size_t n = count - i < ROOM ? count - i : ROOM;
        const real *logits = rv_network_forward(&pass, images + i * RV_IMAGE_PIXELS, n);
        for (size_t j = 0; j < n; j++)
            p[i + j] = exp(-(double)rv_class_loss(NULL, logits + j * RV_IMAGE_CLASSES,
                                                  index[i + j], RV_IMAGE_CLASSES, 1));
    }
    rv_network_pass_release(&pass);
    return RV_OK;
}
