/* Explaining what a neuron does, and scoring the explanation.
 *
 *     rv_explain_params params = rv_explain_params_default();
 *     const char *records[] = {"neuron.json"};
 *     params.records = records, params.record_count = 1;
 *     params.with = "https://api.openai.com/v1#gpt-4o-mini";      // key: OPENAI_API_KEY
 *     rv_explained result;
 *     status = rv_explain(&result, "gpt2-xl", "L5.N131", &params, &err);
 *     for (size_t i = 0; i < result.count; i++) ... result.explanations[i].text ...
 *     rv_explained_release(&result);                          // also after a failure
 *
 * Evidence comes from files that others wrote, from run files, and from a corpus. A language model
 * proposes explanations from part of it; they are chosen, revised once and scored on the rest. */
#ifndef REVERIE_EXPLAIN_H
#define REVERIE_EXPLAIN_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One number. Undefined: `why` says so in a few words (static text) and value is 0. The interval
 * is the central 95 % of the bootstrap; absent (bounded false) where that makes no sense. */
typedef struct rv_measure {
    bool defined, bounded;
    double value, low, high;
    const char *why;
} rv_measure;

/* Which scorer measured what on which records: "simulation", "correlation", "test". All static. */
typedef struct rv_named_measure {
    const char *scorer, *measure, *split;
    rv_measure value;
} rv_named_measure;

/* A held-out text, what the neuron did, and what was expected of it (on the same scale). */
typedef struct rv_simulated_text {
    const char *kind; /* "top", "random" */
    char *const *tokens;
    const double *real;
    double *simulated;
    size_t count;
    rv_measure correlation; /* of its own */
    bool failed;            /* one of the three most wrong */
} rv_simulated_text;

typedef struct rv_explanation {
    char *text;           /* "" where a baseline has none */
    const char *baseline; /* "empty", "another neuron", "token lookup"; NULL: none of them */
    unsigned revision;    /* round in which it came up: 0 or 1 */
    bool chosen;
    rv_named_measure *scores;
    size_t score_count, score_room;
    rv_simulated_text *texts; /* of the chosen one */
    size_t text_count;
} rv_explanation;

typedef struct rv_explained {
    rv_explanation *explanations; /* as they came; one is chosen */
    size_t count, room;
    bool complete;            /* the whole way was gone */
    const char *simulator;    /* "exact", "logprobs" or "text"; static */
    bool probabilities;       /* whether log-probabilities were had */
    size_t unusable;          /* answers that held no explanation */
    size_t simulated, unread; /* tokens simulated; of these, without an answer */
    /* Filled by rv_explain only. */
    uint64_t requests, cached; /* answered by a model, by the cache */
    uint64_t prompt_tokens, answer_tokens, unsaved;
    uint64_t cached_tokens; /* read and written, of the answers from the cache */
    uint64_t silent;        /* answers without a text */
    const char *silence;    /* why the last of them had none; static */
    char *records; /* JSON lines (docs/formats.md, "Run records"); free with the result */
    void *evidence;
} rv_explained;

typedef struct rv_explain_params {
    size_t size; /* set by the _default function; see reverie/core.h */
    /* Where the evidence is. Files: an OpenAI NeuronRecord, a Neuronpedia feature, or a folder of its
     * export (then the target's index is looked up). Runs: what `reverie dream` wrote. Corpus: text
     * files, for which the model is opened. */
    const char *const *records;
    size_t record_count;
    const char *const *runs;
    size_t run_count;
    const char *const *corpus;
    size_t corpus_count;
    uint64_t corpus_tokens; /* at most; 0: all */

    const char *with;          /* "https://host/v1#model" or "local:NAME" */
    const char *simulate_with; /* NULL: the same */
    const char *style;         /* "pairs" or "maxima" */
    const char *show;          /* the explainer: "corpus", "dreams" or "both" */
    const char *scorers;       /* comma-separated: simulation, detection, fuzzing, rating */
    bool written;              /* simulate as text even where log-probabilities might be had */
    bool baselines;
    const char *const *given; /* explanations that compete with those asked for */
    size_t given_count;
    const char *other; /* another neuron's explanation, to compare with; NULL: none */
    uint64_t candidates, revisions;
    uint64_t per_split; /* records of each kind in each split; 0: up to 5 */
    uint64_t dreams;    /* shown, at most */
    uint64_t seed;
    uint64_t resamples;     /* of the bootstrap */
    double temperature;     /* of candidates */
    uint64_t answer_tokens; /* for an explanation */
    uint64_t extra_tokens;  /* for every answer, for models that reason first */

    uint64_t budget_requests, budget_tokens; /* 0: no bound */
    bool dry_run;                            /* show what would be asked; ask nothing */
    void (*show_prompt)(void *context, const char *text);
    void *show_context;
    bool no_cache;
    const char *cache_folder; /* NULL: the user's store (reverie/store.h) */
    const char *key; /* NULL: OPENROUTER_API_KEY for openrouter.ai, else OPENAI_API_KEY */
    double timeout;  /* seconds for one answer */
    unsigned retries;

    const char *
        output; /* file of the records: a new one, or what the same question left when it was interrupted; NULL: none */
    const char *write_openai; /* NeuronSimulationResults of the chosen explanation; NULL: no */
    const char *write_evidence;    /* the corpus evidence as an OpenAI NeuronRecord; NULL: no */
    const char *write_neuronpedia; /* folder for Neuronpedia's import layout; NULL: no */
    const char *command;           /* the command line, for the record; NULL: none */
    int threads;                   /* of local models; 0: all processors */
    rv_progress_fn progress;
    void *progress_context;
    rv_notice_fn notice; /* of a store that was damaged, ...; may be NULL */
    void *notice_context;
    bool force; /* replace whatever `output` holds */
} rv_explain_params;

RV_API rv_explain_params rv_explain_params_default(void);

/* model: opened only where a corpus is to be read; otherwise it is just a name. target may be NULL
 * where one records file says which neuron it is about. After a failure (the budget, the network, the
 * user) *out holds what was found and scored before; it is to be released in any case. */
RV_API rv_status rv_explain(rv_explained *out, const char *model, const char *target,
                            const rv_explain_params *params, rv_error *err);
RV_API void rv_explained_release(rv_explained *explained);

/* The records: an object in a line each. */
RV_API rv_status rv_explained_json(char **out, const rv_explained *explained, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
