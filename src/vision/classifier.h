/* An image classifier: a network from 28 x 28 pixels in [0, 1] to the logits of ten classes. */
#ifndef RV_VISION_CLASSIFIER_H
#define RV_VISION_CLASSIFIER_H

#include "vision/train.h"

/* Two that share no more than the data: the one to be dreamed against, and the one that judges. */
extern const char *const rv_classifier_attacked, *const rv_classifier_judge;

typedef struct rv_classifier_learner {
    rv_learner learner; /* its context points at this struct: do not copy */
    rv_network_pass pass[RV_SHARDS];
} rv_classifier_learner;

/* capacity: samples in a shard. net must outlive the learner. */
rv_status rv_classifier_learner_init(rv_classifier_learner *out, rv_network *net,
                                     size_t capacity, rv_error *err);
void rv_classifier_learner_release(rv_classifier_learner *learner);

/* RV_ERR_FORMAT if the network is no classifier of such images. */
rv_status rv_classifier_check(const rv_network *net, rv_error *err);

#endif
