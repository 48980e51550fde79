/* Whole gzip files in memory. */
#ifndef RV_EXPLAIN_GZIP_H
#define RV_EXPLAIN_GZIP_H

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"

/* The same bytes give the same file: no time, no name. */
rv_status rv_gzip_write(const char *path, const char *bytes, size_t length, rv_error *err);

/* Appends what the file holds; more than `limit` bytes are RV_ERR_FORMAT. */
rv_status rv_gzip_read(rv_text *out, const char *path, size_t limit, rv_error *err);

#endif
