/* Chat templates: small programs in the Jinja language that come with a model. */
#include "template/chat.h"

#include <string.h>

#include "template/run.h"
#include "tokenizer/internal.h"
#include "tokenizer/unicode.h"

enum { LIMIT_MEMORY = 64 * 1024 * 1024 };

/* Text from the caller, made valid UTF-8. */
static rv_status add_text(jinja_memory *memory, jinja_dict *dict, const char *name,
                          const char *text, size_t length, rv_error *err)
{
    rv_text valid = {0};
    jinja_value value;
    rv_utf8_replace_invalid(&valid, text, length);
    rv_status status = valid.failed
                           ? rv_fail_memory(err, length)
                           : jinja_copy(&value, memory, valid.bytes, valid.length, err);
    rv_text_release(&valid);
    if (status != RV_OK) return status;
    return jinja_set(memory, dict, jinja_literal(name), value, err);
}

static rv_status add_messages(jinja_memory *memory, jinja_dict *globals,
                              const rv_chat_message *messages, size_t count, rv_error *err)
{
    jinja_value list, message;
    RV_TRY(jinja_new_list(&list, memory, err));
    for (size_t i = 0; i < count; i++) {
        RV_TRY(jinja_new_dict(&message, memory, err));
        RV_TRY(add_text(memory, message.dict, "role", messages[i].role,
                        strlen(messages[i].role), err));
        RV_TRY(add_text(memory, message.dict, "content", messages[i].content,
                        strlen(messages[i].content), err));
        RV_TRY(jinja_push(memory, list.list, message, err));
    }
    return jinja_set(memory, globals, jinja_literal("messages"), list, err);
}

/* bos_token and its like, as far as the model has them. */
static rv_status add_specials(jinja_memory *memory, jinja_dict *globals,
                              const rv_tokenizer *tok, rv_error *err)
{
    const struct {
        const char *name;
        int32_t id;
    } specials[] = {{"bos_token", tok->special.bos},
                    {"eos_token", tok->special.eos},
                    {"unk_token", tok->special.unknown},
                    {"pad_token", tok->special.pad}};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        size_t length;
        const char *piece = rv_vocabulary_piece(&tok->vocabulary, specials[i].id, &length);
        if (piece) RV_TRY(add_text(memory, globals, specials[i].name, piece, length, err));
    }
    return RV_OK;
}

static rv_status render(rv_text *out, jinja_memory *memory, const rv_tokenizer *tok,
                        const rv_chat_message *messages, size_t count,
                        bool add_generation_prompt, rv_error *err)
{
    jinja_dict globals = {0};
    const jinja_value none = {.kind = JINJA_NONE};
    jinja_node *program;
    const char *source = tok->chat_template;
    if (!rv_utf8_valid(source, strlen(source)))
        return rv_fail(err, RV_ERR_FORMAT, "expected UTF-8");
    RV_TRY(jinja_parse(&program, memory, source, strlen(source), err));
    RV_TRY(add_messages(memory, &globals, messages, count, err));
    RV_TRY(add_specials(memory, &globals, tok, err));
    RV_TRY(jinja_set(memory, &globals, jinja_literal("add_generation_prompt"),
                     jinja_bool(add_generation_prompt), err));
    RV_TRY(jinja_set(memory, &globals, jinja_literal("tools"), none, err));
    RV_TRY(jinja_set(memory, &globals, jinja_literal("documents"), none, err));
    return jinja_render(out, memory, program, &globals, err);
}

rv_status rv_chat_render(const rv_tokenizer *tok, const rv_chat_message *messages, size_t count,
                         bool add_generation_prompt, rv_text *out, rv_error *err)
{
    if (!tok->chat_template)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "chat template: the model has none");
    jinja_memory memory = {.limit = LIMIT_MEMORY};
    size_t start = out->length;
    rv_status status = render(out, &memory, tok, messages, count, add_generation_prompt, err);
    rv_arena_release(&memory.arena);
    if (status == RV_OK) return RV_OK;
    out->length = start;
    if (out->bytes) out->bytes[start] = '\0';
    return rv_context(err, status, "chat template");
}
