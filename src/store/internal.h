/* What the files of this room share. */
#ifndef RV_STORE_INTERNAL_H
#define RV_STORE_INTERNAL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "store/store.h"

#define RV_STORE_FILE    "store.db"
#define RV_STORE_DAMAGED "store-damaged" /* -N.db: what was moved aside */

struct rv_store {
    char *folder, *path;
    sqlite3 *db;
    sqlite3_stmt *find, *keep;
    dev_t device; /* of the file that was opened last */
    ino_t inode;
    bool durable; /* every put waits for the disk */
    rv_notice_fn notify;
    void *context;
};

#define RV_STORE_COLUMNS \
    "question, kind, model, hash, source, about, made, length, digest, content"

/* RV_ERR_FORMAT where the file is damaged, RV_ERR_MEMORY, or RV_ERR_IO, with SQLite's words. */
rv_status rv_store_fail(const rv_store *store, const char *what, rv_error *err);
rv_status rv_store_run(rv_store *store, const char *sql, rv_error *err);
/* The first number that a statement yields. */
rv_status rv_store_number(int64_t *out, rv_store *store, const char *sql, rv_error *err);

/* Opens the file at store->path, and brings it to this version. */
rv_status rv_store_open_file(rv_store *store, rv_error *err);
void rv_store_close_file(rv_store *store);

/* Whether the file that was opened last still is the one that has its name. */
bool rv_store_is_in_place(const rv_store *store);

/* Moves the file that was found damaged aside, and begins another; *moved (malloc'ed) is where it went. Where another
 * process did so before, that one's file is opened, and *moved is NULL. */
rv_status rv_store_begin_anew(rv_store *store, char **moved, rv_error *err);

/* store/ in the user's cache folder, malloc'ed. */
rv_status rv_store_folder(char **out, rv_error *err);

#endif
