/* What a store holds, for the people whose disk it is on. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "record/json.h"
#include "store/internal.h"
#include "store/list.h"

/* A parameter that is NULL (or 0) leaves its condition out. */
#define WHERE                                                           \
    " WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR model = ?2 OR" \
    " (length(?2) >= 8 AND substr(hash, 1, length(?2)) = ?2)) AND (?3 = 0 OR made < ?3)"
#define LIST                                                                                 \
    "SELECT kind, model, hash, source, count(*), sum(length(content)), min(made), max(made)" \
    " FROM kept" WHERE " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
#define PRUNE "DELETE FROM kept" WHERE

rv_store_params rv_store_params_default(void)
{
    return (rv_store_params){.size = sizeof(rv_store_params)};
}

void rv_store_listing_release(rv_store_listing *listing)
{
    if (listing->storage) rv_arena_release(listing->storage);
    free(listing->storage);
    free(listing->entries);
    free(listing->damaged);
    *listing = (rv_store_listing){0};
}

static rv_status copy(const char **out, const rv_store_listing *listing, const char *text,
                      rv_error *err)
{
    *out = rv_arena_copy(listing->storage, text, strlen(text));
    return *out ? RV_OK : rv_fail_memory(err, strlen(text));
}

/* ---- the folder ------------------------------------------------------------------------------ */

static uint64_t file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static rv_status measure_file(rv_store_listing *out, const char *folder, rv_error *err)
{
    static const char *const names[] = {RV_STORE_FILE, RV_STORE_FILE "-wal",
                                        RV_STORE_FILE "-journal"};
    out->file_bytes = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = rv_path_join(folder, names[i]);
        if (!path) return rv_fail_memory(err, strlen(folder));
        out->file_bytes += file_bytes(path);
        if (i == 0 && !out->path) {
            rv_status status = copy(&out->path, out, path, err);
            if (status != RV_OK) out->file_bytes = 0;
        }
        free(path);
        if (!out->path) return rv_fail_memory(err, strlen(folder));
    }
    return RV_OK;
}

static rv_status find_damaged(rv_store_listing *out, const char *folder, rv_error *err)
{
    rv_status status = RV_OK;
    size_t room = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; status == RV_OK && dir && (e = readdir(dir));) {
        if (strncmp(e->d_name, RV_STORE_DAMAGED, sizeof RV_STORE_DAMAGED - 1) != 0) continue;
        char *path = rv_path_join(folder, e->d_name);
        status = path ? rv_grow((void **)&out->damaged, &room, out->damaged_count + 1,
                                sizeof *out->damaged, err)
                      : rv_fail_memory(err, strlen(folder));
        rv_store_damaged *d = &out->damaged[out->damaged_count];
        if (status == RV_OK) status = copy(&d->path, out, path, err);
        if (status == RV_OK) d->bytes = file_bytes(path), out->damaged_count++;
        free(path);
    }
    if (dir) closedir(dir);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void bind_params(sqlite3_stmt *s, const rv_store_params *p)
{
    sqlite3_bind_text(s, 1, p->kind, -1, SQLITE_STATIC); // NULL binds NULL
    sqlite3_bind_text(s, 2, p->model, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3,
                       p->older_than > 0 ? (int64_t)time(NULL) - (int64_t)p->older_than : 0);
}

static rv_status add_entry(rv_store_listing *out, size_t *room, sqlite3_stmt *s, rv_error *err)
{
    RV_TRY(
        rv_grow((void **)&out->entries, room, out->entry_count + 1, sizeof *out->entries, err));
    rv_store_entry *e = &out->entries[out->entry_count];
    const char **texts[] = {&e->kind, &e->model, &e->hash, &e->source};
    for (int i = 0; i < 4; i++) {
        const char *text = (const char *)sqlite3_column_text(s, i);
        RV_TRY(copy(texts[i], out, text ? text : "", err));
    }
    e->count = (uint64_t)sqlite3_column_int64(s, 4);
    e->bytes = (uint64_t)sqlite3_column_int64(s, 5);
    e->oldest = sqlite3_column_int64(s, 6);
    e->newest = sqlite3_column_int64(s, 7);
    out->entry_count++;
    out->count += e->count;
    out->bytes += e->bytes;
    return RV_OK;
}

static rv_status list_rows(rv_store_listing *out, rv_store *store, const rv_store_params *p,
                           rv_error *err)
{
    sqlite3_stmt *s = NULL;
    size_t room = 0;
    if (sqlite3_prepare_v2(store->db, LIST, -1, &s, NULL) != SQLITE_OK)
        return rv_store_fail(store, "cannot read", err);
    bind_params(s, p);
    rv_status status = RV_OK;
    int code = SQLITE_DONE;
    while (status == RV_OK && (code = sqlite3_step(s)) == SQLITE_ROW)
        status = add_entry(out, &room, s, err);
    if (status == RV_OK && code != SQLITE_DONE)
        status = rv_store_fail(store, "cannot read", err);
    sqlite3_finalize(s);
    return status;
}

static rv_status delete_rows(rv_store *store, const rv_store_params *p, rv_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(store->db, PRUNE, -1, &s, NULL) != SQLITE_OK)
        return rv_store_fail(store, "cannot write", err);
    bind_params(s, p);
    rv_status status =
        sqlite3_step(s) == SQLITE_DONE ? RV_OK : rv_store_fail(store, "cannot write", err);
    sqlite3_finalize(s);
    return status;
}

/* What is listed is what is deleted. */
static rv_status prune_rows(rv_store_listing *out, rv_store *store, const rv_store_params *p,
                            rv_error *err)
{
    RV_TRY(rv_store_run(store, "BEGIN IMMEDIATE", err));
    rv_status status = list_rows(out, store, p, err);
    if (status == RV_OK) status = delete_rows(store, p, err);
    if (status == RV_OK) status = rv_store_run(store, "COMMIT", err);
    if (status != RV_OK) {
        rv_store_run(store, "ROLLBACK", NULL);
        return status;
    }
    // Room that cannot be given back to the disk (it is full, say) is used again.
    if (rv_store_run(store, "VACUUM", NULL) == RV_OK)
        rv_store_run(store, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    return RV_OK;
}

/* ---- both ------------------------------------------------------------------------------------ */

static rv_status look(rv_store_listing *out, const char *folder, const rv_store_params *p,
                      bool prune, rv_error *err)
{
    rv_store *store = NULL;
    RV_TRY(measure_file(out, folder, err));
    rv_status status = RV_OK;
    if (out->file_bytes) { // else nothing is made
        status = rv_store_open(&store, folder, NULL, NULL, err);
        if (status == RV_OK)
            status = prune ? prune_rows(out, store, p, err) : list_rows(out, store, p, err);
        rv_store_close(store);
    }
    if (status == RV_OK) status = find_damaged(out, folder, err);
    return status == RV_OK ? measure_file(out, folder, err) : status;
}

rv_status rv_store_collect(rv_store_listing *out, const rv_store_params *p, bool prune,
                           rv_error *err)
{
    char *own = NULL;
    rv_arena *storage = NULL;
    *out = (rv_store_listing){0};
    if (prune && !(p->kind || p->model || p->older_than > 0 || p->all))
        return rv_fail(err, RV_ERR_USAGE,
                       "prune: expected a kind, a model, an age, or that all shall go");
    if (!p->folder) RV_TRY(rv_store_folder(&own, err));
    rv_status status = RV_NEW(storage, 1, err);
    out->storage = storage;
    if (status == RV_OK) status = look(out, p->folder ? p->folder : own, p, prune, err);
    for (size_t i = 0; status == RV_OK && prune && p->all && i < out->damaged_count; i++)
        unlink(out->damaged[i].path);
    free(own);
    if (status != RV_OK) rv_store_listing_release(out);
    return status;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *text(const char *bytes)
{
    return rv_string_to_json((rv_string){bytes, strlen(bytes)});
}

rv_status rv_store_listing_json(char **out, const rv_store_listing *l, rv_error *err)
{
    json_t *entries = json_array(), *damaged = json_array();
    for (size_t i = 0; i < l->entry_count; i++) {
        const rv_store_entry *e = &l->entries[i];
        json_array_append_new(
            entries,
            json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "kind", text(e->kind),
                      "model", text(e->model), "hash", text(e->hash), "source", text(e->source),
                      "count", (json_int_t)e->count, "bytes", (json_int_t)e->bytes, "oldest",
                      (json_int_t)e->oldest, "newest", (json_int_t)e->newest));
    }
    for (size_t i = 0; i < l->damaged_count; i++)
        json_array_append_new(damaged, json_pack("{s:o, s:I}", "path", text(l->damaged[i].path),
                                                 "bytes", (json_int_t)l->damaged[i].bytes));
    bool complete = json_array_size(entries) == l->entry_count &&
                    json_array_size(damaged) == l->damaged_count;
    json_t *root =
        json_pack("{s:o, s:I, s:I, s:I, s:o, s:o}", "path", text(l->path), "file_bytes",
                  (json_int_t)l->file_bytes, "count", (json_int_t)l->count, "bytes",
                  (json_int_t)l->bytes, "entries", entries, "damaged", damaged);
    if (!complete) json_decref(root), root = NULL;
    return rv_json_result(out, root, err);
}
