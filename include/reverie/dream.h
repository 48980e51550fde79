/* Dreams: short texts that a target likes and the model finds plausible.
 *
 *     rv_dream_params params = rv_dream_params_default();
 *     params.corpus = files, params.corpus_count = 1;
 *     rv_dreams dreams;
 *     rv_dream(&dreams, model, "L5.N131", &params, &err);
 *     fwrite(dreams.records, 1, dreams.length, stdout);
 *     rv_dreams_release(&dreams);
 *
 * Everything found is in the records; given `output`, they are on the disk as they come, and an interrupted
 * run goes on where it stopped. */
#ifndef REVERIE_DREAM_H
#define REVERIE_DREAM_H

#include "reverie/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_dream_params {
    size_t size;        /* set by the _default function; see reverie/core.h */
    const char *method; /* rv_dream_methods() */
    uint64_t seed;
    uint64_t budget;      /* forward tokens */
    uint64_t least, most; /* tokens of a dream */
    const char *
        position; /* where the target is read: "last", "max", or a number (negative: from the end); NULL: at the
                     strongest token of a sentence, the last of a fragment */
    const char *const *prompts; /* texts to start from */
    size_t prompt_count;
    const char *prefix, *suffix; /* fixed text around the dream; NULL: none */
    bool chat; /* the dream is a user's message in the model's chat template */
    const char *const *forbidden; /* tokens that contain one of these texts are never used */
    size_t forbidden_count;
    double repetition; /* nats added for a dream all of whose tokens are the same */
    /* A text autoencoder of the model (a folder that training wrote, or its file): what `latent` and `evolve` are
     * confined to. NULL: the one that comes with the program. */
    const char *autoencoder;
    rv_model *fluency; /* a second model whose opinion on fluency counts as much; NULL: none */
    const char *const
        *corpus; /* text files: the scale of g, starts, and what dreams are compared with */
    size_t corpus_count;    /* 0: texts that the model itself writes */
    uint64_t corpus_tokens; /* of the corpus at most so many; 0: all */
    bool as_published;      /* epo: the published code's behaviour, defects included */
    bool exact;             /* every candidate in full and in float32 */
    uint64_t
        memory; /* bytes that the search may take beside the model; 0: 2 GiB, or more if it must */
    bool attribution;    /* of the headline dream */
    const char *output;  /* file of the records; NULL: none */
    bool resume;         /* go on with an interrupted run in `output` */
    const char *command; /* the command line, for the record; NULL: none */
    rv_progress_fn progress;
    void *progress_context;
} rv_dream_params;

RV_API rv_dream_params rv_dream_params_default(void);

typedef struct rv_dreams {
    char *
        records; /* JSON lines (docs/formats.md, "Run records"): `length` bytes and a NUL; NULL: none */
    size_t length;
} rv_dreams;

/* After a failure (the user, a full disk) the records hold what was found until then. */
RV_API rv_status rv_dream(rv_dreams *out, rv_model *model, const char *target,
                          const rv_dream_params *params, rv_error *err);
RV_API void rv_dreams_release(rv_dreams *dreams);

/* docs/formats.md, "dream": where it comes from, and the dreams as a list. */
RV_API rv_status rv_dreams_json(char **out, const rv_dreams *dreams, rv_error *err);

/* Names and one-line summaries of the dreamers; NULL from `index` = count on. Static. */
RV_API const char *rv_dream_method(size_t index, const char **summary);

#ifdef __cplusplus
}
#endif

#endif
