#include "ops/kernels.h"

#include <string.h>

const rv_kernels *rv_kernels_select(const char *name)
{
    if (!name || strcmp(name, "reference") == 0) return rv_kernels_reference();
    return NULL;
}
