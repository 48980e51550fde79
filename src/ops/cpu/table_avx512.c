#include "ops/cpu/vector_avx512.h"
#include "ops/cpu/table.h"

/* clang-format off */
#define NARROW_IS_BF16                                                                         \
    .narrow = true,                                                                            \
    .linear_forward_narrow = rv_linear_forward_bf16,                                           \
    .logsumexp_forward_narrow = rv_logsumexp_forward_bf16
/* clang-format on */

const rv_kernels *rv_kernels_avx512(void)
{
    static const rv_kernels tables[2] = {{.name = "avx512", TUNED_ENTRIES, NARROW_IS_FLOAT},
                                         {.name = "avx512", TUNED_ENTRIES, NARROW_IS_BF16}};
    return &tables[!!__builtin_cpu_supports("avx512bf16")];
}
