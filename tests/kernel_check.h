/* Tuned kernels held against the reference, for every shape and instruction set: guarded rows of random numbers,
 * how they are compared, and TEST(entry), which runs entry(shape) for all. */
#ifndef TESTS_KERNEL_CHECK_H
#define TESTS_KERNEL_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/kernels.h"

enum { GUARD = 64, PAD = 3 };
#define LENGTH(a) (sizeof(a) / sizeof *(a))
static const float guard_word = -12345.5f;

/* N rows, K inputs (also channels), M outputs (also vocabulary, hidden width). */
typedef struct shape {
    size_t N, K, M;
} shape;

static const shape shapes[] = {{1, 1, 1},      {1, 65, 7},    {2, 64, 33},   {3, 16, 32},
                               {7, 5, 16},     {15, 31, 31},  {14, 768, 64}, {29, 577, 65},
                               {40, 1600, 9},  {113, 3, 130}, {6, 1024, 48}, {96, 96, 577},
                               {300, 33, 2100}};

static rv_random source;
static const rv_kernels *reference, *tuned;

/* A buffer of rows between guards, with PAD numbers after each row; all random. */
typedef struct rows {
    float *all, *at;
    size_t count, columns, ld;
} rows;

/* Normal numbers, cheaply: from a table, at a random place. */
static float normal_number(void)
{
    enum { SIZE = 1 << 15 };
    static float table[SIZE];
    static size_t at;
    if (at == 0)
        for (size_t i = 0; i < SIZE; i++) table[i] = (float)rv_random_normal(&source);
    if (at % SIZE == 0) at += 1 + 2 * rv_random_below(&source, SIZE / 2);
    return table[at++ % SIZE];
}

static rows make_rows_ld(size_t count, size_t columns, size_t ld)
{
    rows r = {.count = count, .columns = columns, .ld = ld};
    r.all = rv_alloc(count * ld + 2 * GUARD, sizeof *r.all);
    assert_non_null(r.all);
    r.at = r.all + GUARD;
    for (size_t i = 0; i < count * ld + 2 * GUARD; i++) r.all[i] = guard_word;
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < columns; i++) r.at[n * ld + i] = normal_number();
    return r;
}

static rows make_rows(size_t count, size_t columns)
{
    return make_rows_ld(count, columns, columns + PAD);
}

static rows copy_of(const rows *r)
{
    rows copy = *r;
    size_t bytes = r->count * r->ld + 2 * GUARD;
    copy.all = rv_alloc(bytes, sizeof *copy.all);
    assert_non_null(copy.all);
    memcpy(copy.all, r->all, bytes * sizeof *copy.all);
    copy.at = copy.all + GUARD;
    return copy;
}

static void check_guards(const char *what, const rows *r)
{
    for (size_t i = 0; i < r->count * r->ld + 2 * GUARD; i++) {
        size_t j = i - GUARD;
        bool inside = i >= GUARD && j < r->count * r->ld && j % r->ld < r->columns;
        if (!inside && r->all[i] != guard_word)
            fail_msg("%s %s: wrote outside of its rows, at %zd of %zu x %zu", tuned->name, what,
                     (ssize_t)j, r->count, r->columns);
    }
}

/* found is expected, up to the rounding of a sum of `terms` terms of about `size`. */
static void check_close(const char *what, const rows *found, const rows *expected, size_t terms,
                        float size)
{
    check_guards(what, found);
    for (size_t n = 0; n < found->count; n++)
        for (size_t i = 0; i < found->columns; i++) {
            float f = found->at[n * found->ld + i], e = expected->at[n * expected->ld + i];
            float limit = FLT_EPSILON * (16 + (float)terms) * fmaxf(size, fabsf(e));
            if (!(fabsf(f - e) <= limit))
                fail_msg("%s %s: [%zu, %zu] of %zu x %zu: expected %.9g, found %.9g",
                         tuned->name, what, n, i, found->count, found->columns, (double)e,
                         (double)f);
        }
}

static void check_same_row(const char *what, const float *a, const float *b, size_t count)
{
    if (memcmp(a, b, count * sizeof *a) == 0) return;
    for (size_t i = 0; i < count; i++)
        if (a[i] != b[i])
            fail_msg("%s %s: column %zu is %.9g or %.9g, depending on other rows or threads",
                     tuned->name, what, i, (double)a[i], (double)b[i]);
}

static void free_rows(rows *r, size_t count)
{
    for (size_t i = 0; i < count; i++) free(r[i].all);
}

static void for_all(void (*entry)(const shape *))
{
    static const char *const names[] = {"avx512", "avx2", "portable"};
    reference = rv_kernels_reference();
    for (size_t t = 0; t < LENGTH(names); t++) {
        tuned = rv_kernels_select(names[t]);
        if (!tuned) {
            print_message("%s: this processor cannot run it\n", names[t]);
            continue;
        }
        for (size_t i = 0; i < LENGTH(shapes); i++) entry(&shapes[i]);
    }
}

#define TEST(entry)                        \
    static void test_##entry(void **state) \
    {                                      \
        (void)state;                       \
        for_all(entry);                    \
    }

#endif
