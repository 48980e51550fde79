#include "ops/cpu/vector_avx512.h"
#include "ops/cpu/table.h"

const rv_kernels *rv_kernels_avx512(void)
{
    static const rv_kernels table = RV_TUNED_TABLE("avx512");
    return &table;
}
