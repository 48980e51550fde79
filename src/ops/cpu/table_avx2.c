#include "ops/cpu/vector_avx2.h"
#include "ops/cpu/table.h"

const rv_kernels *rv_kernels_avx2(void)
{
    static const rv_kernels table = RV_TUNED_TABLE("avx2");
    return &table;
}
