/* Instantiates the tuned kernels for the vectors that were included before. Every instruction
 * set has one file that includes its vectors, then this, and fills its table from TUNED_ENTRIES. */
#ifndef RV_OPS_CPU_TABLE_H
#define RV_OPS_CPU_TABLE_H

#include "ops/cpu/tile.h"
#include "ops/cpu/vector_math.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/logsumexp.h"
#include "ops/cpu/attention_backward.h"
#include "ops/cpu/norms.h"
#include "ops/cpu/elementwise.h"
#include "ops/cpu/cpu.h"

/* clang-format off */
#define TUNED_ENTRIES                                                                          \
    .panel_width = PANEL,                                                                      \
    .linear_forward = linear_forward,                                                          \
    .linear_backward = linear_backward,                                                        \
    .linear_backward_weight = linear_backward_weight,                                          \
    .logsumexp_forward = logsumexp_forward,                                                    \
    .logsumexp_backward = logsumexp_backward,                                                  \
    .attention_forward = attention_forward,                                                    \
    .attention_backward = attention_backward,                                                  \
    .layernorm_forward = layernorm_forward,                                                    \
    .layernorm_backward = layernorm_backward,                                                  \
    .rmsnorm_forward = rmsnorm_forward,                                                        \
    .rmsnorm_backward = rmsnorm_backward,                                                      \
    .activation_forward = activation_forward,                                                  \
    .activation_backward = activation_backward,                                                \
    .rope = rope

/* Where bf16 gains nothing. */
#define NARROW_IS_FLOAT                                                                        \
    .narrow = false,                                                                           \
    .linear_forward_narrow = linear_forward,                                                   \
    .logsumexp_forward_narrow = logsumexp_forward
/* clang-format on */

#endif
