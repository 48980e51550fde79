/* The tuned tables. NULL where the processor lacks the instructions, or the compiler did. */
#ifndef RV_OPS_CPU_CPU_H
#define RV_OPS_CPU_CPU_H

#include "ops/kernels.h"

const rv_kernels *rv_kernels_avx512(void);
const rv_kernels *rv_kernels_avx2(void);
const rv_kernels *rv_kernels_portable(void);

#endif
