#include "api/params.h"
#include "vision/gallery.h"

rv_status rv_image_train(rv_image_training *out, const rv_image_train_params *given,
                         rv_error *err)
{
    *out = (rv_image_training){0};
    rv_image_train_params params =
        rv_image_train_params_default(given ? given->model : RV_IMAGE_CLASSIFIER);
    RV_TRY(rv_params_take(&params, sizeof params, given, err));
    return rv_vision_train(out, &params, err);
}

rv_status rv_image_dream(rv_image_gallery *out, const rv_image_dream_params *given,
                         rv_error *err)
{
    *out = (rv_image_gallery){0};
    RV_TAKE_PARAMS(rv_image_dream_params, given);
    return rv_vision_dream(out, &params, err);
}
