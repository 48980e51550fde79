/* Neuronpedia's files: the feature object that its web interface answers with, and the folder that
 * it exports and imports,
 *
 *     FOLDER/MODEL/SOURCE/release.jsonl model.jsonl sourceset.jsonl source.jsonl
 *                         features/batch-N.jsonl.gz  activations/batch-N.jsonl.gz
 *                         explanations/batch-N.jsonl.gz
 *
 * where a raw neuron's SOURCE is its bare layer number. */
#ifndef RV_EXPLAIN_NEURONPEDIA_H
#define RV_EXPLAIN_NEURONPEDIA_H

#include <stddef.h>

#include "base/error.h"
#include "explain/evidence.h"

typedef struct rv_neuronpedia_source {
    const char *model;   /* "gpt2-small" */
    const char *source;  /* "5" for raw neurons, "6-res-jb" for an autoencoder */
    const char *set;     /* "neurons", "res-jb" */
    const char *hook;    /* "blocks.5.mlp.hook_post" */
    const char *release; /* name of the release; its title too */
    const char *creator; /* creatorId and authorId of every row */
    const char *corpus;  /* what the activations were measured on; NULL: not said */
    long long layers;    /* of the model; 0: not said */
} rv_neuronpedia_source;

/* type: how it was made, "oai_token-act-pair" or "np_max-act-logits"; model: who wrote it. */
typedef struct rv_neuronpedia_explanation {
    char *text, *type, *model;
} rv_neuronpedia_explanation;

typedef struct rv_neuronpedia_explanations {
    rv_neuronpedia_explanation *items;
    size_t count, capacity;
} rv_neuronpedia_explanations;

typedef struct rv_neuronpedia_feature {
    long long index;
    const rv_evidence *evidence; /* top and random records become activations */
    const rv_neuronpedia_explanation *explanations;
    size_t explanation_count;
} rv_neuronpedia_feature;

/* Writes the folder. What is not finite is written as an upload would: NaN as 0, infinities as
 * 9999 and -9999. Same input, same bytes. */
rv_status rv_neuronpedia_write(const char *folder, const rv_neuronpedia_source *source,
                               const rv_neuronpedia_feature *features, size_t count,
                               rv_error *err);

/* path: a feature object in a .json file (index is not used), or a FOLDER/MODEL/SOURCE in which
 * the feature `index` is looked up. Activations with a positive value become top records,
 * strongest first, silent ones random records. explanations may be NULL. */
rv_status rv_neuronpedia_read(rv_evidence *out, rv_neuronpedia_explanations *explanations,
                              const char *path, long long index, rv_error *err);

void rv_neuronpedia_explanations_release(rv_neuronpedia_explanations *list);

#endif
