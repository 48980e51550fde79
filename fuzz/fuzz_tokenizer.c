/* A tokenizer and a text for it, with a NUL between them where the tokenizer is a tokenizer.json.
 * A GGUF or a llama2.c tokenizer.bin gets a text of its own. */
#include <string.h>

#include "checkpoint/internal.h"
#include "fuzz.h"
#include "tokenizer/internal.h"

static void use(const rv_tokenizer *tok, const char *text, size_t length)
{
    rv_error err;
    for (unsigned flags = 0; flags < 4; flags++) {
        rv_ids ids = {0};
        rv_text back = {0};
        rv_status status = rv_tokenizer_encode(tok, text, length, flags, &ids, &err);
        for (size_t i = 0; i < ids.count; i++) {
            size_t n;
            FUZZ_REQUIRE(ids.items[i] >= 0 && (size_t)ids.items[i] < rv_tokenizer_size(tok));
            FUZZ_REQUIRE(rv_token_bytes(tok, ids.items[i], &n));
        }
        if (status == RV_OK)
            FUZZ_REQUIRE(rv_tokenizer_decode(tok, ids.items, ids.count, flags & 1, &back,
                                             &err) == RV_OK);
        rv_ids_release(&ids);
        rv_text_release(&back);
    }
    const int32_t odd[] = {-1, 0, INT32_MAX, 1, INT32_MIN};
    rv_text back = {0};
    FUZZ_REQUIRE(rv_tokenizer_decode(tok, odd, 5, false, &back, &err) == RV_OK);
    rv_text_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] =
        "Once upon a time, \xFF\xE2\x96\x81 12345 <s> caf\xC3\xA9\n\n  \0 a";
    const uint8_t *end = size && *data == '{' ? memchr(data, 0, size) : NULL;
    rv_checkpoint *ck = NULL;
    rv_tokenizer *tok;
    rv_error err;
    rv_status status;
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0) {
        if (rv_checkpoint_open_memory(&ck, data, size, "fuzz.gguf", &err) != RV_OK) return 0;
        status = rv_tokenizer_open(&tok, NULL, ck, &err);
    } else {
        size_t length = end ? (size_t)(end - data) : size;
        status = rv_tokenizer_open_memory(&tok, data, length, "fuzz.json", &err);
    }
    if (status == RV_OK) {
        if (end)
            use(tok, (const char *)end + 1, size - (size_t)(end + 1 - data));
        else
            use(tok, text, sizeof text - 1);
        rv_tokenizer_close(tok);
    } else {
        FUZZ_REQUIRE(!tok && err.status == status && strncmp(err.message, "fuzz.", 5) == 0);
    }
    rv_checkpoint_close(ck);
    return 0;
}
