/* What stands around a dream and does not change: BOS, a prefix and a suffix, or the model's chat template. */
#include <string.h>

#include "base/memory.h"
#include "dream/session.h"
#include "template/chat.h"

static rv_status encode(rv_ids *ids, const rv_model *m, const char *text, unsigned flags,
                        rv_error *err)
{
    return rv_tokenizer_encode(m->tokenizer, text, strlen(text), flags, ids, err);
}

/* Around a message of the model's chat template: what stands before and behind the content. */
static rv_status chat_template(rv_dreaming *d, rv_text *prefix, rv_text *suffix, rv_error *err)
{
    static const char mark[] = "\x01reverie\x01";
    rv_text whole = {0};
    rv_chat_message message = {"user", mark};
    rv_status status = rv_chat_render(d->model->tokenizer, &message, 1, true, &whole, err);
    const char *at = status == RV_OK ? strstr(whole.bytes, mark) : NULL;
    if (status == RV_OK && !at)
        status = rv_fail(err, RV_ERR_UNSUPPORTED,
                         "chat template: expected it to show the user's message unchanged");
    if (status == RV_OK) {
        rv_text_append(prefix, whole.bytes, (size_t)(at - whole.bytes));
        rv_text_puts(suffix, at + sizeof mark - 1);
    }
    rv_text_release(&whole);
    return status;
}

/* Appends the tokens of a piece of fixed text, which must say it again: else every dream would be lost on the way
 * through its text. A space that the tokenizer puts first is no difference. */
static rv_status encode_fixed(rv_ids *out, const rv_dreaming *d, const char *text,
                              const char *part, rv_error *err)
{
    const rv_model *m = d->model;
    rv_ids ids = {0}, again = {0};
    rv_text back = {0};
    rv_status status;
    RV_GOTO(encode(&ids, m, text, RV_ENCODE_SPECIAL, err));
    RV_GOTO(rv_tokenizer_decode(m->tokenizer, ids.items, ids.count, false, &back, err));
    rv_text_putc(&back, '\0');
    if (back.failed) RV_GOTO(rv_fail_memory(err, back.length));
    RV_GOTO(encode(&again, m, back.bytes, RV_ENCODE_SPECIAL, err));
    bool same = again.count == ids.count && ids.count &&
                memcmp(again.items, ids.items, ids.count * sizeof *ids.items) == 0 &&
                strcmp(back.bytes + (*back.bytes == ' '), text + (*text == ' ')) == 0;
    if (!same)
        RV_GOTO(rv_fail(err, RV_ERR_USAGE,
                        "template: %s: expected \"%.60s\" to come back from its tokens, found "
                        "\"%.60s\"",
                        part, text, back.bytes));
    for (size_t i = 0; i < ids.count; i++) RV_GOTO(rv_ids_push(out, ids.items[i], err));
done:
    rv_ids_release(&ids);
    rv_ids_release(&again);
    rv_text_release(&back);
    return status;
}

/* The tokens of what stands behind the dream, as they come out of the whole text: alone, a suffix might get a space
 * in front. Where the dream's last letters change them, they are those of the suffix alone. */
static rv_status encode_behind(rv_ids *out, const rv_dreaming *d, const char *before,
                               const char *suffix, rv_error *err)
{
    static const char *const dreams[] = {"a", "z"};
    rv_ids ids[2] = {{0}};
    rv_text whole = {0}, tail = {0};
    size_t shared = 0, length = strlen(suffix);
    rv_status status = RV_OK;
    for (size_t i = 0; i < 2; i++) {
        whole.length = 0;
        rv_text_printf(&whole, "%s%s%s", before, dreams[i], suffix);
        if (whole.failed) RV_GOTO(rv_fail_memory(err, whole.length));
        RV_GOTO(encode(&ids[i], d->model, whole.bytes, RV_ENCODE_SPECIAL, err));
    }
    while (shared < ids[0].count && shared < ids[1].count &&
           ids[0].items[ids[0].count - 1 - shared] == ids[1].items[ids[1].count - 1 - shared])
        shared++;
    const int32_t *first = ids[0].items + (ids[0].count - shared);
    for (size_t i = 0; i < shared; i++) {
        size_t n;
        const char *bytes = rv_token_bytes(d->model->tokenizer, first[i], &n);
        rv_text_append(&tail, bytes, bytes ? n : 0);
    }
    if (tail.failed) RV_GOTO(rv_fail_memory(err, tail.length));
    bool same = tail.length == length && memcmp(tail.bytes, suffix, length) == 0;
    for (size_t i = 0; same && i < shared; i++) RV_GOTO(rv_ids_push(out, first[i], err));
    if (!same) status = encode_fixed(out, d, suffix, "suffix", err);
done:
    rv_ids_release(&ids[0]);
    rv_ids_release(&ids[1]);
    rv_text_release(&whole);
    rv_text_release(&tail);
    return status;
}

/* BOS and the fixed text around the dream. Dreams are scored after BOS or the document separator, so that the
 * first token counts too; --no-bos leaves it out. A chat template writes all that goes first itself. */
rv_status rv_dream_fix_text(rv_dreaming *d, rv_error *err)
{
    const rv_dream_params *p = d->params;
    rv_text prefix = {0}, suffix = {0};
    rv_status status = RV_OK;
    if (p->prefix) rv_text_puts(&prefix, p->prefix);
    if (p->suffix) rv_text_puts(&suffix, p->suffix);
    if (p->chat) status = chat_template(d, &prefix, &suffix, err);
    rv_dream_bos(&d->bos, &d->bos_why, d->model);
    d->corpus_bos = d->bos;
    if (p->chat) {
        d->bos = -1;
        d->bos_why = "the chat template says what goes first";
    }
    if (p->as_published) d->bos_why = "scored after it; the published search itself has none";
    if (status == RV_OK && d->bos >= 0) status = rv_ids_push(&d->prefix, d->bos, err);
    if (status == RV_OK && prefix.length)
        status = encode_fixed(&d->prefix, d, prefix.bytes, "prefix", err);
    if (status == RV_OK && suffix.length)
        status =
            encode_behind(&d->suffix, d, prefix.length ? prefix.bytes : "", suffix.bytes, err);
    d->prefix_text = rv_text_take(&prefix);
    d->suffix_text = rv_text_take(&suffix);
    return status;
}
