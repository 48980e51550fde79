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
    const char *start =
        joined->length ? memmem(joined->bytes, joined->length, out->text, length) : NULL;
    if (!start || length == 0) {
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
/* A string, or a list of parts with texts. NULL: neither. */
static char *content_text(const json_t *content)
{
    rv_text text = {0};
    json_t *part;
    size_t i;
    if (json_is_string(content))
        rv_text_append(&text, json_string_value(content), json_string_length(content));
    else if (!json_is_array(content))
        return NULL;
    json_array_foreach(content, i, part)
    {
        const char *piece = json_string_value(json_object_get(part, "text"));
        if (piece) rv_text_puts(&text, piece);
    }
    char *repaired =
        text.failed ? NULL : rv_utf8_repair(text.bytes ? text.bytes : "", text.length);
    rv_text_release(&text);
    return repaired;
}

static rv_status reported_error(const json_t *error, const char *where, rv_error *err)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    if (!message) message = json_string_value(error);
    return rv_fail(err, RV_ERR_FORMAT, "%s: answered with an error: %.300s", where,
                   message ? message : "without a message");
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
    RV_TRY(rv_json_list(&choices, root, "choices", where, err));
    const json_t *choice = json_array_get(choices, 0);
    if (!choice)
        return rv_fail(err, RV_ERR_FORMAT, "%s: choices: expected one, found none", where);
    RV_TRY(rv_json_object(&message, choice, "message", where, err));
    const char *reason = json_string_value(json_object_get(choice, "finish_reason"));
    const json_t *content = json_object_get(message, "content");
    out->cut = reason && strcmp(reason, "length") == 0;
    if (out->cut && (json_is_null(content) || json_string_length(content) == 0))
        return rv_fail(
            err, RV_ERR_FORMAT,
            "%s: the answer was cut before it said anything; a model that reasons first "
            "needs room for more tokens",
            where);
    out->text = content_text(content);
    if (!out->text)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: choices[0].message.content: expected a string, found %s", where,
                       rv_json_kind(content));
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
    const json_t *error = json_object_get(root, "error");
    if (error && !json_is_null(error)) return reported_error(error, where, err);
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
