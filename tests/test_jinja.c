/* Small templates, each a part of the language, against Jinja as transformers sets it up (tests/
 * fixtures/chat_templates/jinja.json, made by tools/make_golden_jinja.py). What Jinja refuses is
 * refused; what Jinja renders is rendered the same, or refused by name where it is listed here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "template/chat.h"
#include "tokenizer/internal.h"

static const rv_chat_message messages[] = {{"system", "Be brief."},
                                           {"user", " Hi <b>you</b> & \"all\"\n"},
                                           {"assistant", "Gr\xC3\xBC\xC3\x9F"
                                                         "e \xF0\x9F\x98\x80, it's\tme"}};

static rv_tokenizer *tok; /* its special tokens have names */

/* Says where it differs. RV_ERR_UNSUPPORTED is an honest answer, and counted. */
static bool agrees(const char *template, const json_t *text, size_t *unsupported)
{
    rv_text out = {0};
    rv_error err = {.message = ""};
    rv_status status = rv_template_render(template, tok, messages, 3, true, &out, &err);
    bool same = json_is_null(text)
                    ? status != RV_OK
                    : status == RV_OK && out.length == json_string_length(text) &&
                          (out.length == 0 ||
                           memcmp(out.bytes, json_string_value(text), out.length) == 0);
    bool honest = !json_is_null(text) && status == RV_ERR_UNSUPPORTED;
    *unsupported += honest;
    if (!same && !honest)
        print_error("%s\n  expected %s\n  found    %s\n", template,
                    json_is_null(text) ? "(refused)" : json_string_value(text),
                    status == RV_OK ? (out.bytes ? out.bytes : "") : err.message);
    rv_text_release(&out);
    return same || honest;
}

static void test_golden(void **state)
{
    (void)state;
    json_t *golden =
        json_load_file("tests/fixtures/chat_templates/jinja.json", JSON_ALLOW_NUL, NULL);
    const json_t *one;
    size_t i, bad = 0, unsupported = 0;
    assert_non_null(golden);
    json_array_foreach(golden, i, one) bad += !agrees(json_string_value(json_array_get(one, 0)),
                                                      json_array_get(one, 1), &unsupported);
    print_message("%zu templates, %zu not supported\n", i, unsupported);
    json_decref(golden);
    assert_true(i > 4000);
    assert_int_equal(bad, 0);
    assert_true(unsupported <= 60);
}

int main(void)
{
    static const char json[] =
        "{\"model\":{\"vocab\":{\"a\":0,\"<s>\":1,\"</s>\":2},\"merges\":[]}}";
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    if (rv_tokenizer_open_memory(&tok, json, sizeof json - 1, "test", NULL) != RV_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rv_tokenizer_close(tok);
    return failed;
}
