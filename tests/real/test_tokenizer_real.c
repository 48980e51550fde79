/* The tokenizers of real models against outside judges; tools/make_golden_tokenizers_real.py names
 * them. Those of models in the cache are always judged; those of files that tools/get-model does not
 * fetch where REVERIE_DATA names the folder that holds them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "../tokenizer_golden.h"

typedef struct real_tokenizer {
    const char *fixture, *path;
    bool cached; /* in the user's cache folder, and a GGUF; else under REVERIE_DATA */
} real_tokenizer;

static const real_tokenizer tokenizers[] = {
    {"smollm2", "models/smollm2-135m.gguf", true},
    {"gemma3", "models/gemma3-270m.gguf", true},
    {"gpt2", "gpt2-tokenizer", false},
    {"tok512", "stories260K/tok512.bin", false},
};
enum { SMOLLM2, GEMMA3, GPT2, TOK512 };

/* NULL where the model is not there. Close *ck after the tokenizer. */
static rv_tokenizer *open_real(rv_checkpoint **ck, const real_tokenizer *which)
{
    rv_error err;
    rv_tokenizer *tok = NULL;
    const char *data = getenv("REVERIE_DATA");
    char *cache = rv_cache_folder();
    char *path = rv_path_join(which->cached ? cache : data ? data : "/nowhere", which->path);
    assert_non_null(path);
    *ck = NULL;
    if (rv_file_exists(path) || rv_folder_exists(path)) {
        if (which->cached && rv_checkpoint_open(ck, path, &err) != RV_OK)
            fail_msg("%s", err.message);
        if (rv_tokenizer_open(&tok, which->cached ? NULL : path, *ck, &err) != RV_OK)
            fail_msg("%s", err.message);
    }
    free(cache);
    free(path);
    return tok;
}

static int check_ids(const rv_tokenizer *tok, const rv_text *text, unsigned flags,
                     const json_t *expected, const char *name, size_t at)
{
    rv_ids ids = {0};
    rv_error err;
    if (rv_tokenizer_encode(tok, text->bytes, text->length, flags, &ids, &err) != RV_OK)
        fail_msg("%s", err.message);
    int failures = !ids_agree(&ids, expected, name, at);
    rv_ids_release(&ids);
    return failures;
}

static void agrees_with_the_judge(const real_tokenizer *which)
{
    rv_checkpoint *ck;
    rv_tokenizer *tok = open_real(&ck, which);
    if (!tok) skip();
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/tokenizer_real/%s.json", which->fixture);
    json_t *expected = json_load_file(path, 0, NULL);
    json_t *corpus = json_load_file("tests/fixtures/tokenizer/corpus.json", 0, NULL);
    assert_non_null(expected);
    assert_int_equal(json_array_size(expected), json_array_size(corpus));
    int failures = 0;
    size_t i;
    const json_t *entry;
    json_array_foreach(corpus, i, entry)
    {
        rv_text text = corpus_text(entry);
        const json_t *one = json_array_get(expected, i), *plain = json_object_get(one, "plain");
        const json_t *special = json_object_get(one, "special");
        failures += check_ids(tok, &text, RV_ENCODE_PLAIN, plain, which->fixture, i);
        failures += check_ids(tok, &text, RV_ENCODE_SPECIAL, special ? special : plain,
                              which->fixture, i);
        rv_text_release(&text);
    }
    json_decref(corpus);
    json_decref(expected);
    rv_tokenizer_close(tok);
    rv_checkpoint_close(ck);
    assert_int_equal(failures, 0);
}

static void smollm2_agrees_with_transformers(void **state)
{
    (void)state;
    agrees_with_the_judge(&tokenizers[SMOLLM2]);
}

static void gemma3_agrees_with_transformers(void **state)
{
    (void)state;
    agrees_with_the_judge(&tokenizers[GEMMA3]);
}

static void gpt2_agrees_with_tokenizers(void **state)
{
    (void)state;
    agrees_with_the_judge(&tokenizers[GPT2]);
}

static void stories_tokenizer_agrees_with_tokenizers(void **state)
{
    (void)state;
    agrees_with_the_judge(&tokenizers[TOK512]);
}

static void bos_is_as_the_files_say(void **state)
{
    (void)state;
    static const struct {
        size_t which;
        bool add_bos;
        int32_t bos, eos, separator;
    } expected[] = {{SMOLLM2, false, 1, 2, 0},
                    {GEMMA3, true, 2, 1, -1},
                    {GPT2, false, 50256, 50256, 50256},
                    {TOK512, true, 1, 2, -1}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        rv_checkpoint *ck;
        rv_tokenizer *tok = open_real(&ck, &tokenizers[expected[i].which]);
        if (!tok) continue;
        rv_special_ids special = rv_tokenizer_special(tok);
        assert_int_equal(special.add_bos, expected[i].add_bos);
        assert_int_equal(special.bos, expected[i].bos);
        assert_int_equal(special.eos, expected[i].eos);
        assert_int_equal(special.separator, expected[i].separator);
        rv_ids ids = {0};
        rv_error err;
        assert_int_equal(rv_tokenizer_encode(tok, "", 0, RV_ENCODE_TEMPLATE, &ids, &err),
                         RV_OK);
        assert_int_equal(ids.count, expected[i].add_bos);
        rv_ids_release(&ids);
        rv_tokenizer_close(tok);
        rv_checkpoint_close(ck);
    }
}

/* Published ids, not made by any tool of ours. */
static void known_texts_have_their_published_ids(void **state)
{
    (void)state;
    static const struct {
        size_t which;
        const char *text;
        int32_t ids[10];
    } vectors[] = {
        {SMOLLM2, "Hello, we can use", {19556, 28, 392, 416, 722}},
        {SMOLLM2, "Hello world! 123", {19556, 905, 17, 216, 33, 34, 35}},
        {SMOLLM2, "Café déjà vu.", {51, 1939, 2756, 32564, 90, 16739, 386, 101, 30}},
        {SMOLLM2, "  multiple   spaces", {216, 2701, 256, 5600}},
        {SMOLLM2, "\n", {198}},
        {GPT2, "Once upon a time", {7454, 2402, 257, 640}},
    };
    size_t checked = 0;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        rv_checkpoint *ck;
        rv_tokenizer *tok = open_real(&ck, &tokenizers[vectors[i].which]);
        if (!tok) continue;
        rv_ids ids = {0};
        rv_error err;
        const char *text = vectors[i].text;
        assert_int_equal(
            rv_tokenizer_encode(tok, text, strlen(text), RV_ENCODE_PLAIN, &ids, &err), RV_OK);
        for (size_t k = 0; k < ids.count; k++)
            assert_int_equal(ids.items[k], vectors[i].ids[k]);
        assert_true(ids.count == 10 || vectors[i].ids[ids.count] == 0);
        rv_ids_release(&ids);
        rv_tokenizer_close(tok);
        rv_checkpoint_close(ck);
        checked++;
    }
    if (!checked) skip();
}

static void comes_back_whole(const rv_tokenizer *tok, const char *path)
{
    rv_mapping file;
    rv_error err;
    rv_ids ids = {0};
    rv_text back = {0};
    if (rv_map_file(&file, path, &err) != RV_OK) fail_msg("%s", err.message);
    const char *text = (const char *)file.bytes;
    assert_int_equal(rv_tokenizer_encode(tok, text, file.length, RV_ENCODE_PLAIN, &ids, &err),
                     RV_OK);
    assert_int_equal(rv_tokenizer_decode(tok, ids.items, ids.count, false, &back, &err), RV_OK);
    assert_int_equal(back.length, file.length);
    assert_memory_equal(back.bytes, text, back.length);
    rv_ids_release(&ids);
    rv_text_release(&back);
    rv_unmap(&file);
}

static void long_texts_come_back_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "docs/formats.md", "docs/notebook/2026-11-23-dreaming.md", "src/tokenizer/from_gguf.c",
        "tests/fixtures/chat_templates/rendered.json"};
    for (size_t which = SMOLLM2; which <= GEMMA3; which++) {
        rv_checkpoint *ck;
        rv_tokenizer *tok = open_real(&ck, &tokenizers[which]);
        if (!tok) skip();
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            comes_back_whole(tok, texts[i]);
        rv_tokenizer_close(tok);
        rv_checkpoint_close(ck);
    }
}

static void books_come_back_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {"books", "jargon", "kjv", "tinystories", "wikitext"};
    for (size_t which = 0; which < sizeof tokenizers / sizeof *tokenizers; which++) {
        rv_checkpoint *ck;
        rv_tokenizer *tok = open_real(&ck, &tokenizers[which]);
        assert_non_null(tok);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            char path[1024];
            snprintf(path, sizeof path, "%s/text/%s.txt", getenv("REVERIE_DATA"), texts[i]);
            comes_back_whole(tok, path);
        }
        rv_tokenizer_close(tok);
        rv_checkpoint_close(ck);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2_agrees_with_transformers),
        cmocka_unit_test(gemma3_agrees_with_transformers),
        cmocka_unit_test(bos_is_as_the_files_say),
        cmocka_unit_test(known_texts_have_their_published_ids),
        cmocka_unit_test(long_texts_come_back_whole),
    };
    const struct CMUnitTest more[] = {
        cmocka_unit_test(gpt2_agrees_with_tokenizers),
        cmocka_unit_test(stories_tokenizer_agrees_with_tokenizers),
        cmocka_unit_test(books_come_back_whole),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    if (getenv("REVERIE_DATA")) failures += cmocka_run_group_tests(more, NULL, NULL);
    return failures;
}
