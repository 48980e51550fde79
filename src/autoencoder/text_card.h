/* What a text autoencoder can and cannot say, measured on texts it has not seen. */
#ifndef RV_TEXT_CARD_H
#define RV_TEXT_CARD_H

#include "autoencoder/text_autoencoder.h"
#include "base/random.h"

/* Shares of tokens that come back where they were, and of texts that come back whole. */
typedef struct rv_text_recall {
    double tokens, exact;
} rv_text_recall;

/* Texts ids (count, length) encoded, put under noise of this deviation, and written freely; corrected, if not
 * NULL: then refined. */
rv_status rv_text_recall_measure(rv_text_recall *out, rv_text_recall *corrected,
                                 const rv_text_autoencoder *ae, const int32_t *ids,
                                 size_t count, size_t length, double noise, rv_random *random,
                                 int threads, rv_error *err);

/* Mean nats a token under the subject, after BOS. */
rv_status rv_text_cross_entropy(double *out, const rv_text_autoencoder *ae, const int32_t *ids,
                                size_t count, size_t length, int threads, rv_error *err);

/* Mean of (enc(ids) - z)^2 over all numbers of z (count, S, Z), from which ids (count, length) were written. */
rv_status rv_text_cycle(double *out, const rv_text_autoencoder *ae, const real *z,
                        const int32_t *ids, size_t count, size_t length, int threads,
                        rv_error *err);

/* Every slot to mean 0 and variance 1, where encoded ones are. */
void rv_text_project(real *z, const rv_text_autoencoder *ae, size_t slots);

/* Teacher-forced loss without noise, over the whole vocabulary and over sampled tokens as in training. */
rv_status rv_text_softmaxes(double *full, double *sampled, const rv_text_autoencoder *ae,
                            const int32_t *ids, size_t count, size_t length, size_t draws,
                            rv_random *random, int threads, rv_error *err);

/* At an inner site: the rows as the autoencoder writes them, against those that were. */
typedef struct rv_text_splice {
    double explained; /* fraction of the variance */
    double loss, spliced,
        by_mean; /* of the subject, nats a token: as it is, with the written rows in their
                                    * place, with the site's mean there */
} rv_text_splice;

rv_status rv_text_splice_measure(rv_text_splice *out, const rv_text_autoencoder *ae,
                                 const int32_t *ids, size_t count, size_t length, int threads,
                                 rv_error *err);

#endif
