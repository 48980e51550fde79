#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "record/frontier.h"
#include "record/run.h"
#include "record/schema.h"
#include "record/writer.h"

static char folder[] = "/tmp/reverie-record-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    return path;
}

static rv_run_record sample_run(void)
{
    rv_run_record run = rv_run_record_empty();
    run.id = "00112233aabbccdd";
    run.command = "reverie dream smollm2-135m -L5.N131 --seed 3";
    run.target = (rv_target_entry){"L5.N131", "-L5.N131", -1, "last"};
    run.method = "reverie";
    run.seed = 3;
    run.budget = 60000;
    run.options = "{\"width\":8,\"mix\":[0.5,0.25]}";
    run.model.name = "smollm2-135m";
    run.model.parameters = 134515008;
    run.bos = (rv_bos_entry){true, 0, RV_STRING("<|endoftext|>"), "no BOS: document separator"};
    run.template.prefix = RV_STRING("");
    run.normalisation = (rv_normalisation_entry){-0.25, 0.5, -1, "glosses", 1000000};
    run.length = (rv_length_entry){12, 12};
    run.version = "0.1.0";
    run.threads = 2;
    return run;
}

/* A token whose bytes are the first three of a four-byte character, then NUL. */
static const rv_token_entry sample_tokens[2] = {
    {17, {" Paris", 6}, -1.5, 0.25, 1.38629436},
    {99, {"\xf0\x9f\x98\0", 4}, NAN, NAN, NAN},
};

static rv_dream_record sample_dream(void)
{
    rv_dream_record dream = rv_dream_record_empty();
    dream.text = (rv_string){" Paris\xf0\x9f\x98\0", 10};
    dream.tokens = sample_tokens;
    dream.token_count = 2;
    dream.activation = 2.5;
    dream.cross_entropy = 3.75;
    dream.headline = true;
    dream.method = "reverie";
    dream.seed = 3;
    return dream;
}

static void put_all(rv_text *out)
{
    rv_error err;
    rv_run_record run = sample_run();
    assert_int_equal(rv_put_run(out, &run, &err), RV_OK);
    rv_dream_record dream = sample_dream();
    assert_int_equal(rv_put_dream(out, &dream, &err), RV_OK);
    rv_replacement_entry swap = {RV_STRING(" Rome"), 18, 1.5, 1.0};
    rv_attribution_entry entry = {17, RV_STRING(" Paris"), swap, swap, &swap, 1};
    rv_attribution_record attribution = {RV_STRING(" Paris"), 2.5, &entry, 1};
    assert_int_equal(rv_put_attribution(out, &attribution, &err), RV_OK);
    rv_trajectory_record trajectory = rv_trajectory_record_empty();
    trajectory.forward_tokens = 1200;
    trajectory.best[1] = 2.5;
    rv_member_entry member = {RV_STRING("x"), 1, 2};
    trajectory.members = &member;
    trajectory.member_count = 1;
    assert_int_equal(rv_put_trajectory(out, &trajectory, &err), RV_OK);
    rv_example_record example = rv_example_record_empty();
    example.kind = "top";
    example.tokens = sample_tokens;
    example.token_count = 2;
    example.activation = 1.25;
    example.source = (rv_source_entry){"glosses.txt", 4096};
    assert_int_equal(rv_put_example(out, &example, &err), RV_OK);
    rv_quantiles_record quantiles = rv_quantiles_record_empty();
    double p[2] = {0.5, 0.99}, q[2] = {-0.125, 1};
    quantiles.positions = 1000;
    quantiles.probabilities = p;
    quantiles.values = q;
    quantiles.probability_count = quantiles.value_count = 2;
    assert_int_equal(rv_put_quantiles(out, &quantiles, &err), RV_OK);
    rv_simulated_token_entry simulated = {RV_STRING(" Paris"), 1.5, 1.25};
    rv_simulated_entry held_out = {"top", true, 0.75, &simulated, 1};
    rv_score_entry scores[2] = {
        {"simulation", "correlation", 0.5, 0.25, 0.75, NULL, "test"},
        {"detection", "accuracy", NAN, NAN, NAN, "one truth is missing", NULL}};
    rv_explanation_record explanation = rv_explanation_record_empty();
    explanation.text = RV_STRING("capitals of countries");
    explanation.chosen = true;
    explanation.scores = scores;
    explanation.score_count = 2;
    explanation.records = &held_out;
    explanation.record_count = 1;
    assert_int_equal(rv_put_explanation(out, &explanation, &err), RV_OK);
    rv_note_record note = {RV_STRING("two\nlines \"quoted\"")};
    assert_int_equal(rv_put_note(out, &note, &err), RV_OK);
    rv_end_record end = rv_end_record_empty();
    end.forward_tokens = 60000;
    end.status = "complete";
    assert_int_equal(rv_put_end(out, &end, &err), RV_OK);
}

static void put_again(rv_text *out, const rv_run *run)
{
    rv_error err;
    assert_int_equal(rv_put_run(out, &run->about, &err), RV_OK);
    assert_int_equal(rv_put_dream(out, &run->dreams[0], &err), RV_OK);
    assert_int_equal(rv_put_attribution(out, &run->attributions[0], &err), RV_OK);
    assert_int_equal(rv_put_trajectory(out, &run->trajectory[0], &err), RV_OK);
    assert_int_equal(rv_put_example(out, &run->examples[0], &err), RV_OK);
    assert_int_equal(rv_put_quantiles(out, &run->quantiles, &err), RV_OK);
    assert_int_equal(rv_put_explanation(out, &run->explanations[0], &err), RV_OK);
    assert_int_equal(rv_put_note(out, &run->notes[0], &err), RV_OK);
    assert_int_equal(rv_put_end(out, &run->end, &err), RV_OK);
}

static void every_record_survives_a_round_trip(void **state)
{
    (void)state;
    rv_error err;
    rv_text first = {0}, second = {0};
    put_all(&first);
    rv_runs runs = {0};
    assert_int_equal(rv_runs_parse(&runs, first.bytes, first.length, "memory", &err), RV_OK);
    assert_int_equal(runs.count, 1);
    const rv_run *run = &runs.items[0];
    put_again(&second, run);
    assert_string_equal(second.bytes, first.bytes);
    assert_int_equal(run->about.target.sign, -1);
    assert_float_equal(run->about.normalisation.deviation, 0.5, 0);
    assert_int_equal(run->dreams[0].text.length, 10);
    assert_memory_equal(run->dreams[0].text.bytes, " Paris\xf0\x9f\x98\0", 10);
    assert_int_equal(run->dreams[0].tokens[1].text.length, 4);
    assert_memory_equal(run->dreams[0].tokens[1].text.bytes, "\xf0\x9f\x98\0", 4);
    assert_true(isnan(run->dreams[0].tokens[1].value));
    assert_true(isnan(run->trajectory[0].best[0]));
    assert_float_equal(run->trajectory[0].best[1], 2.5, 0);
    assert_ptr_equal(rv_run_headline(run), &run->dreams[0]);
    rv_runs_release(&runs);
    rv_text_release(&first);
    rv_text_release(&second);
}

static void text_that_is_not_utf8_is_shown_and_kept(void **state)
{
    (void)state;
    rv_error err;
    rv_text line = {0};
    rv_note_record note = {{"a\xff"
                            "b",
                            3}};
    assert_int_equal(rv_put_note(&line, &note, &err), RV_OK);
    assert_string_equal(line.bytes, "{\"type\":\"note\",\"v\":1,\"text\":\"a\xEF\xBF\xBD"
                                    "b\",\"text_bytes\":\"61ff62\"}\n");
    rv_text_release(&line);
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    rv_error err;
    rv_text line = {0};
    rv_dream_record dream = sample_dream();
    dream.activation = NAN;
    assert_int_equal(rv_put_dream(&line, &dream, &err), RV_ERR_NUMERIC);
    assert_string_equal(err.message, "dream record: activation is not finite");
    dream = sample_dream();
    dream.method = NULL;
    assert_int_equal(rv_put_dream(&line, &dream, &err), RV_ERR_USAGE);
    assert_string_equal(err.message, "dream record: method is absent");
    rv_run_record run = sample_run();
    run.options = "[1]";
    assert_int_equal(rv_put_run(&line, &run, &err), RV_ERR_USAGE);
    assert_string_equal(err.message, "run record: options is no JSON object");
    assert_int_equal(line.length, 0);
    rv_text_release(&line);
}

#define RUN                                                                              \
    "{\"type\":\"run\",\"v\":1,\"id\":\"1\",\"target\":{\"name\":\"L0.N1\",\"sign\":1}," \
    "\"method\":\"epo\",\"seed\":1,\"budget\":2,\"model\":{\"name\":\"m\"}}\n"

static void expect(const char *text, rv_status status, const char *message)
{
    rv_error err = {0};
    rv_runs runs = {0};
    rv_status got = rv_runs_parse(&runs, text, strlen(text), "f", &err);
    if (got != status || !strstr(err.message, message))
        fail_msg("%s\n expected %d '%s', found %d '%s'", text, status, message, got,
                 err.message);
    rv_runs_release(&runs);
}

static void malformed_records_are_named(void **state)
{
    (void)state;
    expect(RUN, RV_OK, "");
    expect("", RV_ERR_FORMAT, "f: expected a run record, found none");
    expect("{}\n", RV_ERR_FORMAT, "f:1: type: expected a string, found nothing");
    expect("[]\n", RV_ERR_FORMAT, "f:1: line: expected an object, found a list");
    expect(RUN "{\"type\":\"dream\"\n", RV_ERR_FORMAT, "f:2: line: expected JSON");
    expect(RUN "{\"type\":\"note\",\"type\":\"note\"}\n", RV_ERR_FORMAT,
           "f:2: line: expected JSON");
    expect("{\"type\":\"note\",\"v\":1,\"text\":\"\"}\n", RV_ERR_FORMAT,
           "f:1: type: expected a run record first, found note");
    expect(RUN "{\"type\":\"note\",\"v\":2,\"text\":\"\"}\n", RV_ERR_UNSUPPORTED,
           "f:2: note.v: expected version 1, found 2");
    expect(RUN "{\"type\":\"note\",\"v\":1}\n", RV_ERR_FORMAT,
           "f:2: note.text: expected a value, found nothing");
    expect(RUN "\n\n{\"type\":\"note\",\"v\":1,\"text\":3}\n", RV_ERR_FORMAT,
           "f:4: note.text: expected a string, found an integer");
    expect(RUN "{\"type\":\"note\",\"v\":1,\"text\":\"\",\"text_bytes\":\"6\"}\n",
           RV_ERR_FORMAT, "f:2: note.text: expected pairs of hex digits");
    expect(RUN "{\"type\":\"dream\",\"v\":1,\"text\":\"\",\"tokens\":[{\"id\":1,\"text\":\"a\"}"
               ",{\"id\":-1}]}\n",
           RV_ERR_FORMAT, "f:2: dream.tokens[1].id: expected a token id");
    expect(RUN "{\"type\":\"end\",\"v\":1,\"forward_tokens\":1.5,\"status\":\"x\"}\n",
           RV_ERR_FORMAT,
           "f:2: end.forward_tokens: expected a whole number of at least 0, found a number");
    expect(RUN "{\"type\":\"quantiles\",\"v\":1,\"positions\":1,\"probabilities\":[1],"
               "\"values\":[]}\n",
           RV_ERR_FORMAT, "f:2: quantiles.values: expected 1 numbers");
}

static void the_future_is_passed_over(void **state)
{
    (void)state;
    const char *text =
        RUN "{\"type\":\"hologram\",\"v\":7,\"x\":[]}\n"
            "{\"type\":\"note\",\"v\":1,\"text\":\"a\",\"mood\":{\"deep\":[1]}}\n";
    rv_error err;
    rv_runs runs = {0};
    assert_int_equal(rv_runs_parse(&runs, text, strlen(text), "f", &err), RV_OK);
    assert_int_equal(runs.unknown, 1);
    assert_int_equal(runs.items[0].note_count, 1);
    rv_runs_release(&runs);
}

/* Cut after every byte: what was whole before is read, the rest is dropped with a warning. */
static void a_file_cut_anywhere_is_read_up_to_there(void **state)
{
    (void)state;
    rv_text whole = {0};
    put_all(&whole);
    size_t first = (size_t)(strchr(whole.bytes, '\n') - whole.bytes) + 1;
    for (size_t cut = first; cut <= whole.length; cut++) {
        rv_error err;
        rv_runs runs = {0};
        assert_int_equal(rv_runs_parse(&runs, whole.bytes, cut, "f", &err), RV_OK);
        bool whole_line = whole.bytes[cut - 1] == '\n' || whole.bytes[cut] == '\n';
        assert_int_equal(runs.truncated, !whole_line);
        rv_runs_release(&runs);
    }
    rv_text_release(&whole);
}

static void a_file_may_hold_many_runs_and_resumed_ones(void **state)
{
    (void)state;
    rv_error err;
    rv_text text = {0};
    put_all(&text);
    put_all(&text); /* the same id: resumed */
    rv_text_puts(&text, RUN);
    rv_runs runs = {0};
    assert_int_equal(rv_runs_parse(&runs, text.bytes, text.length, "f", &err), RV_OK);
    assert_int_equal(runs.count, 2);
    assert_int_equal(runs.items[0].note_count, 2);
    assert_int_equal(runs.items[0].dream_count, 1); /* the same ids twice */
    assert_string_equal(runs.items[1].about.method, "epo");
    rv_runs_release(&runs);
    rv_text_release(&text);
}

static void labels_tell_variants_of_a_method_apart(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "reverie"},
        {"{\"as_published\":false,\"autoencoder_site\":\"hook_embed\"}", "reverie"},
        {"{\"as_published\":true}", "reverie as published"},
        {"{\"autoencoder_site\":\"blocks.9.hook_resid_pre\"}",
         "reverie at blocks.9.hook_resid_pre"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rv_error err;
        rv_text text = {0};
        rv_runs runs = {0};
        rv_run_record run = sample_run();
        run.options = cases[i][0];
        assert_int_equal(rv_put_run(&text, &run, &err), RV_OK);
        assert_int_equal(rv_runs_parse(&runs, text.bytes, text.length, "f", &err), RV_OK);
        assert_string_equal(runs.items[0].label, cases[i][1]);
        rv_runs_release(&runs);
        rv_text_release(&text);
    }
}

static void the_last_headline_stands(void **state)
{
    (void)state;
    rv_error err;
    rv_text text = {0};
    rv_token_entry token = sample_tokens[0];
    rv_dream_record dream = sample_dream();
    dream.tokens = &token;
    dream.token_count = 1;
    rv_text_puts(&text, RUN);
    for (token.id = 1; token.id <= 3; token.id++) {
        dream.headline = token.id <= 2;
        dream.diverse = token.id == 3;
        assert_int_equal(rv_put_dream(&text, &dream, &err), RV_OK);
    }
    rv_runs runs = {0};
    assert_int_equal(rv_runs_parse(&runs, text.bytes, text.length, "f", &err), RV_OK);
    const rv_run *run = &runs.items[0];
    assert_int_equal(run->dream_count, 3);
    assert_false(run->dreams[0].headline);
    assert_int_equal(rv_run_headline(run)->tokens[0].id, 2);
    assert_int_equal(run->dreams[2].diverse, 1);
    rv_runs_release(&runs);
    rv_text_release(&text);
}

static void identity_ignores_what_does_not_matter(void **state)
{
    (void)state;
    rv_error err;
    char a[17], b[17];
    rv_run_record run = sample_run();
    assert_int_equal(rv_run_identity(a, &run, &err), RV_OK);
    run.threads = 1;
    run.started = "2026-01-01T00:00:00Z";
    run.command = "another";
    assert_int_equal(rv_run_identity(b, &run, &err), RV_OK);
    assert_string_equal(a, b);
    run.seed++;
    assert_int_equal(rv_run_identity(b, &run, &err), RV_OK);
    assert_string_not_equal(a, b);
}

static void look_up_fields(const char *manual, const rv_struct *type)
{
    for (const rv_field *f = type->fields; f->key; f++) {
        char word[80];
        snprintf(word, sizeof word, "`%s`", f->key);
        char *quoted = strstr(manual, word);
        snprintf(word, sizeof word, "`\"%s\"`", f->key);
        if (!quoted && !strstr(manual, word))
            fail_msg("docs/formats.md does not explain %s", f->key);
        if (f->of) look_up_fields(manual, f->of);
    }
}

static void the_manual_names_every_field(void **state)
{
    (void)state;
    char *manual;
    rv_error err;
    assert_int_equal(rv_read_file(&manual, NULL, "docs/formats.md", 1 << 20, &err), RV_OK);
#define X(name)                                         \
    assert_non_null(strstr(manual, "### " #name "\n")); \
    look_up_fields(manual, &rv_##name##_struct);
    RV_RECORDS(X)
#undef X
    free(manual);
}

static size_t size_of(const char *path)
{
    char *bytes;
    size_t length;
    rv_error err;
    assert_int_equal(rv_read_file(&bytes, &length, path, 1 << 20, &err), RV_OK);
    free(bytes);
    return length;
}

static void a_writer_never_overwrites_and_mends_a_cut_line(void **state)
{
    (void)state;
    rv_error err;
    rv_record_writer *writer, *other;
    const char *path = in_folder("run.jsonl");
    assert_int_equal(rv_record_writer_open(&writer, path, false, &err), RV_OK);
    assert_int_equal(rv_record_writer_open(&other, path, true, &err), RV_ERR_IO);
    assert_non_null(strstr(err.message, "another process is writing to it"));
    put_all(rv_record_writer_batch(writer));
    assert_int_equal(rv_record_writer_close(writer, &err), RV_OK);
    size_t length = size_of(path);
    assert_int_equal(rv_record_writer_open(&writer, path, false, &err), RV_ERR_USAGE);

    assert_int_equal(truncate(path, (off_t)length - 5), 0);
    assert_int_equal(rv_record_writer_open(&writer, path, true, &err), RV_OK);
    rv_end_record end = rv_end_record_empty();
    end.forward_tokens = 60000;
    end.status = "complete";
    assert_int_equal(rv_put_end(rv_record_writer_batch(writer), &end, &err), RV_OK);
    assert_int_equal(rv_record_writer_close(writer, &err), RV_OK);
    assert_int_equal(size_of(path), length);
    rv_runs runs = {0};
    assert_int_equal(rv_runs_read(&runs, path, &err), RV_OK);
    assert_int_equal(runs.truncated, 0);
    assert_string_equal(runs.items[0].end.status, "complete");
    rv_runs_release(&runs);
}

/* A limit on the size of files stands in for a full disk: write() then fails half-way. */
static void a_full_disk_keeps_whole_batches(void **state)
{
    (void)state;
    rv_error err;
    rv_record_writer *writer;
    const char *path = in_folder("full.jsonl");
    assert_int_equal(rv_record_writer_open(&writer, path, false, &err), RV_OK);
    put_all(rv_record_writer_batch(writer));
    assert_int_equal(rv_record_writer_commit(writer, &err), RV_OK);
    size_t length = size_of(path);

    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){length + 100, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    put_all(rv_record_writer_batch(writer));
    rv_status status = rv_record_writer_commit(writer, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, RV_ERR_IO);
    assert_non_null(strstr(err.message, "full.jsonl: cannot write"));
    assert_int_equal(size_of(path), length);

    assert_int_equal(rv_record_writer_close(writer, &err), RV_OK); /* there is room again */
    assert_int_equal(size_of(path), 2 * length);
}

static void frontier_is_what_nothing_dominates(void **state)
{
    (void)state;
    /* Three points of the frontier, one of them not convex; a dominated one, a twin, a NaN. */
    const rv_point points[] = {{5, 6}, {1, 3}, {2, 4.5}, {1.5, 5}, {5, 6}, {NAN, 1}, {5, 7}};
    size_t out[7];
    assert_int_equal(rv_non_dominated(out, points, 7), 3);
    assert_int_equal(out[0], 1);
    assert_int_equal(out[1], 2);
    assert_int_equal(out[2], 0);
    assert_int_equal(rv_non_dominated(out, points, 0), 0);
}

static void area_and_best_by_hand(void **state)
{
    (void)state;
    const rv_point points[] = {{2, 4}, {5, 6}, {-1, 3}};
    assert_float_equal(rv_best_at(points, 3, 3), -1, 0);
    assert_float_equal(rv_best_at(points, 3, 4), 2, 0);
    assert_float_equal(rv_best_at(points, 3, 5.99), 2, 0);
    assert_float_equal(rv_best_at(points, 3, 9), 5, 0);
    assert_true(rv_best_at(points, 3, 2) == -INFINITY);
    /* 61 steps: 10 below 4 count 0, 20 in [4, 6) count 2, 31 in [6, 9] count 5. */
    assert_float_equal(rv_frontier_area(points, 3), (20 * 2 + 31 * 5) / 61.0, 1e-12);
    assert_float_equal(rv_frontier_area(points, 0), 0, 0);
}

static void wins_against_the_corpus(void **state)
{
    (void)state;
    const rv_point dreams[] = {{3, 4}, {6, 8}, {9, 9.5}},
                   windows[] = {{2, 4}, {5, 5}, {5.5, 12}};
    assert_true(rv_wins_at(dreams, 3, windows, 3, 4));
    assert_false(rv_wins_at(dreams, 3, windows, 3, 5));
    assert_false(rv_wins_at(dreams, 3, windows, 3, 3.9)); /* neither has one */
    assert_true(rv_wins_published(dreams, 3, windows, 3));
    assert_false(rv_wins_published(dreams, 1, windows, 3));
}

static void spread_by_hand(void **state)
{
    (void)state;
    double values[] = {4, 1, 3, 2}; /* quartiles 1.75, 2.5, 3.25 */
    assert_float_equal(rv_quantile(values, 4, 0.25), 1.75, 1e-12);
    assert_float_equal(rv_spread(values, 4), 0.6, 1e-12);
    assert_true(isnan(rv_spread(values, 1)));
}

static void headline_is_active_among_the_fluent(void **state)
{
    (void)state;
    const rv_point points[] = {{9, 7}, {4, 5}, {4, 4.5}, {3, 4}};
    assert_int_equal(rv_choose_headline(points, 4, 5.7), 2);
    assert_int_equal(rv_choose_headline(points, 4, 3),
                     3); /* none that fluent: the most fluent */
    assert_true(rv_choose_headline(points, 0, 5) == RV_NOT_FOUND);
}

static void headline_is_only_as_wide_as_beats_the_corpus(void **state)
{
    (void)state;
    const rv_point points[] = {{9, 5}, {20, 5}, {30, 5}, {40, 5}, {90, 7}, {50, 5}};
    const double per_byte[] = {0.5, 0.6, 0.8, 0.9, 0.1, 1.1};
    const size_t n = 6;
    // 0.65 of the median is 0.65: two points, the second the more active
    assert_int_equal(rv_choose_headline_by_byte(points, per_byte, n, 6, 1, -INFINITY), 1);
    assert_int_equal(rv_choose_headline_by_byte(points, per_byte, n, 6, 1, 19), 1);
    assert_int_equal(rv_choose_headline_by_byte(points, per_byte, n, 6, 1, 20), 2);
    assert_int_equal(rv_choose_headline_by_byte(points, per_byte, n, 6, 1, 35), 3);
    // nothing as fluent as the median window beats this one: the most active of those
    assert_int_equal(rv_choose_headline_by_byte(points, per_byte, n, 6, 1, 45), 3);
    // nothing is as fluent as the median window by byte: fluent by token decides
    assert_int_equal(rv_choose_headline_by_byte(points, per_byte, n, 6, 0.05, 0), 5);
    assert_true(rv_choose_headline_by_byte(points, per_byte, 0, 6, 1, 0) == RV_NOT_FOUND);
}

static void diverse_dreams_share_few_tokens(void **state)
{
    (void)state;
    const int32_t ids[5][4] = {
        {1, 2, 3, 4}, {1, 2, 3, 5}, {1, 2, 8, 9}, {6, 7, 8, 9}, {6, 7, 8, 8}};
    rv_token_entry tokens[5][4];
    rv_dream_record dreams[5];
    size_t all[5], out[5];
    for (size_t i = 0; i < 5; i++) {
        dreams[i] = rv_dream_record_empty();
        for (size_t j = 0; j < 4; j++) tokens[i][j] = (rv_token_entry){.id = ids[i][j]};
        dreams[i].tokens = tokens[i];
        dreams[i].token_count = 4;
        dreams[i].activation = (double)(10 - i);
        all[i] = i;
    }
    assert_float_equal(rv_token_overlap(&dreams[0], &dreams[1]), 3 / 5.0, 1e-12);
    assert_float_equal(rv_token_overlap(&dreams[0], &dreams[2]), 2 / 6.0, 1e-12);
    assert_float_equal(rv_token_overlap(&dreams[3], &dreams[4]), 3 / 4.0, 1e-12);
    assert_int_equal(rv_choose_diverse(out, 5, dreams, all, 5, 0), 2);
    assert_int_equal(out[0], 2);
    assert_int_equal(out[1], 3);
    dreams[3].activation = dreams[4].activation = 1.9; /* less than a fifth of the first */
    assert_int_equal(rv_choose_diverse(out, 5, dreams, all, 5, 0), 1);
    assert_int_equal(out[0], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_survives_a_round_trip),
        cmocka_unit_test(text_that_is_not_utf8_is_shown_and_kept),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(malformed_records_are_named),
        cmocka_unit_test(the_future_is_passed_over),
        cmocka_unit_test(a_file_cut_anywhere_is_read_up_to_there),
        cmocka_unit_test(a_file_may_hold_many_runs_and_resumed_ones),
        cmocka_unit_test(labels_tell_variants_of_a_method_apart),
        cmocka_unit_test(the_last_headline_stands),
        cmocka_unit_test(identity_ignores_what_does_not_matter),
        cmocka_unit_test(the_manual_names_every_field),
        cmocka_unit_test(a_writer_never_overwrites_and_mends_a_cut_line),
        cmocka_unit_test(a_full_disk_keeps_whole_batches),
        cmocka_unit_test(frontier_is_what_nothing_dominates),
        cmocka_unit_test(area_and_best_by_hand),
        cmocka_unit_test(wins_against_the_corpus),
        cmocka_unit_test(spread_by_hand),
        cmocka_unit_test(headline_is_active_among_the_fluent),
        cmocka_unit_test(headline_is_only_as_wide_as_beats_the_corpus),
        cmocka_unit_test(diverse_dreams_share_few_tokens),
    };
    if (!mkdtemp(folder)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    in_folder("run.jsonl");
    in_folder("full.jsonl");
    rmdir(folder);
    return failed;
}
