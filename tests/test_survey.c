/* A survey of all neurons, against the corpus examples of each. */
#include "tiny_model.h"

#include <jansson.h>
#include <math.h>
#include <unistd.h>

enum { TOP = 5 };

static rv_model *model;
static const char *file;

static void drop(rv_survey_summary s)
{
    rv_survey_summary_release(&s);
}

static rv_survey_summary survey(const rv_survey_params *p)
{
    rv_survey_summary s;
    rv_error err;
    if (rv_survey_corpus(&s, model, p, &err) != RV_OK) fail_msg("%s", err.message);
    return s;
}

static rv_survey_params usual(const char *output)
{
    rv_survey_params p = rv_survey_params_default();
    p.corpus = &file, p.corpus_count = 1;
    p.top = TOP;
    p.output = output;
    return p;
}

/* The exact examples of a target; the only token shown is the strong one. */
static void forget(rv_examples e)
{
    rv_examples_release(&e);
}

static rv_examples examples_of(const char *target)
{
    rv_examples_params p = rv_examples_params_default();
    rv_examples e;
    rv_error err;
    p.corpus = &file, p.corpus_count = 1;
    p.before = 1;
    p.exact = true;
    if (rv_examples_find(&e, model, &target, 1, &p, &err) != RV_OK) fail_msg("%s", err.message);
    return e;
}

static void compare_places(json_t *places, const rv_example *expected, double tolerance)
{
    assert_int_equal(json_array_size(places), TOP);
    for (size_t i = 0; i < TOP; i++) {
        json_t *place = json_array_get(places, i);
        double f = json_number_value(json_array_get(place, 0));
        assert_true(fabs((double)(float)f - expected[i].value) <= tolerance);
        assert_int_equal(json_integer_value(json_array_get(place, 1)), 0);
        if (tolerance == 0)
            assert_int_equal(json_integer_value(json_array_get(place, 2)), expected[i].offset);
    }
}

static void check_file(const char *path, bool exact)
{
    FILE *stream = fopen(path, "r");
    char line[4096];
    size_t count = 0;
    assert_non_null(stream);
    assert_non_null(fgets(line, sizeof line, stream));
    json_t *head = json_loads(line, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(head, "type")), "survey");
    size_t layers = (size_t)json_integer_value(json_object_get(head, "layers")),
           neurons = (size_t)json_integer_value(json_object_get(head, "neurons"));
    json_decref(head);
    while (fgets(line, sizeof line, stream)) {
        json_t *n = json_loads(line, 0, NULL);
        assert_non_null(n);
        if (count++ % 7 == 0) {
            rv_examples e = examples_of(json_string_value(json_object_get(n, "target")));
            const rv_target_examples *x = e.targets;
            double mean = json_number_value(json_object_get(n, "mean")),
                   deviation = json_number_value(json_object_get(n, "deviation")),
                   tolerance = exact ? 0 : 0.2 * x->deviation;
            assert_true(fabs(mean - x->mean) < (exact ? 1e-5 : 0.01) * x->deviation);
            assert_true(fabs(deviation / x->deviation - 1) < (exact ? 1e-4 : 0.01));
            compare_places(json_object_get(n, "high"), x->high, tolerance);
            compare_places(json_object_get(n, "low"), x->low, tolerance);
            forget(e);
        }
        json_decref(n);
    }
    fclose(stream);
    assert_true(count > 0);
    assert_int_equal(count, layers * neurons);
}

static void every_neuron_has_its_exact_places(void **state)
{
    (void)state;
    rv_survey_params p = usual(tiny_path("survey.jsonl"));
    rv_survey_summary s = survey(&p);
    assert_false(s.narrow);
    check_file(p.output, true);
    drop(s);
}

static void bf16_is_close(void **state)
{
    (void)state;
    rv_survey_params p = usual(tiny_path("fast.jsonl"));
    p.fast = true;
    drop(survey(&p));
    check_file(p.output, false);
}

static void peaks_are_what_stands_out_most(void **state)
{
    (void)state;
    rv_survey_params p = usual(NULL);
    p.peaks = 3;
    rv_survey_summary s = survey(&p);
    assert_int_equal(s.peak_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const rv_survey_peak *k = &s.peaks[i];
        char target[32];
        snprintf(target, sizeof target, "L%d.N%d", (int)k->layer, (int)k->neuron);
        rv_examples e = examples_of(target);
        const rv_example *x = k->g > 0 ? e.targets->high : e.targets->low;
        assert_true(fabs(k->g - x->g) < 1e-3);
        assert_true((float)k->value == (float)x->value);
        assert_int_equal(k->offset, x->offset);
        if (i) assert_true(fabs(k->g) <= fabs(s.peaks[i - 1].g));
        forget(e);
    }
    drop(s);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    rv_model *two = tiny_open(2), *one = model;
    rv_survey_params p = usual(tiny_path("one.jsonl"));
    char *a, *b;
    size_t a_length, b_length;
    rv_error err;
    drop(survey(&p));
    model = two;
    p.output = tiny_path("two.jsonl");
    drop(survey(&p));
    model = one;
    rv_model_close(two);
    assert_int_equal(rv_read_file(&a, &a_length, tiny_path("one.jsonl"), 1 << 24, &err), RV_OK);
    assert_int_equal(rv_read_file(&b, &b_length, tiny_path("two.jsonl"), 1 << 24, &err), RV_OK);
    assert_int_equal(a_length, b_length);
    assert_memory_equal(a, b, a_length);
    free(a);
    free(b);
}

static void wrong_questions_are_explained(void **state)
{
    (void)state;
    rv_survey_params p = usual(tiny_path("none.jsonl"));
    rv_survey_summary s;
    rv_error err;
    p.corpus_count = 0;
    assert_int_equal(rv_survey_corpus(&s, model, &p, &err), RV_ERR_USAGE);
    p.corpus_count = 1, p.top = 0;
    assert_int_equal(rv_survey_corpus(&s, model, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "expected 1 to 1000, found 0"));
    tiny_write("short.txt", "the hen", 7);
    const char *brief = tiny_path("short.txt");
    p.top = TOP, p.corpus = &brief;
    assert_int_equal(rv_survey_corpus(&s, model, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "give a longer text"));
    assert_false(rv_file_exists(p.output));
    assert_null(s.peaks);
}

static int set_up(void **state)
{
    if (tiny_make(state) != 0) return -1;
    file = strdup(tiny_path("corpus.txt"));
    model = tiny_open(1);
    return 0;
}

static int tear_down(void **state)
{
    rv_model_close(model);
    free((char *)file);
    return tiny_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_neuron_has_its_exact_places),
        cmocka_unit_test(bf16_is_close),
        cmocka_unit_test(peaks_are_what_stands_out_most),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(wrong_questions_are_explained),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
