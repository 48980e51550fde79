/* Every tuned table that this processor runs, against the reference: one list of shapes drives
 * all entries. Outputs stand between guard words and have padding between their rows; both must
 * survive. Results must not depend on the rows beside a row, nor on the number of threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
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

static const shape shapes[] = {{1, 1, 1},     {1, 65, 7},    {2, 64, 33},   {3, 16, 32},
                               {7, 5, 16},    {15, 31, 31},  {14, 768, 64}, {29, 577, 65},
                               {40, 1600, 9}, {113, 3, 130}, {6, 1024, 48}, {96, 96, 577}};

static rv_random source;
static const rv_kernels *reference, *tuned;

/* A buffer of rows between guards, with PAD numbers after each row; all random. */
typedef struct rows {
    float *all, *at;
    size_t count, columns, ld;
} rows;

static rows make_rows_ld(size_t count, size_t columns, size_t ld)
{
    rows r = {.count = count, .columns = columns, .ld = ld};
    r.all = rv_alloc(count * ld + 2 * GUARD, sizeof *r.all);
    assert_non_null(r.all);
    r.at = r.all + GUARD;
    for (size_t i = 0; i < count * ld + 2 * GUARD; i++) r.all[i] = guard_word;
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < columns; i++)
            r.at[n * ld + i] = (float)rv_random_normal(&source);
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

/* The same weights packed for the reference and for the tuned table. */
typedef struct weights {
    rows W, bias;
    rv_matrix expected, tuned;
} weights;

static weights make_weights(size_t M, size_t K, bool bias)
{
    weights w = {.W = make_rows_ld(M, K, K), .bias = make_rows(1, M)};
    const float *b = bias ? w.bias.at : NULL;
    rv_error err;
    assert_int_equal(rv_matrix_pack(&w.expected, reference, w.W.at, b, M, K, &err), RV_OK);
    assert_int_equal(rv_matrix_pack(&w.tuned, tuned, w.W.at, b, M, K, &err), RV_OK);
    return w;
}

static void free_weights(weights *w)
{
    rv_matrix_release(&w->expected);
    rv_matrix_release(&w->tuned);
    free(w->W.all);
    free(w->bias.all);
}

/* ---- linear ---------------------------------------------------------------------------- */
static void linear_forward(const shape *s)
{
    weights w = make_weights(s->M, s->K, s->N % 2);
    size_t ldx = s->K % 1024 ? s->K + PAD : s->K; // 1024 numbers apart: rows alias in the cache
    rows x = make_rows_ld(s->N, s->K, ldx), out = make_rows(s->N, s->M);
    for (int epilogue = RV_STORE; epilogue <= RV_ACCUMULATE; epilogue++) {
        rows expected = copy_of(&out), found = copy_of(&out), threaded = copy_of(&out);
        rows alone = copy_of(&out);
        reference->linear_forward(expected.at, expected.ld, x.at, x.ld, &w.expected, s->N,
                                  (rv_epilogue)epilogue, 1);
        tuned->linear_forward(found.at, found.ld, x.at, x.ld, &w.tuned, s->N,
                              (rv_epilogue)epilogue, 1);
        tuned->linear_forward(threaded.at, found.ld, x.at, x.ld, &w.tuned, s->N,
                              (rv_epilogue)epilogue, 2);
        check_close("linear_forward", &found, &expected, s->K, sqrtf((float)s->K));
        for (size_t n = 0; n < s->N; n++) {
            tuned->linear_forward(alone.at + n * alone.ld, 1, x.at + n * x.ld, 1, &w.tuned, 1,
                                  (rv_epilogue)epilogue, 1);
            check_same_row("linear_forward", found.at + n * found.ld, alone.at + n * alone.ld,
                           s->M);
            check_same_row("linear_forward", found.at + n * found.ld,
                           threaded.at + n * found.ld, s->M);
        }
        free_rows((rows[]){expected, found, threaded, alone}, 4);
    }
    free_rows((rows[]){x, out}, 2);
    free_weights(&w);
}

/* ---- which tables, which shapes -------------------------------------------------------- */
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

TEST(linear_forward)

int main(void)
{
    source = rv_random_stream(11, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
