#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/run.h"
#include "report/compare.h"
#include "report/heat.h"
#include "report/plot.h"
#include "report/story.h"

/* ---- runs by hand ---------------------------------------------------------------------------- */

static void put_run(rv_text *out, const char *method, uint64_t seed, const char *target)
{
    rv_error err;
    rv_run_record run = rv_run_record_empty();
    run.id = "x";
    run.target = (rv_target_entry){.name = target, .sign = 1};
    run.method = method;
    run.seed = seed;
    run.budget = 1000;
    run.model.name = "m";
    char id[17];
    assert_int_equal(rv_run_identity(id, &run, &err), RV_OK);
    run.id = id;
    assert_int_equal(rv_put_run(out, &run, &err), RV_OK);
}

static void put_dream(rv_text *out, const char *method, int32_t id, double g, double x,
                      bool headline)
{
    rv_error err;
    rv_token_entry token = {
        .id = id, .text = RV_STRING("t"), .value = g, .probability = NAN, .nll = NAN};
    rv_dream_record dream = rv_dream_record_empty();
    dream.text = RV_STRING("t");
    dream.tokens = &token;
    dream.token_count = 1;
    dream.activation = g;
    dream.cross_entropy = x;
    dream.headline = headline;
    dream.method = method;
    assert_int_equal(rv_put_dream(out, &dream, &err), RV_OK);
}

static void put_window(rv_text *out, int32_t id, double g, double x)
{
    rv_error err;
    rv_token_entry token = {
        .id = id, .text = RV_STRING("w"), .value = g, .probability = NAN, .nll = NAN};
    rv_example_record window = rv_example_record_empty();
    window.kind = "window";
    window.tokens = &token;
    window.token_count = 1;
    window.activation = g;
    window.cross_entropy = x;
    assert_int_equal(rv_put_example(out, &window, &err), RV_OK);
}

static void put_median(rv_text *out, double median)
{
    rv_error err;
    rv_quantiles_record q = rv_quantiles_record_empty();
    q.positions = 10;
    q.cross_entropy_50 = median;
    assert_int_equal(rv_put_quantiles(out, &q, &err), RV_OK);
}

typedef struct told {
    rv_runs runs;
    rv_stories stories;
    rv_compare compare;
} told;

static void tell(told *t, rv_text *text)
{
    rv_error err;
    *t = (told){0};
    assert_int_equal(rv_runs_parse(&t->runs, text->bytes, text->length, "memory", &err), RV_OK);
    assert_int_equal(rv_stories_tell(&t->stories, &t->runs, &err), RV_OK);
    assert_int_equal(rv_compare_stories(&t->compare, &t->stories, &err), RV_OK);
    rv_text_release(text);
}

static void forget(told *t)
{
    rv_compare_release(&t->compare);
    rv_stories_release(&t->stories);
    rv_runs_release(&t->runs);
}

/* ---- stories ----------------------------------------------------------------------------------- */

static void the_headline_is_fluent_and_never_naive(void **state)
{
    (void)state;
    rv_text text = {0};
    told t;
    put_run(&text, "naive", 1, "L0.N1");
    put_dream(&text, "naive", 1, 99, 3, true);
    put_run(&text, "epo", 1, "L0.N1");
    put_median(&text, 5);
    put_dream(&text, "epo", 2, 40, 7, false); /* stronger, but no sentence */
    put_dream(&text, "epo", 3, 20, 4.5, false);
    put_dream(&text, "epo", 4, 10, 4, false);
    tell(&t, &text);
    assert_int_equal(t.stories.count, 1);
    const rv_story *story = &t.stories.items[0];
    assert_int_equal(story->headline->tokens[0].id, 3);
    assert_string_equal(story->run->about.method, "epo");
    assert_int_equal(story->naive->tokens[0].id, 1);
    assert_int_equal(story->other_count, 2);
    assert_int_equal(story->others[0]->tokens[0].id, 2);
    forget(&t);
}

static void a_run_may_name_its_headline(void **state)
{
    (void)state;
    rv_text text = {0};
    told t;
    put_run(&text, "epo", 1, "L0.N1");
    put_dream(&text, "epo", 3, 20, 4.5, false);
    put_dream(&text, "epo", 4, 10, 4, true);
    tell(&t, &text);
    assert_int_equal(t.stories.items[0].headline->tokens[0].id, 4);
    forget(&t);
}

static void targets_and_signs_are_told_apart(void **state)
{
    (void)state;
    rv_text text = {0};
    told t;
    put_run(&text, "epo", 1, "L0.N1");
    put_dream(&text, "epo", 1, 1, 4, false);
    put_run(&text, "epo", 1, "L0.N2");
    put_run(&text, "epo", 2, "L0.N1");
    tell(&t, &text);
    assert_int_equal(t.stories.count, 2);
    assert_int_equal(t.stories.items[0].run_count, 2);
    assert_null(t.stories.items[1].headline);
    forget(&t);
}

/* ---- comparison ---------------------------------------------------------------------------------- */

static const rv_compare_row *row(const told *t, const char *method)
{
    for (size_t i = 0; i < t->compare.row_count; i++)
        if (strcmp(t->compare.rows[i].method, method) == 0) return &t->compare.rows[i];
    fail_msg("no row for %s", method);
    return NULL;
}

/* Two seeds of one method, one of another, two corpus windows. One dream of g at x <= 3 gives an area of
 * g; at x in (5.9, 6] it counts in 31 of 61 steps. */
static void rows_by_hand(void **state)
{
    (void)state;
    rv_text text = {0};
    told t;
    put_run(&text, "reverie", 1, "L0.N1");
    put_window(&text, 50, 5, 3.5);
    put_window(&text, 51, 9, 5.5);
    put_dream(&text, "reverie", 1, 10, 3, false);
    put_run(&text, "reverie", 2, "L0.N1");
    put_dream(&text, "reverie", 1, 20, 3, false);
    put_run(&text, "epo", 1, "L0.N1");
    put_dream(&text, "epo", 1, 8, 6, false);
    tell(&t, &text);
    assert_int_equal(t.compare.row_count, 3);
    assert_string_equal(t.compare.rows[0].method, "corpus windows");
    assert_float_equal(t.compare.rows[0].best[0], 5, 0);
    assert_float_equal(t.compare.rows[0].best[2], 9, 0);
    const rv_compare_row *ours = row(&t, "reverie"), *theirs = row(&t, "epo");
    assert_int_equal(ours->runs, 2);
    assert_float_equal(ours->best[0], 15, 1e-12);
    assert_float_equal(ours->area, 15, 1e-9);
    assert_float_equal(ours->spread, 5.0 / 15, 1e-9); /* quartiles 12.5 and 17.5 */
    assert_float_equal(ours->wins_4, 1, 0);
    assert_true(theirs->best[0] == -INFINITY);
    assert_float_equal(theirs->best[2], 8, 0);
    assert_float_equal(theirs->area, 8 * 31 / 61.0, 1e-9);
    assert_float_equal(theirs->wins_6, 0, 0);
    assert_float_equal(theirs->wins_published, 0, 0); /* 8 at 6 nats against 9 */
    assert_true(isnan(theirs->spread));
    rv_text table = {0};
    rv_compare_table(&table, &t.compare, RV_TABLE_MARKDOWN);
    assert_non_null(strstr(table.bytes, "| reverie        |     1k |    2 |    15.0 |"));
    rv_text_release(&table);
    forget(&t);
}

/* Spread is taken inside each target: two targets on different scales do not spread. */
static void spread_stays_inside_a_target(void **state)
{
    (void)state;
    rv_text text = {0};
    told t;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        put_run(&text, "epo", seed, "L0.N1");
        put_dream(&text, "epo", 1, 10, 3, false);
        put_run(&text, "epo", seed, "L0.N2");
        put_dream(&text, "epo", 1, 90, 3, false);
    }
    tell(&t, &text);
    assert_int_equal(row(&t, "epo")->targets, 2);
    assert_float_equal(row(&t, "epo")->spread, 0, 0);
    forget(&t);
}

/* ---- heat ------------------------------------------------------------------------------------------ */

static void expect_heat(const rv_heat_token *tokens, size_t count, size_t focus,
                        rv_terminal terminal, const char *expected)
{
    rv_text out = {0};
    rv_put_heat(&out, tokens, count, focus, 10, terminal);
    rv_text_putc(&out, '\0');
    assert_string_equal(out.bytes, expected);
    rv_text_release(&out);
}

static void heat_in_plain_marks_and_in_colours(void **state)
{
    (void)state;
    const rv_heat_token tokens[] = {{"a", 1, NAN}, {" b", 2, 2.9}, {" c", 2, 3}, {"d", 1, 10}};
    expect_heat(tokens, 4, 3, (rv_terminal){RV_COLOUR_NONE, 0}, "a b «c»³«d»¹⁰");
    expect_heat(tokens + 3, 1, 0, (rv_terminal){RV_COLOUR_256, 0},
                "\033[38;5;234;48;5;208md\033[0m");
    expect_heat(tokens + 3, 1, 0, (rv_terminal){RV_COLOUR_TRUE, 0},
                "\033[38;2;38;30;22;48;2;232;116;52md\033[0m");
    expect_heat(tokens, 1, 0, (rv_terminal){RV_COLOUR_TRUE, 0}, "a");
}

static void long_lines_are_cut_around_the_focus(void **state)
{
    (void)state;
    rv_heat_token tokens[26];
    char letters[26];
    for (int i = 0; i < 26; i++) {
        letters[i] = (char)('a' + i);
        tokens[i] = (rv_heat_token){&letters[i], 1, 0};
    }
    expect_heat(tokens, 26, 12, (rv_terminal){RV_COLOUR_NONE, 10}, "…hijklmno…");
    expect_heat(tokens, 26, 25, (rv_terminal){RV_COLOUR_NONE, 10}, "…stuvwxyz");
    expect_heat(tokens, 26, 0, (rv_terminal){RV_COLOUR_NONE, 10}, "abcdefgh…");
    expect_heat(tokens, 26, 0, (rv_terminal){RV_COLOUR_NONE, 26}, "abcdefghijklmnopqrstuvwxyz");
}

static void nothing_moves_the_cursor(void **state)
{
    (void)state;
    const char bytes[] = "\033[2J\n\r\t\x07\x7f\xc2\x9b\xe2\x80\xae\xf0\x9f\0é";
    rv_text out = {0};
    rv_put_visible(&out, bytes, sizeof bytes - 1);
    assert_string_equal(out.bytes, "\\x1b[2J↵␍⇥\\x07\\x7f\\x9b\\u202e\\xf0\\x9f\\x00é");
    for (size_t i = 0; i < out.length; i++) assert_true((unsigned char)out.bytes[i] >= 0x20);
    assert_int_equal(rv_visible_width(&out, "飛\n", 4), 3);
    assert_false(out.failed);
    rv_text_release(&out);
}

/* ---- plots ------------------------------------------------------------------------------------------- */

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text++) n++;
    return n;
}

static void a_plot_draws_what_is_finite(void **state)
{
    (void)state;
    rv_error err;
    const rv_xy points[] = {{1, 2}, {2, NAN}, {INFINITY, 3}, {3, 1e308}, {4, 0}};
    rv_series series = {.name = "<a & b>",
                        .kind = RV_SERIES_POINTS,
                        .points = points,
                        .count = 5,
                        .marked = true,
                        .first_mark = 7};
    rv_plot plot = {
        .title = "\"t\"", .x_label = "x", .y_label = "y", .series = &series, .series_count = 1};
    rv_text svg = {0};
    assert_int_equal(rv_plot_svg(&svg, &plot, &err), RV_OK);
    assert_non_null(strstr(svg.bytes, "data-mark=\"7\""));
    assert_null(strstr(svg.bytes, "data-mark=\"8\""));
    assert_null(strstr(svg.bytes, "data-mark=\"9\""));
    assert_non_null(strstr(svg.bytes, "&lt;a &amp; b&gt;"));
    assert_non_null(strstr(svg.bytes, "aria-label=\"&quot;t&quot;\""));
    assert_null(strstr(svg.bytes, "nan"));
    assert_null(strstr(svg.bytes, "inf"));
    rv_text_release(&svg);
}

static void an_empty_plot_says_so(void **state)
{
    (void)state;
    rv_error err;
    rv_text svg = {0};
    const rv_xy nothing = {NAN, 1};
    rv_series series = {.name = "a", .kind = RV_SERIES_LINE, .points = &nothing, .count = 1};
    rv_plot plot = {.series = &series, .series_count = 1, .standalone = true};
    assert_int_equal(rv_plot_svg(&svg, &plot, &err), RV_OK);
    assert_non_null(strstr(svg.bytes, "nothing to draw"));
    rv_text_release(&svg);
}

/* A loss curve: decades as ticks, zero left out, steps of a line joined. */
static void a_logarithmic_axis_has_decades(void **state)
{
    (void)state;
    rv_error err;
    rv_text svg = {0};
    const rv_xy loss[] = {{0, 100}, {1000, 10}, {2000, 0}, {3000, 0.1}};
    rv_series series = {.name = "loss", .kind = RV_SERIES_LINE, .points = loss, .count = 4};
    rv_plot plot = {.series = &series, .series_count = 1, .log_y = true};
    assert_int_equal(rv_plot_svg(&svg, &plot, &err), RV_OK);
    assert_int_equal(count_of(svg.bytes, ">0.1<"), 1);
    assert_int_equal(count_of(svg.bytes, ">1<"), 1);
    assert_int_equal(count_of(svg.bytes, ">100<"), 1);
    assert_int_equal(count_of(svg.bytes, ">1000<"), 1);
    rv_text_release(&svg);
}

/* best(x) goes on to the edge of the plot, a search ends where it ended. */
static void steps_go_on_and_stairs_end(void **state)
{
    (void)state;
    rv_error err;
    const rv_xy points[] = {{0, 0}, {10, 5}};
    rv_series series = {.name = "a", .kind = RV_SERIES_STEPS, .points = points, .count = 2};
    rv_plot plot = {.series = &series, .series_count = 1, .x_rule = 5, .x_rule_label = "half"};
    for (int i = 0; i < 2; i++) {
        rv_text svg = {0};
        assert_int_equal(rv_plot_svg(&svg, &plot, &err), RV_OK);
        assert_int_equal(count_of(svg.bytes, ">half<"), 1);
        const char *line = strrchr(strstr(svg.bytes, "class=\"series"), 'H');
        line += 1 + strspn(line + 1, "0123456789.");
        assert_int_equal(*line, i ? 'V' : '"');
        series.kind = RV_SERIES_STAIRS;
        rv_text_release(&svg);
    }
}

/* Values so close together, or so large, that adding a step would change nothing. */
static void ticks_come_to_an_end(void **state)
{
    (void)state;
    rv_error err;
    const double starts[] = {1e20, -1e99, 1e-99, 0};
    for (size_t i = 0; i < 4; i++) {
        rv_text svg = {0};
        const rv_xy points[] = {{starts[i], 1}, {starts[i] * (1 + 1e-15), 1}};
        rv_series series = {.name = "a", .points = points, .count = 2};
        rv_plot plot = {.series = &series, .series_count = 1, .log_x = i == 2};
        assert_int_equal(rv_plot_svg(&svg, &plot, &err), RV_OK);
        assert_int_equal(count_of(svg.bytes, "class=\"mark\" transform"),
                         3); /* one in the legend */
        assert_true(count_of(svg.bytes, "<path") < 60);
        assert_null(strstr(svg.bytes, "nan"));
        rv_text_release(&svg);
    }
}

/* The curves of a comparison, all of them. */
static void a_comparison_is_drawn(void **state)
{
    (void)state;
    rv_error err;
    rv_text text = {0}, svg = {0};
    told t;
    put_run(&text, "reverie", 1, "L0.N1");
    put_window(&text, 50, 5, 3.5);
    put_dream(&text, "reverie", 1, 10, 3, false);
    put_run(&text, "a<b", 1, "L0.N1");
    put_dream(&text, "a<b", 1, 8, 6, false);
    tell(&t, &text);
    assert_int_equal(rv_compare_plot(&svg, &t.compare, &t.stories, 0, true, &err), RV_OK);
    assert_int_equal(count_of(svg.bytes, "<g class=\"series"), 3);
    assert_int_equal(count_of(svg.bytes, ">a&lt;b<"), 1);
    rv_text_release(&svg);
    forget(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_headline_is_fluent_and_never_naive),
        cmocka_unit_test(a_run_may_name_its_headline),
        cmocka_unit_test(targets_and_signs_are_told_apart),
        cmocka_unit_test(rows_by_hand),
        cmocka_unit_test(spread_stays_inside_a_target),
        cmocka_unit_test(heat_in_plain_marks_and_in_colours),
        cmocka_unit_test(long_lines_are_cut_around_the_focus),
        cmocka_unit_test(nothing_moves_the_cursor),
        cmocka_unit_test(a_plot_draws_what_is_finite),
        cmocka_unit_test(an_empty_plot_says_so),
        cmocka_unit_test(a_logarithmic_axis_has_decades),
        cmocka_unit_test(steps_go_on_and_stairs_end),
        cmocka_unit_test(ticks_come_to_an_end),
        cmocka_unit_test(a_comparison_is_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
