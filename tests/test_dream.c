/* Dreams through the public interface: what is kept when they stop, and what is said of wrong input. */
#include "tiny_model.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUDGET = 9000 };

static rv_model *model;
static const char *corpus[1];
static char autoencoder[128]; // its folder

static rv_dream_params usual(const char *output)
{
    rv_dream_params p = rv_dream_params_default();
    p.budget = BUDGET;
    p.least = p.most = 5;
    p.corpus = corpus, p.corpus_count = 1;
    p.output = output;
    return p;
}

/* As `usual`, with a text autoencoder for the methods that need one. */
static rv_dream_params usual_by(const char *method)
{
    rv_dream_params p = usual(NULL);
    p.method = method;
    if (strcmp(method, "latent") == 0 || strcmp(method, "evolve") == 0)
        p.autoencoder = autoencoder;
    return p;
}

/* ---- what is compared ------------------------------------------------------------------------- */

/* The records without what may differ between two runs of the same dream: times and threads. */
static char *timeless(const char *records, size_t length)
{
    rv_text out = {0};
    for (const char *line = records, *end = records + length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        assert_non_null(newline);
        json_t *record = json_loadb(line, (size_t)(newline - line), JSON_ALLOW_NUL, NULL);
        assert_non_null(record);
        json_object_del(record, "seconds");
        json_object_del(record, "started");
        json_object_del(record, "threads");
        char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(17));
        rv_text_puts(&out, text);
        rv_text_putc(&out, '\n');
        free(text);
        json_decref(record);
        line = newline + 1;
    }
    return rv_text_take(&out);
}

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

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part))) n++, text++;
    return n;
}

static char *dream_with(rv_model *m, const char *target, const rv_dream_params *p)
{
    char *records, *text;
    size_t length;
    rv_error err;
    if (rv_dream(m, target, p, &records, &length, &err) != RV_OK) fail_msg("%s", err.message);
    text = timeless(records, length);
    free(records);
    return text;
}

/* ---- stopping ----------------------------------------------------------------------------------- */

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
    char *records;
    size_t length;
    rv_error err;
    p.progress = stop_after, p.progress_context = &s;
    assert_int_equal(rv_dream(model, target, &p, &records, &length, &err), RV_ERR_CANCELLED);
    assert_non_null(records);
    char *text = timeless(records, length);
    assert_int_equal(count_of(text, "\"interrupted\""), 1);
    assert_true(count_of(text, "\"type\":\"dream\"") > 0);
    free(text);
    free(records);
}

static void a_stopped_dream_goes_on_as_if_never_stopped(void **state)
{
    (void)state;
    for (size_t m = 0; rv_dream_method(m, NULL); m++)
        for (int variant = 0; variant < 3; variant++) {
            const char *method = rv_dream_method(m, NULL), *path = tiny_path("run.jsonl");
            if (variant == 1 && strcmp(method, "epo") != 0) continue;
            if (variant == 2 && strcmp(method, "reverie") != 0) continue;
            rv_dream_params p = usual_by(method);
            p.as_published = variant == 1;
            if (variant == 2) p.autoencoder = autoencoder;
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
    char *records;
    size_t length;
    rv_error err;
    p.progress = stop_after, p.progress_context = &s;
    assert_int_equal(rv_dream(model, "L1.N5", &p, &records, &length, &err), RV_ERR_CANCELLED);
    char *told = timeless(records, length), *after = timeless_file(path);
    assert_string_equal(after, before);
    assert_string_equal(told, before);
    p.progress = NULL;
    char *resumed = dream_with(model, "L1.N5", &p);
    assert_string_equal(resumed, whole);
    free(records), free(whole), free(before), free(told), free(after), free(resumed);
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
    char *before = timeless_file(path), *records;
    size_t length;
    rv_error err;
    rv_dream_params others[6] = {p, p, p, p, p, p};
    const char *targets[6] = {"L1.N6", "-L1.N5", "L1.N5", "L1.N5", "L1.N5", "L1.N5"};
    others[2].seed = 9;
    others[3].method = "beam";
    others[4].forbidden = one, others[4].forbidden_count = 1;
    others[5].prefix = "a";
    for (size_t i = 0; i < 6; i++) {
        if (rv_dream(model, targets[i], &others[i], &records, &length, &err) != RV_ERR_USAGE)
            fail_msg("%zu was resumed", i);
        assert_non_null(
            strstr(err.message, "holds another run (L1.N5 by reverie, seed 1, 9000"));
        free(records);
    }
    char *after = timeless_file(path);
    assert_string_equal(before, after);
    free(before), free(after);
}

static void no_run_is_overwritten(void **state)
{
    (void)state;
    rv_dream_params p = usual(tiny_path("once.jsonl"));
    char *before = dream_with(model, "L0.N3", &p), *records;
    size_t length;
    rv_error err;
    p.progress = refuse_to_dream;
    assert_int_equal(rv_dream(model, "L0.N3", &p, &records, &length, &err), RV_ERR_USAGE);
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
        char *records, *after;
        size_t length;
        rv_error err;
        p.resume = true;
        p.progress = refuse_to_dream;
        tiny_write("notes.txt", texts[i], strlen(texts[i]));
        assert_int_not_equal(rv_dream(model, "L0.N3", &p, &records, &length, &err), RV_OK);
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
        char *records;
        size_t length;
        rv_error err;
        unlink(p.output);
        small = before;
        small.rlim_cur = size;
        setrlimit(RLIMIT_FSIZE, &small);
        rv_status status = rv_dream(model, "L1.N5", &p, &records, &length, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        if (status != RV_OK) {
            assert_int_equal(status, RV_ERR_IO);
            assert_non_null(strstr(err.message, "--resume goes on"));
            assert_non_null(strstr(err.message, "cannot write"));
            char *text = timeless(records, length);
            if (count_of(text, "\"type\":\"trajectory\""))
                assert_true(count_of(text, "\"type\":\"dream\"") > 0);
            free(text);
        }
        free(records);
        char *resumed = dream_with(model, "L1.N5", &p);
        assert_string_equal(resumed, whole);
        free(resumed);
        unlink(p.output);
        if (status == RV_OK) break;
    }
    free(whole);
}

static void latent_dreams_need_an_autoencoder_of_the_model(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    char *records;
    size_t length;
    rv_error err;
    p.method = "latent";
    assert_int_equal(rv_dream(model, "L1.N5", &p, &records, &length, &err), RV_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "--autoencoder"));
    p.autoencoder = tiny_path("nothing");
    assert_int_not_equal(rv_dream(model, "L1.N5", &p, &records, &length, &err), RV_OK);
    p.autoencoder = autoencoder;
    p.least = p.most = 9;
    assert_int_equal(rv_dream(model, "L1.N5", &p, &records, &length, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "at most the autoencoder's 8 tokens"));
}

static void threads_change_nothing_but_times(void **state)
{
    (void)state;
    rv_model *two = tiny_open(2);
    for (size_t m = 0; rv_dream_method(m, NULL); m++) {
        rv_dream_params p = usual_by(rv_dream_method(m, NULL));
        p.budget = 3000;
        char *a = dream_with(model, "L1.N5", &p), *b = dream_with(two, "L1.N5", &p);
        assert_string_equal(a, b);
        free(a), free(b);
    }
    rv_model_close(two);
}

static void seeds_and_methods_differ(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    char *first = dream_with(model, "L1.N5", &p), *again = dream_with(model, "L1.N5", &p);
    p.seed = 2;
    char *second = dream_with(model, "L1.N5", &p);
    assert_string_equal(first, again);
    assert_string_not_equal(first, second);
    free(first), free(again), free(second);
}

/* ---- what dreams obey ----------------------------------------------------------------------------- */

static json_t *records_of(const char *target, const rv_dream_params *p)
{
    char *text = dream_with(model, target, p);
    json_t *all = json_array();
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        json_array_append_new(all, json_loads(line, JSON_ALLOW_NUL, NULL));
    free(text);
    return all;
}

static bool is_type(const json_t *record, const char *type)
{
    return strcmp(json_string_value(json_object_get(record, "type")), type) == 0;
}

static void dreams_obey_their_options(void **state)
{
    (void)state;
    const char *forbidden[] = {"e", "Q"}, *prompts[] = {"hello"};
    rv_dream_params p = usual(NULL);
    p.forbidden = forbidden, p.forbidden_count = 2;
    p.least = 3, p.most = 6;
    p.prefix = "See ", p.suffix = "!";
    size_t i, dreams = 0;
    json_t *record, *all = records_of("L1.N5", &p);
    json_array_foreach(all, i, record)
    {
        if (!is_type(record, "dream")) continue;
        const char *text = json_string_value(json_object_get(record, "text"));
        size_t tokens = json_array_size(json_object_get(record, "tokens"));
        assert_true(tokens >= 3 && tokens <= 6);
        assert_null(strpbrk(text, "eQ"));
        dreams++;
    }
    assert_true(dreams > 0);
    json_decref(all);
    p = usual(NULL);
    p.prompts = prompts, p.prompt_count = 1;
    p.least = 1, p.most = 5; // "hello" is 4 tokens: h e l l o, of which he is one
    json_decref(records_of("L1.N5", &p));
}

/* Every number of a record is that of its text: read again through another door. */
static void numbers_are_those_of_the_text(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    json_t *record, *all = records_of("L1.N5", &p);
    size_t i, dreams = 0;
    json_array_foreach(all, i, record)
    {
        if (!is_type(record, "dream")) continue;
        const char *text = json_string_value(json_object_get(record, "text"));
        rv_score score;
        rv_error err;
        if (rv_model_score(model, text, strlen(text), &score, &err) != RV_OK)
            fail_msg("%s", err.message);
        double told = json_number_value(json_object_get(record, "cross_entropy"));
        assert_true(fabs(score.cross_entropy - told) < 1e-6 * told);
        told = json_number_value(json_object_get(record, "bits_per_byte"));
        assert_true(fabs(score.bits_per_byte - told) < 1e-6 * told);
        rv_score_release(&score);
        dreams++;
    }
    assert_true(dreams > 0);
    json_decref(all);
}

/* A template's own tokens are no dream: its strongest value must not be taken for the dream's. */
static void a_maximum_is_of_the_free_tokens(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"See ", "Once upon a time ", "the "};
    for (size_t k = 0; k < 3; k++) {
        rv_dream_params p = usual(NULL);
        p.prefix = prefixes[k], p.position = "max", p.budget = 300;
        json_t *record, *token, *all = records_of("L1.N5", &p);
        size_t i, j, dreams = 0;
        double sign = 1;
        json_array_foreach(all, i, record)
        {
            if (is_type(record, "run"))
                sign = json_number_value(
                    json_object_get(json_object_get(record, "target"), "sign"));
            if (!is_type(record, "dream")) continue;
            double most = -INFINITY;
            json_array_foreach(json_object_get(record, "tokens"), j, token) most =
                fmax(most, sign * json_number_value(json_object_get(token, "value")));
            assert_true(sign * json_number_value(json_object_get(record, "raw")) == most);
            dreams++;
        }
        assert_true(dreams > 0);
        json_decref(all);
    }
}

/* Also where a front is judged again at the end, as that of the published search. */
static void dreams_say_when_they_were_found(void **state)
{
    (void)state;
    for (int published = 0; published < 2; published++) {
        rv_dream_params p = usual(NULL);
        p.method = published ? "epo" : "reverie";
        p.as_published = published;
        json_t *record, *all = records_of("L1.N5", &p);
        size_t i;
        json_int_t first = INT64_MAX, last = 0;
        json_array_foreach(all, i, record)
        {
            if (!is_type(record, "dream")) continue;
            json_int_t at = json_integer_value(json_object_get(record, "found_at"));
            first = at < first ? at : first, last = at > last ? at : last;
        }
        assert_true(first < last && last <= (json_int_t)p.budget + 1000);
        json_decref(all);
    }
}

static void the_trajectory_keeps_texts_on_the_way(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    json_t *record, *all = records_of("L1.N5", &p);
    size_t i, k, steps = 0;
    json_array_foreach(all, i, record)
    {
        if (!is_type(record, "trajectory")) continue;
        json_t *members = json_object_get(record, "members"), *member;
        assert_in_range(json_array_size(members), 1, 9);
        double best = json_number_value(json_object_get(json_object_get(record, "best"), "9")),
               seen = -INFINITY;
        json_array_foreach(members, k, member)
        {
            double g = json_number_value(json_object_get(member, "activation")),
                   xe = json_number_value(json_object_get(member, "cross_entropy"));
            if (xe <= 9 && g > seen) seen = g;
        }
        assert_true(seen <= best);
        steps++;
    }
    assert_true(steps > 1);
    json_decref(all);
}

/* ---- wrong input ------------------------------------------------------------------------------- */

static void refused(const char *target, const rv_dream_params *p, rv_status status,
                    const char *words)
{
    char *records;
    size_t length;
    rv_error err = {RV_OK, ""};
    rv_status found = rv_dream(model, target, p, &records, &length, &err);
    if (found != status || !strstr(err.message, words))
        fail_msg("%s: status %d, expected %d; expected \"%s\" in: %s", target, (int)found,
                 (int)status, words, err.message);
    assert_null(records);
    if (p->output) assert_false(rv_file_exists(p->output));
}

static void wrong_input_is_explained(void **state)
{
    (void)state;
    const rv_dream_params good = usual(tiny_path("refused.jsonl"));
    static const struct {
        const char *target, *words;
    } targets[] = {{"L7.N5", "layer: expected 0 to 1, found 7"},
                   {"L0.N40", "expected 0 to 39, found 40"},
                   {"neuron five", "expected L5.N131"},
                   {"", "expected L5.N131"},
                   {"logit:\"hello\"", "exactly one token"},
                   {"blocks.0.hook_nothing:3", "hook_nothing"},
                   {"attention:L0.H9[-1,0]", "head: expected"},
                   {"direction:/nowhere.npy@blocks.0.hook_resid_pre", "/nowhere.npy"}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        refused(targets[i].target, &good, i == 7 ? RV_ERR_NOT_FOUND : RV_ERR_USAGE,
                targets[i].words);
    rv_dream_params p = good;
    p.method = "guess";
    refused("L0.N0", &p, RV_ERR_USAGE, "method: expected one of");
    p = good, p.budget = 3;
    refused("L0.N0", &p, RV_ERR_USAGE, "budget: expected at least");
    p = good, p.least = 6;
    refused("L0.N0", &p, RV_ERR_USAGE, "dream length: expected 1 <= least <= most");
    p = good, p.least = p.most = 0;
    refused("L0.N0", &p, RV_ERR_USAGE, "dream length");
    p = good, p.least = p.most = 65;
    refused("L0.N0", &p, RV_ERR_USAGE, "expected at most 64 tokens");
    p = good, p.position = "middle";
    refused("L0.N0", &p, RV_ERR_USAGE, "position: expected last, max or a number");
    p = good, p.position = "5";
    refused("L0.N0", &p, RV_ERR_USAGE, "position: expected 0 to 4");
    p = good, p.chat = true;
    refused("L0.N0", &p, RV_ERR_UNSUPPORTED, "chat template");
}

static void texts_that_cannot_be_used_are_explained(void **state)
{
    (void)state;
    const rv_dream_params good = usual(tiny_path("refused.jsonl"));
    static char every[256][2];
    static const char *all[256], *too_long[] = {"much too long"}, *one[] = {"th"};
    size_t count = 0;
    for (; TINY_LETTERS[count]; count++) {
        every[count][0] = TINY_LETTERS[count];
        all[count] = every[count];
    }
    rv_dream_params p = good;
    p.forbidden = all, p.forbidden_count = count;
    refused("L0.N0", &p, RV_ERR_USAGE, "found none");
    p = good, p.prompts = too_long, p.prompt_count = 1;
    refused("L0.N0", &p, RV_ERR_USAGE, "prompt \"much too long\": expected 5 to 5 tokens");
    p = good, p.prompts = one, p.prompt_count = 1;
    refused("L0.N0", &p, RV_ERR_USAGE, "expected 5 to 5 tokens, found 1");
    static const char *const word[] = {"hello"}, *const letter[] = {"o"};
    p = good, p.least = 4, p.prompts = word, p.prompt_count = 1;
    p.forbidden = letter, p.forbidden_count = 1;
    refused("L0.N0", &p, RV_ERR_USAGE, "prompt \"hello\": expected no forbidden token");
    tiny_write("empty.txt", "", 0);
    tiny_write("short.txt", "the hen", 7);
    const char *files[] = {tiny_path("empty.txt"), tiny_path("short.txt"),
                           tiny_path("nowhere.txt"), tiny_folder};
    static const char *const words[] = {"corpus: expected at least 13 tokens in a row",
                                        "corpus: expected at least 13 tokens in a row",
                                        "nowhere.txt", "cannot read the corpus"};
    for (size_t i = 0; i < 4; i++) {
        p = good, p.corpus = &files[i];
        refused("L0.N0", &p,
                i < 2    ? RV_ERR_USAGE
                : i == 2 ? RV_ERR_NOT_FOUND
                         : RV_ERR_IO,
                words[i]);
    }
    const char *nowhere = "/nowhere/at/all.jsonl";
    p = good, p.output = nowhere;
    refused("L0.N0", &p, RV_ERR_NOT_FOUND, nowhere);
}

/* A prefix whose end grows together with every beginning of a dream: no text comes back as it was. */
static void a_template_that_does_not_come_back_is_refused(void **state)
{
    (void)state;
    const char *forbidden[] = {"a", "c", "d", "f", "g", "i",  "j", "k", "l", "m", "n", "o",
                               "p", "q", "r", "s", "t", "u",  "v", "w", "x", "y", "z", "A",
                               "B", "C", "D", "E", "F", "G",  "H", "I", "J", "K", "L", "M",
                               "N", "O", "P", "Q", "R", "S",  "T", "U", "V", "W", "X", "Y",
                               "Z", " ", ".", ",", "!", "\n", "<", "b", "e"};
    rv_dream_params p = usual(tiny_path("refused.jsonl"));
    p.prefix = "caf\xc3\xa9"; // no token has an accent
    refused("L0.N0", &p, RV_ERR_USAGE,
            "template: prefix: expected \"caf\xc3\xa9\" to come back from its tokens");
    p.prefix = "t"; // what is left begins with h, and t h is one token
    p.forbidden = forbidden, p.forbidden_count = sizeof forbidden / sizeof *forbidden;
    refused("L0.N0", &p, RV_ERR_USAGE, "survives");
    p.method = "epo";
    p.output = NULL;
    char *records = dream_with(model, "L0.N0", &p);
    assert_int_equal(count_of(records, "\"type\":\"dream\""), 0);
    assert_int_equal(count_of(records, "\"type\":\"note\""), 1);
    free(records);
}

/* A target that never changes has no scale to dream on. */
static void a_constant_target_is_refused(void **state)
{
    (void)state;
    char file[8 + 128 + 24 * sizeof(float)] = {0}, target[200];
    int header = snprintf(file + 8, 128,
                          "{\"vector\":{\"dtype\":\"F32\",\"shape\":[24],"
                          "\"data_offsets\":[0,96]}}");
    file[0] = (char)header; // the vector is all zeros
    tiny_write("zero.safetensors", file, 8 + (size_t)header + 24 * sizeof(float));
    snprintf(target, sizeof target, "direction:%s@blocks.0.hook_resid_post",
             tiny_path("zero.safetensors"));
    rv_dream_params p = usual(tiny_path("refused.jsonl"));
    refused(target, &p, RV_ERR_USAGE, "its deviation on the corpus is 0: it is constant there");
}

/* Bytes that are no UTF-8 in a corpus are text like any other. */
static void a_corpus_may_hold_any_bytes(void **state)
{
    (void)state;
    rv_text t = {0};
    for (size_t i = 0; i < 200; i++) rv_text_append(&t, "the hen\xff\xfe\0 and \xc3(", 17);
    tiny_write("bytes.txt", t.bytes, t.length);
    rv_text_release(&t);
    const char *file = tiny_path("bytes.txt");
    rv_dream_params p = usual(NULL);
    p.corpus = &file;
    char *records = dream_with(model, "L1.N5", &p);
    assert_true(count_of(records, "\"type\":\"dream\"") > 0);
    free(records);
}

/* Where no corpus is given, the model writes one. */
static void a_model_can_be_its_own_corpus(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    p.corpus_count = 0;
    char *first = dream_with(model, "L1.N5", &p), *second = dream_with(model, "L1.N5", &p);
    assert_string_equal(first, second);
    assert_true(count_of(first, "own-") > 0);
    free(first), free(second);
}

static int set_up(void **state)
{
    if (tiny_make(state) != 0) return -1;
    corpus[0] = strdup(tiny_path("corpus.txt"));
    model = tiny_open(1);
    snprintf(autoencoder, sizeof autoencoder, "%s/autoencoder", tiny_folder);
    rv_autoencoder_train_params p = rv_autoencoder_train_params_default();
    p.model = tiny_folder, p.corpus = corpus, p.corpus_count = 1, p.output = autoencoder;
    p.steps = 30, p.tokens = 2000, p.batch = 8, p.draws = 32, p.longest = 8, p.width = 16;
    p.heads = 2, p.encoder_layers = 1, p.decoder_layers = 2, p.code = 8, p.threads = 1;
    rv_autoencoder_training training;
    rv_error err;
    if (rv_autoencoder_train(&training, &p, &err) != RV_OK) return -1;
    rv_autoencoder_training_release(&training);
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
        cmocka_unit_test(a_stopped_dream_goes_on_as_if_never_stopped),
        cmocka_unit_test(a_resumption_that_is_interrupted_early_loses_nothing),
        cmocka_unit_test(a_finished_dream_is_read_and_not_run_again),
        cmocka_unit_test(only_the_same_run_is_resumed),
        cmocka_unit_test(no_run_is_overwritten),
        cmocka_unit_test(what_is_no_run_is_left_alone),
        cmocka_unit_test(a_killed_run_leaves_what_the_next_one_needs),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(latent_dreams_need_an_autoencoder_of_the_model),
        cmocka_unit_test(threads_change_nothing_but_times),
        cmocka_unit_test(seeds_and_methods_differ),
        cmocka_unit_test(dreams_obey_their_options),
        cmocka_unit_test(numbers_are_those_of_the_text),
        cmocka_unit_test(a_maximum_is_of_the_free_tokens),
        cmocka_unit_test(dreams_say_when_they_were_found),
        cmocka_unit_test(the_trajectory_keeps_texts_on_the_way),
        cmocka_unit_test(wrong_input_is_explained),
        cmocka_unit_test(texts_that_cannot_be_used_are_explained),
        cmocka_unit_test(a_template_that_does_not_come_back_is_refused),
        cmocka_unit_test(a_constant_target_is_refused),
        cmocka_unit_test(a_corpus_may_hold_any_bytes),
        cmocka_unit_test(a_model_can_be_its_own_corpus),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
