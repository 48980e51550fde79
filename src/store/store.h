/* What was computed or paid for once, kept in one SQLite file by its whole question.
 *
 *     rv_store *store;
 *     RV_TRY(rv_store_open(&store, NULL, NULL, NULL, err));
 *     rv_question q = {.kind = "fluency", .text = everything_that_decides_the_answer};
 *     if (!rv_store_get(store, &bytes, &length, &q)) {
 *         ... compute ...
 *         rv_store_put(store, &q, bytes, length, NULL);
 *     }
 *     free(bytes);
 *     rv_store_close(store);
 *
 * Every row carries a digest over question and content: a row that is damaged is as good as none. So is a file that
 * SQLite cannot read: it is moved aside, and another is begun. A file of a newer version is left alone
 * (RV_ERR_UNSUPPORTED). Several processes may use one store; an interrupted write loses only itself. */
#ifndef RV_STORE_H
#define RV_STORE_H

#include "base/error.h"

typedef struct rv_store rv_store;

/* kind and text decide what is found; the rest is for people who list and prune what is kept. */
typedef struct rv_question {
    const char *kind, *text;
    const char *model, *hash; /* its name, and the digest of its weights */
    const char *source;       /* the corpus's files, the endpoint's address, ... */
    const char *about;        /* the target, ...; any of these four may be NULL */
} rv_question;

/* The largest content that is kept. */
enum { RV_KEPT_LIMIT = 512 << 20 };

/* folder NULL: store/ in the user's cache folder. The folder and the file are made where they are missing, for the
 * user alone. notify (may be NULL) is told, in a sentence, what the user should know although nothing failed. */
rv_status rv_store_open(rv_store **out, const char *folder, rv_notice_fn notify, void *context,
                        rv_error *err);
void rv_store_close(rv_store *store); /* NULL is fine */

/* *bytes is malloc'ed, with a NUL behind it. False: it is not kept, or not whole. store may be NULL: nothing is. */
bool rv_store_get(rv_store *store, char **bytes, size_t *length, const rv_question *question);

/* Keeps an answer, in place of an earlier one. store may be NULL: nothing is done. */
rv_status rv_store_put(rv_store *store, const rv_question *question, const void *bytes,
                       size_t length, rv_error *err);

/* Puts between the two are written together, which is faster. */
void rv_store_begin(rv_store *store);
void rv_store_end(rv_store *store);

/* For answers that cost money. RV_OK where something can be written now; from then on every put reaches the disk before it
 * returns, so that not even a power cut takes it back. (Other puts may be lost to one, but never damage the file.) */
rv_status rv_store_make_durable(rv_store *store, rv_error *err);

#endif
