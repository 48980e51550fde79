/* What a sentence is: the rule, the words, the sentences of a text. */
#include "corpus/sentence.h"
#include "golden.h"

static const struct {
    const char *text;
    rv_sentence_fault fault;
} cases[] = {
    {"She saw the little tree with the light.", RV_SENTENCE_WHOLE},
    {"\"Where are you going now?\"", RV_SENTENCE_WHOLE},
    {"“Stop that at once!” he said quietly.", RV_SENTENCE_WHOLE},
    {"Mr. Smith went to see Dr. J. K. Brown.", RV_SENTENCE_WHOLE},
    {"42 people came to the 3.5 hour show.", RV_SENTENCE_WHOLE},
    {"He said (and meant it) that it was so.", RV_SENTENCE_WHOLE},
    {"And so... we went home again.", RV_SENTENCE_WHOLE},
    {"Der Hund läuft über die Straße.", RV_SENTENCE_WHOLE},
    {"¿Dónde está la biblioteca de la ciudad?", RV_SENTENCE_WHOLE},
    {"Il était une fois une petite fille !", RV_SENTENCE_WHOLE},
    {"Собака бежит по улице домой.", RV_SENTENCE_WHOLE},
    {"今天天气很好我们去公园玩。", RV_SENTENCE_WHOLE},
    {"「今日はとても良い天気ですね。」", RV_SENTENCE_WHOLE},
    {"ذهب الولد إلى المدرسة في الصباح؟", RV_SENTENCE_WHOLE},
    {"वह लड़का हर दिन स्कूल जाता है।", RV_SENTENCE_WHOLE},
    {"She saw the \xff tree with the light.", RV_SENTENCE_ENCODING},
    {"She saw the \xef\xbf\xbd tree with the light.", RV_SENTENCE_ENCODING},
    {"She saw the tree\nwith the light.", RV_SENTENCE_SYMBOL},
    {"She saw the tree \x1b[31m with the light.", RV_SENTENCE_SYMBOL},
    {"She set x_max = 3 for the run.", RV_SENTENCE_SYMBOL},
    {"she saw the little tree with the light.", RV_SENTENCE_START},
    {", and she saw the little tree.", RV_SENTENCE_START},
    {"", RV_SENTENCE_START},
    {".", RV_SENTENCE_START},
    {"She saw the little tree with the light", RV_SENTENCE_END},
    {"She saw the little tree with Mr.", RV_SENTENCE_END},
    {"The name of the man was J.", RV_SENTENCE_END},
    {"It was the best year with a 1.", RV_SENTENCE_END},
    {"It was the best year since 1912.", RV_SENTENCE_WHOLE},
    {"She saw the tree. It was a little one.", RV_SENTENCE_INNER_END},
    {"Oh! How nice of you to come.", RV_SENTENCE_INNER_END},
    {"今天天气很好。我们去公园玩。", RV_SENTENCE_INNER_END},
    {"She saw the little tree .", RV_SENTENCE_SPACING},
    {"She saw  the little tree here.", RV_SENTENCE_SPACING},
    {"The term ' forces of nature is old.", RV_SENTENCE_SPACING},
    {"She saw ( the little tree) here.", RV_SENTENCE_SPACING},
    {"She saw (the little tree over here.", RV_SENTENCE_BALANCE},
    {"\"She saw the little tree over here.", RV_SENTENCE_BALANCE},
    {"St. 1795 978-0-485-28829-5.", RV_SENTENCE_WORDS},
    {"In 1795 to 1801, 1812 to 1823, 1834.", RV_SENTENCE_WORDS},
    {"Go home now.", RV_SENTENCE_WORDS},
};

static void every_case_has_its_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        rv_sentence_fault found = rv_sentence_check(text, strlen(text), NULL);
        if (found != cases[i].fault)
            fail_msg("\"%s\": expected: %s; found: %s", text,
                     rv_sentence_fault_text(cases[i].fault), rv_sentence_fault_text(found));
    }
}

/* No prefix of a text makes the rule read beyond it (for the sanitizers). */
static void any_bytes_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = strlen(cases[i].text);
        for (size_t n = 0; n <= length; n++) {
            char *copy = malloc(n ? n : 1);
            memcpy(copy, cases[i].text, n);
            rv_sentence_check(copy, n, NULL);
            free(copy);
        }
    }
}

static void a_word_must_be_known(void **state)
{
    (void)state;
    rv_words words = {0};
    rv_error err;
    const char *text = "She SAW the little tree’s light, and its owner O'Brien.";
    assert_int_equal(rv_words_read(&words, text, strlen(text), true, &err), RV_OK);
    assert_true(rv_words_hold(&words, "saw", 3));
    assert_true(rv_words_hold(&words, "Tree", 4));
    assert_true(rv_words_hold(&words, "o’brien", 9));
    assert_true(rv_words_hold(&words, "owner's", 7));
    assert_false(rv_words_hold(&words, "trees", 5));
    const char *known = "The owner saw her little tree.",
               *all = "The owner saw its little tree.";
    assert_int_equal(rv_sentence_check(known, strlen(known), &words), RV_SENTENCE_UNKNOWN);
    assert_int_equal(rv_sentence_check(all, strlen(all), &words), RV_SENTENCE_WHOLE);
    rv_words_release(&words);
}

static void copies_are_measured_within_a_sentence(void **state)
{
    (void)state;
    rv_words words = {0};
    rv_error err;
    const char *a = "One two three four five.", *b = "Six seven eight.",
               *same = "He said one two three, four six seven eight.";
    assert_int_equal(rv_words_read(&words, a, strlen(a), true, &err), RV_OK);
    assert_int_equal(rv_words_read(&words, b, strlen(b), true, &err), RV_OK);
    assert_int_equal(rv_words_shared_run(&words, same, strlen(same)), 4);
    const char *across = "Five six.";
    assert_int_equal(rv_words_shared_run(&words, across, strlen(across)), 1);
    rv_words_release(&words);
}

static void a_text_is_cut_into_sentences(void **state)
{
    (void)state;
    static const char text[] = "  One is here. “Two!” he said.\nThree\nFour? Five";
    static const char *const wanted[] = {"One is here.", "“Two!” he said.", "Three", "Four?",
                                         "Five"};
    size_t from = 0, start, end, count = 0;
    while (rv_sentence_next(text, strlen(text), &from, &start, &end)) {
        assert_true(count < 5);
        assert_int_equal(end - start, strlen(wanted[count]));
        assert_memory_equal(text + start, wanted[count], end - start);
        count++;
    }
    assert_int_equal(count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_has_its_fault),
        cmocka_unit_test(any_bytes_are_judged),
        cmocka_unit_test(a_word_must_be_known),
        cmocka_unit_test(copies_are_measured_within_a_sentence),
        cmocka_unit_test(a_text_is_cut_into_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
