/* The tuned tables; rv_kernels_select knows which of them the processor can run. */
#ifndef RV_OPS_CPU_CPU_H
#define RV_OPS_CPU_CPU_H

#include "ops/kernels.h"

const rv_kernels *rv_kernels_avx512(void);
const rv_kernels *rv_kernels_avx2(void);
const rv_kernels *rv_kernels_portable(void);

/* The narrow products of the AVX-512 table, for processors with avx512_bf16. */
void rv_linear_forward_bf16(float *out, size_t ldo, const float *x, size_t ldx,
                            const rv_matrix *m, size_t N, rv_epilogue epilogue, int threads);
void rv_logsumexp_forward_bf16(float *lse, float *label_logit, const float *x, size_t ldx,
                               const int32_t *label, const rv_matrix *head, size_t N,
                               size_t valid, float softcap, int threads);

#endif
