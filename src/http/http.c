#include "http/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "http/url.h"

enum {
    ERROR_BODY_LIMIT = 64 << 10, /* of what comes with 3xx, 4xx and 5xx; the rest is not read */
    HEADER_LIMIT = 256 << 10,    /* of all answers in a chain of redirects */
    STALL_BYTES = 1024,
    FRESH_START = 1 << 20, /* after this many new bytes the retries are counted anew */
    POLL_MS = 100
};

struct rv_http {
    CURLM *multi;
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
    uint64_t offset; /* where in the whole the body of this hop begins */
    bool sink_began;
    bool from_start;        /* the server cannot resume: ask without Range */
    bool enough;            /* the rest of this body is not wanted */
    rv_status stopped;      /* why a callback stopped the transfer */
    double started, ticked; /* when this attempt began; when progress was last told */
    char curl_message[CURL_ERROR_SIZE];
} call;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

rv_status rv_http_open(rv_http **out, rv_error *err)
{
    *out = NULL;
    rv_http *http;
    RV_TRY(RV_NEW(http, 1, err));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return rv_fail(err, RV_ERR_NETWORK, "libcurl could not be started");
    }
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    http->jitter = rv_random_stream((uint64_t)(now() * 1e9), (uint64_t)getpid(), 0);
    if (!http->multi || !http->easy) {
        rv_http_close(http);
        return rv_fail_memory(err, 1);
    }
    *out = http;
    return RV_OK;
}

void rv_http_close(rv_http *http)
{
    if (!http) return;
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http);
}

rv_http_request rv_http_request_default(const char *url)
{
    return (rv_http_request){
        .method = "GET",
        .url = url,
        .limit = (size_t)32 << 20,
        .redirects = 10,
        .retries = 5,
        .connect_timeout = 15,
        .stall_timeout = 60,
        .first_wait = 1,
        .longest_wait = 60,
    };
}

void rv_http_response_release(rv_http_response *response)
{
    free(response->body);
    free(response->address);
    rv_text_release(&response->headers);
    *response = (rv_http_response){0};
}

/* ---- headers -------------------------------------------------------------------------------- */

static char *find_header(const char *lines, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = lines; line && *line;
         line = strchr(line, '\n'), line += line != NULL) {
        if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
        const char *value = line + length + 1;
        value += strspn(value, " \t");
        size_t end = strcspn(value, "\r\n");
        while (end && strchr(" \t", value[end - 1])) end--;
        return rv_strndup(value, end);
    }
    return NULL;
}

char *rv_http_header(const rv_http_response *response, const char *name)
{
    return response->headers.bytes
               ? find_header(response->headers.bytes + response->last_headers, name)
               : NULL;
}

char *rv_http_header_on_the_way(const rv_http_response *response, const char *name)
{
    return response->headers.bytes ? find_header(response->headers.bytes, name) : NULL;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    call *c = context;
    size_t length = size * count;
    rv_text *headers = &c->response->headers;
    if (headers->length + length > HEADER_LIMIT || memchr(bytes, '\0', length)) {
        c->stopped = rv_fail(c->err, RV_ERR_FORMAT,
                             "the headers of the answer are malformed or endless");
        return 0;
    }
    if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        c->response->last_headers = headers->length;
    else
        rv_text_append(headers, bytes, length);
    if (headers->failed) c->stopped = rv_fail_memory(c->err, length);
    return headers->failed ? 0 : length;
}

/* ---- bodies --------------------------------------------------------------------------------- */

static bool is_success(long code)
{
    return code >= 200 && code < 300;
}

/* Tells the sink where the body starts. False (with c->stopped set) if that cannot be. */
static bool begin_sink(call *c, long code)
{
    rv_http_sink *sink = c->request->sink;
    uint64_t offset = 0;
    if (code == 206) {
        char *range = rv_http_header(c->response, "Content-Range");
        unsigned long long first;
        bool fits =
            range && sscanf(range, "bytes %llu-", &first) == 1 && first == sink->position;
        free(range);
        if (!fits) {
            c->from_start = true;
            c->stopped = rv_fail(c->err, RV_ERR_NETWORK,
                                 "the server sent another part than it was asked for");
            return false;
        }
        offset = sink->position;
    }
    c->stopped = sink->begin(sink->context, offset, c->err);
    sink->position = c->offset = offset;
    c->sink_began = true;
    return c->stopped == RV_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    call *c = context;
    size_t length = size * count;
    long code = 0;
    curl_easy_getinfo(c->http->easy, CURLINFO_RESPONSE_CODE, &code);
    rv_http_sink *sink = c->request->sink;
    if (is_success(code) && sink) {
        if (!c->sink_began && !begin_sink(c, code)) return 0;
        c->stopped = sink->write(sink->context, bytes, length, c->err);
        if (c->stopped != RV_OK) return 0;
        sink->position += length;
        return length;
    }
    size_t limit = is_success(code) ? c->request->limit : ERROR_BODY_LIMIT;
    if (length > limit - c->body.length) {
        if (is_success(code))
            c->stopped = rv_fail(c->err, RV_ERR_FORMAT,
                                 "the answer is longer than the %zu bytes it may have", limit);
        else
            c->enough = true;
        return 0;
    }
    rv_text_append(&c->body, bytes, length);
    if (c->body.failed) c->stopped = rv_fail_memory(c->err, length);
    return c->body.failed ? 0 : length;
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* Reports progress; false if the user wants to stop. */
static bool tell(call *c, const char *note)
{
    const rv_http_request *request = c->request;
    double t = now();
    if (!request->progress || (!note && t - c->ticked < 0.05)) return true;
    c->ticked = t;
    curl_off_t coming = 0;
    long code = 0;
    curl_easy_getinfo(c->http->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &coming);
    curl_easy_getinfo(c->http->easy, CURLINFO_RESPONSE_CODE, &code);
    double total = is_success(code) && coming > 0 ? (double)c->offset + (double)coming : 0;
    const rv_progress event = {
        .what = request->what ? request->what : "waiting for an answer",
        .unit = "bytes",
        .note = note,
        .done = request->sink ? (double)request->sink->position : (double)c->body.length,
        .total = note ? 0 : total,
    };
    return request->progress(request->progress_context, &event);
}

static rv_status fail_cancelled(rv_error *err)
{
    return rv_fail(err, RV_ERR_CANCELLED, "cancelled");
}

/* Sleeps, in slices short enough to be cancelled. */
static rv_status wait_before_retry(call *c, double seconds)
{
    char note[80];
    double until = now() + seconds, left;
    while ((left = until - now()) > 0) {
        snprintf(note, sizeof note, "trying again in %.0f s", ceil(left));
        if (!tell(c, note)) return fail_cancelled(c->err);
        double slice = left < 0.1 ? left : 0.1;
        nanosleep(&(struct timespec){.tv_nsec = (long)(slice * 1e9)}, NULL);
    }
    return RV_OK;
}

/* Bytes that came and went in this transfer. */
static double traffic(CURL *easy)
{
    curl_off_t up = 0, down = 0;
    long headers = 0;
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    return (double)up + (double)down + (double)headers;
}

/* Drives the transfer that is set up on c->http->easy to its end. *code is libcurl's verdict. */
static rv_status drive(call *c, CURLcode *code)
{
    CURLM *multi = c->http->multi;
    CURL *easy = c->http->easy;
    const rv_http_request *request = c->request;
    rv_status status = RV_OK;
    if (curl_multi_add_handle(multi, easy) != CURLM_OK) return rv_fail_memory(c->err, 1);
    double window = now(), seen = 0;
    for (int running = 1;;) {
        if (curl_multi_perform(multi, &running) != CURLM_OK) RV_GOTO(rv_fail_memory(c->err, 1));
        if (!running) break;
        if (!tell(c, NULL)) RV_GOTO(fail_cancelled(c->err));
        double t = now(), bytes = traffic(easy);
        if (bytes - seen >= STALL_BYTES) window = t, seen = bytes;
        if (t - window > request->stall_timeout)
            RV_GOTO(rv_fail(c->err, RV_ERR_NETWORK, "nothing came for %.3g s",
                            request->stall_timeout));
        if (request->total_timeout > 0 && t - c->started > request->total_timeout)
            RV_GOTO(rv_fail(c->err, RV_ERR_NETWORK, "no complete answer within %.3g s",
                            request->total_timeout));
        curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    int left;
    CURLMsg *message = curl_multi_info_read(multi, &left);
    *code = message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_RECV_ERROR;
done:
    curl_multi_remove_handle(multi, easy);
    return status;
}

/* The same, without letting a connection that closes kill the process (SIGPIPE). */
static rv_status drive_quietly(call *c, CURLcode *code)
{
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    rv_status status = drive(c, code);
    if (!sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* Blots the secret out of a message that others had a part in. */
static void blot_out(char *text, const char *secret)
{
    const char *value = secret ? strchr(secret, ':') : NULL;
    if (!value) return;
    value += 1 + strspn(value + 1, " ");
    const char *last = strrchr(value, ' '); // "Bearer KEY": the key is what counts
    if (last) value = last + 1;
    size_t length = strlen(value);
    if (length == 0) return;
    for (char *at = text; (at = strstr(at, value)); at += length) memset(at, '*', length);
}

/* ---- one attempt ---------------------------------------------------------------------------- */

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer) *list = longer;
    return longer != NULL;
}

/* *out is to be freed in any case. */
static rv_status make_headers(struct curl_slist **out, const rv_http_request *request,
                              bool with_secret, rv_error *err)
{
    *out = NULL;
    // Without this, libcurl waits for a "100 Continue" before it sends a long body.
    bool ok = add_header(out, "Expect:");
    for (size_t i = 0; ok && request->headers && request->headers[i]; i++)
        ok = add_header(out, request->headers[i]);
    if (ok && with_secret && request->secret) ok = add_header(out, request->secret);
    return ok ? RV_OK : rv_fail_memory(err, 1);
}

static void set_up(call *c, const char *url, struct curl_slist *headers)
{
    CURL *easy = c->http->easy;
    const rv_http_request *request = c->request;
    curl_easy_reset(easy);
    c->curl_message[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_message);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "reverie/" RV_VERSION_STRING);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * request->connect_timeout));
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (!bundle || !*bundle) bundle = getenv("SSL_CERT_FILE");
    if (bundle && *bundle) curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (strcmp(request->method, "HEAD") == 0) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_length ? request->body : "");
    }
    if (request->sink && request->sink->position && !c->from_start) {
        char range[32];
        snprintf(range, sizeof range, "%llu-", (unsigned long long)request->sink->position);
        curl_easy_setopt(easy, CURLOPT_RANGE, range);
    }
}

/* Sends the request to one address. RV_OK if an answer came, complete as far as it is wanted. */
static rv_status hop(call *c, const char *url, bool with_secret, bool *again)
{
    struct curl_slist *headers;
    CURLcode code = CURLE_OK;
    c->body.length = 0;
    c->enough = c->sink_began = false;
    c->offset = 0;
    c->stopped = RV_OK;
    *again = false;
    rv_status status = make_headers(&headers, c->request, with_secret, c->err);
    if (status == RV_OK) {
        set_up(c, url, headers);
        status = drive_quietly(c, &code);
    }
    curl_slist_free_all(headers);
    curl_easy_setopt(c->http->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_getinfo(c->http->easy, CURLINFO_RESPONSE_CODE, &c->response->code);
    if (c->stopped != RV_OK) {
        *again = c->from_start && c->stopped == RV_ERR_NETWORK;
        return c->stopped;
    }
    if (status != RV_OK) {
        *again = status == RV_ERR_NETWORK;
        return status;
    }
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && c->enough)) {
        // A name that does not exist or a certificate that does not fit will not do so in a minute.
        *again = code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY &&
                 code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE &&
                 code != CURLE_URL_MALFORMAT && code != CURLE_WRITE_ERROR;
        return rv_fail(c->err, RV_ERR_NETWORK, "%s",
                       c->curl_message[0] ? c->curl_message : curl_easy_strerror(code));
    }
    if (is_success(c->response->code) && c->request->sink && !c->sink_began &&
        !begin_sink(c, c->response->code))
        return c->stopped;
    return RV_OK;
}

/* Follows redirects by hand, so that the secret stays with the host that it is for. */
static rv_status attempt(call *c, bool *again)
{
    const rv_http_request *request = c->request;
    char *url = rv_strndup(request->url, strlen(request->url)), *location = NULL, *next;
    bool trusted = true;
    rv_status status = url ? RV_OK : rv_fail_memory(c->err, strlen(request->url));
    c->started = now();
    rv_text_release(&c->response->headers);
    c->response->last_headers = 0;
    *again = false;
    for (unsigned hops = 0; status == RV_OK; hops++) {
        free(c->response->address);
        c->response->address = rv_url_display(url);
        if (!c->response->address) RV_GOTO(rv_fail_memory(c->err, strlen(url)));
        blot_out(c->response->address, request->secret);
        RV_GOTO(hop(c, url, trusted, again));
        free(location);
        location =
            c->response->code / 100 == 3 ? rv_http_header(c->response, "Location") : NULL;
        if (!location) break;
        if (strcmp(request->method, "POST") == 0)
            RV_GOTO(rv_fail(c->err, RV_ERR_NETWORK,
                            "redirects; give the address that it leads to"));
        if (hops == request->redirects)
            RV_GOTO(
                rv_fail(c->err, RV_ERR_NETWORK, "more than %u redirects", request->redirects));
        RV_GOTO(rv_url_redirect(&next, url, location, c->err));
        trusted = trusted && rv_url_same_origin(request->url, next);
        free(url);
        url = next;
    }
done:
    free(url);
    free(location);
    return status;
}

/* ---- retries -------------------------------------------------------------------------------- */

static bool is_passing(long code)
{
    return code == 408 || code == 429 || code == 500 || code == 502 || code == 503 ||
           code == 504;
}

static rv_status check(const rv_http_request *request, rv_error *err)
{
    RV_TRY(rv_url_check(request->url, err));
    for (size_t i = 0; request->headers && request->headers[i]; i++)
        if (strpbrk(request->headers[i], "\r\n"))
            return rv_fail(err, RV_ERR_USAGE, "header %zu: expected one line", i);
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

static rv_status perform(call *c)
{
    rv_http_response *response = c->response;
    rv_http_sink *sink = c->request->sink;
    uint64_t mark = sink ? sink->position : 0;
    for (unsigned failures = 0;;) {
        bool again;
        response->code = 0;
        response->retry_after = 0;
        response->attempts++;
        rv_status status = attempt(c, &again);
        if (status == RV_OK && response->code == 416 && sink && sink->position &&
            !c->from_start) {
            c->from_start = true;
            continue;
        }
        curl_off_t asked = 0;
        curl_easy_getinfo(c->http->easy, CURLINFO_RETRY_AFTER, &asked);
        if (status == RV_OK && !is_passing(response->code)) return RV_OK;
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
    rv_status status = perform(&c);
    out->length = c.body.length;
    rv_text_append(&c.body, "", 0);
    out->body = rv_text_take(&c.body);
    if (!out->body && status == RV_OK) status = rv_fail_memory(c.err, out->length);
    if (status == RV_ERR_NETWORK || status == RV_ERR_FORMAT) {
        blot_out(c.err->message, request->secret);
        rv_context(c.err, status, "%s", out->address);
    }
    return status;
}

/* The beginning of a body as one line of text. */
static char *excerpt_of(const rv_http_response *response, const char *secret)
{
    enum { SHOWN = 300 };
    rv_text text = {0};
    // A secret that stands across the cut must be seen whole to be blotted out.
    size_t read = SHOWN + (secret ? strlen(secret) : 0);
    for (size_t i = 0; i < response->length && text.length < read; i++) {
        unsigned char b = (unsigned char)response->body[i];
        if (b > ' ' && b != 0x7F)
            rv_text_putc(&text, response->body[i]);
        else if (text.length && text.bytes[text.length - 1] != ' ')
            rv_text_putc(&text, ' ');
    }
    char *excerpt = rv_text_take(&text);
    if (!excerpt) return NULL;
    blot_out(excerpt, secret);
    size_t length = strlen(excerpt), end = length < SHOWN ? length : SHOWN;
    while (end < length && end > 0 && ((unsigned char)excerpt[end] & 0xC0) == 0x80) end--;
    excerpt[end] = '\0';
    return excerpt;
}

rv_status rv_http_fail(const rv_http_response *response, const rv_http_request *request,
                       rv_error *err)
{
    char wait[64] = "", *excerpt = excerpt_of(response, request->secret);
    if (!excerpt) return rv_fail_memory(err, response->length);
    if (response->retry_after > 0)
        snprintf(wait, sizeof wait, ", asks to wait %.0f s", response->retry_after);
    rv_status status = rv_fail(err, response->code == 404 ? RV_ERR_NOT_FOUND : RV_ERR_NETWORK,
                               "%s: answered %ld%s%s%s", response->address, response->code,
                               wait, *excerpt ? ": " : "", excerpt);
    free(excerpt);
    return status;
}

void rv_http_escape(rv_text *out, const char *text, const char *kept)
{
    for (; *text; text++) {
        unsigned char b = (unsigned char)*text;
        bool plain = (b < 0x80 && isalnum(b)) || strchr("-._~", b) || strchr(kept, b);
        if (plain)
            rv_text_putc(out, *text);
        else
            rv_text_printf(out, "%%%02X", b);
    }
}
