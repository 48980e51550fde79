/* Training of the image networks: data, recipe, training, measurement, file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "vision/autoencoder.h"
#include "vision/classifier.h"
#include "vision/dataset.h"
#include "vision/gallery.h"
#include "vision/measure.h"
#include "vision/neighbour.h"
#include "vision/weights.h"

enum { BATCH = 64, HELD_OUT = 5000, MEASURED = 10000, COMPARED = 2000 };

static const double KL_WEIGHT = 1;

static const struct {
    uint64_t seed;
    size_t epochs;
    double rate, decay;
} recipes[] = {
    [RV_IMAGE_CLASSIFIER] = {1, 6, 4e-3, 0.02},
    [RV_IMAGE_JUDGE] = {2, 6, 4e-3, 0.02},
    [RV_IMAGE_AUTOENCODER] = {3, 6, 3e-3, 0},
};

rv_image_train_params rv_image_train_params_default(rv_image_model model)
{
    return (rv_image_train_params){.size = sizeof(rv_image_train_params),
                                   .model = model,
                                   .seed = recipes[model].seed,
                                   .epochs = recipes[model].epochs,
                                   .rate = recipes[model].rate,
                                   .threads = 1};
}

/* Everything one training holds. */
typedef struct job {
    const rv_image_train_params *params;
    const rv_dataset *dataset;
    rv_images train, test;
    rv_network classifier;
    rv_image_autoencoder autoencoder;
    union {
        rv_classifier_learner classify;
        rv_autoencoder_learner reconstruct;
    } learner;
    rv_learner *common; /* the learner's general part */
    rv_learning_curve curve;
    double test_loss, test_accuracy;
    rv_percentiles norms, errors, distances; /* of the autoencoder */
} job;

static bool is_autoencoder(const job *j)
{
    return j->params->model == RV_IMAGE_AUTOENCODER;
}

static rv_status make_networks(job *j, rv_error *err)
{
    const size_t capacity = BATCH / RV_SHARDS;
    const uint64_t seed = j->params->seed;
    if (is_autoencoder(j)) {
        RV_TRY(rv_image_autoencoder_init(&j->autoencoder, rv_autoencoder_encoder,
                                         rv_autoencoder_decoder, seed, err));
        RV_TRY(rv_autoencoder_learner_init(&j->learner.reconstruct, &j->autoencoder, KL_WEIGHT,
                                           capacity, err));
        j->common = &j->learner.reconstruct.learner;
        return RV_OK;
    }
    bool judge = j->params->model == RV_IMAGE_JUDGE;
    RV_TRY(rv_network_init(&j->classifier, judge ? rv_classifier_judge : rv_classifier_attacked,
                           err));
    rv_network_randomise(&j->classifier, seed);
    RV_TRY(rv_classifier_learner_init(&j->learner.classify, &j->classifier, capacity, err));
    j->common = &j->learner.classify.learner;
    return RV_OK;
}

static rv_status learn(job *j, rv_error *err)
{
    const rv_image_train_params *p = j->params;
    size_t room = strlen(p->output) + sizeof ".state";
    char *state = malloc(room);
    if (!state) return rv_fail_memory(err, room);
    snprintf(state, room, "%s.state", p->output);
    const bool replaceable = rv_file_exists(p->output) || access(p->output, F_OK) != 0;
    size_t held_out = j->train.count / 2 < HELD_OUT ? j->train.count / 2 : HELD_OUT;
    const rv_learner_settings settings = {.seed = p->seed,
                                          .epochs = p->epochs,
                                          .batch = BATCH,
                                          .rate = p->rate,
                                          .decay = recipes[p->model].decay,
                                          .shift = is_autoencoder(j) ? 0 : j->dataset->shift,
                                          .held_out = held_out,
                                          .threads = p->threads,
                                          .state = replaceable ? state : NULL,
                                          .progress = p->progress,
                                          .context = p->progress_context};
    rv_status status = rv_learner_train(&j->curve, j->common, &j->train, &settings, err);
    free(state);
    return status;
}

/* Percentiles that place a dream among real images. */
static rv_status measure_autoencoder(job *j, rv_error *err)
{
    const size_t count = j->train.count < MEASURED ? j->train.count : MEASURED;
    const size_t tests = j->test.count < COMPARED ? j->test.count : COMPARED;
    const size_t most = count > tests ? count : tests;
    real *images = NULL;
    double *a = NULL, *b = NULL;
    size_t *index = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(images, most * RV_IMAGE_PIXELS, err));
    RV_GOTO(RV_NEW(a, most, err));
    RV_GOTO(RV_NEW(b, most, err));
    RV_GOTO(RV_NEW(index, tests, err));
    rv_image_numbers(images, j->train.pixels, count * RV_IMAGE_PIXELS);
    RV_GOTO(rv_image_reencode(a, b, &j->autoencoder, images, count, j->params->threads, err));
    j->norms = rv_percentiles_of(a, count);
    rv_image_numbers(images, j->test.pixels, tests * RV_IMAGE_PIXELS);
    RV_GOTO(rv_image_reencode(a, b, &j->autoencoder, images, tests, j->params->threads, err));
    j->errors = rv_percentiles_of(b, tests);
    RV_GOTO(rv_neighbours_find(index, a, images, tests, &j->train, j->params->threads, err));
    j->distances = rv_percentiles_of(a, tests);
done:
    free(images);
    free(a);
    free(b);
    free(index);
    return status;
}

static void set_number(json_t *object, const char *key, const char *format, double value)
{
    char text[40];
    snprintf(text, sizeof text, format, value);
    json_object_set_new(object, key, json_string(text));
}

static void set_percentiles(json_t *object, const char *key, const rv_percentiles *percentiles)
{
    char *text = rv_percentiles_write(percentiles);
    if (text) json_object_set_new(object, key, json_string(text));
    free(text);
}

/* What a file is, before it was measured. */
static json_t *make_name(const job *j)
{
    static const char *const kinds[] = {"classifier", "judge", "autoencoder"};
    return json_pack("{s:s, s:s, s:s}", "made_by", "reverie " RV_VERSION_STRING, "kind",
                     kinds[j->params->model], "dataset", j->dataset->name);
}

static json_t *make_metadata(const job *j)
{
    json_t *m = make_name(j);
    json_t *curve = rv_learning_curve_json(&j->curve);
    char *text = json_dumps(curve, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(curve);
    set_number(m, "seed", "%.0f", (double)j->params->seed);
    set_number(m, "epochs", "%.0f", (double)j->curve.count);
    set_number(m, "best_epoch", "%.0f", (double)j->curve.best + 1);
    set_number(m, "test_loss", "%.6g", j->test_loss);
    if (text) json_object_set_new(m, "curve", json_string(text));
    free(text);
    if (!is_autoencoder(j)) {
        set_number(m, "test_accuracy", "%.4f", j->test_accuracy);
        return m;
    }
    set_percentiles(m, "code_norms", &j->norms);
    set_percentiles(m, "reencoding_errors", &j->errors);
    set_percentiles(m, "neighbour_distances", &j->distances);
    return m;
}

static rv_status write_file(const job *j, const json_t *metadata, rv_error *err)
{
    rv_named_network networks[RV_LEARNER_NETS];
    for (size_t i = 0; i < j->common->nets; i++)
        networks[i] = (rv_named_network){j->common->name[i], j->common->net[i], NULL};
    return rv_networks_write(j->params->output, networks, j->common->nets, RV_F16, metadata,
                             err);
}

/* Writes the networks and reads them back, so that they are measured as float16 leaves them. */
static rv_status round_networks(job *j, rv_error *err)
{
    rv_checkpoint *ck;
    json_t *unmeasured = make_name(j);
    rv_status status = write_file(j, unmeasured, err);
    json_decref(unmeasured);
    RV_TRY(status);
    RV_TRY(rv_checkpoint_open(&ck, j->params->output, err));
    for (size_t i = 0; i < j->common->nets && status == RV_OK; i++) {
        rv_network *net = j->common->net[i];
        status = rv_network_read_parameters(net->parameters, net, ck, j->common->name[i], err);
        rv_network_refresh(net);
    }
    rv_checkpoint_close(ck);
    return status;
}

static rv_status measure_and_write(job *j, rv_error *err)
{
    RV_TRY(round_networks(j, err));
    rv_learner_part part = rv_learner_judge(j->common, &j->test, 0, j->test.count,
                                            BATCH / RV_SHARDS, j->params->threads);
    j->test_loss = part.loss / (double)j->test.count;
    j->test_accuracy = part.correct / (double)j->test.count;
    if (is_autoencoder(j)) RV_TRY(measure_autoencoder(j, err));
    json_t *metadata = make_metadata(j);
    rv_status status = write_file(j, metadata, err);
    json_decref(metadata);
    return status;
}

static rv_status report(rv_image_training *out, const job *j, rv_error *err)
{
    RV_TRY(RV_NEW(out->curve, j->curve.count, err));
    snprintf(out->dataset, sizeof out->dataset, "%s", j->dataset->name);
    for (size_t i = 0; i < j->common->nets; i++)
        out->parameters += j->common->net[i]->parameter_count;
    for (size_t i = 0; i < j->curve.count; i++) {
        const rv_learning_epoch *e = &j->curve.epoch[i];
        out->curve[i] = (rv_image_epoch){e->train_loss, e->loss, e->accuracy};
    }
    out->epochs = j->curve.count;
    out->best = j->curve.best;
    out->test_loss = j->test_loss;
    out->test_accuracy = j->test_accuracy;
    return RV_OK;
}

static rv_status run(rv_image_training *out, job *j, rv_error *err)
{
    RV_TRY(rv_images_read(&j->train, j->params->data, "train", err));
    RV_TRY(rv_images_read(&j->test, j->params->data, "t10k", err));
    RV_TRY(rv_dataset_recognise(&j->dataset, &j->train, err));
    RV_TRY(make_networks(j, err));
    rv_status status = learn(j, err);
    if (status == RV_ERR_NUMERIC && j->curve.count > 0) {
        rv_error second;
        if (measure_and_write(j, &second) == RV_OK)
            rv_context(err, status, "the weights of epoch %zu are in %s", j->curve.best + 1,
                       j->params->output);
    }
    if (status == RV_OK) status = measure_and_write(j, err);
    return status == RV_OK ? report(out, j, err) : status;
}

rv_status rv_vision_train(rv_image_training *out, const rv_image_train_params *params,
                          rv_error *err)
{
    *out = (rv_image_training){.model = params->model, .seed = params->seed};
    if (!params->data || !params->output)
        return rv_fail(err, RV_ERR_USAGE,
                       "training: expected a data folder and an output file");
    if (params->threads < 1 || params->threads > 1024)
        return rv_fail(err, RV_ERR_USAGE, "threads: expected 1 to 1024, found %d",
                       params->threads);
    const double start = rv_seconds();
    job *j;
    RV_TRY(RV_NEW(j, 1, err));
    j->params = params;
    rv_status status = run(out, j, err);
    if (is_autoencoder(j))
        rv_autoencoder_learner_release(&j->learner.reconstruct);
    else
        rv_classifier_learner_release(&j->learner.classify);
    rv_image_autoencoder_release(&j->autoencoder);
    rv_network_release(&j->classifier);
    rv_images_release(&j->train);
    rv_images_release(&j->test);
    free(j);
    out->seconds = rv_seconds() - start;
    return status;
}

void rv_image_training_release(rv_image_training *training)
{
    free(training->curve);
    memset(training, 0, sizeof *training);
}

rv_status rv_image_training_json(char **out, const rv_image_training *t, rv_error *err)
{
    const char *model = rv_image_model_name(t->model);
    rv_text lines = {0};
    for (size_t i = 0; i < t->epochs; i++) {
        const rv_image_epoch *e = &t->curve[i];
        rv_text_printf(&lines,
                       "{\"type\":\"image_epoch\",\"model\":\"%s\",\"epoch\":%zu,"
                       "\"train_loss\":%.9g,\"loss\":%.9g,\"accuracy\":%.9g,\"best\":%s}\n",
                       model, i + 1, e->train_loss, e->loss, e->accuracy,
                       i == t->best ? "true" : "false");
    }
    rv_text_printf(&lines,
                   "{\"type\":\"image_training\",\"model\":\"%s\",\"dataset\":\"%s\","
                   "\"seed\":%llu,\"parameters\":%zu,\"test_loss\":%.9g,"
                   "\"test_accuracy\":%.9g,\"seconds\":%.1f}",
                   model, t->dataset, (unsigned long long)t->seed, t->parameters, t->test_loss,
                   t->test_accuracy, t->seconds);
    *out = rv_text_take(&lines);
    return *out ? RV_OK : rv_fail_memory(err, t->epochs);
}

const char *rv_image_model_name(rv_image_model model)
{
    static const char *const names[] = {"classifier", "judge", "autoencoder"};
    return names[model];
}
