/* Training of a text autoencoder: model, corpus, windows, what the model says of them, training, files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autoencoder/corpus.h"
#include "autoencoder/open.h"
#include "autoencoder/text_files.h"
#include "autoencoder/text_train.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/plot.h"

enum { HELD_OUT = 64 };

static const size_t STREAM_MOST = (size_t)64 << 20;

rv_autoencoder_train_params rv_autoencoder_train_params_default(void)
{
    const rv_text_autoencoder_config c = rv_text_autoencoder_config_default();
    const rv_text_train_settings s = rv_text_train_settings_default();
    return (rv_autoencoder_train_params){.size = sizeof(rv_autoencoder_train_params),
                                         .site = "embed",
                                         .steps = s.steps,
                                         .tokens = 2000000,
                                         .shortest = 8,
                                         .longest = c.tokens,
                                         .batch = s.batch,
                                         .draws = s.draws,
                                         .width = c.width,
                                         .heads = c.heads,
                                         .encoder_layers = c.encoder_layers,
                                         .decoder_layers = c.decoder_layers,
                                         .code = c.code,
                                         .tokens_per_slot = c.tokens_per_slot,
                                         .noise = c.noise,
                                         .corruption = s.corruption,
                                         .dropout = s.dropout,
                                         .replaced = s.replaced,
                                         .shuffled = s.shuffled,
                                         .rate = s.rate,
                                         .decay = s.decay,
                                         .site_weight = s.site_weight,
                                         .cycle_weight = s.cycle_weight,
                                         .language_model = c.language_model,
                                         .judge_every = s.judge_every,
                                         .seed = s.seed};
}

typedef struct job {
    const rv_autoencoder_train_params *params;
    rv_model *model;
    rv_ids stream;
    rv_text_windows windows;
    rv_text_cache cache;
    rv_text_autoencoder *ae;
    rv_text_curve curve;
    char *corpus;                                /* names of its files */
    char *weights, *state, *kept, *plot, *lines; /* paths */
} job;

static rv_status name_files(job *j, rv_error *err)
{
    const struct {
        char **path;
        const char *name;
    } files[] = {{&j->weights, "autoencoder.safetensors"},
                 {&j->state, "state.safetensors"},
                 {&j->kept, "model.cache"},
                 {&j->plot, "curve.svg"},
                 {&j->lines, "curve.jsonl"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (!(*files[i].path = rv_path_join(j->params->output, files[i].name)))
            return rv_fail_memory(err, 64);
    rv_text names = {0};
    for (size_t i = 0; i < j->params->corpus_count; i++) {
        const char *slash = strrchr(j->params->corpus[i], '/');
        rv_text_printf(&names, "%s%s", i ? "+" : "", slash ? slash + 1 : j->params->corpus[i]);
    }
    j->corpus = rv_text_take(&names);
    return j->corpus ? RV_OK : rv_fail_memory(err, 64);
}

/* ---- what is written beside the state -------------------------------------------------------- */

static rv_status write_plot(const job *j, const rv_text_curve *curve, rv_error *err)
{
    enum { SERIES = 2 };
    rv_xy *points[SERIES] = {NULL};
    rv_text svg = {0};
    rv_status status;
    for (size_t k = 0; k < SERIES; k++) RV_GOTO(RV_NEW(points[k], curve->count + 1, err));
    for (size_t i = 0; i < curve->count; i++) {
        const rv_text_curve_point *p = &curve->items[i];
        points[0][i] = (rv_xy){(double)p->step, p->loss};
        points[1][i] = (rv_xy){(double)p->step, p->full};
    }
    const rv_series series[SERIES] = {{.name = "training (noise, corruption, sampled softmax)",
                                       .kind = RV_SERIES_LINE,
                                       .points = points[0],
                                       .count = curve->count},
                                      {.name = "held out (no noise, whole vocabulary)",
                                       .kind = RV_SERIES_LINE,
                                       .points = points[1],
                                       .count = curve->count,
                                       .style = 1}};
    const rv_plot plot = {.title = "Loss of the text autoencoder",
                          .x_label = "steps",
                          .y_label = "nats a token",
                          .series = series,
                          .series_count = SERIES,
                          .log_y = true,
                          .standalone = true};
    RV_GOTO(rv_plot_svg(&svg, &plot, err));
    RV_GOTO(rv_write_file(j->plot, svg.bytes, svg.length, err));
done:
    for (size_t k = 0; k < SERIES; k++) free(points[k]);
    rv_text_release(&svg);
    return status;
}

static rv_status write_lines(const job *j, const rv_text_curve *curve, rv_error *err)
{
    rv_text t = {0};
    for (size_t i = 0; i < curve->count; i++) {
        const rv_text_curve_point *p = &curve->items[i];
        rv_text_printf(
            &t,
            "{\"type\":\"autoencoder_point\",\"step\":%zu,\"loss\":%.6g,\"site\":%.6g,"
            "\"full\":%.6g,\"sampled\":%.6g,\"accuracy\":%.6g,\"exact\":%.6g}\n",
            p->step, p->loss, p->site, p->full, p->sampled, p->accuracy, p->exact);
    }
    rv_status status = t.failed ? rv_fail_memory(err, t.length)
                                : rv_write_file(j->lines, t.bytes, t.length, err);
    rv_text_release(&t);
    return status;
}

static rv_status write_weights(const job *j, size_t step, const rv_text_curve *curve,
                               rv_error *err)
{
    json_t *points = rv_text_curve_json(curve);
    char *text = json_dumps(points, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(points);
    const rv_text_provenance about = {.subject = j->model->name,
                                      .subject_hash = j->model->hash,
                                      .seed = j->params->seed,
                                      .step = step,
                                      .steps = j->params->steps,
                                      .corpus = j->corpus,
                                      .curve = text};
    rv_status status = rv_text_autoencoder_write(j->weights, j->ae, &about, err);
    free(text);
    return status;
}

static rv_status saved(void *context, size_t step, const rv_text_curve *curve, rv_error *err)
{
    const job *j = context;
    if (curve->count == 0) return RV_OK; // nothing is known of the weights yet
    RV_TRY(write_weights(j, step, curve, err));
    RV_TRY(write_lines(j, curve, err));
    return write_plot(j, curve, err);
}

static void sample(void *context, const int32_t *ids, const int32_t *back, size_t length)
{
    const job *j = context;
    rv_text a = {0}, b = {0};
    rv_error unused;
    if (rv_tokenizer_decode(j->model->tokenizer, ids, length, false, &a, &unused) == RV_OK &&
        rv_tokenizer_decode(j->model->tokenizer, back, length, false, &b, &unused) == RV_OK) {
        rv_text_putc(&a, '\0');
        rv_text_putc(&b, '\0');
        if (!a.failed && !b.failed)
            j->params->sample(j->params->sample_context, a.bytes, b.bytes);
    }
    rv_text_release(&a);
    rv_text_release(&b);
}

static bool progress(void *context, const rv_progress *event)
{
    const job *j = context;
    return !j->params->progress || j->params->progress(j->params->progress_context, event);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static rv_status open_model(job *j, rv_error *err)
{
    rv_model_params params = rv_model_params_default();
    params.threads = j->params->threads;
    params.progress = j->params->progress;
    params.progress_context = j->params->progress_context;
    RV_TRY(rv_subject_open(&j->model, j->params->model, &params, err));
    RV_TRY(rv_transformer_narrow(j->model->transformer, err));
    return rv_model_hash(j->model, err);
}

/* What texts begin behind: as dreams do; a new line where the model has no token for it. */
static rv_status choose_beginning(int32_t *bos, const job *j, rv_error *err)
{
    const char *why;
    rv_ids line = {0};
    rv_dream_bos(bos, &why, j->model);
    if (*bos >= 0) return RV_OK;
    rv_status status =
        rv_tokenizer_encode(j->model->tokenizer, "\n", 1, RV_ENCODE_PLAIN, &line, err);
    if (status == RV_OK && line.count) *bos = line.items[0];
    rv_ids_release(&line);
    return status;
}

static rv_status make(job *j, rv_error *err)
{
    const rv_autoencoder_train_params *p = j->params;
    rv_text_autoencoder_config c = {.width = p->width,
                                    .heads = p->heads,
                                    .encoder_layers = p->encoder_layers,
                                    .decoder_layers = p->decoder_layers,
                                    .code = p->code,
                                    .tokens_per_slot = p->tokens_per_slot,
                                    .tokens = p->longest,
                                    .language_model = p->language_model,
                                    .noise = p->noise};
    RV_TRY(choose_beginning(&c.bos, j, err));
    RV_TRY(rv_site_parse(&c.site, p->site, &j->model->transformer->config, err));
    RV_TRY(rv_text_autoencoder_new(&j->ae, j->model->transformer, &c, p->seed, err));
    RV_TRY(rv_autoencoder_stream(&j->stream, j->model, p->corpus, p->corpus_count, STREAM_MOST,
                                 p->progress, p->progress_context, err));
    if (p->shortest < 1 || p->shortest > p->longest || p->tokens < p->longest)
        return rv_fail(
            err, RV_ERR_USAGE,
            "windows: expected 1 to %zu tokens, and more than one window in all; found "
            "%zu, and %zu",
            p->longest, p->shortest, p->tokens);
    return rv_text_windows_cut(&j->windows, j->stream.items, j->stream.count, p->shortest,
                               p->longest, p->tokens, HELD_OUT, p->seed, err);
}

static rv_status learn(job *j, bool *complete, rv_error *err)
{
    const rv_autoencoder_train_params *p = j->params;
    char digest[RV_HASH_HEX], identity[192];
    int threads = j->model->threads;
    RV_TRY(rv_text_windows_digest(digest, &j->windows, err));
    snprintf(identity, sizeof identity, "model %.16s, windows %.16s", j->model->hash, digest);
    RV_TRY(rv_text_cache_open(&j->cache, j->kept, j->ae, j->model->hash, &j->windows, threads,
                              p->progress, p->progress_context, err));
    rv_text_train_settings s = rv_text_train_settings_default();
    s.seed = p->seed, s.steps = p->steps, s.batch = p->batch, s.draws = p->draws;
    s.stop = p->stop, s.minutes = p->minutes, s.rate = p->rate, s.decay = p->decay;
    s.corruption = p->corruption, s.dropout = p->dropout, s.site_weight = p->site_weight;
    s.replaced = p->replaced, s.shuffled = p->shuffled;
    s.cycle_weight = p->cycle_weight, s.judge_every = p->judge_every, s.threads = threads;
    s.state = j->state, s.identity = identity, s.progress = progress, s.context = j;
    s.saved = saved, s.sample = p->sample ? sample : NULL;
    return rv_text_train(&j->curve, complete, j->ae, &j->windows, &j->cache, &s, err);
}

static rv_status report(rv_autoencoder_training *out, const job *j, rv_error *err)
{
    RV_TRY(RV_NEW(out->curve, j->curve.count, err));
    for (size_t i = 0; i < j->curve.count; i++) {
        const rv_text_curve_point *p = &j->curve.items[i];
        out->curve[i] = (rv_autoencoder_point){p->step,    p->loss,     p->site, p->full,
                                               p->sampled, p->accuracy, p->exact};
    }
    out->points = j->curve.count;
    out->parameters = j->ae->parameter_count;
    out->windows = j->windows.count - j->windows.held_out;
    out->tokens = j->windows.first[out->windows];
    return RV_OK;
}

static rv_status run(rv_autoencoder_training *out, job *j, rv_error *err)
{
    RV_TRY(name_files(j, err));
    RV_TRY(rv_make_folders(j->params->output, err));
    RV_TRY(open_model(j, err));
    RV_TRY(make(j, err));
    RV_TRY(learn(j, &out->complete, err));
    return report(out, j, err);
}

rv_status rv_autoencoder_run_training(rv_autoencoder_training *out,
                                      const rv_autoencoder_train_params *params, rv_error *err)
{
    memset(out, 0, sizeof *out);
    if (!params->model || !params->output || !params->site)
        return rv_fail(err, RV_ERR_USAGE,
                       "training: expected a model, a site and an output folder");
    const double start = rv_seconds();
    job *j;
    RV_TRY(RV_NEW(j, 1, err));
    j->params = params;
    rv_status status = run(out, j, err);
    rv_text_curve_release(&j->curve);
    rv_text_cache_release(&j->cache);
    rv_text_windows_release(&j->windows);
    rv_text_autoencoder_free(j->ae);
    rv_ids_release(&j->stream);
    rv_model_close(j->model);
    char *const owned[] = {j->corpus, j->weights, j->state, j->kept, j->plot, j->lines};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(j);
    out->seconds = rv_seconds() - start;
    return status;
}

void rv_autoencoder_training_release(rv_autoencoder_training *training)
{
    free(training->curve);
    memset(training, 0, sizeof *training);
}

rv_status rv_autoencoder_training_json(char **out, const rv_autoencoder_training *t,
                                       rv_error *err)
{
    rv_text lines = {0};
    for (size_t i = 0; i < t->points; i++) {
        const rv_autoencoder_point *p = &t->curve[i];
        rv_text_printf(&lines,
                       "{\"type\":\"autoencoder_point\",\"step\":%zu,\"loss\":%.6g,"
                       "\"site\":%.6g,\"full\":%.6g,\"sampled\":%.6g,\"accuracy\":%.6g,"
                       "\"exact\":%.6g}\n",
                       p->step, p->loss, p->site, p->full, p->sampled, p->accuracy, p->exact);
    }
    rv_text_printf(&lines,
                   "{\"type\":\"autoencoder_training\",\"parameters\":%zu,\"windows\":%zu,"
                   "\"tokens\":%zu,\"complete\":%s,\"seconds\":%.1f}",
                   t->parameters, t->windows, t->tokens, t->complete ? "true" : "false",
                   t->seconds);
    *out = rv_text_take(&lines);
    return *out ? RV_OK : rv_fail_memory(err, t->points);
}
