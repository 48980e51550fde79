/* The card of a text autoencoder: what it can and cannot say, on text that it has not seen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoencoder/open.h"
#include "autoencoder/corpus.h"
#include "autoencoder/text_card.h"
#include "autoencoder/text_files.h"
#include "autoencoder/text_windows.h"
#include "base/memory.h"
#include "base/json.h"

enum { MOST_TEXTS = 4096, LENGTH = 12, SOFTMAX_DRAWS = 2048 };

static const size_t STREAM_MOST = (size_t)4 << 20;

typedef struct card_job {
    rv_autoencoder_card *card;
    const rv_autoencoder *ae;
    rv_ids stream;
    rv_random random;
    uint64_t seed;
    size_t texts, done, total;
    int32_t *ids[RV_CARD_TEXTS]; /* (texts, length) */
    rv_progress_fn progress;
    void *context;
} card_job;

static rv_status step(card_job *j, const char *what, rv_error *err)
{
    rv_progress event = {"judging", "parts", what, (double)j->done++, (double)j->total};
    if (!j->progress || j->progress(j->context, &event)) return RV_OK;
    return rv_fail(err, RV_ERR_CANCELLED, "stopped");
}

/* Windows of the corpus, the same shuffled, and random tokens. */
static rv_status make_texts(card_job *j, size_t length, rv_error *err)
{
    const rv_tokenizer *tokenizer = j->ae->model->tokenizer;
    size_t writable = rv_writable_tokens(j->ae->model);
    rv_text_windows windows;
    RV_TRY(rv_text_windows_cut(&windows, j->stream.items, j->stream.count, length, length,
                               j->texts * length, 1, j->seed, err));
    memcpy(j->ids[RV_CARD_TEXT], windows.ids, j->texts * length * sizeof *windows.ids);
    memcpy(j->ids[RV_CARD_SHUFFLED], windows.ids, j->texts * length * sizeof *windows.ids);
    rv_text_windows_release(&windows);
    for (size_t s = 0; s < j->texts; s++)
        rv_random_shuffle(&j->random, j->ids[RV_CARD_SHUFFLED] + s * length, length,
                          sizeof *windows.ids);
    for (size_t i = 0; i < j->texts * length; i++) {
        int32_t id;
        do id = (int32_t)rv_random_below(&j->random, writable);
        while (rv_token_is_special(tokenizer, id));
        j->ids[RV_CARD_RANDOM][i] = id;
    }
    return RV_OK;
}

static rv_status recall(card_job *j, size_t index, rv_error *err)
{
    static const char *const names[RV_CARD_TEXTS] = {"texts", "shuffled texts",
                                                     "random tokens"};
    rv_autoencoder_card *c = j->card;
    size_t length = c->lengths[index];
    RV_TRY(make_texts(j, length, err));
    for (size_t kind = 0; kind < RV_CARD_TEXTS; kind++) {
        rv_text_recall r[RV_CARD_WRITINGS];
        char what[64];
        snprintf(what, sizeof what, "%s of %zu tokens", names[kind], length);
        RV_TRY(step(j, what, err));
        RV_TRY(rv_text_recall_measure(&r[RV_CARD_WRITTEN], &r[RV_CARD_CORRECTED], j->ae->text,
                                      j->ids[kind], j->texts, length, 0, &j->random,
                                      j->ae->model->threads, err));
        RV_TRY(rv_text_recall_measure(&r[RV_CARD_NOISY], NULL, j->ae->text, j->ids[kind],
                                      j->texts, length, c->tried, &j->random,
                                      j->ae->model->threads, err));
        for (size_t w = 0; w < RV_CARD_WRITINGS; w++) {
            c->tokens[kind][index][w] = r[w].tokens;
            c->exact[kind][index][w] = r[w].exact;
        }
    }
    return RV_OK;
}

static rv_status cross_entropy(double *out, card_job *j, const int32_t *ids, rv_error *err)
{
    return rv_text_cross_entropy(out, j->ae->text, ids, j->texts, j->card->length,
                                 j->ae->model->threads, err);
}

/* What is written from z (texts, S, Z), into ids, and how likely it is. */
static rv_status said(double *out, card_job *j, int32_t *ids, const real *z, rv_error *err)
{
    RV_TRY(rv_text_autoencoder_decode(ids, NULL, j->ae->text, z, j->texts, j->card->length,
                                      j->ae->model->threads, err));
    return cross_entropy(out, j, ids, err);
}

/* Halfway between neighbours, and normal numbers; each slot normalised, as encoded ones are. */
static rv_status walk(card_job *j, rv_error *err)
{
    rv_autoencoder_card *c = j->card;
    const rv_text_autoencoder *ae = j->ae->text;
    int threads = j->ae->model->threads;
    size_t n = c->length, S = rv_text_slots(&ae->config, n), numbers = S * ae->config.code;
    real *z = NULL, *other = NULL;
    int32_t *ids = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(z, j->texts * numbers, err));
    RV_GOTO(RV_NEW(other, j->texts * numbers, err));
    RV_GOTO(RV_NEW(ids, j->texts * n, err));
    RV_GOTO(step(j, "the way back", err));
    RV_GOTO(rv_text_autoencoder_encode(z, ae, j->ids[RV_CARD_TEXT], j->texts, n, threads, err));
    RV_GOTO(rv_text_autoencoder_decode(ids, NULL, ae, z, j->texts, n, threads, err));
    RV_GOTO(rv_text_cycle(&c->cycle, ae, z, ids, j->texts, n, threads, err));
    RV_GOTO(step(j, "between texts", err));
    for (size_t s = 0; s < j->texts; s++)
        for (size_t i = 0; i < numbers; i++)
            other[s * numbers + i] = z[s * numbers + i] + z[(s + 1) % j->texts * numbers + i];
    rv_text_project(other, ae, j->texts * S);
    RV_GOTO(said(&c->interpolated, j, ids, other, err));
    RV_GOTO(step(j, "samples of the prior", err));
    for (size_t i = 0; i < j->texts * numbers; i++) z[i] = (real)rv_random_normal(&j->random);
    rv_text_project(z, ae, j->texts * S);
    RV_GOTO(said(&c->prior, j, ids, z, err));
    RV_GOTO(rv_text_cycle(&c->prior_cycle, ae, z, ids, j->texts, n, threads, err));
    RV_GOTO(rv_text_autoencoder_encode(z, ae, ids, j->texts, n, threads, err));
    RV_GOTO(said(&c->settled, j, ids, z, err));
done:
    free(z);
    free(other);
    free(ids);
    return status;
}

static rv_status compare(card_job *j, rv_error *err)
{
    rv_autoencoder_card *c = j->card;
    const rv_text_autoencoder *ae = j->ae->text;
    int threads = j->ae->model->threads;
    c->length = ae->config.tokens < LENGTH ? ae->config.tokens : LENGTH;
    RV_TRY(make_texts(j, c->length, err));
    RV_TRY(step(j, "real and shuffled text", err));
    RV_TRY(cross_entropy(&c->real, j, j->ids[RV_CARD_TEXT], err));
    RV_TRY(cross_entropy(&c->shuffled, j, j->ids[RV_CARD_SHUFFLED], err));
    RV_TRY(walk(j, err));
    RV_TRY(step(j, "both softmaxes", err));
    RV_TRY(rv_text_softmaxes(&c->full, &c->sampled, ae, j->ids[RV_CARD_TEXT], j->texts,
                             c->length, SOFTMAX_DRAWS, &j->random, threads, err));
    if (ae->config.site.kind == RV_SITE_EMBED) return RV_OK;
    rv_text_splice s;
    c->inner = true;
    RV_TRY(step(j, "the residual stream", err));
    RV_TRY(rv_text_splice_measure(&s, ae, j->ids[RV_CARD_TEXT], j->texts, c->length, threads,
                                  err));
    c->explained = s.explained;
    c->spliced = s.spliced;
    c->by_mean = s.by_mean;
    return RV_OK;
}

static void describe(card_job *j, const char *const *corpus, size_t count)
{
    static const size_t lengths[RV_CARD_LENGTHS] = {8, 12, 16, 24};
    rv_autoencoder_card *c = j->card;
    const rv_text_autoencoder_config *config = &j->ae->text->config;
    snprintf(c->model, sizeof c->model, "%s", j->ae->model->name);
    rv_site_name(c->site, config->site);
    for (size_t i = 0, used = 0; i < count && used < sizeof c->corpus; i++) {
        const char *slash = strrchr(corpus[i], '/');
        int n = snprintf(c->corpus + used, sizeof c->corpus - used, "%s%s", i ? "+" : "",
                         slash ? slash + 1 : corpus[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    c->parameters = j->ae->text->parameter_count;
    c->step = j->ae->step;
    c->code = config->code;
    c->tokens_per_slot = config->tokens_per_slot;
    c->texts = j->texts;
    c->noise = config->noise;
    c->bits = config->noise > 0
                  ? (double)config->code / 2 * log2(1 + 1 / (config->noise * config->noise))
                  : INFINITY;
    c->language_model = config->language_model;
    for (size_t i = 0; i < RV_CARD_LENGTHS; i++)
        if (lengths[i] <= config->tokens) c->lengths[c->length_count++] = lengths[i];
    j->total = c->length_count * RV_CARD_TEXTS + 5 + (config->site.kind != RV_SITE_EMBED);
}

static rv_status run(card_job *j, const char *const *corpus, size_t count, rv_error *err)
{
    RV_TRY(rv_autoencoder_stream(&j->stream, j->ae->model, corpus, count, STREAM_MOST,
                                 j->progress, j->context, err));
    for (size_t k = 0; k < RV_CARD_TEXTS; k++)
        RV_TRY(RV_NEW(j->ids[k], j->texts * RV_TEXT_TOKENS_MAX, err));
    describe(j, corpus, count);
    for (size_t i = 0; i < j->card->length_count; i++) RV_TRY(recall(j, i, err));
    return compare(j, err);
}

rv_evaluate_params rv_evaluate_params_default(void)
{
    return (rv_evaluate_params){
        .size = sizeof(rv_evaluate_params), .texts = 64, .noise = -1, .seed = 1};
}

rv_status rv_autoencoder_judge(rv_autoencoder_card *out, rv_autoencoder *ae,
                               const rv_evaluate_params *p, rv_error *err)
{
    memset(out, 0, sizeof *out);
    if (p->texts < 2 || p->texts > MOST_TEXTS)
        return rv_fail(err, RV_ERR_USAGE, "texts: expected 2 to %d, found %zu", MOST_TEXTS,
                       p->texts);
    if (!isfinite(p->noise))
        return rv_fail(err, RV_ERR_USAGE, "noise: expected a number, found %g", p->noise);
    out->tried = p->noise < 0 ? ae->text->config.noise : p->noise;
    card_job j = {.card = out,
                  .ae = ae,
                  .random = rv_random_stream(p->seed, 7, 0),
                  .seed = p->seed,
                  .texts = p->texts,
                  .progress = p->progress,
                  .context = p->progress_context};
    rv_status status = run(&j, p->corpus, p->corpus_count, err);
    rv_ids_release(&j.stream);
    for (size_t k = 0; k < RV_CARD_TEXTS; k++) free(j.ids[k]);
    return status;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

rv_status rv_autoencoder_card_json(char **out, const rv_autoencoder_card *c, rv_error *err)
{
    static const char *const names[RV_CARD_TEXTS] = {"text", "shuffled", "random"};
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:b}", "model",
                  c->model, "site", c->site, "corpus", c->corpus, "parameters",
                  (json_int_t)c->parameters, "step", (json_int_t)c->step, "code",
                  (json_int_t)c->code, "tokens_per_slot", (json_int_t)c->tokens_per_slot,
                  "texts", (json_int_t)c->texts, "noise", c->noise, "tried_noise", c->tried,
                  "slot_bits", number(c->bits), "language_model", c->language_model);
    json_t *recall = json_array();
    for (size_t k = 0; k < RV_CARD_TEXTS; k++)
        for (size_t i = 0; i < c->length_count; i++)
            json_array_append_new(
                recall,
                json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "of", names[k], "length",
                          (json_int_t)c->lengths[i], "tokens", c->tokens[k][i][RV_CARD_WRITTEN],
                          "exact", c->exact[k][i][RV_CARD_WRITTEN], "corrected_tokens",
                          c->tokens[k][i][RV_CARD_CORRECTED], "corrected_exact",
                          c->exact[k][i][RV_CARD_CORRECTED], "noisy_tokens",
                          c->tokens[k][i][RV_CARD_NOISY], "noisy_exact",
                          c->exact[k][i][RV_CARD_NOISY]));
    json_object_set_new(json, "recall", recall);
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"cross_entropy", c->real},
                   {"shuffled_cross_entropy", c->shuffled},
                   {"interpolated_cross_entropy", c->interpolated},
                   {"prior_cross_entropy", c->prior},
                   {"settled_cross_entropy", c->settled},
                   {"cycle", c->cycle},
                   {"prior_cycle", c->prior_cycle},
                   {"full_softmax_loss", c->full},
                   {"sampled_softmax_loss", c->sampled},
                   {"explained", c->inner ? c->explained : NAN},
                   {"spliced_cross_entropy", c->inner ? c->spliced : NAN},
                   {"mean_cross_entropy", c->inner ? c->by_mean : NAN}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(json, numbers[i].key, number(numbers[i].value));
    return rv_json_result(out, json, err);
}
