/* What a model is known by, and what is kept under that name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "store/digest.h"
#include "subject/subject.h"

rv_status rv_model_hash(rv_model *m, rv_error *err)
{
    return m->hash[0] ? RV_OK : rv_checkpoint_hash(m->checkpoint, m->hash, err);
}

rv_store *rv_model_store(rv_model *m)
{
    rv_error err;
    if (m->store_tried) return m->store;
    m->store_tried = true;
    rv_status status = rv_store_open(&m->store, NULL, m->notice, m->notice_context, &err);
    if (status == RV_ERR_UNSUPPORTED && m->notice) m->notice(m->notice_context, err.message);
    return m->store;
}

/* Appends a file's digest, where it is there. */
static rv_status add_file(rv_text *q, rv_model *m, const char *folder, const char *name,
                          rv_error *err)
{
    char digest[RV_HASH_HEX], *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder));
    rv_status status = RV_OK;
    if (rv_file_exists(path)) {
        status = rv_file_digest(digest, rv_model_store(m), path, NULL, NULL, err);
        if (status == RV_OK) rv_text_printf(q, " %s=%.32s", name, digest);
    }
    free(path);
    return status;
}

/* Of the files beside the weights that say how they are to be run; a GGUF has everything in it. */
static rv_status add_files(rv_text *q, rv_model *m, rv_error *err)
{
    char own[64];
    const char *const names[] = {own,
                                 "config.json",
                                 "tokenizer.json",
                                 "tokenizer_config.json",
                                 "vocab.json",
                                 "merges.txt",
                                 "added_tokens.json",
                                 "special_tokens_map.json",
                                 "tokenizer.model",
                                 "tokenizer.bin"};
    const char *slash = strrchr(m->path, '/');
    char *folder = rv_folder_exists(m->path) ? rv_strndup(m->path, strlen(m->path))
                   : slash ? rv_strndup(m->path, (size_t)(slash - m->path + 1))
                           : rv_strndup(".", 1);
    if (!folder) return rv_fail_memory(err, strlen(m->path));
    snprintf(own, sizeof own, "tok%zu.bin", m->transformer->config.vocabulary); // llama2.c
    rv_status status = RV_OK;
    for (size_t i = 0; status == RV_OK && i < sizeof names / sizeof names[0]; i++)
        status = add_file(q, m, folder, names[i], err);
    free(folder);
    return status;
}

rv_status rv_model_question(rv_text *q, rv_model *m, rv_error *err)
{
    RV_TRY(rv_model_hash(m, err));
    rv_text_printf(q, "weights=%s", m->hash);
    if (rv_checkpoint_format(m->checkpoint) != RV_FORMAT_GGUF) RV_TRY(add_files(q, m, err));
    rv_text_printf(q, " tokenizer=%s kernels=%s real=%zu", rv_tokenizer_source(m->tokenizer),
                   m->transformer->kernels->name, sizeof(real));
    return q->failed ? rv_fail_memory(err, q->length) : RV_OK;
}
