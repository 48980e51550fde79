/* Drawing the next token from its logits. */
#ifndef RV_SUBJECT_SAMPLE_H
#define RV_SUBJECT_SAMPLE_H

#include "base/error.h"
#include "base/real.h"
#include "reverie/model.h"

typedef struct rv_sampler {
    size_t vocabulary;
    const rv_generate_params *params;
    int32_t *heap;  /* (V) */
    double *weight; /* (V) */
} rv_sampler;

/* params must outlive the sampler. RV_ERR_USAGE: they make no sense. */
rv_status rv_sampler_new(rv_sampler *out, const rv_generate_params *params, size_t vocabulary,
                         rv_error *err);
void rv_sampler_release(rv_sampler *sampler);

/* A token by logits (V), for the step-th draw. Temperature first, then top_k, then top_p among what is
 * left, as in transformers. Where two are equally likely the smaller id counts as the likelier. The first token whose
 * logit is not finite, if there is one. */
int32_t rv_sample(rv_sampler *sampler, const real *logits, uint32_t step);

#endif
