#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "hub/cache.h"
#include "hub/resolve.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER  "fedcba9876543210fedcba9876543210fedcba98"

static char home[] = "/tmp/reverie-resolve-XXXXXX";
static rv_error err;

/* home/path, in one of four buffers that take turns. */
static const char *at(const char *path)
{
    static char buffers[4][512];
    static int turn;
    char *buffer = buffers[turn++ % 4];
    snprintf(buffer, 512, "%s/%s", home, path);
    return buffer;
}

static void put(const char *path, const char *content)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", at(path));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(rv_make_folders(folder, &err), RV_OK);
    assert_int_equal(rv_write_file(at(path), content, strlen(content), &err), RV_OK);
}

static void put_link(const char *path, const char *target)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", at(path));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(rv_make_folders(folder, &err), RV_OK);
    assert_int_equal(symlink(target, at(path)), 0);
}

static int make_home(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(home));
    setenv("HOME", home, 1);
    const char *const variables[] = {"XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE",
                                     "HUGGINGFACE_HUB_CACHE"};
    for (size_t i = 0; i < 4; i++) unsetenv(variables[i]);
    put(".cache/reverie/models/small.gguf", "x");
    put(".cache/reverie/models/folder/config.json", "{}");
#define HUB ".cache/huggingface/hub/"
    put(HUB "models--own--er/refs/main", COMMIT);
    put(HUB "models--own--er/refs/v1.0", OTHER "\n");
    put(HUB "models--own--er/refs/refs/pr/1", COMMIT);
    put(HUB "models--own--er/blobs/abc", "{}");
    put_link(HUB "models--own--er/snapshots/" COMMIT "/config.json", "../../blobs/abc");
    put(HUB "models--own--er/snapshots/" OTHER "/a-Q4_K_M.gguf", "not a link");
    put(HUB "models--own--er/.no_exist/" OTHER "/vocab.json", "");
    put(HUB "models--two--gguf/refs/main", COMMIT);
    put(HUB "models--two--gguf/snapshots/" COMMIT "/m-Q4_0.gguf", "x");
    put(HUB "models--two--gguf/snapshots/" COMMIT "/m-Q8_0.gguf", "x");
    put(HUB "models--two--gguf/snapshots/" COMMIT "/sub/deep.gguf", "x");
    put(HUB "models--gpt2/refs/main", COMMIT);
    put_link(HUB "models--gpt2/snapshots/" COMMIT "/config.json", "../../blobs/gone");
    put(HUB "models--bad--ref/refs/main", "../../../../etc");
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    return system(command);
}

static void finds(const char *name, const char *expected)
{
    char *path;
    err.message[0] = '\0';
    rv_status status = rv_resolve_model(&path, name, &err);
    if (status != RV_OK) print_error("%s: %s\n", name, err.message);
    assert_int_equal(status, RV_OK);
    assert_string_equal(path, expected);
    free(path);
}

/* The message must hold every one of the words, which are separated by '|'. */
static void refuses(const char *name, rv_status expected, const char *words)
{
    char *path, copy[512];
    assert_int_equal(rv_resolve_model(&path, name, &err), expected);
    assert_null(path);
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, "|"); word; word = strtok(NULL, "|")) {
        if (!strstr(err.message, word))
            print_error("expected '%s' in: %s\n", word, err.message);
        assert_non_null(strstr(err.message, word));
    }
}

static void files_and_folders_come_first(void **state)
{
    (void)state;
    put("here/gpt2/config.json", "{}");
    put("one/model.gguf", "x");
    finds(at("here/gpt2"), at("here/gpt2"));
    finds(at("one/model.gguf"), at("one/model.gguf"));
    finds(at("one"), at("one/model.gguf"));
    refuses(at("absent.gguf"), RV_ERR_NOT_FOUND, "no such file or folder");
    refuses("./absent", RV_ERR_NOT_FOUND, "no such file or folder");
    refuses("", RV_ERR_USAGE, "expected a model");
}

static void names_are_found_in_the_own_cache(void **state)
{
    (void)state;
    finds("small", at(".cache/reverie/models/small.gguf"));
    finds("folder", at(".cache/reverie/models/folder"));
    put("xdg/reverie/models/elsewhere.gguf", "x");
    setenv("XDG_CACHE_HOME", at("xdg"), 1);
    finds("elsewhere", at("xdg/reverie/models/elsewhere.gguf"));
    unsetenv("XDG_CACHE_HOME");
}

static void revisions_lead_to_snapshots(void **state)
{
    (void)state;
    finds("own/er", at(HUB "models--own--er/snapshots/" COMMIT));
    finds("own/er@main", at(HUB "models--own--er/snapshots/" COMMIT));
    finds("own/er@" COMMIT, at(HUB "models--own--er/snapshots/" COMMIT));
    finds("own/er@refs/pr/1", at(HUB "models--own--er/snapshots/" COMMIT));
    finds("own/er@v1.0", at(HUB "models--own--er/snapshots/" OTHER "/a-Q4_K_M.gguf"));
    finds("gpt2", at(HUB "models--gpt2/snapshots/" COMMIT));
}

static void one_file_of_many_is_chosen_by_name(void **state)
{
    (void)state;
    refuses("two/gguf", RV_ERR_USAGE, "2 GGUF files|m-Q4_0.gguf|m-Q8_0.gguf");
    finds("two/gguf:q8_0", at(HUB "models--two--gguf/snapshots/" COMMIT "/m-Q8_0.gguf"));
    finds("two/gguf@main:m-Q4_0.gguf",
          at(HUB "models--two--gguf/snapshots/" COMMIT "/m-Q4_0.gguf"));
    finds("two/gguf:sub/deep.gguf",
          at(HUB "models--two--gguf/snapshots/" COMMIT "/sub/deep.gguf"));
    refuses("two/gguf:Q6_K", RV_ERR_NOT_FOUND, "Q6_K");
    refuses("own/er@v1.0:vocab.json", RV_ERR_NOT_FOUND, "has no file 'vocab.json'");
}

static void what_is_missing_is_explained(void **state)
{
    (void)state;
    refuses("smollm9", RV_ERR_NOT_FOUND,
            "./smollm9|.cache/reverie/models/smollm9|hub/models--smollm9|tools/"
            "get-model|reverie get");
    refuses("some/model@v2", RV_ERR_NOT_FOUND,
            "hub/models--some--model|reverie get some/model@v2");
    refuses("own/er@v9", RV_ERR_NOT_FOUND, "it holds revision|" COMMIT "|" OTHER);
    refuses("bad/ref", RV_ERR_NOT_FOUND, "reverie get bad/ref");
    refuses("two words", RV_ERR_NOT_FOUND, "no such model");
}

static void the_variables_of_the_hub_are_honoured(void **state)
{
    (void)state;
    put("hf/hub/models--a--b/refs/main", COMMIT);
    put("hf/hub/models--a--b/snapshots/" COMMIT "/config.json", "{}");
    put("cache/models--a--b/refs/main", OTHER);
    put("cache/models--a--b/snapshots/" OTHER "/config.json", "{}");
    setenv("HF_HOME", at("hf"), 1);
    finds("a/b", at("hf/hub/models--a--b/snapshots/" COMMIT));
    setenv("HF_HUB_CACHE", "~/cache", 1);
    finds("a/b", at("cache/models--a--b/snapshots/" OTHER));
    unsetenv("HF_HOME");
    unsetenv("HF_HUB_CACHE");
}

static void names_cannot_leave_the_cache(void **state)
{
    (void)state;
    const char *const bad[] = {
        "a/../b", "a/b/c", "a--b/c", "a/b@../../x", "a/b@/etc",        "a/b:../x", "a/b@x//y",
        "a/.b",   "a/b@",  "a/b:",   "-a/b",        "a/b:/etc/passwd", "a/b@x\ny"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) refuses(bad[i], RV_ERR_USAGE, "'");
    assert_false(rv_hub_path_is_safe("a/../b"));
    assert_false(rv_hub_path_is_safe(".."));
    assert_false(rv_hub_path_is_safe("a/./b"));
    assert_false(rv_hub_path_is_safe("a\\b"));
    assert_true(rv_hub_path_is_safe("a/b..c/...d"));
}

/* Examples of FIPS 180-4. */
static void digests_match_the_published_examples(void **state)
{
    (void)state;
    rv_hash *hash;
    char hex[RV_HASH_HEX];
    assert_int_equal(rv_hash_new(&hash, RV_SHA256, &err), RV_OK);
    for (int again = 0; again < 2; again++) {
        rv_hash_add(hash, "a", 1);
        rv_hash_add(hash, "bc", 2);
        rv_hash_finish(hash, hex);
        assert_string_equal(hex,
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    rv_hash_free(hash);
    assert_int_equal(rv_hash_new(&hash, RV_SHA1, &err), RV_OK);
    rv_hash_add(hash, "abc", 3);
    rv_hash_finish(hash, hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    rv_hash_free(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_folders_come_first),
        cmocka_unit_test(names_are_found_in_the_own_cache),
        cmocka_unit_test(revisions_lead_to_snapshots),
        cmocka_unit_test(one_file_of_many_is_chosen_by_name),
        cmocka_unit_test(what_is_missing_is_explained),
        cmocka_unit_test(the_variables_of_the_hub_are_honoured),
        cmocka_unit_test(names_cannot_leave_the_cache),
        cmocka_unit_test(digests_match_the_published_examples),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
