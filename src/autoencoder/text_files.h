/* Trained text autoencoders on disk: one safetensors file (float16) whose metadata says what they are and for which
 * model. */
#ifndef RV_TEXT_FILES_H
#define RV_TEXT_FILES_H

#include "autoencoder/text_autoencoder.h"

typedef struct rv_text_provenance {
    const char *subject, *subject_hash; /* its name as asked for; SHA-256 of its weights */
    uint64_t seed;
    size_t step, steps; /* trained; meant to be */
    const char *corpus;
    const char *curve; /* JSON */
} rv_text_provenance;

rv_status rv_text_autoencoder_write(const char *path, const rv_text_autoencoder *ae,
                                    const rv_text_provenance *about, rv_error *err);

/* For this subject; RV_ERR_USAGE where its hash is another than that in the file. */
rv_status rv_text_autoencoder_read(rv_text_autoencoder **out, const rv_checkpoint *ck,
                                   const rv_transformer *subject, const char *subject_hash,
                                   rv_error *err);

/* All numbers of a tensor of so many, which must be finite. */
rv_status rv_text_read_tensor(real *out, const rv_checkpoint *ck, const char *name,
                              size_t count, rv_error *err);

#endif
