#include "subject/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "template/conversation.h"

/* Plain text that goes on where other text ended. */
rv_status rv_chat_encode_plain(rv_ids *out, const rv_chat_encoder *e, const char *text,
                               rv_error *err)
{
    const rv_tokenizer *tok = e->model->tokenizer;
    if (!e->adds_space)
        return rv_tokenizer_encode(tok, text, strlen(text), RV_ENCODE_PLAIN, out, err);
    rv_text marked = {0};
    rv_ids ids = {0};
    rv_text_printf(&marked, "\n%s",
                   text); // a line break keeps the space away; both are cut off
    rv_status status = marked.failed ? rv_fail_memory(err, strlen(text))
                                     : rv_tokenizer_encode(tok, marked.bytes, marked.length,
                                                           RV_ENCODE_PLAIN, &ids, err);
    size_t first = 0;
    for (bool seen = false; first < ids.count && !seen; first++) {
        size_t length;
        const char *bytes = rv_token_bytes(tok, ids.items[first], &length);
        seen = bytes && memchr(bytes, '\n', length);
    }
    for (; status == RV_OK && first < ids.count; first++)
        status = rv_ids_push(out, ids.items[first], err);
    rv_ids_release(&ids);
    rv_text_release(&marked);
    return status;
}

static rv_status find_space(rv_chat_encoder *e, rv_error *err)
{
    rv_ids ids = {0};
    size_t length;
    RV_TRY(rv_tokenizer_encode(e->model->tokenizer, "a", 1, RV_ENCODE_PLAIN, &ids, err));
    const char *bytes =
        ids.count ? rv_token_bytes(e->model->tokenizer, ids.items[0], &length) : NULL;
    e->adds_space = bytes && length && *bytes == ' ';
    rv_ids_release(&ids);
    return RV_OK;
}

/* The template around marks that stand for the contents. */
static rv_status render(rv_text *out, const rv_chat_encoder *e, const rv_chat_message *messages,
                        size_t count, rv_error *err)
{
    rv_chat_message *marked;
    char(*marks)[24];
    RV_TRY(RV_NEW(marked, count, err));
    rv_status status = RV_NEW(marks, count, err);
    for (size_t i = 0; status == RV_OK && i < count; i++) {
        snprintf(marks[i], sizeof marks[i], "\x01%zu\x01", i);
        marked[i] = (rv_chat_message){messages[i].role, marks[i]};
    }
    if (status == RV_OK)
        status = rv_chat_render(e->model->tokenizer, marked, count, true, out, err);
    free(marks);
    free(marked);
    return status;
}

/* Template parts with their special tokens, contents without. */
static rv_status encode_rendered(rv_ids *out, const rv_chat_encoder *e, const rv_text *rendered,
                                 const rv_chat_message *messages, size_t count, rv_error *err)
{
    const char *p = rendered->bytes, *end = p + rendered->length;
    while (p < end) {
        const char *mark = memchr(p, '\x01', (size_t)(end - p));
        size_t length = mark ? (size_t)(mark - p) : (size_t)(end - p);
        if (length)
            RV_TRY(rv_tokenizer_encode(e->model->tokenizer, p, length, RV_ENCODE_SPECIAL, out,
                                       err));
        if (!mark) break;
        size_t i = strtoul(mark + 1, (char **)&p, 10);
        if (i >= count || *p++ != '\x01')
            return rv_fail(err, RV_ERR_UNSUPPORTED,
                           "%s: the chat template changes what is said", e->model->name);
        RV_TRY(rv_chat_encode_plain(out, e, messages[i].content, err));
    }
    return RV_OK;
}

/* For a model that only goes on with texts. */
static rv_status encode_as_text(rv_ids *out, const rv_chat_encoder *e,
                                const rv_chat_message *messages, size_t count, rv_error *err)
{
    int32_t first = e->model->bos;
    if (first < 0) first = rv_tokenizer_special(e->model->tokenizer).separator;
    if (first >= 0) RV_TRY(rv_ids_push(out, first, err));
    rv_text text = {0};
    for (size_t i = 0; i < count; i++) {
        const char *role = messages[i].role;
        rv_text_puts(&text, strcmp(role, "user") == 0        ? "### Question\n"
                            : strcmp(role, "assistant") == 0 ? "### Answer\n"
                                                             : "");
        rv_text_puts(&text, messages[i].content);
        rv_text_puts(&text, "\n\n");
    }
    rv_text_puts(&text, "### Answer\n");
    rv_status status =
        text.failed ? rv_fail_memory(err, 1) : rv_chat_encode_plain(out, e, text.bytes, err);
    rv_text_release(&text);
    return status;
}

rv_status rv_chat_encode(rv_ids *out, const rv_chat_encoder *e, const rv_chat_message *messages,
                         size_t count, rv_error *err)
{
    if (e->plain) return encode_as_text(out, e, messages, count, err);
    rv_text rendered = {0};
    rv_conversation folded = {0};
    rv_status status = RV_OK;
    if (e->folds) {
        RV_GOTO(rv_conversation_fold(&folded, messages, count, err));
        messages = folded.messages;
        count = folded.count;
    }
    RV_GOTO(render(&rendered, e, messages, count, err));
    status = encode_rendered(out, e, &rendered, messages, count, err);
done:
    rv_conversation_release(&folded);
    rv_text_release(&rendered);
    return status;
}

/* Whether the template takes what we say: system, user, assistant, user. */
static rv_status knows_template(bool *out, const rv_chat_encoder *e, rv_error *err)
{
    static const rv_chat_message talk[] = {
        {"system", "a"}, {"user", "b"}, {"assistant", "c"}, {"user", "d"}};
    rv_ids ids = {0};
    *out = false;
    if (!rv_tokenizer_chat_template(e->model->tokenizer)) return RV_OK;
    rv_status status = rv_chat_encode(&ids, e, talk, 4, err);
    rv_ids_release(&ids);
    *out = status == RV_OK;
    return status == RV_ERR_MEMORY ? status : RV_OK;
}

rv_status rv_chat_encoder_init(rv_chat_encoder *e, const rv_model *model, rv_error *err)
{
    *e = (rv_chat_encoder){.model = model};
    RV_TRY(find_space(e, err));
    bool knows;
    RV_TRY(knows_template(&knows, e, err));
    e->folds = !knows;
    if (!e->folds) return RV_OK;
    RV_TRY(knows_template(&knows, e, err));
    e->plain = !knows;
    return RV_OK;
}
