#include "tokenizer/tokenizer.h"

rv_status rv_chat_render(const rv_tokenizer *tok, const rv_chat_message *messages, size_t count,
                         bool add_generation_prompt, rv_text *out, rv_error *err)
{
    (void)messages;
    (void)count;
    (void)add_generation_prompt;
    (void)out;
    return rv_fail(err, RV_ERR_UNSUPPORTED, "chat template: %s",
                   rv_tokenizer_chat_template(tok) ? "it is not one of those that are known"
                                                   : "the model has none");
}
