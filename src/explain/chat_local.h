/* A model of our own to talk to, behind explain/chat.h. */
#ifndef RV_EXPLAIN_CHAT_LOCAL_H
#define RV_EXPLAIN_CHAT_LOCAL_H

#include "explain/chat.h"
#include "subject/subject.h"

/* model: borrowed; it must outlive the chat, which uses it from one thread. A model without a chat template that we know is talked to in plain text,
 * and its name in records says so. Messages cannot hold special tokens: they are encoded as plain
 * text. What two questions begin with alike is computed once. */
rv_status rv_chat_open_local(rv_chat **out, rv_model *model, const rv_chat_options *options,
                             rv_error *err);

#endif
