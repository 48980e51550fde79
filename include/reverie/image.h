/* Image dreams: train small image networks, and find pictures that excite a class or a hidden unit
 * by gradient ascent on pixels and in the latent space of an autoencoder.
 *
 *     rv_image_dream_params params = rv_image_dream_params_default();
 *     params.weights = "assets/images/mnist";
 *     rv_image_gallery gallery;
 *     if (rv_image_dream(&gallery, &params, &err) != RV_OK) ...
 *     rv_image_gallery_write(&gallery, "dreams", &err);      // dreams/dreams.html, .png, .jsonl
 *     rv_image_gallery_release(&gallery);
 *
 * Images are 28 x 28 grey pixels of ten classes, in IDX files as MNIST ships them. */
#ifndef REVERIE_IMAGE_H
#define REVERIE_IMAGE_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RV_IMAGE_SIDE = 28,
    RV_IMAGE_PIXELS = RV_IMAGE_SIDE * RV_IMAGE_SIDE,
    RV_IMAGE_CLASSES = 10
};

/* ---- training -------------------------------------------------------------------------------- */

typedef enum rv_image_model {
    RV_IMAGE_CLASSIFIER, /* the network that is dreamed against */
    RV_IMAGE_JUDGE,      /* a second classifier of another architecture, which only judges */
    RV_IMAGE_AUTOENCODER
} rv_image_model;

RV_API const char *rv_image_model_name(rv_image_model model); /* "classifier", ... */

typedef struct rv_image_train_params {
    size_t size; /* set by the _default function; see reverie/core.h */
    rv_image_model model;
    const char *data;   /* folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and the
                         * same for t10k, each plain or with .gz */
    const char *output; /* safetensors file (float16) with metadata; while training goes on, its
                         * state is in OUTPUT.state, from which the same call goes on */
    uint64_t seed;
    size_t epochs;
    double rate; /* the largest learning rate */
    int threads; /* 1 or more; the weights do not depend on it */
    rv_progress_fn progress;
    void *progress_context;
} rv_image_train_params;

RV_API rv_image_train_params rv_image_train_params_default(rv_image_model model);

typedef struct rv_image_epoch {
    double train_loss;     /* nats an image, mean over the epoch */
    double loss, accuracy; /* on 5,000 images that are held out of training */
} rv_image_epoch;

typedef struct rv_image_training {
    rv_image_model model;
    uint64_t seed;
    char dataset[32]; /* "MNIST", "Fashion-MNIST" or "images" */
    size_t parameters;
    rv_image_epoch *curve; /* (epochs), owned */
    size_t epochs, best; /* the epoch whose weights were written: the smallest held-out loss */
    double test_loss,
        test_accuracy; /* of the weights as written; accuracy 0 for an autoencoder */
    double seconds;
} rv_image_training;

/* RV_ERR_NUMERIC after a whole epoch: the best weights so far were written all the same. */
RV_API rv_status rv_image_train(rv_image_training *out, const rv_image_train_params *params,
                                rv_error *err);
RV_API void rv_image_training_release(rv_image_training *training);

/* An object in a line for every epoch, and one for the training (docs/formats.md). */
RV_API rv_status rv_image_training_json(char **out, const rv_image_training *training,
                                        rv_error *err);

/* ---- dreaming -------------------------------------------------------------------------------- */

typedef enum rv_image_method {
    RV_IMAGE_NAIVE,       /* gradient ascent on the pixels */
    RV_IMAGE_REGULARISED, /* the same under jitter, blur, total variation and decay */
    RV_IMAGE_LATENT,      /* gradient ascent in the autoencoder's latent space */
    RV_IMAGE_METHODS
} rv_image_method;

RV_API const char *rv_image_method_name(rv_image_method method);

typedef struct rv_image_dream_params {
    size_t size; /* set by the _default function; see reverie/core.h */
    const char
        *weights;     /* folder with classifier, judge, autoencoder (.safetensors) and, for use
                          * without data, neighbours-images-idx3-ubyte.gz and -labels-idx1- */
    const char *data; /* folder of the training images, for the nearest; NULL: use neighbours */
    const char *unit; /* a hidden unit, LAYER:INDEX such as "relu2:7"; NULL: classes */
    int only;         /* this class only; -1: all ten */
    size_t starts, steps;
    uint64_t seed;
    int threads; /* the dreams do not depend on it */
    rv_progress_fn progress;
    void *progress_context;
} rv_image_dream_params;

RV_API rv_image_dream_params rv_image_dream_params_default(void);

/* The folder of the networks that come with the program, "mnist" or "fashion-mnist": in
 * $REVERIE_ASSETS/images, beside the running program (../assets/images, ../share/reverie/images)
 * or in ./assets/images. malloc'ed. */
RV_API rv_status rv_image_shipped_weights(char **out, const char *name, rv_error *err);

/* A dream, measured on its pixels as they are shown, rounded to bytes. */
typedef struct rv_image_picture {
    rv_image_method method;
    size_t target, start;
    bool
        best; /* of its starts: of those with 0.9999 under the attacked classifier the one whose code has the
                * smallest norm; where there are none, and of a unit, the one with the highest score */
    uint8_t pixels[RV_IMAGE_PIXELS];
    double score; /* the target's mean over shifted copies and noisy latents */
    double value; /* the target: log odds of the class, or the unit's mean activation */
    double attacked, judge; /* class probability under each classifier; NAN for a unit */
    double norm, norm_rank; /* of its code; share of training images whose code is shorter */
    double reencoding,
        reencoding_rank; /* rms of decode(encode(x)) - x; share of test images below */
    size_t neighbour;    /* nearest image, in the gallery's neighbour set */
    uint8_t neighbour_pixels[RV_IMAGE_PIXELS], neighbour_label;
    double distance,
        distance_rank; /* Euclidean; share of test images that are nearer to theirs */
} rv_image_picture;

typedef struct rv_image_gallery {
    char dataset[32];
    char class_name[RV_IMAGE_CLASSES][32];
    char (*target_name)[32]; /* (targets): "7", "Sandal", "relu2:7" */
    size_t targets, starts, steps;
    uint64_t seed;
    bool units;               /* targets are hidden units, not classes */
    size_t neighbours;        /* images that the nearest were looked for in */
    bool whole_set;           /* those are all training images, not the shipped few */
    rv_image_picture *dreams; /* (targets, methods, starts) */
    char attacked[256], judge[256], autoencoder[512]; /* what the networks are, for the page */
} rv_image_gallery;

RV_API rv_status rv_image_dream(rv_image_gallery *out, const rv_image_dream_params *params,
                                rv_error *err);
RV_API void rv_image_gallery_release(rv_image_gallery *gallery);

/* The best dream of a target by a method. */
RV_API const rv_image_picture *rv_image_gallery_best(const rv_image_gallery *gallery,
                                                     size_t target, rv_image_method method);

/* path ending in .html: one self-contained page; .png: the grid; .jsonl: records; anything else: a
 * folder, which is made, with dreams.html, dreams.png and dreams.jsonl. */
RV_API rv_status rv_image_gallery_write(const rv_image_gallery *gallery, const char *path,
                                        rv_error *err);

/* Says whether that could be written, before the dreams are computed: makes the folder, or looks at a file's. */
RV_API rv_status rv_image_gallery_prepare(const char *path, rv_error *err);

/* A line for each target and method, for a terminal. */
RV_API rv_status rv_image_gallery_text(char **out, const rv_image_gallery *gallery,
                                       rv_error *err);
/* Its records (docs/formats.md, "image dream"): an object in a line each. */
RV_API rv_status rv_image_gallery_json(char **out, const rv_image_gallery *gallery,
                                       rv_error *err);

/* Writes the images nearest to any dream of the gallery as IDX files into the folder, so that the
 * same dreams find them without the data. */
RV_API rv_status rv_image_gallery_keep_neighbours(const rv_image_gallery *gallery,
                                                  const char *folder, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
