/* Folders as people have them against transformers' AutoTokenizer (tests/fixtures/
 * tokenizer_folders.json, made by tools/make_golden_tokenizer_folders.py): added tokens from every
 * file, their ids, special tokens by name, what goes around a text, classes without tokenizer.json. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tokenizer/tokenizer.h"

static json_t *golden;

static void write_files(const char *folder, const json_t *files)
{
    const char *name;
    json_t *content;
    json_object_foreach((json_t *)files, name, content)
    {
        char path[256];
        rv_error err;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        unlink(path);
        if (json_is_null(content)) continue;
        char *text = json_is_string(content) ? strdup(json_string_value(content))
                                             : json_dumps(content, JSON_ENCODE_ANY);
        assert_non_null(text);
        assert_int_equal(rv_write_file(path, text, strlen(text), &err), RV_OK);
        free(text);
    }
}

static void remove_files(const char *folder, const json_t *files)
{
    const char *name;
    json_t *content;
    json_object_foreach((json_t *)files, name, content)
    {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        unlink(path);
    }
}

static bool same_ids(const rv_tokenizer *tok, const json_t *text, const json_t *expected,
                     unsigned flags, const char *name)
{
    rv_ids ids = {0};
    rv_error err;
    assert_int_equal(rv_tokenizer_encode(tok, json_string_value(text), json_string_length(text),
                                         flags, &ids, &err),
                     RV_OK);
    json_t *found = json_array();
    for (size_t i = 0; i < ids.count; i++)
        json_array_append_new(found, json_integer(ids.items[i]));
    bool same = json_equal(found, expected);
    if (!same) {
        char *a = json_dumps(found, 0), *b = json_dumps(expected, 0);
        print_error("%s: \"%s\":\n  found    %s\n  expected %s\n", name,
                    json_string_value(text), a, b);
        free(a);
        free(b);
    }
    json_decref(found);
    rv_ids_release(&ids);
    return same;
}

/* Every name that transformers gives; where nothing says so, ours may be guessed. */
static bool same_names(const rv_tokenizer *tok, const json_t *expected, const char *name)
{
    const char *key, *content, *found;
    const json_t *want;
    size_t length;
    bool same = true;
    json_object_foreach((json_t *)expected, key, want)
    {
        bool ours = false;
        for (size_t i = 0; (found = rv_tokenizer_named(tok, i, &content, &length)); i++)
            ours |= strcmp(found, key) == 0 && strcmp(content, json_string_value(want)) == 0;
        if (!ours) print_error("%s: %s: expected %s\n", name, key, json_string_value(want));
        same &= ours;
    }
    return same;
}

static bool check(const char *folder, const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "name"));
    const json_t *files = json_object_get(one, "files"),
                 *base = json_object_get(golden, "base"),
                 *texts = json_object_get(golden, "texts"), *text,
                 *ids = json_object_get(one, "ids");
    json_t *space = json_string(" ");
    rv_tokenizer *tok;
    rv_error err;
    size_t i;
    bool good = true;
    write_files(folder, base);
    write_files(folder, files);
    if (rv_tokenizer_open(&tok, folder, NULL, &err) != RV_OK) {
        print_error("%s: %s\n", name, err.message);
        good = false;
    } else {
        json_array_foreach(texts, i, text) good &=
            same_ids(tok, text, json_array_get(ids, i), RV_ENCODE_SPECIAL, name);
        good &= same_ids(tok, space, json_object_get(one, "around"),
                         RV_ENCODE_SPECIAL | RV_ENCODE_TEMPLATE, name);
        good &= same_names(tok, json_object_get(one, "named"), name);
    }
    rv_tokenizer_close(tok);
    json_decref(space);
    remove_files(folder, base);
    remove_files(folder, files);
    return good;
}

static void test_folders(void **state)
{
    (void)state;
    char folder[] = "/tmp/reverie-folders-XXXXXX";
    const json_t *one;
    size_t i;
    int bad = 0;
    assert_non_null(mkdtemp(folder));
    json_array_foreach(json_object_get(golden, "cases"), i, one) bad += !check(folder, one);
    rmdir(folder);
    assert_int_equal(bad, 0);
    assert_true(i > 130);
}

static void test_unknown_classes_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"RobertaTokenizer", "CLIPTokenizerFast", "Nonsense"};
    char folder[] = "/tmp/reverie-folders-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        json_t *files = json_pack("{s:{s:i}, s:s, s:{s:s}}", "vocab.json", "a", 0, "merges.txt",
                                  "", "tokenizer_config.json", "tokenizer_class", names[i]);
        rv_tokenizer *tok;
        rv_error err;
        write_files(folder, files);
        assert_int_equal(rv_tokenizer_open(&tok, folder, NULL, &err), RV_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, names[i]));
        remove_files(folder, files);
        json_decref(files);
    }
    rmdir(folder);
}

int main(void)
{
    golden = json_load_file("tests/fixtures/tokenizer_folders.json", 0, NULL);
    if (!golden) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_unknown_classes_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    return failed;
}
