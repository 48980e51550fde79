/* Chat templates: small programs in the Jinja language that come with a model. */
#include "template/chat.h"

#include <string.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

enum { LIMIT_MEMORY = 64 * 1024 * 1024 };

/* Text from the caller, made valid UTF-8. */
static rv_status add_text(jinja_memory *memory, jinja_dict *dict, const char *name,
                          const char *text, size_t length)
{
    rv_text valid = {0};
    jinja_value value;
    rv_utf8_replace_invalid(&valid, text, length);
    RV_TRY(jinja_take(&value, memory, &valid, RV_OK));
    return jinja_set_name(memory, dict, jinja_literal(name), value);
}

static rv_status add_messages(jinja_memory *memory, jinja_dict *globals,
                              const rv_chat_message *messages, size_t count)
{
    jinja_value list, message;
    RV_TRY(jinja_new_list(&list, memory, FLAVOR_LIST));
    for (size_t i = 0; i < count; i++) {
        RV_TRY(jinja_new_dict(&message, memory));
        RV_TRY(
            add_text(memory, message.dict, "role", messages[i].role, strlen(messages[i].role)));
        RV_TRY(add_text(memory, message.dict, "content", messages[i].content,
                        strlen(messages[i].content)));
        RV_TRY(jinja_push(memory, list.list, message));
    }
    return jinja_set_name(memory, globals, jinja_literal("messages"), list);
}

/* bos_token and its like, as far as the model has them. */
static rv_status add_specials(jinja_memory *memory, jinja_dict *globals,
                              const rv_tokenizer *tok)
{
    const char *name, *content;
    size_t length;
    for (size_t i = 0; (name = rv_tokenizer_named(tok, i, &content, &length)); i++)
        RV_TRY(add_text(memory, globals, name, content, length));
    return RV_OK;
}

static rv_status render(rv_text *out, jinja_memory *memory, const rv_tokenizer *tok,
                        const char *source, const rv_chat_message *messages, size_t count,
                        bool add_generation_prompt)
{
    jinja_dict globals = {0};
    jinja_node *program;
    if (!rv_utf8_valid(source, strlen(source)))
        return rv_fail(memory->err, RV_ERR_FORMAT, "expected UTF-8");
    RV_TRY(jinja_parse(&program, memory, source, strlen(source)));
    RV_TRY(add_messages(memory, &globals, messages, count));
    if (tok) RV_TRY(add_specials(memory, &globals, tok));
    RV_TRY(jinja_set_name(memory, &globals, jinja_literal("add_generation_prompt"),
                          jinja_bool(add_generation_prompt)));
    RV_TRY(jinja_set_name(memory, &globals, jinja_literal("tools"), jinja_none()));
    RV_TRY(jinja_set_name(memory, &globals, jinja_literal("documents"), jinja_none()));
    return jinja_render(out, memory, program, &globals);
}

rv_status rv_template_render(const char *source, const rv_tokenizer *tok,
                             const rv_chat_message *messages, size_t count,
                             bool add_generation_prompt, rv_text *out, rv_error *err)
{
    rv_error ignored;
    jinja_memory memory = {.limit = LIMIT_MEMORY, .err = err ? err : &ignored};
    size_t start = out->length;
    rv_status status =
        render(out, &memory, tok, source, messages, count, add_generation_prompt);
    rv_arena_release(&memory.arena);
    if (status == RV_OK) return RV_OK;
    out->length = start;
    if (out->bytes) out->bytes[start] = '\0';
    return rv_context(err, status, "chat template");
}

rv_status rv_chat_render(const rv_tokenizer *tok, const rv_chat_message *messages, size_t count,
                         bool add_generation_prompt, rv_text *out, rv_error *err)
{
    const char *source = rv_tokenizer_chat_template(tok);
    if (!source) return rv_fail(err, RV_ERR_UNSUPPORTED, "chat template: the model has none");
    return rv_template_render(source, tok, messages, count, add_generation_prompt, out, err);
}
