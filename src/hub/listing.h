/* What a repository holds at one commit, and which of it a model needs. */
#ifndef RV_HUB_LISTING_H
#define RV_HUB_LISTING_H

#include "base/hash.h"
#include "hub/session.h"

typedef struct rv_hub_entry {
    char *path;
    uint64_t size;
    rv_hash_kind kind; /* SHA-256 of the content, or SHA-1 as git computes it for a blob */
    char digest[65];   /* which is also the name of the blob in the cache; "" if unknown */
} rv_hub_entry;

typedef struct rv_hub_listing {
    rv_hub_entry *entries;
    size_t count, capacity;
} rv_hub_listing;

void rv_hub_listing_release(rv_hub_listing *listing);

/* The commit that the revision stands for at this moment. */
rv_status rv_hub_ask_commit(char commit[RV_COMMIT_TEXT], rv_hub_session *session,
                            rv_error *err);

/* All files of the commit. Nothing in them has been judged yet but the digests. */
rv_status rv_hub_ask_listing(rv_hub_listing *out, rv_hub_session *session, const char *commit,
                             rv_error *err);

/* Adds the files of one page of a listing, as the hub writes it. */
rv_status rv_hub_read_page(rv_hub_listing *listing, const json_t *items, rv_error *err);

/* The files that lie in a snapshot folder, with the digests that the names of their blobs are. */
rv_status rv_hub_read_listing(rv_hub_listing *out, const char *folder, rv_error *err);

/* Weights in any format; one whole GGUF file of a model (no part, projector or importance matrix). */
bool rv_hub_is_weights(const char *path);
bool rv_hub_is_gguf(const char *path);

const rv_hub_entry *rv_hub_find(const rv_hub_listing *listing, const char *path);

/* chosen (listing->count): which files are wanted, by the parameters' patterns, the name's file,
 * or else by what a model consists of. *index is the entry of the shards' index, which then has
 * to be read and given to rv_hub_choose_shards; NULL if there is none. Every chosen path is safe. */
rv_status rv_hub_choose(bool *chosen, const rv_hub_entry **index, const rv_hub_listing *listing,
                        const rv_hub_name *name, const rv_get_params *params, rv_error *err);

/* Adds the shards that the index file at `path` names. */
rv_status rv_hub_choose_shards(bool *chosen, const rv_hub_listing *listing, const char *path,
                               rv_error *err);

#endif
