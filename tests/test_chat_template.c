/* Chat templates against what transformers renders (tests/fixtures/chat_templates, made by
 * tools/make_golden_chat_templates.py), and templates that mean harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "template/chat.h"

static char folder[] = "/tmp/reverie-test-XXXXXX";
static char template_path[64], tokenizer_path[64];

static int make_folder(void **state)
{
    (void)state;
    static const char tokenizer[] =
        "{\"model\":{\"vocab\":{\"a\":0,\"<s>\":1,\"</s>\":2},\"merges\":[]}}";
    rv_error err;
    if (!mkdtemp(folder)) return -1;
    snprintf(template_path, sizeof template_path, "%s/chat_template.jinja", folder);
    snprintf(tokenizer_path, sizeof tokenizer_path, "%s/tokenizer.json", folder);
    return (int)rv_write_file(tokenizer_path, tokenizer, sizeof tokenizer - 1, &err);
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(template_path);
    unlink(tokenizer_path);
    return rmdir(folder);
}

static rv_tokenizer *open_with(const char *template)
{
    rv_tokenizer *tok;
    rv_error err;
    assert_int_equal(rv_write_file(template_path, template, strlen(template), &err), RV_OK);
    if (rv_tokenizer_open(&tok, folder, NULL, &err) != RV_OK) fail_msg("%s", err.message);
    return tok;
}

enum { MOST_MESSAGES = 8 };

static size_t read_messages(rv_chat_message *messages, const json_t *conversation)
{
    size_t i;
    const json_t *message;
    assert_true(json_array_size(conversation) <= MOST_MESSAGES);
    json_array_foreach(conversation, i, message)
    {
        messages[i].role = json_string_value(json_array_get(message, 0));
        messages[i].content = json_string_value(json_array_get(message, 1));
    }
    return json_array_size(conversation);
}

static int check_rendering(const rv_tokenizer *tok, const char *name,
                           const json_t *conversations, const json_t *rendering)
{
    rv_chat_message messages[MOST_MESSAGES];
    size_t which = (size_t)json_integer_value(json_object_get(rendering, "conversation"));
    size_t count = read_messages(messages, json_array_get(conversations, which));
    bool prompt = json_is_true(json_object_get(rendering, "prompt"));
    const json_t *text = json_object_get(rendering, "text");
    rv_text out = {0};
    rv_error err = {0};
    rv_text_puts(&out, "before");
    rv_status status = rv_chat_render(tok, messages, count, prompt, &out, &err);
    bool same;
    if (json_is_null(text)) { // refused there, refused here
        same = status != RV_OK && out.length == 6 && strstr(err.message, "chat template: ");
    } else {
        same = status == RV_OK && out.length == 6 + json_string_length(text) &&
               memcmp(out.bytes + 6, json_string_value(text), out.length - 6) == 0;
    }
    if (!same)
        printf("%s, conversation %zu, prompt %d:\n  expected \"%s\"\n  found    \"%s\"\n", name,
               which, prompt, json_is_null(text) ? "(refused)" : json_string_value(text),
               status == RV_OK ? out.bytes + 6 : err.message);
    rv_text_release(&out);
    return !same;
}

static void templates_render_as_the_reference_does(void **state)
{
    (void)state;
    json_t *golden = json_load_file("tests/fixtures/chat_templates/rendered.json", 0, NULL);
    assert_non_null(golden);
    const json_t *conversations = json_object_get(golden, "conversations"), *entry, *rendering;
    int failures = 0;
    size_t i, k, checked = 0;
    json_array_foreach(json_object_get(golden, "templates"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        rv_tokenizer *tok = open_with(json_string_value(json_object_get(entry, "template")));
        json_array_foreach(json_object_get(entry, "rendered"), k, rendering)
        {
            failures += check_rendering(tok, name, conversations, rendering);
            checked++;
        }
        rv_tokenizer_close(tok);
    }
    json_decref(golden);
    assert_true(checked > 200);
    assert_int_equal(failures, 0);
}

static rv_status render(const char *template, rv_text *out, rv_error *err)
{
    const rv_chat_message hello = {"user", "Hello"};
    rv_tokenizer *tok = open_with(template);
    rv_status status = rv_chat_render(tok, &hello, 1, true, out, err);
    rv_tokenizer_close(tok);
    return status;
}

static void assert_refused(const char *template, rv_status status, const char *says)
{
    rv_text out = {0};
    rv_error err = {0};
    assert_int_equal(render(template, &out, &err), status);
    if (!strstr(err.message, says)) fail_msg("expected \"%s\" in: %s", says, err.message);
    rv_text_release(&out);
}

static void what_is_not_known_is_named(void **state)
{
    (void)state;
    assert_refused("\n{% include 'x' %}", RV_ERR_UNSUPPORTED, "line 2: statement \"include\"");
    assert_refused("{{ 1 | wordwrap }}", RV_ERR_UNSUPPORTED, "filter \"wordwrap\"");
    assert_refused("{{ 1 is nothing }}", RV_ERR_UNSUPPORTED, "test \"nothing\"");
    assert_refused("{{ 'a'.encode() }}", RV_ERR_UNSUPPORTED, "\"encode\" of strings");
    assert_refused("{{ 9223372036854775807 + 1 }}", RV_ERR_UNSUPPORTED, "too big");
    assert_refused("{{ [1] | map('string') }}", RV_ERR_UNSUPPORTED, "printing");
    assert_refused("{{ [1].append(2) }}", RV_ERR_FORMAT, "append would change a list");
    assert_refused("{{ raise_exception('No system role.') }}", RV_ERR_USAGE, "No system role.");
}

static void templates_that_mean_harm_end_soon(void **state)
{
    (void)state;
    assert_refused(
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        RV_ERR_UNSUPPORTED, "");
    assert_refused("{% for i in range(999999999) %}{% endfor %}", RV_ERR_UNSUPPORTED, "range");
    assert_refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", RV_ERR_UNSUPPORTED,
                   "deep");
    assert_refused("{% set ns = namespace(s='0123456789') %}{% for i in range(99) %}"
                   "{% set ns.s = ns.s + ns.s %}{% endfor %}",
                   RV_ERR_UNSUPPORTED, "bytes of memory");
    assert_refused("{% set ns = namespace(s='x') %}{% set ns.n = ns %}{{ ns }}",
                   RV_ERR_UNSUPPORTED, "levels");
    // Work and memory that a few letters ask for.
#define DOUBLED                                                              \
    "{% set ns = namespace(a=[1], b=[1], s='ab') %}{% for i in range(40) %}" \
    "{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}"
#define LONG                                                         \
    "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(18) %}" \
    "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{% set s = ns.s %}"
    static const char *const bombs[] = {
        DOUBLED "{% endfor %}{{ ns.a == ns.b }}",
        DOUBLED "{% endfor %}{{ ns.a in [ns.b] }}",
        DOUBLED "{% endfor %}{{ ns.a < ns.b }}",
        DOUBLED "{% endfor %}{{ ns.a }}",
        DOUBLED "{% endfor %}{{ ns.a | tojson }}",
        DOUBLED "{% endfor %}{{ [ns.a, ns.b] | unique | list }}",
        DOUBLED "{% endfor %}{{ {(1, ns.a | string): 1} }}",
        LONG "{{ s | replace('a', s) }}",
        LONG "{{ s.replace('a', s) }}",
        LONG "{{ s | replace('', s) }}",
        LONG "{{ s * 1000000 }}",
        LONG "{{ s.join(s) }}",
        LONG "{{ s | join(s) }}",
        LONG "{{ s | list | sort }}",
        LONG "{{ s.split('a') | join(s) }}",
        LONG "{% for c in s %}{% for d in s %}{{ d }}{% endfor %}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s.startswith(s) }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s in s }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s == s ~ 'b' }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s | length }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s[-1] }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s.strip('a') }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s.rfind('b' ~ s[:9]) }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s | upper }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ '%s' % s }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s | e }}{% endfor %}",
        LONG "{% for i in range(99999) %}{{ s | wordcount }}{% endfor %}",
        "{{ 'a' * 9999999999 }}",
        "{{ [1] * 9999999999 }}",
        "{{ 'a'.center(9999999999) }}",
        "{{ 'a' | center(9999999999) }}",
        "{{ '\\t'.expandtabs(9999999999) }}",
        "{{ 'a' | indent(9999999999, true) }}",
        "{{ [] | batch(2, 1) | list }}{{ [1] | batch(9999999999, 1) | list }}",
        "{{ [1] | slice(9999999999) | list }}",
        "{{ range(99999) | map('string') | join | replace('1', range(99999) | join) }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}"
        "{% set ns.l = ns.l + [i] %}{% endfor %}",
        "{% set ns = namespace(d={}) %}{% for i in range(99999) %}"
        "{% set ns.d = dict(ns.d, **{i | string: i}) %}{% endfor %}",
        "{% macro f(n) %}{{ f(n + 1) ~ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
        "{{ f(20) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for x in [1, 1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
        "{% set ns = namespace(n=2) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}"
        "{% endfor %}",
        "{{ 2 ** 99999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '{:999999999}'.format(1) }}",
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        clock_t start = clock();
        rv_text out = {0};
        rv_error err = {.message = ""};
        rv_status status = render(bombs[i], &out, &err);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (status == RV_ERR_MEMORY || seconds > 20 || out.length > 20000000)
            fail_msg("%s: %.1f s: %s", bombs[i], seconds, err.message);
        rv_text_release(&out);
    }
    char deep[2001];
    for (size_t i = 0; i < 1000; i++) {
        deep[2 + i] = '(';
        deep[1001 + i] = ')';
    }
    memcpy(deep, "{{", 2);
    deep[2000] = '\0';
    assert_refused(deep, RV_ERR_UNSUPPORTED, "levels");
}

static void the_date_is_today(void **state)
{
    (void)state;
    char expected[2][32];
    rv_text out = {0};
    rv_error err;
    // Twice, as midnight may fall in between.
    for (int i = 0; i < 2; i++) {
        time_t now = time(NULL);
        strftime(expected[i], sizeof expected[i], "%d %b %Y", localtime(&now));
        if (i == 0)
            assert_int_equal(render("{{ strftime_now('%d %b %Y') }}", &out, &err), RV_OK);
    }
    assert_true(strcmp(out.bytes, expected[0]) == 0 || strcmp(out.bytes, expected[1]) == 0);
    rv_text_release(&out);
}

static void a_model_without_a_template_says_so(void **state)
{
    (void)state;
    const rv_chat_message hello = {"user", "Hello"};
    rv_tokenizer *tok;
    rv_text out = {0};
    rv_error err;
    unlink(template_path);
    assert_int_equal(rv_tokenizer_open(&tok, folder, NULL, &err), RV_OK);
    assert_null(rv_tokenizer_chat_template(tok));
    assert_int_equal(rv_chat_render(tok, &hello, 1, true, &out, &err), RV_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "the model has none"));
    rv_tokenizer_close(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_render_as_the_reference_does),
        cmocka_unit_test(what_is_not_known_is_named),
        cmocka_unit_test(templates_that_mean_harm_end_soon),
        cmocka_unit_test(the_date_is_today),
        cmocka_unit_test(a_model_without_a_template_says_so),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
