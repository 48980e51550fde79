#include "hub/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/url.h"

enum { CHUNK = 1 << 20, LOCK_POLL_NS = 100000000 };

/* The paths of one entry, and the file it grows in. */
typedef struct blob {
    const rv_hub_entry *entry;
    char *link;       /* snapshots/COMMIT/PATH */
    char *target;     /* ../../blobs/DIGEST, as seen from the link */
    char *path;       /* blobs/DIGEST */
    char *incomplete; /* blobs/DIGEST.incomplete */
    char *lock;       /* .locks/.../DIGEST.lock */
    int file, lock_file;
    rv_hash *hash; /* of what the file holds so far */
    rv_http_sink sink;
} blob;

static void blob_release(blob *b)
{
    free(b->link);
    free(b->target);
    free(b->path);
    free(b->incomplete);
    free(b->lock);
    if (b->file >= 0) close(b->file);
    if (b->lock_file >= 0) close(b->lock_file);
    rv_hash_free(b->hash);
}

static rv_status fail_errno(rv_error *err, const char *path, const char *what)
{
    int code = errno;
    const char *hint = code == ENOSPC || code == EDQUOT
                           ? "; make room and run it again, what was fetched is kept"
                           : "";
    return rv_fail(err, RV_ERR_IO, "%s: %s: %s%s", path, what, strerror(code), hint);
}

static rv_status blob_init(blob *b, const rv_hub_place *place, const rv_hub_entry *entry,
                           rv_error *err)
{
    *b = (blob){.entry = entry, .file = -1, .lock_file = -1};
    rv_text link = {0}, target = {0}, path = {0}, incomplete = {0}, lock = {0};
    rv_text_printf(&link, "%s/%s", place->snapshot, entry->path);
    rv_text_puts(&target, "../../");
    for (const char *p = entry->path; *p; p++)
        if (*p == '/') rv_text_puts(&target, "../");
    rv_text_printf(&target, "blobs/%s", entry->digest);
    rv_text_printf(&path, "%s/blobs/%s", place->folder, entry->digest);
    rv_text_printf(&incomplete, "%s/blobs/%s.incomplete", place->folder, entry->digest);
    rv_text_printf(&lock, "%s/.locks%s/%s.lock", place->root, strrchr(place->folder, '/'),
                   entry->digest);
    b->link = rv_text_take(&link);
    b->target = rv_text_take(&target);
    b->path = rv_text_take(&path);
    b->incomplete = rv_text_take(&incomplete);
    b->lock = rv_text_take(&lock);
    return b->link && b->target && b->path && b->incomplete && b->lock ? RV_OK
                                                                       : rv_fail_memory(err, 1);
}

/* A file of the right length is there; a wrong length is an error, for somebody else may need it. */
static rv_status is_complete(bool *there, const char *path, uint64_t size, rv_error *err)
{
    struct stat info;
    *there = stat(path, &info) == 0;
    if (!*there || (S_ISREG(info.st_mode) && (uint64_t)info.st_size == size)) return RV_OK;
    *there = false;
    return rv_fail(err, RV_ERR_FORMAT,
                   "%s: expected %" PRIu64 " bytes, found %jd; remove it to fetch it again",
                   path, size, (intmax_t)info.st_size);
}

static rv_status make_parents(const char *path, rv_error *err)
{
    char *folder = rv_strndup(path, strlen(path));
    if (!folder) return rv_fail_memory(err, strlen(path));
    *strrchr(folder, '/') = '\0';
    rv_status status = rv_make_folders(folder, err);
    free(folder);
    return status;
}

/* Waits for the lock, which huggingface_hub takes in the same way. File systems without locks do
 * without: the worst that can happen is that two processes fetch the same bytes. */
static rv_status take_lock(blob *b, const rv_get_params *params, rv_error *err)
{
    RV_TRY(make_parents(b->lock, err));
    b->lock_file = open(b->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (b->lock_file < 0) return fail_errno(err, b->lock, "cannot create");
    while (flock(b->lock_file, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return RV_OK;
        const rv_progress event = {
            .what = "waiting for another download of", .unit = "bytes", .note = b->entry->path};
        if (params->progress && !params->progress(params->progress_context, &event))
            return rv_fail(err, RV_ERR_CANCELLED, "cancelled");
        nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_NS}, NULL);
    }
    return RV_OK;
}

/* ---- the file that grows -------------------------------------------------------------------- */

/* Git names a blob by the SHA-1 of this and the content. */
static void start_hash(blob *b)
{
    char start[64];
    int length = snprintf(start, sizeof start, "blob %" PRIu64, b->entry->size);
    if (b->entry->kind == RV_SHA1) rv_hash_add(b->hash, start, (size_t)length + 1);
}

/* Hashes what b->file holds; b->sink.position is how much that is. */
static rv_status hash_content(blob *b, const char *path, rv_progress_fn progress,
                              void *progress_context, rv_error *err)
{
    RV_TRY(rv_hash_new(&b->hash, b->entry->kind, err));
    start_hash(b);
    unsigned char *chunk = malloc(CHUNK);
    if (!chunk) return rv_fail_memory(err, CHUNK);
    uint64_t there = 0;
    ssize_t n = 0;
    bool goes_on = true;
    while (goes_on && there <= b->entry->size &&
           (n = pread(b->file, chunk, CHUNK, (off_t)there)) > 0) {
        rv_hash_add(b->hash, chunk, (size_t)n);
        there += (uint64_t)n;
        const rv_progress event = {.what = "checking",
                                   .unit = "bytes",
                                   .done = (double)there,
                                   .total = (double)b->entry->size};
        goes_on = !progress || progress(progress_context, &event);
    }
    free(chunk);
    b->sink.position = there;
    if (!goes_on) return rv_fail(err, RV_ERR_CANCELLED, "cancelled");
    return n < 0 ? fail_errno(err, path, "cannot read") : RV_OK;
}

static rv_status start_over(blob *b, rv_error *err)
{
    char unused[RV_HASH_HEX];
    rv_hash_finish(b->hash, unused);
    start_hash(b);
    b->sink.position = 0;
    if (ftruncate(b->file, 0) != 0) return fail_errno(err, b->incomplete, "cannot empty");
    return RV_OK;
}

/* Opens the incomplete file and hashes what an earlier call left there. */
static rv_status open_incomplete(blob *b, rv_error *err)
{
    RV_TRY(make_parents(b->incomplete, err));
    b->file = open(b->incomplete, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (b->file < 0) return fail_errno(err, b->incomplete, "cannot create");
    RV_TRY(hash_content(b, b->incomplete, NULL, NULL, err));
    return b->sink.position > b->entry->size ? start_over(b, err) : RV_OK;
}

static rv_status on_restart(void *context, rv_error *err)
{
    return start_over(context, err);
}

static rv_status on_bytes(void *context, const void *bytes, size_t length, rv_error *err)
{
    blob *b = context;
    const char *at = bytes;
    if (length > b->entry->size - b->sink.position)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: expected %" PRIu64 " bytes, the server sends more", b->entry->path,
                       b->entry->size);
    for (size_t put = 0; put < length;) {
        ssize_t n = pwrite(b->file, at + put, length - put, (off_t)(b->sink.position + put));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_errno(err, b->incomplete, "cannot write");
        put += (size_t)n;
    }
    rv_hash_add(b->hash, bytes, length);
    return RV_OK;
}

/* Downloads what is missing; *resumed: some of it was there before. */
static rv_status transfer(blob *b, bool *resumed, rv_hub_session *session, const char *commit,
                          rv_error *err)
{
    *resumed = b->sink.position > 0;
    if (b->sink.position == b->entry->size) return RV_OK;
    rv_text url = {0};
    rv_text_printf(&url, "%s/%s/resolve/%s/", session->endpoint, session->name->repository,
                   commit);
    rv_url_escape(&url, b->entry->path, "/");
    if (url.failed) {
        rv_text_release(&url);
        return rv_fail_memory(err, 1);
    }
    b->sink.restart = on_restart;
    b->sink.write = on_bytes;
    b->sink.context = b;
    rv_http_request request = rv_hub_request(session, url.bytes);
    request.sink = &b->sink;
    rv_http_response response;
    rv_status status = rv_http_perform(&response, session->http, &request, err);
    if (status == RV_OK && response.code != 200 && response.code != 206)
        status = rv_hub_explain(session, &response, err);
    if (status == RV_OK && b->sink.position != b->entry->size)
        status = rv_fail(err, RV_ERR_FORMAT,
                         "%s: expected %" PRIu64 " bytes, the server sent %" PRIu64,
                         b->entry->path, b->entry->size, b->sink.position);
    rv_http_response_release(&response);
    rv_text_release(&url);
    return status;
}

/* Compares the digest; on a mismatch the bytes are thrown away, so that they are not resumed. */
static rv_status verify(blob *b, rv_error *err)
{
    char found[RV_HASH_HEX];
    rv_hash_finish(b->hash, found);
    if (strcmp(found, b->entry->digest) == 0) return RV_OK;
    RV_TRY(start_over(b, err));
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %s, the server's bytes have %s",
                   b->entry->path, b->entry->kind == RV_SHA256 ? "SHA-256" : "git blob id",
                   b->entry->digest, found);
}

static rv_status download(blob *b, rv_hub_session *session, const char *commit, rv_error *err)
{
    bool resumed;
    RV_TRY(open_incomplete(b, err));
    RV_TRY(transfer(b, &resumed, session, commit, err));
    rv_status status = verify(b, err);
    if (status == RV_ERR_FORMAT && resumed) { // perhaps what an earlier call left was wrong
        RV_TRY(transfer(b, &resumed, session, commit, err));
        status = verify(b, err);
    }
    if (status != RV_OK) {
        unlink(b->incomplete);
        return status;
    }
    if (fsync(b->file) != 0) return fail_errno(err, b->incomplete, "cannot write");
    if (rename(b->incomplete, b->path) != 0)
        return fail_errno(err, b->path, "cannot rename into place");
    return RV_OK;
}

/* ---- the snapshot --------------------------------------------------------------------------- */

/* Puts the link in place, over one whose blob is gone; on file systems without symbolic links the
 * blob itself moves there, as huggingface_hub does it. */
static rv_status link_blob(const blob *b, rv_error *err)
{
    RV_TRY(make_parents(b->link, err));
    rv_text temporary = {0};
    rv_text_printf(&temporary, "%s.%ld.link", b->link, (long)getpid());
    if (temporary.failed) return rv_fail_memory(err, 1);
    rv_status status = RV_OK;
    unlink(temporary.bytes);
    if (symlink(b->target, temporary.bytes) == 0) {
        if (rename(temporary.bytes, b->link) != 0)
            status = fail_errno(err, b->link, "cannot create link");
    } else if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS) {
        status = fail_errno(err, b->link, "cannot create link");
    } else if (rename(b->path, b->link) != 0) {
        status = fail_errno(err, b->link, "cannot rename into place");
    }
    if (status != RV_OK) unlink(temporary.bytes);
    rv_text_release(&temporary);
    return status;
}

rv_status rv_hub_is_there(bool *there, const rv_hub_place *place, const rv_hub_entry *entry,
                          rv_error *err)
{
    char *path = rv_path_join(place->snapshot, entry->path);
    if (!path) return rv_fail_memory(err, 1);
    rv_status status = is_complete(there, path, entry->size, err);
    free(path);
    return status;
}

rv_status rv_hub_check(const rv_hub_place *place, const rv_hub_entry *entry,
                       rv_progress_fn progress, void *progress_context, rv_error *err)
{
    blob b;
    char found[RV_HASH_HEX];
    rv_status status = blob_init(&b, place, entry, err);
    if (status != RV_OK) goto done;
    b.file = open(b.link, O_RDONLY | O_CLOEXEC);
    if (b.file < 0) RV_GOTO(fail_errno(err, b.link, "cannot open"));
    RV_GOTO(hash_content(&b, b.link, progress, progress_context, err));
    rv_hash_finish(b.hash, found);
    if (strcmp(found, entry->digest) != 0)
        status = rv_fail(
            err, RV_ERR_FORMAT, "%s: %s: expected %s, found %s; remove it to fetch it again",
            b.link, entry->kind == RV_SHA256 ? "SHA-256" : "git blob id", entry->digest, found);
done:
    blob_release(&b);
    return status;
}

uint64_t rv_hub_missing(const rv_hub_place *place, const rv_hub_entry *entry)
{
    bool there = false;
    struct stat info;
    blob b;
    uint64_t missing = entry->size;
    if (rv_hub_is_there(&there, place, entry, NULL) == RV_OK && !there &&
        blob_init(&b, place, entry, NULL) == RV_OK) {
        there = is_complete(&there, b.path, entry->size, NULL) == RV_OK && there;
        if (!there && stat(b.incomplete, &info) == 0 && (uint64_t)info.st_size <= missing)
            missing -= (uint64_t)info.st_size;
        blob_release(&b);
    }
    return there ? 0 : missing;
}

rv_status rv_hub_fetch(bool *fetched, rv_hub_session *session, const rv_hub_place *place,
                       const rv_hub_entry *entry, rv_error *err)
{
    *fetched = false;
    blob b;
    bool there;
    rv_status status = blob_init(&b, place, entry, err);
    if (status != RV_OK) goto done;
    RV_GOTO(is_complete(&there, b.link, entry->size, err));
    if (there) goto done;
    RV_GOTO(take_lock(&b, session->params, err));
    RV_GOTO(is_complete(&there, b.path, entry->size, err));
    if (!there) {
        *fetched = true;
        RV_GOTO(download(&b, session, place->commit, err));
    }
    RV_GOTO(link_blob(&b, err));
done:
    blob_release(&b);
    return status;
}
