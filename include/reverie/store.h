/* What is kept between runs in the user's cache folder: answers of corpora, the fluency of texts, digests of files, and
 * answers of language models that were paid for.
 *
 *     rv_store_params params = rv_store_params_default();
 *     params.older_than = 90 * 86400.0;
 *     rv_store_listing old;
 *     if (rv_store_prune(&old, &params, &err) != RV_OK) ...
 *     printf("%llu answers forgotten\n", (unsigned long long)old.count);
 *     rv_store_listing_release(&old);
 *
 * All but what was paid for can be made again, and is, where it is missing. */
#ifndef REVERIE_STORE_H
#define REVERIE_STORE_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which answers: those for which everything that is given holds. */
typedef struct rv_store_params {
    size_t size;        /* set by the _default function; see reverie/core.h */
    const char *folder; /* NULL: store/ in the user's cache folder */
    const char *kind;   /* "corpus", "fluency", "digest", "chat", ...; NULL: any */
    const char *model;  /* its name, or the first eight or more digits of its hash; NULL: any */
    double older_than;  /* seconds since they were made; 0: of any age */
    bool all;           /* rv_store_prune: really all of them, where nothing else is given */
} rv_store_params;

RV_API rv_store_params rv_store_params_default(void);

/* Answers of one kind, about one model and one source (a corpus, an endpoint). */
typedef struct rv_store_entry {
    const char *kind, *model, *hash, *source; /* "" where there is none */
    uint64_t count, bytes;                    /* as they are kept, compressed */
    int64_t oldest, newest;                   /* when they were made, in seconds since 1970 */
} rv_store_entry;

/* A file that could not be read and was moved aside. */
typedef struct rv_store_damaged {
    const char *path;
    uint64_t bytes;
} rv_store_damaged;

typedef struct rv_store_listing {
    const char *path;    /* of the store's file, which need not be there */
    uint64_t file_bytes; /* with its journal; 0: it is not there */
    uint64_t count, bytes;
    rv_store_entry *entries; /* by kind, model, source */
    size_t entry_count;
    rv_store_damaged *damaged;
    size_t damaged_count;
    void *storage;
} rv_store_listing;

/* What is kept. */
RV_API rv_status rv_store_list(rv_store_listing *out, const rv_store_params *params,
                               rv_error *err);

/* Removes answers, and with `all` the damaged files as well; *out is what was removed, and the size of what
 * is left. RV_ERR_USAGE: params name no answers. */
RV_API rv_status rv_store_prune(rv_store_listing *out, const rv_store_params *params,
                                rv_error *err);
RV_API void rv_store_listing_release(rv_store_listing *listing);

/* docs/formats.md, "store". */
RV_API rv_status rv_store_listing_json(char **out, const rv_store_listing *listing,
                                       rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
