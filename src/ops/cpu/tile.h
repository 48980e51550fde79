/* The one inner loop: a tile of up to TILE_ROWS rows by PANEL columns, kept in registers.
 *
 *     c[r, 0 .. columns) = (add ? c[r] : 0) + bias + sum_k a[r, k] b[k, :]
 *
 * Each number is one chain of multiply-adds in the order of k, whatever the height of the tile:
 * that is why a row's result does not depend on the rows beside it. */
#ifndef RV_OPS_CPU_TILE_H
#define RV_OPS_CPU_TILE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct tile {
    float *c;
    size_t ldc;
    const float *a; /* a[r, k] is at a + r * lda + k; in "down" tiles at a + k * lda + r */
    size_t lda;
    const float *b; /* (steps, ldb), of which PANEL columns are read */
    size_t ldb;
    size_t steps;
    const float *bias; /* (PANEL) or NULL */
    bool add;
    size_t columns;    /* 0 < columns <= PANEL */
    const float *next; /* 64 bytes are fetched from here at every step, into the second cache */
} tile;

ALWAYS_INLINE void tile_store(float *c, vec x0, vec x1, bool add, size_t columns)
{
    if (columns == PANEL) {
        if (add) x0 += v_load(c), x1 += v_load(c + LANES);
        v_store(c, x0);
        v_store(c + LANES, x1);
        return;
    }
    size_t left = columns < LANES ? columns : LANES, right = columns - left;
    if (add) x0 += v_load_first(c, left);
    v_store_first(c, x0, left);
    if (right == 0) return;
    if (add) x1 += v_load_first(c + LANES, right);
    v_store_first(c + LANES, x1, right);
}

ALWAYS_INLINE void tile_run(const tile *t, const int rows, const bool down)
{
    const float *a = t->a, *b = t->b, *next = t->next;
    const size_t lda = t->lda, ldb = t->ldb, across = down ? 1 : lda, along = down ? lda : 1;
    vec c[TILE_ROWS][2];
    UNROLL for (int r = 0; r < rows; r++) c[r][0] = c[r][1] = v_set1(0);
    UNROLL for (int r = 0; r < rows; r++)
    {
        __builtin_prefetch(t->c + (size_t)r * t->ldc, 1, 3);
        __builtin_prefetch(t->c + (size_t)r * t->ldc + LANES, 1, 3);
    }
    for (size_t k = t->steps; k > 0; k--) {
        vec b0 = v_load(b), b1 = v_load(b + LANES);
        __builtin_prefetch(next, 0, 2);
        UNROLL for (int r = 0; r < rows; r++)
        {
            vec x = v_set1(a[(size_t)r * across]);
            c[r][0] = v_fma(x, b0, c[r][0]);
            c[r][1] = v_fma(x, b1, c[r][1]);
        }
        a += along;
        b += ldb;
        next += 16;
    }
    vec bias0 = v_set1(0), bias1 = v_set1(0);
    if (t->bias) bias0 = v_load(t->bias), bias1 = v_load(t->bias + LANES);
    UNROLL for (int r = 0; r < rows; r++) tile_store(t->c + (size_t)r * t->ldc, c[r][0] + bias0,
                                                     c[r][1] + bias1, t->add, t->columns);
}

typedef void tile_function(const tile *);

#define TILE_FUNCTIONS(rows)                    \
    static void tile_##rows(const tile *t)      \
    {                                           \
        tile_run(t, rows, false);               \
    }                                           \
    static void tile_down_##rows(const tile *t) \
    {                                           \
        tile_run(t, rows, true);                \
    }

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
TILE_FUNCTIONS(3)
TILE_FUNCTIONS(4)
TILE_FUNCTIONS(5)
TILE_FUNCTIONS(6)
#if TILE_ROWS == 14
TILE_FUNCTIONS(7)
TILE_FUNCTIONS(8)
TILE_FUNCTIONS(9)
TILE_FUNCTIONS(10)
TILE_FUNCTIONS(11)
TILE_FUNCTIONS(12)
TILE_FUNCTIONS(13)
TILE_FUNCTIONS(14)
#endif

static tile_function *const tile_functions[2][TILE_ROWS + 1] = {
    {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6,
#if TILE_ROWS == 14
     tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14
#endif
    },
    {NULL, tile_down_1, tile_down_2, tile_down_3, tile_down_4, tile_down_5, tile_down_6,
#if TILE_ROWS == 14
     tile_down_7, tile_down_8, tile_down_9, tile_down_10, tile_down_11, tile_down_12,
     tile_down_13, tile_down_14
#endif
    }};

static inline size_t blocks_of(size_t n, size_t unit)
{
    return (n + unit - 1) / unit;
}

/* The tile over any number of rows, cut evenly: 15 rows are 8 + 7. `soon`, when not NULL, is
 * the packed panel that will be wanted next: the first tiles fetch it. */
static void tile_rows(tile t, size_t rows, bool down, const float *soon)
{
    size_t tiles = blocks_of(rows, TILE_ROWS), fetched = 0, all = t.steps * PANEL;
    float *c = t.c;
    const float *a = t.a;
    for (size_t i = 0; i < tiles; i++) {
        size_t first = rows * i / tiles, count = rows * (i + 1) / tiles - first;
        t.c = c + first * t.ldc;
        t.a = a + first * (down ? 1 : t.lda);
        t.next = soon && fetched < all ? soon + fetched : t.b;
        fetched += t.steps * 16;
        tile_functions[down][count](&t);
    }
}

#endif
