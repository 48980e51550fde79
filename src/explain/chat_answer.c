#include "explain/chat_answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "explain/evidence.h"

/* ---- log-probabilities ----------------------------------------------------------------------- */
static rv_status add_alternative(rv_chat_token *token, const char *text, double logprob,
                                 size_t room, rv_error *err)
{
    if (!token->alternatives) RV_TRY(RV_NEW(token->alternatives, room, err));
    char *copy = rv_strndup(text, strlen(text));
    if (!copy) return rv_fail_memory(err, strlen(text));
    token->alternatives[token->alternative_count++] = (rv_chat_alternative){copy, logprob};
    return RV_OK;
}

/* A list of {"token", "logprob"}, or an object of token: logprob. */
static rv_status parse_alternatives(rv_chat_token *token, json_t *list, rv_error *err)
{
    json_t *item;
    size_t i;
    const char *name;
    double logprob;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(json_object_get(item, "token"));
        if (text && rv_json_number(&logprob, json_object_get(item, "logprob")))
            RV_TRY(add_alternative(token, text, logprob, json_array_size(list), err));
    }
    json_object_foreach(list, name, item)
    {
        if (rv_json_number(&logprob, item))
            RV_TRY(add_alternative(token, name, logprob, json_object_size(list), err));
    }
    return RV_OK;
}

/* The bytes of a token: its "bytes" where given, for a token may be part of a character. */
static void append_token(rv_text *text, const json_t *entry, const char *token)
{
    const json_t *bytes = json_object_get(entry, "bytes");
    if (!json_is_array(bytes)) rv_text_puts(text, token);
    for (size_t i = 0; i < json_array_size(bytes); i++)
        rv_text_putc(text, (char)json_integer_value(json_array_get(bytes, i)));
}

/* OpenAI's shape {"content": [{token, bytes, logprob, top_logprobs: [...]}]}, or the older
 * {"tokens": [...], "token_logprobs": [...], "top_logprobs": [{...}]}. Appends the tokens' bytes. */
static rv_status parse_tokens(rv_chat_answer *out, rv_text *joined, const json_t *logprobs,
                              rv_error *err)
{
    const json_t *content = json_object_get(logprobs, "content");
    const json_t *tokens = json_object_get(logprobs, "tokens");
    size_t count =
        json_array_size(content) ? json_array_size(content) : json_array_size(tokens);
    bool old = !json_array_size(content);
    RV_TRY(RV_NEW(out->tokens, count, err));
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = old ? NULL : json_array_get(content, i);
        const char *text = json_string_value(old ? json_array_get(tokens, i)
                                                 : json_object_get(entry, "token"));
        rv_chat_token *token = &out->tokens[i];
        *token = (rv_chat_token){.at = joined->length, .logprob = NAN};
        out->token_count++;
        append_token(joined, entry, text ? text : "");
        token->length = joined->length - token->at;
        rv_json_number(&token->logprob,
                       old ? json_array_get(json_object_get(logprobs, "token_logprobs"), i)
                           : json_object_get(entry, "logprob"));
        RV_TRY(parse_alternatives(
            token,
            old ? json_array_get(json_object_get(logprobs, "top_logprobs"), i)
                : json_object_get(entry, "top_logprobs"),
            err));
    }
    return joined->failed ? rv_fail_memory(err, joined->length) : RV_OK;
}

static void drop_tokens(rv_chat_answer *out)
{
    rv_chat_answer tokens = {.tokens = out->tokens, .token_count = out->token_count};
    rv_chat_answer_release(&tokens);
    out->tokens = NULL;
    out->token_count = 0;
}

/* The text is part of what the tokens say (servers trim): moves their places; those before and
 * after get none. Drops them all if it is not. */
static void align_tokens(rv_chat_answer *out, const rv_text *joined)
{
    size_t length = strlen(out->text);
    const char *start = NULL, *next = joined->bytes; // the last: thoughts may quote the answer
    for (size_t left = joined->length;
         length && left && (next = memmem(next, left, out->text, length));
         next++, left = joined->length - (size_t)(next - joined->bytes))
        start = next;
    if (!start) {
        drop_tokens(out);
        return;
    }
    size_t shift = (size_t)(start - joined->bytes);
    for (size_t i = 0; i < out->token_count; i++) {
        rv_chat_token *token = &out->tokens[i];
        size_t end = token->at + token->length;
        size_t from = token->at < shift ? shift : token->at;
        if (end > shift + length) end = shift + length;
        token->length = end > from ? end - from : 0;
        token->at = token->length ? from - shift : length;
    }
}

/* ---- the answer ------------------------------------------------------------------------------ */
static bool says_something(const json_t *value)
{
    return json_string_length(value) || json_object_size(value) || json_array_size(value);
}

/* Whether a part of a message is a thought: {"type": "thinking"}, "reasoning", "redacted_thinking", or {"thought": true}. */
static bool is_thought(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    return (type && (strcasestr(type, "think") || strcasestr(type, "reason") ||
                     strcasestr(type, "thought"))) ||
           json_is_true(json_object_get(part, "thought"));
}

/* Appends the texts of a string, a part {"text": ...} or a list of both, thoughts left out. */
static void add_content(rv_text *text, bool *reasoned, const json_t *content, int depth)
{
    static const char *const inner[] = {"text", "content", "value", "parts"};
    const json_t *part;
    size_t i;
    if (json_is_string(content))
        rv_text_append(text, json_string_value(content), json_string_length(content));
    if (is_thought(content)) {
        *reasoned = true;
        return;
    }
    for (i = 0; json_is_object(content) && depth < 4 && i < sizeof inner / sizeof inner[0]; i++)
        if ((part = json_object_get(content, inner[i]))) {
            add_content(text, reasoned, part, depth + 1);
            break;
        }
    for (i = 0; depth < 4 && i < json_array_size(content); i++)
        add_content(text, reasoned, json_array_get(content, i), depth + 1);
}

/* Thoughts have a key of their own at some servers. */
static bool has_thoughts(const json_t *message)
{
    static const char *const keys[] = {"reasoning_content", "reasoning", "reasoning_details",
                                       "reasoning_text",    "thinking",  "thinking_blocks",
                                       "thought",           "thoughts"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *value = json_object_get(message, keys[i]);
        if (says_something(value)) return true;
    }
    return false;
}

/* What an answer says instead of answering: {"error": {"message": ...}} at the top or in the choice,
 * {"error": "..."}, {"object": "error", "message": ...}, {"detail": ...}, {"errors": [...]}. NULL: it answers. */
static char *reported_error(const json_t *root)
{
    static const char *const keys[] = {"errors", "detail", "message"};
    const json_t *choices = json_object_get(root, "choices");
    const json_t *error = json_object_get(root, "error");
    if (!says_something(error)) error = json_object_get(json_array_get(choices, 0), "error");
    for (size_t i = 0; i < 3 && !choices && !says_something(error); i++)
        error = json_object_get(root, keys[i]);
    if (!says_something(error)) return NULL;
    if (json_array_get(error, 0)) error = json_array_get(error, 0);
    const json_t *message = json_object_get(error, "message");
    if (!message) message = json_object_get(error, "msg");
    if (json_is_string(message)) error = message;
    return json_is_string(error)
               ? rv_strndup(json_string_value(error), json_string_length(error))
               : json_dumps(error, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* ---- streams --------------------------------------------------------------------------------- */
static void append_string(json_t *object, const char *key, const json_t *piece)
{
    const json_t *before = json_object_get(object, key);
    if (json_string_length(piece) == 0) return;
    json_object_set_new(object, key,
                        json_sprintf("%s%s", before ? json_string_value(before) : "",
                                     json_string_value(piece)));
}

/* Adds what one event of a stream brings to a completion. */
static void add_event(json_t *root, json_t *choice, const json_t *event)
{
    static const char *const texts[] = {"content", "reasoning_content", "reasoning", "refusal"};
    const json_t *part = json_array_get(json_object_get(event, "choices"), 0);
    const json_t *delta = json_object_get(part, "delta");
    json_t *message = json_object_get(choice, "message"), *more, *tokens;
    if (!delta) delta = json_object_get(part, "message");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        append_string(message, texts[i], json_object_get(delta, texts[i]));
    append_string(message, "content", json_object_get(part, "text"));
    if ((more = json_object_get(json_object_get(part, "logprobs"), "content")) &&
        (tokens = json_object_get(json_object_get(choice, "logprobs"), "content")))
        json_array_extend(tokens, more);
    if (json_is_string(more = json_object_get(part, "finish_reason")))
        json_object_set(choice, "finish_reason", more);
    if (json_is_object(more = json_object_get(event, "usage")))
        json_object_set(root, "usage", more);
    if (says_something(more = json_object_get(event, "error")))
        json_object_set(root, "error", more);
}

/* A completion put together from the lines "data: {...}" of a server that streams unasked; NULL: it does not, or memory
 * is short. */
static json_t *join_stream(const char *text)
{
    json_t *root = NULL, *choice = NULL;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        bool data = strncmp(line, "data:", 5) == 0;
        if (!data && !root && *line != ':' && strncmp(line, "event:", 6) != 0 &&
            line[strspn(line, " \t\r")] != '\n')
            return NULL;
        if (!data) continue;
        if (!root)
            root = json_pack("{s:[o]}", "choices",
                             choice = json_pack("{s:{s:s}, s:{s:[]}}", "message", "content", "",
                                                "logprobs", "content"));
        json_t *event = json_loadb(line + 5, strcspn(line + 5, "\n"), 0, NULL);
        add_event(root, choice, event);
        json_decref(event);
    }
    return root;
}

rv_status rv_chat_answer_load(json_t **out, rv_http_response *response,
                              const rv_http_request *request, rv_error *err)
{
    json_t *joined = join_stream(response->body), *choice;
    char *text = joined ? json_dumps(joined, JSON_COMPACT) : NULL;
    size_t i;
    json_decref(joined);
    if (text) { // in which a secret may have come in pieces
        free(response->body);
        response->body = text;
        response->length = strlen(text);
        if (rv_http_redact(text, response->length, request)) response->repeats_secret = true;
    }
    rv_status status =
        rv_json_parse(out, response->body, response->length, response->address, err);
    if (response->repeats_secret)
        json_array_foreach(json_object_get(*out, "choices"), i, choice)
            json_object_del(choice, "logprobs");
    return status;
}

static size_t usage_of(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(json_object_get(root, "usage"), key);
    return json_is_integer(value) && json_integer_value(value) > 0
               ? (size_t)json_integer_value(value)
               : 0;
}

static rv_status parse_choice(rv_chat_answer *out, const json_t *root, const char *where,
                              rv_error *err)
{
    json_t *choices, *message;
    rv_text text = {0};
    RV_TRY(rv_json_list(&choices, root, "choices", where, err));
    const json_t *choice = json_array_get(choices, 0);
    if (!choice)
        return rv_fail(err, RV_ERR_FORMAT, "%s: choices: expected one, found none", where);
    const json_t *content = json_object_get(choice, "text"); // of the older completions
    const char *key = "text";
    if (!json_is_string(content)) {
        RV_TRY(rv_json_object(&message, choice, "message", where, err));
        content = json_object_get(message, "content");
        key = "message.content";
        out->reasoned = has_thoughts(message);
        const json_t *refusal = json_object_get(message, "refusal");
        if (json_string_length(refusal)) out->silence = "the model refused";
    }
    if (content && !json_is_null(content) && !json_is_string(content) &&
        !json_is_array(content) && !json_is_object(content))
        return rv_fail(err, RV_ERR_FORMAT, "%s: choices[0].%s: expected a string, found %s",
                       where, key, rv_json_kind(content));
    const char *reason = json_string_value(json_object_get(choice, "finish_reason"));
    out->cut = reason && (strcmp(reason, "length") == 0 || strcmp(reason, "max_tokens") == 0);
    if (reason && strcmp(reason, "content_filter") == 0)
        out->silence = "the endpoint's filter withheld the answer";
    add_content(&text, &out->reasoned, content, 0);
    out->text = text.failed ? NULL : rv_utf8_repair(text.bytes ? text.bytes : "", text.length);
    rv_text_release(&text);
    if (!out->text) return rv_fail_memory(err, 1);
    const json_t *logprobs = json_object_get(choice, "logprobs");
    if (!json_is_object(logprobs)) return RV_OK;
    rv_text joined = {0};
    rv_status status = parse_tokens(out, &joined, logprobs, err);
    if (status == RV_OK) align_tokens(out, &joined);
    rv_text_release(&joined);
    return status;
}

rv_status rv_chat_answer_parse(rv_chat_answer *out, const json_t *root, const char *where,
                               rv_error *err)
{
    *out = (rv_chat_answer){0};
    char *error = reported_error(root);
    if (error) {
        rv_fail(err, RV_ERR_FORMAT, "%s: answered with an error: %.300s", where, error);
        free(error);
        return RV_ERR_FORMAT;
    }
    if (!json_is_object(root))
        return rv_fail(err, RV_ERR_FORMAT, "%s: expected an object, found %s", where,
                       rv_json_kind(root));
    rv_status status = parse_choice(out, root, where, err);
    if (status != RV_OK) {
        rv_chat_answer_release(out);
        return status;
    }
    out->prompt_tokens = usage_of(root, "prompt_tokens");
    out->answer_tokens = usage_of(root, "completion_tokens");
    return RV_OK;
}
