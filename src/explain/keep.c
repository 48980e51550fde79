#include "explain/keep.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/url.h"
#include "store/store.h"

enum { KEPT_LIMIT = 256 << 20 };

struct rv_keep {
    rv_store *store;
    char *folder; /* of what could not be understood */
};

/* ---- answers --------------------------------------------------------------------------------- */

/* By which a request is known: SHA-256 of the whole address, a NUL, and the request. */
static rv_status name_of(char name[RV_HASH_HEX], const char *url, const json_t *request,
                         rv_error *err)
{
    rv_hash *hash;
    char *text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) return rv_fail_memory(err, 1);
    rv_status status = rv_hash_new(&hash, RV_SHA256, err);
    if (status == RV_OK) {
        rv_hash_add(hash, url, strlen(url) + 1);
        rv_hash_add(hash, text, strlen(text));
        rv_hash_finish(hash, name);
        rv_hash_free(hash);
    }
    free(text);
    return status;
}

rv_status rv_keep_find(const rv_keep *keep, json_t **response, const char *url,
                       const json_t *request, rv_error *err)
{
    char name[RV_HASH_HEX], *bytes;
    size_t length;
    *response = NULL;
    RV_TRY(name_of(name, url, request, err));
    rv_question q = {.kind = "chat", .text = name};
    if (!rv_store_get(keep->store, &bytes, &length, &q)) return RV_OK;
    json_t *kept = json_loadb(bytes, length, JSON_ALLOW_NUL, NULL);
    *response = json_incref(json_object_get(kept, "response"));
    json_decref(kept);
    free(bytes);
    return RV_OK;
}

/* Takes the reference to kept. */
static rv_status put(const rv_keep *keep, const char *name, json_t *kept, rv_error *err)
{
    const json_t *request = json_object_get(kept, "request");
    char *text = kept ? json_dumps(kept, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    rv_question q = {.kind = "chat",
                     .text = name,
                     .model = json_string_value(json_object_get(request, "model")),
                     .source = json_string_value(json_object_get(kept, "url"))};
    rv_status status =
        text ? rv_store_put(keep->store, &q, text, strlen(text), err) : rv_fail_memory(err, 1);
    free(text);
    json_decref(kept);
    return status;
}

rv_status rv_keep_store(const rv_keep *keep, const char *url, const json_t *request,
                        const json_t *response, rv_error *err)
{
    char name[RV_HASH_HEX];
    RV_TRY(name_of(name, url, request, err));
    char *shown = rv_url_display(url);
    if (!shown) return rv_fail_memory(err, strlen(url));
    json_t *kept =
        json_pack("{s:s, s:O, s:O}", "url", shown, "request", request, "response", response);
    free(shown);
    return put(keep, name, kept, err);
}

/* ---- what version 0.1 left: FOLDER/ab/abcdef....json, named as the questions are ---------------- */

/* A file goes when its answer is in the store; one that is no answer stays. */
static void take_over_file(const rv_keep *keep, const char *path, const char *name)
{
    char question[RV_HASH_HEX], *bytes;
    size_t length, digits = strspn(name, "0123456789abcdef");
    if (digits != RV_HASH_HEX - 1 || strcmp(name + digits, ".json") != 0 ||
        rv_read_file(&bytes, &length, path, KEPT_LIMIT, NULL) != RV_OK)
        return;
    snprintf(question, sizeof question, "%.*s", (int)digits, name);
    json_t *kept = json_loadb(bytes, length, JSON_ALLOW_NUL, NULL);
    free(bytes);
    bool whole = json_object_get(kept, "request") && json_object_get(kept, "response");
    const char *url = json_string_value(json_object_get(kept, "url"));
    char *shown = whole && url ? rv_url_display(url) : NULL; // a query is not kept any more
    if (shown && json_object_set_new(kept, "url", json_string(shown)) == 0) {
        if (put(keep, question, kept, NULL) == RV_OK) unlink(path);
    } else {
        json_decref(kept);
    }
    free(shown);
}

static void take_over_folder(const rv_keep *keep, const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        char *file = rv_path_join(path, e->d_name);
        if (file && e->d_name[0] != '.') take_over_file(keep, file, e->d_name);
        free(file);
    }
    if (folder) closedir(folder);
    rmdir(path); // where nothing is left
}

static void take_over(const rv_keep *keep)
{
    DIR *folder = opendir(keep->folder);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        char *path = rv_path_join(keep->folder, e->d_name);
        if (path && strlen(e->d_name) == 2 && strspn(e->d_name, "0123456789abcdef") == 2)
            take_over_folder(keep, path);
        free(path);
    }
    if (folder) closedir(folder);
}

/* ---- open and close -------------------------------------------------------------------------- */

rv_status rv_keep_open(rv_keep **out, const char *folder, rv_notice_fn notify, void *context,
                       rv_error *err)
{
    rv_keep *keep = NULL;
    char *cache = folder ? NULL : rv_cache_folder();
    *out = NULL;
    rv_status status = RV_NEW(keep, 1, err);
    if (status == RV_OK) status = rv_store_open(&keep->store, folder, notify, context, err);
    if (status == RV_OK) {
        keep->folder = folder  ? rv_strndup(folder, strlen(folder))
                       : cache ? rv_path_join(cache, "chat")
                               : NULL;
        status =
            keep->folder ? rv_store_make_durable(keep->store, err) : rv_fail_memory(err, 8);
    }
    free(cache);
    if (status != RV_OK) {
        rv_keep_close(keep);
        return rv_context(err, status, "cache of answers");
    }
    take_over(keep);
    *out = keep;
    return RV_OK;
}

void rv_keep_close(rv_keep *keep)
{
    if (!keep) return;
    rv_store_close(keep->store);
    free(keep->folder);
    free(keep);
}

/* ---- what could not be understood ------------------------------------------------------------ */

/* FOLDER/ab/abcdef....odd */
char *rv_keep_odd(const rv_keep *keep, const char *url, const json_t *request,
                  const char *bytes, size_t length)
{
    char name[RV_HASH_HEX], file[RV_HASH_HEX + 16];
    if (name_of(name, url, request, NULL) != RV_OK) return NULL;
    snprintf(file, sizeof file, "%.2s", name);
    char *folder = rv_path_join(keep->folder, file);
    snprintf(file, sizeof file, "%.2s/%s.odd", name, name);
    char *path = rv_path_join(keep->folder, file);
    bool kept = folder && path && rv_make_private_folders(folder, NULL) == RV_OK &&
                rv_write_private_file(path, bytes, length, NULL) == RV_OK;
    free(folder);
    if (kept) return path;
    free(path);
    return NULL;
}
