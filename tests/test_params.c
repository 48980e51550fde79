/* Params of other versions: what a caller does not know of keeps its default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/params.h"
#include "reverie/reverie.h"

static void an_older_callers_params_are_completed(void **state)
{
    (void)state;
    rv_dream_params full = rv_dream_params_default(), old = rv_dream_params_default();
    const uint64_t usual = full.budget;
    rv_error err;
    old.size = offsetof(rv_dream_params, budget);
    old.seed = 9, old.budget = 1;
    assert_int_equal(rv_params_take(&full, sizeof full, &old, &err), RV_OK);
    assert_int_equal(full.seed, 9);
    assert_int_equal(full.budget, usual);
    assert_int_equal(full.size, sizeof full);
    assert_int_equal(rv_params_take(&full, sizeof full, NULL, &err), RV_OK);
    assert_int_equal(full.seed, 9);
}

static void sizes_that_no_default_sets_are_refused(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, sizeof(rv_get_params) + 8};
    rv_get_result result;
    rv_error err;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        rv_get_params params = rv_get_params_default();
        params.size = sizes[i];
        assert_int_equal(rv_get(&result, "nobody/nothing", &params, &err), RV_ERR_USAGE);
        assert_non_null(strstr(err.message, "params: size"));
        rv_get_result_release(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_callers_params_are_completed),
        cmocka_unit_test(sizes_that_no_default_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
