/* Methods side by side through the public interface: finished runs are kept, the table is the same again. */
#include "tiny_model.h"

static rv_model *model;
static const char *corpus[1];

static rv_compare_params usual(const char *const *methods, size_t count, rv_dream_params *dream)
{
    rv_compare_params p = rv_compare_params_default();
    *dream = rv_dream_params_default();
    p.methods = methods, p.method_count = count;
    p.dream = dream;
    dream->budget = 3000;
    dream->least = dream->most = 5;
    dream->corpus = corpus, dream->corpus_count = 1;
    return p;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part))) n++, text++;
    return n;
}

static size_t dreamt;

static bool count_dreaming(void *context, const rv_progress *event)
{
    const size_t *stop = context;
    dreamt += strstr(event->what, ": dreaming") != NULL;
    return !stop || dreamt < *stop;
}

static void methods_are_compared_and_finished_runs_kept(void **state)
{
    (void)state;
    const char *methods[] = {"reverie", "epo", "epo-as-published"};
    rv_dream_params dream;
    rv_compare_params p = usual(methods, 3, &dream);
    p.seeds = 2;
    dream.progress = count_dreaming;
    p.runs = tiny_path("runs/deep");
    rv_report *report;
    rv_error err;
    size_t stop = 8;
    dream.progress_context = &stop;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_ERR_CANCELLED);
    assert_non_null(report);
    rv_report_close(report);
    dream.progress_context = NULL;
    dreamt = 0;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_OK);
    assert_int_equal(rv_report_count(report).runs, 6);
    assert_true(dreamt > 0);
    char *first, *second;
    assert_int_equal(rv_report_compare(&first, report, RV_COMPARISON_JSON, &err), RV_OK);
    rv_report_close(report);
    dreamt = 0;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_OK);
    assert_int_equal(dreamt, 0);
    assert_int_equal(rv_report_compare(&second, report, RV_COMPARISON_JSON, &err), RV_OK);
    rv_report_close(report);
    assert_string_equal(first, second);
    assert_int_equal(count_of(first, "\"targets\": 1"), 4); // three methods and the windows
    assert_int_equal(count_of(first, "\"runs\": 2"), 3);
    free(first), free(second);
}

static void wrong_comparisons_are_explained(void **state)
{
    (void)state;
    const char *unknown[] = {"epo", "guess"}, *twice[] = {"epo", "beam", "epo"};
    rv_dream_params dream;
    rv_compare_params p = usual(NULL, 0, &dream);
    rv_report *report;
    rv_error err;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "folder"));
    p.runs = tiny_path("runs/wrong");
    p.methods = unknown, p.method_count = 2;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "epo-as-published; found \"guess\""));
    p.methods = twice, p.method_count = 3;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "epo twice"));
    p.seeds = 0;
    assert_int_equal(rv_compare(&report, model, "L1.N5", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "seeds"));
    assert_null(report);
}

static int set_up(void **state)
{
    if (tiny_make(state) != 0) return -1;
    corpus[0] = strdup(tiny_path("corpus.txt"));
    model = tiny_open(1);
    return 0;
}

static int tear_down(void **state)
{
    rv_model_close(model);
    free((char *)corpus[0]);
    return tiny_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_compared_and_finished_runs_kept),
        cmocka_unit_test(wrong_comparisons_are_explained),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
