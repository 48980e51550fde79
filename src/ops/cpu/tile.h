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

/* One step of a sum. In bf16 it takes a pair: there, a "number" of a and b is two. */
#ifndef V_STEP
#define V_STEP(a, b, c) v_fma(a, b, c)
#endif

/* The first n numbers where n < LANES, else LANES. */
ALWAYS_INLINE vec load_some(const float *p, size_t n)
{
    return n >= LANES ? v_load(p) : v_load_first(p, n);
}

ALWAYS_INLINE void store_some(float *p, vec x, size_t n)
{
    if (n >= LANES) {
        v_store(p, x);
        return;
    }
    v_store_first(p, x, n);
}

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

/* Adds to and stores the first `columns` of one row of the tile. */
ALWAYS_INLINE void tile_store(float *c, const vec *sum, const vec *bias, const int vectors,
                              bool add, size_t columns)
{
    UNROLL for (int v = 0; v < vectors; v++)
    {
        float *to = c + v * LANES;
        size_t some = columns - (size_t)v * LANES;
        vec x = sum[v] + bias[v];
        if (columns == PANEL) {
            if (add) x += v_load(to);
            v_store(to, x);
        } else if (columns > (size_t)v * LANES) {
            if (add) x += load_some(to, some);
            store_some(to, x, some);
        }
    }
}

/* `vectors` is 1 where the second vector would be left out of the result anyway. */
ALWAYS_INLINE void tile_run(const tile *t, const int rows, const int vectors, const bool down)
{
    const float *a = t->a, *b = t->b, *next = t->next;
    const size_t lda = t->lda, ldb = t->ldb, across = down ? 1 : lda, along = down ? lda : 1;
    vec c[TILE_ROWS][2], bias[2];
    UNROLL for (int r = 0; r < rows; r++)
    {
        c[r][0] = c[r][1] = v_set1(0);
        __builtin_prefetch(t->c + (size_t)r * t->ldc, 1, 3);
        __builtin_prefetch(t->c + (size_t)r * t->ldc + LANES, 1, 3);
    }
    for (size_t k = t->steps; k > 0; k--) {
        vec b0 = v_load(b), b1 = vectors > 1 ? v_load(b + LANES) : b0;
        __builtin_prefetch(next, 0, 2);
        UNROLL for (int r = 0; r < rows; r++)
        {
            vec x = v_set1(a[(size_t)r * across]);
            c[r][0] = V_STEP(x, b0, c[r][0]);
            if (vectors > 1) c[r][1] = V_STEP(x, b1, c[r][1]);
        }
        a += along;
        b += ldb;
        next += 16;
    }
    for (int v = 0; v < 2; v++) bias[v] = t->bias ? v_load(t->bias + v * LANES) : v_set1(0);
    UNROLL for (int r = 0; r < rows; r++)
        tile_store(t->c + (size_t)r * t->ldc, c[r], bias, vectors, t->add, t->columns);
}

typedef void tile_function(const tile *);

#define TILE_FUNCTIONS(rows)                         \
    static void tile_##rows(const tile *t)           \
    {                                                \
        tile_run(t, rows, 2, false);                 \
    }                                                \
    static void tile_half_##rows(const tile *t)      \
    {                                                \
        tile_run(t, rows, 1, false);                 \
    }                                                \
    static void tile_down_##rows(const tile *t)      \
    {                                                \
        tile_run(t, rows, 2, true);                  \
    }                                                \
    static void tile_half_down_##rows(const tile *t) \
    {                                                \
        tile_run(t, rows, 1, true);                  \
    }

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
TILE_FUNCTIONS(3)
TILE_FUNCTIONS(4)
TILE_FUNCTIONS(5)
TILE_FUNCTIONS(6)
#define TILES_6(name) NULL, name##1, name##2, name##3, name##4, name##5, name##6
#if TILE_ROWS == 14
TILE_FUNCTIONS(7)
TILE_FUNCTIONS(8)
TILE_FUNCTIONS(9)
TILE_FUNCTIONS(10)
TILE_FUNCTIONS(11)
TILE_FUNCTIONS(12)
TILE_FUNCTIONS(13)
TILE_FUNCTIONS(14)
#define TILES(name)                                                                       \
    {                                                                                     \
        TILES_6(name), name##7, name##8, name##9, name##10, name##11, name##12, name##13, \
            name##14                                                                      \
    }
#else
#define TILES(name)   \
    {                 \
        TILES_6(name) \
    }
#endif

/* [down][half][rows] */
static tile_function *const tile_functions[2][2][TILE_ROWS + 1] = {
    {TILES(tile_), TILES(tile_half_)}, {TILES(tile_down_), TILES(tile_half_down_)}};

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
        tile_functions[down][t.columns <= LANES][count](&t);
    }
}

#endif
