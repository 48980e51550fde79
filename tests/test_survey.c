/* A survey of all neurons, against the corpus examples of each. */
#include "tiny_model.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corpus/survey.h"

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

/* ---- interrupted ------------------------------------------------------------------------------ */

enum { LINES = 1500 }; /* a corpus of many batches */

typedef struct stopper {
    int after; /* batches */
    bool kill;
} stopper;

static bool stop_after(void *context, const rv_progress *event)
{
    stopper *s = context;
    if (strcmp(event->what, "surveying the corpus") != 0 || --s->after > 0) return true;
    if (s->kill) raise(SIGKILL);
    return false;
}

static void interrupt(rv_survey_params p, int after)
{
    stopper s = {.after = after};
    rv_survey_summary summary;
    rv_error err;
    p.progress = stop_after, p.progress_context = &s;
    assert_int_equal(rv_survey_corpus(&summary, model, &p, &err), RV_ERR_CANCELLED);
    assert_non_null(strstr(err.message, "the same command goes on from"));
    assert_true(rv_file_exists(tiny_path("stopped.jsonl.state")));
    assert_false(rv_file_exists(p.output));
}

/* Killed behind its `after`th batch; the state is saved as often as its cost allows, behind the first at least. */
static void kill_survey(rv_survey_params p, int after)
{
    stopper s = {.after = after, .kill = true};
    p.progress = stop_after, p.progress_context = &s;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rv_survey_summary summary;
        rv_error err;
        rv_survey_run(&summary, tiny_open(1), &p, 0, &err);
        _exit(1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static char *bytes_of(size_t *length, const char *path)
{
    char *bytes;
    rv_error err;
    if (rv_read_file(&bytes, length, path, 1 << 28, &err) != RV_OK) fail_msg("%s", err.message);
    return bytes;
}

static void assert_same_files(const char *path, const char *other)
{
    size_t length, other_length;
    char *a = bytes_of(&length, path), *b = bytes_of(&other_length, other);
    assert_int_equal(length, other_length);
    assert_memory_equal(a, b, length);
    free(a), free(b);
}

static int count_batches(const rv_survey_params *p)
{
    stopper s = {.after = 1 << 30};
    rv_survey_params counted = *p;
    counted.progress = stop_after, counted.progress_context = &s;
    drop(survey(&counted));
    return (1 << 30) - s.after;
}

/* The same bytes as an undisturbed survey, and nothing is left beside them. Returns the batches that were still to
 * be read. */
static int finish(rv_survey_params p, const char *whole)
{
    int left = count_batches(&p);
    assert_same_files(p.output, whole);
    assert_false(rv_file_exists(tiny_path("stopped.jsonl.state")));
    unlink(p.output);
    return left;
}

static void an_interrupted_survey_goes_on_as_if_never_stopped(void **state)
{
    (void)state;
    char whole[128], output[128], text[128];
    const char *files[2] = {text, file};
    tiny_write_corpus("long.txt", LINES, 3);
    snprintf(text, sizeof text, "%s", tiny_path("long.txt"));
    snprintf(whole, sizeof whole, "%s", tiny_path("whole.jsonl"));
    snprintf(output, sizeof output, "%s", tiny_path("stopped.jsonl"));
    rv_survey_params p = usual(whole);
    p.corpus = files, p.corpus_count = 2;
    int batches = count_batches(&p);
    assert_true(batches >= 4);
    p.output = output;
    interrupt(p, 1), interrupt(p, 1);
    assert_int_equal(finish(p, whole), batches - 2);
    interrupt(p, batches);
    assert_int_equal(finish(p, whole), 0);
    kill_survey(p, 2), kill_survey(p, 1), interrupt(p, 1);
    assert_true(finish(p, whole) <= batches - 3);
    kill_survey(p, batches);
    assert_true(finish(p, whole) < batches);
    p.top = 1, p.output = whole, p.force = true;
    drop(survey(&p));
    p.output = output;
    kill_survey(p, 3);
    assert_true(finish(p, whole) < batches);
}

static void only_the_same_survey_goes_on(void **state)
{
    (void)state;
    char output[128], whole[128];
    snprintf(output, sizeof output, "%s", tiny_path("stopped.jsonl"));
    snprintf(whole, sizeof whole, "%s", tiny_path("short-whole.jsonl"));
    rv_survey_params p = usual(whole), other;
    rv_survey_summary s;
    rv_error err;
    int batches = count_batches(&p);
    p.output = output;
    interrupt(p, 1);
    other = p, other.top = TOP + 1;
    assert_int_equal(rv_survey_corpus(&s, model, &other, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "stopped.jsonl.state: kept of an interrupted survey"));

    rv_model_params with = rv_model_params_default();
    with.threads = 1, with.kernels = "reference";
    rv_model *slow;
    assert_int_equal(rv_model_open(&slow, tiny_folder, &with, &err), RV_OK);
    assert_int_equal(rv_survey_corpus(&s, slow, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "would go on with \"reference\"; give --kernels "));
    rv_model_close(slow);

    size_t length;
    char *kept = bytes_of(&length, tiny_path("stopped.jsonl.state"));
    for (size_t at = 104; at < length; at += length / 7) { // behind the head: passed over
        kept[at] ^= 4;
        tiny_write("stopped.jsonl.state", kept, length);
        assert_int_equal(finish(p, whole), batches);
        kept[at] ^= 4;
    }
    tiny_write("stopped.jsonl.state", kept, length - 9);
    assert_int_equal(finish(p, whole), batches);
    other.force = true;
    tiny_write("stopped.jsonl.state", kept, length);
    drop(survey(&other));
    assert_false(rv_file_exists(tiny_path("stopped.jsonl.state")));
    unlink(output);
    tiny_write("stopped.jsonl.state", "my own notes", 12);
    assert_int_equal(rv_survey_corpus(&s, model, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "found another file"));
    assert_true(rv_file_exists(tiny_path("stopped.jsonl.state")));
    free(kept);
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
        cmocka_unit_test(an_interrupted_survey_goes_on_as_if_never_stopped),
        cmocka_unit_test(only_the_same_survey_goes_on),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(wrong_questions_are_explained),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
