#include "corpus/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A line without an end is cut: tokenising does not look further than this. */
enum { LINE_MAX_BYTES = 1 << 20 };

void rv_corpus_reader_init(rv_corpus_reader *r, const rv_corpus *corpus,
                           const rv_tokenizer *tokenizer)
{
    *r = (rv_corpus_reader){.corpus = corpus, .tokenizer = tokenizer};
}

void rv_corpus_reader_release(rv_corpus_reader *r)
{
    if (r->stream) fclose(r->stream);
    free(r->line);
    rv_ids_release(&r->ids);
    free(r->offsets);
    *r = (rv_corpus_reader){0};
}

static rv_status fail_file(const rv_corpus_reader *r, rv_error *err)
{
    if (errno == ENOMEM) return rv_fail_memory(err, 0);
    return rv_fail(err, errno == ENOENT ? RV_ERR_NOT_FOUND : RV_ERR_IO,
                   "%s: cannot read the corpus: %s", r->corpus->files[r->file],
                   strerror(errno));
}

/* The next line, or as much of it as LINE_MAX_BYTES allow; *length 0 at the end of the file. */
static rv_status read_line(rv_corpus_reader *r, size_t *length, rv_error *err)
{
    if (!r->line) {
        r->line = malloc(LINE_MAX_BYTES);
        if (!r->line) return rv_fail_memory(err, LINE_MAX_BYTES);
    }
    *length = 0;
    int c;
    while (*length < LINE_MAX_BYTES && (c = getc_unlocked((FILE *)r->stream)) != EOF) {
        r->line[(*length)++] = (char)c;
        if (c == '\n') break;
    }
    return ferror((FILE *)r->stream) ? fail_file(r, err) : RV_OK;
}

/* Tokenises the next line that has tokens; false in *more at the end of the file. */
static rv_status refill(rv_corpus_reader *r, bool *more, rv_error *err)
{
    size_t length = 0;
    r->ids.count = r->used = 0;
    for (*more = true; r->ids.count == 0;) {
        RV_TRY(read_line(r, &length, err));
        if (length == 0) {
            *more = false;
            return RV_OK;
        }
        RV_TRY(
            rv_tokenizer_encode(r->tokenizer, r->line, length, RV_ENCODE_PLAIN, &r->ids, err));
        RV_TRY(rv_grow((void **)&r->offsets, &r->offset_room, r->ids.count, sizeof *r->offsets,
                       err));
        uint64_t at = r->next_offset;
        for (size_t i = 0; i < r->ids.count; i++) {
            size_t bytes = 0;
            r->offsets[i] = at;
            rv_token_bytes(r->tokenizer, r->ids.items[i], &bytes);
            at += bytes;
        }
        r->next_offset += length;
    }
    return RV_OK;
}

rv_status rv_corpus_read(rv_corpus_reader *r, int32_t *ids, uint64_t *offsets, size_t count,
                         size_t *got, uint32_t *file, rv_error *err)
{
    *got = 0;
    while (r->file < r->corpus->file_count && *got < count) {
        if (!r->stream) {
            r->stream = fopen(r->corpus->files[r->file], "rb");
            if (!r->stream) return fail_file(r, err);
            r->next_offset = 0;
        }
        bool more = true;
        if (r->used == r->ids.count) RV_TRY(refill(r, &more, err));
        if (!more) {
            fclose(r->stream);
            r->stream = NULL;
            if (*got) *file = (uint32_t)r->file;
            r->file++;
            if (*got) return RV_OK; // windows do not reach across files
            continue;
        }
        for (; *got < count && r->used < r->ids.count; r->used++, (*got)++) {
            ids[*got] = r->ids.items[r->used];
            offsets[*got] = r->offsets[r->used];
        }
        *file = (uint32_t)r->file;
    }
    return RV_OK;
}
