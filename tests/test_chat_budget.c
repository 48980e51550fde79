/* What questions cost: budgets, dry runs, interruptions, and the cache that keeps every paid answer. */
#include "chat_check.h"

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
static void a_damaged_file_is_as_good_as_none(void **state)
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
        assert_int_equal(run("for f in '%s'/reverie/chat/*/*.json; do head -c 40 \"$f\" "
                             ">\"$f.x\"; mv \"$f.x\" \"$f\"; done",
                             folder),
                         0);
    }
    (void)text;
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
        cmocka_unit_test_setup(a_damaged_file_is_as_good_as_none, empty_folder),
        cmocka_unit_test_setup(an_answer_that_cannot_be_kept_is_still_given, empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
