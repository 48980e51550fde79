/* Corpus examples through the public interface, against values read by another door. */
#include "tiny_model.h"

#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ops/kernels.h"

enum { FILES = 3, SKIP = 12 };

static rv_model *model;
static const char *files[FILES];

/* ---- the same by brute force ---------------------------------------------------------------------- */

typedef struct place {
    double value;
    size_t file, at; /* token of the file */
} place;

static int by_value(const void *a, const void *b)
{
    double x = ((const place *)a)->value, y = ((const place *)b)->value;
    return (x < y) - (x > y);
}

/* All positions that count, strongest first. Each file is shorter than a window: its values are those of its text. */
static size_t all_places(place *out, const char *target)
{
    size_t count = 0;
    for (size_t f = 0; f < FILES; f++) {
        char *text;
        size_t length;
        rv_error err;
        rv_activations seen;
        assert_int_equal(rv_read_file(&text, &length, files[f], 1 << 16, &err), RV_OK);
        if (rv_model_activations(&seen, model, target, text, length, &err) != RV_OK)
            fail_msg("%s", err.message);
        for (size_t i = SKIP; i < seen.tokens.count; i++)
            out[count++] = (place){seen.tokens.items[i].value, f, i};
        rv_activations_release(&seen);
        free(text);
    }
    qsort(out, count, sizeof *out, by_value);
    return count;
}

static rv_examples_params usual(void)
{
    rv_examples_params p = rv_examples_params_default();
    p.corpus = files, p.corpus_count = FILES;
    p.before = 6;
    return p;
}

static void forget(rv_examples e)
{
    rv_examples_release(&e);
}

static rv_examples find(const char *const *targets, size_t count, const rv_examples_params *p)
{
    rv_examples e;
    rv_error err;
    if (rv_examples_find(&e, model, targets, count, p, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.count, count);
    return e;
}

static void the_strongest_places_are_exact(void **state)
{
    (void)state;
    const char *const targets[] = {"L1.N5", "-L0.N3", "blocks.1.hook_resid_post:7"};
    rv_examples_params p = usual();
    rv_examples e = find(targets, 3, &p);
    for (size_t t = 0; t < 3; t++) {
        place places[FILES * 64];
        const rv_target_examples *x = &e.targets[t];
        size_t n = all_places(places, *targets[t] == '-' ? targets[t] + 1 : targets[t]);
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) sum += places[i].value;
        for (size_t i = 0; i < n; i++)
            squares +=
                (places[i].value - sum / (double)n) * (places[i].value - sum / (double)n);
        assert_int_equal(x->positions, n);
        assert_true(fabs(x->mean - sum / (double)n) < 1e-6);
        assert_true(fabs(x->deviation - sqrt(squares / (double)n)) < 1e-6);
        assert_true(fabs(x->maximum - places[0].value) < 1e-6);
        assert_true(fabs(x->minimum - places[n - 1].value) < 1e-6);
        assert_int_equal(x->high_count, n < 64 ? n : 64);
        for (size_t i = 0; i < x->high_count; i++) {
            const rv_example *high = &x->high[i], *low = &x->low[i];
            assert_true(fabs(high->value - places[i].value) < 1e-6);
            assert_true(fabs(low->value - places[n - 1 - i].value) < 1e-6);
            assert_true(fabs(high->tokens[high->at].value - high->value) < 1e-12);
            assert_true(fabs(high->g - (high->value - x->mean) / x->deviation) < 1e-9);
            assert_int_equal(high->count, 6);
            assert_int_equal(high->at, 5);
        }
        for (size_t q = 0; q < RV_EXAMPLES_LEVELS; q++) {
            double at = x->level[q] * (double)(n - 1), part = at - floor(at);
            size_t below = n - 1 - (size_t)at, above = below ? below - 1 : 0;
            double expected = places[below].value * (1 - part) + places[above].value * part;
            assert_true(fabs(x->quantile[q] - expected) < 1e-6);
        }
    }
    forget(e);
}

/* The offset is that of the first byte shown: the file says the same there. */
static void offsets_point_into_the_files(void **state)
{
    (void)state;
    const char *const target = "L1.N5";
    rv_examples_params p = usual();
    rv_examples e = find(&target, 1, &p);
    for (size_t i = 0; i < e.targets[0].high_count; i++) {
        const rv_example *x = &e.targets[0].high[i];
        char *text;
        size_t length, at = x->offset;
        rv_error err;
        assert_int_equal(rv_read_file(&text, &length, x->file, 1 << 16, &err), RV_OK);
        for (size_t k = 0; k < x->count; at += x->tokens[k].length, k++) {
            assert_true(at + x->tokens[k].length <= length);
            assert_memory_equal(text + at, x->tokens[k].bytes, x->tokens[k].length);
        }
        free(text);
    }
    forget(e);
}

static void many_targets_in_one_pass_are_as_each_alone(void **state)
{
    (void)state;
    const char *const targets[] = {"L1.N5", "L0.N7"};
    rv_examples_params p = usual();
    p.before = 7; // not in the index yet
    rv_examples together = find(targets, 2, &p);
    setenv("XDG_CACHE_HOME", tiny_path("elsewhere"), 1);
    for (size_t t = 0; t < 2; t++) {
        rv_examples alone = find(&targets[t], 1, &p);
        const rv_target_examples *a = &together.targets[t], *b = &alone.targets[0];
        assert_true(a->mean == b->mean && a->deviation == b->deviation);
        for (size_t i = 0; i < a->high_count; i++)
            assert_true(a->high[i].value == b->high[i].value);
        forget(alone);
    }
    setenv("XDG_CACHE_HOME", tiny_path("cache"), 1);
    forget(together);
}

/* ---- the index ---------------------------------------------------------------------------------- */

static size_t scans;

static bool count_scans(void *context, const rv_progress *event)
{
    (void)context;
    scans += strcmp(event->what, "scanning the corpus") == 0;
    return true;
}

static void the_second_question_is_answered_from_the_index(void **state)
{
    (void)state;
    const char *const targets[] = {"L0.N11", "L0.N12"};
    rv_examples_params p = usual();
    p.progress = count_scans;
    scans = 0;
    rv_examples first = find(targets, 2, &p);
    assert_true(scans > 0);
    scans = 0;
    rv_examples second = find(targets, 2, &p);
    assert_int_equal(scans, 0);
    for (size_t t = 0; t < 2; t++) {
        const rv_target_examples *a = &first.targets[t], *b = &second.targets[t];
        assert_true(a->mean == b->mean && a->deviation == b->deviation);
        assert_int_equal(a->high_count, b->high_count);
        for (size_t i = 0; i < a->high_count; i++) {
            assert_true(a->high[i].value == b->high[i].value);
            assert_int_equal(a->high[i].offset, b->high[i].offset);
        }
    }
    forget(first);
    forget(second);
    // Another text under the same name is another corpus.
    tiny_write_corpus("changing.txt", 2, 5);
    const char *changing = tiny_path("changing.txt");
    p.corpus = &changing, p.corpus_count = 1;
    forget(find(targets, 1, &p));
    tiny_write_corpus("changing.txt", 3, 6);
    scans = 0;
    forget(find(targets, 1, &p));
    assert_true(scans > 0);
}

/* ---- a corpus that does not fit ------------------------------------------------------------------- */

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t all, pages = 0;
    if (!file || fscanf(file, "%zu %zu", &all, &pages) != 2) pages = 0;
    if (file) fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t most_resident;

static bool watch_memory(void *context, const rv_progress *event)
{
    (void)context;
    (void)event;
    size_t now = resident();
    if (now > most_resident) most_resident = now;
    return true;
}

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* clang says it so, gcc defines it */
#endif
#endif
#ifdef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while */
enum { MEMORY_IS_MEASURABLE = 0 };
#else
enum { MEMORY_IS_MEASURABLE = 1 };
#endif

/* Memory while ten times the text is read grows by nothing near the text: it is read piece by piece. The values that
 * are kept for quantiles, 4 bytes a token up to a limit, are the most of it. */
static void memory_does_not_grow_with_the_corpus(void **state)
{
    (void)state;
    const char *const target = "L0.N9";
    tiny_write_corpus("small.txt", 300, 3);
    tiny_write_corpus("large.txt", 6000, 4);
    const char *file = tiny_path("small.txt");
    rv_examples_params p = usual();
    p.corpus = &file, p.corpus_count = 1;
    p.progress = watch_memory;
    forget(find(&target, 1, &p));
    size_t before = most_resident;
    file = tiny_path("large.txt");
    p.corpus = &file;
    struct stat info;
    assert_int_equal(stat(file, &info), 0);
    rv_examples e = find(&target, 1, &p);
    assert_true(e.targets[0].positions > 100000);
    forget(e);
    if (MEMORY_IS_MEASURABLE) assert_true(most_resident < before + 4 * 1048576);
}

/* ---- screening in bf16 -------------------------------------------------------------------------- */

static void screening_loses_no_place(void **state)
{
    (void)state;
    const char *const target = "L1.N5";
    rv_examples_params p = usual();
    tiny_write_corpus("screened.txt", 20000, 7);
    const char *file = tiny_path("screened.txt");
    p.corpus = &file, p.corpus_count = 1;
    rv_examples screened = find(&target, 1, &p);
    p.exact = true;
    scans = 0;
    p.progress = count_scans;
    rv_examples exact = find(&target, 1, &p);
    assert_true(scans > 0 || !screened.targets[0].screened); // not answered by the other
    const rv_target_examples *a = screened.targets, *b = exact.targets;
    assert_int_equal(a->screened, rv_kernels_select(NULL)->narrow);
    assert_false(b->screened);
    assert_int_equal(a->positions, b->positions);
    assert_true(fabs(a->mean - b->mean) < 0.01 * b->deviation);
    assert_true(fabs(a->deviation - b->deviation) < 0.01 * b->deviation);
    assert_true(a->maximum == b->maximum && a->minimum == b->minimum);
    assert_true(a->error < 0.2 * b->deviation);
    for (size_t i = 0; i < b->high_count; i++) {
        const rv_example *lists[][2] = {{&a->high[i], &b->high[i]}, {&a->low[i], &b->low[i]}};
        for (size_t e = 0; e < 2; e++) {
            assert_true(lists[e][0]->value == lists[e][1]->value);
            assert_int_equal(lists[e][0]->offset, lists[e][1]->offset);
            assert_int_equal(lists[e][0]->count, lists[e][1]->count);
        }
    }
    forget(screened);
    p.exact = false;
    scans = 0;
    screened = find(&target, 1, &p);
    assert_false(screened.targets[0].screened); // an exact answer is there now
    assert_int_equal(scans, 0);
    forget(screened);
    forget(exact);
}

/* ---- records ---------------------------------------------------------------------------------- */

static void examples_are_a_run_that_a_report_shows(void **state)
{
    (void)state;
    const char *const targets[] = {"L1.N5", "-L0.N3"};
    rv_examples_params p = usual();
    p.output = tiny_path("examples.jsonl");
    p.top = 4;
    p.command = "reverie examples tiny L1.N5 -L0.N3 -o examples.jsonl";
    rv_examples e = find(targets, 2, &p);
    rv_report *report;
    rv_error err;
    assert_int_equal(rv_report_open(&report, &err), RV_OK);
    assert_int_equal(rv_report_add(report, p.output, &err), RV_OK);
    assert_int_equal(rv_report_count(report).runs, 2);
    char *text;
    assert_int_equal(rv_report_json(&text, report, &err), RV_OK);
    json_t *root = json_loads(text, 0, NULL), *subjects = json_object_get(root, "subjects");
    for (size_t t = 0; t < 2; t++) {
        json_t *subject = json_array_get(subjects, t),
               *examples = json_object_get(subject, "examples");
        const rv_example *list = t ? e.targets[t].low : e.targets[t].high;
        assert_int_equal(json_array_size(examples), 4);
        for (size_t i = 0; i < 4; i++) {
            double g =
                json_number_value(json_object_get(json_array_get(examples, i), "activation"));
            assert_true(fabs(g - (t ? -list[i].g : list[i].g)) < 1e-6);
        }
    }
    json_decref(root);
    free(text);
    assert_int_equal(rv_report_text(&text, report, (rv_terminal){RV_COLOUR_NONE, 100}, &err),
                     RV_OK);
    assert_non_null(strstr(text, "L0.N3"));
    free(text);
    assert_int_equal(rv_report_page(report, tiny_path("examples.html"), &err), RV_OK);
    rv_report_close(report);
    forget(e);
    assert_int_equal(rv_examples_find(&e, model, targets, 2, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "holds a run already"));
    assert_true(rv_file_exists(p.output));
}

static void wrong_questions_are_explained(void **state)
{
    (void)state;
    const char *const good = "L1.N5", *const bad = "L9.N5", *nowhere = "/nowhere.txt";
    rv_examples_params p = usual();
    rv_examples e;
    rv_error err;
    p.output = tiny_path("none.jsonl");
    assert_int_equal(rv_examples_find(&e, model, &bad, 1, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "layer: expected 0 to 1, found 9"));
    p.corpus = &nowhere, p.corpus_count = 1;
    assert_int_equal(rv_examples_find(&e, model, &good, 1, &p, &err), RV_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, nowhere));
    assert_false(rv_file_exists(p.output));
    p = usual(), p.corpus_count = 0;
    assert_int_equal(rv_examples_find(&e, model, &good, 1, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "at least one text file"));
    p = usual(), p.before = 0;
    assert_int_equal(rv_examples_find(&e, model, &good, 1, &p, &err), RV_ERR_USAGE);
    assert_null(e.targets);
}

static int set_up(void **state)
{
    if (tiny_make(state) != 0) return -1;
    for (size_t f = 0; f < FILES; f++) {
        char name[16], text[64];
        snprintf(name, sizeof name, "part%zu.txt", f);
        size_t length =
            (size_t)snprintf(text, sizeof text,
                             f == 0   ? "a heron in the sea, and there anew a hen"
                             : f == 1 ? "Robin, win the other thin one and the sea"
                                      : "the inner hen.\nthe outer there. and then no");
        tiny_write(name, text, length);
        files[f] = strdup(tiny_path(name));
    }
    model = tiny_open(1);
    return 0;
}

static int tear_down(void **state)
{
    rv_model_close(model);
    for (size_t f = 0; f < FILES; f++) free((char *)files[f]);
    return tiny_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strongest_places_are_exact),
        cmocka_unit_test(offsets_point_into_the_files),
        cmocka_unit_test(many_targets_in_one_pass_are_as_each_alone),
        cmocka_unit_test(the_second_question_is_answered_from_the_index),
        cmocka_unit_test(memory_does_not_grow_with_the_corpus),
        cmocka_unit_test(screening_loses_no_place),
        cmocka_unit_test(examples_are_a_run_that_a_report_shows),
        cmocka_unit_test(wrong_questions_are_explained),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
