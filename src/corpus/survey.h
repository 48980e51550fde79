/* All MLP neurons of a model on a corpus, in one pass over the text: mean, deviation, and the places where each is
 * strongest, at either end.
 *
 *     rv_survey *survey;
 *     RV_TRY(rv_survey_new(&survey, &corpus, model, tokenizer, &options, &state, err));
 *     const rv_place *strongest = rv_survey_high(survey, layer, neuron);
 *     rv_survey_free(survey);
 */
#ifndef RV_CORPUS_SURVEY_H
#define RV_CORPUS_SURVEY_H

#include "corpus/corpus.h"
#include "reverie/survey.h"

struct rv_survey_state;
typedef struct rv_survey_state rv_survey_state; /* corpus/survey_state.h */

typedef struct rv_place {
    uint64_t offset; /* byte in the file of the token there */
    uint32_t file;
    float f;
} rv_place;

typedef struct rv_survey {
    size_t layers, neurons, top; /* `neurons` a layer */
    uint64_t positions;          /* that counted */
    uint64_t tokens;             /* that were read */
    size_t kept; /* places of each end: top, or fewer where there are not so many */
    double *mean, *deviation; /* (layers, neurons) */
    rv_place *high, *low;     /* (layers, neurons, top), strongest first */
} rv_survey;

/* options: `top` up to 1000; `context`, `after` and `values` mean nothing here; with `narrow` everything is in bf16, and
 * nothing is judged again. state: what it goes on from, and keeps when it is cancelled. Places are as rv_corpus_scan finds them. */
rv_status rv_survey_new(rv_survey **out, const rv_corpus *corpus, const rv_transformer *model,
                        const rv_tokenizer *tokenizer, const rv_corpus_options *options,
                        rv_survey_state *state, rv_error *err);
void rv_survey_free(rv_survey *survey); /* NULL is fine */

enum { RV_SURVEY_KEPT_EVERY = 30 }; /* seconds */

/* As include/reverie/survey.h says of rv_survey_corpus; every: seconds between savings of the state. */
rv_status rv_survey_run(rv_survey_summary *out, rv_model *model, const rv_survey_params *params,
                        double every, rv_error *err);

/* (kept) places of a neuron. */
const rv_place *rv_survey_high(const rv_survey *survey, size_t layer, size_t neuron);
const rv_place *rv_survey_low(const rv_survey *survey, size_t layer, size_t neuron);

#endif
