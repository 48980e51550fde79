/* The whole way: evidence to explanations, explanations to scores.
 *
 *     rv_explain_plan params = rv_explain_plan_default();
 *     rv_explained result;
 *     status = rv_explain_evidence(&result, &evidence, explainer, simulator, &params, err);
 *     ... result.explanations ...             // also after a failure: what there is until then
 *     rv_explained_release(&result);
 *
 * Candidates are asked for with training records and dreams, chosen on validation records, revised
 * once on the texts that they get most wrong (dreams, else calibration records), and the best is
 * scored on test records, which decided nothing before. */
#ifndef RV_EXPLAIN_EXPLAIN_H
#define RV_EXPLAIN_EXPLAIN_H

#include "explain/chat.h"
#include "explain/evidence.h"
#include "explain/prompt.h"
#include "explain/score.h"
#include "explain/simulate.h"

typedef enum rv_scorer {
    RV_SCORE_SIMULATION = 1 << 0,
    RV_SCORE_DETECTION = 1 << 1,
    RV_SCORE_FUZZING = 1 << 2,
    RV_SCORE_RATING = 1 << 3,
    RV_SCORE_ALL = RV_SCORE_SIMULATION | RV_SCORE_DETECTION | RV_SCORE_FUZZING | RV_SCORE_RATING
} rv_scorer;

typedef struct rv_explain_plan {
    rv_style style;
    bool from_corpus, from_dreams; /* what the explainer is shown */
    const char *const *given; /* (given_count) explanations that compete with those asked for */
    size_t given_count;
    size_t candidates, revisions; /* asked for in the first and in the second round */
    size_t
        per_split; /* records of each kind in each split; 0: as many as there are, at most 5 */
    size_t dreams; /* shown at most, and tried in revision */
    unsigned scorers; /* of enum rv_scorer */
    bool written;     /* simulate as text where log-probabilities would be asked for */
    bool baselines;
    const char *other;      /* another neuron's explanation, a baseline; NULL: none */
    double temperature;     /* of candidates */
    size_t answer_tokens;   /* for an explanation */
    size_t extra_tokens;    /* for every answer, for models that reason first */
    rv_bootstrap bootstrap; /* its seed is that of everything */
    rv_progress_fn progress;
    void *progress_context;
} rv_explain_plan;

/* Pairs, corpus and dreams, 5 candidates and 2 revisions at temperature 1, 60 tokens, all scorers,
 * 1000 resamples. */
rv_explain_plan rv_explain_plan_default(void);

/* explainer and simulator may be the same. After RV_ERR_CANCELLED (the budget, the user) and other
 * failures on the way *out holds what was found and scored before. Texts point into the evidence. Release with
 * rv_explained_release in any case. */
rv_status rv_explain_evidence(rv_explained *out, const rv_evidence *evidence,
                              rv_chat *explainer, rv_chat *simulator,
                              const rv_explain_plan *params, rv_error *err);

/* The chosen one; NULL if there is none. */
const rv_explanation *rv_explained_choice(const rv_explained *explained);

#endif
