/* Where a result may be written (reverie/output.h). */
#ifndef RV_BASE_OUTPUT_H
#define RV_BASE_OUTPUT_H

#include "base/error.h"
#include "reverie/output.h"

/* The folder that path lies in, or its nearest parent that exists if `made`, can be written to. */
rv_status rv_output_reachable(const char *path, bool made, rv_error *err);

/* path is not `input`, and no file in it if that is a folder. */
rv_status rv_output_apart(const char *path, const char *input, rv_error *err);

/* path is absent, empty, or a file of this kind. */
rv_status rv_output_replaceable(const char *path, rv_output_kind kind, rv_error *err);

#endif
