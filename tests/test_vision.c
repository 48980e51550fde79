/* Training on small made-up images: deterministic, resumable, and failing as it should. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "reverie/image.h"
#include "vision/autoencoder.h"
#include "vision/classifier.h"
#include "vision/neighbour.h"
#include "report/png.h"
#include "vision/weights.h"

#define SMALL "28x28x1 conv8/2 norm2 relu maxpool conv8 norm2 silu dense10"

enum { IMAGES = 320, HELD_OUT = 64 };

static char folder[64];
static rv_images images;

static const char *path_of(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* Class k: a bright bar in row 2 k + 4, of random place, length and brightness. */
static int make_images(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/reverie-vision-XXXXXX");
    rv_error err;
    if (!mkdtemp(folder)) return -1;
    images.count = IMAGES;
    images.pixels = rv_alloc(IMAGES, RV_IMAGE_PIXELS);
    images.labels = rv_alloc(IMAGES, 1);
    rv_random random = rv_random_stream(1, 2, 3);
    for (size_t i = 0; i < IMAGES; i++) {
        images.labels[i] = (unsigned char)rv_random_below(&random, RV_IMAGE_CLASSES);
        size_t first = rv_random_below(&random, 10), length = 8 + rv_random_below(&random, 8);
        unsigned char brightness = (unsigned char)(128 + rv_random_below(&random, 128));
        unsigned char *row =
            images.pixels + i * RV_IMAGE_PIXELS + (2 * images.labels[i] + 4) * RV_IMAGE_SIDE;
        memset(row + first, brightness, length);
    }
    if (rv_images_write(&images, folder, "train", &err) != RV_OK) return -1;
    return rv_images_write(&images, folder, "t10k", &err) == RV_OK ? 0 : -1;
}

static int remove_images(void **state)
{
    (void)state;
    rv_images_release(&images);
    const char *const names[] = {"train-images-idx3-ubyte.gz",
                                 "train-labels-idx1-ubyte.gz",
                                 "t10k-images-idx3-ubyte.gz",
                                 "t10k-labels-idx1-ubyte.gz",
                                 "classifier.safetensors",
                                 "judge.safetensors",
                                 "autoencoder.safetensors",
                                 "neighbours-images-idx3-ubyte.gz",
                                 "neighbours-labels-idx1-ubyte.gz",
                                 "dreams/dreams.html",
                                 "dreams/dreams.png",
                                 "dreams/dreams.jsonl",
                                 "dreams",
                                 "state"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(path_of(names[i]));
    return rmdir(folder);
}

static rv_learner_settings settings_of(size_t epochs)
{
    return (rv_learner_settings){.seed = 4,
                                 .epochs = epochs,
                                 .batch = 32,
                                 .rate = 1e-2,
                                 .shift = 0,
                                 .held_out = HELD_OUT,
                                 .threads = 1};
}

/* Trains a small classifier; its parameters in malloc'ed memory. */
static real *train(rv_learning_curve *curve, const rv_learner_settings *settings,
                   rv_status expected, rv_error *err)
{
    rv_network net;
    rv_classifier_learner learner;
    assert_int_equal(rv_network_init(&net, SMALL, err), RV_OK);
    rv_network_randomise(&net, 9);
    assert_int_equal(rv_classifier_learner_init(&learner, &net, 4, err), RV_OK);
    rv_status status = rv_learner_train(curve, &learner.learner, &images, settings, err);
    if (status != expected) fail_msg("status %d: %s", status, err->message);
    real *parameters = rv_alloc(net.parameter_count, sizeof *parameters);
    memcpy(parameters, net.parameters, net.parameter_count * sizeof *parameters);
    rv_classifier_learner_release(&learner);
    rv_network_release(&net);
    return parameters;
}

static size_t small_size(void)
{
    rv_network net;
    rv_error err;
    assert_int_equal(rv_network_init(&net, SMALL, &err), RV_OK);
    size_t count = net.parameter_count;
    rv_network_release(&net);
    return count;
}

static void the_loss_falls_to_its_recorded_value_at_any_number_of_threads(void **state)
{
    (void)state;
    static rv_learning_curve one, two;
    rv_error err;
    rv_learner_settings settings = settings_of(6);
    real *a = train(&one, &settings, RV_OK, &err);
    settings.threads = 2;
    real *b = train(&two, &settings, RV_OK, &err);
    assert_memory_equal(a, b, small_size() * sizeof *a);
    assert_memory_equal(one.epoch, two.epoch, one.count * sizeof *one.epoch);
    assert_true(fabs(one.epoch[0].train_loss - 1.643) < 0.02);
    assert_true(fabs(one.epoch[5].train_loss - 0.597) < 0.02);
    free(a);
    free(b);
}

typedef struct stopper {
    int left; /* events until it cancels */
} stopper;

static bool stop(void *context, const rv_progress *event)
{
    (void)event;
    return ((stopper *)context)->left-- > 0;
}

static void a_resumed_training_equals_an_uninterrupted_one(void **state)
{
    (void)state;
    static rv_learning_curve whole, parts;
    rv_error err;
    rv_learner_settings settings = settings_of(4);
    real *a = train(&whole, &settings, RV_OK, &err);
    stopper stops = {11}; // within the second epoch of eight steps
    settings.state = path_of("state");
    settings.progress = stop;
    settings.context = &stops;
    free(train(&parts, &settings, RV_ERR_CANCELLED, &err));
    assert_non_null(strstr(err.message, "stopped at step 11 of 32"));
    stops.left = 1000;
    settings.seed = 5;
    free(train(&parts, &settings, RV_ERR_USAGE, &err));
    assert_non_null(strstr(err.message, "the state of another training"));
    settings.seed = 4;
    real *b = train(&parts, &settings, RV_OK, &err);
    assert_memory_equal(a, b, small_size() * sizeof *a);
    assert_memory_equal(whole.epoch, parts.epoch, whole.count * sizeof *whole.epoch);
    assert_false(rv_file_exists(path_of("state")));
    free(a);
    free(b);
}

static void numbers_that_are_not_finite_end_it_and_keep_the_last_good_weights(void **state)
{
    (void)state;
    static rv_learning_curve curve;
    rv_error err;
    rv_learner_settings settings = settings_of(3);
    settings.rate = 1e30;
    settings.state = path_of("state");
    free(train(&curve, &settings, RV_ERR_NUMERIC, &err));
    assert_non_null(strstr(err.message, "step "));
    assert_non_null(strstr(err.message, "the gradient of classifier."));
    assert_non_null(strstr(err.message, "the last good weights are in"));
    rv_checkpoint *ck;
    assert_int_equal(rv_checkpoint_open(&ck, settings.state, &err), RV_OK);
    rv_network net;
    assert_int_equal(rv_network_init(&net, SMALL, &err), RV_OK);
    // Reading checks that every number is finite.
    assert_int_equal(
        rv_network_read_parameters(net.parameters, &net, ck, "classifier.weights", &err),
        RV_OK);
    rv_network_release(&net);
    rv_checkpoint_close(ck);
    unlink(settings.state);
}

static void a_full_disk_is_met_before_the_work(void **state)
{
    (void)state;
    static rv_learning_curve curve;
    rv_error err;
    rv_learner_settings settings = settings_of(1);
    settings.state = "/dev/full";
    free(train(&curve, &settings, RV_ERR_IO, &err));
    assert_string_equal(err.message, "/dev/full: cannot write: No space left on device");
}

/* The same of a small autoencoder: encoder, then decoder. */
static real *train_autoencoder(rv_learning_curve *curve, size_t *count,
                               const rv_learner_settings *settings, rv_status expected)
{
    rv_image_autoencoder autoencoder;
    rv_autoencoder_learner learner;
    rv_error err = {0};
    assert_int_equal(
        rv_image_autoencoder_init(&autoencoder, "28x28x1 conv8/2 silu conv8/2 dense8",
                                  "1x1x4 dense14x14x4 silu conv4 shuffle", 3, &err),
        RV_OK);
    assert_int_equal(rv_autoencoder_learner_init(&learner, &autoencoder, 1, 4, &err), RV_OK);
    rv_status status = rv_learner_train(curve, &learner.learner, &images, settings, &err);
    if (status != expected) fail_msg("status %d: %s", status, err.message);
    const rv_network *encoder = &autoencoder.encoder, *decoder = &autoencoder.decoder;
    *count = encoder->parameter_count + decoder->parameter_count;
    real *parameters = rv_alloc(*count, sizeof *parameters);
    memcpy(parameters, encoder->parameters, encoder->parameter_count * sizeof *parameters);
    memcpy(parameters + encoder->parameter_count, decoder->parameters,
           decoder->parameter_count * sizeof *parameters);
    rv_autoencoder_learner_release(&learner);
    rv_image_autoencoder_release(&autoencoder);
    return parameters;
}

static void the_autoencoder_learns_bars(void **state)
{
    (void)state;
    static rv_learning_curve curve;
    size_t count;
    rv_learner_settings settings = settings_of(4);
    free(train_autoencoder(&curve, &count, &settings, RV_OK));
    assert_true(fabs(curve.epoch[0].train_loss / 544.3 - 1) < 0.01);
    assert_true(fabs(curve.epoch[3].train_loss / 92.92 - 1) < 0.01);
}

static void a_resumed_autoencoder_equals_an_uninterrupted_one(void **state)
{
    (void)state;
    static rv_learning_curve whole, parts;
    size_t count;
    rv_learner_settings settings = settings_of(3);
    real *a = train_autoencoder(&whole, &count, &settings, RV_OK);
    stopper stops = {13};
    settings.state = path_of("state");
    settings.progress = stop;
    settings.context = &stops;
    free(train_autoencoder(&parts, &count, &settings, RV_ERR_CANCELLED));
    stops.left = 1000;
    real *b = train_autoencoder(&parts, &count, &settings, RV_OK);
    assert_memory_equal(a, b, count * sizeof *a);
    assert_memory_equal(whole.epoch, parts.epoch, whole.count * sizeof *whole.epoch);
    free(a);
    free(b);
}

static void networks_must_fit_each_other(void **state)
{
    (void)state;
    rv_image_autoencoder autoencoder;
    rv_error err;
    assert_int_equal(rv_image_autoencoder_init(&autoencoder, "28x28x1 dense8",
                                               "1x1x5 dense28x28x1", 3, &err),
                     RV_ERR_FORMAT);
}

static void settings_are_checked(void **state)
{
    (void)state;
    static rv_learning_curve curve;
    rv_error err;
    rv_learner_settings settings = settings_of(0);
    free(train(&curve, &settings, RV_ERR_USAGE, &err));
    settings = settings_of(1);
    settings.batch = 30;
    free(train(&curve, &settings, RV_ERR_USAGE, &err));
    settings = settings_of(1);
    settings.held_out = IMAGES;
    free(train(&curve, &settings, RV_ERR_USAGE, &err));
    assert_non_null(strstr(err.message, "found 320"));
}

static void the_nearest_is_the_nearest(void **state)
{
    (void)state;
    enum { QUERIES = 3 };
    static real queries[QUERIES * RV_IMAGE_PIXELS];
    size_t index[QUERIES];
    double distance[QUERIES];
    rv_error err;
    rv_random random = rv_random_stream(7, 0, 0);
    for (size_t i = 0; i < QUERIES * RV_IMAGE_PIXELS; i++)
        queries[i] = (real)rv_random_uniform(&random) / 8;
    for (size_t p = 0; p < RV_IMAGE_PIXELS; p++)
        queries[p] = (real)images.pixels[200 * RV_IMAGE_PIXELS + p] / 255;
    assert_int_equal(rv_neighbours_find(index, distance, queries, QUERIES, &images, 2, &err),
                     RV_OK);
    assert_true(distance[0] < 1e-6);
    for (size_t q = 0; q < QUERIES; q++) {
        double least = INFINITY;
        for (size_t i = 0; i < IMAGES; i++) {
            double sum = 0;
            for (size_t p = 0; p < RV_IMAGE_PIXELS; p++) {
                double d = (double)queries[q * RV_IMAGE_PIXELS + p] -
                           images.pixels[i * RV_IMAGE_PIXELS + p] / 255.0;
                sum += d * d;
            }
            if (sqrt(sum) < least) least = sqrt(sum);
        }
        assert_true(fabs(distance[q] - least) < 1e-6);
    }
}

static void percentiles_rank_what_they_were_made_of(void **state)
{
    (void)state;
    double sample[1001];
    for (size_t i = 0; i < 1001; i++) sample[(i * 37) % 1001] = (double)i / 10;
    rv_percentiles percentiles = rv_percentiles_of(sample, 1001), back;
    assert_true(fabs(rv_percentiles_rank(&percentiles, 25) - 0.25) < 1e-12);
    assert_true(fabs(rv_percentiles_rank(&percentiles, 25.5) - 0.255) < 1e-12);
    assert_true(rv_percentiles_rank(&percentiles, -1) == 0);
    assert_true(rv_percentiles_rank(&percentiles, 101) == 1);
    char *text = rv_percentiles_write(&percentiles);
    rv_error err;
    assert_int_equal(rv_percentiles_read(&back, text, &err), RV_OK);
    assert_true(fabs(back.value[40] - 40) < 1e-4);
    free(text);
    assert_int_equal(rv_percentiles_read(&back, "[1,2]", &err), RV_ERR_FORMAT);
    assert_int_equal(rv_percentiles_read(&back, "nonsense", &err), RV_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_falls_to_its_recorded_value_at_any_number_of_threads),
        cmocka_unit_test(a_resumed_training_equals_an_uninterrupted_one),
        cmocka_unit_test(numbers_that_are_not_finite_end_it_and_keep_the_last_good_weights),
        cmocka_unit_test(a_full_disk_is_met_before_the_work),
        cmocka_unit_test(the_autoencoder_learns_bars),
        cmocka_unit_test(a_resumed_autoencoder_equals_an_uninterrupted_one),
        cmocka_unit_test(networks_must_fit_each_other),
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(the_nearest_is_the_nearest),
        cmocka_unit_test(percentiles_rank_what_they_were_made_of),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
