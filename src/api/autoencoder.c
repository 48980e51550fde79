#include "api/params.h"
#include "autoencoder/open.h"

rv_status rv_autoencoder_train(rv_autoencoder_training *out,
                               const rv_autoencoder_train_params *given, rv_error *err)
{
    *out = (rv_autoencoder_training){0};
    RV_TAKE_PARAMS(rv_autoencoder_train_params, given);
    return rv_autoencoder_run_training(out, &params, err);
}

rv_status rv_autoencoder_open(rv_autoencoder **out, const char *folder, const char *model,
                              const rv_model_params *given, rv_error *err)
{
    *out = NULL;
    RV_TAKE_PARAMS(rv_model_params, given);
    return rv_autoencoder_open_any(out, folder, model, &params, err);
}

rv_status rv_autoencoder_reconstruct(rv_reconstruction *out, rv_autoencoder *ae,
                                     const char *text, size_t length,
                                     const rv_reconstruct_params *given, rv_error *err)
{
    *out = (rv_reconstruction){0};
    RV_TAKE_PARAMS(rv_reconstruct_params, given);
    return rv_autoencoder_write_again(out, ae, text, length, &params, err);
}

rv_status rv_autoencoder_evaluate(rv_autoencoder_card *out, rv_autoencoder *ae,
                                  const rv_evaluate_params *given, rv_error *err)
{
    *out = (rv_autoencoder_card){0};
    RV_TAKE_PARAMS(rv_evaluate_params, given);
    return rv_autoencoder_judge(out, ae, &params, err);
}
