/* A chat template, a program that somebody else wrote. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "template/chat.h"
#include "tokenizer/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char json[] =
        "{\"model\":{\"vocab\":{\"a\":0,\"<s>\":1,\"</s>\":2},\"merges\":[]}}";
    const rv_chat_message messages[] = {{"system", "You are\na poet. "},
                                        {"user", " Hi \xF0\x9F\x98\x80"},
                                        {"assistant", "<think>a</think>b"}};
    rv_tokenizer *tok;
    rv_error err = {.message = ""};
    FUZZ_REQUIRE(rv_tokenizer_open_memory(&tok, json, sizeof json - 1, "fuzz.json", &err) ==
                 RV_OK);
    tok->chat_template = rv_strndup((const char *)data, size);
    FUZZ_REQUIRE(tok->chat_template);
    rv_text out = {0};
    rv_status status = rv_chat_render(tok, messages, 3, true, &out, &err);
    FUZZ_REQUIRE(status == RV_OK || strncmp(err.message, "chat template: ", 15) == 0);
    FUZZ_REQUIRE(status == RV_OK || out.length == 0);
    rv_text_release(&out);
    rv_tokenizer_close(tok);
    return 0;
}
