/* The Hugging Face cache on disk, as huggingface_hub lays it out:
 *
 *     ROOT/models--OWNER--NAME/blobs/ETAG               the bytes
 *                              refs/REVISION            the commit a branch or tag stood for
 *                              snapshots/COMMIT/PATH    -> ../../blobs/ETAG
 *                              .no_exist/COMMIT/PATH    known to be absent
 *     ROOT/.locks/models--OWNER--NAME/ETAG.lock
 *
 * ROOT is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.                     */
#ifndef RV_HUB_CACHE_H
#define RV_HUB_CACHE_H

#include <stdbool.h>

#include "base/error.h"

enum { RV_COMMIT_TEXT = 65 }; /* 40 hex digits (64 in a SHA-256 repository) and NUL */

/* OWNER/NAME[@REVISION][:FILE], taken apart. NAME alone is also a repository. */
typedef struct rv_hub_name {
    char *repository; /* "OWNER/NAME" */
    char *revision;   /* "main" unless said */
    char *file;       /* NULL unless said */
    bool pinned;      /* a revision was said */
} rv_hub_name;

/* RV_ERR_USAGE, with the reason, for what cannot be such a name; nothing that passes can lead
 * out of the cache. Release with rv_hub_name_release. */
rv_status rv_hub_name_parse(rv_hub_name *out, const char *text, rv_error *err);
void rv_hub_name_release(rv_hub_name *name);

/* A path inside a repository that may be joined to a folder: relative, no "..", no empty part. */
bool rv_hub_path_is_safe(const char *path);

/* Full-length commit hash in lower-case hexadecimal digits. */
bool rv_hub_is_commit(const char *text);

/* The user's $HF_HOME or ~/.cache/huggingface; and the cache inside it. malloc'ed, not created. */
rv_status rv_hub_home(char **out, rv_error *err);
rv_status rv_hub_root(char **out, rv_error *err);
/* Where `hf auth login` puts the token: HF_TOKEN_PATH, else token inside the home. */
rv_status rv_hub_token_path(char **out, rv_error *err);

/* ROOT/models--OWNER--NAME, malloc'ed; NULL when memory is short. */
char *rv_hub_repository_folder(const char *root, const char *repository);

/* The commit that a revision stands for in this repository folder: itself, or read from refs/.
 * False if the cache does not know. */
bool rv_hub_commit_of(char commit[RV_COMMIT_TEXT], const char *folder, const char *revision);

/* FOLDER/KIND/COMMIT[/PATH], malloc'ed; path may be NULL. KIND: "snapshots" or ".no_exist". */
char *rv_hub_inside(const char *folder, const char *kind, const char *commit, const char *path);

#endif
