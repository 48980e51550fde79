/* Rotary position embedding (Su et al., "RoFormer", 2021), half-split pairing. */
#include "ops/reference.h"

void rv_rope(real *x, size_t ldx, const int32_t *position, const real *cosine, const real *sine,
             size_t N, size_t heads, size_t D, size_t pairs, bool inverse, int threads)
{
    (void)threads;
    for (size_t n = 0; n < N; n++) {
        const real *c = cosine + (size_t)position[n] * pairs;
        const real *s = sine + (size_t)position[n] * pairs;
        for (size_t h = 0; h < heads; h++) {
            real *a = x + n * ldx + h * D, *b = a + pairs;
            for (size_t i = 0; i < pairs; i++) {
                real sin_i = inverse ? -s[i] : s[i], a_i = a[i], b_i = b[i];
                a[i] = a_i * c[i] - b_i * sin_i;
                b[i] = b_i * c[i] + a_i * sin_i;
            }
        }
    }
}
