/* 8 floats, AVX2 and FMA. See vector_avx512.h for what each function promises. */
#ifndef RV_OPS_CPU_VECTOR_H
#define RV_OPS_CPU_VECTOR_H

#include <immintrin.h>
#include <stddef.h>

typedef __m256 vec;

#define TILE_ROWS 6
enum { LANES = 8, PANEL = 2 * LANES };

static inline vec v_set1(float x)
{
    return _mm256_set1_ps(x);
}
static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}

static inline __m256i v_first(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}
static inline vec v_load_first(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, v_first(n));
}
static inline void v_store_first(float *p, vec x, size_t n)
{
    _mm256_maskstore_ps(p, v_first(n), x);
}
static inline vec v_keep_first(vec x, size_t n)
{
    return _mm256_and_ps(x, _mm256_castsi256_ps(v_first(n)));
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec v_abs(vec x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
static inline vec v_round(vec x)
{
    return _mm256_round_ps(x, 8);
}
static inline vec v_scale(vec x, vec n)
{
    // half of the exponent at a time, so that 2^-127 and 2^127 can be reached
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half), bias = _mm256_set1_epi32(127);
    vec a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vec b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return x * a * b;
}
static inline vec v_less(vec a, vec b, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline float v_sum(vec x)
{
    __m128 s = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    s += _mm_movehl_ps(s, s);
    s += _mm_movehdup_ps(s);
    return _mm_cvtss_f32(s);
}
static inline float v_largest(vec x)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ps(s, _mm_movehdup_ps(s)));
}

static inline void v_transpose(float *out, size_t ldo, const float *in, size_t ldi)
{
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(in + (size_t)i * ldi);
    for (int i = 0; i < 4; i++) {
        b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            a[4 * i + 2 * j] = _mm256_shuffle_ps(b[4 * i + j], b[4 * i + j + 2], 0x44);
            a[4 * i + 2 * j + 1] = _mm256_shuffle_ps(b[4 * i + j], b[4 * i + j + 2], 0xee);
        }
    for (int j = 0; j < 4; j++) {
        __m256 low = _mm256_permute2f128_ps(a[j], a[4 + j], 0x20);
        __m256 high = _mm256_permute2f128_ps(a[j], a[4 + j], 0x31);
        _mm256_storeu_ps(out + (size_t)j * ldo, low);
        _mm256_storeu_ps(out + (size_t)(j + 4) * ldo, high);
    }
}

#endif
