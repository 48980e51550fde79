/* An autoencoder that is open, for the other files of this room. */
#ifndef RV_AUTOENCODER_OPEN_H
#define RV_AUTOENCODER_OPEN_H

#include "subject/subject.h"
#include "autoencoder/text_autoencoder.h"
#include "reverie/autoencoder.h"

struct rv_autoencoder {
    rv_model *model; /* owned */
    rv_text_autoencoder *text;
    size_t step;
};

/* As include/reverie/autoencoder.h says of rv_autoencoder_open, _train, _reconstruct and _evaluate. */
rv_status rv_autoencoder_open_any(rv_autoencoder **out, const char *folder, const char *model,
                                  const rv_model_params *params, rv_error *err);
rv_status rv_autoencoder_run_training(rv_autoencoder_training *out,
                                      const rv_autoencoder_train_params *params, rv_error *err);
rv_status rv_autoencoder_write_again(rv_reconstruction *out, rv_autoencoder *ae,
                                     const char *text, size_t length,
                                     const rv_reconstruct_params *params, rv_error *err);
rv_status rv_autoencoder_judge(rv_autoencoder_card *out, rv_autoencoder *ae,
                               const rv_evaluate_params *params, rv_error *err);

/* The autoencoder in a folder (or safetensors file), for a model that is open: RV_ERR_USAGE where it was made for
 * another. */
rv_status rv_autoencoder_load(rv_text_autoencoder **out, const char *folder, rv_model *model,
                              rv_error *err);

/* The file of the one that comes with the program for this model; malloc'ed. RV_ERR_NOT_FOUND where there is none. */
rv_status rv_autoencoder_shipped(char **path, rv_model *model, rv_error *err);

/* The tokens of a text, as many as fit: RV_ERR_USAGE where there are none or too many. */
rv_status rv_autoencoder_tokens(rv_ids *out, const rv_autoencoder *ae, const char *text,
                                size_t length, rv_error *err);

#endif
