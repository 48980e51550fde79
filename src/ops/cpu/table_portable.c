#include "ops/cpu/vector_portable.h"
#include "ops/cpu/table.h"

const rv_kernels *rv_kernels_portable(void)
{
    static const rv_kernels table = {.name = "portable", TUNED_ENTRIES, NARROW_IS_FLOAT};
    return &table;
}
