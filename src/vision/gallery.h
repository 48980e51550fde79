/* What is done with a gallery. */
#ifndef RV_VISION_GALLERY_H
#define RV_VISION_GALLERY_H

#include "base/error.h"
#include "reverie/image.h"

enum { RV_IMAGE_MAX_STARTS = 256 };

const rv_image_picture *rv_image_gallery_at(const rv_image_gallery *gallery, size_t target,
                                            rv_image_method method, size_t start);

/* As include/reverie/image.h says of rv_image_train and rv_image_dream. */
rv_status rv_vision_train(rv_image_training *out, const rv_image_train_params *params,
                          rv_error *err);
rv_status rv_vision_dream(rv_image_gallery *out, const rv_image_dream_params *params,
                          rv_error *err);

#endif
