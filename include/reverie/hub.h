/* Fetching models from a Hugging Face hub into the cache that the other programs of that world
 * read as well (transformers, llama.cpp, ...).
 *
 *     rv_get_params params = rv_get_params_default();
 *     rv_get_result result;
 *     if (rv_get(&result, "HuggingFaceTB/SmolLM2-135M", &params, &err) != RV_OK) ...
 *     puts(result.snapshot);
 *     rv_get_result_release(&result);                                                       */
#ifndef REVERIE_HUB_H
#define REVERIE_HUB_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* NULL members are taken from the environment, as huggingface_hub does. */
typedef struct rv_get_params {
    size_t size;          /* set by the _default function; see reverie/core.h */
    const char *cache;    /* else HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub */
    const char *endpoint; /* else HF_ENDPOINT, https://huggingface.co */
    /* Else HF_TOKEN, the file HF_TOKEN_PATH or HF_HOME/token; "" for none. It is sent to the
     * endpoint only and appears in no message. */
    const char *token;
    /* Paths or patterns (*, ?) inside the repository. None: what can be opened: the configuration, the
     * tokenizer and the safetensors, or else the one GGUF file. */
    const char *const *files;
    size_t file_count;
    bool offline;            /* only look into the cache; also when HF_HUB_OFFLINE says so */
    unsigned retries;        /* after broken connections, 429 and 5xx */
    double timeout;          /* seconds without data before a connection counts as broken */
    rv_progress_fn progress; /* may be NULL */
    void *progress_context;
    bool check; /* read large files that are in the cache already, too */
} rv_get_params;

RV_API rv_get_params rv_get_params_default(void);

typedef struct rv_get_file {
    char *path; /* inside the repository and inside the snapshot folder */
    uint64_t bytes;
    /* SHA-256, or git's blob id (SHA-1) for small files, of what was read by this call; "": it was
     * in the cache and not checked. */
    char digest[65];
    bool fetched; /* false: it was in the cache already */
} rv_get_file;

typedef struct rv_get_result {
    char *repository, *revision;
    char commit[65];
    char *snapshot; /* the folder that holds the files */
    rv_get_file *files;
    size_t file_count;
    char **left_out; /* weights that the repository has besides, where no files were named */
    size_t left_out_count;
} rv_get_result;

/* name: OWNER/NAME[@REVISION][:FILE]. Every file is checked against its size and digest before it
 * gets its name, and up to 64 MB also when it is in the cache already; a file that is in the cache is never replaced or deleted. What was fetched before
 * a failure or a cancellation is kept, and the next call goes on from there. The revision is noted
 * in refs/ when all files are there. */
RV_API rv_status rv_get(rv_get_result *out, const char *name, const rv_get_params *params,
                        rv_error *err);
RV_API void rv_get_result_release(rv_get_result *result);

/* docs/formats.md, "get". */
RV_API rv_status rv_get_result_json(char **out, const rv_get_result *result, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
