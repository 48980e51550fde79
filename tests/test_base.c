#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

static void random_streams_are_named_not_shared(void **state)
{
    (void)state;
    rv_random a = rv_random_stream(7, 1, 2), b = rv_random_stream(7, 1, 2),
              c = rv_random_stream(7, 1, 3);
    int equal = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = rv_random_u32(&a);
        assert_int_equal(x, rv_random_u32(&b));
        equal += x == rv_random_u32(&c);
    }
    assert_true(equal < 3);
}

/* Known answer of Philox4x32-10 for counter and key zero (Random123's kat_vectors). */
static void random_matches_the_published_vector(void **state)
{
    (void)state;
    rv_random r = rv_random_stream(0, 0, 0);
    const uint32_t expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++) assert_int_equal(rv_random_u32(&r), expected[i]);
}

static void random_moments(void **state)
{
    (void)state;
    rv_random r = rv_random_stream(1, 0, 0);
    double sum = 0, squares = 0;
    size_t n = 20000, counts[7] = {0};
    for (size_t i = 0; i < n; i++) {
        double x = rv_random_normal(&r);
        sum += x;
        squares += x * x;
        counts[rv_random_below(&r, 7)]++;
    }
    assert_true(fabs(sum / (double)n) < 0.03);
    assert_true(fabs(squares / (double)n - 1) < 0.05);
    for (int i = 0; i < 7; i++) assert_in_range(counts[i], n / 7 - 300, n / 7 + 300);
}

static void errors_never_command_a_terminal(void **state)
{
    (void)state;
    rv_error err;
    rv_fail(&err, RV_ERR_FORMAT,
            "found \"\033[2J\a\n\xC2\x9B"
            "1m caf\xC3\xA9\x7F\"");
    assert_string_equal(err.message, "found \"?[2J????1m caf\xC3\xA9?\"");
    rv_context(&err, RV_ERR_FORMAT, "a\033c");
    assert_string_equal(err.message, "a?c: found \"?[2J????1m caf\xC3\xA9?\"");
}

static void errors_carry_context(void **state)
{
    (void)state;
    rv_error err;
    assert_int_equal(rv_fail(&err, RV_ERR_FORMAT, "expected %d", 3), RV_ERR_FORMAT);
    rv_context(&err, RV_ERR_FORMAT, "%s", "a.bin");
    assert_string_equal(err.message, "a.bin: expected 3");
    assert_string_equal(rv_status_text(RV_ERR_FORMAT), "malformed file");
    assert_string_equal(rv_status_text((rv_status)999), "unknown status");
}

static void utf8_rejects_what_is_not(void **state)
{
    (void)state;
    unsigned c;
    assert_int_equal(rv_utf8_decode("\xf0\x9f\x98\x80", 4, &c), 4);
    assert_int_equal(c, 0x1F600);
    assert_int_equal(rv_utf8_decode("\xc0\x80", 2, &c), 0);
    assert_int_equal(rv_utf8_decode("\xed\xa0\x80", 3, &c), 0);
    assert_int_equal(rv_utf8_decode("\xe2\x82", 2, &c), 0);
    char out[4];
    assert_int_equal(rv_utf8_encode(0x20AC, out), 3);
    assert_memory_equal(out, "\xe2\x82\xac", 3);
}

static void allocation_refuses_overflow(void **state)
{
    (void)state;
    assert_null(rv_alloc(SIZE_MAX / 2, 4));
    void *p = rv_alloc(0, 4);
    assert_non_null(p);
    free(p);
}

static void a_full_device_fails_and_stays_a_device(void **state)
{
    (void)state;
    rv_error err;
    assert_int_equal(rv_write_file("/dev/full", "x", 1, &err), RV_ERR_IO);
    assert_string_equal(err.message, "/dev/full: cannot write: No space left on device");
    assert_false(rv_file_exists("/dev/full"));
}

static void shuffled_orders_are_equally_frequent(void **state)
{
    (void)state;
    enum { TRIALS = 6000 };
    rv_random random = rv_random_stream(4, 0, 0);
    int seen[27] = {0}, orders = 0;
    for (int t = 0; t < TRIALS; t++) {
        int32_t items[3] = {0, 1, 2};
        rv_random_shuffle(&random, items, 3, sizeof *items);
        assert_int_equal(items[0] + items[1] + items[2], 3);
        seen[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    for (size_t i = 0; i < 27; i++) {
        orders += seen[i] > 0;
        if (seen[i] && abs(seen[i] - TRIALS / 6) > 150) fail_msg("order %zu: %d", i, seen[i]);
    }
    assert_int_equal(orders, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_are_named_not_shared),
        cmocka_unit_test(random_matches_the_published_vector),
        cmocka_unit_test(random_moments),
        cmocka_unit_test(errors_carry_context),
        cmocka_unit_test(errors_never_command_a_terminal),
        cmocka_unit_test(utf8_rejects_what_is_not),
        cmocka_unit_test(allocation_refuses_overflow),
        cmocka_unit_test(a_full_device_fails_and_stays_a_device),
        cmocka_unit_test(shuffled_orders_are_equally_frequent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
