/* 16 floats, AVX-512. The list of functions is the same in vector_avx2.h and
 * vector_portable.h; everything else in this folder is written on it. */
#ifndef RV_OPS_CPU_VECTOR_H
#define RV_OPS_CPU_VECTOR_H

#include <immintrin.h>
#include <stddef.h>

typedef __m512 vec; /* + - * / work on it */

/* Registers of a tile: 14 rows by 2 vectors, and the two and one that feed them. */
#define TILE_ROWS 14
enum { LANES = 16, PANEL = 2 * LANES };

static inline vec v_set1(float x)
{
    return _mm512_set1_ps(x);
}
static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}

/* The first n numbers, 0 < n <= LANES; those after them are neither read nor written. */
static inline __mmask16 v_first(size_t n)
{
    return (__mmask16)(0xffffu >> (LANES - n));
}
static inline vec v_load_first(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_first(n), p);
}
static inline void v_store_first(float *p, vec x, size_t n)
{
    _mm512_mask_storeu_ps(p, v_first(n), x);
}
/* zero after the first n */
static inline vec v_keep_first(vec x, size_t n)
{
    return _mm512_maskz_mov_ps(v_first(n), x);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
} /* a b + c */
static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
} /* c - a b */
/* b where either is no number */
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec v_abs(vec x)
{
    return _mm512_abs_ps(x);
}
static inline vec v_round(vec x)
{
    return _mm512_roundscale_ps(x, 8);
} // to nearest, silently
/* x 2^n, n whole, |n| <= 127 */
static inline vec v_scale(vec x, vec n)
{
    return _mm512_scalef_ps(x, n);
}
/* a < b ? yes : no */
static inline vec v_less(vec a, vec b, vec yes, vec no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
static inline float v_sum(vec x)
{
    return _mm512_reduce_add_ps(x);
}
static inline float v_largest(vec x)
{
    return _mm512_reduce_max_ps(x);
}

/* out[j * ldo + i] = in[i * ldi + j] for i, j < LANES. */
static inline void v_transpose(float *out, size_t ldo, const float *in, size_t ldi)
{
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(in + (size_t)i * ldi);
    for (int i = 0; i < 8; i++) { // pairs of rows
        b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) // 4 x 4 inside each 128 bits
        for (int j = 0; j < 2; j++) {
            a[4 * i + 2 * j] = _mm512_shuffle_ps(b[4 * i + j], b[4 * i + j + 2], 0x44);
            a[4 * i + 2 * j + 1] = _mm512_shuffle_ps(b[4 * i + j], b[4 * i + j + 2], 0xee);
        }
    for (int j = 0; j < 4; j++) { // 128-bit blocks
        __m512 even01 = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);
        __m512 odd01 = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd);
        __m512 even23 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
        __m512 odd23 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
        b[j] = _mm512_shuffle_f32x4(even01, even23, 0x88);
        b[4 + j] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
        b[8 + j] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
        b[12 + j] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
    }
    for (int j = 0; j < 16; j++) _mm512_storeu_ps(out + (size_t)j * ldo, b[j]);
}

#endif
