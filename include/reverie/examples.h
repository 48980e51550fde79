/* The strongest places of a corpus: many targets in one pass over the text.
 *
 *     const char *targets[] = {"L5.N131", "L7.N9"}, *files[] = {"texts.txt"};
 *     rv_examples_params params = rv_examples_params_default();
 *     params.corpus = files, params.corpus_count = 1;
 *     rv_examples examples;
 *     rv_examples_find(&examples, model, targets, 2, &params, &err);
 *
 * What was asked once about a model, a corpus and a target is answered from the cache folder. */
#ifndef REVERIE_EXAMPLES_H
#define REVERIE_EXAMPLES_H

#include "reverie/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_examples_params {
    size_t size;               /* set by the _default function; see reverie/core.h */
    const char *const *corpus; /* text files */
    size_t corpus_count;
    uint64_t corpus_tokens; /* read at most so many; 0: all */
    uint64_t before;        /* tokens shown up to the strong one, it included */
    bool exact;             /* never screen in bf16 */
    const char *output;     /* run file (docs/formats.md), a run for each target; NULL: none */
    uint64_t top;           /* places of each target that it and the JSON hold, at most 64 */
    const char *command;    /* the command line, for it; NULL: none */
    rv_progress_fn progress;
    void *progress_context;
} rv_examples_params;

RV_API rv_examples_params rv_examples_params_default(void);

typedef struct rv_example_token {
    int32_t id;
    const char *bytes; /* of the token; not terminated */
    size_t length;
    double value;
} rv_example_token;

typedef struct rv_example {
    double value, g; /* at tokens[at]; g in deviations from the mean */
    rv_example_token *tokens;
    size_t count, at;
    const char *file; /* of the corpus */
    uint64_t offset;  /* byte of the first token shown */
} rv_example;

enum { RV_EXAMPLES_LEVELS = 13 };

typedef struct rv_target_examples {
    char *target; /* canonical name */
    uint64_t positions;
    double mean, deviation, minimum, maximum;
    double level[RV_EXAMPLES_LEVELS], quantile[RV_EXAMPLES_LEVELS];
    rv_example *high, *low; /* strongest first: the 64 largest and the 64 smallest values */
    size_t high_count, low_count;
    /* A large corpus is read in bf16 where the processor is fast at it, and the strongest places are judged again in
     * float32: values and their order are exact, mean, deviation and quantiles good to a thousandth. A place that is
     * missing was misjudged by more than `margin`; the largest error of those judged again was `error`. */
    bool screened;
    double margin, error;
} rv_target_examples;

typedef struct rv_examples {
    rv_target_examples *targets;
    size_t count;
    uint64_t shown; /* params->top: what rv_examples_json tells of each end */
} rv_examples;

/* Positions at the start of a window are left out, position 0 above all. A sign before a target changes
 * nothing: both ends are always given. The model must outlive the examples. */
RV_API rv_status rv_examples_find(rv_examples *out, rv_model *model, const char *const *targets,
                                  size_t count, const rv_examples_params *params,
                                  rv_error *err);
RV_API void rv_examples_release(rv_examples *examples);

/* docs/formats.md, "examples". */
RV_API rv_status rv_examples_json(char **out, const rv_examples *examples, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
