#include "explain/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/url.h"

enum { KEPT_LIMIT = 256 << 20 };

struct rv_keep {
    char *folder;
};

/* Fails now rather than when an answer waits to be saved. */
static rv_status try_to_write(const char *folder, rv_error *err)
{
    char *path = rv_path_join(folder, ".try");
    rv_status status = path ? rv_write_private_file(path, "", 0, err) : rv_fail_memory(err, 8);
    if (path) unlink(path);
    free(path);
    return status;
}

rv_status rv_keep_open(rv_keep **out, const char *folder, rv_error *err)
{
    rv_keep *keep = NULL;
    char *cache = folder ? NULL : rv_cache_folder();
    *out = NULL;
    if (!folder && !cache)
        return rv_fail(err, RV_ERR_USAGE,
                       "no place for the cache of answers: set XDG_CACHE_HOME or HOME, or do "
                       "without it");
    rv_status status = RV_NEW(keep, 1, err);
    if (status == RV_OK) {
        keep->folder =
            folder ? rv_strndup(folder, strlen(folder)) : rv_path_join(cache, "chat");
        status =
            keep->folder ? rv_make_private_folders(keep->folder, err) : rv_fail_memory(err, 8);
    }
    free(cache);
    if (status == RV_OK) status = try_to_write(keep->folder, err);
    if (status != RV_OK) {
        rv_keep_close(keep);
        return rv_context(err, status, "cache of answers");
    }
    *out = keep;
    return RV_OK;
}

void rv_keep_close(rv_keep *keep)
{
    if (!keep) return;
    free(keep->folder);
    free(keep);
}

/* FOLDER/ab/abcdef...SUFFIX, malloc'ed. */
static rv_status path_of(char **out, const rv_keep *keep, const char *url,
                         const json_t *request, const char *suffix, rv_error *err)
{
    char name[RV_HASH_HEX + 16], hex[RV_HASH_HEX];
    rv_hash *hash;
    *out = NULL;
    char *text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) return rv_fail_memory(err, 1);
    rv_status status = rv_hash_new(&hash, RV_SHA256, err);
    if (status == RV_OK) {
        rv_hash_add(hash, url, strlen(url) + 1);
        rv_hash_add(hash, text, strlen(text));
        rv_hash_finish(hash, hex);
        rv_hash_free(hash);
        snprintf(name, sizeof name, "%.2s/%s%s", hex, hex, suffix);
        *out = rv_path_join(keep->folder, name);
        if (!*out) status = rv_fail_memory(err, sizeof name);
    }
    free(text);
    return status;
}

rv_status rv_keep_find(const rv_keep *keep, json_t **response, const char *url,
                       const json_t *request, rv_error *err)
{
    char *path, *text = NULL;
    size_t length;
    *response = NULL;
    RV_TRY(path_of(&path, keep, url, request, ".json", err));
    char *shown = rv_url_display(url);
    if (shown && rv_read_file(&text, &length, path, KEPT_LIMIT, NULL) == RV_OK) {
        json_t *kept = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
        const char *from = json_string_value(json_object_get(kept, "url"));
        if (from && strcmp(from, shown) == 0 &&
            json_equal(json_object_get(kept, "request"), request))
            *response = json_incref(json_object_get(kept, "response"));
        json_decref(kept);
        free(text);
    }
    free(shown);
    free(path);
    return RV_OK;
}

static rv_status make_parent(char *path, rv_error *err)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    rv_status status = rv_make_private_folders(path, err);
    *slash = '/';
    return status;
}

rv_status rv_keep_store(const rv_keep *keep, const char *url, const json_t *request,
                        const json_t *response, rv_error *err)
{
    char *path;
    RV_TRY(path_of(&path, keep, url, request, ".json", err));
    char *shown = rv_url_display(url);
    json_t *kept =
        json_pack("{s:s, s:O, s:O}", "url", shown, "request", request, "response", response);
    char *text = kept ? json_dumps(kept, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(kept);
    rv_status status = text ? make_parent(path, err) : rv_fail_memory(err, 1);
    if (status == RV_OK) status = rv_write_private_file(path, text, strlen(text), err);
    free(shown);
    free(text);
    free(path);
    return status;
}

char *rv_keep_odd(const rv_keep *keep, const char *url, const json_t *request,
                  const char *bytes, size_t length)
{
    char *path;
    if (path_of(&path, keep, url, request, ".odd", NULL) != RV_OK) return NULL;
    if (make_parent(path, NULL) == RV_OK &&
        rv_write_private_file(path, bytes, length, NULL) == RV_OK)
        return path;
    free(path);
    return NULL;
}
