/* What targets do on a corpus, kept between runs: the second question is answered at once. */
#ifndef RV_CORPUS_ASK_H
#define RV_CORPUS_ASK_H

#include "subject/subject.h"
#include "corpus/corpus.h"

/* What is scanned for at least, so that one scan answers dreaming, examples and explaining. */
enum { RV_INDEX_TOP = 256, RV_INDEX_CONTEXT = 32, RV_INDEX_AFTER = 12 };

/* As rv_corpus_scan, but targets that were asked about this model, corpus and these options before are read from the
 * store, and the others are scanned in one pass and put there. The corpus is known by what its files hold. Where
 * options->narrow allows a screened answer, an exact one is preferred if it is there. */
rv_status rv_corpus_ask(rv_corpus_stats **out, const rv_corpus *corpus, rv_model *model,
                        const rv_target *targets, size_t count,
                        const rv_corpus_options *options, rv_error *err);

/* What a question says of a corpus, made once for many of them. */
typedef struct rv_corpus_identity {
    char *digests; /* of the files' contents, in their order */
    char *stamps;  /* places, lengths and dates: what changes when a file does */
    char *name;    /* for people */
} rv_corpus_identity;

rv_status rv_corpus_identify(rv_corpus_identity *out, const rv_corpus *corpus, rv_store *store,
                             rv_progress_fn progress, void *context, rv_error *err);
void rv_corpus_identity_release(rv_corpus_identity *identity);

/* Whether no file changed since: an answer is kept only then. */
bool rv_corpus_is_still(const rv_corpus_identity *identity, const rv_corpus *corpus);

/* The corpus's name in records: its files' last components, joined. malloc'ed. */
char *rv_corpus_name(const rv_corpus *corpus);

#endif
