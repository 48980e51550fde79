/* One file of a repository, fetched into blobs/ and linked into a snapshot. */
#ifndef RV_HUB_BLOB_H
#define RV_HUB_BLOB_H

#include "hub/listing.h"

/* Where a repository lives on disk. */
typedef struct rv_hub_place {
    char *root;     /* of the cache */
    char *folder;   /* root/models--OWNER--NAME */
    char *snapshot; /* folder/snapshots/COMMIT */
    char commit[RV_COMMIT_TEXT];
} rv_hub_place;

/* The file is in the snapshot, complete as far as its length tells. A length that differs from the
 * entry's is RV_ERR_FORMAT: nothing is touched. */
rv_status rv_hub_is_there(bool *there, const rv_hub_place *place, const rv_hub_entry *entry,
                          rv_error *err);

/* Makes the snapshot hold the file: links the blob, fetching and checking it before if it is not
 * there. *fetched tells whether it was. Holds the blob's lock meanwhile. */
rv_status rv_hub_fetch(bool *fetched, rv_hub_session *session, const rv_hub_place *place,
                       const rv_hub_entry *entry, rv_error *err);

/* Reads the snapshot's file and compares it with the entry's digest; another one is RV_ERR_FORMAT. */
rv_status rv_hub_check(const rv_hub_place *place, const rv_hub_entry *entry,
                       rv_progress_fn progress, void *progress_context, rv_error *err);

/* Bytes of the entry that are still to be fetched. */
uint64_t rv_hub_missing(const rv_hub_place *place, const rv_hub_entry *entry);

#endif
