/* Questions to a server on the loopback interface, for tests of chat: a cache folder of their own, a key that must be
 * found nowhere, and one question asked of canned answers. */
#ifndef TESTS_CHAT_CHECK_H
#define TESTS_CHAT_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/file.h"
#include "explain/chat.h"
#include "loopback.h"

static const char KEY[] = "sk-test-0123456789abcdef";
static char folder[] = "/tmp/reverie-chat-XXXXXX";
extern char **environ;

static int make_folder(void **state)
{
    (void)state;
    unsetenv("OPENAI_API_KEY");
    unsetenv("OPENROUTER_API_KEY");
    return mkdtemp(folder) ? setenv("XDG_CACHE_HOME", folder, 1) : -1;
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static int remove_folder(void **state)
{
    (void)state;
    return run("rm -rf '%s'", folder);
}

static int empty_folder(void **state)
{
    (void)state;
    return run("rm -rf '%s'/*", folder);
}

/* ---- tools ----------------------------------------------------------------------------------- */
#define OK(body) \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body
#define SAYS(text)                                                                           \
    OK("{\"choices\":[{\"message\":{\"content\":\"" text "\"},\"finish_reason\":\"stop\"}]," \
       "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}")

static const rv_chat_message question[] = {{"system", "Be brief."}, {"user", "Who is there?"}};

static rv_chat_request request_for(uint64_t seed)
{
    return (rv_chat_request){
        .messages = question, .message_count = 2, .seed = seed, .max_tokens = 20};
}

static rv_chat_options quick(void)
{
    rv_chat_options options = rv_chat_options_default();
    options.key = KEY;
    options.first_wait = 0.01;
    options.longest_wait = 2;
    options.retries = 2;
    options.timeout = 60;
    return options;
}

static rv_chat *open_chat(const loopback *server, const rv_chat_options *options)
{
    char place[128];
    rv_error err;
    rv_chat *chat;
    snprintf(place, sizeof place, "http://127.0.0.1:%d/v1#tiny", server->port);
    if (rv_chat_open_endpoint(&chat, place, options, &err) != RV_OK)
        fail_msg("%s", err.message);
    return chat;
}

/* One question to a server with these answers; the text in out ("" after a failure). */
static rv_status ask(char out[256], rv_error *err, const canned *answers, size_t count,
                     const rv_chat_options *options)
{
    loopback *server = loopback_start(answers, count);
    rv_chat *chat = open_chat(server, options);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    rv_status status = rv_chat_complete(chat, &answer, &request, err);
    snprintf(out, 256, "%s", status == RV_OK ? answer.text : "");
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    loopback_stop(server);
    return status;
}

static void assert_says(const rv_error *err, const char *words)
{
    if (!strstr(err->message, words)) fail_msg("'%s' is not in: %s", words, err->message);
    assert_null(strstr(err->message, KEY));
}

#endif
