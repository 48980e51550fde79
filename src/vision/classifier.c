#include "vision/classifier.h"

const char *const rv_classifier_attacked =
    "28x28x1 conv16/2 norm2 relu conv32 norm4 relu maxpool conv32 norm4 relu dense10";
const char *const rv_classifier_judge = "28x28x1 conv24/2 norm3 silu conv32 norm4 silu "
                                        "conv32/2 norm4 silu conv16 norm2 silu dense10";

static rv_learner_part classifier_loss(void *context, size_t shard, const real *images,
                                       const unsigned char *labels, rv_random *random,
                                       size_t count, double progress, real *const *gradients)
{
    (void)random;
    (void)progress;
    rv_network_pass *pass = &((rv_classifier_learner *)context)->pass[shard];
    const real *logits = rv_network_forward(pass, images, count);
    real *dlogits = gradients ? rv_network_pass_seed(pass, pass->net->count - 1) : NULL;
    rv_learner_part part = {0};
    for (size_t n = 0; n < count; n++, logits += RV_IMAGE_CLASSES) {
        part.loss += (double)rv_class_loss(dlogits ? dlogits + n * RV_IMAGE_CLASSES : NULL,
                                           logits, labels[n], RV_IMAGE_CLASSES, 1);
        size_t best = 0;
        for (size_t c = 1; c < RV_IMAGE_CLASSES; c++)
            if (logits[c] > logits[best]) best = c;
        part.correct += best == labels[n];
    }
    if (gradients) rv_network_backward(pass, gradients[0]);
    return part;
}

rv_status rv_classifier_check(const rv_network *net, rv_error *err)
{
    rv_volume in = rv_network_input(net);
    if (in.height == RV_IMAGE_SIDE && in.width == RV_IMAGE_SIDE && in.channels == 1 &&
        rv_volume_size(rv_network_output(net)) == RV_IMAGE_CLASSES)
        return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT,
                   "network '%.200s': expected a classifier, %dx%dx1 to %d numbers",
                   net->description, RV_IMAGE_SIDE, RV_IMAGE_SIDE, RV_IMAGE_CLASSES);
}

rv_status rv_classifier_learner_init(rv_classifier_learner *out, rv_network *net,
                                     size_t capacity, rv_error *err)
{
    *out = (rv_classifier_learner){.learner = {.net = {net},
                                               .name = {"classifier"},
                                               .nets = 1,
                                               .context = out,
                                               .loss = classifier_loss}};
    RV_TRY(rv_classifier_check(net, err));
    rv_status status = RV_OK;
    for (size_t s = 0; s < RV_SHARDS && status == RV_OK; s++)
        status = rv_network_pass_init(&out->pass[s], net, capacity, err);
    if (status != RV_OK) rv_classifier_learner_release(out);
    return status;
}

void rv_classifier_learner_release(rv_classifier_learner *learner)
{
    for (size_t s = 0; s < RV_SHARDS; s++) rv_network_pass_release(&learner->pass[s]);
}
