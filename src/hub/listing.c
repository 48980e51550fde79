#include "hub/listing.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/url.h"

enum { PAGES_MAX = 200, ENTRIES_MAX = 200000, DEPTH_MAX = 8 };

void rv_hub_listing_release(rv_hub_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) free(listing->entries[i].path);
    free(listing->entries);
    *listing = (rv_hub_listing){0};
}

/* Appends a copy of the entry, with a copy of its path. */
static rv_status add_entry(rv_hub_listing *listing, rv_hub_entry entry, rv_error *err)
{
    if (listing->count == ENTRIES_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "the repository has more than %d files",
                       ENTRIES_MAX);
    RV_TRY(rv_grow((void **)&listing->entries, &listing->capacity, listing->count + 1,
                   sizeof entry, err));
    entry.path = rv_strndup(entry.path, strlen(entry.path));
    if (!entry.path) return rv_fail_memory(err, 1);
    listing->entries[listing->count++] = entry;
    return RV_OK;
}

const rv_hub_entry *rv_hub_find(const rv_hub_listing *listing, const char *path)
{
    for (size_t i = 0; i < listing->count; i++)
        if (strcmp(listing->entries[i].path, path) == 0) return &listing->entries[i];
    return NULL;
}

/* ---- from the hub --------------------------------------------------------------------------- */

/* ENDPOINT/api/models/REPOSITORY/KIND/REVISION[?query] */
static char *api_address(const rv_hub_session *session, const char *kind, const char *revision,
                         const char *query)
{
    rv_text url = {0};
    rv_text_printf(&url, "%s/api/models/%s/%s/", session->endpoint, session->name->repository,
                   kind);
    rv_url_escape(&url, revision, "");
    rv_text_puts(&url, query);
    return rv_text_take(&url);
}

rv_status rv_hub_ask_commit(char commit[RV_COMMIT_TEXT], rv_hub_session *session, rv_error *err)
{
    const char *revision = session->name->revision;
    if (rv_hub_is_commit(revision)) {
        memcpy(commit, revision, strlen(revision) + 1);
        return RV_OK;
    }
    char *url = api_address(session, "revision", revision, "");
    if (!url) return rv_fail_memory(err, 1);
    json_t *answer;
    rv_status status = rv_hub_get_json(&answer, NULL, session, url, err);
    free(url);
    if (status != RV_OK) return status;
    const char *sha = json_string_value(json_object_get(answer, "sha"));
    if (sha && rv_hub_is_commit(sha))
        memcpy(commit, sha, strlen(sha) + 1);
    else
        status = rv_fail(err, RV_ERR_FORMAT,
                         "%s: sha: expected a commit in the hub's answer, found %.80s",
                         session->name->repository, sha ? sha : "none");
    json_decref(answer);
    return status;
}

static bool is_digest(const char *text, size_t length)
{
    return text && strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static void take_digest(rv_hub_entry *entry, const char *digest)
{
    if (!is_digest(digest, 40) && !is_digest(digest, 64)) return;
    entry->kind = strlen(digest) == 64 ? RV_SHA256 : RV_SHA1;
    memcpy(entry->digest, digest, strlen(digest) + 1);
}

/* {"type": "file", "path": ..., "size": ..., "oid": SHA-1, "lfs": {"oid": SHA-256, "size": ...}} */
static rv_status read_entry(rv_hub_listing *listing, const json_t *item, rv_error *err)
{
    const char *type = json_string_value(json_object_get(item, "type"));
    const char *path = json_string_value(json_object_get(item, "path"));
    if (!type || !path)
        return rv_fail(err, RV_ERR_FORMAT, "the hub lists a file without a type or a path");
    if (strcmp(type, "file") != 0) return RV_OK;
    const json_t *lfs = json_object_get(item, "lfs");
    bool large = json_is_object(lfs);
    const char *digest = json_string_value(json_object_get(large ? lfs : item, "oid"));
    const json_t *size = json_object_get(large ? lfs : item, "size");
    if (!is_digest(digest, large ? 64 : 40))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%.200s: oid: expected %d hexadecimal digits in the hub's listing", path,
                       large ? 64 : 40);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%.200s: size: expected a number of bytes in the hub's listing", path);
    rv_hub_entry entry = {.path = (char *)path, .size = (uint64_t)json_integer_value(size)};
    take_digest(&entry, digest);
    return add_entry(listing, entry, err);
}

rv_status rv_hub_read_page(rv_hub_listing *listing, const json_t *items, rv_error *err)
{
    if (!json_is_array(items))
        return rv_fail(err, RV_ERR_FORMAT, "expected a list of files from the hub");
    for (size_t i = 0; i < json_array_size(items); i++)
        RV_TRY(read_entry(listing, json_array_get(items, i), err));
    return RV_OK;
}

rv_status rv_hub_ask_listing(rv_hub_listing *out, rv_hub_session *session, const char *commit,
                             rv_error *err)
{
    *out = (rv_hub_listing){0};
    char *url = api_address(session, "tree", commit, "?recursive=true");
    rv_status status = url ? RV_OK : rv_fail_memory(err, 1);
    for (int page = 0; status == RV_OK && url; page++) {
        json_t *items = NULL;
        char *next = NULL;
        if (page == PAGES_MAX)
            status =
                rv_fail(err, RV_ERR_FORMAT, "the listing has more than %d pages", PAGES_MAX);
        if (status == RV_OK) status = rv_hub_get_json(&items, &next, session, url, err);
        if (status == RV_OK) status = rv_hub_read_page(out, items, err);
        if (status == RV_ERR_FORMAT) rv_context(err, status, "%s", session->name->repository);
        json_decref(items);
        free(url);
        url = next;
    }
    free(url);
    if (status != RV_OK) rv_hub_listing_release(out);
    return status;
}

/* ---- from a folder -------------------------------------------------------------------------- */

/* A file or a link to ../../blobs/DIGEST. */
static rv_status add_file(rv_hub_listing *out, char *path, const char *full, off_t size,
                          rv_error *err)
{
    char target[4096];
    ssize_t length = readlink(full, target, sizeof target - 1);
    rv_hub_entry entry = {.path = path, .size = (uint64_t)size};
    target[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(target, '/');
    if (slash) take_digest(&entry, slash + 1);
    return add_entry(out, entry, err);
}

static rv_status read_folder(rv_hub_listing *out, const char *root, const char *inside,
                             int depth, rv_error *err)
{
    rv_status status = RV_OK;
    char *folder = rv_path_join(root, inside);
    DIR *stream = folder ? opendir(folder) : NULL;
    for (struct dirent *item; status == RV_OK && stream && (item = readdir(stream));) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
        rv_text path = {0};
        rv_text_printf(&path, "%s%s%s", inside, *inside ? "/" : "", item->d_name);
        char *full = path.failed ? NULL : rv_path_join(root, path.bytes);
        struct stat info;
        if (!full)
            status = rv_fail_memory(err, 1);
        else if (stat(full, &info) != 0) {
        } // a link whose blob is gone
        else if (S_ISREG(info.st_mode))
            status = add_file(out, path.bytes, full, info.st_size, err);
        else if (S_ISDIR(info.st_mode) && depth < DEPTH_MAX)
            status = read_folder(out, root, path.bytes, depth + 1, err);
        free(full);
        rv_text_release(&path);
    }
    if (stream) closedir(stream);
    if (!folder) status = rv_fail_memory(err, 1);
    free(folder);
    return status;
}

rv_status rv_hub_read_listing(rv_hub_listing *out, const char *folder, rv_error *err)
{
    *out = (rv_hub_listing){0};
    rv_status status = read_folder(out, folder, "", 0, err);
    if (status != RV_OK) rv_hub_listing_release(out);
    return status;
}
