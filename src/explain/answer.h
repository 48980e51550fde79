/* Reading what a language model answered. Models chatter, wrap answers in code fences, count
 * wrongly and stop early (thoughts are gone by then: explain/thought.h); these parsers take what can be told without guessing, and say
 * how much that was.
 *
 * Positions are byte offsets in the answer, for looking up probabilities of the tokens there. */
#ifndef RV_EXPLAIN_ANSWER_H
#define RV_EXPLAIN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { RV_EXPLANATION_LIMIT = 512 }; /* bytes */

/* The phrase, malloc'ed: without fences, list marks, quotes, a lead-in such as
 * "This neuron fires on" and a final full stop; one line, and of several sentences the first. NULL when there
 * is none or memory is short
 * (then *err says so with RV_ERR_FORMAT or RV_ERR_MEMORY). */
char *rv_answer_explanation(const char *answer, rv_error *err);

/* Something that was found in an answer. */
typedef struct rv_found {
    double value; /* NaN: not found */
    size_t at;    /* where it begins */
} rv_found;

/* Lines "number token level": found (count) in the order of the numbers. A later line for the same
 * number does not count. Levels beyond 0..10 are not found. Returns how many were found. */
size_t rv_answer_levels(rv_found *found, size_t count, const char *answer);

/* Lines "number: yes/no/1/0/true/false", or a bare list [1, 0, ...] of exactly count entries:
 * found (count) is 1 or 0. Returns how many were found. */
size_t rv_answer_verdicts(rv_found *found, size_t count, const char *answer);

/* The first whole number from 1 to `most` that stands for itself ("4", "4/5", "Rating: 4"). */
bool rv_answer_rating(rv_found *found, int most, const char *answer);

#endif
