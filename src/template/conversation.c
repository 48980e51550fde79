#include "template/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

rv_status rv_conversation_add(rv_conversation *talk, const char *role, rv_text *content,
                              rv_error *err)
{
    char *text = rv_text_take(content);
    if (!text) return rv_fail_memory(err, 1);
    rv_status status = rv_grow((void **)&talk->messages, &talk->capacity, talk->count + 1,
                               sizeof *talk->messages, err);
    if (status == RV_OK)
        talk->messages[talk->count++] = (rv_chat_message){role, text};
    else
        free(text);
    return status;
}

void rv_conversation_release(rv_conversation *talk)
{
    for (size_t i = 0; i < talk->count; i++) free((char *)talk->messages[i].content);
    free(talk->messages);
    *talk = (rv_conversation){0};
}

rv_status rv_conversation_fold(rv_conversation *out, const rv_chat_message *messages,
                               size_t count, rv_error *err)
{
    rv_text folded = {0};
    rv_status status = RV_OK;
    *out = (rv_conversation){0};
    for (size_t i = 0; i < count; i++)
        if (strcmp(messages[i].role, "system") == 0)
            rv_text_printf(&folded, "%s\n\n", messages[i].content);
    for (size_t i = 0; status == RV_OK && i < count; i++) {
        if (strcmp(messages[i].role, "system") == 0) continue;
        rv_text said = {0};
        if (strcmp(messages[i].role, "user") == 0) said = folded, folded = (rv_text){0};
        rv_text_puts(&said, messages[i].content);
        status = rv_conversation_add(out, messages[i].role, &said, err);
    }
    if (status == RV_OK && folded.length)
        status = rv_conversation_add(out, "user", &folded, err);
    rv_text_release(&folded);
    return status;
}

rv_status rv_conversation_render(const rv_tokenizer *tok, const rv_chat_message *messages,
                                 size_t count, bool add_generation_prompt, rv_text *out,
                                 rv_error *err)
{
    rv_status status = rv_chat_render(tok, messages, count, add_generation_prompt, out, err);
    bool system = false;
    for (size_t i = 0; i < count; i++) system |= strcmp(messages[i].role, "system") == 0;
    if (status == RV_OK || status == RV_ERR_MEMORY || !system) return status;
    rv_conversation folded = {0};
    rv_error second = {.message = ""};
    if (rv_conversation_fold(&folded, messages, count, &second) == RV_OK &&
        rv_chat_render(tok, folded.messages, folded.count, add_generation_prompt, out,
                       &second) == RV_OK)
        status = RV_OK;
    rv_conversation_release(&folded);
    return status; // with the first error: it says what the template thinks of the conversation
}
