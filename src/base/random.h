/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011). A stream is named by (seed, run, step), so the same names give the same
 * numbers on any machine, with any number of threads, after any interruption. */
#ifndef RV_BASE_RANDOM_H
#define RV_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct rv_random {
    uint32_t key[2];
    uint32_t counter[4]; /* counter[0] counts blocks; [1] step; [2], [3] run */
    uint32_t block[4];
    unsigned used; /* of block */
} rv_random;

rv_random rv_random_stream(uint64_t seed, uint64_t run, uint32_t step);
uint32_t rv_random_u32(rv_random *random);
/* Uniform in [0, 1), 53 bits. */
double rv_random_uniform(rv_random *random);
/* Standard normal (Box-Muller, one of the pair). */
double rv_random_normal(rv_random *random);
/* Uniform in [0, n), without bias; n > 0. */
size_t rv_random_below(rv_random *random, size_t n);
/* Index drawn with probability weight[i] / sum; weights >= 0; n - 1 if all are 0. */
size_t rv_random_weighted(rv_random *random, const double *weight, size_t n);
/* Puts items (count) of `size` bytes, at most 16, into any order (Fisher and Yates). */
void rv_random_shuffle(rv_random *random, void *items, size_t count, size_t size);

#endif
