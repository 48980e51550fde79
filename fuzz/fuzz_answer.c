/* What an endpoint answers: an address, a NUL and the body of the answer. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "explain/answer.h"
#include "explain/chat_answer.h"
#include "explain/evidence.h"
#include "explain/thought.h"
#include "fuzz.h"
#include "http/url.h"

enum { COUNT = 8 };
static const char key[] = "sk-fuzz-0123456789";

/* Everything that is made of a text. */
static void read_text(const char *text)
{
    rv_found found[COUNT];
    size_t start, end, length = strlen(text);
    rv_error err;
    rv_thoughts_skip(&start, &end, text);
    FUZZ_REQUIRE(start <= end && end <= length);
    char *said = rv_strndup(text + start, end - start);
    char *phrase = rv_answer_explanation(said, &err);
    FUZZ_REQUIRE(!phrase || (*phrase && strlen(phrase) <= RV_EXPLANATION_LIMIT));
    FUZZ_REQUIRE(rv_answer_levels(found, COUNT, said) <= COUNT);
    FUZZ_REQUIRE(rv_answer_verdicts(found, COUNT, said) <= COUNT);
    FUZZ_REQUIRE(!rv_answer_rating(found, 5, said) || (found->value >= 1 && found->value <= 5));
    free(phrase);
    free(said);
}

static void read_answer(const json_t *root)
{
    rv_chat_answer answer;
    rv_error err;
    if (rv_chat_answer_parse(&answer, root, "fuzz", &err) != RV_OK) {
        FUZZ_REQUIRE(err.message[0] && !answer.text);
        return;
    }
    size_t length = strlen(answer.text);
    for (size_t i = 0; i < answer.token_count; i++)
        FUZZ_REQUIRE(answer.tokens[i].at <= length &&
                     answer.tokens[i].length <= length - answer.tokens[i].at);
    read_text(answer.text);
    rv_chat_answer_release(&answer);
}

/* Whatever an address is, nothing of its secrets is shown. */
static void hide(const char *url)
{
    rv_text shown = {0}, again = {0};
    rv_url_hide(&shown, url);
    FUZZ_REQUIRE(shown.bytes);
    rv_url_hide(&again, shown.bytes);
    FUZZ_REQUIRE(strcmp(shown.bytes, again.bytes) == 0);
    again.length = 0;
    rv_url_hide_all(&again, url);
    free(rv_url_display(url));
    rv_text_release(&shown);
    rv_text_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    if (!nul) return 0;
    size_t length = size - (size_t)(nul + 1 - data);
    rv_http_request request = rv_http_request_default((const char *)data);
    request.secret = "Authorization: Bearer sk-fuzz-0123456789";
    rv_http_response response = {.code = 200, .length = length};
    response.body = malloc(length + 1);
    response.address = rv_url_display((const char *)data);
    FUZZ_REQUIRE(response.body && response.address);
    if (length) memcpy(response.body, nul + 1, length);
    response.body[length] = '\0';
    hide((const char *)data);
    response.repeats_secret = rv_http_redact(response.body, length, &request) > 0;
    FUZZ_REQUIRE(!memmem(response.body, length, key, strlen(key)));
    FUZZ_REQUIRE(rv_http_redact(response.body, length, &request) == 0);
    json_t *root = NULL;
    rv_error err;
    if (rv_chat_answer_load(&root, &response, &request, &err) == RV_OK) {
        char *kept = json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY);
        FUZZ_REQUIRE(kept && !strstr(kept, key));
        free(kept);
        read_answer(root);
    }
    json_decref(root);
    char *repaired = rv_utf8_repair(response.body, response.length);
    FUZZ_REQUIRE(repaired);
    read_text(repaired);
    free(repaired);
    rv_http_response_release(&response);
    return 0;
}
