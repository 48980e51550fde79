/* What is kept when a dream stops: interrupted, killed, on a full disk; and that it goes on from there. */
#include "dreams.h"

static char *timeless_file(const char *path)
{
    char *bytes;
    size_t length;
    rv_error err;
    if (rv_read_file(&bytes, &length, path, 1 << 24, &err) != RV_OK)
        fail_msg("%s", err.message);
    char *text = timeless(bytes, length);
    free(bytes);
    return text;
}

typedef struct stopper {
    size_t steps, after; /* of the search */
} stopper;

static bool stop_after(void *context, const rv_progress *event)
{
    stopper *s = context;
    if (strcmp(event->what, "dreaming") == 0) s->steps++;
    return s->steps < s->after;
}

/* Runs until `after` steps; the records hold what was found. */
static void interrupt(const char *target, rv_dream_params p, size_t after)
{
    stopper s = {.after = after};
    rv_dreams dreams;
    rv_error err;
    p.progress = stop_after, p.progress_context = &s;
    assert_int_equal(rv_dream(&dreams, model, target, &p, &err), RV_ERR_CANCELLED);
    assert_non_null(dreams.records);
    char *text = timeless(dreams.records, dreams.length);
    assert_int_equal(count_of(text, "\"interrupted\""), 1);
    assert_true(count_of(text, "\"type\":\"dream\"") > 0);
    free(text);
    rv_dreams_release(&dreams);
}

static void a_stopped_dream_goes_on_as_if_never_stopped(void **state)
{
    (void)state;
    for (size_t m = 0; rv_dream_method(m, NULL); m++)
        for (int variant = 0; variant < 2; variant++) {
            const char *method = rv_dream_method(m, NULL), *path = tiny_path("run.jsonl");
            if (variant == 1 && strcmp(method, "epo") != 0) continue;
            rv_dream_params p = usual_by(method);
            p.as_published = variant == 1;
            char *whole = dream_with(model, "L1.N5", &p);
            p.output = path;
            p.resume = true;
            unlink(path);
            interrupt("L1.N5", p, 2);
            interrupt("L1.N5", p, 3);
            char *resumed = dream_with(model, "L1.N5", &p), *kept = timeless_file(path);
            assert_string_equal(resumed, whole);
            assert_string_equal(kept, whole);
            assert_false(rv_file_exists(tiny_path("run.jsonl.journal")));
            assert_false(rv_file_exists(tiny_path("run.jsonl.resumed")));
            free(whole);
            free(resumed);
            free(kept);
        }
}

static void a_resumption_that_is_interrupted_early_loses_nothing(void **state)
{
    (void)state;
    const char *path = tiny_path("early.jsonl");
    rv_dream_params p = usual(NULL);
    p.method = "beam";
    char *whole = dream_with(model, "L1.N5", &p);
    p.output = path;
    p.resume = true;
    interrupt("L1.N5", p, 4);
    char *before = timeless_file(path);
    stopper s = {.after = 1};
    rv_dreams dreams;
    rv_error err;
    p.progress = stop_after, p.progress_context = &s;
    assert_int_equal(rv_dream(&dreams, model, "L1.N5", &p, &err), RV_ERR_CANCELLED);
    char *told = timeless(dreams.records, dreams.length), *after = timeless_file(path);
    assert_string_equal(after, before);
    assert_string_equal(told, before);
    p.progress = NULL;
    char *resumed = dream_with(model, "L1.N5", &p);
    assert_string_equal(resumed, whole);
    rv_dreams_release(&dreams), free(whole), free(before), free(told), free(after),
        free(resumed);
}

static bool refuse_to_dream(void *context, const rv_progress *event)
{
    (void)context;
    if (strcmp(event->what, "dreaming") == 0) fail_msg("dreamt again");
    return true;
}

static void a_finished_dream_is_read_and_not_run_again(void **state)
{
    (void)state;
    rv_dream_params p = usual(tiny_path("finished.jsonl"));
    p.resume = true;
    char *first = dream_with(model, "L0.N3", &p);
    p.progress = refuse_to_dream;
    char *second = dream_with(model, "L0.N3", &p), *kept = timeless_file(p.output);
    assert_string_equal(first, second);
    assert_string_equal(first, kept);
    free(first), free(second), free(kept);
}

/* The journal of one run says nothing about another. */
static void only_the_same_run_is_resumed(void **state)
{
    (void)state;
    const char *path = tiny_path("mine.jsonl"), *one[] = {"Z"};
    rv_dream_params p = usual(path);
    p.resume = true;
    interrupt("L1.N5", p, 2);
    char *before = timeless_file(path);
    rv_dreams dreams;
    rv_error err;
    rv_dream_params others[6] = {p, p, p, p, p, p};
    const char *targets[6] = {"L1.N6", "-L1.N5", "L1.N5", "L1.N5", "L1.N5", "L1.N5"};
    others[2].seed = 9;
    others[3].method = "beam";
    others[4].forbidden = one, others[4].forbidden_count = 1;
    others[5].prefix = "a";
    for (size_t i = 0; i < 6; i++) {
        if (rv_dream(&dreams, model, targets[i], &others[i], &err) != RV_ERR_USAGE)
            fail_msg("%zu was resumed", i);
        assert_non_null(
            strstr(err.message, "holds another run (L1.N5 by reverie, seed 1, 9000"));
        rv_dreams_release(&dreams);
    }
    char *after = timeless_file(path);
    assert_string_equal(before, after);
    free(before), free(after);
}

/* A set of kernels has last digits of its own: what one began another refuses to end, and says how. */
static void a_run_goes_on_with_its_own_kernels(void **state)
{
    (void)state;
    rv_dream_params p = usual(tiny_path("kernels.jsonl"));
    p.resume = true;
    p.exact = true;
    interrupt("L1.N5", p, 2);
    char *before = timeless_file(p.output), began[64], expected[160];
    const char *kernels = strstr(before, "\"kernels\":");
    assert_non_null(kernels);
    assert_int_equal(sscanf(kernels, "\"kernels\":\"%63[^\"]\"", began), 1);
    assert_int_equal(count_of(before, "\"precision\":\"float32\""), 1);
    assert_int_equal(count_of(before, "\"compiler\":\""), 1);
    rv_model_params with = rv_model_params_default();
    with.threads = 1, with.kernels = strcmp(began, "reference") ? "reference" : "portable";
    rv_model *other;
    rv_dreams dreams;
    rv_error err;
    assert_int_equal(rv_model_open(&other, tiny_folder, &with, &err), RV_OK);
    assert_int_equal(rv_dream(&dreams, other, "L1.N5", &p, &err), RV_ERR_USAGE);
    snprintf(expected, sizeof expected, "began with the kernels \"%s\" (float32)", began);
    assert_non_null(strstr(err.message, expected));
    snprintf(expected, sizeof expected, "\"%s\" (float32); give --kernels %s", with.kernels,
             began);
    assert_non_null(strstr(err.message, expected));
    rv_dreams_release(&dreams);
    rv_model_close(other);
    char *after = timeless_file(p.output);
    assert_string_equal(before, after);
    free(before), free(after), free(dream_with(model, "L1.N5", &p));
}

static void no_run_is_overwritten(void **state)
{
    (void)state;
    rv_dream_params p = usual(tiny_path("once.jsonl"));
    char *before = dream_with(model, "L0.N3", &p);
    rv_dreams dreams;
    rv_error err;
    p.progress = refuse_to_dream;
    assert_int_equal(rv_dream(&dreams, model, "L0.N3", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "holds a run already"));
    char *after = timeless_file(p.output);
    assert_string_equal(before, after);
    free(before), free(after);
}

/* Somebody's file, named by mistake. */
static void what_is_no_run_is_left_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"eggs\nbread, no newline", "one line", "{}\n",
                                        "[1, 2]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rv_dream_params p = usual(tiny_path("notes.txt"));
        char *after;
        rv_dreams dreams;
        size_t length;
        rv_error err;
        p.resume = true;
        p.progress = refuse_to_dream;
        tiny_write("notes.txt", texts[i], strlen(texts[i]));
        assert_int_not_equal(rv_dream(&dreams, model, "L0.N3", &p, &err), RV_OK);
        assert_non_null(strstr(err.message, "notes.txt"));
        assert_int_equal(rv_read_file(&after, &length, p.output, 1 << 16, &err), RV_OK);
        assert_string_equal(after, texts[i]);
        free(after);
    }
}

static void a_killed_run_leaves_what_the_next_one_needs(void **state)
{
    (void)state;
    const char *path = tiny_path("killed.jsonl");
    rv_dream_params p = usual(NULL);
    char *whole = dream_with(model, "L1.N5", &p);
    p.output = path, p.resume = true;
    interrupt("L1.N5", p, 3);
    // As a kill leaves it: a journal and a file that both end in the middle of an entry.
    struct stat info;
    assert_int_equal(stat(tiny_path("killed.jsonl.journal"), &info), 0);
    assert_int_equal(truncate(tiny_path("killed.jsonl.journal"), info.st_size - 7), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size - 40), 0);
    tiny_write("killed.jsonl.resumed", "{\"type\":\"ru", 11);
    char *resumed = dream_with(model, "L1.N5", &p);
    assert_string_equal(resumed, whole);
    free(whole), free(resumed);
}

/* Resumes with this journal and this file, and tells whether what comes out is the whole run. */
static void resume_with(const char *journal, size_t journal_length, const char *file,
                        size_t file_length, const rv_dream_params *p, const char *whole)
{
    tiny_write("bits.jsonl.journal", journal, journal_length);
    tiny_write("bits.jsonl", file, file_length);
    char *resumed = dream_with(model, "L1.N5", p);
    assert_string_equal(resumed, whole);
    free(resumed);
}

/* Any bit, entries that are missing, twice there or in another place, the journal of another run: all is judged again. */
static void a_damaged_journal_is_not_believed(void **state)
{
    (void)state;
    enum { HEAD = 8, ENTRY = 40 };
    char path[128], other_path[128];
    rv_dream_params p = usual(NULL);
    rv_error err;
    p.budget = 2000;
    char *whole = dream_with(model, "L1.N5", &p), *journal, *file, *changed;
    size_t length, file_length;
    snprintf(path, sizeof path, "%s", tiny_path("bits.jsonl"));
    snprintf(other_path, sizeof other_path, "%s", tiny_path("other.jsonl"));
    p.output = path, p.resume = true;
    interrupt("L1.N5", p, 2);
    assert_int_equal(
        rv_read_file(&journal, &length, tiny_path("bits.jsonl.journal"), 1 << 20, &err), RV_OK);
    assert_int_equal(rv_read_file(&file, &file_length, p.output, 1 << 20, &err), RV_OK);
    assert_int_equal((length - HEAD) % ENTRY, 0);
    assert_true(length > HEAD + 8 * ENTRY);
    changed = malloc(length + ENTRY);
    for (size_t i = 0; i < 40; i++) { // every byte of an entry, of entries here and there
        memcpy(changed, journal, length);
        size_t entries = (length - HEAD) / ENTRY,
               place = HEAD + i * entries / 40 * ENTRY + i % ENTRY;
        changed[place] ^= (char)(1 << i % 8);
        resume_with(changed, length, file, file_length, &p, whole);
    }
    memcpy(changed, journal, HEAD);
    memcpy(changed + HEAD, journal + HEAD + ENTRY, length - HEAD - ENTRY);
    resume_with(changed, length - ENTRY, file, file_length, &p, whole);
    memcpy(changed, journal, length);
    memcpy(changed + HEAD, journal + HEAD + ENTRY, ENTRY);
    memcpy(changed + HEAD + ENTRY, journal + HEAD, ENTRY);
    resume_with(changed, length, file, file_length, &p, whole);
    for (size_t cut = 0; cut < HEAD + 3 * ENTRY; cut += 7)
        resume_with(journal, cut, file, file_length, &p, whole);

    rv_dream_params other = p;
    other.output = other_path;
    interrupt("L1.N6", other, 2);
    free(journal);
    assert_int_equal(
        rv_read_file(&journal, &length, tiny_path("other.jsonl.journal"), 1 << 20, &err),
        RV_OK);
    resume_with(journal, length, file, file_length, &p, whole);
    free(whole), free(journal), free(file), free(changed);
}

static void a_journal_of_another_version_is_refused(void **state)
{
    (void)state;
    const char *journal = tiny_path("older.jsonl.journal");
    rv_dream_params p = usual(tiny_path("older.jsonl"));
    p.resume = true;
    interrupt("L1.N5", p, 2);
    FILE *file = fopen(journal, "r+b");
    assert_non_null(file);
    assert_int_equal(fwrite("reverie1", 8, 1, file), 1);
    fclose(file);
    rv_dreams dreams;
    rv_error err;
    assert_int_equal(rv_dream(&dreams, model, "L1.N5", &p, &err), RV_ERR_FORMAT);
    assert_non_null(strstr(err.message, "expected a journal of this version"));
    rv_dreams_release(&dreams);
}

/* A limit on the size of files stands for a full disk: writing fails with EFBIG instead of ENOSPC. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    char *whole = dream_with(model, "L1.N5", &p);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    p.output = tiny_path("full.jsonl"), p.resume = true;
    // From "not even the corpus fits" to "the last records do not fit".
    for (rlim_t size = 2000; size < 200000; size = size * 3 / 2) {
        rv_dreams dreams;
        rv_error err;
        unlink(p.output);
        small = before;
        small.rlim_cur = size;
        setrlimit(RLIMIT_FSIZE, &small);
        rv_status status = rv_dream(&dreams, model, "L1.N5", &p, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        if (status != RV_OK) {
            assert_int_equal(status, RV_ERR_IO);
            assert_non_null(strstr(err.message, "--resume goes on"));
            assert_non_null(strstr(err.message, "cannot write"));
            char *text = timeless(dreams.records, dreams.length);
            if (count_of(text, "\"type\":\"trajectory\""))
                assert_true(count_of(text, "\"type\":\"dream\"") > 0);
            free(text);
        }
        rv_dreams_release(&dreams);
        char *resumed = dream_with(model, "L1.N5", &p);
        assert_string_equal(resumed, whole);
        free(resumed);
        unlink(p.output);
        if (status == RV_OK) break;
    }
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_dream_goes_on_as_if_never_stopped),
        cmocka_unit_test(a_resumption_that_is_interrupted_early_loses_nothing),
        cmocka_unit_test(a_finished_dream_is_read_and_not_run_again),
        cmocka_unit_test(only_the_same_run_is_resumed),
        cmocka_unit_test(a_run_goes_on_with_its_own_kernels),
        cmocka_unit_test(no_run_is_overwritten),
        cmocka_unit_test(what_is_no_run_is_left_alone),
        cmocka_unit_test(a_killed_run_leaves_what_the_next_one_needs),
        cmocka_unit_test(a_damaged_journal_is_not_believed),
        cmocka_unit_test(a_journal_of_another_version_is_refused),
        cmocka_unit_test(a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
