/* Products in int8: four products of bytes are added at once, in whole numbers, so that a row depends on no other by
 * construction. A few inputs of a row are far larger than the rest; so rows of x and of W are first turned, 64
 * inputs at a time, by a Hadamard matrix (QuaRot, Ashkboos et al. 2024, arXiv 2404.00456), which leaves their product
 * as it is, then each is scaled by its own largest number and rounded. The bytes of x are stored with 128 added, as
 * the instruction wants one side unsigned; what that adds to a sum is taken off at its start. */
#include "ops/cpu/vector_avx512.h"

#include <stdint.h>

#pragma GCC diagnostic ignored "-Wunused-function" // of the float products, only cuts are used

#include "ops/cpu/cpu.h"
#include "ops/cpu/tile.h"
#include "ops/cpu/vector_math.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/logsumexp.h"

enum {
    TURN = 64,         /* inputs that are turned together */
    BYTES = 1 << 19,   /* of rounded inputs that stand on the stack at a time */
    SCALES = 1 << 11,  /* rows at a time, at most */
    INPUTS_MAX = 65536 /* 255 * 127 * so many still fit a sum */
};
static const float TURNED = 1.0f / TURN; // both sides are turned without the factor 1 / 8

/* c (rows, columns) (+)= row_scale * column_scale * (start + a b) + bias */
typedef struct byte_tile {
    float *c;
    size_t ldc;
    const uint8_t *a; /* (rows, lda) */
    size_t lda;
    const int8_t *b; /* (steps, PANEL, 4) */
    size_t steps;
    const int32_t *start;
    const float *row_scale, *column_scale, *bias; /* bias may be NULL */
    bool add;
    size_t columns;
    const int8_t *next; /* 64 bytes are fetched from here at every step */
} byte_tile;

/* sum += the products of x and w, in place: gcc 12 copies and spills around the intrinsic (40 % of the peak). */
#define ADD_PRODUCTS(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))

ALWAYS_INLINE vec scaled(__m512i sum, float row, vec column)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(_mm512_set1_ps(row), column));
}

ALWAYS_INLINE void byte_tile_run(const byte_tile *t, const int rows)
{
    __m512i c[TILE_ROWS][2];
    const __m512i start0 = _mm512_loadu_si512(t->start),
                  start1 = _mm512_loadu_si512(t->start + LANES);
    const uint8_t *a = t->a;
    const int8_t *b = t->b, *next = t->next;
    const size_t lda = t->lda;
    UNROLL for (int r = 0; r < rows; r++)
    {
        c[r][0] = start0, c[r][1] = start1;
        __builtin_prefetch(t->c + (size_t)r * t->ldc, 1, 3);
        __builtin_prefetch(t->c + (size_t)r * t->ldc + LANES, 1, 3);
    }
    for (size_t k = t->steps; k > 0; k--) {
        __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
        __builtin_prefetch(next, 0, 2);
        UNROLL for (int r = 0; r < rows; r++)
        {
            int32_t four;
            memcpy(&four, a + (size_t)r * lda, sizeof four);
            __m512i x = _mm512_set1_epi32(four);
            ADD_PRODUCTS(c[r][0], x, b0);
            ADD_PRODUCTS(c[r][1], x, b1);
        }
        a += 4;
        b += 128;
        next += 64;
    }
    const vec scale[2] = {v_load(t->column_scale), v_load(t->column_scale + LANES)};
    vec bias[2];
    for (int v = 0; v < 2; v++) bias[v] = t->bias ? v_load(t->bias + v * LANES) : v_set1(0);
    UNROLL for (int r = 0; r < rows; r++)
    {
        const vec sum[2] = {scaled(c[r][0], t->row_scale[r], scale[0]),
                            scaled(c[r][1], t->row_scale[r], scale[1])};
        tile_store(t->c + (size_t)r * t->ldc, sum, bias, 2, t->add, t->columns);
    }
}

#define BYTE_TILE(rows)                              \
    static void byte_tile_##rows(const byte_tile *t) \
    {                                                \
        byte_tile_run(t, rows);                      \
    }
BYTE_TILE(1)
BYTE_TILE(2)
BYTE_TILE(3)
BYTE_TILE(4)
BYTE_TILE(5)
BYTE_TILE(6)
BYTE_TILE(7)
BYTE_TILE(8)
BYTE_TILE(9)
BYTE_TILE(10)
BYTE_TILE(11)
BYTE_TILE(12)
BYTE_TILE(13)
BYTE_TILE(14)
static void (*const byte_tiles[])(const byte_tile *) = TILES(byte_tile_);

/* Rows whose bytes are given times one panel. `fetch`: the next panel will be wanted. */
static void panel_product(float *out, size_t ldo, const uint8_t *x, size_t ldx,
                          const float *scale, const rv_matrix *m, size_t rows, size_t p,
                          bool add, size_t columns, bool fetch)
{
    size_t tiles = blocks_of(rows, TILE_ROWS), all = m->K * PANEL, fetched = 0;
    const int8_t *b = m->int8.data + p * all;
    for (size_t i = 0; i < tiles; i++) {
        size_t first = cut(rows, i, tiles), count = cut(rows, i + 1, tiles) - first;
        byte_tile t = {.c = out + first * ldo,
                       .ldc = ldo,
                       .a = x + first * ldx,
                       .lda = ldx,
                       .b = b,
                       .steps = m->K / 4,
                       .start = m->int8.start + p * PANEL,
                       .row_scale = scale + first,
                       .column_scale = m->int8.scale + p * PANEL,
                       .bias = m->bias ? m->bias + p * PANEL : NULL,
                       .add = add,
                       .columns = columns,
                       .next = fetch && fetched < all ? b + all + fetched : b};
        fetched += m->K / 4 * 64;
        byte_tiles[count](&t);
    }
}

/* Turns 64 numbers by the Hadamard matrix: butterflies over distances 16, 32, then 1, 2, 4, 8. */
ALWAYS_INLINE void turn_row(vec x[4])
{
    const vec one = v_set1(1), minus = v_set1(-1);
    const vec s1 = _mm512_mask_blend_ps(0xaaaa, one, minus),
              s2 = _mm512_mask_blend_ps(0xcccc, one, minus),
              s4 = _mm512_mask_blend_ps(0xf0f0, one, minus),
              s8 = _mm512_mask_blend_ps(0xff00, one, minus);
    vec a = x[0] + x[1], b = x[0] - x[1], c = x[2] + x[3], d = x[2] - x[3];
    x[0] = a + c, x[1] = b + d, x[2] = a - c, x[3] = b - d;
    UNROLL for (int i = 0; i < 4; i++)
    {
        x[i] = v_fma(x[i], s1, _mm512_permute_ps(x[i], 0xb1));
        x[i] = v_fma(x[i], s2, _mm512_permute_ps(x[i], 0x4e));
        x[i] = v_fma(x[i], s4, _mm512_shuffle_f32x4(x[i], x[i], 0xb1));
        x[i] = v_fma(x[i], s8, _mm512_shuffle_f32x4(x[i], x[i], 0x4e));
    }
}

ALWAYS_INLINE void load_turned(vec v[4], const float *x)
{
    UNROLL for (int i = 0; i < 4; i++) v[i] = v_load(x + i * LANES);
    turn_row(v);
}

/* out (K) = 128 + round(turned x / scale); says the scale. */
static float round_row(uint8_t *out, const float *x, size_t K)
{
    vec most = v_set1(0), v[4];
    for (size_t k = 0; k < K; k += TURN) {
        load_turned(v, x + k);
        UNROLL for (int i = 0; i < 4; i++) most = v_max(most, _mm512_abs_ps(v[i]));
    }
    float largest = v_largest(most);
    const vec by = v_set1(largest > 0 ? 127 / largest : 0);
    const __m512i flip = _mm512_set1_epi8((char)0x80),
                  order =
                      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (size_t k = 0; k < K; k += TURN) {
        __m512i q[4];
        load_turned(v, x + k);
        UNROLL for (int i = 0; i < 4; i++) q[i] = _mm512_cvtps_epi32(v[i] * by);
        __m512i bytes =
            _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
        bytes = _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), flip);
        _mm512_storeu_si512(out + k, bytes);
    }
    return largest / 127 * TURNED;
}

static void round_rows(uint8_t *out, size_t ldo, float *scale, const float *x, size_t ldx,
                       size_t rows, size_t K, int threads)
{
#pragma omp parallel for num_threads(threads) if (rows * K > 1 << 16)
    for (size_t r = 0; r < rows; r++) scale[r] = round_row(out + r * ldo, x + r * ldx, K);
}

/* A stride that does not let rows alias. */
static size_t stride_of(size_t K)
{
    return K % ALIAS == 0 ? K + TURN : K;
}

static void byte_product(float *out, size_t ldo, const uint8_t *x, size_t ldx,
                         const float *scale, const rv_matrix *m, size_t N, bool add,
                         int threads)
{
    size_t blocks = blocks_of(N, ROW_BLOCK), group = blocks * m->panels / (8 * (size_t)threads);
    group = group < 1 ? 1 : smaller(group, GROUP);
    size_t groups = blocks_of(m->panels, group);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t task = 0; task < groups * blocks; task++) {
        size_t g = task / blocks, block = task % blocks;
        size_t first = cut(N, block, blocks), rows = cut(N, block + 1, blocks) - first;
        size_t to = cut(m->panels, g + 1, groups);
        for (size_t p = cut(m->panels, g, groups); p < to; p++)
            panel_product(out + first * ldo + p * PANEL, ldo, x + first * ldx, ldx,
                          scale + first, m, rows, p, add, smaller(PANEL, m->M - p * PANEL),
                          p + 1 < to);
    }
}

void rv_linear_forward_int8(float *out, size_t ldo, const float *x, size_t ldx,
                            const rv_matrix *m, size_t N, rv_epilogue epilogue, int threads)
{
    uint8_t rounded[BYTES] __attribute__((aligned(64)));
    float scale[SCALES];
    size_t stride = stride_of(m->K), limit = smaller(BYTES / stride, SCALES),
           chunks = blocks_of(N, limit);
    for (size_t i = 0; i < chunks; i++) {
        size_t n = cut(N, i, chunks), rows = cut(N, i + 1, chunks) - n;
        round_rows(rounded, stride, scale, x + n * ldx, ldx, rows, m->K, threads);
        byte_product(out + n * ldo, ldo, rounded, stride, scale, m, rows,
                     epilogue == RV_ACCUMULATE, threads);
    }
}

/* As lse_task, from bytes. */
static void byte_lse_task(lse_part *parts, float *label_logit, const uint8_t *x, size_t ldx,
                          const float *scale, const int32_t *label, const rv_matrix *head,
                          size_t rows, size_t from, size_t to, size_t valid, float softcap)
{
    float z[LSE_ROWS * PANEL];
    lse_sums sums;
    lse_begin(&sums, rows);
    for (size_t p = from; p < to; p++) {
        panel_product(z, PANEL, x, ldx, scale, head, rows, p, false, PANEL,
                      p + 1 < head->panels);
        lse_add(&sums, label_logit, z, label, rows, p, valid, softcap);
    }
    lse_end(parts, &sums, rows);
}

void rv_logsumexp_forward_int8(float *lse, float *label_logit, const float *x, size_t ldx,
                               const int32_t *label, const rv_matrix *head, size_t N,
                               size_t valid, float softcap, int threads)
{
    uint8_t rounded[BYTES] __attribute__((aligned(64)));
    float scale[LSE_ROWS];
    lse_part parts[PARTS * LSE_ROWS];
    size_t stride = stride_of(head->K), limit = smaller(BYTES / stride, LSE_ROWS),
           count = smaller(head->panels, PARTS), chunks = blocks_of(N, limit);
    for (size_t i = 0; i < chunks; i++) {
        size_t n = cut(N, i, chunks), rows = cut(N, i + 1, chunks) - n;
        round_rows(rounded, stride, scale, x + n * ldx, ldx, rows, head->K, threads);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (size_t g = 0; g < count; g++)
            byte_lse_task(parts + g * LSE_ROWS, label_logit ? label_logit + n : NULL, rounded,
                          stride, scale, label ? label + n : NULL, head, rows,
                          cut(head->panels, g, count), cut(head->panels, g + 1, count), valid,
                          softcap);
        for (size_t r = 0; r < rows; r++) lse[n + r] = join_parts(parts + r, LSE_ROWS, count);
    }
}

bool rv_int8_takes(size_t K)
{
    return K % TURN == 0 && K <= INPUTS_MAX;
}

/* to (TURN, LANES) = half a panel's columns from `from`, turned along k. */
static void turn_columns(float *to, const float *from)
{
    for (size_t k = 0; k < TURN; k++) v_store(to + k * LANES, v_load(from + k * PANEL));
    for (size_t h = 1; h < TURN; h *= 2)
        for (size_t k = 0; k < TURN; k++) {
            if (k & h) continue;
            vec a = v_load(to + k * LANES), b = v_load(to + (k + h) * LANES);
            v_store(to + k * LANES, a + b);
            v_store(to + (k + h) * LANES, a - b);
        }
}

/* 16 columns of a panel: bytes, scales, and what 128 added to the inputs adds to a sum. */
static void pack_columns(const rv_matrix *m, size_t p, size_t half)
{
    float turned[TURN * LANES];
    const float *from = m->data + p * m->K * PANEL + half;
    int8_t *to = m->int8.data + (p * m->K * PANEL + half * 4);
    const __m512i low = _mm512_set1_epi32(255);
    __m512i sum = _mm512_setzero_si512();
    vec most = v_set1(0);
    for (size_t k = 0; k < m->K; k += TURN) {
        turn_columns(turned, from + k * PANEL);
        for (size_t i = 0; i < TURN; i++)
            most = v_max(most, _mm512_abs_ps(v_load(turned + i * LANES)));
    }
    const vec none = v_set1(0),
              by = _mm512_mask_div_ps(none, _mm512_cmp_ps_mask(most, none, _CMP_GT_OQ),
                                      v_set1(127), most);
    for (size_t k = 0; k < m->K; k += TURN) {
        turn_columns(turned, from + k * PANEL);
        for (size_t i = 0; i < TURN; i += 4) {
            __m512i four = _mm512_setzero_si512();
            for (size_t u = 0; u < 4; u++) {
                __m512i q = _mm512_cvtps_epi32(v_load(turned + (i + u) * LANES) * by);
                sum = _mm512_add_epi32(sum, q);
                four = _mm512_or_si512(
                    four, _mm512_slli_epi32(_mm512_and_si512(q, low), (unsigned)(8 * u)));
            }
            _mm512_storeu_si512(to + (k + i) * PANEL, four);
        }
    }
    v_store(m->int8.scale + p * PANEL + half, most / v_set1(127));
    _mm512_storeu_si512(m->int8.start + p * PANEL + half,
                        _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, 7)));
}

void rv_pack_int8(const rv_matrix *m)
{
    for (size_t p = 0; p < m->panels; p++)
        for (size_t half = 0; half < PANEL; half += LANES) pack_columns(m, p, half);
}
