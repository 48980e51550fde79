/* Sparse autoencoders and transcoders: what one is, and whether it fits a model.
 *
 *     rv_features_params params = rv_features_params_default();
 *     params.corpus = files, params.corpus_count = 1;
 *     rv_features_info info;
 *     rv_features_inspect(&info, model, "sae/layer_9", &params, &err);
 *     puts(info.verdict);
 *     rv_features_info_release(&info);
 *
 * A single feature is a target: "feature:sae/layer_9#1234" (reverie/dream.h, reverie/examples.h). */
#ifndef REVERIE_FEATURES_H
#define REVERIE_FEATURES_H

#include "reverie/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_features_params {
    size_t size;               /* set by the _default function; see reverie/core.h */
    const char *site;          /* where the coder does not say it; NULL: it does */
    const char *const *corpus; /* text files to measure it on; none: it is only described */
    size_t corpus_count;
    uint64_t corpus_tokens; /* read at most so many; 0: all */
    rv_progress_fn progress;
    void *progress_context;
} rv_features_params;

RV_API rv_features_params rv_features_params_default(void);

typedef struct rv_features_info {
    char *path, *format; /* of the weights; "SAELens", ... */
    char *architecture;  /* as the format calls it; NULL: it does not */
    char *model, *site;  /* that it says it was made for; NULL: it does not say */
    const char *gate;    /* "ReLU", "threshold", "top k", "gated"; static */
    uint64_t width, features, output_width, k; /* k: of top k, else 0 */
    double declared_l0;                        /* NAN: not said */
    bool transcoder;
    /* Measured on the corpus, position 0 of every window left out; tokens 0: nothing was. */
    uint64_t tokens;
    double l0;                 /* active features a position, mean */
    double explained_variance; /* 1 - E|x - x'|^2 / E|x - mean|^2; NAN of a transcoder */
    double dead,
        dense; /* share of features that never fire; that fire at more than a tenth of positions */
    double loss, spliced_loss,
        ablated_loss; /* nats a token: as it is, with x' in place of x, with 0; NAN likewise */
    double loss_recovered; /* (ablated - spliced) / (ablated - as it is) */
    bool fits;             /* what was measured is what such a coder gives at its own site */
    char *verdict;         /* a sentence; NULL: nothing was measured */
} rv_features_info;

/* model: NULL where nothing is to be measured. path: a folder, or the file of its weights. */
RV_API rv_status rv_features_inspect(rv_features_info *out, rv_model *model, const char *path,
                                     const rv_features_params *params, rv_error *err);
RV_API void rv_features_info_release(rv_features_info *info);

/* docs/formats.md, "features". */
RV_API rv_status rv_features_info_json(char **out, const rv_features_info *info, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
