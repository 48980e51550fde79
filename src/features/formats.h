/* Formats of coders, a file each. Private to this room. */
#ifndef RV_FEATURES_FORMATS_H
#define RV_FEATURES_FORMATS_H

#include <jansson.h>

#include "features/coder.h"

/* Whether a folder is of this format, and how it is opened: fills everything but what rv_coder_check finds from shapes. */
typedef struct rv_coder_format {
    const char *name;
    bool (*recognise)(const char *folder);
    rv_status (*open)(rv_coder *coder, const char *folder, rv_error *err);
} rv_coder_format;

extern const rv_coder_format rv_format_saelens, rv_format_gemma_scope_2,
    rv_format_circuit_tracer, rv_format_sparsify, rv_format_llama_scope, rv_format_openmoss,
    rv_format_gemma_scope_1, rv_format_dictionary_learning;

/* ---- for those files ---------------------------------------------------------------------------- */

bool rv_coder_has_file(const char *folder, const char *name);
/* FOLDER/NAME as an object, for json_decref; as an rv_checkpoint in coder->checkpoint. */
rv_status rv_coder_read_json(json_t **out, const char *folder, const char *name, rv_error *err);
rv_status rv_coder_read_weights(rv_coder *coder, const char *folder, const char *name,
                                rv_error *err);

/* A tensor by name. RV_ERR_FORMAT where it is needed and not there; else NULL. */
rv_status rv_coder_tensor(const rv_tensor **out, const rv_coder *coder, const char *name,
                          bool needed, rv_error *err);

/* Copies of what JSON says; NULL where it says nothing. RV_ERR_MEMORY. */
rv_status rv_coder_keep(char **out, const json_t *value, rv_error *err);
rv_status rv_coder_set_site(rv_coder *coder, rv_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The number behind `word` in a text: 12 of "layers.12.mlp" behind "layers."; false: there is none. */
bool rv_coder_layer(size_t *out, const char *text, const char *word);
bool rv_coder_flag(const json_t *object, const char *key, bool otherwise);

#endif
