/* What a survey has gathered so far, kept beside its output in OUTPUT.state: the same question goes on from there.
 *
 *     RV_TRY(rv_survey_state_load(&found, &state, &sums, err));      // then pass over sums.windows windows
 *     if (rv_survey_state_due(&state)) rv_survey_state_save(&state, &sums, &ignored);
 *     rv_survey_state_remove(&state);                                // once the output is written
 */
#ifndef RV_CORPUS_SURVEY_STATE_H
#define RV_CORPUS_SURVEY_STATE_H

#include "base/hash.h"
#include "corpus/ask.h"
#include "corpus/survey.h"

struct rv_survey_state {
    char *path;                 /* NULL: nothing is kept */
    char question[RV_HASH_HEX]; /* of all that decides the numbers */
    const char *kernels;
    bool force;                   /* begin anew where another question's state lies */
    double every;                 /* seconds; more where saving takes long */
    double saved, cost;           /* when, and how long it took */
    const rv_corpus *corpus;      /* borrowed: a corpus that changes is kept no more */
    rv_corpus_identity *identity; /* borrowed */
};

typedef struct rv_survey_sums {
    rv_survey *survey;     /* its lists, positions */
    double *sum, *squares; /* (layers, neurons) */
    uint64_t windows;      /* of the corpus that went in */
} rv_survey_sums;

bool rv_survey_state_due(const rv_survey_state *state);

rv_status rv_survey_state_save(rv_survey_state *state, const rv_survey_sums *sums,
                               rv_error *err);

/* A damaged state is passed over. RV_ERR_USAGE: the file is that of another question, or no state at all. */
rv_status rv_survey_state_load(bool *found, const rv_survey_state *state, rv_survey_sums *sums,
                               rv_error *err);

void rv_survey_state_remove(const rv_survey_state *state);

#endif
