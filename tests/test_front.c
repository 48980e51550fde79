/* The set of candidates that nothing else outdoes. */
#include "golden.h"
#include "search/search.h"

static rv_candidate candidate(int32_t *id, double g, double xe, double xb)
{
    return (rv_candidate){.ids = id, .length = 1, .g = g, .xe = xe, .xb = xb};
}

static void add(rv_front *front, int32_t id, double g, double xe, double xb)
{
    rv_candidate c = candidate(&id, g, xe, xb);
    rv_error err;
    assert_int_equal(rv_front_add(front, &c, &err), RV_OK);
}

static void what_is_fluent_by_byte_only_is_kept(void **state)
{
    (void)state;
    rv_front front = {0};
    add(&front, 1, 10, 4, 2);
    assert_false(rv_front_would_accept(&front, 9, 5, 2));
    assert_true(rv_front_would_accept(&front, 9, 5, 1));
    assert_false(rv_front_would_accept(&front, 9, 5, INFINITY)); /* by token alone */
    add(&front, 2, 9, 5, 1);
    assert_int_equal(front.count, 2);
    assert_float_equal(rv_front_best(&front, 5), 10, 0);
    rv_front_release(&front);
}

static void what_is_outdone_leaves(void **state)
{
    (void)state;
    rv_front front = {0};
    add(&front, 1, 10, 4, 2);
    add(&front, 2, 8, 3, 1.5);
    add(&front, 3, 10, 3.5, 1.5);
    assert_int_equal(front.count, 2);
    assert_int_equal(front.items[0].ids[0], 2);
    assert_int_equal(front.items[1].ids[0], 3);
    assert_false(rv_front_would_accept(&front, NAN, 1, 1));
    rv_front_release(&front);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_fluent_by_byte_only_is_kept),
        cmocka_unit_test(what_is_outdone_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
