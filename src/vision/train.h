/* Training: AdamW over shuffled batches, warm-up and cosine, the best weights kept, resumable.
 *
 * A batch is cut into RV_SHARDS parts, whatever the number of threads, and the parts' gradients are
 * added in order: the same seed gives the same weights at any number of threads. Random numbers
 * are named by (seed, epoch, place in the epoch), so a resumed training equals an uninterrupted
 * one, bit for bit. */
#ifndef RV_VISION_TRAIN_H
#define RV_VISION_TRAIN_H

#include <jansson.h>

#include "base/random.h"
#include "vision/idx.h"
#include "vision/network.h"

enum { RV_SHARDS = 8, RV_MAX_EPOCHS = 1000, RV_LEARNER_NETS = 2 };

/* What a part of a batch says: sums over its samples. */
typedef struct rv_learner_part {
    double loss;
    double correct; /* samples classified as labelled; 0 where that means nothing */
} rv_learner_part;

/* What is trained: networks, and the loss of some samples under them. */
typedef struct rv_learner {
    rv_network *net[RV_LEARNER_NETS];
    const char *name[RV_LEARNER_NETS]; /* "encoder" */
    size_t nets;
    void *context;
    /* images (count, 28, 28) in [0, 1], labels (count), count <= capacity. random (count streams):
     * the samples' noise; NULL when they are judged, not trained on. gradients: one array per
     * network, accumulated with the gradient of the sum of the losses; NULL: not wanted.
     * progress: the fraction of the training that is done. Called for several shards at once. */
    rv_learner_part (*loss)(void *context, size_t shard, const real *images,
                            const unsigned char *labels, rv_random *random, size_t count,
                            double progress, real *const *gradients);
} rv_learner;

typedef struct rv_learner_settings {
    uint64_t seed;
    size_t epochs;
    size_t batch;       /* a multiple of RV_SHARDS; batch / RV_SHARDS is the shards' capacity */
    double rate, decay; /* the largest learning rate, reached after a warm-up; weight decay */
    size_t shift;       /* images are shifted by up to so many pixels, both ways */
    size_t held_out;    /* the last images are for judging the epochs, not for training */
    int threads;
    const char *state; /* file that a stopped training goes on from; NULL: none is kept */
    rv_progress_fn progress;
    void *context;
} rv_learner_settings;

typedef struct rv_learning_epoch {
    double train_loss;     /* mean over the epoch, as the weights moved */
    double loss, accuracy; /* of the held-out images, afterwards */
} rv_learning_epoch;

typedef struct rv_learning_curve {
    rv_learning_epoch epoch[RV_MAX_EPOCHS];
    size_t count;
    size_t best; /* the epoch whose weights were kept: the smallest held-out loss */
} rv_learning_curve;

/* Trains; the networks end with the best epoch's weights, also where it fails after one. If settings->state exists and was
 * written under the same settings and data, goes on from there; under other ones is an error. The
 * state is written after every epoch and when cancelled, and removed at the end. A loss or
 * gradient that is not finite ends the training with RV_ERR_NUMERIC, naming step and tensor. */
rv_status rv_learner_train(rv_learning_curve *curve, const rv_learner *learner,
                           const rv_images *images, const rv_learner_settings *settings,
                           rv_error *err);

/* Sums over images first .. first + count, without gradients and noise. */
rv_learner_part rv_learner_judge(const rv_learner *learner, const rv_images *images,
                                 size_t first, size_t count, size_t capacity, int threads);

/* Pixels of one image as numbers in [0, 1], shifted down by dy and right by dx; black moves in. */
void rv_image_shift(real *out, const unsigned char *pixels, int dy, int dx);

/* {"train_loss": [...], "loss": [...], "accuracy": [...]}: how metadata and records hold a curve. */
json_t *rv_learning_curve_json(const rv_learning_curve *curve);

#endif
