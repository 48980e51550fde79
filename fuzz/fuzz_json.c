/* Any bytes as JSON from outside: what is read can be written, and reads as the same again. */
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *first, *second;
    rv_error err = {.message = ""};
    rv_status status = rv_json_parse(&first, (const char *)data, size, "fuzz", &err);
    FUZZ_REQUIRE(status == RV_OK ? first != NULL : !first && err.message[0]);
    if (!first) return 0;
    char *text = json_dumps(first, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    FUZZ_REQUIRE(text);
    FUZZ_REQUIRE(rv_json_parse(&second, text, strlen(text), "again", &err) == RV_OK);
    char *again = json_dumps(second, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    FUZZ_REQUIRE(again && strcmp(text, again) == 0);
    free(again);
    free(text);
    json_decref(first);
    json_decref(second);
    return 0;
}
