#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "hub/blob.h"
#include "base/json.h"

enum { QUICK = 64 << 20 }; /* bytes that are read in the blink of an eye */

rv_get_params rv_get_params_default(void)
{
    return (rv_get_params){.size = sizeof(rv_get_params), .retries = 5, .timeout = 60};
}

void rv_get_result_release(rv_get_result *result)
{
    for (size_t i = 0; i < result->file_count; i++) free(result->files[i].path);
    free(result->files);
    for (size_t i = 0; i < result->left_out_count; i++) free(result->left_out[i]);
    free(result->left_out);
    free(result->repository);
    free(result->revision);
    free(result->snapshot);
    *result = (rv_get_result){0};
}

/* Everything one call works with. */
typedef struct getting {
    const rv_get_params *params;
    rv_get_params inner; /* the same, with the progress of the whole in place of one file's */
    rv_hub_name name;
    rv_hub_place place;
    rv_hub_session session;
    rv_hub_listing listing;
    bool *chosen;
    bool offline;
    const rv_hub_entry *current; /* the file that is being fetched */
    double before, total;        /* bytes of the finished files, of all */
} getting;

/* Turns bytes of one file into megabytes of all. */
static bool on_progress(void *context, const rv_progress *event)
{
    getting *g = context;
    if (!g->params->progress) return true;
    rv_progress all = *event;
    if (g->current) {
        bool large = g->total >= 1e7;
        double unit = large ? 1e6 : 1e3;
        all.what = g->name.repository;
        all.unit = large ? "MB" : "kB";
        all.done = (g->before + event->done) / unit;
        all.total = g->total / unit;
        if (!all.note) all.note = g->current->path;
    }
    return g->params->progress(g->params->progress_context, &all);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static rv_status find_place(getting *g, rv_error *err)
{
    if (g->params->cache)
        g->place.root = rv_strndup(g->params->cache, strlen(g->params->cache));
    else
        RV_TRY(rv_hub_root(&g->place.root, err));
    if (g->place.root)
        g->place.folder = rv_hub_repository_folder(g->place.root, g->name.repository);
    return g->place.folder ? RV_OK : rv_fail_memory(err, 1);
}

static rv_status find_snapshot(getting *g, rv_error *err)
{
    g->place.snapshot = rv_hub_inside(g->place.folder, "snapshots", g->place.commit, NULL);
    return g->place.snapshot ? RV_OK : rv_fail_memory(err, 1);
}

/* Offline, the listing is what the snapshot holds. */
static rv_status list_offline(getting *g, rv_error *err)
{
    if (!rv_hub_commit_of(g->place.commit, g->place.folder, g->name.revision))
        return rv_fail(err, RV_ERR_NOT_FOUND,
                       "%s: offline, and %s knows no revision '%s' of it", g->name.repository,
                       g->place.root, g->name.revision);
    RV_TRY(find_snapshot(g, err));
    if (!rv_folder_exists(g->place.snapshot))
        return rv_fail(err, RV_ERR_NOT_FOUND, "%s: offline, and there is no %s",
                       g->name.repository, g->place.snapshot);
    return rv_hub_read_listing(&g->listing, g->place.snapshot, err);
}

static rv_status list_online(getting *g, rv_error *err)
{
    RV_TRY(rv_hub_session_open(&g->session, &g->name, &g->inner, err));
    RV_TRY(rv_hub_ask_commit(g->place.commit, &g->session, err));
    RV_TRY(find_snapshot(g, err));
    return rv_hub_ask_listing(&g->listing, &g->session, g->place.commit, err);
}

/* Fetches one file, unless this is offline, where all that is listed is there. */
static rv_status fetch(getting *g, const rv_hub_entry *entry, bool *fetched, rv_error *err)
{
    *fetched = false;
    g->current = entry;
    rv_status status =
        g->offline ? RV_OK : rv_hub_fetch(fetched, &g->session, &g->place, entry, err);
    g->current = NULL;
    return status;
}

/* What is in the cache is read again where that is quick or was asked for. */
static bool is_checked(const getting *g, const rv_hub_entry *entry, bool fetched)
{
    return entry->digest[0] && (fetched || g->params->check || entry->size <= QUICK);
}

static rv_status check(getting *g, const rv_hub_entry *entry, bool fetched, rv_error *err)
{
    if (fetched || !is_checked(g, entry, fetched)) return RV_OK;
    g->current = entry;
    rv_status status = rv_hub_check(&g->place, entry, g->inner.progress, g, err);
    g->current = NULL;
    return status;
}

static rv_status choose(getting *g, rv_error *err)
{
    const rv_hub_entry *index;
    bool fetched;
    RV_TRY(RV_NEW(g->chosen, g->listing.count, err));
    RV_TRY(rv_hub_choose(g->chosen, &index, &g->listing, &g->name, g->params, err));
    if (!index) return RV_OK;
    RV_TRY(fetch(g, index, &fetched, err));
    char *path = rv_path_join(g->place.snapshot, index->path);
    if (!path) return rv_fail_memory(err, 1);
    rv_status status = rv_hub_choose_shards(g->chosen, &g->listing, path, err);
    free(path);
    return status;
}

/* Programs that make backups pass over folders with this file (https://bford.info/cachedir). Not
 * worth a failure. */
static void tag_cache(const getting *g)
{
    static const char tag[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# Models that can be fetched again. See https://bford.info/cachedir\n";
    char *path = rv_path_join(g->place.root, "CACHEDIR.TAG");
    if (path && !rv_file_exists(path)) rv_write_file(path, tag, sizeof tag - 1, NULL);
    free(path);
}

/* Looks whether all will fit on the disk before the first byte is fetched. */
static rv_status check_room(getting *g, rv_error *err)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < g->listing.count; i++) {
        if (!g->chosen[i]) continue;
        const rv_hub_entry *entry = &g->listing.entries[i];
        g->total += (double)entry->size;
        if (__builtin_add_overflow(missing, rv_hub_missing(&g->place, entry), &missing))
            missing = UINT64_MAX;
    }
    struct statvfs disk;
    if (missing == 0 || statvfs(g->place.folder, &disk) != 0) return RV_OK;
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (missing <= free_bytes) return RV_OK;
    return rv_fail(err, RV_ERR_IO,
                   "%s: %.1f MB are to be fetched, the disk has room for %.1f MB",
                   g->place.root, (double)missing / 1e6, (double)free_bytes / 1e6);
}

static rv_status fetch_all(rv_get_result *out, getting *g, rv_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < g->listing.count; i++) count += g->chosen[i];
    RV_TRY(RV_NEW(out->files, count, err));
    for (size_t i = 0; i < g->listing.count; i++) {
        if (!g->chosen[i]) continue;
        const rv_hub_entry *entry = &g->listing.entries[i];
        rv_get_file *file = &out->files[out->file_count];
        file->path = rv_strndup(entry->path, strlen(entry->path));
        if (!file->path) return rv_fail_memory(err, strlen(entry->path));
        out->file_count++;
        file->bytes = entry->size;
        RV_TRY(fetch(g, entry, &file->fetched, err));
        RV_TRY(check(g, entry, file->fetched, err));
        if (is_checked(g, entry, file->fetched))
            memcpy(file->digest, entry->digest, sizeof file->digest);
        g->before += (double)entry->size;
    }
    return RV_OK;
}

/* Names the weights that stay where they are. */
static rv_status list_left_out(rv_get_result *out, const getting *g, rv_error *err)
{
    RV_TRY(RV_NEW(out->left_out, g->listing.count, err));
    for (size_t i = 0; i < g->listing.count; i++) {
        const char *path = g->listing.entries[i].path;
        if (g->chosen[i] || !rv_hub_is_weights(path)) continue;
        char *copy = rv_strndup(path, strlen(path));
        if (!copy) return rv_fail_memory(err, strlen(path));
        out->left_out[out->left_out_count++] = copy;
    }
    return RV_OK;
}

/* Notes what the revision stands for, now that it is there. */
static rv_status write_ref(const getting *g, rv_error *err)
{
    char known[RV_COMMIT_TEXT];
    if (g->offline || rv_hub_is_commit(g->name.revision)) return RV_OK;
    if (rv_hub_commit_of(known, g->place.folder, g->name.revision) &&
        strcmp(known, g->place.commit) == 0)
        return RV_OK;
    rv_text path = {0};
    rv_text_printf(&path, "%s/refs/%s", g->place.folder, g->name.revision);
    if (path.failed) return rv_fail_memory(err, 1);
    char *end = strrchr(path.bytes, '/');
    *end = '\0';
    rv_status status = rv_make_folders(path.bytes, err);
    *end = '/';
    if (status == RV_OK)
        status = rv_write_file(path.bytes, g->place.commit, strlen(g->place.commit), err);
    rv_text_release(&path);
    return status;
}

static rv_status describe(rv_get_result *out, getting *g, rv_error *err)
{
    out->repository = rv_strndup(g->name.repository, strlen(g->name.repository));
    out->revision = rv_strndup(g->name.revision, strlen(g->name.revision));
    out->snapshot = rv_strndup(g->place.snapshot, strlen(g->place.snapshot));
    memcpy(out->commit, g->place.commit, sizeof out->commit);
    return out->repository && out->revision && out->snapshot ? RV_OK : rv_fail_memory(err, 1);
}

rv_status rv_hub_get(rv_get_result *out, const char *name, const rv_get_params *params,
                     rv_error *err)
{
    *out = (rv_get_result){0};
    getting g = {.params = params, .inner = *params};
    if (!(g.inner.timeout > 0)) g.inner.timeout = rv_get_params_default().timeout;
    g.inner.progress = on_progress;
    g.inner.progress_context = &g;
    g.offline = g.params->offline || rv_hub_is_offline();
    rv_status status = rv_hub_name_parse(&g.name, name, err);
    if (status != RV_OK) return status;
    RV_GOTO(find_place(&g, err));
    RV_GOTO(g.offline ? list_offline(&g, err) : list_online(&g, err));
    RV_GOTO(choose(&g, err));
    if (!g.offline) {
        RV_GOTO(rv_make_folders(g.place.folder, err));
        tag_cache(&g);
        RV_GOTO(check_room(&g, err));
    }
    RV_GOTO(fetch_all(out, &g, err));
    if (!g.name.file && !g.params->file_count) RV_GOTO(list_left_out(out, &g, err));
    RV_GOTO(write_ref(&g, err));
    status = describe(out, &g, err);
done:
    if (status == RV_ERR_CANCELLED)
        rv_fail(err, status,
                "%s: cancelled; what was fetched is kept, the same command goes on from there",
                name);
    if (status != RV_OK) rv_get_result_release(out);
    if (!g.offline) rv_hub_session_close(&g.session);
    rv_hub_listing_release(&g.listing);
    free(g.chosen);
    free(g.place.root);
    free(g.place.folder);
    free(g.place.snapshot);
    rv_hub_name_release(&g.name);
    return status;
}

static json_t *file_to_json(const rv_get_file *file)
{
    json_t *item = json_pack("{s:s, s:I, s:b}", "path", file->path, "bytes",
                             (json_int_t)file->bytes, "fetched", file->fetched);
    const char *kind = strlen(file->digest) == 64 ? "sha256" : "git_blob";
    if (file->digest[0]) json_object_set_new(item, kind, json_string(file->digest));
    return item;
}

rv_status rv_get_result_json(char **out, const rv_get_result *result, rv_error *err)
{
    json_t *files = json_array();
    for (size_t i = 0; i < result->file_count; i++)
        json_array_append_new(files, file_to_json(&result->files[i]));
    return rv_json_result(out,
                          json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "repository",
                                    result->repository, "revision", result->revision, "commit",
                                    result->commit, "snapshot", result->snapshot, "files",
                                    files, "left_out",
                                    rv_json_strings(result->left_out, result->left_out_count)),
                          err);
}
