/* Conversations that grow message by message. */
#ifndef RV_TEMPLATE_CONVERSATION_H
#define RV_TEMPLATE_CONVERSATION_H

#include "base/text.h"
#include "template/chat.h"

/* A conversation. Zero-initialised is empty; contents are owned, roles are static. */
typedef struct rv_conversation {
    rv_chat_message *messages;
    size_t count, capacity;
} rv_conversation;

/* Takes the content over and leaves it empty, also when it fails. */
rv_status rv_conversation_add(rv_conversation *conversation, const char *role, rv_text *content,
                              rv_error *err);
void rv_conversation_release(rv_conversation *conversation);

/* The same conversation for a model that takes no system messages: they stand in front of what the user
 * first says. *out is to be released in any case. */
rv_status rv_conversation_fold(rv_conversation *out, const rv_chat_message *messages,
                               size_t count, rv_error *err);

/* As rv_chat_render; where the template refuses a system message, the conversation is folded. */
rv_status rv_conversation_render(const rv_tokenizer *tok, const rv_chat_message *messages,
                                 size_t count, bool add_generation_prompt, rv_text *out,
                                 rv_error *err);

#endif
