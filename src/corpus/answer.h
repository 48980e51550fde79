/* A target's answer as bytes, for the store (docs/formats.md, "The store"). */
#ifndef RV_CORPUS_ANSWER_H
#define RV_CORPUS_ANSWER_H

#include "base/text.h"
#include "corpus/corpus.h"

void rv_corpus_answer_write(rv_text *out, const rv_corpus_stats *stats);

/* What an answer may name: whatever lies beyond is damage. */
typedef struct rv_corpus_bounds {
    size_t files, vocabulary; /* of the corpus, of the model */
    size_t top, tokens;       /* positions at either end; tokens of one */
} rv_corpus_bounds;

/* False where the bytes are no answer, or one that names what there is not; *out is then empty. Else it is the caller's,
 * by rv_corpus_stats_clear. */
bool rv_corpus_answer_read(rv_corpus_stats *out, const char *bytes, size_t length,
                           const rv_corpus_bounds *bounds);

#endif
