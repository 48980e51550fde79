/* An OpenAI-compatible endpoint: POST {base}/chat/completions. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/memory.h"
#include "explain/chat.h"
#include "explain/chat_answer.h"
#include "explain/keep.h"
#include "explain/prompt.h"
#include "http/http.h"
#include "http/url.h"

enum { ANSWER_LIMIT = 16 << 20, FEW = 5 };

/* What an endpoint may be found not to take. Some take five log-probabilities, but not twenty. */
typedef enum lesson {
    NEW_LIMIT,
    FEW_LOGPROBS,
    NO_LOGPROBS,
    NO_TEMPERATURE,
    NO_SEED,
    NO_SYSTEM,
    LESSONS
} lesson;

typedef struct endpoint {
    rv_http *http;
    rv_keep *keep; /* NULL: none wanted */
    char *url, *model;
    char *header; /* "Authorization: Bearer KEY"; NULL: no key */
    rv_chat_options options;
    bool learnt[LESSONS];
} endpoint;

/* ---- requests -------------------------------------------------------------------------------- */
static json_t *make_messages(const rv_chat_message *messages, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "role", messages[i].role,
                                                  "content", messages[i].content)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* The request as it is meant; NULL when memory is short. */
static json_t *make_request(const endpoint *e, const rv_chat_request *request)
{
    json_t *root =
        json_pack("{s:s, s:o, s:f, s:I, s:I}", "model", e->model, "messages",
                  make_messages(request->messages, request->message_count), "temperature",
                  request->temperature, "max_tokens", (json_int_t)request->max_tokens, "seed",
                  (json_int_t)request->seed);
    if (root && request->alternatives) {
        json_object_set_new(root, "logprobs", json_true());
        json_object_set_new(root, "top_logprobs", json_integer(request->alternatives));
    }
    return root;
}

/* The request as this endpoint takes it. */
static rv_status adapt(json_t **out, const bool *learnt, const json_t *meant,
                       const rv_chat_request *request, rv_error *err)
{
    json_t *sent = json_copy((json_t *)meant);
    rv_status status = sent ? RV_OK : rv_fail_memory(err, 1);
    if (status == RV_OK && learnt[NEW_LIMIT]) {
        json_object_set(sent, "max_completion_tokens", json_object_get(sent, "max_tokens"));
        json_object_del(sent, "max_tokens");
    }
    if (learnt[NO_TEMPERATURE]) json_object_del(sent, "temperature");
    if (learnt[NO_SEED]) json_object_del(sent, "seed");
    if (learnt[FEW_LOGPROBS] && request->alternatives > FEW)
        json_object_set_new(sent, "top_logprobs", json_integer(FEW));
    if (learnt[NO_LOGPROBS]) {
        json_object_del(sent, "logprobs");
        json_object_del(sent, "top_logprobs");
    }
    if (status == RV_OK && learnt[NO_SYSTEM]) {
        rv_conversation folded;
        status = rv_conversation_fold(&folded, request->messages, request->message_count, err);
        if (status == RV_OK &&
            json_object_set_new(sent, "messages",
                                make_messages(folded.messages, folded.count)) != 0)
            status = rv_fail_memory(err, 1);
        rv_conversation_release(&folded);
    }
    *out = sent;
    return status;
}

/* ---- refusals -------------------------------------------------------------------------------- */
static bool says_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(text, *words)) return true;
    return false;
}

#define SAYS(text, ...) says_any(text, (const char *const[]){__VA_ARGS__, NULL})

/* Whether a refusal is about what the lesson leaves out. Servers say it with many codes and in their own
 * words, or in those of the model's chat template. */
static bool is_about(lesson about, const char *text)
{
    switch (about) {
    case NEW_LIMIT:
        return SAYS(text, "max_completion_tokens", "max_tokens");
    case FEW_LOGPROBS:
        return SAYS(text, "top_logprobs");
    case NO_LOGPROBS:
        return SAYS(text, "logprob", "log_prob", "log prob", "log-prob");
    case NO_TEMPERATURE:
        return SAYS(text, "temperature");
    case NO_SEED:
        return SAYS(text, "seed");
    case NO_SYSTEM:
        return (SAYS(text, "role") &&
                SAYS(text, "system", "developer", "assistant", "alternat")) ||
               (SAYS(text, "system", "developer") &&
                SAYS(text, "message", "prompt", "instruction"));
    default:
        return false;
    }
}

/* The code of an answer, or of the error that it holds in spite of a code of success. */
static long code_of(const rv_http_response *response)
{
    if (response->code != 200 || !strstr(response->body, "\"error\"") ||
        strstr(response->body, "\"choices\""))
        return response->code;
    json_t *root = json_loadb(response->body, response->length, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const json_t *code = json_object_get(error, "code");
    long found = json_is_integer(code) ? (long)json_integer_value(code) : 400;
    if (!error || json_is_null(error)) found = 200;
    json_decref(root);
    return found;
}

/* Learns from a refusal that names something that may be left out. */
static bool learn(bool *learnt, const rv_http_response *response)
{
    long code = code_of(response);
    if (code < 400 || code == 401 || code == 402 || code == 408 || code == 429) return false;
    for (lesson l = 0; l < LESSONS; l++)
        if (!learnt[l] && is_about(l, response->body)) return learnt[l] = true;
    return false;
}

/* Whether the same request may be answered in a while. */
static bool passes(const rv_http_response *response)
{
    bool none[LESSONS] = {false};
    rv_http_response as_it_is = {.code = code_of(response)};
    if (response->code == 429 && SAYS(response->body, "insufficient_quota")) return false;
    return rv_http_passes(&as_it_is) && !learn(none, response);
}

static rv_http_request http_request(const endpoint *e)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    rv_http_request request = rv_http_request_default(e->url);
    request.headers = headers;
    request.secret = e->header;
    request.limit = ANSWER_LIMIT;
    request.total_timeout = e->options.timeout;
    request.stall_timeout = 2 * e->options.timeout + 1; // an answer may come all at once, late
    request.retries = e->options.retries;
    request.passes = passes;
    request.first_wait = e->options.first_wait;
    request.longest_wait = e->options.longest_wait;
    request.what = "waiting for the language model";
    request.progress = e->options.progress;
    request.progress_context = e->options.progress_context;
    return request;
}

/* Asks until an answer comes or a refusal teaches nothing. What was learnt is kept when it helped. */
static rv_status post(endpoint *e, rv_http_response *response, const json_t *meant,
                      const rv_chat_request *asked, rv_error *err)
{
    bool learnt[LESSONS];
    memcpy(learnt, e->learnt, sizeof learnt);
    for (;;) {
        json_t *sent;
        *response = (rv_http_response){0};
        rv_status status = adapt(&sent, learnt, meant, asked, err);
        char *body = status == RV_OK ? json_dumps(sent, JSON_COMPACT) : NULL;
        json_decref(sent);
        RV_TRY(status);
        if (!body) return rv_fail_memory(err, 1);
        rv_http_request request = http_request(e);
        request.body = body;
        request.body_length = strlen(body);
        status = rv_http_perform(response, e->http, &request, err);
        free(body);
        if (status != RV_OK) return status;
        if (!learn(learnt, response)) {
            if (response->code == 200) memcpy(e->learnt, learnt, sizeof learnt);
            if (response->code == 200) return RV_OK;
            status = rv_http_fail(response, err);
            if ((response->code == 401 || response->code == 403) && !e->header)
                rv_context(err, status,
                           "no key was given (OPENAI_API_KEY, or OPENROUTER_API_KEY for "
                           "openrouter.ai)");
            return status;
        }
        rv_http_response_release(response);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */
/* Keeps what cannot be understood, for it was paid for, and says where. */
static rv_status keep_odd(endpoint *e, const json_t *meant, const rv_http_response *response,
                          rv_status status, rv_error *err)
{
    char *path =
        e->keep ? rv_keep_odd(e->keep, e->url, meant, response->body, response->length) : NULL;
    if (path) rv_context(err, status, "kept as %s", path);
    free(path);
    return status;
}

/* Asks, keeps, then reads. */
static rv_status ask(endpoint *e, rv_chat_answer *out, const json_t *meant,
                     const rv_chat_request *asked, rv_error *err)
{
    rv_http_response response;
    rv_http_request request = http_request(e);
    json_t *root = NULL;
    rv_status status = post(e, &response, meant, asked, err);
    if (status == RV_OK) {
        status = rv_chat_answer_load(&root, &response, &request, err);
        if (status == RV_OK) status = rv_chat_answer_parse(out, root, response.address, err);
        if (status == RV_ERR_FORMAT)
            keep_odd(e, meant, &response, status, err);
        else if (status == RV_OK && e->keep)
            out->unsaved = rv_keep_store(e->keep, e->url, meant, root, NULL) != RV_OK;
    }
    json_decref(root);
    rv_http_response_release(&response);
    return status;
}

static rv_status endpoint_complete(void *self, rv_chat_answer *out,
                                   const rv_chat_request *request, rv_error *err)
{
    endpoint *e = self;
    json_t *meant = make_request(e, request), *kept = NULL;
    rv_status status = meant ? RV_OK : rv_fail_memory(err, 1);
    if (status == RV_OK && e->keep) status = rv_keep_find(e->keep, &kept, e->url, meant, err);
    if (status == RV_OK && kept) {
        status = rv_chat_answer_parse(out, kept, "cache of answers", err);
        out->cached = status == RV_OK;
    } else if (status == RV_OK)
        status = ask(e, out, meant, request, err);
    json_decref(kept);
    json_decref(meant);
    return status;
}

static bool endpoint_knows(void *self, const rv_chat_request *request)
{
    endpoint *e = self;
    json_t *meant = e->keep ? make_request(e, request) : NULL, *kept = NULL;
    if (meant) rv_keep_find(e->keep, &kept, e->url, meant, NULL);
    bool knows = kept != NULL;
    json_decref(kept);
    json_decref(meant);
    return knows;
}

static void endpoint_close(void *self)
{
    endpoint *e = self;
    rv_http_close(e->http);
    rv_keep_close(e->keep);
    free(e->url);
    free(e->model);
    if (e->header) explicit_bzero(e->header, strlen(e->header));
    free(e->header);
    free(e);
}

static const rv_chat_backend endpoint_backend = {
    .kind = "endpoint",
    .complete = endpoint_complete,
    .knows = endpoint_knows,
    .close = endpoint_close,
};

/* ---- opening --------------------------------------------------------------------------------- */
/* "https://host/v1#model" into the address of its chat completions and the model. */
static rv_status parse_place(endpoint *e, const char *place, rv_error *err)
{
    static const char path[] = "/chat/completions";
    const char *hash = strrchr(place, '#');
    size_t length = hash ? (size_t)(hash - place) : 0;
    if (!hash || !hash[1]) {
        rv_text shown = {0};
        rv_url_hide(&shown, place);
        rv_fail(err, RV_ERR_USAGE, "chat: expected https://host/v1#model, found '%.200s'",
                shown.bytes ? shown.bytes : "");
        rv_text_release(&shown);
        return RV_ERR_USAGE;
    }
    const char *host = strstr(place, "://");
    if (host && host < hash && memchr(host + 3, '@', strcspn(host + 3, "/?#")))
        return rv_fail(
            err, RV_ERR_USAGE,
            "chat: a user or password in the address would end up in records; put the "
            "key into OPENAI_API_KEY");
    const char *query = memchr(place, '?', length);
    size_t base = query ? (size_t)(query - place) : length;
    while (base && place[base - 1] == '/') base--;
    if (base >= sizeof path - 1 &&
        strncmp(place + base - (sizeof path - 1), path, sizeof path - 1) == 0)
        base -= sizeof path - 1;
    rv_text url = {0};
    rv_text_append(&url, place, base);
    rv_text_puts(&url, path);
    if (query) rv_text_append(&url, query, length - (size_t)(query - place));
    e->url = rv_text_take(&url);
    e->model = rv_strndup(hash + 1, strlen(hash + 1));
    if (!e->url || !e->model) return rv_fail_memory(err, length);
    return rv_url_check(e->url, err);
}

/* The host of a complete address, without port; brackets of IPv6 stay. */
static void host_of(char *out, size_t room, const char *url)
{
    const char *start = strstr(url, "://") + 3;
    size_t length = *start == '[' ? strcspn(start, "]") + 1 : strcspn(start, ":/?#");
    snprintf(out, room, "%.*s", (int)length, start);
}

static bool ends_with_host(const char *host, const char *domain)
{
    size_t a = strlen(host), b = strlen(domain);
    return a >= b && strcasecmp(host + a - b, domain) == 0 &&
           (a == b || host[a - b - 1] == '.');
}

static bool is_this_machine(const char *host)
{
    struct in_addr address;
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static rv_status take_key(endpoint *e, rv_error *err)
{
    char host[256];
    host_of(host, sizeof host, e->url);
    bool router = ends_with_host(host, "openrouter.ai");
    const char *name = router ? "OPENROUTER_API_KEY" : "OPENAI_API_KEY";
    const char *key = e->options.key ? e->options.key : getenv(name);
    if (!key || !*key) {
        if (router || ends_with_host(host, "api.openai.com"))
            return rv_fail(err, RV_ERR_USAGE, "%s: no key: set %s", host, name);
        return RV_OK;
    }
    if (strncasecmp(e->url, "http://", 7) == 0 && !is_this_machine(host))
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: the key would travel unprotected over http; use https, or unset %s",
                       host, name);
    rv_text header = {0};
    rv_text_printf(&header, "Authorization: Bearer %s", key);
    e->header = rv_text_take(&header);
    return e->header ? RV_OK : rv_fail_memory(err, strlen(key));
}

rv_status rv_chat_open_endpoint(rv_chat **out, const char *place,
                                const rv_chat_options *options, rv_error *err)
{
    endpoint *e;
    *out = NULL;
    RV_TRY(RV_NEW(e, 1, err));
    e->options = *options;
    rv_status status = parse_place(e, place, err);
    if (status == RV_OK && !options->dry_run) {
        status = take_key(e, err);
        if (status == RV_OK && !options->no_cache)
            status = rv_keep_open(&e->keep, options->cache_folder, options->notice,
                                  options->notice_context, err);
        if (status == RV_OK) status = rv_http_open(&e->http, err);
    }
    e->options.key = NULL;
    if (status != RV_OK) {
        endpoint_close(e);
        return status;
    }
    return rv_chat_open(out, &endpoint_backend, e, e->model, options, err);
}
