#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

enum { PIECE = 1 << 20, SETTLED_SECONDS = 3 };

static rv_status fail_errno(const char *path, const char *what, rv_error *err)
{
    return rv_fail(err, errno == ENOENT ? RV_ERR_NOT_FOUND : RV_ERR_IO, "%s: %s: %s", path,
                   what, strerror(errno));
}

static rv_status stamp(rv_text *out, struct stat *info, const char *path, rv_error *err)
{
    if (stat(path, info) != 0) return fail_errno(path, "cannot open", err);
    char *whole = realpath(path, NULL);
    rv_text_printf(out, "%s %llu %llu %lld %lld.%09ld %lld.%09ld", whole ? whole : path,
                   (unsigned long long)info->st_dev, (unsigned long long)info->st_ino,
                   (long long)info->st_size, (long long)info->st_mtim.tv_sec,
                   info->st_mtim.tv_nsec, (long long)info->st_ctim.tv_sec,
                   info->st_ctim.tv_nsec);
    free(whole);
    return out->failed ? rv_fail_memory(err, out->length) : RV_OK;
}

rv_status rv_file_stamp(rv_text *out, const char *path, rv_error *err)
{
    struct stat info;
    return stamp(out, &info, path, err);
}

static rv_status read_all(char out[RV_HASH_HEX], int fd, const char *path, double total,
                          rv_progress_fn progress, void *context, rv_error *err)
{
    rv_hash *hash;
    char *piece = malloc(PIECE);
    if (!piece) return rv_fail_memory(err, PIECE);
    rv_progress event = {"reading", "bytes", path, 0, total};
    rv_status status = rv_hash_new(&hash, RV_SHA256, err);
    for (ssize_t n = 1; status == RV_OK && n;) {
        n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = fail_errno(path, "cannot read", err);
        if (n <= 0) break;
        rv_hash_add(hash, piece, (size_t)n);
        event.done += (double)n;
        if (progress && !progress(context, &event))
            status = rv_fail(err, RV_ERR_CANCELLED, "%s: reading it was cancelled", path);
    }
    if (status == RV_OK) rv_hash_finish(hash, out);
    rv_hash_free(hash);
    free(piece);
    return status;
}

static rv_status digest_of(char out[RV_HASH_HEX], const char *path, double total,
                           rv_progress_fn progress, void *context, rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(path, "cannot open", err);
    rv_status status = read_all(out, fd, path, total, progress, context, err);
    close(fd);
    return status;
}

/* Unchanged since it was first looked at, and old enough that the next change will bear another date. */
static bool has_settled(const char *before, const char *path)
{
    struct stat info;
    rv_text after = {0};
    bool settled = stamp(&after, &info, path, NULL) == RV_OK &&
                   strcmp(before, after.bytes) == 0 &&
                   time(NULL) - info.st_ctim.tv_sec > SETTLED_SECONDS;
    rv_text_release(&after);
    return settled;
}

rv_status rv_file_digest(char out[RV_HASH_HEX], rv_store *store, const char *path,
                         rv_progress_fn progress, void *context, rv_error *err)
{
    rv_text before = {0};
    struct stat info;
    char *kept = NULL;
    size_t length;
    rv_status status = stamp(&before, &info, path, err);
    if (status == RV_OK && !S_ISREG(info.st_mode))
        status = rv_fail(err, RV_ERR_IO, "%s: expected a regular file", path);
    rv_question q = {.kind = "digest", .text = before.bytes, .source = path};
    if (status == RV_OK && rv_store_get(store, &kept, &length, &q) &&
        length == RV_HASH_HEX - 1) {
        memcpy(out, kept, RV_HASH_HEX);
    } else if (status == RV_OK) {
        status = digest_of(out, path, (double)info.st_size, progress, context, err);
        if (status == RV_OK && has_settled(before.bytes, path))
            rv_store_put(store, &q, out, RV_HASH_HEX - 1, NULL);
    }
    free(kept);
    rv_text_release(&before);
    return status;
}
