#include "autoencoder/text_windows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "autoencoder/text_pass.h"
#include "base/memory.h"
#include "base/random.h"

enum { HEADER = 4096, CHUNK = 32, TRIES = 20000 };

/* ---- windows --------------------------------------------------------------------------------- */

static bool is_whole(const int32_t *ids, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (ids[i] < 0) return false;
    return true;
}

/* Adds windows from stream [0, N) until `windows` or `tokens` are there. */
static rv_status cut(rv_text_windows *w, size_t *room, const int32_t *stream, size_t N,
                     size_t least, size_t most, size_t tokens, size_t windows,
                     rv_random *random, rv_error *err)
{
    size_t tries = 0, most_windows = w->count + windows, most_tokens = w->tokens + tokens;
    while (w->count < most_windows && w->tokens < most_tokens) {
        size_t length = least + rv_random_below(random, most - least + 1);
        if (length <= N) {
            const int32_t *at = stream + rv_random_below(random, N - length + 1);
            if (is_whole(at, length)) {
                if (w->count == *room)
                    return rv_fail(err, RV_ERR_MEMORY, "windows: expected fewer than %zu",
                                   *room);
                w->first[w->count] = w->tokens;
                w->length[w->count++] = length;
                memcpy(w->ids + w->tokens, at, length * sizeof *at);
                w->tokens += length;
                tries = 0;
                continue;
            }
        }
        if (++tries == TRIES)
            return rv_fail(err, RV_ERR_USAGE,
                           "corpus: expected lines of at least %zu tokens, found too few (%zu "
                           "tokens in all)",
                           most, N);
    }
    return RV_OK;
}

rv_status rv_text_windows_cut(rv_text_windows *out, const int32_t *stream, size_t N,
                              size_t least, size_t most, size_t tokens, size_t held_out,
                              uint64_t seed, rv_error *err)
{
    *out = (rv_text_windows){0};
    if (N < 4 * most)
        return rv_fail(err, RV_ERR_USAGE,
                       "corpus: expected at least %zu tokens, four windows, found %zu",
                       4 * most, N);
    size_t room = tokens / least + 1 + held_out, end = N / 50 > 400 ? N / 50 : 400;
    if (end > N / 2) end = N / 2;
    rv_random random = rv_random_stream(seed, 1, 0);
    rv_status status;
    RV_GOTO(RV_NEW(out->ids, tokens + most + held_out * most, err));
    RV_GOTO(RV_NEW(out->length, room, err));
    RV_GOTO(RV_NEW(out->first, room, err));
    RV_GOTO(cut(out, &room, stream, N - end, least, most, tokens, SIZE_MAX / 2, &random, err));
    RV_GOTO(cut(out, &room, stream + N - end, end, least, most, SIZE_MAX / 2, held_out, &random,
                err));
    out->held_out = held_out;
    return RV_OK;
done:
    rv_text_windows_release(out);
    return status;
}

void rv_text_windows_release(rv_text_windows *w)
{
    free(w->ids);
    free(w->length);
    free(w->first);
    *w = (rv_text_windows){0};
}

rv_status rv_text_windows_digest(char hex[RV_HASH_HEX], const rv_text_windows *w, rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, w->ids, w->tokens * sizeof *w->ids);
    rv_hash_add(hash, w->length, w->count * sizeof *w->length);
    rv_hash_finish(hash, hex);
    rv_hash_free(hash);
    return RV_OK;
}

/* ---- the cache ------------------------------------------------------------------------------- */

static size_t record_numbers(const rv_text_autoencoder *ae)
{
    return ae->subject->config.width *
           (ae->config.language_model + (ae->config.site.kind != RV_SITE_EMBED));
}

size_t rv_text_cache_bytes(const rv_text_autoencoder *ae, const rv_text_windows *w)
{
    size_t numbers = record_numbers(ae);
    return numbers ? HEADER + w->tokens * numbers * sizeof(uint16_t) : 0;
}

static uint16_t to_bf16(real x)
{
    float number = (float)x;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static real from_bf16(const unsigned char *bytes)
{
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return (real)number;
}

static rv_status fail_write(const char *path, rv_error *err)
{
    return rv_fail(err, RV_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
}

static rv_status write_all(int file, const void *bytes, size_t length, off_t at,
                           const char *path, rv_error *err)
{
    const char *from = bytes;
    while (length) {
        ssize_t wrote = pwrite(file, from, length, at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return fail_write(path, err);
        from += wrote;
        at += wrote;
        length -= (size_t)wrote;
    }
    return RV_OK;
}

/* Whole windows that the file already holds; one of other contents is begun anew. */
static rv_status resume(size_t *done, int file, const char *path, const char *header,
                        size_t record, const rv_text_windows *w, rv_error *err)
{
    char found[HEADER] = {0};
    struct stat info;
    *done = 0;
    if (fstat(file, &info) != 0) return fail_write(path, err);
    if (pread(file, found, HEADER, 0) != HEADER || memcmp(found, header, HEADER) != 0) {
        if (ftruncate(file, 0) != 0) return fail_write(path, err);
        return write_all(file, header, HEADER, 0, path, err);
    }
    size_t rows = ((size_t)info.st_size - HEADER) / record;
    while (*done < w->count && w->first[*done] + w->length[*done] <= rows) (*done)++;
    return RV_OK;
}

static rv_status check_room(int file, const char *path, size_t left, rv_error *err)
{
    struct statvfs disk;
    if (fstatvfs(file, &disk) != 0) return RV_OK; // not known: the write will tell
    double available = (double)disk.f_bavail * (double)disk.f_frsize;
    if ((double)left <= available) return RV_OK;
    return rv_fail(err, RV_ERR_IO,
                   "%s: what the model says about the windows takes %.2f GB more, and the disk "
                   "has %.2f GB; learn from fewer tokens",
                   path, (double)left / 1e9, available / 1e9);
}

typedef struct cache_writer {
    const rv_text_autoencoder *ae;
    const rv_text_windows *windows;
    const char *path;
    int file, threads;
    size_t numbers; /* of a record */
    real *hidden, *site;
    uint16_t *records;
} cache_writer;

static rv_status write_chunk(cache_writer *c, size_t window, size_t count, rv_error *err)
{
    const rv_text_windows *w = c->windows;
    size_t first = w->first[window], C = c->ae->subject->config.width,
           rows = w->first[window + count - 1] + w->length[window + count - 1] - first;
    RV_TRY(rv_text_subject(c->hidden, c->site, c->ae, w->ids + first, w->length + window, count,
                           true, c->threads, err));
    uint16_t *to = c->records;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; c->hidden && i < C; i++) *to++ = to_bf16(c->hidden[r * C + i]);
        for (size_t i = 0; c->site && i < C; i++) *to++ = to_bf16(c->site[r * C + i]);
    }
    size_t record = c->numbers * sizeof *to;
    return write_all(c->file, c->records, rows * record, (off_t)(HEADER + first * record),
                     c->path, err);
}

static rv_status complete(cache_writer *c, const char *header, rv_progress_fn progress,
                          void *context, rv_error *err)
{
    const rv_text_windows *w = c->windows;
    size_t done, room = CHUNK * RV_TEXT_TOKENS_MAX, C = c->ae->subject->config.width,
                 record = c->numbers * sizeof(uint16_t);
    RV_TRY(resume(&done, c->file, c->path, header, record, w, err));
    if (done == w->count) return RV_OK;
    RV_TRY(check_room(c->file, c->path, (w->tokens - w->first[done]) * record, err));
    if (c->ae->config.language_model) RV_TRY(RV_NEW(c->hidden, room * C, err));
    if (c->ae->config.site.kind != RV_SITE_EMBED) RV_TRY(RV_NEW(c->site, room * C, err));
    RV_TRY(RV_NEW(c->records, room * c->numbers, err));
    char note[80];
    snprintf(note, sizeof note, "%.2f GB", (double)rv_text_cache_bytes(c->ae, w) / 1e9);
    for (; done < w->count; done += CHUNK) {
        rv_progress event = {"what the model expects", "tokens", note, (double)w->first[done],
                             (double)w->tokens};
        if (progress && !progress(context, &event))
            return rv_fail(err, RV_ERR_CANCELLED, "stopped; the same command goes on from %s",
                           c->path);
        size_t count = w->count - done < CHUNK ? w->count - done : CHUNK;
        RV_TRY(write_chunk(c, done, count, err));
    }
    return fsync(c->file) == 0 ? RV_OK : fail_write(c->path, err);
}

rv_status rv_text_cache_open(rv_text_cache *out, const char *path,
                             const rv_text_autoencoder *ae, const char *subject_hash,
                             const rv_text_windows *windows, int threads,
                             rv_progress_fn progress, void *context, rv_error *err)
{
    *out = (rv_text_cache){.record = record_numbers(ae) * sizeof(uint16_t),
                           .hidden = ae->config.language_model,
                           .site = ae->config.site.kind != RV_SITE_EMBED};
    if (!out->record) return RV_OK;
    char header[HEADER] = {0}, digest[RV_HASH_HEX], site[RV_SITE_NAME_MAX];
    RV_TRY(rv_text_windows_digest(digest, windows, err));
    rv_site_name(site, ae->config.site);
    snprintf(header, sizeof header, "reverie text cache 1\n%s\n%s\n%s\n%zu\n", subject_hash,
             site, digest, out->record);
    cache_writer c = {.ae = ae,
                      .windows = windows,
                      .path = path,
                      .threads = threads,
                      .numbers = record_numbers(ae)};
    c.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (c.file < 0) return fail_write(path, err);
    rv_status status = complete(&c, header, progress, context, err);
    close(c.file);
    free(c.hidden);
    free(c.site);
    free(c.records);
    if (status != RV_OK) return status;
    RV_TRY(rv_map_file(&out->map, path, err));
    if (out->map.length < rv_text_cache_bytes(ae, windows)) {
        rv_text_cache_release(out);
        return rv_fail(err, RV_ERR_IO, "%s: became shorter while it was read", path);
    }
    return RV_OK;
}

void rv_text_cache_release(rv_text_cache *cache)
{
    rv_unmap(&cache->map);
    *cache = (rv_text_cache){0};
}

static void read_numbers(real *out, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = from_bf16(bytes + 2 * i);
}

void rv_text_cache_read(real *hidden, real *rows, const rv_text_cache *cache,
                        const rv_text_autoencoder *ae, const rv_text_windows *w, size_t window)
{
    size_t C = ae->subject->config.width, first = w->first[window], n = w->length[window];
    const unsigned char *bytes =
        cache->record ? cache->map.bytes + HEADER + first * cache->record : NULL;
    if (!cache->hidden) memset(hidden, 0, n * C * sizeof *hidden);
    if (!cache->site) rv_text_embed(rows, ae->subject, w->ids + first, n);
    for (size_t r = 0; r < n && bytes; r++, bytes += cache->record) {
        if (cache->hidden) read_numbers(hidden + r * C, bytes, C);
        if (cache->site) read_numbers(rows + r * C, bytes + (cache->hidden ? 2 * C : 0), C);
    }
}
