/* Two tiny language models for targets that need one: three layers, width 6, vocabulary 6, context 8. */
#ifndef RV_FUZZ_MODEL_H
#define RV_FUZZ_MODEL_H

#include "fuzz.h"
#include "model/pass.h"

enum { LAYERS = 3, VOCABULARY = 6 };

static rv_transformer *new_model(bool gated)
{
    static rv_config c;
    rv_transformer *model;
    c = (rv_config){.family = gated ? "llama" : "gpt2",
                    .vocabulary = VOCABULARY,
                    .context = 8,
                    .layers = LAYERS,
                    .width = 6,
                    .heads = 3,
                    .kv_heads = gated ? 1 : 3,
                    .head_size = 2,
                    .mlp_width = 8,
                    .norm = gated ? RV_NORM_RMS : RV_NORM_LAYER,
                    .norm_eps = 1e-5,
                    .learned_positions = !gated,
                    .rotary_size = gated ? 2 : 0,
                    .rope = {{.theta = 1e4}},
                    .activation = gated ? RV_ACT_SILU : RV_ACT_GELU_TANH,
                    .gated = gated,
                    .tied = true,
                    .embedding_scale = 1};
    for (size_t l = 0; l < LAYERS; l++) c.layer[l].score_scale = 0.7;
    rv_error err;
    FUZZ_REQUIRE(rv_transformer_new(&model, &c, NULL, &err) == RV_OK);
    FUZZ_REQUIRE(rv_transformer_randomise(model, 1, &err) == RV_OK);
    return model;
}

#endif
