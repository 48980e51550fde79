/* Endpoints that behave and endpoints that do not; the key that must be found nowhere. */
#include "chat_check.h"

#include <sqlite3.h>
#include <zlib.h>

#include "base/file.h"
#include "base/text.h"

/* Writes all that the store holds, inflated, into a file beside it. */
static void dump_store(void)
{
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *rows;
    rv_text text = {0};
    rv_error err;
    snprintf(path, sizeof path, "%s/reverie/store/store.db", folder);
    if (!rv_file_exists(path)) return;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT length, content, kind, model, source, about FROM kept",
                           -1, &rows, NULL),
        SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        uLongf length = (uLongf)sqlite3_column_int64(rows, 0);
        const void *content = sqlite3_column_blob(rows, 1);
        uLong size = (uLong)sqlite3_column_bytes(rows, 1);
        char *bytes = malloc(length + 1);
        if (size == length)
            memcpy(bytes, content, size);
        else
            assert_int_equal(uncompress((Bytef *)bytes, &length, content, size), Z_OK);
        rv_text_append(&text, bytes, length);
        for (int i = 2; i < 6; i++)
            rv_text_printf(&text, "\n%s", (const char *)sqlite3_column_text(rows, i));
        free(bytes);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    snprintf(path, sizeof path, "%s/dump.txt", folder);
    assert_int_equal(
        rv_write_private_file(path, text.bytes ? text.bytes : "", text.length, &err), RV_OK);
    rv_text_release(&text);
}

/* The key is in no file of the cache, and no file is half written. */
static void assert_no_key(void)
{
    dump_store();
    assert_int_not_equal(run("grep -rq '%s' '%s'", KEY, folder), 0);
    assert_int_not_equal(run("grep -rq '%.12s' '%s'", KEY + 8, folder), 0);
    assert_int_not_equal(run("grep -rq 'u0073\\|c2stdGVz' '%s'", folder), 0);
}

/* ---- what works ------------------------------------------------------------------------------ */
static void an_answer_arrives_and_is_kept(void **state)
{
    (void)state;
    loopback *server = loopback_start((const canned[]){{SAYS("It is me."), CLOSE}}, 1);
    rv_chat_options options = quick();
    for (int time = 0; time < 2; time++) { // the second chat asks nobody
        rv_chat *chat = open_chat(server, &options);
        rv_chat_answer answer;
        rv_chat_request request = request_for(1);
        rv_error err;
        if (rv_chat_complete(chat, &answer, &request, &err) != RV_OK)
            fail_msg("%s", err.message);
        assert_string_equal(answer.text, "It is me.");
        assert_int_equal(answer.cached, time);
        assert_int_equal(answer.prompt_tokens, 12);
        rv_chat_usage used = rv_chat_used(chat);
        assert_int_equal(used.requests, !time);
        assert_int_equal(used.cached, time);
        assert_int_equal(used.answer_tokens, time ? 0 : 3);
        assert_string_equal(rv_chat_name(chat), "tiny");
        rv_chat_answer_release(&answer);
        rv_chat_close(chat);
    }
    assert_int_equal(server->served, 1);
    const char *asked = server->requests[0];
    assert_non_null(strstr(asked, "POST /v1/chat/completions HTTP/1.1"));
    assert_non_null(strstr(asked, "Authorization: Bearer sk-test-0123456789abcdef"));
    assert_non_null(strstr(asked, "\"model\":\"tiny\""));
    assert_non_null(strstr(asked, "{\"role\":\"user\",\"content\":\"Who is there?\"}"));
    loopback_stop(server);
    assert_no_key();
}

static void another_question_is_another_request(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){{SAYS("one"), CLOSE}, {SAYS("two"), CLOSE}, {SAYS("three"), CLOSE}},
        3);
    rv_chat_options options = quick();
    rv_chat *chat = open_chat(server, &options);
    static const char *const expected[] = {"one", "two", "three", "one"};
    for (int i = 0; i < 4; i++) {
        rv_chat_answer answer;
        rv_chat_request request = request_for((uint64_t)(i == 1));
        if (i == 2) request.temperature = 0.5;
        assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
        assert_string_equal(answer.text, expected[i]);
        rv_chat_answer_release(&answer);
    }
    rv_chat_close(chat);
    loopback_stop(server);
}

static void probabilities_are_read_in_both_shapes(void **state)
{
    (void)state;
    static const char modern[] =
        OK("{\"choices\":[{\"message\":{\"content\":\"a: 7\"},\"logprobs\":{\"content\":["
           "{\"token\":\" a\",\"logprob\":-0.5,\"bytes\":[32,97],\"top_logprobs\":[]},"
           "{\"token\":\": \",\"logprob\":-0.1,\"bytes\":null,\"top_logprobs\":[]},"
           "{\"token\":\"7\",\"logprob\":-0.25,\"top_logprobs\":[{\"token\":\"7\",\"logprob\":-"
           "0.25},"
           "{\"token\":\"8\",\"logprob\":-1.5}]}]}}]}");
    static const char old[] =
        OK("{\"choices\":[{\"message\":{\"content\":\"a: "
           "7\"},\"logprobs\":{\"tokens\":[\"a\",\": \","
           "\"7\"],\"token_logprobs\":[-0.5,-0.1,-0.25],\"top_logprobs\":[{},{},{\"7\":-0.25,"
           "\"8\":-1.5}],\"text_offset\":[0,1,3]}}]}");
    static const char *const shapes[] = {modern, old};
    for (int i = 0; i < 2; i++) {
        loopback *server = loopback_start((const canned[]){{shapes[i], CLOSE}}, 1);
        rv_chat_options options = quick();
        rv_chat *chat = open_chat(server, &options);
        rv_chat_answer answer;
        rv_chat_request request = request_for(1);
        request.alternatives = 15;
        assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
        assert_int_equal(answer.token_count, 3);
        assert_int_equal(answer.tokens[0].at, 0);
        assert_int_equal(answer.tokens[0].length, 1); // its space was trimmed off the text
        assert_int_equal(answer.tokens[2].at, 3);
        assert_int_equal(answer.tokens[2].alternative_count, 2);
        assert_string_equal(answer.tokens[2].alternatives[1].token, "8");
        assert_true(answer.tokens[2].alternatives[1].logprob == -1.5);
        assert_non_null(strstr(server->requests[0], "\"top_logprobs\":15"));
        rv_chat_answer_release(&answer);
        rv_chat_close(chat);
        loopback_stop(server);
    }
}

static void probabilities_of_another_text_are_dropped(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){
            {OK("{\"choices\":[{\"message\":{\"content\":\"yes\"},\"logprobs\":{\"content\":["
                "{\"token\":\"no\",\"logprob\":-0.5,\"top_logprobs\":[]}]}}]}"),
             CLOSE}},
        1);
    rv_chat_options options = quick();
    rv_chat *chat = open_chat(server, &options);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
    assert_int_equal(answer.token_count, 0);
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    loopback_stop(server);
}

static void endpoints_that_take_other_parameters_are_learnt(void **state)
{
    (void)state;
    static const char refusal[] =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
        "{\"error\":{\"message\":\"Unsupported parameter: use 'max_completion_tokens'\"}}";
    static const char another[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
                                  "{\"error\":{\"message\":\"'temperature' must be 1\"}}";
    loopback *server = loopback_start(
        (const canned[]){
            {refusal, CLOSE}, {another, CLOSE}, {SAYS("one"), CLOSE}, {SAYS("two"), CLOSE}},
        4);
    rv_chat_options options = quick();
    rv_chat *chat = open_chat(server, &options);
    for (uint64_t seed = 0; seed < 2; seed++) {
        rv_chat_answer answer;
        rv_chat_request request = request_for(seed);
        assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
        assert_string_equal(answer.text, seed ? "two" : "one");
        rv_chat_answer_release(&answer);
    }
    assert_null(strstr(server->requests[0], "max_completion_tokens"));
    for (int i = 2; i < 4; i++) {
        assert_non_null(strstr(server->requests[i], "\"max_completion_tokens\":20"));
        assert_null(strstr(server->requests[i], "\"max_tokens\""));
        assert_null(strstr(server->requests[i], "temperature"));
    }
    rv_chat_close(chat);
    loopback_stop(server);
}

/* ---- what does not --------------------------------------------------------------------------- */
static void passing_troubles_are_outlasted(void **state)
{
    (void)state;
    static const canned troubles[] = {
        {"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nConnection: close\r\n\r\nslow down",
         CLOSE},
        {"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n", CLOSE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\":[", CLOSE},
        {"", CLOSE},
    };
    for (size_t i = 0; i < 4; i++) {
        char text[256];
        rv_error err;
        rv_chat_options options = quick();
        canned answers[] = {troubles[i], {SAYS("at last"), CLOSE}};
        rv_chat_options fresh = options;
        fresh.no_cache = true;
        if (ask(text, &err, answers, 2, &fresh) != RV_OK) fail_msg("%s", err.message);
        assert_string_equal(text, "at last");
    }
}

static void lasting_troubles_are_told(void **state)
{
    (void)state;
    static const struct {
        canned answer;
        const char *words;
    } troubles[] = {
        {{"HTTP/1.1 429 Too Many\r\nRetry-After: 3600\r\nConnection: close\r\n\r\nslow down",
          CLOSE},
         "answered 429, asks to wait 3600 s: slow down"},
        {{"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nbusy", CLOSE}, "answered 503: busy"},
        {{"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno such model", CLOSE},
         "404: no such model"},
        {{"HTTP/1.1 301 Moved\r\nLocation: /v2\r\nConnection: close\r\n\r\n", CLOSE},
         "redirects"},
        {{"HTTP/1.1 200 OK\r\n\r\n{\"choices\":[", HOLD}, "timed out"},
        {{"", HOLD}, "timed out"},
        {{"HTTP/1.1 200 OK\r\n\r\n ", ENDLESS}, "longer than the"},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\":[", CLOSE}, "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
        char text[256];
        rv_error err;
        rv_chat_options options = quick();
        options.timeout = 0.3;
        options.retries = 1;
        canned answers[] = {troubles[i].answer, troubles[i].answer};
        if (i == 6) options.timeout = 20;
        assert_int_not_equal(ask(text, &err, answers, 2, &options), RV_OK);
        assert_says(&err, troubles[i].words);
        assert_says(&err, "127.0.0.1");
    }
}

static void odd_answers_are_told_and_kept(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *words;
    } odd[] = {
        {OK("{\"choices\":[{\"message\":{\"content\":\"cut"), "expected JSON"},
        {OK("<html>Sign in</html>"), "expected JSON"},
        {OK(""), "expected JSON"},
        {OK("[]"), "expected an object, found a list"},
        {OK("{}"), "choices: expected a list, found nothing"},
        {OK("{\"choices\":{}}"), "choices: expected a list, found an object"},
        {OK("{\"choices\":[]}"), "choices: expected one"},
        {OK("{\"choices\":[3]}"), "message: expected an object"},
        {OK("{\"choices\":[{\"message\":\"hi\"}]}"),
         "message: expected an object, found a string"},
        {OK("{\"choices\":[{\"message\":{\"content\":7}}]}"),
         "content: expected a string, found a number"},
        {OK("{\"error\":{\"message\":\"no credit\"}}"), "answered with an error: no credit"},
        {OK("{\"error\":\"no credit\"}"), "answered with an error: no credit"},
        {OK("{\"object\":\"error\",\"message\":\"no credit\"}"), "error: no credit"},
        {OK("{\"detail\":[{\"msg\":\"no credit\"}]}"), "error: no credit"},
        {OK("{\"errors\":[{\"message\":\"no credit\"}]}"), "error: no credit"},
        {OK("{\"choices\":[{\"error\":{\"message\":\"no credit\"}}]}"), "error: no credit"},
        {OK("data: {\"error\":{\"message\":\"no credit\"}}\n\n"), "error: no credit"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char text[256];
        rv_error err;
        rv_chat_options options = quick();
        assert_int_equal(ask(text, &err, &(canned){odd[i].answer, CLOSE}, 1, &options),
                         RV_ERR_FORMAT);
        assert_says(&err, odd[i].words);
        assert_says(&err, "kept as ");
        char *path = strstr(err.message, folder);
        assert_non_null(path);
        path[strcspn(path, ":")] = '\0';
        assert_true(rv_file_exists(path));
    }
}

static void answers_without_text_say_why(void **state)
{
    (void)state;
#define MESSAGE(text) OK("{\"choices\":[{\"message\":" text ",\"finish_reason\":\"stop\"}]}")
    static const struct {
        const char *answer, *why;
    } silent[] = {
        {OK("{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"length\"}]}"),
         "cut before it said anything"},
        {OK("{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"content_"
            "filter\"}]}"),
         "filter withheld"},
        {MESSAGE("{\"content\":null,\"refusal\":\"I cannot\"}"), "refused"},
        {MESSAGE("{\"content\":null,\"reasoning_content\":\"hm\"}"), "only reasoned"},
        {MESSAGE("{\"content\":\" \\n\",\"reasoning\":\"hm\"}"), "only reasoned"},
        {MESSAGE("{\"thinking_blocks\":[{\"thinking\":\"hm\"}]}"), "only reasoned"},
        {MESSAGE("{\"content\":[{\"type\":\"reasoning\",\"text\":\"hm\"}]}"), "only reasoned"},
        {MESSAGE("{\"content\":\"<think>hm\"}"), "only reasoned"},
        {MESSAGE("{\"content\":\"\"}"), "empty"},
        {MESSAGE("{}"), "empty"},
    };
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        rv_chat_options options = quick();
        loopback *server = loopback_start((const canned[]){{silent[i].answer, CLOSE}}, 1);
        rv_chat *chat = open_chat(server, &options);
        rv_chat_answer answer;
        rv_chat_request request = request_for(i);
        rv_error err;
        if (rv_chat_complete(chat, &answer, &request, &err) != RV_OK)
            fail_msg("%s", err.message);
        assert_int_equal(strspn(answer.text, " \n"), strlen(answer.text));
        if (!answer.silence || !strstr(answer.silence, silent[i].why))
            fail_msg("%zu: %s", i, answer.silence ? answer.silence : "nothing");
        assert_int_equal(rv_chat_used(chat).silent, 1);
        rv_chat_answer_release(&answer);
        rv_chat_close(chat);
        loopback_stop(server);
    }
}

static void answers_in_other_shapes_are_read(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        MESSAGE("{\"content\":[\"fi\",{\"type\":\"output_text\",\"text\":\"ne\"}]}"),
        MESSAGE("{\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"text\":{"
                "\"value\":\"fine\"}}]}"),
        MESSAGE("{\"content\":{\"type\":\"text\",\"text\":\"fine\"},\"reasoning\":\"hm\"}"),
        MESSAGE("{\"content\":{\"parts\":[{\"thought\":true,\"text\":\"hm\"},{\"text\":"
                "\"fine\"}]}}"),
        MESSAGE("{\"content\":\"<think>hm</think>fine\"}"),
        OK("{\"choices\":[{\"text\":\"fine\"}]}"),
        OK("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"fi\"}}]}\n\n"
           ": a comment\r\ndata: "
           "{\"choices\":[{\"delta\":{\"content\":\"ne\"},\"finish_reason\":\"stop\"}]}\r\n\r\n"
           "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12}}\n\ndata: [DONE]\n\n"),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char text[256];
        rv_error err;
        rv_chat_options options = quick();
        options.no_cache = true;
        if (ask(text, &err, &(canned){shapes[i], CLOSE}, 1, &options) != RV_OK)
            fail_msg("%zu: %s", i, err.message);
        assert_string_equal(text, "fine");
    }
}

#define REFUSES(code, message)                                                                 \
    "HTTP/1.1 " code " No\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"" message "\"" \
    "}}"

/* Asks for probabilities, and returns what the last request said. */
static char *last_of(const canned *answers, size_t count)
{
    loopback *server = loopback_start(answers, count);
    rv_chat_options options = quick();
    options.no_cache = true;
    rv_chat *chat = open_chat(server, &options);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    request.alternatives = 15;
    rv_error err;
    if (rv_chat_complete(chat, &answer, &request, &err) != RV_OK) fail_msg("%s", err.message);
    assert_string_equal(answer.text, "at last");
    assert_int_equal(server->served, count);
    char *last = strdup(server->requests[count - 1]);
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    loopback_stop(server);
    return last;
}

static void refusals_of_many_kinds_teach(void **state)
{
    (void)state;
    static const char *const about_logprobs[] = {
        REFUSES("400", "logprobs is not supported"),
        REFUSES("403", "You are not allowed to request logprobs from this model"),
        REFUSES("404", "No endpoints found that support: logprobs"),
        REFUSES("422", "logprobs: extra fields not permitted"),
        REFUSES("500", "log probabilities? no: logprobs are not supported"),
        REFUSES("501", "Log_probs not implemented"),
        OK("{\"error\":{\"message\":\"logprobs are not supported\",\"code\":400}}"),
    };
    for (size_t i = 0; i < sizeof about_logprobs / sizeof about_logprobs[0]; i++) {
        char *last =
            last_of((const canned[]){{about_logprobs[i], CLOSE}, {SAYS("at last"), CLOSE}}, 2);
        assert_null(strstr(last, "logprobs"));
        assert_non_null(strstr(last, "\"seed\""));
        free(last);
    }
    static const char few[] = REFUSES("400", "'top_logprobs' must be at most 5");
    char *last = last_of((const canned[]){{few, CLOSE}, {SAYS("at last"), CLOSE}}, 2);
    assert_non_null(strstr(last, "\"top_logprobs\":5"));
    free(last);
    last = last_of((const canned[]){{few, CLOSE}, {few, CLOSE}, {SAYS("at last"), CLOSE}}, 3);
    assert_null(strstr(last, "logprobs"));
    free(last);
    static const char *const about_roles[] = {
        REFUSES("400", "System role not supported"),
        REFUSES("500", "Conversation roles must alternate user/assistant/user/..."),
        REFUSES("422", "messages: unexpected role: system"),
        REFUSES("400", "Developer instruction is not enabled for this model"),
        REFUSES("400", "the system prompt is not allowed here"),
        REFUSES("422", "messages.0.role: Input should be 'user' or 'assistant'"),
    };
    for (size_t i = 0; i < sizeof about_roles / sizeof about_roles[0]; i++) {
        last = last_of((const canned[]){{about_roles[i], CLOSE}, {SAYS("at last"), CLOSE}}, 2);
        assert_null(strstr(last, "\"system\""));
        assert_non_null(
            strstr(last, "{\"role\":\"user\",\"content\":\"Be brief.\\n\\nWho is there?\"}"));
        free(last);
    }
    // One lesson after the other; a passing trouble in spite of a code of success.
    last = last_of(
        (const canned[]){{REFUSES("400", "max_tokens is not supported"), CLOSE},
                         {REFUSES("400", "temperature must be 1"), CLOSE},
                         {OK("{\"error\":{\"message\":\"upstream\",\"code\":502}}"), CLOSE},
                         {SAYS("at last"), CLOSE}},
        4);
    assert_non_null(strstr(last, "\"max_completion_tokens\":20"));
    assert_null(strstr(last, "temperature"));
    free(last);
}

static void refusals_that_teach_nothing_are_told(void **state)
{
    (void)state;
    static const char *const lasting[] = {
        REFUSES("400", "the temperature of this answer is a secret"),
        REFUSES("401", "logprobs are for paying users"),
        REFUSES("429", "insufficient_quota"),
    };
    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++) {
        char text[256];
        rv_error err;
        rv_chat_options options = quick();
        canned answers[] = {{lasting[i], CLOSE}, {lasting[i], CLOSE}, {SAYS("no"), CLOSE}};
        assert_int_not_equal(ask(text, &err, answers, 3, &options), RV_OK);
        assert_says(&err, "answered 4");
    }
}

static void addresses_with_a_query_are_kept_without_it(void **state)
{
    (void)state;
    loopback *server = loopback_start(
        (const canned[]){{SAYS("one"), CLOSE}, {SAYS("two"), CLOSE}, {SAYS("three"), CLOSE}},
        3);
    static const char *const queries[] = {"", "?code=hunter2hunter2", "?code=hunter3hunter3"};
    static const char *const texts[] = {"one", "two", "three"};
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3; i++) {
            char place[128];
            rv_chat *chat;
            rv_chat_options options = quick();
            rv_chat_answer answer;
            rv_chat_request request = request_for(1);
            snprintf(place, sizeof place, "http://127.0.0.1:%d/v1%s#tiny", server->port,
                     queries[i]);
            assert_int_equal(rv_chat_open_endpoint(&chat, place, &options, NULL), RV_OK);
            assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
            assert_string_equal(answer.text, texts[i]);
            assert_int_equal(answer.cached, round);
            rv_chat_answer_release(&answer);
            rv_chat_close(chat);
        }
    assert_non_null(
        strstr(server->requests[1], "POST /v1/chat/completions?code=hunter2hunter2 "));
    loopback_stop(server);
    dump_store();
    assert_int_not_equal(run("grep -rq hunter '%s'", folder), 0);
    assert_int_equal(run("test -z \"$(find '%s'/* -perm /077)\"", folder), 0);
}

static void odd_details_do_no_harm(void **state)
{
    (void)state;
    static const char *const fine[] = {
        OK("{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"fine\"}]}}]"
           "}"),
        OK("{\"choices\":[{\"message\":{\"content\":\"fine\"},\"logprobs\":7}],\"usage\":"
           "\"much\"}"),
        OK("{\"choices\":[{\"message\":{\"content\":\"fine\"},\"logprobs\":{\"content\":[{},7,"
           "null,"
           "{\"token\":3,\"bytes\":[\"x\"],\"top_logprobs\":{\"a\":\"b\"}}]}}],\"usage\":{"
           "\"prompt_tokens\":-4}}"),
        OK("{\"choices\":[{\"message\":{\"content\":\"fine\"},\"logprobs\":{\"content\":[{"
           "\"token\":\"fine\","
           "\"logprob\":NaN,\"top_logprobs\":[{\"token\":\"fine\",\"logprob\":-Infinity}]}]}}]"
           "}"),
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        char text[256];
        rv_error err;
        rv_chat_options options = quick();
        options.no_cache = true;
        if (ask(text, &err, &(canned){fine[i], CLOSE}, 1, &options) != RV_OK)
            fail_msg("%s", err.message);
        assert_string_equal(text, "fine");
    }
}

static void the_key_is_nowhere(void **state)
{
    (void)state;
    static const char *const echoes[] = {
        SAYS("your key is sk-test-0123456789abcdef, is it not"),
        OK("{\"choices\":[{\"message\":{\"content\":\"\\u0073k-test-0123456789abcdef\"}}],"
           "\"sk-test-0123456789abcdef\":1}"),
        OK("{\"choices\":[{\"message\":{\"content\":\"%73k-test-0123456789abcdef "
           "c2stdGVzdC0wMTIzNDU2Nzg5YWJjZGVm\"},\"logprobs\":{\"content\":[{\"token\":\"sk-"
           "test\","
           "\"logprob\":0},{\"token\":\"-0123456789abcdef\",\"logprob\":0}]}}]}"),
        OK("data: {\"choices\":[{\"delta\":{\"content\":\"sk-test-01234\"}}]}\n"
           "data: {\"choices\":[{\"delta\":{\"content\":\"56789abcdef\"}}]}\n"),
        OK("{\"broken\": sk-test-0123456789abcdef"),
        OK("{\"nothing\":\"\\u0073\\u006b-test-0123456789&#97;bcdef\"}"),
        OK("{\"error\":{\"message\":\"bad key sk-test-0123456789abcdef\"}}"),
        "HTTP/1.1 401 No\r\nConnection: close\r\n\r\nbad key sk-test-0123456789abcdef",
        "HTTP/1.1 404 sk-test-0123456789abcdef\r\n\r\nsk-test-0123456789abcdef",
    };
    for (size_t i = 0; i < sizeof echoes / sizeof echoes[0]; i++) {
        char text[256];
        rv_error err = {0};
        rv_chat_options options = quick();
        rv_status status = ask(text, &err, &(canned){echoes[i], CLOSE}, 1, &options);
        assert_int_equal(status == RV_OK, i < 4);
        assert_null(strstr(text, KEY));
        assert_null(strstr(err.message, KEY));
        assert_no_key();
        empty_folder(NULL);
    }
}

static void wrong_places_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *place, *words;
    } cases[] = {
        {"", "expected https://host/v1#model"},
        {"https://example.org/v1", "expected https://host/v1#model"},
        {"https://example.org/v1#", "expected https://host/v1#model"},
        {"#model", "http"},
        {"ftp://example.org/v1#m", "http"},
        {"example.org/v1#m", "http"},
        {"https://user:password@example.org/v1#m", "user or password"},
        {"https://example.org/v1?api_key=abc", "found 'https://example.org/v1?api_key=***'"},
        {"https://me:abc@example.org/v1?key", "found 'https://***@example.org/v1?***'"},
        {"ftp://example.org/v1?x=abc#m", "ftp://example.org/v1/chat/completions?x=***"},
        {"http://example.org/v1#m", "unprotected"},
        {"http://127.0.0.1.example.org/v1#m", "unprotected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_chat *chat;
        rv_error err;
        rv_chat_options options = quick();
        assert_int_equal(rv_chat_open_endpoint(&chat, cases[i].place, &options, &err),
                         RV_ERR_USAGE);
        assert_null(chat);
        assert_says(&err, cases[i].words);
    }
}

static void a_missing_key_is_asked_for(void **state)
{
    (void)state;
    rv_chat *chat;
    rv_error err;
    rv_chat_options options = quick();
    options.key = NULL;
    assert_int_equal(
        rv_chat_open_endpoint(&chat, "https://api.openai.com/v1#m", &options, &err),
        RV_ERR_USAGE);
    assert_says(&err, "set OPENAI_API_KEY");
    assert_int_equal(
        rv_chat_open_endpoint(&chat, "https://openrouter.ai/api/v1#m", &options, &err),
        RV_ERR_USAGE);
    assert_says(&err, "set OPENROUTER_API_KEY");
    char text[256];
    static const char refused[] = "HTTP/1.1 401 No\r\nConnection: close\r\n\r\nwho are you";
    assert_int_equal(ask(text, &err, &(canned){refused, CLOSE}, 1, &options), RV_ERR_NETWORK);
    assert_says(&err, "no key was given");
    setenv("OPENAI_API_KEY", "sk-from-environment", 1);
    loopback *server = loopback_start((const canned[]){{SAYS("welcome"), CLOSE}}, 1);
    rv_chat_request request = request_for(1);
    rv_chat_answer answer;
    chat = open_chat(server, &options);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
    assert_non_null(strstr(server->requests[0], "Bearer sk-from-environment"));
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    loopback_stop(server);
    unsetenv("OPENAI_API_KEY");
}

static void nobody_there_is_told(void **state)
{
    (void)state;
    loopback *server = loopback_start((const canned[]){{"", CLOSE}}, 1);
    rv_chat_options options = quick();
    rv_chat *chat = open_chat(server, &options);
    loopback_stop(server); // the port is closed now
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    rv_error err;
    assert_int_equal(rv_chat_complete(chat, &answer, &request, &err), RV_ERR_NETWORK);
    assert_says(&err, "127.0.0.1");
    rv_chat_close(chat);
}

/* Reads a little and answers as a server without TLS does. */
static void *serve_plainly(void *context)
{
    char hello[4096], refusal[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    int client = accept(*(int *)context, NULL, NULL);
    ssize_t n = read(client, hello, sizeof hello);
    assert_null(memmem(hello, n > 0 ? (size_t)n : 0, KEY, strlen(KEY)));
    send(client, refusal, sizeof refusal - 1, MSG_NOSIGNAL);
    close(client);
    return NULL;
}

static void plain_http_on_an_https_port_is_told(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve_plainly, &listener), 0);
    char place[128];
    rv_chat *chat;
    rv_error err;
    rv_chat_options options = quick();
    options.retries = 0;
    snprintf(place, sizeof place, "https://127.0.0.1:%d/v1#tiny", ntohs(address.sin_port));
    assert_int_equal(rv_chat_open_endpoint(&chat, place, &options, &err), RV_OK);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, &err), RV_ERR_NETWORK);
    assert_says(&err, "SSL");
    rv_chat_close(chat);
    pthread_join(thread, NULL);
    close(listener);
}

static int free_port(void)
{
    loopback *server = loopback_start((const canned[]){{"", CLOSE}}, 1);
    int port = server->port;
    loopback_stop(server);
    return port;
}

static void a_self_signed_certificate_is_refused(void **state)
{
    (void)state;
    if (run("openssl req -x509 -newkey rsa:2048 -nodes -keyout '%s/key.pem' -out '%s/cert.pem' "
            "-days 2 "
            "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 >/dev/null 2>&1",
            folder, folder) != 0) {
        print_message("openssl is not installed\n");
        skip();
    }
    char accept[16], key[64], cert[64], place[64];
    int port = free_port();
    snprintf(accept, sizeof accept, "%d", port);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    char *const arguments[] = {"openssl", "s_server", "-quiet", "-port", accept, "-key",
                               key,       "-cert",    cert,     "-www",  NULL};
    pid_t server;
    posix_spawn_file_actions_t silence;
    posix_spawn_file_actions_init(&silence);
    posix_spawn_file_actions_addopen(&silence, 2, "/dev/null", 1, 0);
    posix_spawn_file_actions_addopen(&silence, 1, "/dev/null", 1, 0);
    assert_int_equal(posix_spawnp(&server, "openssl", &silence, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&silence);
    rv_chat *chat;
    rv_error err;
    rv_chat_options options = quick();
    options.retries = 20; // until the server is up
    options.longest_wait = 0.2;
    snprintf(place, sizeof place, "https://127.0.0.1:%d/v1#tiny", port);
    assert_int_equal(rv_chat_open_endpoint(&chat, place, &options, &err), RV_OK);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    rv_status status = rv_chat_complete(chat, &answer, &request, &err);
    rv_chat_close(chat);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    assert_int_equal(status, RV_ERR_NETWORK);
    assert_says(&err, "certificate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_answer_arrives_and_is_kept, empty_folder),
        cmocka_unit_test_setup(another_question_is_another_request, empty_folder),
        cmocka_unit_test_setup(probabilities_are_read_in_both_shapes, empty_folder),
        cmocka_unit_test_setup(probabilities_of_another_text_are_dropped, empty_folder),
        cmocka_unit_test_setup(endpoints_that_take_other_parameters_are_learnt, empty_folder),
        cmocka_unit_test_setup(passing_troubles_are_outlasted, empty_folder),
        cmocka_unit_test_setup(lasting_troubles_are_told, empty_folder),
        cmocka_unit_test_setup(odd_answers_are_told_and_kept, empty_folder),
        cmocka_unit_test_setup(answers_without_text_say_why, empty_folder),
        cmocka_unit_test_setup(answers_in_other_shapes_are_read, empty_folder),
        cmocka_unit_test_setup(refusals_of_many_kinds_teach, empty_folder),
        cmocka_unit_test_setup(refusals_that_teach_nothing_are_told, empty_folder),
        cmocka_unit_test_setup(addresses_with_a_query_are_kept_without_it, empty_folder),
        cmocka_unit_test_setup(odd_details_do_no_harm, empty_folder),
        cmocka_unit_test_setup(the_key_is_nowhere, empty_folder),
        cmocka_unit_test_setup(wrong_places_are_refused, empty_folder),
        cmocka_unit_test_setup(a_missing_key_is_asked_for, empty_folder),
        cmocka_unit_test_setup(nobody_there_is_told, empty_folder),
        cmocka_unit_test_setup(plain_http_on_an_https_port_is_told, empty_folder),
        cmocka_unit_test_setup(a_self_signed_certificate_is_refused, empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
