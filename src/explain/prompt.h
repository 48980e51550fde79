/* What is asked of a language model, as conversations. Two styles of asking for an explanation
 * that users of neuron viewers know, two ways of asking for a simulation, and three of asking for
 * a judgement. The answers are read by answer.h.
 *
 * Tokens are shown as they are, but for line breaks and tabs (\n, \t), and "<|", which becomes
 * "< |" so that no text poses as a special token of whoever reads it. */
#ifndef RV_EXPLAIN_PROMPT_H
#define RV_EXPLAIN_PROMPT_H

#include <stddef.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "explain/evidence.h"
#include "template/conversation.h"

/* "[user]\n...\n\n[assistant]\n...": for people. */
void rv_prompt_print(rv_text *out, const rv_chat_message *messages, size_t count);

/* ---- asking for an explanation --------------------------------------------------------------- */
typedef enum rv_style {
    RV_STYLE_PAIRS, /* every token with its level, rounded down (oai_token-act-pair) */
    RV_STYLE_MAXIMA /* strongest tokens, what follows them, promoted tokens, marked texts
                       (np_max-act-logits); levels rounded up */
} rv_style;

/* "pairs", "maxima"; NULL for anything else. */
const char *rv_style_name(rv_style style);
/* Neuronpedia's name of the method. */
const char *rv_style_method(rv_style style);

/* What the explainer is shown. Views may be empty, pointers NULL. Corpus texts (the strongest, and one of
 * each quantile) and dreams are each shown on a scale of their own, 0 to 10 of the strongest. */
typedef struct rv_shown {
    rv_record_view corpus, quantiles, dreams;
    const rv_minimal_pairs *pairs;
    const rv_token_weights *promoted, *suppressed;
} rv_shown;

rv_status rv_prompt_explain(rv_conversation *out, rv_style style, const rv_shown *shown,
                            rv_error *err);

/* A text on which the explanation was wrong: what it made the simulator expect, 0..10. */
typedef struct rv_counterexample {
    const rv_activation_record *record;
    const double *simulated; /* (record->count) */
} rv_counterexample;

/* Goes on with an rv_prompt_explain conversation: the answer that it got, the texts that
 * contradict it, and the question for a better one. maximum: the activation that counts as 10. */
rv_status rv_prompt_revise(rv_conversation *prompt, const char *explanation,
                           const rv_counterexample *wrong, size_t count, double maximum,
                           rv_error *err);

/* ---- asking for a simulation ----------------------------------------------------------------- */
/* Strings that are spoken one after the other as the assistant's answer. Owned. */
typedef struct rv_pieces {
    char **items;
    size_t count;
} rv_pieces;
void rv_pieces_release(rv_pieces *pieces);

/* One pass for all tokens: behind piece i (as many as tokens) the probabilities of "0".."10" are
 * the simulated activation of token i; the piece after it says "unknown". */
rv_status rv_prompt_simulate(rv_conversation *out, rv_pieces *pieces, const char *explanation,
                             const rv_activation_record *record, rv_error *err);

/* All at once as text: numbered tokens in, "number token level" lines out. */
rv_status rv_prompt_simulate_text(rv_conversation *out, const char *explanation,
                                  const rv_activation_record *record, rv_error *err);

/* ---- asking for a judgement ------------------------------------------------------------------ */
/* Does the neuron fire anywhere in each of the texts? Answer: "1: yes" lines. */
rv_status rv_prompt_detect(rv_conversation *out, const char *explanation, char *const *texts,
                           size_t count, rv_error *err);

/* Are the marked tokens of each text those that it fires on? */
rv_status rv_prompt_fuzz(rv_conversation *out, const char *explanation, char *const *texts,
                         size_t count, rv_error *err);

enum { RV_RATINGS = 5 }; /* 1: describes nothing of it .. 5: all of it and nothing else */

/* How well does the explanation describe the marked tokens of all texts together? */
rv_status rv_prompt_rate(rv_conversation *out, const char *explanation, char *const *texts,
                         size_t count, rv_error *err);

/* ---- texts ----------------------------------------------------------------------------------- */
/* A token is marked from this share of the maximum upwards (delphi's). */
#define RV_MARK_SHARE 0.3

/* The text of a record in one line, malloc'ed; NULL when memory is short. marked (count) says
 * which tokens stand in << >>, neighbours in one pair; NULL: none. */
char *rv_record_text(const rv_activation_record *record, const bool *marked);

/* Marks the tokens above RV_MARK_SHARE * maximum; returns how many. */
size_t rv_mark_active(bool *marked, const rv_activation_record *record, double maximum);

/* Marks `wanted` tokens that are at most a tenth of the maximum, drawn without replacement;
 * returns how many there were. */
size_t rv_mark_quiet(bool *marked, const rv_activation_record *record, double maximum,
                     size_t wanted, rv_random *random);

/* Appends a token as it is shown. */
void rv_print_token(rv_text *out, const char *token);

/* What an activation level is, said the same way wherever one is shown or asked for. */
extern const char rv_levels_explained[];

#endif
