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
#include "http/http.h"
#include "http/url.h"

enum { ANSWER_LIMIT = 16 << 20 };

typedef struct endpoint {
    rv_http *http;
    rv_keep *keep; /* NULL: none wanted */
    char *url, *model;
    char *key;    /* NULL: none */
    char *header; /* "Authorization: Bearer KEY" */
    rv_chat_options options;
    /* What this endpoint was found not to take. */
    bool new_limit, no_temperature, no_seed, no_logprobs;
} endpoint;

/* ---- requests -------------------------------------------------------------------------------- */
/* The request as it is meant; NULL when memory is short. */
static json_t *make_request(const endpoint *e, const rv_chat_request *request)
{
    json_t *messages = json_array();
    for (size_t i = 0; i < request->message_count; i++)
        if (json_array_append_new(messages,
                                  json_pack("{s:s, s:s}", "role", request->messages[i].role,
                                            "content", request->messages[i].content)) != 0) {
            json_decref(messages);
            return NULL;
        }
    json_t *root =
        json_pack("{s:s, s:o, s:f, s:I, s:I}", "model", e->model, "messages", messages,
                  "temperature", request->temperature, "max_tokens",
                  (json_int_t)request->max_tokens, "seed", (json_int_t)request->seed);
    if (root && request->alternatives) {
        json_object_set_new(root, "logprobs", json_true());
        json_object_set_new(root, "top_logprobs", json_integer(request->alternatives));
    }
    return root;
}

/* The request as this endpoint takes it. */
static json_t *adapt(const endpoint *e, const json_t *meant)
{
    json_t *sent = json_copy((json_t *)meant);
    if (!sent) return NULL;
    if (e->new_limit) {
        json_object_set(sent, "max_completion_tokens", json_object_get(sent, "max_tokens"));
        json_object_del(sent, "max_tokens");
    }
    if (e->no_temperature) json_object_del(sent, "temperature");
    if (e->no_seed) json_object_del(sent, "seed");
    if (e->no_logprobs) {
        json_object_del(sent, "logprobs");
        json_object_del(sent, "top_logprobs");
    }
    return sent;
}

/* Learns from a refusal that names one of the parameters that may be left out. */
static bool learn(endpoint *e, const rv_http_response *response)
{
    const struct {
        const char *name;
        bool *flag;
    } lessons[] = {{"max_completion_tokens", &e->new_limit},
                   {"logprobs", &e->no_logprobs},
                   {"temperature", &e->no_temperature},
                   {"seed", &e->no_seed}};
    if (response->code != 400 && response->code != 422) return false;
    for (size_t i = 0; i < sizeof lessons / sizeof lessons[0]; i++) {
        if (*lessons[i].flag || !strstr(response->body, lessons[i].name)) continue;
        *lessons[i].flag = true;
        return true;
    }
    return false;
}

static rv_status post(endpoint *e, rv_http_response *response, const json_t *meant,
                      rv_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    for (;;) {
        json_t *sent = adapt(e, meant);
        char *body = sent ? json_dumps(sent, JSON_COMPACT) : NULL;
        json_decref(sent);
        *response = (rv_http_response){0};
        if (!body) return rv_fail_memory(err, 1);
        rv_http_request request = rv_http_request_default(e->url);
        request.headers = headers;
        request.secret = e->header;
        request.body = body;
        request.body_length = strlen(body);
        request.limit = ANSWER_LIMIT;
        request.total_timeout = e->options.timeout;
        request.stall_timeout =
            2 * e->options.timeout + 1; // an answer may come all at once, late
        request.retries = e->options.retries;
        request.first_wait = e->options.first_wait;
        request.longest_wait = e->options.longest_wait;
        request.what = "waiting for the language model";
        request.progress = e->options.progress;
        request.progress_context = e->options.progress_context;
        rv_status status = rv_http_perform(response, e->http, &request, err);
        free(body);
        if (status != RV_OK || response->code == 200) return status;
        if (!learn(e, response)) {
            status = rv_http_fail(response, err);
            if ((response->code == 401 || response->code == 403) && !e->key)
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
static rv_status ask(endpoint *e, rv_chat_answer *out, const json_t *meant, rv_error *err)
{
    rv_http_response response;
    json_t *root = NULL;
    rv_status status = post(e, &response, meant, err);
    if (status == RV_OK) {
        status = rv_json_parse(&root, response.body, response.length, response.address, err);
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
        status = ask(e, out, meant, err);
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
    if (e->key) explicit_bzero(e->key, strlen(e->key));
    if (e->header) explicit_bzero(e->header, strlen(e->header));
    free(e->key);
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
/* Whether a query holds what looks like a secret. */
static bool has_key(const char *query, size_t length)
{
    static const char *const names[] = {"key", "token", "secret", "sig", "password"};
    for (size_t i = 0; i < length; i++)
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
            if (length - i > strlen(names[n]) &&
                strncasecmp(query + i, names[n], strlen(names[n])) == 0)
                return true;
    return false;
}

/* "https://host/v1#model" into the address of its chat completions and the model. */
static rv_status parse_place(endpoint *e, const char *place, rv_error *err)
{
    static const char path[] = "/chat/completions";
    const char *hash = strrchr(place, '#');
    size_t length = hash ? (size_t)(hash - place) : 0;
    if (!hash || !hash[1])
        return rv_fail(err, RV_ERR_USAGE,
                       "chat: expected https://host/v1#model, found '%.200s'", place);
    const char *host = strstr(place, "://");
    if (host && host < hash && memchr(host + 3, '@', strcspn(host + 3, "/?#")))
        return rv_fail(
            err, RV_ERR_USAGE,
            "chat: a user or password in the address would end up in records; put the "
            "key into OPENAI_API_KEY");
    const char *query = memchr(place, '?', length);
    if (query && has_key(query, length - (size_t)(query - place)))
        return rv_fail(err, RV_ERR_USAGE,
                       "chat: a key in the address would end up in records; put it into "
                       "OPENAI_API_KEY");
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
    e->key = rv_strndup(key, strlen(key));
    return e->key && e->header ? RV_OK : rv_fail_memory(err, strlen(key));
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
            status = rv_keep_open(&e->keep, options->cache_folder, err);
        if (status == RV_OK) status = rv_http_open(&e->http, err);
    }
    e->options.key = NULL;
    if (status != RV_OK) {
        endpoint_close(e);
        return status;
    }
    return rv_chat_open(out, &endpoint_backend, e, e->model, options, err);
}
