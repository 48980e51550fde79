/* Corpus examples as a run file that `reverie report` shows. */
#ifndef RV_CORPUS_EXAMPLES_H
#define RV_CORPUS_EXAMPLES_H

#include "subject/subject.h"
#include "corpus/corpus.h"
#include "record/writer.h"
#include "reverie/examples.h"

/* As include/reverie/examples.h says of rv_examples_find. */
rv_status rv_examples_collect(rv_examples *out, rv_model *model, const char *const *names,
                              size_t count, const rv_examples_params *params, rv_error *err);

/* One run: where it comes from, the target's quantiles, and the strongest places in the direction that the target was
 * written in, at most params->top of them. */
rv_status rv_examples_record(rv_record_writer *writer, rv_model *model, const rv_target *target,
                             const rv_corpus *corpus, const rv_corpus_options *options,
                             const rv_corpus_stats *stats, const rv_examples_params *params,
                             const char *bos_why, rv_error *err);

#endif
