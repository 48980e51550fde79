/* What must hold of tokenizers beside agreement with the reference: errors, bytes, threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "tokenizer/unicode.h"
#include "tokenizer_golden.h"

#define FIXTURES "tests/fixtures/tokenizer/"

static rv_tokenizer *open_fixture(const char *name)
{
    char path[256];
    rv_tokenizer *tok;
    rv_error err;
    snprintf(path, sizeof path, FIXTURES "%s", name);
    if (rv_tokenizer_open(&tok, path, NULL, &err) != RV_OK) fail_msg("%s", err.message);
    return tok;
}

static rv_ids encode(const rv_tokenizer *tok, const char *text, size_t length, unsigned flags)
{
    rv_ids ids = {0};
    rv_error err;
    if (rv_tokenizer_encode(tok, text, length, flags, &ids, &err) != RV_OK)
        fail_msg("%s", err.message);
    return ids;
}

static void assert_decodes_to(const rv_tokenizer *tok, const rv_ids *ids, const char *text,
                              size_t length)
{
    rv_text out = {0};
    rv_error err;
    rv_text_append(&out, "", 0);
    assert_int_equal(rv_tokenizer_decode(tok, ids->items, ids->count, false, &out, &err),
                     RV_OK);
    assert_int_equal(out.length, length);
    assert_memory_equal(out.bytes, text, length);
    rv_text_release(&out);
}

/* ---- files that are wrong --------------------------------------------------------------- */

static char *scratch_folder;

static void write_scratch(char *path, size_t size, const char *name, const void *bytes,
                          size_t length)
{
    rv_error err;
    snprintf(path, size, "%s/%s", scratch_folder, name);
    assert_int_equal(rv_write_file(path, bytes, length, &err), RV_OK);
}

static int make_scratch(void **state)
{
    (void)state;
    static char name[] = "/tmp/reverie-test-XXXXXX";
    scratch_folder = mkdtemp(name);
    return scratch_folder ? 0 : -1;
}

static int remove_scratch(void **state)
{
    (void)state;
    static const char *const names[] = {
        "tokenizer.json", "tokenizer_config.json", "tokenizer.bin",          "vocab.json",
        "merges.txt",     "chat_template.jinja",   "special_tokens_map.json"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", scratch_folder, names[i]);
        unlink(path);
    }
    return rmdir(scratch_folder);
}

/* A small sound tokenizer.json with one piece of it replaced. */
#define SOUND                                                                              \
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true}],"                 \
    "\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null," \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3},"            \
    "\"merges\":[\"a b\"]}}"

static void assert_refused(const char *json, rv_status status, const char *says)
{
    char path[256];
    rv_tokenizer *tok;
    rv_error err = {0};
    write_scratch(path, sizeof path, "tokenizer.json", json, strlen(json));
    assert_int_equal(rv_tokenizer_open(&tok, path, NULL, &err), status);
    assert_null(tok);
    if (!strstr(err.message, says)) fail_msg("expected \"%s\" in: %s", says, err.message);
    if (!strstr(err.message, "tokenizer.json")) fail_msg("no file name in: %s", err.message);
}

static void assert_refused_with(const char *old, const char *new, rv_status status,
                                const char *says)
{
    rv_text json = {0};
    const char *at = strstr(SOUND, old);
    assert_non_null(at);
    rv_text_append(&json, SOUND, (size_t)(at - SOUND));
    rv_text_puts(&json, new);
    rv_text_puts(&json, at + strlen(old));
    assert_refused(json.bytes, status, says);
    rv_text_release(&json);
}

static void malformed_files_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("[1, 2]", RV_ERR_FORMAT, "expected a JSON object");
    assert_refused("{\"model\"", RV_ERR_FORMAT, "line 1");
    assert_refused("{}", RV_ERR_FORMAT, "model: expected an object");
    assert_refused_with("\"BPE\"", "\"Unigram\"", RV_ERR_UNSUPPORTED, "\"Unigram\"");
    assert_refused_with("\"normalizer\":null", "\"normalizer\":{\"type\":\"Precompiled\"}",
                        RV_ERR_UNSUPPORTED, "normalizer: type \"Precompiled\"");
    assert_refused_with("\"pre_tokenizer\":null",
                        "\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}", RV_ERR_UNSUPPORTED,
                        "pre_tokenizer: type \"UnicodeScripts\"");
    assert_refused_with("\"decoder\":null", "\"decoder\":{\"type\":\"CTC\"}",
                        RV_ERR_UNSUPPORTED, "decoder: type \"CTC\"");
    assert_refused_with("\"post_processor\":null",
                        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
                        "[{\"SpecialToken\":{\"id\":\"<x>\"}}],\"special_tokens\":{}}",
                        RV_ERR_FORMAT, "\"<x>\"");
    assert_refused_with("\"pre_tokenizer\":null",
                        "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},"
                        "\"behavior\":\"Isolated\"}",
                        RV_ERR_FORMAT, "regular expression \"(\"");
    assert_refused_with(
        "\"pre_tokenizer\":null",
        "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?~a)\"},"
        "\"behavior\":\"Isolated\"}",
        RV_ERR_UNSUPPORTED, "group");
}

static void broken_vocabularies_are_refused(void **state)
{
    (void)state;
    assert_refused_with("\"c\":3", "\"c\":2", RV_ERR_FORMAT, "token id 2");
    assert_refused_with("\"c\":3", "\"c\":-1", RV_ERR_FORMAT, "found -1");
    assert_refused_with("\"c\":3", "\"c\":4194304", RV_ERR_FORMAT, "found 4194304");
    assert_refused_with("\"c\":3", "\"c\":\"3\"", RV_ERR_FORMAT, "\"c\"");
    assert_refused_with("\"a b\"", "\"a x\"", RV_ERR_FORMAT, "second part");
    assert_refused_with("\"a b\"", "\"x b\"", RV_ERR_FORMAT, "first part");
    assert_refused_with("\"a b\"", "\"a c\"", RV_ERR_FORMAT, "the two together");
    assert_refused_with("\"a b\"", "\"ab\"", RV_ERR_FORMAT, "merges[0]");
    assert_refused_with("\"a b\"", "[\"a\"]", RV_ERR_FORMAT, "merges[0]");
}

static void a_hole_in_the_vocabulary_has_no_token(void **state)
{
    (void)state;
    static const char json[] = "{\"model\":{\"vocab\":{\"a\":0,\"b\":5},\"merges\":[]}}";
    char path[256];
    rv_tokenizer *tok;
    rv_error err;
    write_scratch(path, sizeof path, "tokenizer.json", json, sizeof json - 1);
    assert_int_equal(rv_tokenizer_open(&tok, path, NULL, &err), RV_OK);
    size_t length;
    assert_int_equal(rv_tokenizer_size(tok), 6);
    assert_null(rv_token_bytes(tok, 3, &length));
    assert_null(rv_token_bytes(tok, -1, &length));
    assert_null(rv_token_bytes(tok, 6, &length));
    assert_false(rv_token_is_special(tok, 6));
    assert_non_null(rv_token_bytes(tok, 5, &length));
    int32_t some[] = {3, 0, 99, 5, -7};
    rv_ids ids = {some, 5, 0};
    assert_decodes_to(tok, &ids, "a b", 3);
    rv_tokenizer_close(tok);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    rv_tokenizer *tok;
    rv_error err;
    assert_int_equal(rv_tokenizer_open(&tok, "tests", NULL, &err), RV_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "tests: expected tokenizer.json"));
    assert_int_not_equal(rv_tokenizer_open(&tok, "no/such/tokenizer.json", NULL, &err), RV_OK);
    assert_non_null(strstr(err.message, "no/such/tokenizer.json"));
    assert_int_equal(rv_tokenizer_open(&tok, NULL, NULL, &err), RV_ERR_USAGE);
}

static void truncated_llama2c_files_are_refused(void **state)
{
    (void)state;
    static const char sound[] = "\4\0\0\0"
                                "\0\0\0\0\5\0\0\0<unk>"
                                "\0\0\0\0\5\0\0\0\n<s>\n"
                                "\0\0\0\0\6\0\0\0\n</s>\n"
                                "\0\0\0\0\1\0\0\0a";
    char path[256];
    rv_tokenizer *tok;
    rv_error err;
    for (size_t length = 0; length < sizeof sound; length++) {
        write_scratch(path, sizeof path, "tokenizer.bin", sound, length);
        rv_status status = rv_tokenizer_open(&tok, path, NULL, &err);
        // Whole again after the third and the fourth token.
        bool whole = length == sizeof sound - 1 || length == sizeof sound - 10;
        assert_int_equal(status, whole ? RV_OK : RV_ERR_FORMAT);
        if (!whole) assert_non_null(strstr(err.message, "tokenizer.bin"));
        rv_tokenizer_close(tok);
    }
}

/* ---- configuration ---------------------------------------------------------------------- */

static void configuration_beside_the_tokenizer_is_read(void **state)
{
    (void)state;
    static const char config[] =
        "{\"add_bos_token\": true, \"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"c\","
        " \"chat_template\": [{\"name\": \"tool_use\", \"template\": \"T\"},"
        " {\"name\": \"default\", \"template\": \"D\"}]}";
    char path[256];
    rv_tokenizer *tok;
    rv_error err;
    write_scratch(path, sizeof path, "tokenizer.json", SOUND, strlen(SOUND));
    write_scratch(path, sizeof path, "tokenizer_config.json", config, sizeof config - 1);
    assert_int_equal(rv_tokenizer_open(&tok, scratch_folder, NULL, &err), RV_OK);
    rv_special_ids special = rv_tokenizer_special(tok);
    assert_false(special.add_bos); // the post-processor says so, not the configuration
    assert_int_equal(special.bos, 4);
    assert_int_equal(special.eos, 3);
    assert_string_equal(rv_tokenizer_chat_template(tok), "D");
    rv_ids ids = encode(tok, "ab<s>", 5, RV_ENCODE_TEMPLATE | RV_ENCODE_SPECIAL);
    assert_int_equal(ids.count, 2);
    assert_int_equal(ids.items[0], 2);
    assert_int_equal(ids.items[1], 4);
    rv_ids_release(&ids);
    rv_tokenizer_close(tok);

    write_scratch(path, sizeof path, "chat_template.jinja", "J", 1);
    assert_int_equal(rv_tokenizer_open(&tok, scratch_folder, NULL, &err), RV_OK);
    assert_string_equal(rv_tokenizer_chat_template(tok), "J");
    rv_tokenizer_close(tok);
    unlink(path);

    write_scratch(path, sizeof path, "tokenizer_config.json", "[]", 2);
    assert_int_equal(rv_tokenizer_open(&tok, scratch_folder, NULL, &err), RV_ERR_FORMAT);
    assert_non_null(strstr(err.message, "tokenizer_config.json"));
    unlink(path);
}

/* ---- bytes ------------------------------------------------------------------------------ */

static void random_bytes_never_hurt(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2", "qwen2", "gemma", "llama2", "bert", "added"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rv_tokenizer *tok = open_fixture(names[i]);
        rv_random random = rv_random_stream(1, i, 0);
        for (int round = 0; round < 200; round++) {
            char bytes[64];
            size_t length = rv_random_below(&random, sizeof bytes);
            for (size_t k = 0; k < length; k++) bytes[k] = (char)rv_random_u32(&random);
            rv_ids ids = encode(tok, bytes, length, RV_ENCODE_SPECIAL);
            for (size_t k = 0; k < ids.count; k++)
                assert_in_range(ids.items[k], 0, rv_tokenizer_size(tok) - 1);
            rv_ids_release(&ids);
        }
        rv_tokenizer_close(tok);
    }
}

static void valid_text_comes_back_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2", "smollm2", "llama3", "gemma", "llama2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rv_tokenizer *tok = open_fixture(names[i]);
        rv_random random = rv_random_stream(2, i, 0);
        for (int round = 0; round < 200; round++) {
            rv_text text = {0};
            rv_text_append(&text, "", 0);
            for (size_t k = rv_random_below(&random, 40); k > 0; k--) {
                unsigned c = (unsigned)rv_random_below(&random, k % 3 ? 0x180 : 0x110000);
                char bytes[4];
                if (c >= 0xD800 && c < 0xE000) continue;
                if (c == 0x2581) continue; // stands for a space in two of them
                rv_text_append(&text, bytes, rv_utf8_encode(c, bytes));
            }
            rv_ids ids = encode(tok, text.bytes, text.length, RV_ENCODE_PLAIN);
            assert_decodes_to(tok, &ids, text.bytes, text.length);
            rv_ids_release(&ids);
            rv_text_release(&text);
        }
        rv_tokenizer_close(tok);
    }
}

static void parts_of_a_character_decode_to_their_bytes(void **state)
{
    (void)state;
    rv_tokenizer *tok = open_fixture("gpt2");
    rv_ids ids = encode(tok, "\xF0\x9F\x98\x80", 4, RV_ENCODE_PLAIN);
    assert_true(ids.count > 1);
    size_t length;
    assert_non_null(rv_token_bytes(tok, ids.items[0], &length));
    assert_in_range(length, 1, 3);
    rv_ids first = {ids.items, 1, 0};
    assert_decodes_to(tok, &first, "\xF0\x9F\x98", length);
    rv_ids_release(&ids);
    rv_tokenizer_close(tok);
}

static void replacement_follows_maximal_subparts(void **state)
{
    (void)state;
    // The examples of Unicode 15.0, tables 3-8 to 3-11; R stands for U+FFFD.
    static const struct {
        const char *bytes, *shown;
    } examples[] = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "RRRRRRRRA"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "RRRRRRRRA"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "RRRRRARRB"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "RRRRA"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        rv_text out = {0}, expected = {0};
        rv_utf8_replace_invalid(&out, examples[i].bytes, strlen(examples[i].bytes));
        for (const char *c = examples[i].shown; *c; c++)
            rv_text_append(&expected, *c == 'R' ? "\xEF\xBF\xBD" : c, *c == 'R' ? 3 : 1);
        assert_string_equal(out.bytes, expected.bytes);
        rv_text_release(&out);
        rv_text_release(&expected);
    }
}

static void each_byte_has_its_character(void **state)
{
    (void)state;
    bool seen[0x144] = {false};
    for (int byte = 0; byte < 256; byte++) {
        unsigned c = rv_byte_char((unsigned char)byte);
        assert_in_range(c, 0x21, 0x143);
        assert_false(seen[c]);
        seen[c] = true;
        assert_int_equal(rv_char_byte(c), byte);
    }
    assert_int_equal(rv_byte_char(' '), 0x120);
    assert_int_equal(rv_byte_char('\n'), 0x10A);
    assert_int_equal(rv_char_byte(0xAD), -1);
    assert_int_equal(rv_char_byte(0x144), -1);
}

/* A word of a million letters; it would take hours if merging were quadratic. */
static void one_very_long_word_is_no_trouble(void **state)
{
    (void)state;
    enum { LETTERS = 1000000 };
    char *word = malloc(LETTERS);
    assert_non_null(word);
    rv_random random = rv_random_stream(3, 0, 0);
    for (size_t i = 0; i < LETTERS; i++) word[i] = (char)('a' + rv_random_below(&random, 26));
    static const char *const names[] = {"gpt2", "gemma"};
    for (size_t i = 0; i < 2; i++) {
        rv_tokenizer *tok = open_fixture(names[i]);
        rv_ids ids = encode(tok, word, LETTERS, RV_ENCODE_PLAIN);
        assert_decodes_to(tok, &ids, word, LETTERS);
        rv_ids_release(&ids);
        rv_tokenizer_close(tok);
    }
    free(word);
}

static void encoding_appends(void **state)
{
    (void)state;
    rv_tokenizer *tok = open_fixture("gpt2");
    rv_ids once = encode(tok, "the end", 7, RV_ENCODE_PLAIN), twice = {0};
    rv_error err;
    for (int i = 0; i < 2; i++)
        assert_int_equal(rv_tokenizer_encode(tok, "the end", 7, RV_ENCODE_PLAIN, &twice, &err),
                         RV_OK);
    assert_int_equal(twice.count, 2 * once.count);
    assert_memory_equal(twice.items + once.count, once.items, once.count * sizeof(int32_t));
    rv_ids_release(&once);
    rv_ids_release(&twice);
    rv_tokenizer_close(tok);
}

/* ---- threads ---------------------------------------------------------------------------- */

static void *encode_often(void *context)
{
    const rv_tokenizer *tok = context;
    static const char text[] = "Once upon a time there was a little girl, wasn't there? 123";
    uint64_t hash = 0;
    for (int i = 0; i < 500; i++) {
        rv_ids ids = {0};
        rv_error err;
        if (rv_tokenizer_encode(tok, text, sizeof text - 1, 0, &ids, &err) != RV_OK)
            return NULL;
        hash ^= hash_ids(&ids) + (uint64_t)i;
        rv_ids_release(&ids);
    }
    return (void *)(uintptr_t)(hash | 1);
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    rv_tokenizer *tok = open_fixture("qwen2");
    pthread_t threads[2];
    void *results[2], *alone = encode_often(tok);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_often, tok), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], &results[i]);
    assert_non_null(alone);
    assert_ptr_equal(results[0], alone);
    assert_ptr_equal(results[1], alone);
    rv_tokenizer_close(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_files_are_refused_by_name),
        cmocka_unit_test(broken_vocabularies_are_refused),
        cmocka_unit_test(a_hole_in_the_vocabulary_has_no_token),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(truncated_llama2c_files_are_refused),
        cmocka_unit_test(configuration_beside_the_tokenizer_is_read),
        cmocka_unit_test(random_bytes_never_hurt),
        cmocka_unit_test(valid_text_comes_back_whole),
        cmocka_unit_test(parts_of_a_character_decode_to_their_bytes),
        cmocka_unit_test(replacement_follows_maximal_subparts),
        cmocka_unit_test(each_byte_has_its_character),
        cmocka_unit_test(one_very_long_word_is_no_trouble),
        cmocka_unit_test(encoding_appends),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
