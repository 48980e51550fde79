/* HTTP requests that survive bad networks, for model hubs and for chat endpoints. libcurl follows
 * redirects, resumes, and watches over time; here is what it does not do: trying again, limits on
 * memory, keeping secrets.
 *
 *     rv_http *http;
 *     RV_TRY(rv_http_open(&http, err));
 *     rv_http_request request = rv_http_request_default("https://api.example.org/v1/chat/completions");
 *     request.headers = (const char *const[]){"Content-Type: application/json", NULL};
 *     request.secret = "Authorization: Bearer KEY";
 *     request.body = json, request.body_length = strlen(json);
 *     rv_http_response response;
 *     status = rv_http_perform(&response, http, &request, err);
 *     if (status == RV_OK && response.code != 200) status = rv_http_fail(&response, err);
 *     ... response.body, response.length ...
 *     rv_http_response_release(&response);
 *     rv_http_close(http);
 *
 * Connections are kept open between requests. An rv_http belongs to one thread at a time. The
 * usual variables are honoured: http_proxy, https_proxy, no_proxy, CURL_CA_BUNDLE, SSL_CERT_FILE. */
#ifndef RV_HTTP_H
#define RV_HTTP_H

#include <stdint.h>

#include "base/error.h"

typedef struct rv_http rv_http;
typedef struct rv_http_response rv_http_response;

rv_status rv_http_open(rv_http **out, rv_error *err);
void rv_http_close(rv_http *http); /* NULL is fine */

/* Where a large body goes. A transfer that breaks off goes on at `position`, if the server can. */
typedef struct rv_http_sink {
    uint64_t position; /* set by the caller to what is there already; kept up to date */
    rv_status (*restart)(void *context, rv_error *err); /* forget what is there */
    rv_status (*write)(void *context, const void *bytes, size_t length, rv_error *err);
    void *context;
} rv_http_sink;

typedef struct rv_http_request {
    const char *url;
    const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
    const char *secret;         /* an "Authorization: ..." header; see below. May be NULL */
    const void *body;           /* POST it; NULL: GET */
    size_t body_length;
    size_t limit;       /* bytes of a body that is kept in memory; more is an error */
    rv_http_sink *sink; /* for the body of a 2xx answer; NULL: keep it in memory */

    unsigned redirects; /* followed at most, by GET; a redirected POST is an error */
    unsigned retries;   /* after answers that `passes` says so of, broken connections, stalls */
    bool (*passes)(const rv_http_response *response); /* rv_http_passes unless said */
    double connect_timeout;                           /* seconds */
    double stall_timeout; /* seconds in which next to nothing comes or goes; at least 1 */
    double total_timeout; /* seconds for one attempt; 0: none */
    double first_wait;    /* seconds before the first retry; doubles each time, with jitter */
    double longest_wait;  /* also for Retry-After: who asks for more gets no retry */

    const char *what; /* for progress: "downloading model.safetensors" */
    /* Bytes of the body; false cancels, within a second, also while waiting. May be NULL. */
    rv_progress_fn progress;
    void *progress_context;
} rv_http_request;

/* GET url; 32 MB, 10 redirects, 5 retries from 1 s to 60 s, 15 s to connect, 60 s of stall. */
rv_http_request rv_http_request_default(const char *url);

struct rv_http_response {
    long code;  /* 200, 404, ...; whatever the last attempt brought */
    char *body; /* terminated by a NUL that `length` does not count; "" if there is none */
    size_t length;
    bool repeats_secret; /* there are asterisks in the body where a secret was */
    double retry_after;  /* seconds that the server asked to wait; 0: it did not */
    unsigned attempts;
    char *address; /* where the answer came from, as rv_url_display shows it */
};

/* Returns RV_OK when an answer arrived, whatever its code; RV_ERR_NETWORK when none did,
 * RV_ERR_CANCELLED, or what the sink returned. *out is to be released in any case.
 *
 * The secret header goes to the scheme, host and port of `url` and to no other, redirected or not.
 * It and the secrets of the address are blotted out of bodies in memory and of every message. An https
 * address is not redirected to http. */
rv_status rv_http_perform(rv_http_response *out, rv_http *http, const rv_http_request *request,
                          rv_error *err);
void rv_http_response_release(rv_http_response *response);

/* Blots the secrets of a request out of a text. Returns how many there were. */
size_t rv_http_redact(char *text, size_t length, const rv_http_request *request);

/* Whether asking again may help: 408, 429, 500, 502, 503, 504. */
bool rv_http_passes(const rv_http_response *response);

/* Fills err for an answer that the caller did not want: who answered what, with the beginning
 * of the text that came along. RV_ERR_NOT_FOUND for 404, else RV_ERR_NETWORK. */
rv_status rv_http_fail(const rv_http_response *response, rv_error *err);

/* The value of a header of the last answer, until the next request; NULL if there is none. */
const char *rv_http_header(const rv_http *http, const char *name);

#endif
