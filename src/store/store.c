#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "store/internal.h"

/* ---- rows ------------------------------------------------------------------------------------ */

enum { QUESTION, KIND, MODEL, HASH, SOURCE, ABOUT, MADE, LENGTH, DIGEST, CONTENT, COLUMNS };

/* A row as it is written, but for its digest. */
typedef struct row {
    char question[RV_HASH_HEX];
    const char *text[ABOUT + 1]; /* of the columns KIND to ABOUT */
    int64_t made, length;        /* seconds since 1970; bytes of the content when inflated */
    const void *content;
    size_t size;
} row;

static rv_status name_question(char out[RV_HASH_HEX], const rv_question *q, rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, q->kind, strlen(q->kind) + 1);
    rv_hash_add(hash, q->text, strlen(q->text));
    rv_hash_finish(hash, out);
    rv_hash_free(hash);
    return RV_OK;
}

static void add_number(rv_hash *hash, int64_t number)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)number >> 8 * i);
    rv_hash_add(hash, bytes, sizeof bytes);
}

/* Over all other columns: texts with their NUL, numbers in eight bytes, least first. */
static rv_status digest_row(char out[RV_HASH_HEX], const row *r, rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, r->question, strlen(r->question) + 1);
    for (int c = KIND; c <= ABOUT; c++) rv_hash_add(hash, r->text[c], strlen(r->text[c]) + 1);
    add_number(hash, r->made);
    add_number(hash, r->length);
    rv_hash_add(hash, r->content, r->size);
    rv_hash_finish(hash, out);
    rv_hash_free(hash);
    return RV_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* False where a column is missing or of another type. */
static bool read_row(row *out, char digest[RV_HASH_HEX], sqlite3_stmt *from)
{
    const char *question = (const char *)sqlite3_column_text(from, QUESTION);
    const char *written = (const char *)sqlite3_column_text(from, DIGEST);
    if (!question || strlen(question) >= RV_HASH_HEX || !written ||
        strlen(written) >= RV_HASH_HEX)
        return false;
    strcpy(out->question, question);
    strcpy(digest, written);
    for (int c = KIND; c <= ABOUT; c++)
        if (!(out->text[c] = (const char *)sqlite3_column_text(from, c))) return false;
    out->made = sqlite3_column_int64(from, MADE);
    out->length = sqlite3_column_int64(from, LENGTH);
    out->content = sqlite3_column_blob(from, CONTENT);
    out->size = (size_t)sqlite3_column_bytes(from, CONTENT);
    return out->length >= 0 && out->length <= RV_KEPT_LIMIT && out->size <= (size_t)out->length;
}

static bool is_whole(const row *r, const char *digest)
{
    char found[RV_HASH_HEX];
    return digest_row(found, r, NULL) == RV_OK && strcmp(found, digest) == 0;
}

/* The content, malloc'ed; NULL where it cannot be had. A NUL stands behind it. */
static char *inflate_content(const row *r)
{
    size_t length = (size_t)r->length;
    char *out = malloc(length + 1);
    uLongf got = (uLongf)length;
    if (!out) return NULL;
    if (r->size == length) {
        if (length) memcpy(out, r->content, length);
    } else if (uncompress((Bytef *)out, &got, r->content, (uLong)r->size) != Z_OK ||
               got != length) {
        free(out);
        return NULL;
    }
    out[length] = '\0';
    return out;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Beyond this, contents are arrays of numbers, which take longer to deflate than to make room for. */
enum { DEFLATED_MOST = 4 << 20 };

/* *owned: the content deflated, where that is shorter. */
static rv_status deflate_content(row *r, char **owned, const void *bytes, size_t length,
                                 rv_error *err)
{
    *owned = NULL;
    r->content = length ? bytes : "";
    r->length = (int64_t)length;
    r->size = length;
    if (length > DEFLATED_MOST) return RV_OK;
    uLongf room = compressBound((uLong)length);
    char *shorter = malloc(room);
    if (!shorter) return rv_fail_memory(err, room);
    if (compress((Bytef *)shorter, &room, bytes, (uLong)length) != Z_OK || room >= length) {
        free(shorter);
        return RV_OK;
    }
    *owned = shorter;
    r->content = shorter;
    r->size = room;
    return RV_OK;
}

static rv_status insert(rv_store *store, const row *r, const char *digest, rv_error *err)
{
    sqlite3_stmt *to = store->keep;
    sqlite3_bind_text(to, QUESTION + 1, r->question, -1, SQLITE_STATIC);
    for (int c = KIND; c <= ABOUT; c++)
        sqlite3_bind_text(to, c + 1, r->text[c], -1, SQLITE_STATIC);
    sqlite3_bind_int64(to, MADE + 1, r->made);
    sqlite3_bind_int64(to, LENGTH + 1, r->length);
    sqlite3_bind_text(to, DIGEST + 1, digest, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(to, CONTENT + 1, r->content, r->size, SQLITE_STATIC);
    rv_status status = RV_OK;
    if (sqlite3_step(to) != SQLITE_DONE) status = rv_store_fail(store, "cannot write", err);
    sqlite3_reset(to);
    sqlite3_clear_bindings(to);
    return status;
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Takes over the rows that are whole, in the order of `sql`, until one cannot be read. */
static void take_over(rv_store *store, sqlite3 *from, const char *sql)
{
    sqlite3_stmt *s = NULL;
    char digest[RV_HASH_HEX];
    row r;
    if (sqlite3_prepare_v2(from, sql, -1, &s, NULL) != SQLITE_OK) return;
    rv_store_begin(store);
    while (sqlite3_step(s) == SQLITE_ROW)
        if (read_row(&r, digest, s) && is_whole(&r, digest)) insert(store, &r, digest, NULL);
    rv_store_end(store);
    sqlite3_finalize(s);
}

/* From both ends of the table, for the damage may lie anywhere. */
static void salvage(rv_store *store, const char *path)
{
    sqlite3 *from = NULL;
    if (sqlite3_open_v2(path, &from, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        take_over(store, from, "SELECT " RV_STORE_COLUMNS " FROM kept ORDER BY id");
        take_over(store, from, "SELECT " RV_STORE_COLUMNS " FROM kept ORDER BY id DESC");
    }
    sqlite3_close(from);
}

/* What can still be read of a damaged file goes into a new one. */
static rv_status recover(rv_store *store, rv_error *err)
{
    char *moved, sentence[1024];
    rv_status status = rv_store_begin_anew(store, &moved, err);
    if (status == RV_OK && moved) salvage(store, moved);
    if (moved && store->notify) {
        snprintf(
            sentence, sizeof sentence,
            "%s: what is kept between runs was damaged; the file was moved to %s, and what is "
            "whole of it was taken over",
            store->path, moved);
        store->notify(store->context, sentence);
    }
    free(moved);
    return status;
}

/* ---- get and put ----------------------------------------------------------------------------- */

bool rv_store_get(rv_store *store, char **bytes, size_t *length, const rv_question *question)
{
    char name[RV_HASH_HEX], digest[RV_HASH_HEX];
    row r;
    *bytes = NULL;
    *length = 0;
    if (!store || !store->db || name_question(name, question, NULL) != RV_OK) return false;
    sqlite3_bind_text(store->find, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(store->find);
    if (code == SQLITE_ROW && read_row(&r, digest, store->find) &&
        strcmp(r.question, name) == 0 && is_whole(&r, digest)) {
        *bytes = inflate_content(&r);
        *length = *bytes ? (size_t)r.length : 0;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE &&
        rv_store_fail(store, "cannot read", NULL) == RV_ERR_FORMAT)
        recover(store, NULL);
    if (store->find) sqlite3_reset(store->find), sqlite3_clear_bindings(store->find);
    return *bytes != NULL;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

rv_status rv_store_put(rv_store *store, const rv_question *q, const void *bytes, size_t length,
                       rv_error *err)
{
    if (!store) return RV_OK;
    // A folder that somebody removed meanwhile is made anew: else what is written would go with it.
    if (!store->db || !rv_store_is_in_place(store)) {
        rv_store_close_file(store);
        RV_TRY(rv_store_open_file(store, err));
    }
    if (length > RV_KEPT_LIMIT)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: expected at most %d bytes in an answer, found %zu", store->path,
                       RV_KEPT_LIMIT, length);
    char digest[RV_HASH_HEX], *owned = NULL;
    row r = {.text = {[KIND] = q->kind,
                      [MODEL] = or_empty(q->model),
                      [HASH] = or_empty(q->hash),
                      [SOURCE] = or_empty(q->source),
                      [ABOUT] = or_empty(q->about)},
             .made = (int64_t)time(NULL)};
    RV_TRY(name_question(r.question, q, err));
    RV_TRY(deflate_content(&r, &owned, bytes, length, err));
    rv_status status = digest_row(digest, &r, err);
    if (status == RV_OK) status = insert(store, &r, digest, err);
    if (status == RV_ERR_FORMAT && recover(store, err) == RV_OK)
        status = insert(store, &r, digest, err);
    free(owned);
    return status;
}

void rv_store_begin(rv_store *store)
{
    if (store && store->db) sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
}

void rv_store_end(rv_store *store)
{
    if (!store || !store->db || sqlite3_get_autocommit(store->db)) return;
    if (sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

rv_status rv_store_make_durable(rv_store *store, rv_error *err)
{
    store->durable = true;
    RV_TRY(rv_store_run(store, "BEGIN IMMEDIATE", err));
    return rv_store_run(store, "ROLLBACK; PRAGMA synchronous = FULL", err);
}

/* ---- open and close -------------------------------------------------------------------------- */

rv_status rv_store_open(rv_store **out, const char *folder, rv_notice_fn notify, void *context,
                        rv_error *err)
{
    rv_store *store;
    *out = NULL;
    RV_TRY(RV_NEW(store, 1, err));
    store->notify = notify;
    store->context = context;
    rv_status status = RV_OK;
    if (folder) {
        store->folder = rv_strndup(folder, strlen(folder));
        if (!store->folder) status = rv_fail_memory(err, strlen(folder));
    } else {
        status = rv_store_folder(&store->folder, err);
    }
    if (status == RV_OK) status = rv_store_open_file(store, err);
    if (status == RV_ERR_FORMAT) status = recover(store, err);
    if (status != RV_OK) {
        rv_store_close(store);
        return status;
    }
    *out = store;
    return RV_OK;
}

void rv_store_close(rv_store *store)
{
    if (!store) return;
    rv_store_close_file(store);
    free(store->folder);
    free(store->path);
    free(store);
}

/* ---- what the other files use ---------------------------------------------------------------- */

rv_status rv_store_fail(const rv_store *store, const char *what, rv_error *err)
{
    int code = sqlite3_errcode(store->db) & 0xFF;
    // What our statements find wrong is not the statements; and a file may say of itself that it must not be written,
    // where the disk says nothing of it.
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR ||
                   (code == SQLITE_READONLY && access(store->path, W_OK) == 0 &&
                    access(store->folder, W_OK) == 0);
    if (code == SQLITE_NOMEM) return rv_fail_memory(err, 1);
    return rv_fail(err, damaged ? RV_ERR_FORMAT : RV_ERR_IO, "%s: %s: %s", store->path, what,
                   sqlite3_errmsg(store->db));
}
