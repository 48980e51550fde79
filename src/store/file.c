/* The file behind a store: made for the user alone, brought to this version, moved aside where it is damaged. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "store/internal.h"

/* "Revr" at byte 68 of the file: it is a store of ours. */
enum { APPLICATION = 0x52657672, WAIT_MS = 10000 };

/* MIGRATIONS[v] takes a store of version v to v + 1. A row: docs/formats.md, "The store". */
static const char *const MIGRATIONS[] = {
    "CREATE TABLE kept ("
    " id INTEGER PRIMARY KEY, question TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,"
    " model TEXT NOT NULL, hash TEXT NOT NULL, source TEXT NOT NULL, about TEXT NOT NULL,"
    " made INTEGER NOT NULL, length INTEGER NOT NULL, digest TEXT NOT NULL,"
    " content BLOB NOT NULL)",
};
enum { VERSION = sizeof MIGRATIONS / sizeof MIGRATIONS[0] };

#define FIND "SELECT " RV_STORE_COLUMNS " FROM kept WHERE question = ?"
#define KEEP \
    "INSERT OR REPLACE INTO kept (" RV_STORE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

rv_status rv_store_run(rv_store *store, const char *sql, rv_error *err)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK) return RV_OK;
    return rv_store_fail(store, "cannot write", err);
}

rv_status rv_store_number(int64_t *out, rv_store *store, const char *sql, rv_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool found = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW;
    if (found) *out = sqlite3_column_int64(statement, 0);
    rv_status status = found ? RV_OK : rv_store_fail(store, "cannot read", err);
    sqlite3_finalize(statement);
    return status;
}

/* ---- where it is ----------------------------------------------------------------------------- */

rv_status rv_store_folder(char **out, rv_error *err)
{
    *out = NULL;
    if (!getenv("XDG_CACHE_HOME") && !getenv("HOME"))
        return rv_fail(err, RV_ERR_USAGE,
                       "no place for what is kept between runs: set XDG_CACHE_HOME or HOME");
    char *cache = rv_cache_folder();
    *out = cache ? rv_path_join(cache, "store") : NULL;
    free(cache);
    return *out ? RV_OK : rv_fail_memory(err, 16);
}

/* A folder and a file that only their owner can read. */
static rv_status make_private(const rv_store *store, rv_error *err)
{
    RV_TRY(rv_make_private_folders(store->folder, err));
    int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EACCES && errno != EROFS)
        return rv_fail(err, RV_ERR_IO, "%s: cannot open: %s", store->path, strerror(errno));
    if (fd >= 0) fchmod(fd, 0600);
    if (fd >= 0) close(fd);
    return RV_OK;
}

/* WAL needs memory that all its processes share, which machines on a network do not. */
static bool is_on_a_network(const char *folder)
{
    // NFS, SMB (1 and 2), CIFS, Lustre, GPFS, Ceph, AFS, FUSE, 9P, BeeGFS
    static const unsigned long kinds[] = {0x6969,     0x517b,     0xfe534d42, 0xff534d42,
                                          0x0bd00bd0, 0x47504653, 0x00c36400, 0x5346414f,
                                          0x65735546, 0x01021997, 0x19830326};
    struct statfs info;
    if (statfs(folder, &info) != 0) return true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (((unsigned long)info.f_type & 0xffffffff) == kinds[i]) return true;
    return false;
}

/* ---- versions -------------------------------------------------------------------------------- */

/* *version 0: nothing is in it. */
static rv_status read_version(int64_t *version, rv_store *store, rv_error *err)
{
    int64_t application, tables;
    RV_TRY(rv_store_number(version, store, "PRAGMA user_version", err));
    RV_TRY(rv_store_number(&application, store, "PRAGMA application_id", err));
    RV_TRY(rv_store_number(&tables, store, "SELECT count(*) FROM sqlite_master", err));
    if (application != APPLICATION && (application || tables))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: expected a store of reverie, found another file", store->path);
    if (*version > VERSION)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: version: expected at most %d, found %lld, of a newer reverie; the "
                       "file is left as it is, and nothing is kept or found there",
                       store->path, (int)VERSION, (long long)*version);
    if (*version < 0 || (*version == 0) != (tables == 0))
        return rv_fail(err, RV_ERR_FORMAT, "%s: version: expected one up to %d, found %lld",
                       store->path, (int)VERSION, (long long)*version);
    return RV_OK;
}

/* index/NAME.json of version 0.1, 16 hex digits: answers that were named by the dates of files, so that none can be
 * trusted. Nothing else in that folder is touched. */
static void remove_old_index(const rv_store *store)
{
    char *cache = rv_cache_folder(), *own = NULL, *old = NULL;
    if (cache) own = rv_path_join(cache, "store"), old = rv_path_join(cache, "index");
    DIR *folder = own && old && strcmp(own, store->folder) == 0 ? opendir(old) : NULL;
    for (struct dirent *e; folder && (e = readdir(folder));) {
        struct stat info;
        if (strspn(e->d_name, "0123456789abcdef") == 16 &&
            strcmp(e->d_name + 16, ".json") == 0 &&
            fstatat(dirfd(folder), e->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode))
            unlinkat(dirfd(folder), e->d_name, 0);
    }
    if (folder) closedir(folder), rmdir(old);
    free(cache);
    free(own);
    free(old);
}

static rv_status migrate(rv_store *store, rv_error *err)
{
    int64_t version;
    char mark[80];
    RV_TRY(rv_store_run(store, "BEGIN IMMEDIATE", err));
    rv_status status = read_version(&version, store, err); // another process may have been here
    for (int64_t v = version; status == RV_OK && v < VERSION; v++)
        status = rv_store_run(store, MIGRATIONS[v], err);
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             (int)APPLICATION, (int)VERSION);
    if (status == RV_OK) status = rv_store_run(store, mark, err);
    if (status != RV_OK) rv_store_run(store, "ROLLBACK", NULL);
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Held while a file is made or moved; -1 where it cannot be had, which is no failure. */
static int lock_folder(const rv_store *store)
{
    int fd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) flock(fd, LOCK_EX);
    return fd;
}

static rv_status prepare(rv_store *store, rv_error *err)
{
    if (sqlite3_prepare_v2(store->db, FIND, -1, &store->find, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(store->db, KEEP, -1, &store->keep, NULL) == SQLITE_OK)
        return RV_OK;
    return rv_store_fail(store, "cannot read", err);
}

/* The first process makes the file, and the others wait for it. */
static rv_status make_ready(rv_store *store, int *lock, rv_error *err)
{
    int64_t version;
    RV_TRY(read_version(&version, store, err));
    if (version == VERSION) return prepare(store, err);
    if (*lock < 0) *lock = lock_folder(store);
    if (!is_on_a_network(store->folder))
        RV_TRY(rv_store_run(store, "PRAGMA journal_mode = WAL", err));
    RV_TRY(migrate(store, err));
    remove_old_index(store);
    return prepare(store, err);
}

static rv_status open_file(rv_store *store, int *lock, rv_error *err)
{
    RV_TRY(make_private(store, err));
    rv_status status = RV_OK;
    if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        status = store->db ? rv_store_fail(store, "cannot open", err) : rv_fail_memory(err, 1);
    struct stat info;
    if (stat(store->path, &info) == 0) store->device = info.st_dev, store->inode = info.st_ino;
    if (status == RV_OK) {
        sqlite3_busy_timeout(store->db, WAIT_MS);
        rv_store_run(
            store, store->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
            NULL);
        status = make_ready(store, lock, err);
    }
    if (status != RV_OK) rv_store_close_file(store);
    return status;
}

rv_status rv_store_open_file(rv_store *store, rv_error *err)
{
    int lock = -1;
    if (!store->path) store->path = rv_path_join(store->folder, RV_STORE_FILE);
    if (!store->path) return rv_fail_memory(err, strlen(store->folder));
    rv_status status = open_file(store, &lock, err);
    if (lock >= 0) close(lock);
    return status;
}

void rv_store_close_file(rv_store *store)
{
    sqlite3_finalize(store->find);
    sqlite3_finalize(store->keep);
    sqlite3_close(store->db);
    store->find = store->keep = NULL;
    store->db = NULL;
}

bool rv_store_is_in_place(const rv_store *store)
{
    struct stat info;
    return stat(store->path, &info) == 0 && info.st_ino == store->inode &&
           info.st_dev == store->device;
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void move_beside(const char *from, const char *to, const char *suffix)
{
    char *a = NULL, *b = NULL;
    if (asprintf(&a, "%s%s", from, suffix) > 0 && asprintf(&b, "%s%s", to, suffix) > 0)
        rename(a, b);
    free(a);
    free(b);
}

/* *to: where the file went, with its journals, malloc'ed; NULL where it cannot be moved. */
static void move_aside(char **to, const rv_store *store)
{
    char name[64];
    *to = NULL;
    for (int n = 1; n < 1000; n++) {
        snprintf(name, sizeof name, RV_STORE_DAMAGED "-%d.db", n);
        char *path = rv_path_join(store->folder, name);
        if (path && access(path, F_OK) == 0) {
            free(path);
            continue;
        }
        if (path && rename(store->path, path) == 0) {
            move_beside(store->path, path, "-wal");
            move_beside(store->path, path, "-journal");
            move_beside(store->path, path, "-shm");
            *to = path;
        } else {
            free(path);
        }
        return;
    }
}

rv_status rv_store_begin_anew(rv_store *store, char **moved, rv_error *err)
{
    rv_status status = RV_ERR_FORMAT;
    *moved = NULL;
    rv_store_close_file(store);
    int lock = lock_folder(store);
    // Another process may have moved it already: then what is there now may be good.
    if (!rv_store_is_in_place(store)) status = open_file(store, &lock, err);
    if (status == RV_ERR_FORMAT) {
        move_aside(moved, store);
        status = *moved ? open_file(store, &lock, err)
                        : rv_fail(err, RV_ERR_IO,
                                  "%s: it is damaged, and cannot be moved aside", store->path);
    }
    if (lock >= 0) close(lock);
    return status;
}
