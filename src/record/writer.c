#include "record/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

struct rv_record_writer {
    int fd;
    off_t length; /* of the committed batches */
    char *path;
    rv_text batch;
};

static rv_status fail_errno(const char *path, const char *what, rv_error *err)
{
    return rv_fail(err, errno == ENOENT ? RV_ERR_NOT_FOUND : RV_ERR_IO, "%s: %s: %s", path,
                   what, strerror(errno));
}

/* Length of the file up to the end of its last whole line. */
static rv_status whole_lines(off_t *out, int fd, off_t length, const char *path, rv_error *err)
{
    char block[4096];
    while (length > 0) {
        size_t n = length < (off_t)sizeof block ? (size_t)length : sizeof block;
        ssize_t got = pread(fd, block, n, length - (off_t)n);
        if (got < 0 && errno == EINTR) continue;
        if (got != (ssize_t)n) return fail_errno(path, "cannot read", err);
        const char *newline = memrchr(block, '\n', n);
        if (newline) {
            *out = length - (off_t)n + (newline + 1 - block);
            return RV_OK;
        }
        length -= (off_t)n;
    }
    *out = 0;
    return RV_OK;
}

static rv_status prepare(rv_record_writer *writer, bool resume, rv_error *err)
{
    struct stat info;
    const char *path = writer->path;
    if (fstat(writer->fd, &info) != 0) return fail_errno(path, "cannot open", err);
    if (!S_ISREG(info.st_mode))
        return rv_fail(err, RV_ERR_IO, "%s: expected a regular file", path);
    if (flock(writer->fd, LOCK_EX | LOCK_NB) != 0)
        return rv_fail(err, RV_ERR_IO, "%s: another process is writing to it", path);
    if (!resume && info.st_size > 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: holds a run already; resume it, or name another file", path);
    RV_TRY(whole_lines(&writer->length, writer->fd, info.st_size, path, err));
    if (writer->length < info.st_size && ftruncate(writer->fd, writer->length) != 0)
        return fail_errno(path, "cannot drop the line that was cut short", err);
    return RV_OK;
}

rv_status rv_record_writer_open(rv_record_writer **out, const char *path, bool resume,
                                rv_error *err)
{
    *out = NULL;
    rv_record_writer *writer;
    RV_TRY(RV_NEW(writer, 1, err));
    writer->path = rv_strndup(path, strlen(path));
    writer->fd = writer->path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    rv_status status = !writer->path    ? rv_fail_memory(err, strlen(path))
                       : writer->fd < 0 ? fail_errno(path, "cannot create", err)
                                        : prepare(writer, resume, err);
    if (status == RV_OK) {
        *out = writer;
        return RV_OK;
    }
    if (writer->fd >= 0) close(writer->fd);
    free(writer->path);
    free(writer);
    return status;
}

rv_text *rv_record_writer_batch(rv_record_writer *writer)
{
    return &writer->batch;
}

rv_status rv_record_writer_commit(rv_record_writer *writer, rv_error *err)
{
    rv_text *batch = &writer->batch;
    if (batch->failed) return rv_fail_memory(err, batch->length);
    size_t put = 0;
    while (put < batch->length) {
        ssize_t n = pwrite(writer->fd, batch->bytes + put, batch->length - put,
                           writer->length + (off_t)put);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        put += (size_t)n;
    }
    if (put < batch->length || fsync(writer->fd) != 0) {
        rv_status status =
            fail_errno(writer->path, "cannot write (what was committed before is kept)", err);
        if (ftruncate(writer->fd, writer->length) != 0)
            rv_context(err, status, "%s: its end may hold a partial line", writer->path);
        return status;
    }
    writer->length += (off_t)put;
    batch->length = 0;
    return RV_OK;
}

rv_status rv_record_writer_close(rv_record_writer *writer, rv_error *err)
{
    if (!writer) return RV_OK;
    rv_status status = rv_record_writer_commit(writer, err);
    if (close(writer->fd) != 0 && status == RV_OK)
        status = fail_errno(writer->path, "cannot write", err);
    rv_text_release(&writer->batch);
    free(writer->path);
    free(writer);
    return status;
}
