/* The answers that were paid for, in the store (kind "chat"): found by the digest of address and request, kept as
 * {"url", "request", "response"}. Of the address only what may be shown is kept, for a key might stand in its query. */
#ifndef RV_EXPLAIN_KEEP_H
#define RV_EXPLAIN_KEEP_H

#include <jansson.h>

#include "base/error.h"

typedef struct rv_keep rv_keep;

/* folder NULL: the user's store, and chat/ in the cache folder for what could not be understood; else both there. Fails
 * (before anything is paid for) when nothing can be written there. Answers that version 0.1 left there are taken over. */
rv_status rv_keep_open(rv_keep **out, const char *folder, rv_notice_fn notify, void *context,
                       rv_error *err);
void rv_keep_close(rv_keep *keep); /* NULL is fine */

/* *response is a new reference, or NULL when it is not kept. A damaged answer is as good as none. */
rv_status rv_keep_find(const rv_keep *keep, json_t **response, const char *url,
                       const json_t *request, rv_error *err);

rv_status rv_keep_store(const rv_keep *keep, const char *url, const json_t *request,
                        const json_t *response, rv_error *err);

/* An answer that could not be understood is kept in a file of its own, for people to look at; its
 * path (malloc'ed, NULL if it could not be kept) is for the message. */
char *rv_keep_odd(const rv_keep *keep, const char *url, const json_t *request,
                  const char *bytes, size_t length);

#endif
