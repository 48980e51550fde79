/* Drawing tokens, against transformers' warpers (tests/fixtures/generate/sampling.json). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "subject/sample.h"

enum { MOST = 64, DRAWS = 40000 };

static size_t numbers(double *out, const json_t *list)
{
    size_t i;
    const json_t *value;
    json_array_foreach(list, i, value) out[i] = json_number_value(value);
    return i;
}

static json_t *fixture(void)
{
    json_error_t wrong;
    json_t *root = json_load_file("tests/fixtures/generate/sampling.json", 0, &wrong);
    if (!root) fail_msg("%s", wrong.text);
    return root;
}

static size_t read_logits(real *out, const json_t *root)
{
    double values[MOST];
    size_t V = numbers(values, json_object_get(root, "logits"));
    for (size_t v = 0; v < V; v++) out[v] = (real)values[v];
    return V;
}

static double field(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void draws_are_as_likely_as_transformers_has_them(void **state)
{
    (void)state;
    json_t *root = fixture();
    real logits[MOST];
    double expected[MOST];
    size_t i, V = read_logits(logits, root);
    const json_t *one;
    json_array_foreach(json_object_get(root, "cases"), i, one)
    {
        rv_generate_params params = {.temperature = field(one, "temperature"),
                                     .top_k = (uint64_t)field(one, "top_k"),
                                     .top_p = field(one, "top_p"),
                                     .seed = 5};
        rv_sampler sampler;
        rv_error err;
        size_t found[MOST] = {0};
        assert_int_equal(numbers(expected, json_object_get(one, "probabilities")), V);
        assert_int_equal(rv_sampler_new(&sampler, &params, V, &err), RV_OK);
        for (uint32_t d = 0; d < DRAWS; d++) found[rv_sample(&sampler, logits, d)]++;
        for (size_t v = 0; v < V; v++) {
            double deviation = sqrt(expected[v] * (1 - expected[v]) / DRAWS);
            double share = (double)found[v] / DRAWS;
            if (expected[v] == 0) assert_int_equal(found[v], 0);
            if (fabs(share - expected[v]) > 4.5 * deviation + 2e-5)
                fail_msg("case %zu, token %zu: drawn %.5f, expected %.5f", i, v, share,
                         expected[v]);
        }
        rv_sampler_release(&sampler);
    }
    json_decref(root);
}

static void temperature_zero_takes_the_likeliest(void **state)
{
    (void)state;
    const real logits[] = {1, 3, -2, 3, 0};
    rv_generate_params params = {.temperature = 0, .top_p = 1};
    rv_sampler sampler;
    rv_error err;
    assert_int_equal(rv_sampler_new(&sampler, &params, 5, &err), RV_OK);
    for (uint32_t d = 0; d < 20; d++) assert_int_equal(rv_sample(&sampler, logits, d), 1);
    rv_sampler_release(&sampler);
}

static void seeds_and_steps_name_the_draw(void **state)
{
    (void)state;
    json_t *root = fixture();
    real logits[MOST];
    size_t V = read_logits(logits, root), same = 0;
    rv_generate_params params = {.temperature = 2, .top_p = 1, .seed = 1},
                       other = {.temperature = 2, .top_p = 1, .seed = 2};
    rv_sampler a, b, c;
    rv_error err;
    assert_int_equal(rv_sampler_new(&a, &params, V, &err), RV_OK);
    assert_int_equal(rv_sampler_new(&b, &params, V, &err), RV_OK);
    assert_int_equal(rv_sampler_new(&c, &other, V, &err), RV_OK);
    for (uint32_t d = 0; d < 200; d++) {
        int32_t id = rv_sample(&a, logits, d);
        assert_int_equal(id, rv_sample(&b, logits, d));
        same += id == rv_sample(&c, logits, d);
    }
    assert_in_range(same, 1, 150);
    rv_sampler_release(&a);
    rv_sampler_release(&b);
    rv_sampler_release(&c);
    json_decref(root);
}

static void senseless_settings_are_refused(void **state)
{
    (void)state;
    const rv_generate_params wrong[] = {
        {.temperature = -1, .top_p = 1},       {.temperature = NAN, .top_p = 1},
        {.temperature = INFINITY, .top_p = 1}, {.temperature = 1, .top_p = 0},
        {.temperature = 1, .top_p = 1.5},      {.temperature = 1, .top_p = NAN}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rv_sampler sampler;
        rv_error err;
        assert_int_equal(rv_sampler_new(&sampler, &wrong[i], 4, &err), RV_ERR_USAGE);
        assert_non_null(strstr(err.message, "expected"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_as_likely_as_transformers_has_them),
        cmocka_unit_test(temperature_zero_takes_the_likeliest),
        cmocka_unit_test(seeds_and_steps_name_the_draw),
        cmocka_unit_test(senseless_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
