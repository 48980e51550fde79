#include "ops/cpu/vector_portable.h"
#include "ops/cpu/table.h"

const rv_kernels *rv_kernels_portable(void)
{
    static const rv_kernels table = RV_TUNED_TABLE("portable");
    return &table;
}
