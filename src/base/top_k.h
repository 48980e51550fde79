/* The largest of many numbers. */
#ifndef RV_BASE_TOP_K_H
#define RV_BASE_TOP_K_H

#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

/* Indices of the k largest scores, largest first, of equal ones the first; scores of -INFINITY are left out.
 * Returns how many. */
size_t rv_top_k(int32_t *out, const real *score, size_t count, size_t k);

/* Index of the first that is infinite or no number; count: all are finite. */
size_t rv_first_odd(const real *values, size_t count);

#endif
