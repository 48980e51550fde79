#include "explain/simulate.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/answer.h"
#include "explain/prompt.h"
#include "explain/score.h"

enum { LEVELS = RV_LEVELS + 1, LINE_TOKENS = 14, ALTERNATIVES = 20 };

const char *rv_simulator_name(rv_simulator way)
{
    static const char *const names[] = {"exact", "logprobs", "text"};
    return (size_t)way < sizeof names / sizeof names[0] ? names[way] : NULL;
}

rv_simulator rv_simulator_for(const rv_chat *chat)
{
    return rv_chat_can_probe(chat) ? RV_SIMULATE_EXACT : RV_SIMULATE_LOGPROBS;
}

static rv_status simulation_new(rv_simulation *out, size_t count, rv_error *err)
{
    *out = (rv_simulation){.count = count};
    RV_TRY(RV_NEW(out->expected, count, err));
    rv_status status = RV_NEW(out->probabilities, count * LEVELS, err);
    if (status != RV_OK) rv_simulation_release(out);
    return status;
}

void rv_simulation_release(rv_simulation *simulation)
{
    free(simulation->expected);
    free(simulation->probabilities);
    *simulation = (rv_simulation){0};
}

/* Sets token i from log-probabilities of the levels. */
static bool weigh(rv_simulation *out, size_t i, const double *logprobs)
{
    double *p = out->probabilities + i * LEVELS;
    if (!rv_renormalise(p, logprobs, LEVELS)) return false;
    out->expected[i] = 0;
    for (int level = 0; level < LEVELS; level++) out->expected[i] += level * p[level];
    out->weighed++;
    return true;
}

/* ---- one pass -------------------------------------------------------------------------------- */
static rv_status simulate_exactly(rv_simulation *out, rv_chat *chat, const char *explanation,
                                  const rv_activation_record *record, rv_error *err)
{
    static const char *const levels[LEVELS] = {"0", "1", "2", "3", "4", "5",
                                               "6", "7", "8", "9", "10"};
    rv_conversation prompt = {0};
    rv_pieces pieces = {0};
    double *logprobs = NULL;
    rv_status status = RV_OK;
    RV_GOTO(rv_prompt_simulate(&prompt, &pieces, explanation, record, err));
    RV_GOTO(RV_NEW(logprobs, record->count * LEVELS, err));
    rv_chat_probe probe = {prompt.messages, prompt.count, pieces.items,
                           pieces.count,    levels,       LEVELS};
    RV_GOTO(rv_chat_probe_run(chat, logprobs, &probe, err));
    for (size_t i = 0; i < record->count; i++)
        out->read += weigh(out, i, logprobs + i * LEVELS);
done:
    free(logprobs);
    rv_conversation_release(&prompt);
    rv_pieces_release(&pieces);
    return status;
}

/* ---- written out ----------------------------------------------------------------------------- */
/* The token of the answer that holds byte `at`; count if there is none. */
static size_t token_at(const rv_chat_answer *answer, size_t at)
{
    size_t i = 0;
    while (i < answer->token_count && !(answer->tokens[i].at <= at &&
                                        at < answer->tokens[i].at + answer->tokens[i].length))
        i++;
    return i;
}

/* The whole number that a token spells, spaces around it aside; -1: none. */
static int number_of(const char *token)
{
    while (isspace((unsigned char)*token)) token++;
    if (!isdigit((unsigned char)*token)) return -1;
    int number = 0;
    while (isdigit((unsigned char)*token) && number < 1000)
        number = 10 * number + (*token++ - '0');
    while (isspace((unsigned char)*token)) token++;
    return *token ? -1 : number;
}

static double log_add(double a, double b)
{
    double most = fmax(a, b), least = fmin(a, b);
    return isinf(most) ? most : most + log1p(exp(least - most));
}

/* The token after a "1" says how much of its probability belongs to 10. */
static void split_ten(double *one, double *ten, const rv_chat_token *next)
{
    double zero = -INFINITY, all = -INFINITY;
    for (size_t k = 0; k < next->alternative_count; k++) {
        const rv_chat_alternative *a = &next->alternatives[k];
        all = log_add(all, a->logprob);
        if (a->token[0] == '0' && number_of(a->token) == 0) zero = log_add(zero, a->logprob);
    }
    if (isinf(all) || isinf(zero)) return;
    double share = exp(zero - all);
    *ten = *one + log(share);
    *one = share < 1 ? *one + log1p(-share) : -INFINITY;
}

bool rv_number_logprobs(double *out, int least, int most, const rv_chat_answer *answer,
                        size_t at)
{
    size_t i = token_at(answer, at);
    for (int n = least; n <= most; n++) out[n - least] = -INFINITY;
    if (i == answer->token_count) return false;
    const rv_chat_token *token = &answer->tokens[i];
    bool offered = false;
    for (size_t k = 0; k < token->alternative_count; k++) {
        int n = number_of(token->alternatives[k].token);
        if (n < least || n > most || !isfinite(token->alternatives[k].logprob)) continue;
        out[n - least] = log_add(out[n - least], token->alternatives[k].logprob);
        offered = true;
    }
    bool one_digit = token->at + token->length == at + 1 && answer->text[at] == '1';
    if (least <= 1 && most >= 10 && one_digit && isinf(out[10 - least]) &&
        i + 1 < answer->token_count)
        split_ten(&out[1 - least], &out[10 - least], &answer->tokens[i + 1]);
    return offered;
}

static rv_status simulate_written(rv_simulation *out, rv_chat *chat, rv_simulator way,
                                  const char *explanation, const rv_activation_record *record,
                                  size_t extra_tokens, rv_error *err)
{
    rv_conversation prompt = {0};
    rv_chat_answer answer = {0};
    rv_found *found = NULL;
    rv_status status = RV_OK;
    RV_GOTO(rv_prompt_simulate_text(&prompt, explanation, record, err));
    RV_GOTO(RV_NEW(found, record->count, err));
    rv_chat_request request = {.messages = prompt.messages,
                               .message_count = prompt.count,
                               .max_tokens = LINE_TOKENS * record->count + 16 + extra_tokens,
                               .alternatives = way == RV_SIMULATE_LOGPROBS ? ALTERNATIVES : 0};
    RV_GOTO(rv_chat_complete(chat, &answer, &request, err));
    out->read = rv_answer_levels(found, record->count, answer.text);
    for (size_t i = 0; i < record->count; i++) {
        double logprobs[LEVELS];
        if (isnan(found[i].value)) continue;
        out->expected[i] = found[i].value;
        if (way == RV_SIMULATE_LOGPROBS &&
            rv_number_logprobs(logprobs, 0, RV_LEVELS, &answer, found[i].at))
            weigh(out, i, logprobs);
    }
done:
    free(found);
    rv_chat_answer_release(&answer);
    rv_conversation_release(&prompt);
    return status;
}

rv_status rv_simulate(rv_simulation *out, rv_chat *chat, rv_simulator way,
                      const char *explanation, const rv_activation_record *record,
                      size_t extra_tokens, rv_error *err)
{
    RV_TRY(simulation_new(out, record->count, err));
    if (record->count == 0) return RV_OK;
    rv_status status =
        way == RV_SIMULATE_EXACT
            ? simulate_exactly(out, chat, explanation, record, err)
            : simulate_written(out, chat, way, explanation, record, extra_tokens, err);
    if (status != RV_OK) rv_simulation_release(out);
    return status;
}
