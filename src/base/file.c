#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static rv_status fail_errno(rv_error *err, const char *path, const char *what)
{
    int code = errno;
    return rv_fail(err, code == ENOENT ? RV_ERR_NOT_FOUND : RV_ERR_IO, "%s: %s: %s", path, what,
                   strerror(code));
}

/* Opens a regular file for reading and tells its length. */
static rv_status open_regular(int *out, size_t *length, const char *path, rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "cannot open");
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return rv_fail(err, RV_ERR_IO, "%s: expected a regular file", path);
    }
    *out = fd;
    *length = (size_t)info.st_size;
    return RV_OK;
}

rv_status rv_map_file(rv_mapping *out, const char *path, rv_error *err)
{
    *out = (rv_mapping){0};
    int fd;
    size_t length;
    RV_TRY(open_regular(&fd, &length, path, err));
    void *bytes = NULL;
    if (length) bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) return fail_errno(err, path, "cannot map");
    *out = (rv_mapping){bytes, length};
    return RV_OK;
}

void rv_unmap(rv_mapping *mapping)
{
    if (mapping->bytes) munmap((void *)mapping->bytes, mapping->length);
    *mapping = (rv_mapping){0};
}

void rv_mapping_forget(const rv_mapping *mapping, size_t first, size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), start = (first + page - 1) / page * page;
    size_t end = first + length < mapping->length ? first + length : mapping->length;
    if (start < end) madvise((void *)(mapping->bytes + start), end - start, MADV_DONTNEED);
}

rv_status rv_read_file(char **out, size_t *length, const char *path, size_t limit,
                       rv_error *err)
{
    *out = NULL;
    int fd;
    size_t size, got = 0;
    RV_TRY(open_regular(&fd, &size, path, err));
    if (size > limit) {
        close(fd);
        return rv_fail(err, RV_ERR_FORMAT, "%s: length: expected at most %zu bytes, found %zu",
                       path, limit, size);
    }
    char *bytes = malloc(size + 1);
    if (!bytes) {
        close(fd);
        return rv_fail_memory(err, size + 1);
    }
    while (got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            rv_status status = fail_errno(err, path, "cannot read");
            free(bytes);
            close(fd);
            return status;
        }
        if (n == 0) break;
        got += (size_t)n;
    }
    close(fd);
    bytes[got] = '\0';
    *out = bytes;
    if (length) *length = got;
    return RV_OK;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* A device or pipe is written to, never replaced by a file. */
static rv_status write_in_place(const char *path, const void *bytes, size_t length,
                                rv_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "cannot open");
    bool ok = write_all(fd, bytes, length);
    ok = (close(fd) == 0) && ok;
    return ok ? RV_OK : fail_errno(err, path, "cannot write");
}

static rv_status write_file(const char *path, const void *bytes, size_t length, mode_t mode,
                            rv_error *err)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return write_in_place(path, bytes, length, err);
    size_t room = strlen(path) + 16;
    char *temporary = malloc(room);
    if (!temporary) return rv_fail_memory(err, room);
    snprintf(temporary, room, "%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    if (fd < 0) {
        rv_status status = fail_errno(err, path, "cannot create");
        free(temporary);
        return status;
    }
    mode_t mask = umask(0);
    umask(mask);
    bool ok = write_all(fd, bytes, length) && fchmod(fd, mode & ~mask) == 0 && fsync(fd) == 0;
    ok = (close(fd) == 0) && ok;
    ok = ok && rename(temporary, path) == 0;
    rv_status status = RV_OK;
    if (!ok) {
        status = fail_errno(err, path, "cannot write");
        unlink(temporary);
    }
    free(temporary);
    return status;
}

rv_status rv_write_file(const char *path, const void *bytes, size_t length, rv_error *err)
{
    return write_file(path, bytes, length, 0666, err);
}

rv_status rv_write_private_file(const char *path, const void *bytes, size_t length,
                                rv_error *err)
{
    return write_file(path, bytes, length, 0600, err);
}

static rv_status make_folders(const char *path, mode_t mode, rv_error *err)
{
    char *copy = rv_strndup(path, strlen(path));
    if (!copy) return rv_fail_memory(err, strlen(path));
    rv_status status = RV_OK;
    for (char *p = copy + 1; status == RV_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            status = fail_errno(err, copy, "cannot create folder");
        *p = kept;
        if (kept == '\0') break;
    }
    if (status == RV_OK && !rv_folder_exists(copy))
        status = rv_fail(err, RV_ERR_IO, "%s: expected a folder", copy);
    free(copy);
    return status;
}

rv_status rv_make_folders(const char *path, rv_error *err)
{
    return make_folders(path, 0777, err);
}

rv_status rv_make_private_folders(const char *path, rv_error *err)
{
    return make_folders(path, 0700, err);
}

bool rv_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool rv_folder_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *rv_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool slash = length == 0 || folder[length - 1] == '/';
    size_t room = length + strlen(name) + 2;
    char *path = malloc(room);
    if (path) snprintf(path, room, "%s%s%s", folder, slash ? "" : "/", name);
    return path;
}

char *rv_cache_folder(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache) return rv_path_join(cache, "reverie");
    return home && *home ? rv_path_join(home, ".cache/reverie") : NULL;
}
