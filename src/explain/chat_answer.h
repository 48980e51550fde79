/* The JSON of an OpenAI-compatible endpoint's answer. */
#ifndef RV_EXPLAIN_CHAT_ANSWER_H
#define RV_EXPLAIN_CHAT_ANSWER_H

#include <jansson.h>

#include "base/error.h"
#include "explain/chat.h"

/* Reads a chat completion; log-probabilities that do not fit the text are left out. RV_ERR_FORMAT
 * says what is wrong with it, or what error it reports; *out is then empty. */
rv_status rv_chat_answer_parse(rv_chat_answer *out, const json_t *root, const char *where,
                               rv_error *err);

#endif
