/* What dreams obey, and that their records say what is so. */

#include "dreams.h"

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
        if (rv_model_score(&score, model, text, strlen(text), &err) != RV_OK)
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

/* How many answers are kept that took work. */
static size_t answers_kept(void)
{
    static const char *const kinds[] = {"corpus", "fluency"};
    rv_store_params p = rv_store_params_default();
    rv_store_listing listing;
    rv_error err;
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        p.kind = kinds[i];
        if (rv_store_list(&listing, &p, &err) != RV_OK) fail_msg("%s", err.message);
        count += listing.count;
        rv_store_listing_release(&listing);
    }
    return count;
}

static void forget_answers(void)
{
    rv_store_params p = rv_store_params_default();
    rv_store_listing removed;
    rv_error err;
    p.all = true;
    if (rv_store_prune(&removed, &p, &err) != RV_OK) fail_msg("%s", err.message);
    rv_store_listing_release(&removed);
}

/* What is learned of the corpus's fluency serves every target, and changes nothing. */
static void fluency_is_learned_once(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    p.budget = 2000;
    forget_answers();
    char *first = dream_with(model, "L0.N11", &p);
    assert_int_equal(answers_kept(), 2); // the target's places, fluency
    char *second = dream_with(model, "L0.N12", &p);
    assert_int_equal(answers_kept(), 3);
    forget_answers();
    char *alone = dream_with(model, "L0.N12", &p);
    assert_string_equal(second, alone);
    p.least = p.most = 6;
    char *longer = dream_with(model, "L0.N12", &p);
    assert_int_equal(answers_kept(), 3);
    p.repetition = 1;
    char *otherwise = dream_with(model, "L0.N12", &p);
    assert_int_equal(answers_kept(), 4);
    free(first), free(second), free(alone), free(longer), free(otherwise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing_but_times),
        cmocka_unit_test(seeds_and_methods_differ),
        cmocka_unit_test(dreams_obey_their_options),
        cmocka_unit_test(fluency_is_learned_once),
        cmocka_unit_test(numbers_are_those_of_the_text),
        cmocka_unit_test(a_maximum_is_of_the_free_tokens),
        cmocka_unit_test(dreams_say_when_they_were_found),
        cmocka_unit_test(the_trajectory_keeps_texts_on_the_way),
        cmocka_unit_test(a_corpus_may_hold_any_bytes),
        cmocka_unit_test(a_model_can_be_its_own_corpus),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
