/* MODEL as a user writes it, turned into a path.
 *
 *     rv_resolve_model(&path, "model.gguf", err)           a file or folder that exists
 *     rv_resolve_model(&path, "smollm2-135m", err)         $XDG_CACHE_HOME/reverie/models/
 *     rv_resolve_model(&path, "owner/name", err)           the Hugging Face cache, branch main
 *     rv_resolve_model(&path, "owner/name@v1.0", err)      a branch, tag or commit of it
 *     rv_resolve_model(&path, "owner/name:Q4_K_M", err)    one file of it, by its name or quantisation
 *
 * Looked up in this order; never uses the network. */
#ifndef RV_HUB_RESOLVE_H
#define RV_HUB_RESOLVE_H

#include "base/error.h"

/* *path is malloc'ed: a file, or a folder that holds a model. A folder without config.json that
 * holds one GGUF file stands for that file. RV_ERR_NOT_FOUND names every place that was searched
 * and the command that would fetch the model. */
rv_status rv_resolve_model(char **path, const char *name, rv_error *err);

#endif
