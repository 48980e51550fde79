/* A regular expression as the tokenizers library writes it, a NUL, and a text to search. */
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"

enum { LONGEST_TEXT = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char usual[] =
        "It's a caf\xC3\xA9, \xE4\xB8\xAD\xE6\x96\x87 12345\r\n\n  aaaa ";
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t length = end ? (size_t)(end - data) : size;
    rv_text text = {0};
    rv_regex *regex;
    rv_regex_scratch *scratch;
    rv_error err;
    if (rv_regex_compile(&regex, (const char *)data, length, &err) != RV_OK) return 0;
    size_t rest = end ? size - length - 1 : 0;
    if (end)
        rv_utf8_replace_invalid(&text, (const char *)end + 1,
                                rest < LONGEST_TEXT ? rest : LONGEST_TEXT);
    else
        rv_text_puts(&text, usual);
    rv_text_append(&text, "", 0);
    FUZZ_REQUIRE(rv_regex_scratch_new(&scratch, &err) == RV_OK);
    rv_regex_cursor cursor = {0};
    bool found = true;
    for (size_t steps = 0; found; steps++) {
        if (rv_regex_next(&found, regex, scratch, text.bytes, text.length, &cursor, &err) !=
            RV_OK)
            break;
        FUZZ_REQUIRE(!found || cursor.end <= text.length);
        FUZZ_REQUIRE(steps <= 2 * text.length + 2);
    }
    rv_regex_scratch_free(scratch);
    rv_regex_free(regex);
    rv_text_release(&text);
    return 0;
}
