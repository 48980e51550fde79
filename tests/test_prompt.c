/* What is asked of a language model shows the evidence and nothing that could be taken for
 * something else; what it answers is understood through chatter. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/answer.h"
#include "explain/lesson.h"
#include "explain/prompt.h"
#include "explain/thought.h"

static rv_activation_record record_of(const char *text)
{
    rv_activation_record record;
    assert_int_equal(rv_lesson_record(&record, text, NULL), RV_OK);
    return record;
}

static const char *last_of(const rv_conversation *prompt)
{
    return prompt->messages[prompt->count - 1].content;
}

static void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part)) fail_msg("'%s' is in:\n%s", part, text);
}

static void lessons_are_records(void **state)
{
    (void)state;
    assert_true(rv_lesson_count >= 2);
    for (size_t i = 0; i < rv_lesson_count; i++)
        for (size_t t = 0; t < RV_LESSON_TEXTS; t++) {
            rv_activation_record record = record_of(rv_lessons[i].texts[t]);
            assert_true(record.count >= 8);
            assert_true(rv_lessons[i].known_from[t] < record.count);
            assert_true(rv_record_maximum(&record) <= RV_LEVELS);
            for (size_t k = 0; k < record.count; k++) {
                assert_true(record.tokens[k][0] != '\0');
                assert_lacks(record.tokens[k], "^");
            }
            rv_activation_record_release(&record);
        }
}

static void pairs_show_every_token_rounded_down(void **state)
{
    (void)state;
    rv_activation_record a = record_of("The| cat^3.9| sat^8|"), b = record_of(" on| a| mat^4|");
    const rv_activation_record *corpus[] = {&a}, *dreams[] = {&b};
    rv_minimal_pair pair = {"the ", "cat", " sat", "dog", 4, 1};
    rv_shown shown = {.corpus = {corpus, 1},
                      .dreams = {dreams, 1},
                      .pairs = &(rv_minimal_pairs){&pair, 1, 1}};
    rv_conversation p = {0};
    assert_int_equal(rv_prompt_explain(&p, RV_STYLE_PAIRS, &shown, NULL), RV_OK);
    assert_holds(last_of(&p), "The\t0\n cat\t4\n sat\t10\n");
    assert_holds(last_of(&p), " on\t0\n a\t0\n mat\t10\n"); // a scale of its own
    assert_holds(last_of(&p), "in \"the [cat] sat\", replacing [cat] by [dog] leaves 25 %");
    assert_lacks(last_of(&p), "only the tokens"); // more than a fifth is active
    assert_string_equal(p.messages[0].role, "system");
    assert_string_equal(p.messages[1].role, "user");
    assert_string_equal(p.messages[2].role, "assistant");
    assert_string_equal(p.messages[p.count - 1].role, "user");
    double simulated[] = {9, 0.5, 0};
    rv_counterexample wrong = {&a, simulated};
    assert_int_equal(rv_prompt_revise(&p, "cats", &wrong, 1, 8, NULL), RV_OK);
    assert_string_equal(p.messages[p.count - 2].content, "cats");
    assert_holds(last_of(&p), "The\t0\t9\n cat\t4\t0\n sat\t10\t0\n");
    rv_conversation_release(&p);
    rv_activation_record_release(&a);
    rv_activation_record_release(&b);
}

static void sparse_texts_are_repeated_without_zeros(void **state)
{
    (void)state;
    rv_activation_record a = record_of("a| b| c| d| e| f| g^5| h|");
    const rv_activation_record *corpus[] = {&a};
    rv_shown shown = {.corpus = {corpus, 1}};
    rv_conversation p = {0};
    assert_int_equal(rv_prompt_explain(&p, RV_STYLE_PAIRS, &shown, NULL), RV_OK);
    const char *again = strstr(last_of(&p), "only the tokens");
    assert_non_null(again);
    assert_holds(again, "<text 1>\n g\t10\n</text>");
    rv_conversation_release(&p);
    rv_activation_record_release(&a);
}

static void weak_texts_share_the_scale(void **state)
{
    (void)state;
    rv_activation_record a = record_of("The| cat^8|"), b = record_of(" a| mat^2|");
    const rv_activation_record *corpus[] = {&a}, *quantiles[] = {&b};
    rv_shown shown = {.corpus = {corpus, 1}, .quantiles = {quantiles, 1}};
    for (rv_style style = RV_STYLE_PAIRS; style <= RV_STYLE_MAXIMA; style++) {
        rv_conversation p = {0};
        assert_int_equal(rv_prompt_explain(&p, style, &shown, NULL), RV_OK);
        const char *others = strstr(last_of(&p), "from its weakest responses");
        assert_non_null(others);
        assert_holds(others, style == RV_STYLE_PAIRS ? " mat\t2\n" : "1:  a mat\n");
        rv_conversation_release(&p);
    }
    rv_activation_record_release(&a);
    rv_activation_record_release(&b);
}

static void maxima_show_what_is_promoted(void **state)
{
    (void)state;
    rv_activation_record a = record_of("The| cat^8| sat^2.5| down|"),
                         b = record_of(" a| mat^4|");
    const rv_activation_record *corpus[] = {&a, &b};
    rv_token_weight weights[] = {{(char *)" purr", 2}, {(char *)"\n", 1}};
    rv_shown shown = {.corpus = {corpus, 2}, .promoted = &(rv_token_weights){weights, 2, 2}};
    rv_conversation p = {0};
    assert_int_equal(rv_prompt_explain(&p, RV_STYLE_MAXIMA, &shown, NULL), RV_OK);
    assert_holds(last_of(&p), "strongest token of each:\n cat\n mat\n");
    assert_holds(last_of(&p), "follows it:\n sat\n(nothing)\n");
    assert_holds(last_of(&p),
                 "1: The<< cat sat>> down\n    \" cat\" 10, \" sat\" 4\n"); // rounded up
    assert_holds(last_of(&p), "more likely:\n purr\n\\n\n");
    rv_conversation_release(&p);
    rv_activation_record_release(&a);
    rv_activation_record_release(&b);
}

static void no_token_poses_as_special_or_as_a_line(void **state)
{
    (void)state;
    rv_activation_record a = record_of("<|im_end|x|");
    rv_activation_record_set(&a, 0, "<|im_end|>\n\t", 12, 1, NULL);
    rv_conversation p = {0};
    rv_pieces pieces;
    assert_int_equal(rv_prompt_simulate(&p, &pieces, "<|im_start|>", &a, NULL), RV_OK);
    assert_string_equal(pieces.items[0], "< |im_end|>\\n\\t\t");
    assert_lacks(last_of(&p), "<|");
    rv_conversation_release(&p);
    rv_pieces_release(&pieces);
    char *text = rv_record_text(&a, NULL);
    assert_lacks(text, "<|");
    assert_lacks(text, "\n");
    free(text);
    rv_activation_record_release(&a);
}

static void simulation_asks_for_every_token_once(void **state)
{
    (void)state;
    rv_activation_record a = record_of("The| cat^3| sat|");
    rv_conversation p = {0};
    rv_pieces pieces;
    assert_int_equal(rv_prompt_simulate(&p, &pieces, "cats", &a, NULL), RV_OK);
    assert_int_equal(pieces.count, 3);
    assert_string_equal(pieces.items[0], "The\t");
    assert_string_equal(pieces.items[1], "unknown\n cat\t");
    assert_holds(last_of(&p), "fires on: cats");
    assert_lacks(last_of(&p), "3"); // the truth is not told
    rv_conversation_release(&p);
    rv_pieces_release(&pieces);
    assert_int_equal(rv_prompt_simulate_text(&p, "", &a, NULL), RV_OK);
    assert_holds(last_of(&p), "Its 3 tokens: [The] [ cat] [ sat]\n");
    assert_holds(last_of(&p), "nothing is known");
    rv_conversation_release(&p);
    rv_activation_record_release(&a);
}

static void judges_see_marked_texts(void **state)
{
    (void)state;
    rv_activation_record a = record_of("The| cat^10| sat^4| on| the| mat|");
    bool marked[6];
    assert_int_equal(rv_mark_active(marked, &a, 10), 2);
    char *text = rv_record_text(&a, marked);
    assert_string_equal(text, "The<< cat sat>> on the mat");
    rv_conversation p = {0};
    assert_int_equal(rv_prompt_fuzz(&p, "cats", &text, 1, NULL), RV_OK);
    assert_holds(last_of(&p), "Explanation: cats\n\n1: The<< cat sat>> on the mat\n");
    rv_conversation_release(&p);
    free(text);
    size_t times[6] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        rv_random random = rv_random_stream(seed, 0, 0);
        assert_int_equal(rv_mark_quiet(marked, &a, 10, 2, &random), 2);
        for (size_t i = 0; i < 6; i++) times[i] += marked[i];
    }
    assert_int_equal(times[1] + times[2], 0);
    for (size_t i = 0; i < 6; i++)
        if (i != 1 && i != 2)
            assert_in_range(times[i], 150, 250); // each of four, half the time
    rv_random random = rv_random_stream(1, 0, 0);
    assert_int_equal(rv_mark_quiet(marked, &a, 10, 9, &random), 4);
    rv_activation_record_release(&a);
}

/* ---- answers --------------------------------------------------------------------------------- */
static void explanations_are_found_in_chatter(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *phrase;
    } cases[] = {
        {"words about rivers", "words about rivers"},
        {"  \"Words about rivers.\"  ", "Words about rivers"},
        {"This neuron fires on words about rivers.\n\nBecause ...", "words about rivers"},
        {"Sure! Here is the phrase:\n\n**words about rivers**", "words about rivers"},
        {"```\nwords about rivers\n```", "words about rivers"},
        {"```text\nExplanation: words about rivers\n```", "words about rivers"},
        {"<answer>words about rivers</answer>", "words about rivers"},
        {"1. words about rivers\n2. boats", "words about rivers"},
        {"- the neuron activates for: words about rivers;", "words about rivers"},
        {"\xe2\x80\x9cwords about rivers\xe2\x80\x9d", "words about rivers"},
        {"say \"the\"", "say \"the\""},
        {"words about rivers. Next, there are some sentences", "words about rivers"},
        {"the U.S. Army and Mt. Fuji", "the U.S. Army and Mt. Fuji"},
        {"explanations of physics", "explanations of physics"},
        {"answers to questions", "answers to questions"},
        {"The phrase:", "The phrase"},
        {"words\tabout   rivers", "words about rivers"},
        {"1984 and other years", "1984 and other years"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_error err;
        char *phrase = rv_answer_explanation(cases[i].answer, &err);
        assert_non_null(phrase);
        assert_string_equal(phrase, cases[i].phrase);
        free(phrase);
    }
    rv_error err;
    static const char *const empty[] = {"", "  \n\n", "```\n```", "\"\""};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        assert_null(rv_answer_explanation(empty[i], &err));
        assert_int_equal(err.status, RV_ERR_FORMAT);
    }
    char *long_answer = malloc(2001);
    memset(long_answer, 'a', 2000);
    long_answer[2000] = '\0';
    char *phrase = rv_answer_explanation(long_answer, &err);
    assert_int_equal(strlen(phrase), RV_EXPLANATION_LIMIT);
    free(phrase);
    free(long_answer);
}

static void thoughts_are_told_from_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *answer;
        bool thought;
    } cases[] = {
        {"words about rivers", "words about rivers", false},
        {"", "", false},
        {"a < b > c [1, 0] <b>think</b>", "a < b > c [1, 0] <b>think</b>", false},
        {"<think>maybe 1. cats\nno</think>\n\nrivers", "\n\nrivers", true},
        {"maybe cats\n</think>rivers", "rivers", true}, // the template wrote the opening one
        {"<think>a <think> b</think> c</think>rivers", "rivers", true},
        {"<think></think>", "", true},
        {"<think>\nOkay, the user wants", "", true},
        {" \n<think>\nOkay", " \n", true},
        {"<think>a</think>\n<think>b", "\n", true},
        {"rivers\n<think>or not", "rivers\n", true},
        {"<THINKING>a</THINKING>rivers", "rivers", true},
        {"<thinking effort=\"low\">a</thinking>rivers", "rivers", true},
        {"<thought>a</thought>rivers", "rivers", true},
        {"<reasoning>a</reasoning>rivers", "rivers", true},
        {"<reflection>a</reflection>rivers", "rivers", true},
        {"<seed:think>a</seed:think>rivers", "rivers", true},
        {"[THINK]a[/THINK]rivers", "rivers", true},
        {"[THINK]a", "", true},
        {"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>"
         "rivers",
         "rivers", true},
        {"<|channel|>analysis<|message|>a", "", true},
        {"analysisWe need a phrase.assistantfinalrivers", "rivers", true},
        {"<|START_THINKING|>a<|END_THINKING|>rivers", "rivers", true},
        {"\xe2\x97\x81think\xe2\x96\xb7"
         "a\xe2\x97\x81/think\xe2\x96\xb7rivers",
         "rivers", true},
        {"Here is my thought process:\na\nHere is my response:\nrivers", "\nrivers", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t start, end, length = strlen(cases[i].answer);
        assert_int_equal(rv_thoughts_skip(&start, &end, cases[i].text), cases[i].thought);
        if (end - start != length ||
            memcmp(cases[i].text + start, cases[i].answer, length) != 0)
            fail_msg("%s: found '%.*s'", cases[i].text, (int)(end - start),
                     cases[i].text + start);
    }
}

static void levels_are_found_by_their_numbers(void **state)
{
    (void)state;
    rv_found f[4];
    assert_int_equal(rv_answer_levels(f, 4, "1\tThe\t0\n2\t cat\t10\n3\t 1986\t3.5\n4\t.\t0\n"),
                     4);
    assert_true(f[0].value == 0 && f[1].value == 10 && f[2].value == 3.5 && f[3].value == 0);
    const char *chatter =
        "Here you go:\n```\n2: cat -> 7\n**1**\tThe\t**4**\n2: cat -> 9\n```\nDone";
    assert_int_equal(rv_answer_levels(f, 4, chatter), 2);
    assert_true(f[0].value == 4 && f[1].value == 7 && isnan(f[2].value));
    assert_int_equal(chatter[f[1].at], '7');
    assert_int_equal(rv_answer_levels(f, 4, "1 a 11\n2 b -3\n3 c x\n5 e 1\n0 z 1\n4 d 1e9"), 0);
    assert_int_equal(
        rv_answer_levels(f, 4, "1 a 99999999999999999999\n99999999999999999999 b 1"), 0);
    assert_int_equal(rv_answer_levels(f, 4, "I cannot do that."), 0);
    assert_int_equal(rv_answer_levels(f, 4, ""), 0);
}

static void verdicts_are_found_in_lines_and_lists(void **state)
{
    (void)state;
    rv_found f[3];
    assert_int_equal(rv_answer_verdicts(f, 3, "1: 1\n2: 0\n3: 1"), 3);
    assert_true(f[0].value == 1 && f[1].value == 0 && f[2].value == 1);
    assert_int_equal(rv_answer_verdicts(f, 3, "Text 1 - Yes\nText 3 - No, because 2 is one"),
                     2);
    assert_true(f[0].value == 1 && isnan(f[1].value) && f[2].value == 0);
    const char *list = "The answer is [1, 0,1].";
    assert_int_equal(rv_answer_verdicts(f, 3, list), 3);
    assert_int_equal(list[f[1].at], '0');
    assert_int_equal(rv_answer_verdicts(f, 3, "[true, false, true]"), 3);
    assert_int_equal(rv_answer_verdicts(f, 3, "[1, 0]"), 0);
    assert_int_equal(rv_answer_verdicts(f, 3, "[1, 0, 1, 1]"), 0);
    assert_int_equal(rv_answer_verdicts(f, 3, "1: maybe\n2: nobody\n3: 10"), 0);
}

static void ratings_are_numbers_that_stand_alone(void **state)
{
    (void)state;
    rv_found f;
    assert_true(rv_answer_rating(&f, 5, "4") && f.value == 4 && f.at == 0);
    assert_true(rv_answer_rating(&f, 5, "Rating: 3/5") && f.value == 3);
    assert_true(rv_answer_rating(&f, 5, "I give it a **2**.") && f.value == 2);
    assert_false(rv_answer_rating(&f, 5, "-3, 2nd, 3.5, 17, 0"));
    assert_false(rv_answer_rating(&f, 5, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lessons_are_records),
        cmocka_unit_test(pairs_show_every_token_rounded_down),
        cmocka_unit_test(sparse_texts_are_repeated_without_zeros),
        cmocka_unit_test(weak_texts_share_the_scale),
        cmocka_unit_test(maxima_show_what_is_promoted),
        cmocka_unit_test(no_token_poses_as_special_or_as_a_line),
        cmocka_unit_test(simulation_asks_for_every_token_once),
        cmocka_unit_test(judges_see_marked_texts),
        cmocka_unit_test(explanations_are_found_in_chatter),
        cmocka_unit_test(thoughts_are_told_from_answers),
        cmocka_unit_test(levels_are_found_by_their_numbers),
        cmocka_unit_test(verdicts_are_found_in_lines_and_lists),
        cmocka_unit_test(ratings_are_numbers_that_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
