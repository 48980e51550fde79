#include "ops/cpu/vector_avx512.h"
#include "ops/cpu/table.h"

/* clang-format off */
#define NARROW_IS_BF16                                                                         \
    .narrow = true,                                                                            \
    .linear_forward_narrow = rv_linear_forward_bf16,                                           \
    .logsumexp_forward_narrow = rv_logsumexp_forward_bf16
#define INT8                                                                                   \
    .int8_takes = rv_int8_takes,                                                               \
    .pack_int8 = rv_pack_int8,                                                                 \
    .linear_forward_int8 = rv_linear_forward_int8,                                             \
    .logsumexp_forward_int8 = rv_logsumexp_forward_int8
/* clang-format on */

const rv_kernels *rv_kernels_avx512(void)
{
    static const rv_kernels tables[2][2] = {
        {{.name = "avx512", TUNED_ENTRIES, NARROW_IS_FLOAT},
         {.name = "avx512", TUNED_ENTRIES, NARROW_IS_FLOAT, INT8}},
        {{.name = "avx512", TUNED_ENTRIES, NARROW_IS_BF16},
         {.name = "avx512", TUNED_ENTRIES, NARROW_IS_BF16, INT8}}};
    return &tables[!!__builtin_cpu_supports("avx512bf16")]
                  [!!__builtin_cpu_supports("avx512vnni")];
}
