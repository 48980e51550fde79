/* Known truth for tests of explanations: a planted neuron that fires on colours, and language models built by hand
 * that know what "colours", "animals" and "units" are. */
#ifndef TESTS_PLANTED_NEURON_H
#define TESTS_PLANTED_NEURON_H

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "explain/explain.h"

/* ---- the planted neuron ---------------------------------------------------------------------- */
static const char *const colours[] = {" red", " blue", " green", " yellow", " grey", NULL};
static const double strengths[] = {5, 4.5, 4, 5.5, 4.2};
static const char *const animals[] = {" cat", " dog", " horse", " bird", NULL};
static const char *const units[] = {" metres", " miles", " yards", " inches", NULL};
static const char *const plain[] = {" the",  " old",    " house", " stood", " by",
                                    " a",    " river",  " and",   " then",  " walked",
                                    " away", " slowly", ",",      " of",    NULL};

static size_t length_of(const char *const *words)
{
    size_t n = 0;
    while (words[n]) n++;
    return n;
}

static bool is_one_of(const char *token, size_t length, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == length && strncmp(token, *words, length) == 0) return true;
    return false;
}

static double planted(const char *token)
{
    for (size_t i = 0; colours[i]; i++)
        if (strcmp(token, colours[i]) == 0) return strengths[i];
    return -0.05; // a resting state below zero
}

/* A text of 14 tokens with so many colours; animals and units as everywhere. */
static void add_text(rv_activation_records *list, rv_random *random, size_t with_colour)
{
    rv_activation_record record;
    size_t count = 14;
    assert_int_equal(rv_activation_record_init(&record, count, NULL), RV_OK);
    for (size_t i = 0; i < count; i++) {
        const char *const *words = i < with_colour                   ? colours
                                   : rv_random_below(random, 5) == 0 ? animals
                                   : rv_random_below(random, 5) == 0 ? units
                                                                     : plain;
        const char *token = words[rv_random_below(random, length_of(words))];
        rv_activation_record_set(&record, i, token, strlen(token), planted(token), NULL);
    }
    for (size_t i = count - 1; i > 0; i--) { // shuffle
        size_t j = rv_random_below(random, i + 1);
        char *token = record.tokens[i];
        double value = record.activations[i];
        record.tokens[i] = record.tokens[j], record.activations[i] = record.activations[j];
        record.tokens[j] = token, record.activations[j] = value;
    }
    assert_int_equal(rv_activation_records_push(list, &record, NULL), RV_OK);
}

static rv_evidence evidence_of(bool with_dreams)
{
    rv_evidence e = rv_evidence_empty();
    rv_random random = rv_random_stream(42, 0, 0);
    for (int i = 0; i < 20; i++) add_text(&e.top, &random, 2);
    for (int i = 0; i < 15; i++) add_text(&e.random, &random, 0);
    for (int i = 0; with_dreams && i < 5; i++) add_text(&e.dreams, &random, 7);
    return e;
}

/* ---- models built by hand -------------------------------------------------------------------- */
typedef struct oracle {
    const char *const *answers; /* to questions for an explanation, by seed */
    size_t answer_count, asked, revised;
    size_t fail_after; /* questions; 0: never */
    size_t questions;
    bool talks;   /* wraps what it says in chatter */
    bool weighs;  /* offers log-probabilities */
    bool is_lost; /* never answers in the form that it is asked for */
} oracle;

static const char *const *meant_by(const char *explanation)
{
    static const char *const nothing[] = {NULL};
    return strstr(explanation, "colour")   ? colours
           : strstr(explanation, "animal") ? animals
           : strstr(explanation, "unit")   ? units
                                           : nothing;
}

static const char *last_message(const rv_chat_message *messages, size_t count)
{
    return messages[count - 1].content;
}

static rv_status count_question(oracle *o, rv_error *err)
{
    if (o->fail_after && o->questions++ >= o->fail_after)
        return rv_fail(err, RV_ERR_NETWORK, "the line is dead");
    return RV_OK;
}

/* Whether a text holds one of the words; inside << >> only, if marked. */
static bool holds(const char *text, const char *end, const char *const *words, bool marked)
{
    bool inside = false;
    for (const char *p = text; p < end; p++) {
        if (strncmp(p, "<<", 2) == 0) inside = true;
        if (strncmp(p, ">>", 2) == 0) inside = false;
        for (size_t w = 0; words[w] && (inside || !marked); w++) {
            size_t n = strlen(words[w]);
            if (strncmp(p, words[w], n) == 0 && !isalpha((unsigned char)p[n])) return true;
        }
    }
    return false;
}

/* The numbered line of a question: "3: ...". */
static const char *numbered(const char *question, size_t number)
{
    char start[16];
    snprintf(start, sizeof start, "\n%zu: ", number);
    const char *found = strstr(question, start);
    return found ? found + strlen(start) : NULL;
}

static bool verdict(const char *question, const char *system, size_t number)
{
    const char *text = numbered(question, number);
    assert_non_null(text);
    return holds(text, text + strcspn(text, "\n"), meant_by(question),
                 strstr(system, "<< >>") != NULL);
}

/* 1 to 5: of the numbered texts, how many have a meant word marked. */
static int rating(const char *question)
{
    int texts = 0, right = 0;
    for (const char *text; (text = numbered(question, (size_t)texts + 1)); texts++)
        right += holds(text, text + strcspn(text, "\n"), meant_by(question), true);
    return texts ? 1 + 4 * right / texts : 1;
}

/* Probabilities: nearly sure of its answer. */
static rv_status oracle_probe(void *self, double *logprobs, size_t *tokens,
                              const rv_chat_probe *probe, rv_error *err)
{
    oracle *o = self;
    RV_TRY(count_question(o, err));
    const char *system = probe->messages[0].content;
    const char *question = last_message(probe->messages, probe->message_count);
    *tokens = 10 * probe->piece_count;
    for (size_t i = 0; i < probe->piece_count; i++) {
        size_t sure;
        if (strstr(system, "Rate how well"))
            sure = (size_t)rating(question) - 1;
        else if (strstr(system, "said to fire"))
            sure = verdict(question, system, 1);
        else {
            const char *piece = probe->pieces[i], *line = strchr(piece, '\n');
            if (line) piece = line + 1;
            sure = is_one_of(piece, strcspn(piece, "\t"), meant_by(question)) ? 9 : 0;
        }
        for (size_t k = 0; k < probe->candidate_count; k++)
            logprobs[i * probe->candidate_count + k] = k == sure ? log(0.9) : log(0.01);
    }
    return RV_OK;
}

/* One token of the answer a byte; where a digit of a level stands, an alternative beside it. */
static rv_status weigh_answer(rv_chat_answer *out, rv_error *err)
{
    size_t n = strlen(out->text);
    RV_TRY(RV_NEW(out->tokens, n, err));
    for (size_t i = 0; i < n; i++) {
        rv_chat_token *token = &out->tokens[i];
        *token = (rv_chat_token){.at = i, .length = 1};
        out->token_count++;
        RV_TRY(RV_NEW(token->alternatives, 2, err));
        token->alternatives[0] = (rv_chat_alternative){rv_strndup(out->text + i, 1), log(0.9)};
        token->alternatives[1] = (rv_chat_alternative){rv_strndup("2", 1), log(0.1)};
        token->alternative_count = 2;
    }
    return RV_OK;
}

static void print_levels(rv_text *out, const char *question)
{
    const char *token = strstr(question, " tokens: [");
    assert_non_null(token);
    token += strlen(" tokens: [");
    for (size_t number = 1;; number++) {
        size_t length = strcspn(token, "]");
        bool fires = is_one_of(token, length, meant_by(question));
        rv_text_printf(out, "%zu\t%.*s\t%d\n", number, (int)length, token, fires ? 8 : 0);
        if (token[length + 1] != ' ') break;
        token += length + 3;
    }
}

static rv_status oracle_complete(void *self, rv_chat_answer *out,
                                 const rv_chat_request *request, rv_error *err)
{
    oracle *o = self;
    RV_TRY(count_question(o, err));
    const char *system = request->messages[0].content;
    const char *question = last_message(request->messages, request->message_count);
    rv_text text = {0};
    if (o->talks) rv_text_puts(&text, "Certainly! Here is my answer:\n\n```\n");
    if (o->is_lost)
        rv_text_puts(&text, "");
    else if (strstr(system, "say in one short phrase")) {
        bool again = strstr(question, "led the reader astray") != NULL;
        o->asked += !again;
        o->revised += again;
        rv_text_puts(&text, again ? "colours" : o->answers[request->seed % o->answer_count]);
    } else if (strstr(system, "Rate how well")) {
        rv_text_printf(&text, "%d", rating(question));
    } else if (strstr(system, "said to fire")) {
        for (size_t i = 1; numbered(question, i); i++)
            rv_text_printf(&text, "%zu: %d\n", i, verdict(question, system, i));
    } else {
        print_levels(&text, question);
    }
    if (o->talks) rv_text_puts(&text, "\n```");
    rv_text_append(&text, "", 0);
    out->text = rv_text_take(&text);
    out->answer_tokens = strlen(out->text);
    return o->weighs && request->alternatives ? weigh_answer(out, err) : RV_OK;
}

static const rv_chat_backend probing = {"local", oracle_complete, oracle_probe, NULL, NULL};
static const rv_chat_backend writing = {"endpoint", oracle_complete, NULL, NULL, NULL};

static const char *const guesses[] = {"numbers", "animals", "words for colours",
                                      "units of length", "animals"};

static rv_chat *chat_with(oracle *o, const rv_chat_backend *backend,
                          const rv_chat_options *options)
{
    rv_chat *chat;
    rv_chat_options defaults = rv_chat_options_default();
    assert_int_equal(
        rv_chat_open(&chat, backend, o, "oracle", options ? options : &defaults, NULL), RV_OK);
    return chat;
}

#endif
