#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "http/http.h"
#include "http/url.h"
#include "loopback.h"

#define OK_HEAD(length) \
    "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\nConnection: close\r\n\r\n"
#define SECRET "Authorization: Bearer hf_veryverysecret"

static rv_http *http;
static rv_error err;
static char url[64];

static rv_http_request request_to(const loopback *server)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a/b?q=1", server->port);
    rv_http_request request = rv_http_request_default(url);
    request.first_wait = 0.01;
    request.stall_timeout = 5;
    return request;
}

static int open_http(void **state)
{
    (void)state;
    setenv("no_proxy", "127.0.0.1", 1);
    return rv_http_open(&http, &err);
}

static int close_http(void **state)
{
    (void)state;
    rv_http_close(http);
    return 0;
}

static void says(const char *words)
{
    if (!strstr(err.message, words)) print_error("expected '%s' in: %s\n", words, err.message);
    assert_non_null(strstr(err.message, words));
    assert_null(strstr(err.message, "verysecret"));
}

/* A sink into memory. */
typedef struct basket {
    char bytes[256];
    size_t length;
} basket;

static rv_status basket_restart(void *context, rv_error *e)
{
    (void)e;
    ((basket *)context)->length = 0;
    return RV_OK;
}

static rv_status basket_write(void *context, const void *bytes, size_t length, rv_error *e)
{
    basket *b = context;
    if (length > sizeof b->bytes - b->length)
        return rv_fail(e, RV_ERR_IO, "the basket is full");
    memcpy(b->bytes + b->length, bytes, length);
    b->length += length;
    return RV_OK;
}

static void an_answer_arrives_with_its_headers(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){{.text = "HTTP/1.1 418 Teapot\r\nX-One: 1 "
                                  "\r\nx-two:2\r\nContent-Length: 5\r\n\r\nshort"}},
        1);
    rv_http_request request = request_to(server);
    request.headers = (const char *const[]){"Content-Type: application/json", NULL};
    request.secret = SECRET;
    request.body = "{\"a\": 1}";
    request.body_length = 8;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    assert_int_equal(response.code, 418);
    assert_string_equal(response.body, "short");
    assert_int_equal(response.length, 5);
    assert_string_equal(rv_http_header(http, "x-one"), "1");
    assert_string_equal(rv_http_header(http, "X-Two"), "2");
    assert_null(rv_http_header(http, "X-Three"));
    assert_non_null(strstr(server->requests[0], "POST /a/b?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(server->requests[0], "Content-Type: application/json\r\n"));
    assert_non_null(strstr(server->requests[0], SECRET "\r\n"));
    assert_non_null(strstr(server->requests[0], "\r\n\r\n{\"a\": 1}"));
    assert_int_equal(rv_http_fail(&response, &err), RV_ERR_NETWORK);
    says("/a/b: answered 418: short");
    rv_http_response_release(&response);
    loopback_stop(server);
}

static void the_secret_follows_no_redirect_to_another_host(void **state)
{
    (void)state;
    char away[256], stay[256];
    loopback *other = loopback_start(
        (const canned[]){{.text = OK_HEAD(3) "far"}, {.text = OK_HEAD(3) "far"}}, 2);
    snprintf(
        away, sizeof away,
        "HTTP/1.1 302 Found\r\nX-Linked-Etag: \"e\"\r\nLocation: http://u:p@127.0.0.1:%d/x\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n",
        other->port);
    snprintf(stay, sizeof stay,
             "HTTP/1.1 307 Go\r\nLocation: /stay\r\nContent-Length: 2\r\nConnection: "
             "close\r\n\r\nno");
    loopback *server = loopback_start((const canned[]){{.text = stay}, {.text = away}}, 2);
    rv_http_request request = request_to(server);
    request.secret = SECRET;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    assert_string_equal(response.body, "far");
    assert_null(rv_http_header(http, "X-Linked-Etag"));
    rv_http_response_release(&response);
    assert_int_equal(server->served, 2);
    assert_non_null(strstr(server->requests[0], SECRET));
    assert_non_null(strstr(server->requests[1], "GET /stay "));
    assert_non_null(strstr(server->requests[1], SECRET));
    assert_non_null(strstr(other->requests[0], "GET /x "));
    assert_null(strstr(other->requests[0], "Bearer"));
    assert_null(strstr(other->requests[0], "verysecret"));
    loopback_stop(server);
    loopback_stop(other);
}

static void redirects_are_bounded_and_stay_on_the_web(void **state)
{
    (void)state;
    static const char *const bad[] = {"file:///etc/passwd", "ftp://127.0.0.1/x",
                                      "gopher://127.0.0.1/", "http://"};
    rv_http_response response;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "HTTP/1.1 302 Found\r\nLocation: %s\r\nConnection: close\r\n\r\n", bad[i]);
        loopback *server = loopback_start((const canned[]){{.text = text}}, 1);
        rv_http_request request = request_to(server);
        assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
        assert_int_equal(server->served, 1);
        rv_http_response_release(&response);
        loopback_stop(server);
    }
    const canned loop = {
        .text = "HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\n\r\n", CLOSE};
    loopback *server = loopback_start((const canned[]){loop, loop, loop, loop, loop}, 5);
    rv_http_request request = request_to(server);
    request.redirects = 3;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
    says("Maximum (3) redirects");
    assert_int_equal(server->served, 4);
    rv_http_response_release(&response);
    request.body = "{}", request.body_length = 2;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
    says("redirects; give the address");
    rv_http_response_release(&response);
    loopback_stop(server);
    assert_true(rv_url_same_origin("https://A.org/x", "https://a.org:443/y"));
    assert_false(rv_url_same_origin("https://a.org/x", "https://a.org:444/x"));
    assert_false(rv_url_same_origin("https://a.org/x", "http://a.org/x"));
    assert_false(rv_url_same_origin("https://a.org/x", "https://a.org.evil/x"));
    assert_false(rv_url_same_origin("https://a.org/x", "https://a.org@evil.org/x"));
}

static void passing_troubles_are_tried_again(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){
            {.text = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
            {.text = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"},
            {.text = ""},
            {.text = OK_HEAD(10) "cut"},
            {.text = OK_HEAD(4) "done"}},
        5);
    rv_http_request request = request_to(server);
    rv_http_response response;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_string_equal(response.body, "done");
    assert_int_equal(response.attempts, 5);
    assert_true(after.tv_sec - before.tv_sec + (after.tv_nsec - before.tv_nsec) * 1e-9 >= 1);
    rv_http_response_release(&response);
    loopback_stop(server);
}

static void patience_ends(void **state)
{
    (void)state;
    const canned busy = {.text = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", CLOSE};
    loopback *server = loopback_start((const canned[]){busy, busy, busy, busy}, 4);
    rv_http_request request = request_to(server);
    request.retries = 2;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    assert_int_equal(response.code, 500);
    assert_int_equal(server->served, 3);
    rv_http_response_release(&response);
    loopback_stop(server);

    server = loopback_start(
        (const canned[]){
            {.text = "HTTP/1.1 429 Slow\r\nRetry-After: 9999\r\nContent-Length: 0\r\n\r\n"}},
        1);
    request = request_to(server);
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    assert_int_equal(response.code, 429);
    assert_int_equal(server->served, 1);
    rv_http_fail(&response, &err);
    says("429, asks to wait 9999 s");
    rv_http_response_release(&response);
    loopback_stop(server);
}

static void bodies_without_end_are_cut(void **state)
{
    (void)state;
    loopback *server =
        loopback_start((const canned[]){{.text = "HTTP/1.1 200 OK\r\n\r\nx", ENDLESS}}, 1);
    rv_http_request request = request_to(server);
    request.limit = 100000;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_FORMAT);
    says("longer than the 100000 bytes");
    rv_http_response_release(&response);
    loopback_stop(server);

    server = loopback_start((const canned[]){{.text = "HTTP/1.1 404 No\r\n\r\nx", ENDLESS}}, 1);
    request = request_to(server);
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    assert_int_equal(response.code, 404);
    assert_in_range(response.length, 1, 65536);
    rv_http_response_release(&response);
    loopback_stop(server);

    server = loopback_start((const canned[]){{.text = "HTTP/1.1 200 OK\r\nX: x", ENDLESS}}, 1);
    request = request_to(server);
    request.retries = 0;
    assert_int_not_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    rv_http_response_release(&response);
    loopback_stop(server);

    rv_text many = {0};
    rv_text_puts(&many, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 5000; i++) rv_text_printf(&many, "X-%d: %060d\r\n", i, 0);
    rv_text_puts(&many, "\r\n");
    server = loopback_start((const canned[]){{.text = many.bytes}}, 1);
    request = request_to(server);
    request.retries = 0;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
    says("headers");
    rv_http_response_release(&response);
    loopback_stop(server);
    rv_text_release(&many);
}

static void silence_is_not_waited_for(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){{.text = OK_HEAD(10) "dr", HOLD}, {.text = OK_HEAD(10) "dr", HOLD}},
        2);
    rv_http_request request = request_to(server);
    request.stall_timeout = 1;
    request.retries = 0;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
    says("too slow");
    rv_http_response_release(&response);
    request.stall_timeout = 60;
    request.total_timeout = 0.3;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
    says("timed out after");
    rv_http_response_release(&response);
    loopback_stop(server);
}

static void a_broken_transfer_goes_on_where_it_broke(void **state)
{
    (void)state;
#define PART(first) \
    "HTTP/1.1 206 Partial\r\nContent-Range: bytes " first "/10\r\nConnection: close\r\n\r\n"
    loopback *server = loopback_start(
        (const canned[]){{.text = OK_HEAD(10) "0123"}, {.text = PART("4-9") "456789"}}, 2);
    rv_http_request request = request_to(server);
    basket got = {0};
    rv_http_sink sink = {.restart = basket_restart, .write = basket_write, .context = &got};
    request.sink = &sink;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    assert_int_equal(sink.position, 10);
    assert_memory_equal(got.bytes, "0123456789", 10);
    assert_null(strstr(server->requests[0], "Range:"));
    assert_non_null(strstr(server->requests[1], "Range: bytes=4-\r\n"));
    rv_http_response_release(&response);
    loopback_stop(server);
}

static void servers_that_cannot_resume_start_over(void **state)
{
    (void)state;
    static const char *const first[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",           // Range ignored
        "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", // refused
        PART("2-9") "23456789", // another part than asked for
    };
    for (size_t i = 0; i < 3; i++) {
        loopback *server = loopback_start(
            (const canned[]){{.text = first[i]}, {.text = OK_HEAD(10) "0123456789"}}, 2);
        rv_http_request request = request_to(server);
        basket got = {.bytes = "xxxx", .length = 4};
        rv_http_sink sink = {
            .position = 4, .restart = basket_restart, .write = basket_write, .context = &got};
        request.sink = &sink;
        rv_http_response response;
        assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
        assert_int_equal(response.code, 200);
        assert_int_equal(sink.position, 10);
        assert_memory_equal(got.bytes, "0123456789", 10);
        assert_non_null(strstr(server->requests[0], "Range: bytes=4-\r\n"));
        assert_null(strstr(server->requests[1], "Range:"));
        rv_http_response_release(&response);
        loopback_stop(server);
    }
}

static void a_sink_that_fails_ends_the_transfer(void **state)
{
    (void)state;
    loopback *server =
        loopback_start((const canned[]){{.text = "HTTP/1.1 200 OK\r\n\r\nx", ENDLESS}}, 1);
    rv_http_request request = request_to(server);
    basket got = {0};
    rv_http_sink sink = {.restart = basket_restart, .write = basket_write, .context = &got};
    request.sink = &sink;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_IO);
    assert_string_equal(err.message, "the basket is full");
    rv_http_response_release(&response);
    loopback_stop(server);
}

static bool stop_at_once(void *context, const rv_progress *event)
{
    (void)event;
    return ++*(int *)context < 3;
}

static void the_user_can_stop_a_transfer_and_a_wait(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){{.text = OK_HEAD(9) "x", HOLD},
                         {.text = "HTTP/1.1 503 Busy\r\nRetry-After: 30\r\n\r\n"}},
        2);
    rv_http_response response;
    for (int i = 0; i < 2; i++) {
        int calls = 0;
        rv_http_request request = request_to(server);
        request.progress = stop_at_once;
        request.progress_context = &calls;
        assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_CANCELLED);
        rv_http_response_release(&response);
    }
    loopback_stop(server);
}

static void secrets_show_up_in_no_message(void **state)
{
    (void)state;
    // A server that echoes the token, also across the place where the excerpt ends.
    char text[1024];
    snprintf(text, sizeof text,
             "HTTP/1.1 401 No\r\nConnection: close\r\n\r\nhf_veryverysecret\n%0290d "
             "hf_veryverysecret",
             0);
    loopback *server = loopback_start((const canned[]){{.text = text}}, 1);
    snprintf(url, sizeof url, "http://me:pw@127.0.0.1:%d/a?key=k", server->port);
    rv_http_request request = rv_http_request_default(url);
    request.secret = SECRET;
    rv_http_response response;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_OK);
    rv_http_fail(&response, &err);
    says("401: *****************");
    assert_null(strstr(err.message, "hf_v"));
    assert_null(strstr(err.message, "pw"));
    assert_null(strstr(err.message, "key=k"));
    rv_http_response_release(&response);
    loopback_stop(server);
    request.secret = "Authorization: Bearer verysecret\r\nX: y";
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_USAGE);
    says("cannot be sent");
    rv_http_response_release(&response);
}

static void secrets_of_an_address_are_hidden(void **state)
{
    (void)state;
    static const char *const shown[][2] = {
        {"https://a.org/v1#m", "https://a.org/v1#m"},
        {"https://me:pw@a.org/v1?key=k&api-version=2024-06-01#m",
         "https://***@a.org/v1?key=***&api-version=2024-06-01#m"},
        {"http://a.org?secret", "http://a.org?***"},
        {"http://a.org/?a=&b=x?y=z;c=d#?no=secret", "http://a.org/?a=&b=***;c=***#?no=secret"},
        {"http://a.org/?api-version=a%20secret", "http://a.org/?api-version=***"},
        {"http://@a.org/@?@=@", "http://@a.org/@?@=***"},
        {"?key=k", "?key=***"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        rv_text text = {0};
        rv_url_hide(&text, shown[i][0]);
        assert_string_equal(text.bytes ? text.bytes : "", shown[i][1]);
        rv_text_release(&text);
    }
    rv_text line = {0};
    rv_url_hide_all(&line,
                    "reverie explain 'a?b=c' --with 'https://a.org/v1?k=s&t=u'  -o x?y=z");
    assert_string_equal(
        line.bytes, "reverie explain 'a?b=c' --with 'https://a.org/v1?k=***&t=***'  -o x?y=z");
    rv_text_release(&line);
    char *address = rv_url_display("https://me:pw@a.org:8/v1?key=k#m");
    assert_string_equal(address, "https://a.org:8/v1");
    free(address);
    char echo[] =
        "no 'pass%2fword', not cGFzcy93b3Jk, not hunter2hunter2; version 2024-06-01 it is";
    assert_int_equal(rv_url_redact(echo, strlen(echo),
                                   "https://me:pass%2Fword@a.org?x=hunter2hunter2"
                                   "&api-version=2024-06-01&short=it"),
                     3);
    assert_string_equal(echo, "no '***********', not ************, not **************; version "
                              "2024-06-01 it is");
}

static void wrong_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "example",      "file:///etc/passwd",
                                      "http://", "ftp://a.org/", "http://a b/"};
    rv_http_response response;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rv_http_request request = rv_http_request_default(bad[i]);
        assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_USAGE);
        rv_http_response_release(&response);
    }
    // Nobody listens on a port that was just given back.
    loopback *server = loopback_start(NULL, 0);
    rv_http_request request = request_to(server);
    loopback_stop(server);
    request.retries = 1;
    assert_int_equal(rv_http_perform(&response, http, &request, &err), RV_ERR_NETWORK);
    assert_int_equal(response.attempts, 2);
    says("http://127.0.0.1:");
    rv_http_response_release(&response);
}

static void escaping_keeps_what_it_is_told_to(void **state)
{
    (void)state;
    rv_text text = {0};
    rv_url_escape(&text, "a/b c%\xc3\xa9~", "/");
    assert_string_equal(text.bytes, "a/b%20c%25%C3%A9~");
    rv_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_arrives_with_its_headers),
        cmocka_unit_test(the_secret_follows_no_redirect_to_another_host),
        cmocka_unit_test(redirects_are_bounded_and_stay_on_the_web),
        cmocka_unit_test(passing_troubles_are_tried_again),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(bodies_without_end_are_cut),
        cmocka_unit_test(silence_is_not_waited_for),
        cmocka_unit_test(a_broken_transfer_goes_on_where_it_broke),
        cmocka_unit_test(servers_that_cannot_resume_start_over),
        cmocka_unit_test(a_sink_that_fails_ends_the_transfer),
        cmocka_unit_test(the_user_can_stop_a_transfer_and_a_wait),
        cmocka_unit_test(secrets_show_up_in_no_message),
        cmocka_unit_test(secrets_of_an_address_are_hidden),
        cmocka_unit_test(wrong_addresses_are_refused),
        cmocka_unit_test(escaping_keeps_what_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, open_http, close_http);
}
