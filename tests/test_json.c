/* The reader of JSON from outside against Python's json.loads: what it takes, and as what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static json_t *parse(const char *text, size_t length)
{
    json_t *json;
    rv_error err = {.message = ""};
    rv_status status = rv_json_parse(&json, text, length, "file", &err);
    if (status != RV_OK) assert_non_null(strstr(err.message, "file: "));
    return json;
}

static json_t *parse_string(const char *text)
{
    return parse(text, strlen(text));
}

static void words_and_numbers_are_read_as_pythons_json_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"NaN", NAN},
        {"Infinity", INFINITY},
        {" -Infinity ", -INFINITY},
        {"1e999", INFINITY},
        {"-1E+400", -INFINITY},
        {"1e-999", 0},
        {"1.5e3", 1500},
        {"9223372036854775807", 0x1p63},
        {"9223372036854775808", 0x1p63},
        {"-9223372036854775808", -0x1p63},
        {"1000000000000000019884624838656", 1000000000000000019884624838656.},
        {"-123456789012345678901234567890", -123456789012345678901234567890.},
        {"0.30000000000000004", 0.1 + 0.2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = parse_string(cases[i].text);
        double value;
        assert_true(rv_json_number(&value, json));
        if (isnan(cases[i].value))
            assert_true(isnan(value));
        else
            assert_true(value == cases[i].value);
        json_decref(json);
    }
    json_t *whole = parse_string("[9223372036854775807, -9223372036854775807, 12]");
    assert_true(json_is_integer(json_array_get(whole, 0)));
    assert_true(json_integer_value(json_array_get(whole, 0)) == INT64_MAX);
    assert_true(json_integer_value(json_array_get(whole, 1)) == -INT64_MAX);
    json_decref(whole);
    char digits[420]; // an integer that no double holds
    memset(digits, '7', sizeof digits);
    json_t *large = parse(digits, sizeof digits);
    assert_string_equal(json_string_value(large), "Infinity");
    json_decref(large);
}

static void texts_keep_their_words(void **state)
{
    (void)state;
    json_t *json = parse_string("{\"NaN\": \"say \\\"NaN, -Infinity\\\" \\\\\", \"b\": NaN}");
    assert_string_equal(json_string_value(json_object_get(json, "NaN")),
                        "say \"NaN, -Infinity\" \\");
    assert_string_equal(json_string_value(json_object_get(json, "b")), "NaN");
    json_decref(json);
}

static void the_last_of_two_keys_counts(void **state)
{
    (void)state;
    json_t *json = parse_string("{\"a\": 1, \"b\": 2, \"a\": {\"c\": 3}}");
    assert_int_equal(json_object_size(json), 2);
    assert_true(json_is_object(json_object_get(json, "a")));
    json_decref(json);
}

static void nuls_stay_in_strings_and_keys(void **state)
{
    (void)state;
    json_t *json =
        parse_string("[{\"a\\u0000b\": \"x\\u0000\", \"\\u0000\": 2, \"\\\\u0000\": 3,"
                     "\"c\": [{\"\\u0000\\u0000\" :4}]}, \"\\u0000\"]");
    const json_t *object = json_array_get(json, 0);
    assert_int_equal(json_object_size(object), 4);
    json_t *text = json_object_getn(object, "a\0b", 3);
    assert_int_equal(json_string_length(text), 2);
    assert_memory_equal(json_string_value(text), "x\0", 2);
    assert_int_equal(json_integer_value(json_object_getn(object, "\0", 1)), 2);
    assert_int_equal(json_integer_value(json_object_get(object, "\\u0000")), 3);
    const json_t *inner = json_array_get(json_object_get(object, "c"), 0);
    assert_int_equal(json_integer_value(json_object_getn(inner, "\0\0", 2)), 4);
    assert_int_equal(json_string_length(json_array_get(json, 1)), 1);
    const char *key; // and the order is the file's
    size_t length, at = 0, lengths[] = {3, 1, 6, 1};
    json_t *value;
    json_object_keylen_foreach((json_t *)object, key, length, value)
        assert_int_equal(length, lengths[at++]);
    json_decref(json);
}

static void surrogates_that_are_no_pair_are_replaced(void **state)
{
    (void)state;
    json_t *json = parse_string("[\"\\ud83d\\ude00\", \"\\ud83d!\", \"\\uDE00\", "
                                "\"\\ud83d\\ud83d\\ude00\", \"\\ud83d\\\\u\"]");
    const char *expected[] = {"\xF0\x9F\x98\x80", "\xEF\xBF\xBD!", "\xEF\xBF\xBD",
                              "\xEF\xBF\xBD\xF0\x9F\x98\x80", "\xEF\xBF\xBD\\u"};
    assert_int_equal(json_array_size(json), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(json_string_value(json_array_get(json, i)), expected[i]);
    json_decref(json);
}

static void what_python_refuses_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "{",         "[1,]",        "{\"a\":1,}",
        "nan",       "inf",       "+Infinity",   "--1",
        "01",        "1.",        ".5",          "1e",
        "0x10",      "-",         "Infinit",     "NaNNaN",
        "NaN 1",     "[1] x",     "'a'",         "\"a\nb\"",
        "\"\\x41\"", "\"\\u00\"", "\"\\u123g\"", "\"\xff\"",
        "\"a",       "\"a\\",     "\"\\u",       "{1: 2}",
        "{\"a\" 1}", "-NaN",      "1Infinity",   "99999999999999999999x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_null(parse_string(bad[i]));
    json_t *json;
    rv_error err;
    assert_int_equal(rv_json_parse_object(&json, "[1]", 3, "f", &err), RV_ERR_FORMAT);
    assert_string_equal(err.message, "f: expected a JSON object, found a list");
    assert_null(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_numbers_are_read_as_pythons_json_reads_them),
        cmocka_unit_test(texts_keep_their_words),
        cmocka_unit_test(the_last_of_two_keys_counts),
        cmocka_unit_test(nuls_stay_in_strings_and_keys),
        cmocka_unit_test(surrogates_that_are_no_pair_are_replaced),
        cmocka_unit_test(what_python_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
