/* What targets do on a corpus, remembered on the disk: the second question is answered at once. */
#ifndef RV_CORPUS_ASK_H
#define RV_CORPUS_ASK_H

#include "subject/subject.h"
#include "corpus/corpus.h"

/* What is scanned for at least, so that one scan answers dreaming, examples and explaining. */
enum { RV_INDEX_TOP = 256, RV_INDEX_CONTEXT = 32, RV_INDEX_AFTER = 12 };

/* As rv_corpus_scan, but targets that were asked about this model, corpus and these options before are read
 * from the cache folder, and the others are scanned in one pass and put there. The corpus is known by its
 * files' names, lengths and times of change. Where options->narrow allows a screened answer, an exact one is
 * preferred if it is there. */
rv_status rv_corpus_ask(rv_corpus_stats **out, const rv_corpus *corpus, rv_model *model,
                        const rv_target *targets, size_t count,
                        const rv_corpus_options *options, rv_error *err);

/* Appends what a corpus is known by: its files' names, lengths and times of change. */
void rv_question_corpus(rv_text *question, const rv_corpus *corpus);

/* The corpus's name in records: its files' last components, joined. malloc'ed. */
char *rv_corpus_name(const rv_corpus *corpus);

#endif
