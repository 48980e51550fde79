/* Dreams of whole sentences of a tiny model whose tokens are words. */
#include "tiny_model.h"

#include <jansson.h>
#include <math.h>

#include "corpus/sentence.h"

static const char *const WORDS[] = {" hen", " sea", " the", " an", " tan", " heat"};
enum { WORD_COUNT = sizeof WORDS / sizeof *WORDS };

/* Letters, and what they are merged to. */
static void write_tokenizer(void)
{
    static const char *const tokens[] = {"h",    "e",    "n",    "s",   "a",    "t",    "T",
                                         "\\n",  " ",    ".",    "he",  "hen",  "th",   "the",
                                         "The",  "se",   "sea",  "an",  "tan",  "at",   "heat",
                                         " hen", " sea", " the", " an", " tan", " heat"};
    static const char *const merges[][2] = {
        {"h", "e"},   {"t", "he"}, {"T", "he"},  {"he", "n"},  {"s", "e"},   {"se", "a"},
        {"a", "n"},   {"t", "an"}, {"a", "t"},   {"he", "at"}, {" ", "hen"}, {" ", "sea"},
        {" ", "the"}, {" ", "an"}, {" ", "tan"}, {" ", "heat"}};
    rv_text t = {0};
    rv_text_puts(&t,
                 "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
                 "\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":{\"type\":"
                 "\"Fuse\"},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                 "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                 "\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{");
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        rv_text_printf(&t, "%s\"%s\":%zu", i ? "," : "", tokens[i], i);
    rv_text_puts(&t, "},\"merges\":[");
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
        rv_text_printf(&t, "%s[\"%s\",\"%s\"]", i ? "," : "", merges[i][0], merges[i][1]);
    rv_text_puts(&t, "]}}");
    tiny_write("tokenizer.json", t.bytes, t.length);
    rv_text_release(&t);
}

static void write_corpus(const char *name, const char *end)
{
    rv_text t = {0};
    rv_random random = rv_random_stream(7, 0, 0);
    for (size_t i = 0; i < 120; i++) {
        rv_text_puts(&t, "The");
        for (size_t w = 0, n = 5 + rv_random_below(&random, 6); w < n; w++)
            rv_text_puts(&t, WORDS[rv_random_below(&random, WORD_COUNT)]);
        rv_text_puts(&t, end);
    }
    tiny_write(name, t.bytes, t.length);
    rv_text_release(&t);
}

static int make(void **state)
{
    int made = tiny_make(state);
    write_tokenizer();
    write_corpus("sentences.txt", ".\n");
    write_corpus("endless.txt", " ");
    return made;
}

static rv_dreams dream(rv_model *model, const char *file, uint64_t budget, const char *prefix)
{
    rv_dreams dreams;
    rv_error err;
    const char *corpus[] = {tiny_path(file)};
    rv_dream_params p = rv_dream_params_default();
    p.method = "sentence";
    p.budget = budget;
    p.least = p.most = 5;
    p.corpus = corpus, p.corpus_count = 1;
    p.prefix = prefix;
    if (rv_dream(&dreams, model, "L0.N3", &p, &err) != RV_OK) fail_msg("%s", err.message);
    return dreams;
}

/* The dreams of a run that are sentences; the number of notes. */
static json_t *sentences_of(const rv_dreams *dreams, size_t *notes)
{
    json_t *list = json_array();
    *notes = 0;
    for (const char *line = dreams->records, *end = line + dreams->length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        json_t *record = json_loadb(line, (size_t)(newline - line), JSON_ALLOW_NUL, NULL);
        *notes += strcmp(json_string_value(json_object_get(record, "type")), "note") == 0;
        if (json_object_get(record, "sentence")) json_array_append(list, record);
        json_decref(record);
        line = newline + 1;
    }
    return list;
}

static void every_chosen_one_is_a_sentence(void **state)
{
    (void)state;
    rv_model *model = tiny_open(1);
    rv_dreams dreams = dream(model, "sentences.txt", 20000, NULL);
    size_t notes, i, headlines = 0;
    json_t *list = sentences_of(&dreams, &notes), *record;
    assert_true(json_array_size(list) > 0);
    json_array_foreach(list, i, record)
    {
        const char *text = json_string_value(json_object_get(record, "text"));
        const json_t *sentence = json_object_get(record, "sentence"),
                     *tokens = json_object_get(record, "tokens");
        assert_int_equal(rv_sentence_check(text, strlen(text), NULL), RV_SENTENCE_WHOLE);
        assert_in_range(json_array_size(tokens), RV_SENTENCE_LEAST, RV_SENTENCE_MOST);
        assert_true(json_integer_value(json_object_get(sentence, "shared_words")) < 8);
        headlines += json_is_true(json_object_get(record, "headline"));
        size_t peak = (size_t)json_integer_value(json_object_get(sentence, "peak"));
        double raw = json_number_value(json_object_get(record, "raw"));
        for (size_t k = 0; k < json_array_size(tokens); k++) {
            double value =
                json_number_value(json_object_get(json_array_get(tokens, k), "value"));
            assert_true(value <= raw + 1e-6);
            if (k == peak) assert_true(fabs(value - raw) < 1e-3 * fabs(raw) + 1e-6);
        }
    }
    assert_int_equal(headlines, 1);
    json_decref(list);
    rv_dreams_release(&dreams);
    rv_model_close(model);
}

static void threads_and_a_kept_pool_change_nothing(void **state)
{
    (void)state;
    json_t *lists[2];
    for (int t = 1; t <= 2; t++) {
        size_t notes;
        rv_model *model = tiny_open(t);
        rv_dreams dreams = dream(model, "sentences.txt", 12000, NULL);
        lists[t - 1] = sentences_of(&dreams, &notes);
        rv_dreams_release(&dreams);
        rv_model_close(model);
    }
    assert_true(json_equal(lists[0], lists[1]));
    json_decref(lists[0]);
    json_decref(lists[1]);
}

static void where_none_is_found_it_is_said(void **state)
{
    (void)state;
    static const uint64_t budgets[] = {9000, 400};
    for (size_t i = 0; i < 2; i++) {
        size_t notes;
        rv_model *model = tiny_open(1);
        rv_dreams dreams = dream(model, "endless.txt", budgets[i], i ? "hen" : NULL);
        json_t *list = sentences_of(&dreams, &notes);
        assert_int_equal(json_array_size(list) + notes > 0, 1);
        json_decref(list);
        rv_dreams_release(&dreams);
        rv_model_close(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chosen_one_is_a_sentence),
        cmocka_unit_test(threads_and_a_kept_pool_change_nothing),
        cmocka_unit_test(where_none_is_found_it_is_said),
    };
    return cmocka_run_group_tests(tests, make, tiny_remove);
}
