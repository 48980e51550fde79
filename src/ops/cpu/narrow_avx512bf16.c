/* Products in bf16: the float products, compiled a second time with the instruction that adds two
 * products of bf16 at once. To them a pair of bf16 is a number, so that a row of K inputs is a row of
 * ceil(K / 2) numbers, and everything about tiles, blocks and tasks stays as it is. */
#include "ops/cpu/vector_avx512.h"

#define V_STEP(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
#pragma GCC diagnostic ignored \
    "-Wunused-function" // of the float products, only forward is used

#include "ops/cpu/cpu.h"
#include "ops/cpu/tile.h"
#include "ops/cpu/vector_math.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/logsumexp.h"

enum { PAIRS = 1 << 17 }; /* of rounded inputs that stand on the stack at a time */

/* out (rows, ldo) = x (rows, ldx) in pairs of bf16, the last one with a zero if K is odd. */
static void round_rows(float *out, size_t ldo, const float *x, size_t ldx, size_t rows,
                       size_t K, int threads)
{
#pragma omp parallel for num_threads(threads) if (rows * K > 1 << 16)
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < K; k += 2 * LANES) {
            const float *from = x + r * ldx + k;
            size_t left = K - k;
            vec low = load_some(from, left), high = v_set1(0);
            if (left > LANES) high = load_some(from + LANES, left - LANES);
            v_store(out + r * ldo + k / 2, (vec)_mm512_cvtne2ps_pbh(high, low));
        }
}

/* The matrix whose numbers are pairs. */
static rv_matrix in_pairs(const rv_matrix *m)
{
    rv_matrix pairs = *m;
    pairs.K = (m->K + 1) / 2;
    pairs.data = (float *)(void *)m->narrow; // only ever read through vectors, which may alias
    return pairs;
}

/* A stride of whole vectors that does not let rows alias. */
static size_t stride_of(size_t pairs)
{
    size_t stride = blocks_of(pairs, LANES) * LANES;
    return aliases(stride) ? stride + LANES : stride;
}

void rv_linear_forward_bf16(float *out, size_t ldo, const float *x, size_t ldx,
                            const rv_matrix *m, size_t N, rv_epilogue epilogue, int threads)
{
    float rounded[PAIRS];
    size_t stride = stride_of((m->K + 1) / 2), limit = PAIRS / stride;
    if (!m->narrow || limit == 0) {
        rv_kernels_avx512()->linear_forward(out, ldo, x, ldx, m, N, epilogue, threads);
        return;
    }
    rv_matrix pairs = in_pairs(m);
    size_t chunks = blocks_of(N, limit);
    for (size_t i = 0; i < chunks; i++) {
        size_t n = cut(N, i, chunks), rows = cut(N, i + 1, chunks) - n;
        round_rows(rounded, stride, x + n * ldx, ldx, rows, m->K, threads);
        linear_forward(out + n * ldo, ldo, rounded, stride, &pairs, rows, epilogue, threads);
    }
}

void rv_logsumexp_forward_bf16(float *lse, float *label_logit, const float *x, size_t ldx,
                               const int32_t *label, const rv_matrix *head, size_t N,
                               size_t valid, float softcap, int threads)
{
    float rounded[PAIRS];
    size_t stride = stride_of((head->K + 1) / 2), limit = PAIRS / stride;
    if (!head->narrow || limit == 0) {
        rv_kernels_avx512()->logsumexp_forward(lse, label_logit, x, ldx, label, head, N, valid,
                                               softcap, threads);
        return;
    }
    rv_matrix pairs = in_pairs(head);
    size_t chunks = blocks_of(N, smaller(limit, LSE_ROWS));
    for (size_t i = 0; i < chunks; i++) {
        size_t n = cut(N, i, chunks), rows = cut(N, i + 1, chunks) - n;
        round_rows(rounded, stride, x + n * ldx, ldx, rows, head->K, threads);
        logsumexp_forward(lse + n, label_logit ? label_logit + n : NULL, rounded, stride,
                          label ? label + n : NULL, &pairs, rows, valid, softcap, threads);
    }
}
