/* A server on the loopback interface that plays back canned answers, one per connection, and
 * remembers what it was asked. For tests of code that speaks HTTP.
 *
 *     loopback *server = loopback_start((const canned[]){{"HTTP/1.1 200 OK\r\n..."}}, 1);
 *     ... http://127.0.0.1:PORT with server->port ...
 *     assert_non_null(strstr(server->requests[0], "GET / "));
 *     loopback_stop(server);                                                                  */
#ifndef TESTS_LOOPBACK_H
#define TESTS_LOOPBACK_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum loopback_ending {
    CLOSE,   /* hang up */
    HOLD,    /* say nothing more, but stay on the line until the client hangs up */
    ENDLESS, /* repeat the last byte until the client hangs up */
} loopback_ending;

typedef struct canned {
    const char *text; /* sent as it is */
    loopback_ending ending;
} canned;

enum { LOOPBACK_MAX = 16 };

typedef struct loopback {
    int listener, port;
    pthread_t thread;
    canned answers[LOOPBACK_MAX];
    size_t count;
    size_t served; /* connections so far; those beyond `count` are closed without an answer */
    char requests[LOOPBACK_MAX][8192];
} loopback;

/* Reads head and body of a request. */
static void loopback_read(int client, char *request, size_t room)
{
    size_t got = 0, wanted = 0;
    while (got < room - 1) {
        ssize_t n = read(client, request + got, room - 1 - got);
        if (n <= 0) return;
        got += (size_t)n;
        request[got] = '\0';
        const char *end = strstr(request, "\r\n\r\n"),
                   *length = strcasestr(request, "content-length:");
        if (!end) continue;
        wanted = (size_t)(end - request) + 4 +
                 (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
        if (got >= wanted) return;
    }
}

static void *loopback_serve(void *context)
{
    loopback *server = context;
    for (int client; (client = accept(server->listener, NULL, NULL)) >= 0; close(client)) {
        size_t turn = server->served < LOOPBACK_MAX ? server->served : LOOPBACK_MAX - 1;
        loopback_read(client, server->requests[turn], sizeof server->requests[turn]);
        server->served++;
        if (turn >= server->count) continue;
        const canned *answer = &server->answers[turn];
        size_t length = strlen(answer->text);
        bool alive = send(client, answer->text, length, MSG_NOSIGNAL) == (ssize_t)length;
        char block[4096];
        memset(block, length ? answer->text[length - 1] : 'x', sizeof block);
        while (alive && answer->ending == ENDLESS)
            alive = send(client, block, sizeof block, MSG_NOSIGNAL) > 0;
        while (alive && answer->ending == HOLD) alive = read(client, block, sizeof block) > 0;
    }
    return NULL;
}

static loopback *loopback_start(const canned *answers, size_t count)
{
    loopback *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (count > LOOPBACK_MAX || server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 16) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) != 0)
        abort();
    server->port = ntohs(address.sin_port);
    server->count = count;
    if (count) memcpy(server->answers, answers, count * sizeof *answers);
    if (pthread_create(&server->thread, NULL, loopback_serve, server) != 0) abort();
    return server;
}

static void loopback_stop(loopback *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    free(server);
}

#endif
