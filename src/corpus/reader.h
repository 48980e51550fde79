/* The corpus as a stream of tokens with the bytes they come from. */
#ifndef RV_CORPUS_READER_H
#define RV_CORPUS_READER_H

#include "corpus/corpus.h"

typedef struct rv_corpus_reader {
    const rv_corpus *corpus;
    const rv_tokenizer *tokenizer;
    size_t file;  /* that is open */
    void *stream; /* FILE *, or NULL: none open yet */
    char *line;   /* of the file, its newline included */
    size_t line_room;
    uint64_t next_offset; /* byte behind the line */
    rv_ids ids;           /* of the line, those from `used` on not yet handed out */
    uint64_t *offsets;    /* of each */
    size_t offset_room, used;
} rv_corpus_reader;

void rv_corpus_reader_init(rv_corpus_reader *reader, const rv_corpus *corpus,
                           const rv_tokenizer *tokenizer);
void rv_corpus_reader_release(rv_corpus_reader *reader);

/* Up to `count` tokens of one file; *got 0 at the end of the corpus. file: index of the file. */
rv_status rv_corpus_read(rv_corpus_reader *reader, int32_t *ids, uint64_t *offsets,
                         size_t count, size_t *got, uint32_t *file, rv_error *err);

#endif
