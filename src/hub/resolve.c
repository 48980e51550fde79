#include "hub/resolve.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "hub/cache.h"
#include "hub/listing.h"

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static bool holds(const char *folder, const char *name)
{
    char *path = rv_path_join(folder, name);
    bool found = path && rv_file_exists(path);
    free(path);
    return found;
}

/* GGUF files of folder/inside, and of its subfolders if `deep`, whose name contains `part` (any case; ""
 * fits all): how many, and the alphabetically first. *names lists up to eight of them. */
static size_t find_gguf(char **first, rv_text *names, const char *folder, const char *inside,
                        const char *part, bool deep)
{
    size_t count = 0;
    char *place = rv_path_join(folder, inside);
    DIR *stream = place ? opendir(place) : NULL;
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.') continue;
        char *name = *inside ? rv_path_join(inside, entry->d_name)
                             : rv_strndup(entry->d_name, strlen(entry->d_name));
        char *path = name ? rv_path_join(folder, name) : NULL;
        if (path && deep && rv_folder_exists(path)) {
            count += find_gguf(first, names, folder, name, part, false);
        } else if (path && rv_hub_is_gguf(name) && strcasestr(name, part) &&
                   rv_file_exists(path)) {
            if (names->length < 1000)
                rv_text_printf(names, "%s%s", names->length ? ", " : "", name);
            count++;
            if (!*first || strcmp(*first, name) > 0) {
                free(*first);
                *first = name;
                name = NULL;
            }
        }
        free(name);
        free(path);
    }
    if (stream) closedir(stream);
    free(place);
    return count;
}

static bool holds_model(const char *folder)
{
    return holds(folder, "config.json") && (holds(folder, "model.safetensors") ||
                                            holds(folder, "model.safetensors.index.json"));
}

/* A folder that holds no model itself, but one GGUF file, stands for that file. `part` narrows the
 * choice, and is then required to fit. */
static rv_status choose_inside(char **path, const char *folder, const char *part, bool deep,
                               rv_error *err)
{
    rv_status status = RV_OK;
    rv_text names = {0};
    char *first = NULL;
    if (part && holds(folder, part)) {
        *path = rv_path_join(folder, part);
    } else if (!part && holds_model(folder)) {
        *path = rv_strndup(folder, strlen(folder));
    } else {
        size_t count = find_gguf(&first, &names, folder, "", part ? part : "", false);
        if (!count && deep)
            count = find_gguf(&first, &names, folder, "", part ? part : "", true);
        if (count > 1)
            status = rv_fail(err, RV_ERR_USAGE, "%s: %zu GGUF files fit, name one of them: %s",
                             folder, count, names.bytes);
        else if (count == 1)
            *path = first ? rv_path_join(folder, first) : NULL;
        else if (part)
            status = rv_fail(err, RV_ERR_NOT_FOUND,
                             "%s: no file '%s' and no GGUF file of that kind", folder, part);
        else
            *path = rv_strndup(folder, strlen(folder));
    }
    if (status == RV_OK && !*path) status = rv_fail_memory(err, strlen(folder));
    free(first);
    rv_text_release(&names);
    return status;
}

/* Reverie's own cache: models/NAME.gguf, models/NAME (a file or a folder). *path stays NULL if it
 * is not there. */
static rv_status in_own_cache(char **path, rv_text *searched, const char *name, rv_error *err)
{
    char *cache = rv_cache_folder();
    if (!cache || !rv_hub_path_is_safe(name)) {
        free(cache);
        return RV_OK;
    }
    rv_status status = RV_OK;
    rv_text plain = {0}, gguf = {0};
    rv_text_printf(&plain, "%s/models/%s", cache, name);
    rv_text_printf(&gguf, "%s/models/%s.gguf", cache, name);
    rv_text_printf(searched, ", %s/models/%s[.gguf]", cache, name);
    if (plain.failed || gguf.failed)
        status = rv_fail_memory(err, strlen(cache));
    else if (rv_file_exists(gguf.bytes))
        *path = rv_text_take(&gguf);
    else if (rv_file_exists(plain.bytes))
        *path = rv_text_take(&plain);
    else if (rv_folder_exists(plain.bytes))
        status = choose_inside(path, plain.bytes, NULL, false, err);
    rv_text_release(&plain);
    rv_text_release(&gguf);
    free(cache);
    return status;
}

/* What a repository folder holds, for the user who asked for a revision that it does not. */
static void describe_repository(rv_text *searched, const char *folder, const rv_hub_name *name)
{
    char *snapshots = rv_path_join(folder, "snapshots");
    DIR *stream = snapshots ? opendir(snapshots) : NULL;
    size_t count = 0;
    for (struct dirent *entry; stream && count < 4 && (entry = readdir(stream));)
        if (rv_hub_is_commit(entry->d_name))
            rv_text_printf(searched, "%s%s", count++ ? ", " : " (it holds revision ",
                           entry->d_name);
    rv_text_printf(searched, "%s", count ? ")" : "");
    if (!count && rv_folder_exists(folder))
        rv_text_printf(searched, " (without any file of '%s')", name->revision);
    if (stream) closedir(stream);
    free(snapshots);
}

static rv_status in_hub_cache(char **path, rv_text *searched, const rv_hub_name *name,
                              rv_error *err)
{
    char *root = NULL, *folder = NULL, *snapshot = NULL, *absent = NULL, commit[RV_COMMIT_TEXT];
    rv_status status = RV_OK;
    RV_GOTO(rv_hub_root(&root, err));
    folder = rv_hub_repository_folder(root, name->repository);
    if (!folder) RV_GOTO(rv_fail_memory(err, strlen(root)));
    rv_text_printf(searched, ", %s", folder);
    bool known = rv_hub_commit_of(commit, folder, name->revision);
    if (known) {
        snapshot = rv_hub_inside(folder, "snapshots", commit, NULL);
        absent = name->file ? rv_hub_inside(folder, ".no_exist", commit, name->file) : NULL;
        if (!snapshot || (name->file && !absent)) RV_GOTO(rv_fail_memory(err, strlen(folder)));
        if (absent && rv_file_exists(absent))
            status = rv_fail(err, RV_ERR_NOT_FOUND,
                             "%s: revision %s of this repository has no file '%s'",
                             name->repository, name->revision, name->file);
        else if (rv_folder_exists(snapshot))
            status = choose_inside(path, snapshot, name->file, true, err);
    }
    if (status == RV_OK && !*path) describe_repository(searched, folder, name);
done:
    free(root);
    free(folder);
    free(snapshot);
    free(absent);
    return status;
}

/* Something that is meant as a path and as nothing else. */
static bool is_plain_path(const char *name)
{
    static const char *const endings[] = {".gguf", ".safetensors", ".bin", ".json", "/"};
    if (strchr("/.~", name[0])) return true;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ends_with(name, endings[i]) && !strchr(name, ':')) return true;
    return false;
}

static rv_status fail_not_found(const char *name, const rv_hub_name *hub, const char *searched,
                                rv_error *err)
{
    if (hub->repository && strchr(hub->repository, '/'))
        return rv_fail(err, RV_ERR_NOT_FOUND,
                       "%s: no such model; searched: %s; to fetch it: reverie get %s%s%s", name,
                       searched, hub->repository, hub->pinned ? "@" : "",
                       hub->pinned ? hub->revision : "");
    return rv_fail(
        err, RV_ERR_NOT_FOUND,
        "%s: no such model; searched: %s; to fetch one: tools/get-model smollm2-135m, or "
        "reverie get OWNER/NAME",
        name, searched);
}

rv_status rv_resolve_model(char **path, const char *name, rv_error *err)
{
    *path = NULL;
    if (!*name)
        return rv_fail(err, RV_ERR_USAGE, "expected a model: a file, a folder, or a name");
    if (rv_folder_exists(name)) return choose_inside(path, name, NULL, false, err);
    if (rv_file_exists(name)) {
        *path = rv_strndup(name, strlen(name));
        return *path ? RV_OK : rv_fail_memory(err, strlen(name));
    }
    if (is_plain_path(name))
        return rv_fail(err, RV_ERR_NOT_FOUND, "%s: no such file or folder", name);

    rv_text searched = {0};
    rv_hub_name hub = {0};
    rv_text_printf(&searched, "./%s", name);
    rv_status status = in_own_cache(path, &searched, name, err);
    if (status == RV_OK && !*path) {
        status = rv_hub_name_parse(&hub, name, err);
        if (status == RV_OK)
            status = in_hub_cache(path, &searched, &hub, err);
        else if (!strpbrk(name, "/@:"))
            status = RV_OK; // a plain name, just not there
    }
    if (status == RV_OK && !*path)
        status = searched.failed ? rv_fail_memory(err, strlen(name))
                                 : fail_not_found(name, &hub, searched.bytes, err);
    rv_hub_name_release(&hub);
    rv_text_release(&searched);
    return status;
}
