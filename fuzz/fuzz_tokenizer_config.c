/* The files beside a tokenizer: tokenizer_config.json, special_tokens_map.json, added_tokens.json and
 * config.json, a NUL behind each. An input that begins with 'v' stands beside vocab.json. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "tokenizer/tokenizer.h"

static char folder[] = "/tmp/reverie-fuzz-XXXXXX";

static void write_one(const char *name, const void *bytes, size_t length)
{
    char path[64];
    rv_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    if (bytes) FUZZ_REQUIRE(rv_write_file(path, bytes, length, &err) == RV_OK);
}

static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json",
                                    "added_tokens.json", "config.json"};

static void clean(void)
{
    for (size_t i = 0; i < 4; i++) write_one(names[i], NULL, 0);
    write_one("tokenizer.json", NULL, 0);
    write_one("vocab.json", NULL, 0);
    write_one("merges.txt", NULL, 0);
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    static const char vocabulary[] =
        "{\"a\":0,\"b\":1,\"ab\":2,\"<s>\":3,\"<|endoftext|>\":4,\"\xC4\xA0\":5}",
                      merges[] = "a b\n",
                      tokenizer[] =
                          "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<s>\":3},"
                          "\"merges\":[\"a b\"]},\"added_tokens\":[{\"id\":4,"
                          "\"content\":\"<x>\",\"special\":true}]}";
    if (!made) {
        FUZZ_REQUIRE(mkdtemp(folder));
        atexit(clean);
        made = true;
    }
    bool old = size && *data == 'v';
    data += old;
    size -= old;
    write_one("tokenizer.json", old ? NULL : tokenizer, sizeof tokenizer - 1);
    write_one("vocab.json", old ? vocabulary : NULL, sizeof vocabulary - 1);
    write_one("merges.txt", old ? merges : NULL, sizeof merges - 1);
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *end = size ? memchr(data, 0, size) : NULL;
        size_t length = end ? (size_t)(end - data) : size;
        write_one(names[i], length ? data : NULL, length);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    rv_tokenizer *tok;
    rv_error err = {.message = ""};
    if (rv_tokenizer_open(&tok, folder, NULL, &err) != RV_OK) {
        FUZZ_REQUIRE(err.message[0]);
        return 0;
    }
    rv_ids ids = {0};
    static const char text[] = " ab<s><x> <|im_end|> a ";
    FUZZ_REQUIRE(rv_tokenizer_encode(tok, text, sizeof text - 1,
                                     RV_ENCODE_SPECIAL | RV_ENCODE_TEMPLATE, &ids,
                                     &err) == RV_OK);
    for (size_t i = 0; i < ids.count; i++)
        FUZZ_REQUIRE(ids.items[i] >= 0 && (size_t)ids.items[i] < rv_tokenizer_size(tok));
    rv_ids_release(&ids);
    rv_tokenizer_close(tok);
    return 0;
}
