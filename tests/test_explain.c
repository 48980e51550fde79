/* Known truth (planted_neuron.h): the right explanation must score high, wrong ones low, by every way of scoring;
 * and whatever goes wrong on the way, what was found stays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "explain/explain.h"
#include "explain/explained.h"
#include "explain/gather.h"
#include "explain/judge.h"
#include "planted_neuron.h"

static const rv_measure *score_of(const rv_explanation *c, const char *scorer,
                                  const char *measure)
{
    for (size_t i = 0; i < c->score_count; i++)
        if (strcmp(c->scores[i].scorer, scorer) == 0 &&
            strcmp(c->scores[i].measure, measure) == 0 &&
            strcmp(c->scores[i].split, "test") == 0)
            return &c->scores[i].value;
    fail_msg("no %s %s", scorer, measure);
    return NULL;
}

static const rv_explanation *baseline_of(const rv_explained *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->explanations[i].baseline && strcmp(r->explanations[i].baseline, name) == 0)
            return &r->explanations[i];
    fail_msg("no baseline %s", name);
    return NULL;
}

/* ---- known truth ----------------------------------------------------------------------------- */
static void the_right_explanation_wins_by_every_way(void **state)
{
    (void)state;
    static const struct {
        const rv_chat_backend *backend;
        bool talks, weighs, written;
        rv_simulator way;
    } ways[] = {{&probing, false, false, false, RV_SIMULATE_EXACT},
                {&writing, false, true, false, RV_SIMULATE_LOGPROBS},
                {&writing, true, false, false, RV_SIMULATE_LOGPROBS},
                {&writing, true, false, true, RV_SIMULATE_TEXT}};
    for (size_t w = 0; w < 4; w++) {
        rv_evidence e = evidence_of(true);
        oracle o = {.answers = guesses,
                    .answer_count = 5,
                    .talks = ways[w].talks,
                    .weighs = ways[w].weighs};
        rv_chat *chat = chat_with(&o, ways[w].backend, NULL);
        rv_explain_plan params = rv_explain_plan_default();
        params.other = "animals";
        params.written = ways[w].written;
        rv_explained r;
        rv_error err;
        if (rv_explain_evidence(&r, &e, chat, chat, &params, &err) != RV_OK)
            fail_msg("%s", err.message);
        assert_true(r.complete);
        assert_string_equal(r.simulator, rv_simulator_name(ways[w].way));
        assert_int_equal(r.probabilities, w < 2);
        assert_int_equal(r.unread, 0);
        const rv_explanation *best = rv_explained_choice(&r);
        assert_string_equal(best->text, "words for colours");
        assert_true(score_of(best, "simulation", "correlation")->value > 0.9);
        assert_true(score_of(best, "simulation", "correlation")->low > 0.85);
        assert_true(score_of(best, "simulation", "r_squared")->value > 0.85);
        assert_true(score_of(best, "simulation", "deviation")->value > 0.6);
        assert_true(score_of(best, "detection", "accuracy")->value > 0.9);
        assert_true(score_of(best, "fuzzing", "accuracy")->value > 0.9);
        assert_true(score_of(best, "rating", "expected")->value > 0.85);
        assert_true(score_of(best, "fuzzing", "answered")->value == 1);
        if (w < 2)
            assert_true(score_of(best, "detection", "area")->value > 0.9);
        else
            assert_false(score_of(best, "detection", "area")->defined);
        assert_true(
            score_of(baseline_of(&r, "another neuron"), "simulation", "correlation")->value <
            0.2);
        assert_false(score_of(baseline_of(&r, "empty"), "simulation", "correlation")->defined);
        // a neuron that looks at single tokens only is what the lookup is good at
        assert_true(
            score_of(baseline_of(&r, "token lookup"), "simulation", "correlation")->value >
            0.9);
        assert_int_equal(o.asked, 5);
        assert_int_equal(o.revised, 2);
        rv_explained_release(&r);
        rv_chat_close(chat);
        rv_evidence_release(&e);
    }
}

static void wrong_explanations_score_low_by_every_scorer(void **state)
{
    (void)state;
    static const char *const wrong[] = {"animals", "units of length", "numbers"};
    for (size_t i = 0; i < 3; i++) {
        rv_evidence e = evidence_of(false);
        oracle o = {.answers = &wrong[i], .answer_count = 1};
        rv_chat *chat = chat_with(&o, &probing, NULL);
        rv_explain_plan params = rv_explain_plan_default();
        params.revisions = 0;
        rv_explained r;
        assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, NULL), RV_OK);
        const rv_explanation *best = rv_explained_choice(&r);
        const rv_measure *m = score_of(best, "simulation", "correlation");
        assert_true(m->defined ? m->value < 0.2 : strcmp(wrong[i], "numbers") == 0);
        assert_true(score_of(best, "simulation", "r_squared")->value < 0.2);
        assert_true(score_of(best, "detection", "accuracy")->value < 0.7);
        assert_true(score_of(best, "fuzzing", "accuracy")->value < 0.7);
        assert_true(score_of(best, "rating", "expected")->value < 0.2);
        rv_explained_release(&r);
        rv_chat_close(chat);
        rv_evidence_release(&e);
    }
}

/* Wrong guesses only; the second round, which sees the contradicting dreams, finds it. */
static void the_second_round_repairs(void **state)
{
    (void)state;
    static const char *const wrong[] = {"animals", "numbers"};
    for (int dreams = 0; dreams < 2; dreams++) {
        rv_evidence e = evidence_of(dreams);
        oracle o = {.answers = wrong, .answer_count = 2};
        rv_chat *chat = chat_with(&o, &probing, NULL);
        rv_explain_plan params = rv_explain_plan_default();
        rv_explained r;
        assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, NULL), RV_OK);
        const rv_explanation *best = rv_explained_choice(&r);
        assert_string_equal(best->text, "colours");
        assert_int_equal(best->revision, 1);
        assert_true(score_of(best, "simulation", "correlation")->value > 0.9);
        rv_explained_release(&r);
        rv_chat_close(chat);
        rv_evidence_release(&e);
    }
}

static void failures_are_the_worst_texts(void **state)
{
    (void)state;
    rv_evidence e = evidence_of(false);
    oracle o = {.answers = guesses + 1, .answer_count = 1}; // animals
    rv_chat *chat = chat_with(&o, &probing, NULL);
    rv_explain_plan params = rv_explain_plan_default();
    params.revisions = 0;
    rv_explained r;
    assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, NULL), RV_OK);
    const rv_explanation *best = rv_explained_choice(&r);
    assert_int_equal(best->text_count, 10);
    size_t failed = 0;
    for (size_t i = 0; i < best->text_count; i++) {
        assert_string_equal(best->texts[i].kind, i < 5 ? "top" : "random");
        failed += best->texts[i].failed;
        if (best->texts[i].failed)
            assert_true(i < 5); // where the neuron fires and it does not see why
        if (best->texts[i].correlation.defined) // animals are no colours, however calibrated
            assert_true(best->texts[i].correlation.value < 0);
    }
    assert_int_equal(failed, 3);
    rv_explained_release(&r);
    rv_chat_close(chat);
    rv_evidence_release(&e);
}

static void the_same_seed_gives_the_same_lines(void **state)
{
    (void)state;
    rv_text lines[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        rv_evidence e = evidence_of(true);
        oracle o = {.answers = guesses, .answer_count = 5};
        rv_chat *chat = chat_with(&o, &probing, NULL);
        rv_explain_plan params = rv_explain_plan_default();
        rv_explained r;
        assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, NULL), RV_OK);
        rv_explained_about about = {"corpus and dreams", RV_STYLE_PAIRS, "a", "b", 1};
        assert_int_equal(rv_explained_put(&lines[i], &r, &about, NULL), RV_OK);
        rv_simulation_results results;
        assert_int_equal(rv_explained_results(&results, &r, &e, NULL), RV_OK);
        assert_int_equal(results.explanations[0].count, 10);
        assert_true(results.explanations[0].correlation > 0.9);
        rv_simulation_results_release(&results);
        rv_explained_release(&r);
        rv_chat_close(chat);
        rv_evidence_release(&e);
    }
    assert_string_equal(lines[0].bytes, lines[1].bytes);
    assert_int_equal(strncmp(lines[0].bytes, "{\"type\":\"explanation\"", 21), 0);
    rv_text_release(&lines[0]);
    rv_text_release(&lines[1]);
}

/* ---- trouble --------------------------------------------------------------------------------- */
static void what_was_found_survives_trouble(void **state)
{
    (void)state;
    for (size_t after = 1; after < 60; after++) {
        rv_evidence e = evidence_of(true);
        oracle o = {.answers = guesses, .answer_count = 5, .fail_after = after};
        rv_chat *chat = chat_with(&o, &probing, NULL);
        rv_explain_plan params = rv_explain_plan_default();
        rv_explained r;
        rv_error err;
        assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, &err),
                         RV_ERR_NETWORK);
        assert_false(r.complete);
        size_t guessed = 0;
        for (size_t i = 0; i < r.count; i++)
            guessed += !r.explanations[i].baseline && !r.explanations[i].revision;
        // the fourth repeats the first
        assert_int_equal(guessed, after < 4 ? after : after < 5 ? 3 : 4);
        if (after >= 5) assert_non_null(rv_explained_choice(&r));
        if (after >= 40)
            assert_string_equal(rv_explained_choice(&r)->text, "words for colours");
        rv_explained_release(&r);
        rv_chat_close(chat);
        rv_evidence_release(&e);
    }
}

static void a_spent_budget_keeps_what_was_bought(void **state)
{
    (void)state;
    rv_evidence e = evidence_of(true);
    oracle o = {.answers = guesses, .answer_count = 5};
    rv_chat_options options = rv_chat_options_default();
    options.budget_requests = 30;
    rv_chat *chat = chat_with(&o, &probing, &options);
    rv_explain_plan params = rv_explain_plan_default();
    rv_explained r;
    rv_error err;
    assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, &err), RV_ERR_CANCELLED);
    assert_true(rv_chat_used(chat).exhausted);
    assert_int_equal(rv_chat_used(chat).requests, 30);
    assert_non_null(rv_explained_choice(&r));
    rv_explained_release(&r);
    rv_chat_close(chat);
    rv_evidence_release(&e);
}

static bool stop_at_thirty(void *context, const rv_progress *event)
{
    (void)context;
    return event->done < 30;
}

static void the_user_can_stop(void **state)
{
    (void)state;
    rv_evidence e = evidence_of(true);
    oracle o = {.answers = guesses, .answer_count = 5};
    rv_chat *chat = chat_with(&o, &probing, NULL);
    rv_explain_plan params = rv_explain_plan_default();
    params.progress = stop_at_thirty;
    rv_explained r;
    assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, NULL), RV_ERR_CANCELLED);
    assert_non_null(rv_explained_choice(&r));
    rv_explained_release(&r);
    rv_chat_close(chat);
    rv_evidence_release(&e);
}

static void a_model_that_says_nothing_is_told(void **state)
{
    (void)state;
    rv_evidence e = evidence_of(false);
    oracle o = {.answers = guesses, .answer_count = 5}, lost = {.is_lost = true};
    rv_chat *good = chat_with(&o, &writing, NULL), *bad = chat_with(&lost, &writing, NULL);
    rv_explain_plan params = rv_explain_plan_default();
    rv_explained r;
    rv_error err;
    assert_int_equal(rv_explain_evidence(&r, &e, bad, good, &params, &err), RV_ERR_FORMAT);
    assert_non_null(strstr(err.message, "none of 5 answers held an explanation"));
    rv_explained_release(&r);
    assert_int_equal(rv_explain_evidence(&r, &e, good, bad, &params, &err), RV_OK);
    assert_int_equal(r.unread, r.simulated);
    const rv_explanation *best = rv_explained_choice(&r);
    assert_false(score_of(best, "simulation", "correlation")->defined);
    assert_true(score_of(best, "detection", "answered")->value == 0);
    assert_false(score_of(best, "detection", "accuracy")->defined);
    assert_false(score_of(best, "rating", "expected")->defined);
    rv_explained_release(&r);
    rv_chat_close(good);
    rv_chat_close(bad);
    rv_evidence_release(&e);
}

static void evidence_that_cannot_be_scored_is_refused(void **state)
{
    (void)state;
    oracle o = {.answers = guesses, .answer_count = 5};
    rv_chat *chat = chat_with(&o, &probing, NULL);
    rv_explain_plan params = rv_explain_plan_default();
    rv_explained r;
    rv_error err;
    rv_evidence e = evidence_of(false);
    params.from_corpus = false;
    assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "expected dreams"));
    params.from_corpus = true;
    e.top.items[3].activations[2] = NAN;
    assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, &err), RV_ERR_NUMERIC);
    rv_evidence_release(&e);
    e = rv_evidence_empty();
    assert_int_equal(rv_explain_evidence(&r, &e, chat, chat, &params, &err), RV_ERR_USAGE);
    assert_int_equal(o.questions, 0);
    rv_chat_close(chat);
}

static void count_text(void *context, const char *text)
{
    (void)text;
    ++*(size_t *)context;
}

static void a_dry_run_goes_the_whole_way(void **state)
{
    (void)state;
    size_t shown = 0;
    rv_chat_options options = rv_chat_options_default();
    options.dry_run = true;
    options.show = count_text;
    options.show_context = &shown;
    oracle o = {.answers = guesses, .answer_count = 5};
    for (int way = 0; way < 2; way++) {
        rv_evidence e = evidence_of(true);
        rv_chat *chat = chat_with(&o, way ? &writing : &probing, &options);
        rv_explain_plan params = rv_explain_plan_default();
        rv_explained r;
        rv_error err;
        if (rv_explain_evidence(&r, &e, chat, chat, &params, &err) != RV_OK)
            fail_msg("%s", err.message);
        assert_true(r.complete);
        assert_true(shown > 40);
        assert_int_equal(o.questions, 0);
        rv_explained_release(&r);
        rv_chat_close(chat);
        rv_evidence_release(&e);
    }
}

/* ---- details --------------------------------------------------------------------------------- */
static void numbers_in_two_tokens_are_followed(void **state)
{
    (void)state;
    rv_chat_alternative first[] = {
        {(char *)" 1", log(0.5)}, {(char *)"0", log(0.3)}, {(char *)"x", log(0.2)}};
    rv_chat_alternative second[] = {{(char *)"0", log(0.75)}, {(char *)"\n", log(0.25)}};
    rv_chat_token tokens[] = {{0, 2, 0, NULL, 0}, {2, 1, 0, first, 3}, {3, 1, 0, second, 2}};
    rv_chat_answer answer = {.text = (char *)"a\t10", .tokens = tokens, .token_count = 3};
    double p[11], out[11];
    assert_true(rv_number_logprobs(out, 0, 10, &answer, 2));
    assert_true(rv_renormalise(p, out, 11));
    assert_true(fabs(p[0] - 0.3 / 0.8) < 1e-9);
    assert_true(fabs(p[1] - 0.5 * 0.25 / 0.8) < 1e-9);
    assert_true(fabs(p[10] - 0.5 * 0.75 / 0.8) < 1e-9);
    assert_false(rv_number_logprobs(out, 0, 10, &answer, 0)); // no alternatives there
    assert_false(rv_number_logprobs(out, 0, 10, &answer, 9)); // no such place
}

static void exams_hold_right_and_wrong(void **state)
{
    (void)state;
    rv_evidence e = evidence_of(false);
    rv_splits s;
    assert_int_equal(rv_split_records(&s, &e.top, &e.random, 5, NULL), RV_OK);
    rv_exam exam;
    assert_int_equal(rv_exam_detect(&exam, &s.test, 5.5, 1, NULL), RV_OK);
    size_t yes = 0, changes = 0;
    for (size_t i = 0; i < exam.count; i++) {
        yes += exam.truths[i];
        changes += i && exam.truths[i] != exam.truths[i - 1];
    }
    assert_int_equal(exam.count, 10);
    assert_int_equal(yes, 5);
    assert_true(changes > 1); // they come mixed
    rv_exam_release(&exam);
    assert_int_equal(rv_exam_fuzz(&exam, &s.test, 5.5, 1, NULL), RV_OK);
    assert_int_equal(exam.count, 10);
    for (size_t i = 0; i < exam.count; i++) {
        const char *text = exam.texts[i];
        assert_int_equal(holds(text, text + strlen(text), colours, true), exam.truths[i]);
    }
    rv_exam_release(&exam);
    rv_splits_release(&s);
    rv_evidence_release(&e);
}

static void runs_become_evidence(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"type\":\"run\",\"v\":1,\"id\":\"0011223344556677\",\"target\":{\"name\":\"L1.N2\","
        "\"sign\":-1},"
        "\"method\":\"reverie\",\"seed\":1,\"budget\":1,\"model\":{\"name\":\"tiny\"}}\n"
        "{\"type\":\"dream\",\"v\":1,\"text\":\"a b\",\"tokens\":[{\"id\":1,\"text\":\"a\"},"
        "{\"id\":2,\"text\":\" "
        "b\",\"value\":-3}],\"activation\":3,\"cross_entropy\":4,\"headline\":true,"
        "\"method\":\"reverie\",\"seed\":1}\n"
        "{\"type\":\"dream\",\"v\":1,\"text\":\"a c\",\"tokens\":[{\"id\":1,\"text\":\"a\"},"
        "{\"id\":3,\"text\":\" c\",\"value\":-9}],\"activation\":9,\"cross_entropy\":9,"
        "\"method\":\"reverie\",\"seed\":1}\n"
        "{\"type\":\"example\",\"v\":1,\"kind\":\"top\",\"tokens\":[{\"id\":1,\"text\":\"a\","
        "\"value\":1},"
        "{\"id\":2,\"text\":\" b\",\"value\":-2}],\"activation\":2}\n"
        "{\"type\":\"example\",\"v\":1,\"kind\":\"top\",\"tokens\":[{\"id\":4,\"text\":\"d\","
        "\"value\":-5}],\"activation\":5}\n"
        "{\"type\":\"example\",\"v\":1,\"kind\":\"top\",\"tokens\":[{\"id\":1,\"text\":\"a\","
        "\"value\":1},"
        "{\"id\":2,\"text\":\" b\",\"value\":-2}],\"activation\":2}\n"
        "{\"type\":\"example\",\"v\":1,\"kind\":\"random\",\"tokens\":[{\"id\":1,\"text\":"
        "\"a\",\"value\":1},"
        "{\"id\":9,\"text\":\" z\"}],\"activation\":2}\n"
        "{\"type\":\"example\",\"v\":1,\"kind\":\"quantile\",\"quantile\":\"0.9-0.99\","
        "\"tokens\":"
        "[{\"id\":1,\"text\":\"a\",\"value\":-1}],\"activation\":1}\n"
        "{\"type\":\"example\",\"v\":1,\"kind\":\"quantile\",\"quantile\":\"0.99-1\","
        "\"tokens\":"
        "[{\"id\":1,\"text\":\"a\",\"value\":-2}],\"activation\":2}\n"
        "{\"type\":\"attribution\",\"v\":1,\"text\":\"a b\",\"activation\":3,\"tokens\":["
        "{\"id\":1,\"text\":\"a\",\"best\":{\"text\":\"e\",\"id\":5,\"activation\":2.9,"
        "\"drop\":0.1}},"
        "{\"id\":2,\"text\":\" b\",\"best\":{\"text\":\" "
        "f\",\"id\":6,\"activation\":0.5,\"drop\":2.5}}]}\n";
    rv_runs runs = {0};
    rv_error err;
    rv_evidence e = rv_evidence_empty();
    if (rv_runs_parse(&runs, lines, sizeof lines - 1, "run", &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(rv_evidence_add_run(&e, &runs.items[0], true, &err), RV_OK);
    assert_int_equal(e.dreams.count, 1); // the headline, not the unreadable one
    assert_true(e.dreams.items[0].activations[0] == 0);
    assert_true(e.dreams.items[0].activations[1] == 3);
    assert_int_equal(e.top.count, 2);
    assert_string_equal(e.top.items[0].tokens[0], "d");
    assert_true(e.top.items[1].activations[0] == -1);
    assert_int_equal(e.random.count, 0); // a value is missing
    assert_int_equal(e.quantile_count, 2);
    assert_true(e.quantiles[1].items[0].activations[0] == 2);
    assert_int_equal(e.pairs.count, 1);
    assert_string_equal(e.pairs.items[0].before, "a");
    assert_string_equal(e.pairs.items[0].replacement, " f");
    rv_evidence_release(&e);
    rv_runs_release(&runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_explanation_wins_by_every_way),
        cmocka_unit_test(wrong_explanations_score_low_by_every_scorer),
        cmocka_unit_test(the_second_round_repairs),
        cmocka_unit_test(failures_are_the_worst_texts),
        cmocka_unit_test(the_same_seed_gives_the_same_lines),
        cmocka_unit_test(what_was_found_survives_trouble),
        cmocka_unit_test(a_spent_budget_keeps_what_was_bought),
        cmocka_unit_test(the_user_can_stop),
        cmocka_unit_test(a_model_that_says_nothing_is_told),
        cmocka_unit_test(evidence_that_cannot_be_scored_is_refused),
        cmocka_unit_test(a_dry_run_goes_the_whole_way),
        cmocka_unit_test(numbers_in_two_tokens_are_followed),
        cmocka_unit_test(exams_hold_right_and_wrong),
        cmocka_unit_test(runs_become_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
