/* What a file holds, by its digest: an answer belongs to the content that was asked about, not to a name or a date. */
#ifndef RV_STORE_DIGEST_H
#define RV_STORE_DIGEST_H

#include "base/hash.h"
#include "base/text.h"
#include "store/store.h"

/* SHA-256 of the file's bytes. It is read once: as long as path, place on the disk, length and both dates (of the
 * content's and of any change, which no program can set) stay, the digest is what the store says. A file that changed
 * within the last seconds is read again the next time, for a clock may stand still that long. store may be NULL. */
rv_status rv_file_digest(char out[RV_HASH_HEX], rv_store *store, const char *path,
                         rv_progress_fn progress, void *context, rv_error *err);

/* Appends what tells whether a file was changed meanwhile: its whole path, place, length and dates. */
rv_status rv_file_stamp(rv_text *out, const char *path, rv_error *err);

#endif
