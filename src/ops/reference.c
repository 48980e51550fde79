#include "ops/reference.h"

const rv_kernels *rv_kernels_reference(void)
{
    static const rv_kernels table = {
        .name = "reference",
        .panel_width = 16,
        .linear_forward = rv_linear_forward,
        .linear_forward_narrow = rv_linear_forward,
        .linear_backward = rv_linear_backward,
        .linear_backward_weight = rv_linear_backward_weight,
        .logsumexp_forward = rv_logsumexp_forward,
        .logsumexp_forward_narrow = rv_logsumexp_forward,
        .logsumexp_backward = rv_logsumexp_backward,
        .attention_forward = rv_attention_forward,
        .attention_backward = rv_attention_backward,
        .layernorm_forward = rv_layernorm_forward,
        .layernorm_backward = rv_layernorm_backward,
        .rmsnorm_forward = rv_rmsnorm_forward,
        .rmsnorm_backward = rv_rmsnorm_backward,
        .activation_forward = rv_activation_forward,
        .activation_backward = rv_activation_backward,
        .rope = rv_rope,
    };
    return &table;
}
