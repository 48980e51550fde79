/* Weights of a text autoencoder. What is accepted also runs: a text through it is tokens again. */
#include "autoencoder/text_files.h"
#include "checkpoint/internal.h"
#include "model.h"

static void run(const rv_text_autoencoder *ae)
{
    const rv_text_autoencoder_config *c = &ae->config;
    int32_t ids[RV_TEXT_TOKENS_MAX], back[RV_TEXT_TOKENS_MAX];
    rv_error err;
    FUZZ_REQUIRE(c->tokens >= 1 && c->tokens <= RV_TEXT_TOKENS_MAX);
    FUZZ_REQUIRE(isfinite(ae->site_scale) && ae->site_scale > 0);
    for (size_t i = 0; i < c->tokens; i++) ids[i] = (int32_t)(i % VOCABULARY);
    real *z = malloc(rv_text_slots(c, c->tokens) * c->code * sizeof *z);
    FUZZ_REQUIRE(z);
    FUZZ_REQUIRE(rv_text_autoencoder_encode(z, ae, ids, 1, c->tokens, 1, &err) == RV_OK);
    FUZZ_REQUIRE(rv_text_autoencoder_decode(back, NULL, ae, z, 1, c->tokens, 1, &err) == RV_OK);
    for (size_t i = 0; i < c->tokens; i++) FUZZ_REQUIRE(back[i] >= 0 && back[i] < VOCABULARY);
    free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rv_transformer *subject;
    rv_checkpoint *ck;
    rv_text_autoencoder *ae;
    rv_error err;
    if (!subject) subject = new_model(true);
    if (rv_checkpoint_open_memory(&ck, data, size, "fuzz.safetensors", &err) != RV_OK) return 0;
    err.message[0] = '\0';
    rv_status status = rv_text_autoencoder_read(&ae, ck, subject, "fuzz", &err);
    FUZZ_REQUIRE(status == RV_OK ? ae != NULL : !ae && err.message[0]);
    // A file that lies about sizes is refused before it costs memory.
    FUZZ_REQUIRE(!ae || ae->parameter_count <= 8 * size);
    FUZZ_REQUIRE(status != RV_ERR_MEMORY);
    if (ae) run(ae);
    rv_text_autoencoder_free(ae);
    rv_checkpoint_close(ck);
    return 0;
}
