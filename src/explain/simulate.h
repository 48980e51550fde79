/* Simulating a neuron: what a language model that is told an explanation expects of it. */
#ifndef RV_EXPLAIN_SIMULATE_H
#define RV_EXPLAIN_SIMULATE_H

#include "explain/chat.h"
#include "explain/evidence.h"

typedef enum rv_simulator {
    RV_SIMULATE_EXACT,    /* one pass over the text, exact probabilities of "0".."10" */
    RV_SIMULATE_LOGPROBS, /* written out; expected values from the endpoint's log-probabilities */
    RV_SIMULATE_TEXT      /* written out; the numbers as they stand */
} rv_simulator;

/* "exact", "logprobs", "text". */
const char *rv_simulator_name(rv_simulator way);

/* What can be done with this chat: exact where it can be probed, else log-probabilities. */
rv_simulator rv_simulator_for(const rv_chat *chat);

/* expected (count) 0..10, 0 where nothing could be read, as the published simulator has it.
 * probabilities (count, 11) of each level; all 0 where they are not known. */
typedef struct rv_simulation {
    double *expected;
    double *probabilities;
    size_t count;
    size_t read;    /* tokens for which there was an answer */
    size_t weighed; /* of these, those with probabilities */
} rv_simulation;

rv_status rv_simulate(rv_simulation *out, rv_chat *chat, rv_simulator way,
                      const char *explanation, const rv_activation_record *record,
                      size_t extra_tokens, rv_error *err);
void rv_simulation_release(rv_simulation *simulation);

/* The log-probabilities of the whole numbers least..most where the answer has one at byte `at`:
 * out (most - least + 1), -INFINITY where a number was not among the alternatives. Numbers of two digits
 * that the model writes digit by digit are followed one token further. false: none was. */
bool rv_number_logprobs(double *out, int least, int most, const rv_chat_answer *answer,
                        size_t at);

#endif
