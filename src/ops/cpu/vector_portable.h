/* 4 floats in the compiler's own vectors: SSE2 on any x86-64, NEON on ARM. See vector_avx512.h
 * for what each function promises. */
#ifndef RV_OPS_CPU_VECTOR_H
#define RV_OPS_CPU_VECTOR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_mask __attribute__((vector_size(16)));

#define TILE_ROWS 6
enum { LANES = 4, PANEL = 2 * LANES };

static inline vec v_set1(float x)
{
    return (vec){x, x, x, x};
}
static inline vec v_load(const float *p)
{
    vec x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void v_store(float *p, vec x)
{
    memcpy(p, &x, sizeof x);
}
static inline vec v_load_first(const float *p, size_t n)
{
    float all[LANES] = {0};
    for (size_t i = 0; i < n; i++) all[i] = p[i];
    return v_load(all);
}
static inline void v_store_first(float *p, vec x, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = x[i];
}
static inline vec v_keep_first(vec x, size_t n)
{
    for (size_t i = n; i < LANES; i++) x[i] = 0;
    return x;
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
static inline vec v_fnma(vec a, vec b, vec c)
{
    return c - a * b;
}
static inline vec v_less(vec a, vec b, vec yes, vec no)
{
    vec_mask mask = a < b;
    return (vec)((mask & (vec_mask)yes) | (~mask & (vec_mask)no));
}
static inline vec v_min(vec a, vec b)
{
    return v_less(a, b, a, b);
}
static inline vec v_max(vec a, vec b)
{
    return v_less(b, a, a, b);
}
static inline vec v_abs(vec x)
{
    return (vec)((vec_mask)x & INT32_MAX);
}
static inline vec v_round(vec x)
{
    vec big = v_set1(12582912.0f); // 1.5 2^23: sums this large have no fraction; |x| < 2^22
    return (x + big) - big;
}
static inline vec v_scale(vec x, vec n)
{
    vec big = v_set1(12582912.0f); // n stands in the low bits of n + big
    vec_mask whole = (vec_mask)(n + big) - (vec_mask)big, half = whole >> 1,
             rest = whole - half;
    return x * (vec)((half + 127) << 23) * (vec)((rest + 127) << 23);
}
static inline float v_sum(vec x)
{
    return (x[0] + x[2]) + (x[1] + x[3]);
}
static inline float v_largest(vec x)
{
    return fmaxf(fmaxf(x[0], x[2]), fmaxf(x[1], x[3]));
}

static inline void v_transpose(float *out, size_t ldo, const float *in, size_t ldi)
{
    for (size_t i = 0; i < LANES; i++)
        for (size_t j = 0; j < LANES; j++) out[j * ldo + i] = in[i * ldi + j];
}

#endif
