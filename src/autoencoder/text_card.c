#include "autoencoder/text_card.h"

#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_candidates.h"
#include "autoencoder/text_loss.h"
#include "autoencoder/text_refine.h"
#include "base/memory.h"

enum { TEXTS = 16 };

static size_t latent_numbers(const rv_text_autoencoder *ae, size_t length)
{
    return rv_text_slots(&ae->config, length) * ae->config.code;
}

/* back (count, length) against ids. */
static rv_text_recall compare(const int32_t *back, const int32_t *ids, size_t count,
                              size_t length)
{
    size_t right = 0, whole = 0;
    for (size_t s = 0; s < count; s++) {
        size_t same = 0;
        for (size_t t = 0; t < length; t++) same += back[s * length + t] == ids[s * length + t];
        right += same;
        whole += same == length;
    }
    return (rv_text_recall){(double)right / (double)(count * length),
                            (double)whole / (double)count};
}

rv_status rv_text_recall_measure(rv_text_recall *out, rv_text_recall *corrected,
                                 const rv_text_autoencoder *ae, const int32_t *ids,
                                 size_t count, size_t length, double noise, rv_random *random,
                                 int threads, rv_error *err)
{
    size_t numbers = count * latent_numbers(ae, length);
    real *z = NULL;
    int32_t *back = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(z, numbers, err));
    RV_GOTO(RV_NEW(back, count * length, err));
    RV_GOTO(rv_text_autoencoder_encode(z, ae, ids, count, length, threads, err));
    for (size_t i = 0; noise > 0 && i < numbers; i++)
        z[i] += (real)(noise * rv_random_normal(random));
    RV_GOTO(rv_text_autoencoder_decode(back, NULL, ae, z, count, length, threads, err));
    *out = compare(back, ids, count, length);
    if (!corrected) goto done;
    RV_GOTO(rv_text_autoencoder_refine(back, ae, z, count, length, threads, err));
    *corrected = compare(back, ids, count, length);
done:
    free(z);
    free(back);
    return status;
}

rv_status rv_text_cycle(double *out, const rv_text_autoencoder *ae, const real *z,
                        const int32_t *ids, size_t count, size_t length, int threads,
                        rv_error *err)
{
    size_t numbers = count * latent_numbers(ae, length);
    real *again = NULL;
    double sum = 0;
    rv_status status;
    RV_GOTO(RV_NEW(again, numbers, err));
    RV_GOTO(rv_text_autoencoder_encode(again, ae, ids, count, length, threads, err));
    for (size_t i = 0; i < numbers; i++) {
        double d = (double)again[i] - (double)z[i];
        sum += d * d;
    }
    *out = sum / (double)numbers;
done:
    free(again);
    return status;
}

void rv_text_project(real *z, const rv_text_autoencoder *ae, size_t slots)
{
    size_t Z = ae->config.code;
    for (size_t s = 0; s < slots; s++, z += Z) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < Z; i++) mean += (double)z[i] / (double)Z;
        for (size_t i = 0; i < Z; i++)
            square += ((double)z[i] - mean) * ((double)z[i] - mean) / (double)Z;
        for (size_t i = 0; i < Z; i++)
            z[i] = (real)(((double)z[i] - mean) / sqrt(square + 1e-5));
    }
}

rv_status rv_text_softmaxes(double *full, double *sampled, const rv_text_autoencoder *ae,
                            const int32_t *ids, size_t count, size_t length, size_t draws,
                            rv_random *random, int threads, rv_error *err)
{
    size_t N = count * length, C = ae->subject->config.width;
    size_t *lengths = NULL;
    real *rows = NULL, *hidden = NULL;
    int32_t *label = NULL;
    rv_text_learner *learner = NULL;
    rv_text_candidates *candidates = NULL;
    rv_text_loss loss;
    rv_status status;
    RV_GOTO(RV_NEW(lengths, count, err));
    for (size_t s = 0; s < count; s++) lengths[s] = length;
    RV_GOTO(RV_NEW(rows, N * C, err));
    RV_GOTO(RV_NEW(hidden, N * C, err));
    RV_GOTO(RV_NEW(label, N, err));
    RV_GOTO(rv_text_learner_new(&learner, ae, count, N, false, threads, err));
    RV_GOTO(rv_text_candidates_new(&candidates, ae->subject, ids, N, N, draws, err));
    RV_GOTO(rv_text_subject(hidden, rows, ae, ids, lengths, count, false, threads, err));
    rv_text_batch batch = {.ids = ids,
                           .length = lengths,
                           .count = count,
                           .rows = rows,
                           .hidden = hidden,
                           .head = ae->subject->head,
                           .head_rows = ae->subject->config.vocabulary,
                           .label = ids};
    RV_GOTO(rv_text_batch_loss(&loss, learner, &batch, NULL, err));
    *full = loss.nll;
    rv_text_candidates_draw(label, candidates, ids, N, draws, random, threads);
    batch.head = &candidates->head;
    batch.head_rows = candidates->count;
    batch.label = label;
    RV_GOTO(rv_text_batch_loss(&loss, learner, &batch, NULL, err));
    *sampled = loss.nll;
done:
    free(lengths);
    free(rows);
    free(hidden);
    free(label);
    rv_text_learner_free(learner);
    rv_text_candidates_free(candidates);
    return status;
}

/* ---- the subject, as it is and with rows in the place of others ------------------------------- */

/* Sum of nats over the texts' tokens. rows (count, length, C) replace the tokens' rows at the site; value is
 * filled with them; either may be NULL. buffer (count * (length + 1), C) is needed for both. */
static rv_status subject_loss(double *sum, real *value, const rv_text_autoencoder *ae,
                              rv_pass *pass, real *buffer, const real *rows, const int32_t *ids,
                              size_t count, size_t length, rv_error *err)
{
    size_t C = ae->subject->config.width;
    rv_sequence sequences[TEXTS];
    int32_t with_bos[TEXTS * (RV_TEXT_TOKENS_MAX + 1)];
    real nll[TEXTS * (RV_TEXT_TOKENS_MAX + 1)];
    for (size_t s = 0; s < count; s++) {
        int32_t *to = with_bos + s * (length + 1);
        to[0] = ae->config.bos;
        memcpy(to + 1, ids + s * length, length * sizeof *ids);
        sequences[s] = (rv_sequence){.ids = to, .count = length + 1};
        for (size_t t = 0; rows && t < length; t++) // BOS keeps its own, from the value before
            memcpy(buffer + (s * (length + 1) + t + 1) * C, rows + (s * length + t) * C,
                   C * sizeof *rows);
    }
    rv_tap tap = {.site = ae->config.site,
                  .value = value ? buffer : NULL,
                  .replace = rows ? buffer : NULL};
    RV_TRY(rv_pass_begin(pass, sequences, count, &tap, value || rows ? 1 : 0, err));
    rv_pass_finish(pass);
    rv_pass_losses(pass, nll);
    for (size_t s = 0; s < count; s++)
        for (size_t t = 1; t <= length; t++) *sum += (double)nll[s * (length + 1) + t];
    for (size_t s = 0; value && s < count; s++)
        memcpy(value + s * length * C, buffer + (s * (length + 1) + 1) * C,
               length * C * sizeof *value);
    return RV_OK;
}

static rv_status subject_pass(rv_pass **out, const rv_text_autoencoder *ae, size_t length,
                              int threads, rv_error *err)
{
    if (length < 1 || length > ae->config.tokens || ae->config.bos < 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: expected a token to begin with and texts of 1 to %zu "
                       "tokens, found %d and %zu",
                       ae->config.tokens, ae->config.bos, length);
    rv_pass_options options = {.rows = TEXTS * (length + 1),
                               .sequences = TEXTS,
                               .positions = length + 1,
                               .threads = threads};
    return rv_pass_new(out, ae->subject, &options, err);
}

rv_status rv_text_cross_entropy(double *out, const rv_text_autoencoder *ae, const int32_t *ids,
                                size_t count, size_t length, int threads, rv_error *err)
{
    rv_pass *pass;
    double sum = 0;
    RV_TRY(subject_pass(&pass, ae, length, threads, err));
    rv_status status = RV_OK;
    for (size_t s = 0; s < count && status == RV_OK; s += TEXTS)
        status = subject_loss(&sum, NULL, ae, pass, NULL, NULL, ids + s * length,
                              count - s < TEXTS ? count - s : TEXTS, length, err);
    rv_pass_free(pass);
    *out = sum / (double)(count * length);
    return status;
}

typedef struct splicer {
    const rv_text_autoencoder *ae;
    rv_pass *subject;
    rv_text_pass *pass;
    real *buffer;              /* (texts * (length + 1), C) */
    real *true_rows, *written; /* (texts * length, C) */
    real *hidden;              /* likewise: h_t */
    real *out, *z;
    int32_t *back;
    size_t length;
    double error, variance;
} splicer;

static rv_status splice_batch(rv_text_splice *sum, splicer *x, const int32_t *ids, size_t count,
                              rv_error *err)
{
    const rv_text_autoencoder *ae = x->ae;
    size_t C = ae->subject->config.width, n = x->length, lengths[TEXTS];
    int threads = x->pass->threads;
    for (size_t s = 0; s < count; s++) lengths[s] = n;
    RV_TRY(subject_loss(&sum->loss, x->true_rows, ae, x->subject, x->buffer, NULL, ids, count,
                        n, err));
    // Written freely: the decoder reads what it wrote itself.
    RV_TRY(rv_text_subject(x->hidden, NULL, ae, ids, lengths, count, false, threads, err));
    RV_TRY(rv_text_pass_encode(x->z, x->pass, x->true_rows, x->hidden, lengths, count, err));
    RV_TRY(rv_text_autoencoder_decode(x->back, x->hidden, ae, x->z, count, n, threads, err));
    RV_TRY(
        rv_text_pass_decode(x->out, x->written, x->pass, x->z, x->back, x->hidden, NULL, err));
    rv_text_denormalise(x->written, ae, x->written, count * n);
    for (size_t i = 0; i < count * n * C; i++) {
        double from = (double)x->true_rows[i], mean = (double)ae->site_mean[i % C];
        x->error += (from - (double)x->written[i]) * (from - (double)x->written[i]);
        x->variance += (from - mean) * (from - mean);
    }
    RV_TRY(subject_loss(&sum->spliced, NULL, ae, x->subject, x->buffer, x->written, ids, count,
                        n, err));
    for (size_t i = 0; i < count * n * C; i++) x->written[i] = ae->site_mean[i % C];
    return subject_loss(&sum->by_mean, NULL, ae, x->subject, x->buffer, x->written, ids, count,
                        n, err);
}

rv_status rv_text_splice_measure(rv_text_splice *out, const rv_text_autoencoder *ae,
                                 const int32_t *ids, size_t count, size_t length, int threads,
                                 rv_error *err)
{
    *out = (rv_text_splice){0};
    if (ae->config.site.kind == RV_SITE_EMBED)
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: at the embedding there is no residual stream to write");
    size_t C = ae->subject->config.width;
    splicer x = {.ae = ae, .length = length};
    double tokens = (double)(count * length);
    rv_status status;
    RV_GOTO(subject_pass(&x.subject, ae, length, threads, err));
    RV_GOTO(rv_text_pass_new(&x.pass, ae, TEXTS, TEXTS * length, false, threads, err));
    RV_GOTO(RV_NEW(x.buffer, TEXTS * (length + 1) * C, err));
    RV_GOTO(RV_NEW(x.true_rows, TEXTS * length * C, err));
    RV_GOTO(RV_NEW(x.written, TEXTS * length * C, err));
    RV_GOTO(RV_NEW(x.hidden, TEXTS * length * C, err));
    RV_GOTO(RV_NEW(x.out, TEXTS * length * C, err));
    RV_GOTO(RV_NEW(x.z, TEXTS * latent_numbers(ae, length), err));
    RV_GOTO(RV_NEW(x.back, TEXTS * length, err));
    for (size_t s = 0; s < count; s += TEXTS)
        RV_GOTO(splice_batch(out, &x, ids + s * length, count - s < TEXTS ? count - s : TEXTS,
                             err));
    *out = (rv_text_splice){1 - x.error / x.variance, out->loss / tokens, out->spliced / tokens,
                            out->by_mean / tokens};
done:
    rv_pass_free(x.subject);
    rv_text_pass_free(x.pass);
    void *const owned[] = {x.buffer, x.true_rows, x.written, x.hidden, x.out, x.z, x.back};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    return status;
}
