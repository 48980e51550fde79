/* What this processor's multiply-add units can do, measured: independent chains of one
 * instruction, as wide as the kernels in question use it. The yardstick of bench_ops. */
#ifndef RV_BENCH_PEAK_H
#define RV_BENCH_PEAK_H

#include <stddef.h>
#include <string.h>

typedef struct peak_loop {
    const char *what;
    void (*run)(size_t rounds);
    double flops; /* of a round */
} peak_loop;

#ifdef __x86_64__
#include <immintrin.h>

#define CHAINS 12

/* One round: CHAINS independent instructions. */
#define PEAK_LOOP(name, isa, type, zero, code)                                                 \
    __attribute__((target(isa))) static void name(size_t rounds)                               \
    {                                                                                          \
        type x = zero, c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero;       \
        type c6 = zero, c7 = zero, c8 = zero, c9 = zero, c10 = zero, c11 = zero;               \
        for (size_t i = 0; i < rounds; i++)                                                    \
            __asm__ volatile(code("%0") code("%1") code("%2") code("%3") code("%4") code("%5") \
                                 code("%6") code("%7") code("%8") code("%9") code("%10")       \
                                     code("%11")                                               \
                             : "+v"(c0), "+v"(c1), "+v"(c2), "+v"(c3), "+v"(c4), "+v"(c5),     \
                               "+v"(c6), "+v"(c7), "+v"(c8), "+v"(c9), "+v"(c10), "+v"(c11)    \
                             : "v"(x));                                                        \
    }

#define FMA(c)  "vfmadd231ps %12, %12, " c "\n"
#define BF16(c) "vdpbf16ps %12, %12, " c "\n"
PEAK_LOOP(peak_avx512, "avx512f", __m512, _mm512_setzero_ps(), FMA)
PEAK_LOOP(peak_bf16, "avx512f", __m512, _mm512_setzero_ps(), BF16)
PEAK_LOOP(peak_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), FMA)
#undef FMA
#undef BF16
#endif

#ifdef __x86_64__
#define REGISTER "x"
#else
#define REGISTER "w"
#endif

/* Without fused instructions: as many multiplications as additions. */
static void peak_portable(size_t rounds)
{
    typedef float four __attribute__((vector_size(16)));
    four x = {1, 1, 1, 1}, m[6] = {x, x, x, x, x, x}, a[6] = {{0}};
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; j++) {
            m[j] *= x;
            a[j] += x;
            __asm__ volatile("" : "+" REGISTER(m[j]), "+" REGISTER(a[j])); // keep it
        }
    }
}

static const peak_loop peak_loops[] = {
#ifdef __x86_64__
    {"avx512", peak_avx512, CHAINS * 32},
    {"avx2", peak_avx2, CHAINS * 16},
    {"bf16", peak_bf16, CHAINS * 64},
#endif
    {"portable", peak_portable, 48},
};

/* The loop for a table's name, or "bf16". The caller has seen to it that the processor runs it. */
static const peak_loop *peak_find(const char *what)
{
    for (size_t i = 0; i < sizeof peak_loops / sizeof *peak_loops; i++)
        if (strcmp(peak_loops[i].what, what) == 0) return &peak_loops[i];
    return &peak_loops[sizeof peak_loops / sizeof *peak_loops - 1];
}

#endif
