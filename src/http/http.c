#include "http/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/redact.h"
#include "base/text.h"
#include "http/url.h"

enum {
    ERROR_BODY_LIMIT = 64 << 10, /* of what comes with 3xx, 4xx and 5xx; the rest is not read */
    STALL_BYTES = 16,            /* a second: less is a stall */
    FRESH_START = 1 << 20        /* after this many new bytes the retries are counted anew */
};

struct rv_http {
    CURL *easy;
    rv_random jitter;
};

/* One request on its way. */
typedef struct call {
    rv_http *http;
    const rv_http_request *request;
    rv_http_response *response;
    rv_error *err;
    rv_text body;
    uint64_t offset;   /* where in the whole this attempt's body begins */
    bool from_start;   /* the server cannot resume */
    bool enough;       /* the rest of this body is not wanted */
    rv_status stopped; /* why a callback stopped the transfer */
    double told;       /* when progress was last reported */
    char why[CURL_ERROR_SIZE];
} call;

rv_status rv_http_open(rv_http **out, rv_error *err)
{
    *out = NULL;
    rv_http *http;
    RV_TRY(RV_NEW(http, 1, err));
    http->easy = curl_easy_init();
    http->jitter = rv_random_stream((uint64_t)(rv_seconds() * 1e9), (uint64_t)getpid(), 0);
    if (!http->easy) {
        free(http);
        return rv_fail_memory(err, 1);
    }
    *out = http;
    return RV_OK;
}

void rv_http_close(rv_http *http)
{
    if (!http) return;
    curl_easy_cleanup(http->easy);
    free(http);
}

rv_http_request rv_http_request_default(const char *url)
{
    return (rv_http_request){.url = url,
                             .limit = (size_t)32 << 20,
                             .redirects = 10,
                             .retries = 5,
                             .passes = rv_http_passes,
                             .connect_timeout = 15,
                             .stall_timeout = 60,
                             .first_wait = 1,
                             .longest_wait = 60,
                             .what = "waiting for an answer"};
}

void rv_http_response_release(rv_http_response *response)
{
    free(response->body);
    free(response->address);
    *response = (rv_http_response){0};
}

const char *rv_http_header(const rv_http *http, const char *name)
{
    struct curl_header *header;
    bool found = curl_easy_header(http->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
    return found ? header->value : NULL;
}

bool rv_http_passes(const rv_http_response *response)
{
    static const long passing[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (response->code == passing[i]) return true;
    return false;
}

size_t rv_http_redact(char *text, size_t length, const rv_http_request *request)
{
    size_t found = rv_url_redact(text, length, request->url);
    const char *value = request->secret ? strchr(request->secret, ':') : NULL;
    const char *last =
        value ? strrchr(value, ' ') : NULL; // "Bearer KEY": the key is what counts
    if (last) value = last;
    return value ? found + rv_redact(text, length, value + 1, strlen(value + 1)) : found;
}

/* ---- while it runs ---------------------------------------------------------------------------- */
static bool is_success(const call *c)
{
    long code = 0;
    curl_easy_getinfo(c->http->easy, CURLINFO_RESPONSE_CODE, &code);
    return code >= 200 && code < 300;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    call *c = context;
    size_t length = size * count;
    bool success = is_success(c);
    rv_http_sink *sink = success ? c->request->sink : NULL;
    size_t limit = success ? c->request->limit : ERROR_BODY_LIMIT;
    if (sink) {
        c->stopped = sink->write(sink->context, bytes, length, c->err);
        if (c->stopped == RV_OK) sink->position += length;
    } else if (length > limit - c->body.length) {
        c->enough = !success;
        if (success)
            c->stopped = rv_fail(c->err, RV_ERR_FORMAT,
                                 "the answer is longer than the %zu bytes it may have", limit);
    } else {
        rv_text_append(&c->body, bytes, length);
        if (c->body.failed) c->stopped = rv_fail_memory(c->err, length);
    }
    return c->stopped == RV_OK && !c->enough ? length : 0;
}

/* Reports progress; false (and c->stopped) if the user wants to stop. */
static bool tell(call *c, const char *note, double total)
{
    const rv_http_request *request = c->request;
    if (!request->progress || (!note && rv_seconds() - c->told < 0.05)) return true;
    c->told = rv_seconds();
    const rv_progress event = {.what = request->what,
                               .unit = "bytes",
                               .note = note,
                               .done = request->sink ? (double)request->sink->position
                                                     : (double)c->body.length,
                               .total = total};
    if (request->progress(request->progress_context, &event)) return true;
    c->stopped = rv_fail(c->err, RV_ERR_CANCELLED, "cancelled");
    return false;
}

static int on_progress(void *context, curl_off_t coming, curl_off_t come, curl_off_t going,
                       curl_off_t gone)
{
    call *c = context;
    (void)come, (void)going, (void)gone;
    return !tell(c, NULL, coming > 0 && is_success(c) ? (double)c->offset + (double)coming : 0);
}

/* ---- one attempt ------------------------------------------------------------------------------ */
static rv_status make_headers(struct curl_slist **out, const rv_http_request *request,
                              rv_error *err)
{
    // Without this, libcurl waits for a "100 Continue" before it sends a long body.
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *longer = list;
    for (size_t i = 0; longer && request->headers && request->headers[i]; i++)
        longer = curl_slist_append(list, request->headers[i]);
    // libcurl keeps Authorization from other hosts, ports and schemes than the first.
    if (longer && request->secret) longer = curl_slist_append(list, request->secret);
    *out = list;
    return longer ? RV_OK : rv_fail_memory(err, 1);
}

static void set_up(call *c, struct curl_slist *headers)
{
    CURL *easy = c->http->easy;
    const rv_http_request *r = c->request;
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (!bundle || !*bundle) bundle = getenv("SSL_CERT_FILE");
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
                     strncasecmp(r->url, "https", 5) == 0 ? "https" : "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, r->body ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)r->redirects);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "reverie/" RV_VERSION_STRING);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * r->connect_timeout));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)ceil(r->stall_timeout));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(1000 * r->total_timeout));
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)c->offset);
    if (bundle && *bundle) curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (!r->body) return;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_length);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
}

/* A name that does not exist or a certificate that does not fit will not do so in a minute. */
static bool is_lasting(CURLcode code)
{
    static const CURLcode lasting[] = {
        CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_PEER_FAILED_VERIFICATION,
        CURLE_SSL_CACERT_BADFILE,   CURLE_URL_MALFORMAT,         CURLE_UNSUPPORTED_PROTOCOL,
        CURLE_TOO_MANY_REDIRECTS,   CURLE_OUT_OF_MEMORY};
    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++)
        if (code == lasting[i]) return true;
    return false;
}

/* Sends the request. RV_OK if an answer came, complete as far as it is wanted. */
static rv_status attempt(call *c, bool *again)
{
    rv_http_response *response = c->response;
    rv_http_sink *sink = c->request->sink;
    struct curl_slist *headers;
    char *from = NULL;
    *again = c->enough = false;
    c->body.length = 0;
    c->why[0] = '\0';
    if (sink && sink->position && c->from_start) {
        sink->position = 0;
        RV_TRY(sink->restart(sink->context, c->err));
    }
    c->offset = sink ? sink->position : 0;
    rv_status status = make_headers(&headers, c->request, c->err);
    set_up(c, headers);
    CURLcode code = status == RV_OK ? curl_easy_perform(c->http->easy) : CURLE_OUT_OF_MEMORY;
    curl_slist_free_all(headers);
    curl_easy_setopt(c->http->easy, CURLOPT_HTTPHEADER, NULL);
    RV_TRY(status);
    curl_easy_getinfo(c->http->easy, CURLINFO_RESPONSE_CODE, &response->code);
    curl_easy_getinfo(c->http->easy, CURLINFO_EFFECTIVE_URL, &from);
    free(response->address);
    response->address = rv_url_display(from ? from : c->request->url);
    if (!response->address) return rv_fail_memory(c->err, 1);
    if (c->stopped != RV_OK) return c->stopped;
    bool refused = code == CURLE_RANGE_ERROR || response->code == 416;
    if (refused && c->offset && !c->from_start) {
        *again = true;
        c->from_start = response->code < 300 || response->code == 416;
    } else if (response->code / 100 == 3 && c->request->body) {
        return rv_fail(c->err, RV_ERR_NETWORK, "redirects; give the address that it leads to");
    } else if (code == CURLE_OK || c->enough) {
        return RV_OK;
    }
    *again = *again || !is_lasting(code);
    return rv_fail(c->err, RV_ERR_NETWORK, "%s", *c->why ? c->why : curl_easy_strerror(code));
}

/* ---- retries ---------------------------------------------------------------------------------- */
static rv_status check(const rv_http_request *request, rv_error *err)
{
    RV_TRY(rv_url_check(request->url, err));
    for (const char *p = request->secret; p && *p; p++)
        if (iscntrl((unsigned char)*p))
            return rv_fail(err, RV_ERR_USAGE,
                           "the token or key holds a character that cannot be sent");
    return RV_OK;
}

/* How long to wait before trying again; negative: do not. */
static double retry_delay(call *c, unsigned failures)
{
    const rv_http_request *request = c->request;
    double asked = c->response->retry_after;
    if (failures > request->retries || asked > request->longest_wait) return -1;
    double delay = ldexp(request->first_wait, (int)(failures < 20 ? failures : 20) - 1);
    if (delay > request->longest_wait) delay = request->longest_wait;
    delay *= 0.5 + 0.5 * rv_random_uniform(&c->http->jitter);
    return asked > delay ? asked : delay;
}

/* Sleeps, in slices short enough to be cancelled. */
static rv_status wait_before_retry(call *c, double seconds)
{
    char note[80];
    double until = rv_seconds() + seconds, left;
    while ((left = until - rv_seconds()) > 0) {
        snprintf(note, sizeof note, "trying again in %.0f s", ceil(left));
        if (!tell(c, note, 0)) return c->stopped;
        nanosleep(&(struct timespec){.tv_nsec = (long)(fmin(left, 0.1) * 1e9)}, NULL);
    }
    return RV_OK;
}

static rv_status perform(call *c)
{
    rv_http_response *response = c->response;
    rv_http_sink *sink = c->request->sink;
    uint64_t mark = sink ? sink->position : 0;
    for (unsigned failures = 0;;) {
        bool again, resuming = !c->from_start;
        response->retry_after = 0;
        response->attempts++;
        rv_status status = attempt(c, &again);
        response->length = c->body.length;
        response->body = c->body.bytes;
        if (resuming && c->from_start) continue; // another way, not another try
        curl_off_t asked = 0;
        curl_easy_getinfo(c->http->easy, CURLINFO_RETRY_AFTER, &asked);
        if (status == RV_OK && !c->request->passes(response)) return RV_OK;
        if (status == RV_OK)
            response->retry_after = (double)asked;
        else if (!again)
            return status;
        if (sink && sink->position >= mark + FRESH_START) {
            mark = sink->position;
            failures = 0;
        }
        double delay = retry_delay(c, ++failures);
        if (delay < 0) return status;
        RV_TRY(wait_before_retry(c, delay));
    }
}

rv_status rv_http_perform(rv_http_response *out, rv_http *http, const rv_http_request *request,
                          rv_error *err)
{
    *out = (rv_http_response){0};
    rv_error own;
    call c = {.http = http, .request = request, .response = out, .err = err ? err : &own};
    RV_TRY(check(request, c.err));
    rv_text_append(&c.body, "", 0);
    rv_status status = c.body.failed ? rv_fail_memory(c.err, 1) : perform(&c);
    out->length = c.body.length;
    out->body = rv_text_take(&c.body);
    if (!out->body && status == RV_OK) status = rv_fail_memory(c.err, out->length);
    if (out->body) out->repeats_secret = rv_http_redact(out->body, out->length, request) > 0;
    if (status == RV_ERR_NETWORK || status == RV_ERR_FORMAT) {
        rv_http_redact(c.err->message, strlen(c.err->message), request);
        if (out->address) rv_http_redact(out->address, strlen(out->address), request);
        rv_context(c.err, status, "%s", out->address ? out->address : "");
    }
    return status;
}

rv_status rv_http_fail(const rv_http_response *response, rv_error *err)
{
    enum { SHOWN = 300 };
    char wait[64] = "";
    rv_text text = {0}; // the beginning of the body as one line
    for (size_t i = 0; i < response->length; i++) {
        unsigned char b = (unsigned char)response->body[i];
        if (text.length >= SHOWN && (b & 0xC0) != 0x80) break;
        if (b > ' ' && b != 0x7F)
            rv_text_putc(&text, response->body[i]);
        else if (text.length && text.bytes[text.length - 1] != ' ')
            rv_text_putc(&text, ' ');
    }
    if (response->retry_after > 0)
        snprintf(wait, sizeof wait, ", asks to wait %.0f s", response->retry_after);
    rv_status status = rv_fail(err, response->code == 404 ? RV_ERR_NOT_FOUND : RV_ERR_NETWORK,
                               "%s: answered %ld%s%s%s", response->address, response->code,
                               wait, text.length ? ": " : "", text.length ? text.bytes : "");
    rv_text_release(&text);
    return status;
}
