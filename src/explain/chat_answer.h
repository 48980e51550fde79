/* The JSON of an OpenAI-compatible endpoint's answer. */
#ifndef RV_EXPLAIN_CHAT_ANSWER_H
#define RV_EXPLAIN_CHAT_ANSWER_H

#include <jansson.h>

#include "base/error.h"
#include "explain/chat.h"
#include "http/http.h"

/* The JSON of an answer, as it may be kept: where the server repeated a secret, the tokens that spell it are left
 * out too. A stream that nobody asked for is put together first, and the body becomes what it would have been. */
rv_status rv_chat_answer_load(json_t **out, rv_http_response *response,
                              const rv_http_request *request, rv_error *err);

/* Reads a chat completion; an answer without a text is none to complain of. Log-probabilities that do not fit the text are left out. RV_ERR_FORMAT
 * says what is wrong with it, or what error it reports; *out is then empty. */
rv_status rv_chat_answer_parse(rv_chat_answer *out, const json_t *root, const char *where,
                               rv_error *err);

#endif
