/* The corpus in batches of windows, ready to be run. */
#ifndef RV_CORPUS_WINDOWS_H
#define RV_CORPUS_WINDOWS_H

#include "corpus/reader.h"

typedef struct rv_windows {
    const rv_corpus_options *options;
    rv_corpus_reader reader;
    size_t room, count;     /* windows in a batch: at most, now */
    int32_t *ids;           /* (room, window) */
    uint64_t *offsets;      /* (room, window) bytes in the file */
    uint32_t *files;        /* (room) */
    uint64_t *numbers;      /* (room) counted from the start of the corpus */
    size_t *lengths;        /* (room) tokens, BOS included */
    size_t *ends;           /* (room) positions that count end here */
    rv_sequence *sequences; /* (room) for rv_pass_begin */
    const size_t *reach;   /* of every window, tokens wanted, 0: none of it; NULL: all of all */
    uint64_t tokens, next; /* read so far; number of the next window */
} rv_windows;

/* corpus, tokenizer and options are borrowed. config: of the model that is to run them. */
rv_status rv_windows_init(rv_windows *windows, const rv_corpus *corpus,
                          const rv_tokenizer *tokenizer, const rv_corpus_options *options,
                          const rv_config *config, rv_error *err);
void rv_windows_release(rv_windows *windows);

/* From the beginning again, and only as far as `reach` says, which must hold for every window that was read. */
void rv_windows_again(rv_windows *windows, const size_t *reach);

/* Reads the next batch; count is 0 at the end. */
rv_status rv_windows_read(rv_windows *windows, rv_error *err);

/* Rows that a batch can have. */
size_t rv_windows_rows(const rv_windows *windows);

#endif
