/* Derivatives of every layer, and of whole networks, by central differences. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "vision/autoencoder.h"

enum { SAMPLES = 3 };

static void fill(real *x, size_t count, uint64_t run)
{
    rv_random random = rv_random_stream(11, run, 0);
    for (size_t i = 0; i < count; i++) x[i] = rv_random_normal(&random);
}

/* loss = sum_i direction_i out_i of one layer: linear, so the seed is the direction itself. */
static real loss_of(rv_network_pass *pass, const real *x, const real *direction, size_t layer)
{
    rv_network_forward(pass, x, SAMPLES);
    size_t count = SAMPLES * rv_volume_size(pass->net->layer[layer].out);
    real loss = 0;
    for (size_t i = 0; i < count; i++) loss += direction[i] * pass->out[layer][i];
    return loss;
}

/* Compares gradient with differences of the loss in up to 60 of the numbers, spread evenly. */
static void check(rv_network *net, rv_network_pass *pass, const real *input,
                  const real *direction, size_t layer, real *numbers, const real *gradient,
                  size_t count, const char *what)
{
    const real h = 1e-5;
    for (size_t i = 0; i < count; i += 1 + count / 60) {
        real kept = numbers[i];
        numbers[i] = kept + h;
        rv_network_refresh(net);
        real up = loss_of(pass, input, direction, layer);
        numbers[i] = kept - h;
        rv_network_refresh(net);
        real down = loss_of(pass, input, direction, layer);
        numbers[i] = kept;
        real difference = (up - down) / (2 * h);
        if (fabs(difference - gradient[i]) > 1e-7 * (1 + fabs(difference)))
            fail_msg("%s, %s %zu: expected %.10g by differences, found %.10g", net->description,
                     what, i, difference, gradient[i]);
    }
    rv_network_refresh(net);
}

static void differentiates(const char *description, const char *layer_name, real softness)
{
    rv_network net;
    rv_network_pass pass;
    rv_error err;
    if (rv_network_init(&net, description, &err) != RV_OK) fail_msg("%s", err.message);
    assert_int_equal(rv_network_pass_init(&pass, &net, SAMPLES, &err), RV_OK);
    rv_network_randomise(&net, 5);
    fill(net.parameters, net.parameter_count, 1); // norms and biases too
    rv_network_refresh(&net);
    pass.softness = softness;
    size_t layer = layer_name ? rv_network_find(&net, layer_name) : net.count - 1;
    assert_true(layer < net.count);
    size_t inputs = SAMPLES * rv_volume_size(rv_network_input(&net));
    size_t outputs = SAMPLES * rv_volume_size(net.layer[layer].out);
    real *input = rv_alloc(inputs, sizeof *input), *dinput = rv_alloc(inputs, sizeof *input);
    real *direction = rv_alloc(outputs, sizeof *direction);
    real *dparameters = rv_alloc(net.parameter_count, sizeof *dparameters);
    fill(input, inputs, 2);
    fill(direction, outputs, 3);
    loss_of(&pass, input, direction, layer);
    memcpy(rv_network_pass_seed(&pass, layer), direction, outputs * sizeof *direction);
    memcpy(dinput, rv_network_backward(&pass, dparameters), inputs * sizeof *dinput);
    check(&net, &pass, input, direction, layer, input, dinput, inputs, "input");
    check(&net, &pass, input, direction, layer, net.parameters, dparameters,
          net.parameter_count, "parameter");
    free(input);
    free(dinput);
    free(direction);
    free(dparameters);
    rv_network_pass_release(&pass);
    rv_network_release(&net);
}

static void every_layer(void **state)
{
    (void)state;
    const char *const descriptions[] = {"5x4x3 conv4",   "5x4x3 conv4/2",      "6x6x2 conv3/2",
                                        "2x3x2 dense4",  "1x1x5 dense2x3x2",   "3x3x6 norm2",
                                        "3x3x6 norm6",   "4x3x2 silu",         "4x3x2 relu",
                                        "5x4x3 maxpool", "5x4x3 average",      "3x2x4 upsample",
                                        "3x2x8 shuffle", "20x20x2 conv3 norm1"};
    for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
        differentiates(descriptions[i], NULL, 0);
    differentiates("4x3x2 relu", NULL, 0.7);
}

static void whole_networks(void **state)
{
    (void)state;
    differentiates("8x8x1 conv4 norm2 relu maxpool conv6 norm3 relu average dense10", NULL, 0);
    differentiates("8x8x1 conv4 norm2 relu maxpool conv6 norm3 relu average dense10", NULL,
                   0.3);
    differentiates("9x7x1 conv4/2 norm2 silu conv6/2 norm3 silu dense5", NULL, 0);
    differentiates("1x1x5 dense2x2x6 norm2 silu upsample conv4 norm4 silu upsample conv1", NULL,
                   0);
    differentiates("8x8x1 conv4 norm2 relu maxpool conv6 norm3 relu average dense10", "relu2",
                   0);
}

/* loss(dlogits, logits) of 7 numbers against its own differences. */
static void losses(void **state)
{
    (void)state;
    real logits[7], x[7] = {0, 1, 0.5, 0.25, 0, 1, 0.9}, gradient[2][7] = {{0}}, h = 1e-5;
    fill(logits, 7, 4);
    rv_class_loss(gradient[0], logits, 3, 7, 2);
    rv_pixel_loss(gradient[1], logits, x, 7, 2);
    for (size_t i = 0; i < 7; i++) {
        real value[2][2];
        for (int side = 0; side < 2; side++) {
            real kept = logits[i];
            logits[i] += side ? h : -h;
            value[0][side] = rv_class_loss(NULL, logits, 3, 7, 2);
            value[1][side] = rv_pixel_loss(NULL, logits, x, 7, 2);
            logits[i] = kept;
        }
        for (int k = 0; k < 2; k++)
            assert_true(fabs(2 * (value[k][1] - value[k][0]) / (2 * h) - gradient[k][i]) <
                        1e-8);
    }
    real p[7], sum = 0;
    rv_class_softmax(p, logits, 7);
    for (size_t i = 0; i < 7; i++) sum += p[i];
    assert_true(fabs(sum - 1) < 1e-14);
    assert_true(fabs(log(p[3]) + rv_class_loss(NULL, logits, 3, 7, 1)) < 1e-14);
}

/* The autoencoder's loss on three images, with the same noise every time. */
static double autoencoder_loss(rv_autoencoder_learner *learner, const real *images,
                               real *const *gradients)
{
    const unsigned char labels[SAMPLES] = {0};
    rv_random random[SAMPLES];
    for (uint32_t s = 0; s < SAMPLES; s++) random[s] = rv_random_stream(6, 0, s);
    for (size_t net = 0; net < 2; net++) rv_network_refresh(learner->learner.net[net]);
    return learner->learner.loss(learner, 0, images, labels, random, SAMPLES, 0, gradients)
        .loss;
}

/* Noise and prior included, by the parameters of both networks. */
static void the_autoencoder(void **state)
{
    (void)state;
    const real h = 1e-5;
    rv_image_autoencoder autoencoder;
    rv_autoencoder_learner learner;
    rv_error err;
    assert_int_equal(rv_image_autoencoder_init(
                         &autoencoder, "28x28x1 conv4/2 norm2 silu conv4/2 silu dense6",
                         "1x1x3 dense7x7x4 norm2 silu conv8 shuffle silu upsample conv1", 2,
                         &err),
                     RV_OK);
    assert_int_equal(rv_autoencoder_learner_init(&learner, &autoencoder, 0.7, SAMPLES, &err),
                     RV_OK);
    static real images[SAMPLES * RV_IMAGE_PIXELS];
    for (size_t i = 0; i < SAMPLES * RV_IMAGE_PIXELS; i++)
        images[i] = (1 + sin((real)(i * i % 71))) / 2;
    real *gradients[2];
    for (size_t net = 0; net < 2; net++)
        gradients[net] = rv_alloc(learner.learner.net[net]->parameter_count, sizeof(real));
    autoencoder_loss(&learner, images, gradients);
    for (size_t net = 0; net < 2; net++) {
        rv_network *n = learner.learner.net[net];
        for (size_t i = 0; i < n->parameter_count; i += 1 + n->parameter_count / 50) {
            const real kept = n->parameters[i];
            n->parameters[i] = kept + h;
            double up = autoencoder_loss(&learner, images, NULL);
            n->parameters[i] = kept - h;
            double down = autoencoder_loss(&learner, images, NULL);
            n->parameters[i] = kept;
            double difference = (up - down) / (2 * h), found = gradients[net][i];
            if (fabs(difference - found) > 1e-6 * (1 + fabs(difference)))
                fail_msg("%s %zu: expected %.10g by differences, found %.10g", n->description,
                         i, difference, found);
        }
        free(gradients[net]);
    }
    rv_autoencoder_learner_release(&learner);
    rv_image_autoencoder_release(&autoencoder);
}

static void descriptions_are_checked(void **state)
{
    (void)state;
    const char *const wrong[] = {"",
                                 "28x28x1",
                                 "28x28 conv4",
                                 "28x28x1 conv",
                                 "28x28x1 conv0",
                                 "28x28x1 conv4/3",
                                 "28x28x1 norm2",
                                 "28x28x1 dense5x5",
                                 "28x28x1 swish",
                                 "1x1x4 maxpool",
                                 "4096x4096x1 relu",
                                 "28x28x1 conv99999",
                                 "28x28x1 relu2",
                                 "64x64x4096 relu",
                                 "64x64x64 dense4096",
                                 "0x1x1 relu"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rv_network net;
        rv_error err = {0};
        if (rv_network_init(&net, wrong[i], &err) != RV_ERR_FORMAT)
            fail_msg("'%s' was not refused as a format", wrong[i]);
        assert_true(strlen(err.message) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer),
        cmocka_unit_test(whole_networks),
        cmocka_unit_test(losses),
        cmocka_unit_test(the_autoencoder),
        cmocka_unit_test(descriptions_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
