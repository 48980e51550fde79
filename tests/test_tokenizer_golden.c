/* Ids and texts identical to those of Hugging Face's tokenizers, for a small tokenizer of every
 * pipeline and a nasty corpus; see tools/make_golden_tokenizers.py. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>

#include "tokenizer/unicode.h"
#include "tokenizer_golden.h"

#define FOLDER "tests/fixtures/tokenizer"

static bool decoded_agrees(const rv_tokenizer *tok, const rv_ids *ids, bool skip_special,
                           const rv_text *expected, const char *name, size_t at)
{
    rv_text decoded = {0}, valid = {0};
    rv_error err;
    rv_text_append(&decoded, "", 0);
    rv_text_append(&valid, "", 0);
    assert_int_equal(
        rv_tokenizer_decode(tok, ids->items, ids->count, skip_special, &decoded, &err), RV_OK);
    // The reference answers in characters, we in bytes.
    rv_utf8_replace_invalid(&valid, decoded.bytes, decoded.length);
    bool same = valid.length == expected->length &&
                memcmp(valid.bytes, expected->bytes, valid.length) == 0;
    if (!same)
        printf("%s, text %zu: decoded%s:\n  expected \"%s\"\n  found    \"%s\"\n", name, at,
               skip_special ? " without special tokens" : "", expected->bytes, valid.bytes);
    rv_text_release(&decoded);
    rv_text_release(&valid);
    return same;
}

static rv_ids encode(const rv_tokenizer *tok, const rv_text *text, unsigned flags)
{
    rv_ids ids = {0};
    rv_error err;
    if (rv_tokenizer_encode(tok, text->bytes, text->length, flags, &ids, &err) != RV_OK)
        fail_msg("%s", err.message);
    return ids;
}

static int check_case(const rv_tokenizer *tok, const json_t *entry, const json_t *expected,
                      const char *name, size_t at)
{
    rv_text text = corpus_text(entry), valid = {0}, hex = {0};
    const json_t *plain = json_object_get(expected, "plain"), *other;
    int failures = 0;

    rv_ids ids = encode(tok, &text, RV_ENCODE_PLAIN);
    failures += !ids_agree(&ids, plain, name, at);
    rv_ids_release(&ids);

    ids = encode(tok, &text, RV_ENCODE_SPECIAL);
    other = json_object_get(expected, "special");
    failures += !ids_agree(&ids, other ? other : plain, name, at);

    rv_ids full = encode(tok, &text, RV_ENCODE_SPECIAL | RV_ENCODE_TEMPLATE);
    const json_t *before = json_object_get(expected, "before"),
                 *after = json_object_get(expected, "after");
    rv_ids head = {full.items, json_array_size(before), 0};
    rv_ids tail = {full.items + full.count - json_array_size(after), json_array_size(after), 0};
    assert_int_equal(full.count, head.count + ids.count + tail.count);
    failures += before && !ids_agree(&head, before, name, at);
    failures += after && !ids_agree(&tail, after, name, at);
    rv_ids_release(&full);

    if (json_integer_value(json_object_get(entry, "times")) == 1) {
        rv_text_append(&valid, "", 0);
        rv_utf8_replace_invalid(&valid, text.bytes, text.length);
        rv_text *shown = &valid;
        if ((other = json_object_get(expected, "decoded"))) {
            rv_text_append(&hex, "", 0);
            append_hex(&hex, json_string_value(other));
            shown = &hex;
        }
        failures += !decoded_agrees(tok, &ids, false, shown, name, at);
        if ((other = json_object_get(expected, "skipped"))) {
            shown = &hex;
            rv_text_release(&hex);
            rv_text_append(&hex, "", 0);
            append_hex(&hex, json_string_value(other));
        }
        failures += !decoded_agrees(tok, &ids, true, shown, name, at);
    }
    rv_ids_release(&ids);
    rv_text_release(&text);
    rv_text_release(&valid);
    rv_text_release(&hex);
    return failures;
}

static int check_tokenizer(const json_t *corpus, const char *name)
{
    char path[512];
    rv_tokenizer *tok;
    rv_error err;
    snprintf(path, sizeof path, FOLDER "/%s/expected.json", name);
    json_t *expected = json_load_file(path, 0, NULL);
    assert_non_null(expected);
    assert_int_equal(json_array_size(expected), json_array_size(corpus));
    snprintf(path, sizeof path, FOLDER "/%s", name);
    if (rv_tokenizer_open(&tok, path, NULL, &err) != RV_OK) fail_msg("%s", err.message);
    int failures = 0;
    size_t i;
    const json_t *entry;
    json_array_foreach(corpus, i, entry) failures +=
        check_case(tok, entry, json_array_get(expected, i), name, i);
    rv_tokenizer_close(tok);
    json_decref(expected);
    return failures;
}

static void every_pipeline_agrees_with_the_reference(void **state)
{
    (void)state;
    json_t *corpus = json_load_file(FOLDER "/corpus.json", 0, NULL);
    assert_non_null(corpus);
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    int failures = 0, tokenizers = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.')) continue;
        failures += check_tokenizer(corpus, entry->d_name);
        tokenizers++;
    }
    closedir(folder);
    json_decref(corpus);
    assert_true(tokenizers >= 20);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pipeline_agrees_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
