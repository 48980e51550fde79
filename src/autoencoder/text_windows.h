/* The texts an autoencoder learns from: windows of a corpus, and what the subject says about them, kept in a file,
 * because it costs more than a training step and never changes. */
#ifndef RV_TEXT_WINDOWS_H
#define RV_TEXT_WINDOWS_H

#include "autoencoder/text_autoencoder.h"
#include "base/file.h"
#include "base/hash.h"

typedef struct rv_text_windows {
    int32_t *ids;           /* (tokens) one window behind the other */
    size_t *length, *first; /* (count) */
    size_t count, tokens;
    size_t held_out; /* the last so many, cut from the end of the corpus, where no other is */
} rv_text_windows;

/* stream (N): the corpus, lines ended by -1; no window crosses a line's end. Windows of least to most tokens that
 * begin anywhere, about `tokens` tokens in all and `held_out` more windows. */
rv_status rv_text_windows_cut(rv_text_windows *out, const int32_t *stream, size_t N,
                              size_t least, size_t most, size_t tokens, size_t held_out,
                              uint64_t seed, rv_error *err);
void rv_text_windows_release(rv_text_windows *windows);

/* SHA-256 of ids and lengths. */
rv_status rv_text_windows_digest(char hex[RV_HASH_HEX], const rv_text_windows *windows,
                                 rv_error *err);

typedef struct rv_text_cache {
    rv_mapping map;
    size_t record;     /* bytes a token: bf16 numbers, */
    bool hidden, site; /* of the subject's final hidden, then of its row at the site */
} rv_text_cache;

/* Bytes that the file takes; 0: none is needed, tokens alone say it all. */
size_t rv_text_cache_bytes(const rv_text_autoencoder *ae, const rv_text_windows *windows);

/* Completes the file, or makes it anew where it is of other windows or another subject. Stopped, it goes on where
 * it was. RV_ERR_IO where the disk has not enough room for it. */
rv_status rv_text_cache_open(rv_text_cache *out, const char *path,
                             const rv_text_autoencoder *ae, const char *subject_hash,
                             const rv_text_windows *windows, int threads,
                             rv_progress_fn progress, void *context, rv_error *err);
void rv_text_cache_release(rv_text_cache *cache);

/* hidden, rows (length, C) of one window; rows are the embeddings where the site is `embed`. */
void rv_text_cache_read(real *hidden, real *rows, const rv_text_cache *cache,
                        const rv_text_autoencoder *ae, const rv_text_windows *windows,
                        size_t window);

#endif
