/* The cache of paid answers: one file for each request, named by its digest, holding the request
 * beside the answer, so that a file is only believed when the request is the same to the byte.
 * Files appear whole or not at all. Of an address they hold no query, in which a key might be. */
#ifndef RV_EXPLAIN_KEEP_H
#define RV_EXPLAIN_KEEP_H

#include <jansson.h>

#include "base/error.h"

typedef struct rv_keep rv_keep;

/* folder NULL: chat/ in the user's cache folder. Creates it, and fails (before anything is paid
 * for) when nothing can be written there. */
rv_status rv_keep_open(rv_keep **out, const char *folder, rv_error *err);
void rv_keep_close(rv_keep *keep); /* NULL is fine */

/* *response is a new reference, or NULL when the cache does not hold it. A damaged file is as good
 * as none. */
rv_status rv_keep_find(const rv_keep *keep, json_t **response, const char *url,
                       const json_t *request, rv_error *err);

rv_status rv_keep_store(const rv_keep *keep, const char *url, const json_t *request,
                        const json_t *response, rv_error *err);

/* An answer that could not be understood is kept beside the others, for people to look at; its
 * path (malloc'ed, NULL if it could not be kept) is for the message. */
char *rv_keep_odd(const rv_keep *keep, const char *url, const json_t *request,
                  const char *bytes, size_t length);

#endif
