#include "ops/cpu/vector_avx512.h"
#include "ops/cpu/table.h"

const rv_kernels *rv_kernels_avx512(void)
{
    static const rv_kernels plain = {.name = "avx512", TUNED_ENTRIES, NARROW_IS_FLOAT};
    static const rv_kernels with_bf16 = {.name = "avx512",
                                         TUNED_ENTRIES,
                                         .narrow = true,
                                         .linear_forward_narrow = rv_linear_forward_bf16,
                                         .logsumexp_forward_narrow = rv_logsumexp_forward_bf16};
    return __builtin_cpu_supports("avx512bf16") ? &with_bf16 : &plain;
}
