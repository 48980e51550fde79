/* A suffix has the tokens that it has in the whole text: nothing is put between, in tokenizers of every
 * kind but those that join letters across a space (Gemma's), where they are the dream's too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dream/session.h"

static const char *const tokenizers[] = {"gpt2",    "qwen2",           "llama3",
                                         "smollm2", "metaspace-first", "metaspace-always"};
static const char *const suffixes[] = {" the end", "s", " and so on"};

static rv_tokenizer *open_fixture(const char *name)
{
    char path[256];
    rv_tokenizer *tok;
    rv_error err;
    snprintf(path, sizeof path, "tests/fixtures/tokenizer/%s", name);
    if (rv_tokenizer_open(&tok, path, NULL, &err) != RV_OK) fail_msg("%s", err.message);
    return tok;
}

static void release(rv_dreaming *d)
{
    rv_ids_release(&d->prefix);
    rv_ids_release(&d->suffix);
    free(d->prefix_text);
    free(d->suffix_text);
}

static void suffixes_are_as_in_the_whole_text(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof tokenizers / sizeof *tokenizers; t++) {
        rv_model model = {
            .bos = -1, .bos_why = "asked for", .tokenizer = open_fixture(tokenizers[t])};
        for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++) {
            rv_dream_params params = {.suffix = suffixes[s]};
            rv_dreaming d = {.model = &model, .params = &params};
            rv_ids whole = {0};
            rv_text text = {0};
            rv_error err = {.message = ""};
            if (rv_dream_fix_text(&d, &err) != RV_OK)
                fail_msg("%s, \"%s\": %s", tokenizers[t], suffixes[s], err.message);
            rv_text_printf(&text, "a cat%s", suffixes[s]);
            assert_int_equal(rv_tokenizer_encode(model.tokenizer, text.bytes, text.length,
                                                 RV_ENCODE_SPECIAL, &whole, &err),
                             RV_OK);
            bool same = whole.count > d.suffix.count &&
                        memcmp(whole.items + (whole.count - d.suffix.count), d.suffix.items,
                               d.suffix.count * sizeof *whole.items) == 0;
            if (!same) fail_msg("%s: \"%s\" has other tokens", tokenizers[t], suffixes[s]);
            rv_ids_release(&whole);
            rv_text_release(&text);
            release(&d);
        }
        rv_tokenizer_close(model.tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(suffixes_are_as_in_the_whole_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
