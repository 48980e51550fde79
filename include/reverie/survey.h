/* All MLP neurons of a model on a corpus, in one pass over the text: where each is strongest.
 *
 *     rv_survey_params params = rv_survey_params_default();
 *     params.corpus = files, params.corpus_count = 1, params.output = "survey.jsonl";
 *     rv_survey_summary summary;
 *     rv_survey_corpus(&summary, model, &params, &err);
 *
 * The file holds a line for every neuron (docs/formats.md, "survey"); the summary those that stand out most. */
#ifndef REVERIE_SURVEY_H
#define REVERIE_SURVEY_H

#include "reverie/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_survey_params {
    size_t size;               /* set by the _default function; see reverie/core.h */
    const char *const *corpus; /* text files */
    size_t corpus_count;
    uint64_t corpus_tokens; /* read at most so many; 0: all */
    uint64_t top;           /* places of each neuron at either end */
    bool
        fast; /* in bf16, where the processor is faster at it; values are then good to a hundredth */
    const char *output; /* NULL: none. A survey of the same question is replaced, */
    bool
        force; /* another too, or whatever it holds. Beside it, in OUTPUT.state, lies what was read before */
    /* an interruption: the same question goes on from there */
    uint64_t peaks; /* neurons in the summary */
    rv_progress_fn progress;
    void *progress_context;
} rv_survey_params;

RV_API rv_survey_params rv_survey_params_default(void);

/* A neuron and where it is strongest, in deviations from its mean on the corpus: negative at its low end. */
typedef struct rv_survey_peak {
    uint64_t layer, neuron;
    double g, value;
    const char *file;
    uint64_t offset; /* byte of the token */
} rv_survey_peak;

typedef struct rv_survey_summary {
    uint64_t layers, neurons; /* `neurons` a layer */
    uint64_t tokens, positions;
    bool narrow;           /* bf16 was used */
    double seconds;        /* of reading the corpus, loading left out */
    rv_survey_peak *peaks; /* largest |g| first */
    size_t peak_count;
} rv_survey_summary;

RV_API rv_status rv_survey_corpus(rv_survey_summary *out, rv_model *model,
                                  const rv_survey_params *params, rv_error *err);
RV_API void rv_survey_summary_release(rv_survey_summary *summary);

/* docs/formats.md, "survey". */
RV_API rv_status rv_survey_summary_json(char **out, const rv_survey_summary *summary,
                                        rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
