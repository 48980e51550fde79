/* What questions cost: budgets, dry runs, interruptions, and the cache that keeps every paid answer. */
#include "chat_check.h"

#include <jansson.h>
#include <sqlite3.h>

#include "base/hash.h"
#include "base/text.h"

/* ---- budgets, dry runs, interruptions -------------------------------------------------------- */
static void the_budget_of_requests_holds(void **state)
{
    (void)state;
    loopback *server =
        loopback_start((const canned[]){{SAYS("one"), CLOSE}, {SAYS("two"), CLOSE}}, 2);
    rv_chat_options options = quick();
    options.budget_requests = 1;
    rv_chat *chat = open_chat(server, &options);
    rv_chat_answer answer;
    rv_error err;
    rv_chat_request request = request_for(1), another = request_for(2);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, &err), RV_OK);
    rv_chat_answer_release(&answer);
    assert_false(rv_chat_used(chat).exhausted);
    assert_int_equal(rv_chat_complete(chat, &answer, &another, &err), RV_ERR_CANCELLED);
    assert_says(&err, "the budget of 1 requests is spent");
    assert_true(rv_chat_used(chat).exhausted);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, &err),
                     RV_OK); // kept: costs nothing
    rv_chat_answer_release(&answer);
    assert_int_equal(server->served, 1);
    rv_chat_close(chat);
    loopback_stop(server);
}

static void the_budget_of_tokens_holds(void **state)
{
    (void)state;
    loopback *server =
        loopback_start((const canned[]){{SAYS("one"), CLOSE}, {SAYS("two"), CLOSE}}, 2);
    rv_chat_options options = quick();
    options.budget_tokens = 50; // 12 + 3 are used by the first; the second may take 18 + 20
    rv_chat *chat = open_chat(server, &options);
    rv_chat_answer answer;
    rv_error err;
    rv_chat_request request = request_for(1), another = request_for(2);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, &err), RV_OK);
    rv_chat_answer_release(&answer);
    assert_int_equal(rv_chat_complete(chat, &answer, &another, &err), RV_ERR_CANCELLED);
    assert_says(&err, "the budget of 50 tokens is spent: 15 were used");
    assert_int_equal(server->served, 1);
    rv_chat_close(chat);
    loopback_stop(server);
}

static void remember(void *context, const char *text)
{
    snprintf(context, 512, "%s", text);
}

static void a_dry_run_shows_and_asks_nobody(void **state)
{
    (void)state;
    char shown[512] = "";
    rv_chat_options options = quick();
    options.dry_run = true;
    options.key = NULL;
    options.show = remember;
    options.show_context = shown;
    rv_chat *chat;
    rv_error err;
    assert_int_equal(
        rv_chat_open_endpoint(&chat, "https://api.openai.com/v1#m", &options, &err), RV_OK);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, &err), RV_OK);
    assert_string_equal(answer.text, "");
    assert_non_null(strstr(shown, "[user]\nWho is there?"));
    assert_int_equal(rv_chat_used(chat).requests, 1);
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    assert_int_not_equal(run("test -e '%s/reverie'", folder), 0);
}

static bool stop(void *context, const rv_progress *event)
{
    (void)context;
    (void)event;
    return false;
}

static void the_user_can_stop_waiting(void **state)
{
    (void)state;
    char text[256];
    rv_error err;
    rv_chat_options options = quick();
    options.progress = stop;
    assert_int_equal(ask(text, &err, &(canned){"", HOLD}, 1, &options), RV_ERR_CANCELLED);
}

/* ---- the cache ------------------------------------------------------------------------------- */
static void change_store(const char *sql)
{
    char path[256];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/reverie/store/store.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

static void a_damaged_answer_is_as_good_as_none(void **state)
{
    (void)state;
    char text[256];
    rv_error err;
    loopback *server =
        loopback_start((const canned[]){{SAYS("one"), CLOSE}, {SAYS("two"), CLOSE}}, 2);
    rv_chat_options options = quick();
    for (int i = 0; i < 2; i++) {
        rv_chat *chat = open_chat(server, &options);
        rv_chat_answer answer;
        rv_chat_request request = request_for(1);
        if (rv_chat_complete(chat, &answer, &request, &err) != RV_OK)
            fail_msg("%s", err.message);
        assert_string_equal(answer.text, i ? "two" : "one");
        rv_chat_answer_release(&answer);
        rv_chat_close(chat);
        change_store("UPDATE kept SET content = substr(content, 1, 40)");
    }
    (void)text;
    loopback_stop(server);
}

/* FOLDER/ab/abcdef....json, named by SHA-256 of address, NUL and request: as version 0.1 kept answers. */
static void write_old_answer(const char *url, const char *request, const char *text)
{
    char name[RV_HASH_HEX], path[512];
    rv_hash *hash;
    rv_error err;
    rv_text file = {0};
    assert_int_equal(rv_hash_new(&hash, RV_SHA256, &err), RV_OK);
    rv_hash_add(hash, url, strlen(url) + 1);
    rv_hash_add(hash, request, strlen(request));
    rv_hash_finish(hash, name);
    rv_hash_free(hash);
    rv_text_printf(
        &file,
        "{\"url\": \"%s\", \"request\": %s, \"response\": {\"choices\": [{\"message\": "
        "{\"content\": \"%s\"}}]}}",
        url, request, text);
    assert_int_equal(run("mkdir -p '%s/reverie/chat/%.2s'", folder, name), 0);
    snprintf(path, sizeof path, "%s/reverie/chat/%.2s/%s.json", folder, name, name);
    assert_int_equal(rv_write_file(path, file.bytes, file.length, &err), RV_OK);
    rv_text_release(&file);
}

/* What was paid for with version 0.1 is found, and its file goes; what is no answer stays. */
static void answers_of_an_older_version_are_taken_over(void **state)
{
    (void)state;
    char request[512], url[128];
    rv_error err;
    loopback *server = loopback_start((const canned[]){{SAYS("new"), CLOSE}}, 1);
    rv_chat_options options = quick();
    rv_chat *chat = open_chat(server, &options);
    rv_chat_answer answer;
    rv_chat_request asked = request_for(1);
    assert_int_equal(rv_chat_complete(chat, &answer, &asked, &err), RV_OK);
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    // The request as it went out, its keys in order.
    json_t *sent =
        json_loads(strstr(server->requests[0], "\r\n\r\n") + 4, JSON_DISABLE_EOF_CHECK, NULL);
    char *text = json_dumps(sent, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(request, sizeof request, "%s", text);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/chat/completions", server->port);
    free(text);
    json_decref(sent);

    assert_int_equal(run("rm -r '%s/reverie/store'", folder), 0);
    write_old_answer(url, request, "old");
    assert_int_equal(
        run("cd '%s/reverie/chat' && mkdir 00 && echo mine >00/notes.json", folder), 0);
    for (int i = 0; i < 2; i++) {
        chat = open_chat(server, &options);
        assert_int_equal(rv_chat_complete(chat, &answer, &asked, &err), RV_OK);
        assert_string_equal(answer.text, "old");
        assert_true(answer.cached);
        rv_chat_answer_release(&answer);
        rv_chat_close(chat);
    }
    assert_int_equal(
        run("cd '%s/reverie/chat' && test \"$(find . -type f)\" = ./00/notes.json", folder), 0);
    loopback_stop(server);
}

static void an_answer_that_cannot_be_kept_is_still_given(void **state)
{
    (void)state;
    char place[64];
    loopback *server = loopback_start((const canned[]){{SAYS("one"), CLOSE}}, 1);
    rv_chat_options options = quick();
    snprintf(place, sizeof place, "%s/other", folder);
    options.cache_folder = place;
    rv_chat *chat = open_chat(server, &options);
    assert_int_equal(run("rm -rf '%s' && touch '%s'", place, place), 0);
    rv_chat_answer answer;
    rv_chat_request request = request_for(1);
    assert_int_equal(rv_chat_complete(chat, &answer, &request, NULL), RV_OK);
    assert_string_equal(answer.text, "one");
    assert_int_equal(rv_chat_used(chat).unsaved, 1);
    rv_chat_answer_release(&answer);
    rv_chat_close(chat);
    loopback_stop(server);
    rv_error err; // and where nothing can be kept from the start, nothing is asked
    assert_int_equal(rv_chat_open_endpoint(&chat, "http://127.0.0.1:9/v1#m", &options, &err),
                     RV_ERR_IO);
    assert_says(&err, "cache of answers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_budget_of_requests_holds, empty_folder),
        cmocka_unit_test_setup(the_budget_of_tokens_holds, empty_folder),
        cmocka_unit_test_setup(a_dry_run_shows_and_asks_nobody, empty_folder),
        cmocka_unit_test_setup(the_user_can_stop_waiting, empty_folder),
        cmocka_unit_test_setup(a_damaged_answer_is_as_good_as_none, empty_folder),
        cmocka_unit_test_setup(answers_of_an_older_version_are_taken_over, empty_folder),
        cmocka_unit_test_setup(an_answer_that_cannot_be_kept_is_still_given, empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
