/* Evidence about a target from everything that the user gave. */
#ifndef RV_EXPLAIN_SOURCES_H
#define RV_EXPLAIN_SOURCES_H

#include "subject/subject.h"
#include "explain/evidence.h"
#include "reverie/explain.h"
#include "target/target.h"

/* Models that are open, each once: the one that is explained may also explain. */
typedef struct rv_model_shelf {
    rv_model *models[3];
    size_t count;
} rv_model_shelf;

/* Borrowed; opened on first use. */
rv_status rv_shelf_model(rv_model **out, rv_model_shelf *shelf, const char *name,
                         const rv_explain_params *options, rv_error *err);
void rv_shelf_close(rv_model_shelf *shelf);

typedef struct rv_gathered {
    rv_evidence evidence;
    char target[RV_TARGET_NAME_MAX]; /* canonical where the model was opened, else as written */
    char written[RV_TARGET_NAME_MAX];
    double sign;     /* of the direction that is explained */
    bool has_target; /* the user named one: everything must be about it */
    rv_model *model; /* borrowed; NULL: it was not opened */
    bool has_run;    /* run_model is that of the first run file */
    char run_model[256], run_hash[65];
} rv_gathered;

/* target may be NULL where a records file names the neuron. Released by the caller in any case. */
rv_status rv_gather(rv_gathered *out, rv_model_shelf *shelf, const char *model,
                    const char *target, const rv_explain_params *options, rv_error *err);
void rv_gathered_release(rv_gathered *gathered);

/* Adds the strongest texts of a corpus, each place once, texts cut at random, and quantile samples. */
rv_status rv_gather_corpus(rv_evidence *out, rv_model *model, const rv_target *target,
                           const rv_explain_params *options, rv_error *err);

/* Adds the tokens whose logits the target's direction raises and lowers most, read off the weights (what
 * stands between is ignored but for the norms' weights). Nothing for targets that have none. */
rv_status rv_gather_promoted(rv_evidence *out, const rv_model *model, const rv_target *target,
                             rv_error *err);

#endif
