/* reverie image: train the small image networks, and dream with them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "reverie/image.h"

/* ---- train ------------------------------------------------------------------------------------- */

/* A curve as a row of blocks, the largest value highest. */
static void print_sparkline(const rv_image_training *t)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < t->epochs; i++) {
        low = fmin(low, t->curve[i].loss);
        high = fmax(high, t->curve[i].loss);
    }
    printf("held-out loss  ");
    for (size_t i = 0; i < t->epochs; i++)
        fputs(blocks[high > low ? (int)(7.999 * (t->curve[i].loss - low) / (high - low)) : 0],
              stdout);
    printf("  %.4g to %.4g\n", t->curve[0].loss, low);
}

static void print_training(const rv_image_training *t, const rv_image_train_params *p)
{
    const bool autoencoder = p->model == RV_IMAGE_AUTOENCODER;
    for (size_t i = 0; i < t->epochs; i++) {
        const rv_image_epoch *e = &t->curve[i];
        if (autoencoder)
            printf("epoch %3zu  loss %9.4f  held out %9.4f%s\n", i + 1, e->train_loss, e->loss,
                   i == t->best ? "  best" : "");
        else
            printf("epoch %3zu  loss %7.4f  held out %7.4f  accuracy %.4f%s\n", i + 1,
                   e->train_loss, e->loss, e->accuracy, i == t->best ? "  best" : "");
    }
    print_sparkline(t);
    printf("%s, %s: %zu parameters, seed %llu, %.0f s\ntest loss %.4f",
           rv_image_model_name(p->model), t->dataset, t->parameters,
           (unsigned long long)p->seed, t->seconds, t->test_loss);
    if (!autoencoder) printf(", test accuracy %.2f %%", 100 * t->test_accuracy);
    printf("\nwritten to %s\n", p->output);
}

static int threads_here(int64_t asked)
{
    long here = sysconf(_SC_NPROCESSORS_ONLN);
    return asked > 0 ? (int)asked : here > 8 ? 8 : here > 0 ? (int)here : 1;
}

static int run_train(const command *self, int argc, char **argv)
{
    const char *data = NULL, *output = NULL;
    int64_t seed = -1, epochs = -1, threads = 0;
    bool json = false, force = false;
    const option options[] = {
        {"data", 'd', OPTION_INPUT, &data, "DIR",
         "folder with the four IDX files, plain or .gz"},
        {"output", 'o', OPTION_OUTPUT, &output, "FILE", "weights (default: MODEL.safetensors)",
         .written = RV_OUTPUT_NETWORK},
        FORCE_ROW(force),
        {"seed", 's', OPTION_INTEGER, &seed, "N",
         "seed (default: 1, 2, 3 for the three models)"},
        {"epochs", 'e', OPTION_INTEGER, &epochs, "N", "passes over the data (default: 6)",
         .least = 1, .most = 1e6},
        {"threads", 't', OPTION_INTEGER, &threads, "N",
         "processors that are used (default: all, at most 8)", .most = 1024},
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print JSON lines: every epoch, then the training"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    size_t model = 0;
    while (model < 3 && strcmp(rest.items[0], rv_image_model_name((rv_image_model)model)) != 0)
        model++;
    if (model == 3)
        return fail_usage("cannot train '%s': expected classifier, judge or autoencoder",
                          rest.items[0]);
    if (!data) return fail_usage("--data is needed: the folder with the IDX files");
    rv_image_train_params params = rv_image_train_params_default((rv_image_model)model);
    char name[40];
    snprintf(name, sizeof name, "%s.safetensors", rv_image_model_name((rv_image_model)model));
    params.data = data;
    params.output = output ? output : name;
    if (!output) code = check_output(name, RV_OUTPUT_NETWORK, &rest, options);
    if (code >= 0) return code;
    if (seed >= 0) params.seed = (uint64_t)seed;
    if (epochs >= 0) params.epochs = (size_t)epochs;
    params.threads = threads_here(threads);
    params.progress = show_progress;
    rv_image_training training;
    rv_error err;
    if (rv_image_train(&training, &params, &err) != RV_OK) return fail(&err);
    end_progress();
    code = EXIT_OK;
    if (json) {
        char *lines;
        rv_status status = rv_image_training_json(&lines, &training, &err);
        code = print_object(status, lines, &err);
    } else {
        print_training(&training, &params);
    }
    rv_image_training_release(&training);
    return code;
}

static const command command_image_train = {
    .name = "image train",
    .arguments = "MODEL --data DIR [options]",
    .summary = "Train an image network: classifier, judge or autoencoder",
    .help =
        "Reads 28 x 28 images of ten classes in IDX files, as MNIST and Fashion-MNIST ship "
        "them,\n"
        "and writes a small safetensors file. The classifier is the network that is dreamed\n"
        "against; the judge is a second one of another architecture and seed; the autoencoder\n"
        "is what a dream in its latent space is confined to. The last 5,000 training images "
        "are\n"
        "held out, and the weights of the epoch that does best on them are kept. Interrupted,\n"
        "the same command goes on where it stopped. The same seed gives the same weights at "
        "any\n"
        "number of threads.\n"
        "\n"
        "  reverie image train classifier --data mnist -o mine/classifier.safetensors\n"
        "  reverie image train judge --data mnist -o mine/judge.safetensors\n"
        "  reverie image train autoencoder --data mnist -o mine/autoencoder.safetensors\n"
        "  reverie image dream --weights mine --data mnist -o dreams",
    .least = 1,
    .most = 1,
    .run = run_train,
};

/* ---- dream --------------------------------------------------------------------------------------- */

/* One file, or a folder in which each of the three must be free or ours. */
static int check_gallery(const char *path, const arguments *rest, const option *options)
{
    static const struct {
        const char *ending;
        rv_output_kind kind;
    } files[] = {
        {".html", RV_OUTPUT_PAGE}, {".png", RV_OUTPUT_PICTURE}, {".jsonl", RV_OUTPUT_DREAMS}};
    size_t length = strlen(path);
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(files[i].ending);
        if (length >= n && strcmp(path + length - n, files[i].ending) == 0)
            return check_output(path, files[i].kind, rest, options);
    }
    int code = check_output(path, RV_OUTPUT_FOLDER, rest, options);
    rv_error err;
    if (code < 0 && rv_image_gallery_prepare(path, &err) != RV_OK) return fail(&err);
    for (size_t i = 0; code < 0 && i < 3; i++) {
        char *file;
        if (asprintf(&file, "%s/dreams%s", path, files[i].ending) < 0) die_of_memory();
        code = check_output(file, files[i].kind, rest, options);
        free(file);
    }
    return code;
}

static rv_status print_gallery(const rv_image_gallery *gallery, bool json, rv_error *err)
{
    char *lines = NULL;
    rv_status status = json ? rv_image_gallery_json(&lines, gallery, err)
                            : rv_image_gallery_text(&lines, gallery, err);
    if (lines && json)
        put_json(lines);
    else if (lines)
        put_text(lines, strlen(lines), false);
    free(lines);
    return status;
}

/* Where the pictures go. */
#define GALLERY_ROWS(output, keep, force, json)                                \
    {"Result", .kind = OPTION_GROUP},                                          \
        {"output",  'o',    OPTION_STRING,                                     \
         &(output), "PATH", "folder for all; or .html, .png, .jsonl for one"}, \
        {"keep-neighbours",                                                    \
         0,                                                                    \
         OPTION_OUTPUT,                                                        \
         &(keep),                                                              \
         "DIR",                                                                \
         "write the nearest images there, for use without --data",             \
         .written = RV_OUTPUT_FOLDER},                                         \
        FORCE_ROW(force),                                                      \
    {                                                                          \
        "json", 0, OPTION_FLAG, &(json), NULL, "print one JSON line a dream"   \
    }

static int run_dream(const command *self, int argc, char **argv)
{
    rv_image_dream_params params = rv_image_dream_params_default();
    const char *set = "mnist", *output = NULL, *keep = NULL;
    int64_t only = -1, starts = (int64_t)params.starts, steps = (int64_t)params.steps;
    int64_t seed = (int64_t)params.seed, threads = 0;
    bool json = false, force = false;
    const option options[] = {
        {"What is dreamed of", .kind = OPTION_GROUP},
        {"set", 0, OPTION_STRING, &set, "NAME", "shipped networks: mnist or fashion-mnist"},
        {"weights", 'w', OPTION_INPUT, &params.weights, "DIR",
         "own networks: classifier, judge, autoencoder (.safetensors)"},
        {"data", 'd', OPTION_INPUT, &params.data, "DIR",
         "IDX files: the nearest among all training images"},
        {"class", 'c', OPTION_INTEGER, &only, "K", "this class only (default: all)", .most = 9},
        {"unit", 'u', OPTION_STRING, &params.unit, "LAYER:INDEX",
         "a hidden unit instead, such as relu2:7"},
        {"Search", .kind = OPTION_GROUP},
        {"starts", 0, OPTION_INTEGER, &starts, "N", "random starts a target", .least = 1,
         .most = 1e6},
        {"steps", 0, OPTION_INTEGER, &steps, "N", "steps of the ascent", .least = 1,
         .most = 1e9},
        {"seed", 's', OPTION_INTEGER, &seed, "N", "seed of the starts"},
        {"threads", 't', OPTION_INTEGER, &threads, "N",
         "processors that are used (default: all, at most 8)", .most = 1024},
        GALLERY_ROWS(output, keep, force, json),
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    rv_error err;
    char *shipped = NULL;
    if (output) code = check_gallery(output, &rest, options);
    if (code >= 0) return code;
    if (!params.weights && rv_image_shipped_weights(&shipped, set, &err) != RV_OK)
        return fail(&err);
    if (shipped) params.weights = shipped;
    params.only = (int)only;
    params.starts = (size_t)starts;
    params.steps = (size_t)steps;
    params.seed = (uint64_t)seed;
    params.threads = threads_here(threads);
    params.progress = show_progress;
    rv_image_gallery gallery;
    rv_status status = rv_image_dream(&gallery, &params, &err);
    free(shipped);
    if (status != RV_OK) return fail(&err);
    end_progress();
    status = print_gallery(&gallery, json, &err);
    if (status == RV_OK && output) status = rv_image_gallery_write(&gallery, output, &err);
    if (status == RV_OK && keep)
        status = rv_image_gallery_keep_neighbours(&gallery, keep, &err);
    rv_image_gallery_release(&gallery);
    return status == RV_OK ? EXIT_OK : fail(&err);
}

static const command command_image_dream = {
    .name = "image dream",
    .arguments = "[options]",
    .summary = "Dream pictures of a classifier's classes and hidden units",
    .help =
        "For every class: gradient ascent on the pixels (naive), the same under jitter, blur, "
        "total\n"
        "variation and decay (regularised), and in the latent space of an autoencoder "
        "(latent).\n"
        "Prints the class's probability under the classifier that was ascended and under a "
        "judge\n"
        "that was not, how the dream's code and the autoencoder's round trip rank among real\n"
        "images, and the nearest training image. Networks for MNIST and Fashion-MNIST are "
        "shipped,\n"
        "so it needs no data.\n"
        "\n"
        "  reverie image dream -o dreams            # then open dreams/dreams.html\n"
        "  reverie image dream --set fashion-mnist --class 9\n"
        "  reverie image dream --unit relu3:12 -o unit.png",
    .least = 0,
    .most = 0,
    .run = run_dream,
};

/* ---- the two ------------------------------------------------------------------------------------- */

static const command *const parts[] = {&command_image_train, &command_image_dream, NULL};

const command command_image = {
    .name = "image",
    .arguments = "train|dream ...",
    .summary = "Dream pictures: of classes and units of an image classifier",
    .help = "  train   train a classifier, a judge or an autoencoder on MNIST-like data\n"
            "  dream   dream pictures by gradient ascent on pixels and in a latent space\n"
            "\n"
            "Example:\n"
            "  reverie image dream -o dreams\n"
            "`reverie image train --help` and `reverie image dream --help` tell more.",
    .least = 1,
    .most = 1,
    .run = run_part,
    .parts = parts,
};
