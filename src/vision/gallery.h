/* Pictures and the page of a gallery. */
#ifndef RV_VISION_GALLERY_H
#define RV_VISION_GALLERY_H

#include "base/text.h"
#include "reverie/image.h"

enum { RV_IMAGE_MAX_STARTS = 256 };

const rv_image_picture *rv_image_gallery_at(const rv_image_gallery *gallery, size_t target,
                                            rv_image_method method, size_t start);

/* Appends a PNG: one row a target; the best dream of each method, and beside the latent one the
 * nearest image; then the starts of the latent method, at most eight. */
rv_status rv_image_grid(rv_text *out, const rv_image_gallery *gallery, rv_error *err);

/* Appends a page that needs nothing but itself, with a description of every number on it. */
rv_status rv_image_page(rv_text *out, const rv_image_gallery *gallery, rv_error *err);

/* As include/reverie/image.h says of rv_image_train and rv_image_dream. */
rv_status rv_vision_train(rv_image_training *out, const rv_image_train_params *params,
                          rv_error *err);
rv_status rv_vision_dream(rv_image_gallery *out, const rv_image_dream_params *params,
                          rv_error *err);

#endif
