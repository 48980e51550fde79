/* Levels, splits, calibration and scores against the published implementation
 * (tests/fixtures/scores, made by tools/make_golden_scores.py), and what must hold besides. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "explain/score.h"

enum { MOST = 512 };
static const double TOLERANCE = 1e-6;

static json_t *load(const char *name)
{
    char path[256];
    json_error_t why;
    snprintf(path, sizeof path, "tests/fixtures/scores/%s", name);
    json_t *root = json_load_file(path, 0, &why);
    if (!root) fail_msg("%s: %s", path, why.text);
    assert_true(json_array_size(root) > 0);
    return root;
}

static size_t numbers(double *out, const json_t *array)
{
    size_t n = json_array_size(array);
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++) out[i] = json_number_value(json_array_get(array, i));
    return n;
}

static double number(const json_t *object, const char *key)
{
    assert_true(json_is_number(json_object_get(object, key)));
    return json_number_value(json_object_get(object, key));
}

static void assert_close(double found, double expected)
{
    if (!(fabs(found - expected) <= TOLERANCE * fmax(1, fabs(expected))))
        fail_msg("expected %.12g, found %.12g", expected, found);
}

/* null in the fixture stands for undefined. */
static void assert_measure(rv_measure found, const json_t *expected)
{
    assert_int_equal(found.defined, !json_is_null(expected));
    if (found.defined)
        assert_close(found.value, json_number_value(expected));
    else
        assert_non_null(found.why);
}

static void levels_agree(void **state)
{
    (void)state;
    json_t *root = load("levels.json"), *c;
    size_t k;
    json_array_foreach(root, k, c)
    {
        double a[MOST], down[MOST], up[MOST];
        int level[MOST];
        size_t n = numbers(a, json_object_get(c, "activations"));
        numbers(down, json_object_get(c, "down"));
        numbers(up, json_object_get(c, "up"));
        rv_discretise(level, a, n, number(c, "maximum"), RV_ROUND_DOWN);
        for (size_t i = 0; i < n; i++) assert_int_equal(level[i], (int)down[i]);
        rv_discretise(level, a, n, number(c, "maximum"), RV_ROUND_UP);
        for (size_t i = 0; i < n; i++) assert_int_equal(level[i], (int)up[i]);
        rv_activation_record record = {.activations = a, .count = n};
        const rv_activation_record *items[] = {&record};
        rv_record_view view = {items, 1};
        assert_close(rv_view_maximum(&view), number(c, "relu_maximum"));
        assert_close(rv_nonzero_share(&view, number(c, "maximum")), number(c, "nonzero"));
    }
    json_decref(root);
}

static void fill(rv_activation_records *list, const char *name, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rv_activation_record record;
        char token[32];
        snprintf(token, sizeof token, "%s%zu", name, i);
        assert_int_equal(rv_activation_record_init(&record, 1, NULL), RV_OK);
        assert_int_equal(rv_activation_record_set(&record, 0, token, strlen(token), 1, NULL),
                         RV_OK);
        assert_int_equal(rv_activation_records_push(list, &record, NULL), RV_OK);
    }
}

static void splits_agree(void **state)
{
    (void)state;
    json_t *root = load("splits.json"), *c;
    size_t k;
    json_array_foreach(root, k, c)
    {
        rv_activation_records top = {0}, random = {0};
        fill(&top, "top", (size_t)number(c, "tops"));
        fill(&random, "random", (size_t)number(c, "randoms"));
        rv_splits s;
        size_t per_split = (size_t)number(c, "per_split");
        assert_int_equal(rv_split_records(&s, &top, &random, per_split, NULL), RV_OK);
        const char *names[] = {"train", "calibration", "valid", "test"};
        const rv_record_view *views[] = {&s.train, &s.calibration, &s.valid, &s.test};
        for (size_t v = 0; v < 4; v++) {
            const json_t *expected = json_object_get(c, names[v]);
            assert_int_equal(views[v]->count, json_array_size(expected));
            for (size_t i = 0; i < views[v]->count; i++)
                assert_string_equal(views[v]->items[i]->tokens[0],
                                    json_string_value(json_array_get(expected, i)));
        }
        rv_splits_release(&s);
        rv_activation_records_release(&top);
        rv_activation_records_release(&random);
    }
    json_decref(root);
}

static void too_few_records_are_refused(void **state)
{
    (void)state;
    rv_activation_records top = {0}, random = {0};
    rv_splits s;
    rv_error err;
    fill(&top, "top", 3);
    fill(&random, "random", 3);
    assert_int_equal(rv_split_records(&s, &top, &random, 0, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "at least 4"));
    assert_int_equal(rv_split_records(&s, &top, &random, (size_t)-1, &err), RV_ERR_USAGE);
    fill(&top, "top", 5);
    assert_int_equal(rv_split_records(&s, &top, &random, 2, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "random records: expected at least 6"));
    rv_activation_records_release(&top);
    rv_activation_records_release(&random);
}

static const rv_bootstrap no_bootstrap = {0};

static void simulation_scores_and_calibration_agree(void **state)
{
    (void)state;
    json_t *root = load("simulations.json"), *c;
    size_t k;
    json_array_foreach(root, k, c)
    {
        static double real[8][MOST], simulated[8][MOST];
        rv_simulated records[8];
        const json_t *reals = json_object_get(c, "real");
        size_t count = json_array_size(reals);
        assert_in_range(count, 1, 8);
        for (size_t r = 0; r < count; r++) {
            const json_t *other = json_array_get(json_object_get(c, "simulated"), r);
            records[r] = (rv_simulated){real[r], simulated[r],
                                        numbers(real[r], json_array_get(reals, r))};
            numbers(simulated[r], other);
            rv_simulation_scores s;
            assert_int_equal(rv_score_simulation(&s, &records[r], 1, no_bootstrap, NULL),
                             RV_OK);
            const json_t *each = json_array_get(json_object_get(c, "each"), r);
            assert_measure(s.correlation, json_array_get(each, 0));
            assert_measure(s.r_squared, json_array_get(each, 1));
            assert_measure(s.deviation, json_array_get(each, 2));
        }
        rv_simulation_scores s;
        const json_t *pooled = json_object_get(c, "pooled");
        assert_int_equal(rv_score_simulation(&s, records, count, no_bootstrap, NULL), RV_OK);
        assert_measure(s.correlation, json_array_get(pooled, 0));
        assert_measure(s.r_squared, json_array_get(pooled, 1));
        assert_measure(s.deviation, json_array_get(pooled, 2));
        rv_calibration line;
        double expected[4], at[4] = {0, 1, 3.7, 10};
        numbers(expected, json_object_get(c, "calibrated"));
        assert_int_equal(rv_calibrate(&line, records, count, NULL), RV_OK);
        for (size_t i = 0; i < 4; i++)
            assert_close(line.slope * at[i] + line.intercept, expected[i]);
    }
    json_decref(root);
}

static void expected_values_agree(void **state)
{
    (void)state;
    json_t *root = load("expected.json"), *c;
    size_t k;
    json_array_foreach(root, k, c)
    {
        double logprobs[RV_LEVELS + 1], probability[RV_LEVELS + 1], expected[MOST], value = 0;
        for (int i = 0; i <= RV_LEVELS; i++) {
            char key[16];
            snprintf(key, sizeof key, "%d", i);
            const json_t *found = json_object_get(json_object_get(c, "top_logprobs"), key);
            logprobs[i] = found ? json_number_value(found) : -INFINITY;
        }
        assert_true(rv_renormalise(probability, logprobs, RV_LEVELS + 1));
        numbers(expected, json_object_get(c, "probabilities"));
        for (int i = 0; i <= RV_LEVELS; i++) {
            assert_close(probability[i], expected[i]);
            value += i * probability[i];
        }
        assert_close(value, number(c, "expected"));
    }
    json_decref(root);
    double nothing[2] = {-INFINITY, -INFINITY}, out[2];
    assert_false(rv_renormalise(out, nothing, 2));
}

static void classification_scores_agree(void **state)
{
    (void)state;
    json_t *root = load("classifications.json"), *c;
    size_t k;
    json_array_foreach(root, k, c)
    {
        rv_classified answers[MOST];
        double probability[MOST];
        size_t n = numbers(probability, json_object_get(c, "probability"));
        for (size_t i = 0; i < n; i++)
            answers[i] = (rv_classified){
                json_is_true(json_array_get(json_object_get(c, "truth"), i)),
                json_is_true(json_array_get(json_object_get(c, "predicted"), i)),
                probability[i]};
        rv_classification_scores s;
        assert_int_equal(rv_score_classification(&s, answers, n, no_bootstrap, NULL), RV_OK);
        assert_measure(s.accuracy, json_object_get(c, "accuracy"));
        assert_measure(s.area, json_object_get(c, "area"));
        assert_false(s.area.bounded);
        answers[n / 2].probability = -1;
        assert_int_equal(rv_score_classification(&s, answers, n, no_bootstrap, NULL), RV_OK);
        assert_true(s.accuracy.defined);
        assert_false(s.area.defined);
    }
    json_decref(root);
}

static void undefined_is_said(void **state)
{
    (void)state;
    double real[] = {0.1, 0.1, 0.1}, simulated[] = {1, 2, 3};
    rv_simulated record = {real, simulated, 3}, swapped = {simulated, real, 3};
    rv_simulation_scores s;
    assert_int_equal(rv_score_simulation(&s, &record, 1, no_bootstrap, NULL), RV_OK);
    assert_false(s.correlation.defined);
    assert_string_equal(s.correlation.why, "real activation is constant");
    assert_int_equal(rv_score_simulation(&s, &swapped, 1, no_bootstrap, NULL), RV_OK);
    assert_string_equal(s.correlation.why, "simulation is constant");
    assert_int_equal(rv_score_simulation(&s, NULL, 0, no_bootstrap, NULL), RV_OK);
    assert_string_equal(s.deviation.why, "no tokens");
    rv_classified yes[] = {{true, true, 0.9}, {true, false, 0.2}};
    rv_classification_scores k;
    assert_int_equal(rv_score_classification(&k, yes, 2, no_bootstrap, NULL), RV_OK);
    assert_false(k.accuracy.defined);
    assert_string_equal(k.area.why, "no example on which the neuron is silent");
}

static void not_a_number_is_an_error(void **state)
{
    (void)state;
    double real[] = {1, NAN}, simulated[] = {1, 2};
    rv_simulated record = {real, simulated, 2};
    rv_simulation_scores s;
    rv_error err;
    assert_int_equal(rv_score_simulation(&s, &record, 1, no_bootstrap, &err), RV_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "record 0, token 1"));
}

/* Independent pairs of known correlation: the interval must hold it about 95 times in 100, and be
 * about as wide as theory says, 2 * 1.96 * (1 - r^2) / sqrt(n). */
static void intervals_cover(void **state)
{
    (void)state;
    enum { TRIALS = 60, RECORDS = 120 };
    size_t covered = 0;
    double width = 0, r = 0.6;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        rv_random random = rv_random_stream(11, trial, 0);
        double x[RECORDS], y[RECORDS];
        rv_simulated records[RECORDS];
        for (size_t i = 0; i < RECORDS; i++) {
            x[i] = rv_random_normal(&random);
            y[i] = r * x[i] + sqrt(1 - r * r) * rv_random_normal(&random);
            records[i] = (rv_simulated){&x[i], &y[i], 1};
        }
        rv_simulation_scores s;
        rv_bootstrap bootstrap = {400, trial};
        assert_int_equal(rv_score_simulation(&s, records, RECORDS, bootstrap, NULL), RV_OK);
        assert_true(s.correlation.bounded);
        covered += s.correlation.low <= r && r <= s.correlation.high;
        width += (s.correlation.high - s.correlation.low) / TRIALS;
    }
    assert_in_range(covered, TRIALS * 85 / 100, TRIALS);
    double theory = 2 * 1.96 * (1 - r * r) / sqrt(RECORDS);
    assert_true(width > 0.8 * theory && width < 1.25 * theory);
}

/* The record is the unit: ten copies of one token pair know no more than the pair. */
static void intervals_resample_whole_records(void **state)
{
    (void)state;
    double x[] = {0, 1, 2, 5, 3, 8}, y[] = {1, 0, 3, 4, 4, 6}, xs[6][10], ys[6][10];
    rv_simulated once[6], tenfold[6];
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 10; j++) xs[i][j] = x[i], ys[i][j] = y[i];
        once[i] = (rv_simulated){&x[i], &y[i], 1};
        tenfold[i] = (rv_simulated){xs[i], ys[i], 10};
    }
    rv_simulation_scores a, b, c;
    assert_int_equal(rv_score_simulation(&a, once, 6, (rv_bootstrap){500, 3}, NULL), RV_OK);
    assert_int_equal(rv_score_simulation(&b, tenfold, 6, (rv_bootstrap){500, 3}, NULL), RV_OK);
    assert_int_equal(rv_score_simulation(&c, once, 6, (rv_bootstrap){500, 4}, NULL), RV_OK);
    assert_close(a.correlation.low, b.correlation.low);
    assert_close(a.deviation.high, b.deviation.high);
    assert_true(a.correlation.low != c.correlation.low);
    assert_int_equal(rv_score_simulation(&a, once, 1, (rv_bootstrap){500, 3}, NULL), RV_OK);
    assert_false(a.r_squared.bounded);
}

static void classification_intervals_hold_the_value(void **state)
{
    (void)state;
    rv_random random = rv_random_stream(5, 0, 0);
    rv_classified answers[80];
    for (size_t i = 0; i < 80; i++) {
        bool truth = i % 2;
        double p = 0.5 + 0.2 * (truth ? 1 : -1) + 0.25 * rv_random_normal(&random);
        p = fmax(0, fmin(1, p));
        answers[i] = (rv_classified){truth, p > 0.5, p};
    }
    rv_classification_scores s;
    assert_int_equal(rv_score_classification(&s, answers, 80, (rv_bootstrap){400, 1}, NULL),
                     RV_OK);
    const rv_measure *measures[] = {&s.accuracy, &s.area};
    for (size_t i = 0; i < 2; i++) {
        assert_true(measures[i]->bounded);
        assert_true(measures[i]->low < measures[i]->value);
        assert_true(measures[i]->value < measures[i]->high);
        assert_true(measures[i]->high - measures[i]->low < 0.4);
    }
}

static void lookup_predicts_the_mean_of_each_token(void **state)
{
    (void)state;
    rv_activation_record a, b;
    assert_int_equal(rv_activation_record_init(&a, 3, NULL), RV_OK);
    assert_int_equal(rv_activation_record_init(&b, 2, NULL), RV_OK);
    rv_activation_record_set(&a, 0, "x", 1, 4, NULL);
    rv_activation_record_set(&a, 1, "y", 1, 1, NULL);
    rv_activation_record_set(&a, 2, "x", 1, 6, NULL);
    rv_activation_record_set(&b, 0, "y", 1, 0, NULL);
    rv_activation_record_set(&b, 1, "z", 1, 0.5, NULL);
    const rv_activation_record *items[] = {&a, &b};
    rv_lookup *lookup;
    assert_int_equal(rv_lookup_train(&lookup, &(rv_record_view){items, 2}, 1, NULL), RV_OK);
    double out[3];
    rv_lookup_predict(out, lookup, &a);
    assert_close(out[0], 5);
    assert_close(out[1], 0.5);
    rv_activation_record_set(&a, 0, "new", 3, 0, NULL);
    rv_lookup_predict(out, lookup, &a);
    assert_close(out[0], 0.25); // the mean of the quiet record
    rv_lookup_free(lookup);
    assert_int_equal(rv_lookup_train(&lookup, &(rv_record_view){items, 0}, 0, NULL), RV_OK);
    rv_lookup_predict(out, lookup, &a);
    assert_close(out[0], 0);
    rv_lookup_free(lookup);
    rv_activation_record_release(&a);
    rv_activation_record_release(&b);
}

static void tokens_become_valid_text(void **state)
{
    (void)state;
    char *fixed = rv_utf8_repair("a\xe2\x82 \0b\xf0\x9f\x98\x80", 10);
    assert_string_equal(fixed, "a\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd"
                               "b\xf0\x9f\x98\x80");
    free(fixed);
}

static void evidence_must_fire_and_be_finite(void **state)
{
    (void)state;
    rv_evidence e = rv_evidence_empty();
    rv_error err;
    fill(&e.top, "t", 4);
    assert_int_equal(rv_evidence_check(&e, &err), RV_OK);
    for (size_t i = 0; i < 4; i++) e.top.items[i].activations[0] = -0.1;
    assert_int_equal(rv_evidence_check(&e, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "never fires"));
    e.top.items[2].activations[0] = NAN;
    assert_int_equal(rv_evidence_check(&e, &err), RV_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "top record 2, token 0"));
    rv_evidence_release(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(splits_agree),
        cmocka_unit_test(too_few_records_are_refused),
        cmocka_unit_test(simulation_scores_and_calibration_agree),
        cmocka_unit_test(expected_values_agree),
        cmocka_unit_test(classification_scores_agree),
        cmocka_unit_test(undefined_is_said),
        cmocka_unit_test(not_a_number_is_an_error),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(intervals_resample_whole_records),
        cmocka_unit_test(classification_intervals_hold_the_value),
        cmocka_unit_test(lookup_predicts_the_mean_of_each_token),
        cmocka_unit_test(tokens_become_valid_text),
        cmocka_unit_test(evidence_must_fire_and_be_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
