/* What the known data sets are called, recognised by their labels. */
#ifndef RV_VISION_DATASET_H
#define RV_VISION_DATASET_H

#include "vision/idx.h"

typedef struct rv_dataset {
    const char *name; /* "MNIST" */
    const char *class_name[RV_IMAGE_CLASSES];
    size_t shift; /* pixels by which its images may be moved and still be what they are */
} rv_dataset;

/* By the SHA-256 of the training labels; "images", its classes "0" to "9", if it is none of the
 * known. */
rv_status rv_dataset_recognise(const rv_dataset **out, const rv_images *images, rv_error *err);

/* The data set of that name, or the unknown one. */
const rv_dataset *rv_dataset_named(const char *name);

#endif
