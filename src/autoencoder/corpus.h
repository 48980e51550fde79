/* The corpus of a text autoencoder: lines of tokens. */
#ifndef RV_AUTOENCODER_CORPUS_H
#define RV_AUTOENCODER_CORPUS_H

#include "subject/subject.h"

/* All lines of the files, each ended by -1; at most about `most` tokens. RV_ERR_USAGE where there are none. */
rv_status rv_autoencoder_stream(rv_ids *out, const rv_model *model, const char *const *files,
                                size_t count, size_t most, rv_progress_fn progress,
                                void *context, rv_error *err);

#endif
