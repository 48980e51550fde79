/* Dreams with the networks that are shipped: without any data, and as good as promised. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "reverie/image.h"
#include "vision/idx.h"

static void forget(rv_image_gallery gallery)
{
    rv_image_gallery_release(&gallery);
}

static rv_image_gallery dream(rv_image_dream_params params)
{
    rv_image_gallery gallery;
    rv_error err;
    if (rv_image_dream(&gallery, &params, &err) != RV_OK) fail_msg("%s", err.message);
    return gallery;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Over the starts of the first target. */
static void medians(double *attacked, double *judge, const rv_image_gallery *g,
                    rv_image_method method)
{
    double a[64], j[64];
    const size_t n = g->starts;
    assert_true(n <= 64);
    for (size_t s = 0; s < n; s++) {
        a[s] = g->dreams[(size_t)method * n + s].attacked;
        j[s] = g->dreams[(size_t)method * n + s].judge;
    }
    qsort(a, n, sizeof *a, by_size);
    qsort(j, n, sizeof *j, by_size);
    *attacked = (a[(n - 1) / 2] + a[n / 2]) / 2;
    *judge = (j[(n - 1) / 2] + j[n / 2]) / 2;
}

/* The goals of the shipped networks, on one class: the best latent dream is certain under the
 * attacked classifier and the judge, as near to an image of its class as nine tenths of the test
 * images are to theirs, and the autoencoder gives it back; naive ascent convinces the first alone. */
static void latent_dreams_of(const char *weights, int class, size_t starts)
{
    rv_image_dream_params params = rv_image_dream_params_default();
    params.weights = weights;
    params.only = class;
    params.starts = starts;
    params.threads = 2;
    rv_image_gallery gallery = dream(params);
    assert_int_equal(gallery.targets, 1);
    assert_false(gallery.whole_set);
    const rv_image_picture *latent = rv_image_gallery_best(&gallery, 0, RV_IMAGE_LATENT);
    const rv_image_picture *naive = rv_image_gallery_best(&gallery, 0, RV_IMAGE_NAIVE);
    double attacked, judge;
    medians(&attacked, &judge, &gallery, RV_IMAGE_LATENT);
    if (latent->attacked < 0.9999 || latent->judge < 0.999 || attacked < 0.999 ||
        judge < 0.99 || latent->distance_rank > 0.9 || latent->neighbour_label != class)
        fail_msg("%s, %s: attacked %.6f, judge %.6f, medians %.6f and %.6f, distance rank "
                 "%.2f, neighbour %s",
                 gallery.dataset, gallery.target_name[0], latent->attacked, latent->judge,
                 attacked, judge, latent->distance_rank,
                 gallery.class_name[latent->neighbour_label]);
    assert_true(naive->attacked > 0.999);
    assert_true(naive->judge < latent->judge);
    assert_true(naive->distance_rank > 0.9);
    assert_true(naive->reencoding > 2 * latent->reencoding);
    forget(gallery);
}

static void digits_are_digits(void **state)
{
    (void)state;
    for (int class = 0; class < RV_IMAGE_CLASSES; class += 3)
        latent_dreams_of("assets/images/mnist", class, 4);
}

static void clothes_are_clothes(void **state)
{
    (void)state;
    latent_dreams_of("assets/images/fashion-mnist", 0, 4);
    latent_dreams_of("assets/images/fashion-mnist", 7, 4);
    latent_dreams_of("assets/images/fashion-mnist", 4,
                     16); // the surest coats are the strangest ones
}

/* The neighbours that are shipped hold those of the default dreams: the distances are the true
 * ones, measured against the whole training sets and written down here. */
static void shipped_neighbours_are_the_nearest_of_the_default_dreams(void **state)
{
    (void)state;
    rv_image_dream_params params = rv_image_dream_params_default();
    params.weights = "assets/images/mnist";
    params.only = 2;
    params.threads = 2;
    rv_image_gallery gallery = dream(params);
    const rv_image_picture *d = rv_image_gallery_best(&gallery, 0, RV_IMAGE_LATENT);
    // Another processor's rounding may pick another start; its image is near all the same.
    assert_true(d->distance < 4.8);
    assert_int_equal(d->neighbour_label, 2);
    forget(gallery);
}

static void the_same_seed_dreams_the_same_at_any_number_of_threads(void **state)
{
    (void)state;
    rv_image_dream_params params = rv_image_dream_params_default();
    params.weights = "assets/images/mnist";
    params.only = 7;
    params.starts = 2;
    params.steps = 6;
    rv_image_gallery one = dream(params);
    params.threads = 2;
    rv_image_gallery two = dream(params);
    params.seed = 2;
    rv_image_gallery other = dream(params);
    const size_t bytes = 2 * RV_IMAGE_METHODS * sizeof *one.dreams;
    assert_memory_equal(one.dreams, two.dreams, bytes);
    assert_memory_not_equal(one.dreams, other.dreams, bytes);
    assert_string_equal(one.target_name[0], "7");
    forget(one);
    forget(two);
    forget(other);
}

static void units_are_dreamed_of_too(void **state)
{
    (void)state;
    rv_image_dream_params params = rv_image_dream_params_default();
    params.weights = "assets/images/mnist";
    params.unit = "relu3:4";
    params.starts = 2;
    params.steps = 40;
    rv_image_gallery gallery = dream(params);
    assert_true(gallery.units);
    assert_int_equal(gallery.targets, 1);
    const rv_image_picture *d = rv_image_gallery_best(&gallery, 0, RV_IMAGE_LATENT);
    assert_true(isnan(d->attacked));
    params.steps = 1;
    rv_image_gallery start = dream(params);
    assert_true(d->value > 1.5 * rv_image_gallery_best(&start, 0, RV_IMAGE_LATENT)->value);
    forget(gallery);
    forget(start);
}

static void refuses(rv_image_dream_params params, rv_status status, const char *words)
{
    rv_image_gallery gallery;
    rv_error err = {0};
    assert_int_equal(rv_image_dream(&gallery, &params, &err), status);
    assert_null(gallery.dreams);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
}

/* Two images that are no digits of MNIST, as a data set. */
static const char *make_other_data(void)
{
    static char folder[] = "/tmp/reverie-other-XXXXXX";
    static unsigned char pixels[2 * RV_IMAGE_PIXELS], labels[2];
    const rv_images images = {.pixels = pixels, .labels = labels, .count = 2};
    rv_error err;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(rv_images_write(&images, folder, "train", &err), RV_OK);
    return folder;
}

static void remove_other_data(const char *folder)
{
    const char *const names[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"};
    char path[80];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void wrong_wishes_are_explained(void **state)
{
    (void)state;
    const char *other_data = make_other_data();
    rv_image_dream_params params = rv_image_dream_params_default();
    params.weights = "assets/images/mnist";
    params.unit = "relu9:1";
    refuses(params, RV_ERR_NOT_FOUND, "no layer 'relu9'; it is 28x28x1 conv16");
    params.unit = "relu3:99";
    refuses(params, RV_ERR_USAGE, "an index below 32");
    params.unit = "relu3";
    refuses(params, RV_ERR_USAGE, "expected LAYER:INDEX");
    params.unit = NULL;
    params.only = 10;
    refuses(params, RV_ERR_USAGE, "class: expected 0 to 9, found 10");
    params.only = -1;
    params.starts = 0;
    refuses(params, RV_ERR_USAGE, "starts: expected 1 to 256, found 0");
    params.starts = 1;
    params.data = other_data;
    refuses(params, RV_ERR_USAGE, "expected MNIST, which the networks of");
    params = rv_image_dream_params_default();
    params.weights = "tests";
    refuses(params, RV_ERR_NOT_FOUND, "tests/classifier.safetensors");
    char *folder;
    rv_error err;
    assert_int_equal(rv_image_shipped_weights(&folder, "../..", &err), RV_ERR_USAGE);
    assert_int_equal(rv_image_shipped_weights(&folder, "nothing", &err), RV_ERR_NOT_FOUND);
    assert_int_equal(rv_image_shipped_weights(&folder, "mnist", &err), RV_OK);
    free(folder);
    remove_other_data(other_data);
}

/* The page is one file that asks the network for nothing. */
static void galleries_are_written_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/reverie-dreams-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    rv_image_dream_params params = rv_image_dream_params_default();
    params.weights = "assets/images/mnist";
    params.only = 3;
    params.starts = 2;
    params.steps = 4;
    rv_image_gallery gallery = dream(params);
    rv_error err;
    assert_int_equal(rv_image_gallery_write(&gallery, folder, &err), RV_OK);
    const char *const names[] = {"dreams.html", "dreams.png", "dreams.jsonl"};
    char *bytes;
    size_t length;
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(rv_read_file(&bytes, &length, path, 1 << 22, &err), RV_OK);
        if (i == 0) assert_null(strstr(bytes, "http"));
        if (i == 0) assert_non_null(strstr(bytes, "prefers-color-scheme:dark"));
        if (i == 1) assert_memory_equal(bytes, "\x89PNG", 4);
        if (i == 2) assert_non_null(strstr(bytes, "\"method\":\"latent\""));
        free(bytes);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rv_image_gallery_write(&gallery, "/dev/full/x", &err), RV_ERR_IO);
    forget(gallery);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_digits),
        cmocka_unit_test(clothes_are_clothes),
        cmocka_unit_test(shipped_neighbours_are_the_nearest_of_the_default_dreams),
        cmocka_unit_test(the_same_seed_dreams_the_same_at_any_number_of_threads),
        cmocka_unit_test(units_are_dreamed_of_too),
        cmocka_unit_test(wrong_wishes_are_explained),
        cmocka_unit_test(galleries_are_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
