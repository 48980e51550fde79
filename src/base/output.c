#include "base/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* ---- the folder ------------------------------------------------------------------------------ */

/* Cuts the last part of a path: "a/b/" and "a/b" to "a", "a" to ".", "/a" to "/". */
static void cut_last(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    strcpy(path + n, n ? "" : ".");
}

rv_status rv_output_reachable(const char *path, bool made, rv_error *err)
{
    char *folder = malloc(strlen(path) + 2);
    if (!folder) return rv_fail_memory(err, strlen(path) + 2);
    cut_last(strcpy(folder, path));
    while (made && access(folder, F_OK) != 0 && errno == ENOENT) cut_last(folder);
    rv_status status = RV_OK;
    if (!rv_folder_exists(folder))
        status = rv_fail(err, RV_ERR_IO, "%s: cannot be written: there is no folder %s", path,
                         folder);
    else if (access(folder, W_OK | X_OK) != 0)
        status = rv_fail(err, RV_ERR_IO, "%s: cannot be written: folder %s: %s", path, folder,
                         strerror(errno));
    free(folder);
    return status;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether one of a folder's files, links followed, is this one and may not be written. */
static rv_status look_into(const char *path, const struct stat *output, const char *folder,
                           unsigned deep, rv_error *err)
{
    DIR *files = opendir(folder);
    rv_status status = RV_OK;
    for (struct dirent *entry; status == RV_OK && files && (entry = readdir(files));) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *name = rv_path_join(folder, entry->d_name);
        if (!name)
            status = rv_fail_memory(err, strlen(folder));
        else if (stat(name, &info) == 0 && S_ISREG(info.st_mode) && same(&info, output))
            status =
                rv_fail(err, RV_ERR_USAGE,
                        "%s: is a file of %s, which is read; name another file", path, folder);
        else if (deep && stat(name, &info) == 0 && S_ISDIR(info.st_mode))
            status = look_into(path, output, name, deep - 1, err);
        free(name);
    }
    if (files) closedir(files);
    return status;
}

rv_status rv_output_apart(const char *path, const char *input, rv_error *err)
{
    struct stat output, read;
    if (stat(path, &output) != 0 || stat(input, &read) != 0) return RV_OK;
    if (same(&output, &read))
        return rv_fail(err, RV_ERR_USAGE, "%s: is what is read; name another file", path);
    return S_ISDIR(read.st_mode) && S_ISREG(output.st_mode)
               ? look_into(path, &output, input, 2, err)
               : RV_OK;
}

/* The file's name and the folder it is in, as stat knows it. */
static bool place_of(struct stat *folder, const char **name, const char *path)
{
    char *copy = malloc(strlen(path) + 2);
    if (!copy) return false;
    cut_last(strcpy(copy, path));
    bool found = stat(copy, folder) == 0;
    free(copy);
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    return found;
}

bool rv_same_place(const char *a, const char *b)
{
    struct stat x, y;
    const char *name_a, *name_b;
    if (strcmp(a, b) == 0) return true;
    if (stat(a, &x) == 0 && stat(b, &y) == 0) return same(&x, &y);
    return place_of(&x, &name_a, a) && place_of(&y, &name_b, b) && same(&x, &y) &&
           strcmp(name_a, name_b) == 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

/* What a file of each kind begins with, and what its head holds. */
static const struct {
    const char *begins, *holds;
} signs[] = {
    [RV_OUTPUT_RUN] = {"{\"type\":", "\"run\""},
    [RV_OUTPUT_SURVEY] = {"{\"type\":\"survey\"", ""},
    [RV_OUTPUT_PAGE] = {"<!DOCTYPE html>", "content=\"Reverie\""},
    [RV_OUTPUT_PLOT] = {"<svg xmlns=", " class=\"plot"},
    [RV_OUTPUT_PICTURE] = {"\x89PNG\r\n", "Software\0Reverie"},
    [RV_OUTPUT_DREAMS] = {"{\"type\":", "\"image_dream\""},
    [RV_OUTPUT_NETWORK] = {"", "\"made_by\":\"reverie "},
    [RV_OUTPUT_RECORD] = {"{", "\"NeuronRecord\""},
    [RV_OUTPUT_SIMULATION] = {"{", "\"scored_sequence_simulations\""},
    [RV_OUTPUT_JOURNAL] = {"reverie", ""},
};

static const char *kind_name(rv_output_kind kind)
{
    static const char *const names[] = {
#define X(name, text) text,
        RV_OUTPUTS(X)
#undef X
    };
    return names[kind];
}

static rv_status read_head(char *head, size_t *length, const char *path, rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, head, *length) : -1;
    int why = errno;
    if (fd >= 0) close(fd);
    if (got < 0)
        return rv_fail(err, RV_ERR_IO, "%s: exists and cannot be read: %s", path,
                       strerror(why));
    *length = (size_t)got;
    return RV_OK;
}

rv_status rv_output_replaceable(const char *path, rv_output_kind kind, rv_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) return RV_OK;
    if (kind == RV_OUTPUT_FOLDER || S_ISDIR(info.st_mode)) {
        if ((kind == RV_OUTPUT_FOLDER) == (bool)S_ISDIR(info.st_mode)) return RV_OK;
        return rv_fail(err, RV_ERR_USAGE, "%s: expected %s, found a %s", path, kind_name(kind),
                       S_ISDIR(info.st_mode) ? "folder" : "file");
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) return RV_OK;
    char head[16384];
    size_t length = sizeof head;
    RV_TRY(read_head(head, &length, path, err));
    const char *begins = signs[kind].begins, *holds = signs[kind].holds;
    size_t holding = kind == RV_OUTPUT_PICTURE ? sizeof "Software\0Reverie" - 1 : strlen(holds);
    if (length >= strlen(begins) && memcmp(head, begins, strlen(begins)) == 0 &&
        memmem(head, length, holds, holding))
        return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "%s: exists and is not %s; name another file (--force replaces it)", path,
                   kind_name(kind));
}

/* ---- writing --------------------------------------------------------------------------------- */

/* CACHE/kept/NAME.N for a result of this name, malloc'ed; NULL: nowhere. */
static char *refuge(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *cache = rv_cache_folder();
    char *folder = cache ? rv_path_join(cache, "kept") : NULL;
    rv_text text = {0};
    if (folder && rv_make_folders(folder, NULL) == RV_OK)
        for (unsigned n = 1; n < 10000 && !text.failed; n++) {
            text.length = 0;
            rv_text_printf(&text, "%s/%s.%u", folder, name, n);
            if (!text.failed && access(text.bytes, F_OK) != 0) break;
        }
    free(folder);
    free(cache);
    return text.length ? rv_text_take(&text) : NULL;
}

rv_status rv_output_write(const char *path, const void *bytes, size_t length, rv_error *err)
{
    rv_error why;
    rv_status status = rv_write_file(path, bytes, length, &why);
    if (status == RV_OK) return status;
    struct stat info;
    bool device = stat(path, &info) == 0 && !S_ISREG(info.st_mode);
    char *kept = device ? NULL : refuge(path);
    if (kept && rv_write_file(kept, bytes, length, NULL) == RV_OK)
        rv_fail(err, status, "%s; what was to be written is kept in %s", why.message, kept);
    else
        rv_fail(err, status, "%s", why.message);
    free(kept);
    return status;
}
