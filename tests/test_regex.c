/* Regular expressions against Oniguruma (tests/fixtures/regex.json, made by
 * tools/make_golden_regex.py), what is refused, and patterns that mean harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "tokenizer/pretokenize.h"
#include "tokenizer/unicode.h"

static json_t *golden;

/* The first character on which a set and Oniguruma differ, or -1. */
static long first_difference(const char *pattern, const char *sample, size_t length,
                             const char *expected)
{
    rv_regex *regex;
    rv_regex_scratch *scratch;
    rv_error err;
    if (rv_regex_compile(&regex, pattern, strlen(pattern), &err) != RV_OK)
        fail_msg("%s: %s", pattern, err.message);
    assert_int_equal(rv_regex_scratch_new(&scratch, &err), RV_OK);
    long different = -1;
    for (size_t at = 0, n, i = 0; at < length; at += n, i++) {
        long c = (long)rv_char_at(sample + at, &n);
        rv_regex_cursor cursor = {0};
        bool found;
        assert_int_equal(rv_regex_next(&found, regex, scratch, sample + at, n, &cursor, &err),
                         RV_OK);
        found = found && cursor.end == n;
        if (found != (expected[i] == '1') && different < 0) different = c;
    }
    rv_regex_scratch_free(scratch);
    rv_regex_free(regex);
    return different;
}

static void test_sets(void **state)
{
    (void)state;
    const json_t *sample = json_object_get(golden, "sample"), *expected;
    const char *pattern;
    int bad = 0;
    json_object_foreach(json_object_get(golden, "classes"), pattern, expected)
    {
        long c = first_difference(pattern, json_string_value(sample),
                                  json_string_length(sample), json_string_value(expected));
        if (c < 0) continue;
        print_error("%s: U+%04lX differs\n", pattern, c);
        bad++;
    }
    assert_int_equal(bad, 0);
    assert_true(json_object_size(json_object_get(golden, "classes")) > 150);
}

static rv_status push_piece(void *context, const char *word, size_t length, rv_error *err)
{
    (void)err;
    json_array_append_new(context, json_stringn(word, length));
    return RV_OK;
}

/* The pieces that splitting leaves; NULL where the pattern is refused or gives up. */
static json_t *cut(const char *pattern, size_t length, const json_t *text,
                   rv_split_behavior behavior, rv_error *err)
{
    rv_pretokenizer pre = {0};
    rv_pretokenize_work work = {0};
    json_t *pieces = json_array();
    rv_status status = rv_pretokenizer_add_regex(&pre, pattern, length, behavior, false, err);
    if (status == RV_OK) status = rv_pretokenize_work_init(&work, &pre, err);
    if (status == RV_OK)
        status = rv_pretokenize(&pre, &work, json_string_value(text), json_string_length(text),
                                true, push_piece, pieces, err);
    rv_pretokenize_work_release(&work);
    rv_pretokenizer_release(&pre);
    if (status == RV_OK) return pieces;
    json_decref(pieces);
    return NULL;
}

/* Whether pieces are as expected; the reference keeps an empty piece of an empty text. */
static bool agrees(const json_t *pattern, const json_t *text, const json_t *expected,
                   rv_split_behavior behavior)
{
    rv_error err = {.message = ""};
    json_t *pieces =
        cut(json_string_value(pattern), json_string_length(pattern), text, behavior, &err);
    bool equal = pieces && (json_equal(pieces, expected) || json_string_length(text) == 0);
    if (!equal) {
        char *found = json_dumps(pieces, JSON_ENCODE_ANY), *want = json_dumps(expected, 0);
        print_error("%s on \"%s\":\n  found    %s %s\n  expected %s\n",
                    json_string_value(pattern), json_string_value(text), found ? found : "",
                    err.message, want);
        free(found);
        free(want);
    }
    json_decref(pieces);
    return equal;
}

static void test_patterns(void **state)
{
    (void)state;
    const json_t *item, *one;
    size_t i, k;
    int bad = 0, checked = 0;
    json_array_foreach(json_object_get(golden, "patterns"), i, item)
    {
        const json_t *pattern = json_object_get(item, "pattern");
        json_array_foreach(json_object_get(item, "cases"), k, one)
        {
            const json_t *text = json_array_get(one, 0);
            bad += !agrees(pattern, text, json_array_get(one, 1), RV_SPLIT_ISOLATED);
            bad += !agrees(pattern, text, json_array_get(one, 2), RV_SPLIT_REMOVED);
            checked += 2;
        }
    }
    assert_int_equal(bad, 0);
    assert_true(checked > 1000);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *says;
    } cases[] = {
        {"(?~ab)", "group"},
        {"(*FAIL)", "group"},
        {"(?(1)a)", "group"},
        {"(?P<x>a)", "group"},
        {"(?s:.)", "group"},
        {"(?W:\\w)", "group"},
        {"(?{code})", "group"},
        {"\\X", "text segment"},
        {"\\y", "text segment"},
        {"\\p{Nonsense}", "Nonsense"},
        {"\\p{Xan}", "Xan"},
        {"\\p{L&}", "L&"},
        {"\\p{scx:Han}", "scx:Han"},
        {"\\pL", "property"},
        {"\\k<-1>", "reference"},
        {"\\M-a", "escape"},
        {"(", "close"},
        {")", "closes"},
        {"[a", "does not end"},
        {"[z-a]", "range"},
        {"[a-", "early"},
        {"*a", "repetition"},
        {"a\\", "backslash"},
        {"(?<=a+)b", "lookbehind"},
        {"\\x{110000}", "escape"},
        {"\\xC2", "UTF-8"},
        {"\xFF", "UTF-8"},
        {"(?#", "group"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rv_regex *regex;
        rv_error err;
        const char *p = cases[i].pattern;
        if (rv_regex_compile(&regex, p, strlen(p), &err) == RV_OK) fail_msg("%s: taken", p);
        if (!strstr(err.message, cases[i].says)) fail_msg("%s: %s", p, err.message);
    }
}

/* Each would take an hour or gigabytes; all end at once, with an answer or an error. */
static void test_harm(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(a*)*b",       "(a|a)*b", "(?:a?){60}a{60}b", "(a+)+$b", "(?<x>a\\g<x>?a?)*b",
        "(?:(?:a*)*)*b"};
    char text[5000];
    memset(text, 'a', sizeof text);
    json_t *json = json_stringn(text, sizeof text);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        rv_error err = {.message = ""};
        json_t *pieces = cut(patterns[i], strlen(patterns[i]), json, RV_SPLIT_ISOLATED, &err);
        if (!pieces && !strstr(err.message, "limit"))
            fail_msg("%s: %s", patterns[i], err.message);
        json_decref(pieces);
    }
    json_decref(json);
    // Matches far behind the start of a search, and \\G, which asks where it began.
    static const char *const far[] = {"b", "(?<=a{3})b", "\\Gb", "^b|b$", "(?=b)"};
    text[3000] = 'b';
    json = json_stringn(text, sizeof text);
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        rv_error err;
        json_t *pieces = cut(far[i], strlen(far[i]), json, RV_SPLIT_ISOLATED, &err);
        assert_non_null(pieces);
        static const size_t counts[] = {3, 3, 1, 1, 2};
        assert_int_equal(json_array_size(pieces), counts[i]);
        json_decref(pieces);
    }
    json_decref(json);
    char deep[3000];
    rv_regex *regex;
    rv_error err;
    for (size_t k = 0; k < 2; k++) {
        memset(deep, k ? '[' : '(', sizeof deep);
        assert_int_equal(rv_regex_compile(&regex, deep, sizeof deep, &err), RV_ERR_UNSUPPORTED);
    }
}

int main(void)
{
    golden = json_load_file("tests/fixtures/regex.json", JSON_ALLOW_NUL, NULL);
    if (!golden) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_harm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    return failed;
}
