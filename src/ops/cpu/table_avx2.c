#include "ops/cpu/vector_avx2.h"
#include "ops/cpu/table.h"

const rv_kernels *rv_kernels_avx2(void)
{
    static const rv_kernels table = {.name = "avx2", TUNED_ENTRIES, NARROW_IS_FLOAT};
    return &table;
}
