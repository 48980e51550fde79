#include "explain/chat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/prompt.h"
#include "explain/thought.h"

enum { BYTES_PER_TOKEN = 3 }; /* a cautious guess, for what is not counted by the model */

struct rv_chat {
    const rv_chat_backend *backend;
    void *self;
    char *name;
    rv_chat_options options;
    rv_chat_usage usage;
};

rv_chat_options rv_chat_options_default(void)
{
    return (rv_chat_options){.timeout = 300, .retries = 5, .first_wait = 1, .longest_wait = 60};
}

void rv_chat_answer_release(rv_chat_answer *answer)
{
    for (size_t i = 0; i < answer->token_count; i++) {
        for (size_t k = 0; k < answer->tokens[i].alternative_count; k++)
            free(answer->tokens[i].alternatives[k].token);
        free(answer->tokens[i].alternatives);
    }
    free(answer->tokens);
    free(answer->text);
    *answer = (rv_chat_answer){0};
}

rv_status rv_chat_open(rv_chat **out, const rv_chat_backend *backend, void *self,
                       const char *name, const rv_chat_options *options, rv_error *err)
{
    rv_chat *chat = NULL;
    *out = NULL;
    rv_status status = RV_NEW(chat, 1, err);
    if (status == RV_OK) {
        chat->backend = backend;
        chat->options = *options;
        chat->options.key = NULL;
        chat->name = rv_strndup(name, strlen(name));
        if (!chat->name) status = rv_fail_memory(err, strlen(name));
    }
    if (status != RV_OK) {
        free(chat);
        if (backend->close) backend->close(self);
        return status;
    }
    chat->self = self;
    *out = chat;
    return RV_OK;
}

void rv_chat_close(rv_chat *chat)
{
    if (!chat) return;
    if (chat->backend->close) chat->backend->close(chat->self);
    free(chat->name);
    free(chat);
}

bool rv_chat_can_probe(const rv_chat *chat)
{
    return chat->backend->probe != NULL;
}

bool rv_chat_is_dry(const rv_chat *chat)
{
    return chat->options.dry_run;
}

const char *rv_chat_name(const rv_chat *chat)
{
    return chat->name;
}

rv_chat_usage rv_chat_used(const rv_chat *chat)
{
    return chat->usage;
}

/* ---- counting -------------------------------------------------------------------------------- */
static size_t guess_tokens(const rv_chat_message *messages, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += strlen(messages[i].content) + 16;
    return bytes / BYTES_PER_TOKEN + 1;
}

/* Refuses a request that might cost more than is left. */
static rv_status allow(rv_chat *chat, size_t tokens, rv_error *err)
{
    const rv_chat_options *o = &chat->options;
    size_t used = chat->usage.prompt_tokens + chat->usage.answer_tokens;
    if (o->budget_requests && chat->usage.requests >= o->budget_requests) {
        chat->usage.exhausted = true;
        return rv_fail(err, RV_ERR_CANCELLED, "the budget of %zu requests is spent",
                       o->budget_requests);
    }
    if (o->budget_tokens && (used > o->budget_tokens || tokens > o->budget_tokens - used)) {
        chat->usage.exhausted = true;
        return rv_fail(err, RV_ERR_CANCELLED,
                       "the budget of %zu tokens is spent: %zu were used, and the next request "
                       "may take %zu",
                       o->budget_tokens, used, tokens);
    }
    return RV_OK;
}

static void show(const rv_chat *chat, rv_text *text)
{
    rv_text_append(text, "", 0);
    if (!text->failed && chat->options.show)
        chat->options.show(chat->options.show_context, text->bytes);
    rv_text_release(text);
}

static rv_status complete_dry(rv_chat *chat, rv_chat_answer *out,
                              const rv_chat_request *request, rv_error *err)
{
    rv_text text = {0};
    chat->usage.requests++;
    chat->usage.prompt_tokens += guess_tokens(request->messages, request->message_count);
    rv_text_printf(&text, "---- request %zu: at most %zu tokens, temperature %g\n",
                   chat->usage.requests, request->max_tokens, request->temperature);
    rv_prompt_print(&text, request->messages, request->message_count);
    show(chat, &text);
    out->text = rv_strndup("", 0);
    return out->text ? RV_OK : rv_fail_memory(err, 1);
}

static const char only_reasoned[] =
    "the model only reasoned; give it room for more (--extra-tokens)";

/* Cuts the text to what was said to us; places of tokens move along, those of thoughts get none. */
static void drop_thoughts(rv_chat_answer *answer)
{
    size_t start, end;
    if (rv_thoughts_skip(&start, &end, answer->text)) {
        size_t length = end - start;
        memmove(answer->text, answer->text + start, length);
        answer->text[length] = '\0';
        for (size_t i = 0; i < answer->token_count; i++) {
            rv_chat_token *token = &answer->tokens[i];
            size_t from = token->at > start ? token->at : start, to = token->at + token->length;
            if (to > end) to = end;
            token->length = to > from ? to - from : 0;
            token->at = token->length ? from - start : length;
        }
        if (!answer->silence) answer->silence = only_reasoned;
    }
    if (answer->text[strspn(answer->text, " \t\r\n")])
        answer->silence = NULL;
    else if (!answer->silence)
        answer->silence = answer->reasoned ? only_reasoned
                          : answer->cut    ? "the answer was cut before it said anything"
                                           : "the answer is empty";
}

rv_status rv_chat_complete(rv_chat *chat, rv_chat_answer *out, const rv_chat_request *request,
                           rv_error *err)
{
    *out = (rv_chat_answer){0};
    if (chat->options.dry_run) return complete_dry(chat, out, request, err);
    size_t prompt = guess_tokens(request->messages, request->message_count);
    bool known = chat->backend->knows && chat->backend->knows(chat->self, request);
    if (!known) RV_TRY(allow(chat, prompt + request->max_tokens, err));
    RV_TRY(chat->backend->complete(chat->self, out, request, err));
    rv_chat_usage *usage = &chat->usage;
    if (out->prompt_tokens) prompt = out->prompt_tokens;
    size_t written = out->answer_tokens;
    if (!written) written = strlen(out->text) / BYTES_PER_TOKEN + 1;
    drop_thoughts(out);
    usage->silent += out->silence != NULL;
    if (out->silence) usage->silence = out->silence;
    if (out->cached) {
        usage->cached++;
        usage->cached_tokens += prompt + written;
        return RV_OK;
    }
    usage->requests++;
    usage->unsaved += out->unsaved;
    usage->prompt_tokens += prompt;
    usage->answer_tokens += written;
    return RV_OK;
}

rv_status rv_chat_probe_run(rv_chat *chat, double *logprobs, const rv_chat_probe *probe,
                            rv_error *err)
{
    size_t read = 0, guess = guess_tokens(probe->messages, probe->message_count);
    if (!chat->backend->probe)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "%s: cannot tell probabilities of given text",
                       chat->name);
    for (size_t i = 0; i < probe->piece_count; i++)
        guess += strlen(probe->pieces[i]) / BYTES_PER_TOKEN + 1;
    if (chat->options.dry_run) {
        rv_text text = {0};
        chat->usage.requests++;
        chat->usage.prompt_tokens += guess;
        rv_text_printf(&text, "---- request %zu: one pass, probabilities at %zu places\n",
                       chat->usage.requests, probe->piece_count);
        rv_prompt_print(&text, probe->messages, probe->message_count);
        rv_text_puts(&text, "[assistant]\n");
        for (size_t i = 0; i < probe->piece_count; i++)
            rv_text_printf(&text, "%s(?)", probe->pieces[i]);
        rv_text_puts(&text, "\n\n");
        show(chat, &text);
        for (size_t i = 0; i < probe->piece_count * probe->candidate_count; i++)
            logprobs[i] = -INFINITY;
        return RV_OK;
    }
    RV_TRY(allow(chat, guess, err));
    RV_TRY(chat->backend->probe(chat->self, logprobs, &read, probe, err));
    chat->usage.requests++;
    chat->usage.prompt_tokens += read;
    return RV_OK;
}
