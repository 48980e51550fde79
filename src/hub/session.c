#include "hub/session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/url.h"

enum { TOKEN_LIMIT = 4096, METADATA_SECONDS = 300 };

static bool is_on(const char *variable)
{
    const char *value = getenv(variable);
    return value && (strcmp(value, "1") == 0 || strcasecmp(value, "on") == 0 ||
                     strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0);
}

bool rv_hub_is_offline(void)
{
    return is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE");
}

/* *out = the token, malloc'ed, or NULL; *source says where it comes from. */
static rv_status find_token(char **out, char **source, const rv_get_params *params,
                            rv_error *err)
{
    *out = *source = NULL;
    static const char *const variables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    const char *token = params->token, *from = "the call";
    bool implicit = !token && !is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN");
    for (size_t i = 0; i < 2 && implicit && !token; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value) token = value, from = variables[i];
    }
    char *path = NULL, *content = NULL;
    rv_status status = RV_OK;
    if (!token && implicit) {
        RV_TRY(rv_hub_token_path(&path, err));
        // No such file: nobody has logged in, which is the usual case.
        if (rv_file_exists(path)) status = rv_read_file(&content, NULL, path, TOKEN_LIMIT, err);
        token = content;
        from = path;
    }
    if (status == RV_OK && token) {
        token += strspn(token, " \t\r\n");
        size_t length = strlen(token);
        while (length && strchr(" \t\r\n", token[length - 1])) length--;
        if (length) *out = rv_strndup(token, length);
        *source = rv_strndup(from, strlen(from));
        if ((length && !*out) || !*source) status = rv_fail_memory(err, length);
    }
    free(path);
    free(content);
    return status;
}

rv_status rv_hub_session_open(rv_hub_session *session, const rv_hub_name *name,
                              const rv_get_params *params, rv_error *err)
{
    *session = (rv_hub_session){.params = params, .name = name};
    const char *endpoint = params->endpoint;
    char *token = NULL;
    rv_text secret = {0};
    rv_status status = RV_OK;
    if (!endpoint) endpoint = getenv("HF_ENDPOINT");
    if (!endpoint || !*endpoint) endpoint = "https://huggingface.co";
    RV_GOTO(rv_url_check(endpoint, err));
    size_t length = strlen(endpoint);
    while (length && endpoint[length - 1] == '/') length--;
    session->endpoint = rv_strndup(endpoint, length);
    session->shown = session->endpoint ? rv_url_display(session->endpoint) : NULL;
    if (!session->shown) RV_GOTO(rv_fail_memory(err, length));
    RV_GOTO(find_token(&token, &session->token_source, params, err));
    if (token) {
        rv_text_printf(&secret, "Authorization: Bearer %s", token);
        session->secret = rv_text_take(&secret);
        if (!session->secret) RV_GOTO(rv_fail_memory(err, strlen(token)));
    }
    RV_GOTO(rv_http_open(&session->http, err));
done:
    free(token);
    if (status != RV_OK) rv_hub_session_close(session);
    return status;
}

void rv_hub_session_close(rv_hub_session *session)
{
    rv_http_close(session->http);
    free(session->endpoint);
    free(session->shown);
    free(session->secret);
    free(session->token_source);
    *session = (rv_hub_session){0};
}

rv_http_request rv_hub_request(const rv_hub_session *session, const char *url)
{
    rv_http_request request = rv_http_request_default(url);
    request.secret = session->secret;
    request.retries = session->params->retries;
    request.stall_timeout = session->params->timeout;
    if (request.connect_timeout > request.stall_timeout)
        request.connect_timeout = request.stall_timeout;
    request.progress = session->params->progress;
    request.progress_context = session->params->progress_context;
    return request;
}

/* The address in a header such as  Link: <https://...>; rel="next"  */
static rv_status next_page(char **next, const rv_hub_session *session,
                           const rv_http_response *response, rv_error *err)
{
    *next = NULL;
    const char *link = rv_http_header(session->http, "Link");
    const char *end = link ? strstr(link, ">; rel=\"next\"") : NULL;
    if (!end) return RV_OK;
    const char *start = memrchr(link, '<', (size_t)(end - link));
    if (start) *next = rv_strndup(start + 1, (size_t)(end - start - 1));
    if (start && !*next) return rv_fail_memory(err, strlen(link));
    // The token goes along with this request, so that it must stay with the hub.
    if (start && rv_url_same_origin(*next, session->endpoint)) return RV_OK;
    free(*next);
    *next = NULL;
    return rv_fail(err, RV_ERR_FORMAT, "%s: the next page is not on the hub",
                   response->address);
}

rv_status rv_hub_get_json(json_t **out, char **next, rv_hub_session *session, const char *url,
                          rv_error *err)
{
    *out = NULL;
    rv_http_request request = rv_hub_request(session, url);
    request.total_timeout = METADATA_SECONDS;
    request.what = "asking the hub";
    rv_http_response response;
    rv_status status = rv_http_perform(&response, session->http, &request, err);
    if (status == RV_OK && response.code != 200)
        status = rv_hub_explain(session, &response, err);
    if (status == RV_OK)
        status = rv_json_parse(out, response.body, response.length, response.address, err);
    if (status == RV_OK && next) status = next_page(next, session, &response, err);
    if (status != RV_OK) {
        json_decref(*out);
        *out = NULL;
    }
    rv_http_response_release(&response);
    return status;
}

/* Why a request without the right to the answer came back. */
static rv_status explain_refusal(const rv_hub_session *session, long code, bool gated,
                                 rv_error *err)
{
    const char *repository = session->name->repository;
    if (gated && session->secret)
        return rv_fail(err, RV_ERR_NETWORK,
                       "%s is gated: the token from %s belongs to an account without access; "
                       "ask for it at %s/%s",
                       repository, session->token_source, session->shown, repository);
    if (gated)
        return rv_fail(err, RV_ERR_NETWORK,
                       "%s is gated: ask for access at %s/%s, then set HF_TOKEN to a token of "
                       "that account",
                       repository, session->shown, repository);
    if (session->secret)
        return rv_fail(err, RV_ERR_NETWORK,
                       "%s: the hub answered %ld: no such repository, or the token from %s may "
                       "not read it",
                       repository, code, session->token_source);
    return rv_fail(err, RV_ERR_NETWORK,
                   "%s: the hub answered %ld: no such repository, or a private one, which "
                   "needs a token in HF_TOKEN",
                   repository, code);
}

rv_status rv_hub_explain(const rv_hub_session *session, const rv_http_response *response,
                         rv_error *err)
{
    const char *reason = rv_http_header(session->http, "X-Error-Code");
    const char *repository = session->name->repository, *why = reason ? reason : "";
    if (!rv_url_same_origin(response->address,
                            session->endpoint)) // the content network, or a proxy of it
        return rv_http_fail(response, err);
    if (response->code == 401 || response->code == 403)
        return explain_refusal(session, response->code, strcmp(why, "GatedRepo") == 0, err);
    if (response->code == 404 && strcmp(why, "RevisionNotFound") == 0)
        return rv_fail(err, RV_ERR_NOT_FOUND, "%s: the hub has no revision '%s' of it",
                       repository, session->name->revision);
    if (response->code == 404 && strcmp(why, "RepoNotFound") == 0)
        return rv_fail(err, RV_ERR_NOT_FOUND, "%s: no such repository at %s", repository,
                       session->shown);
    return rv_http_fail(response, err);
}
