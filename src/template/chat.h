/* Conversations as the text that a model was trained to read: its chat template, a small program
 * in the Jinja language, run on the messages. */
#ifndef RV_TEMPLATE_CHAT_H
#define RV_TEMPLATE_CHAT_H

#include "tokenizer/tokenizer.h"

typedef struct rv_chat_message {
    const char *role; /* "system", "user", "assistant" */
    const char *content;
} rv_chat_message;

/* Appends the rendered conversation, as the reference (transformers' apply_chat_template) does,
 * to be encoded with RV_ENCODE_SPECIAL. RV_ERR_UNSUPPORTED where there is no template or it uses
 * a part of Jinja that is not known, RV_ERR_USAGE where it refuses the conversation (a system
 * message that the model does not know), with the template's own words. */
rv_status rv_chat_render(const rv_tokenizer *tok, const rv_chat_message *messages, size_t count,
                         bool add_generation_prompt, rv_text *out, rv_error *err);

/* The same of a template that is given; tok: whose special tokens it may name, or NULL. */
rv_status rv_template_render(const char *source, const rv_tokenizer *tok,
                             const rv_chat_message *messages, size_t count,
                             bool add_generation_prompt, rv_text *out, rv_error *err);

#endif
