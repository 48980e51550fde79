/* What a training holds between two steps: private to train.c and state.c. */
#ifndef RV_VISION_TRAINER_H
#define RV_VISION_TRAINER_H

#include "vision/adamw.h"
#include "vision/train.h"

typedef struct rv_learner_run {
    const rv_learner *learner;
    const rv_images *images;
    const rv_learner_settings *settings;
    rv_learning_curve *curve;
    rv_network_adamw adamw[RV_LEARNER_NETS];
    real *best[RV_LEARNER_NETS];     /* parameters of the best epoch */
    real *gradient[RV_LEARNER_NETS]; /* (RV_SHARDS, parameters) */
    real *input;                     /* (batch, 784) */
    unsigned char *labels;           /* (batch) */
    rv_random *random;               /* (batch) */
    size_t *order;                   /* this epoch's permutation of the training images */
    size_t training, steps;          /* images; steps in an epoch */
    size_t step;                     /* done, of epochs * steps */
    double epoch_loss;               /* sum over this epoch's steps so far */
} rv_learner_run;

rv_status rv_learner_save(const rv_learner_run *t, rv_error *err);
/* RV_OK and *found = false where there is no state to go on from. */
rv_status rv_learner_load(rv_learner_run *t, bool *found, rv_error *err);

#endif
