/* A safetensors file of image networks, as a classifier and as an autoencoder. What is accepted also runs. */
#include <string.h>

#include "checkpoint/internal.h"
#include "fuzz.h"
#include "vision/autoencoder.h"
#include "vision/classifier.h"
#include "vision/neighbour.h"
#include "vision/weights.h"

enum { MOST_NUMBERS = 1 << 20 }; // larger networks are read, but not run

static void run(const rv_network *net)
{
    rv_network_pass pass;
    rv_error err;
    size_t numbers = rv_volume_size(rv_network_input(net));
    for (size_t i = 0; i < net->count; i++) numbers += rv_volume_size(net->layer[i].out);
    if (numbers + net->parameter_count > MOST_NUMBERS) return;
    real *input = calloc(rv_volume_size(rv_network_input(net)), sizeof *input);
    FUZZ_REQUIRE(input && rv_network_pass_init(&pass, net, 1, &err) == RV_OK);
    rv_network_forward(&pass, input, 1);
    rv_network_pass_seed(&pass, net->count - 1)[0] = 1;
    rv_network_backward(&pass, NULL);
    rv_network_pass_release(&pass);
    free(input);
}

static void read_classifier(const rv_checkpoint *ck)
{
    rv_network net;
    rv_error err = {.message = ""};
    if (rv_network_read(&net, ck, "classifier", &err) != RV_OK) {
        FUZZ_REQUIRE(!net.parameters && err.message[0]);
        return;
    }
    if (rv_classifier_check(&net, &err) == RV_OK) run(&net);
    rv_network_release(&net);
}

static void read_autoencoder(const rv_checkpoint *ck)
{
    rv_network encoder, decoder;
    rv_image_autoencoder both;
    rv_error err;
    rv_status status = rv_network_read(&encoder, ck, "encoder", &err);
    if (status != RV_OK) return;
    if (rv_network_read(&decoder, ck, "decoder", &err) != RV_OK) {
        rv_network_release(&encoder);
        return;
    }
    if (rv_image_autoencoder_join(&both, &encoder, &decoder, &err) != RV_OK) return;
    run(&both.encoder);
    run(&both.decoder);
    rv_image_autoencoder_release(&both);
}

static void read_percentiles(const rv_checkpoint *ck)
{
    rv_percentiles p;
    rv_error err;
    const char *text;
    if (rv_checkpoint_metadata_string(&text, ck, "code_norms", &err) != RV_OK ||
        rv_percentiles_read(&p, text, &err) != RV_OK)
        return;
    double rank = rv_percentiles_rank(&p, 0.5);
    FUZZ_REQUIRE(rank >= 0 && rank <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_checkpoint *ck;
    rv_error err;
    if (rv_checkpoint_open_memory(&ck, data, size, "fuzz.safetensors", &err) != RV_OK) return 0;
    read_classifier(ck);
    read_autoencoder(ck);
    read_percentiles(ck);
    rv_checkpoint_close(ck);
    return 0;
}
