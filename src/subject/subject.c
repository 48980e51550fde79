#include "subject/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/resolve.h"
#include "subject/ends.h"

rv_model_params rv_model_params_default(void)
{
    return (rv_model_params){.size = sizeof(rv_model_params), .bos = RV_BOS_AUTO};
}

const char *rv_format_name(rv_format format)
{
    return format == RV_FORMAT_GGUF      ? "gguf"
           : format == RV_FORMAT_LLAMA2C ? "llama2c"
                                         : "safetensors";
}

const char *rv_quantisation_name(const rv_checkpoint *ck)
{
    size_t most = 0, of_type[RV_DTYPE_COUNT] = {0};
    const char *name = "none";
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++) {
        const rv_tensor *t = rv_checkpoint_at(ck, i);
        of_type[t->dtype] += t->elements;
        if (of_type[t->dtype] <= most) continue;
        most = of_type[t->dtype];
        name = t->type_name;
    }
    return name;
}

rv_status rv_choose_bos(int32_t *bos, const char **why, const rv_tokenizer *tokenizer,
                        rv_bos_choice choice, rv_error *err)
{
    rv_special_ids special = rv_tokenizer_special(tokenizer);
    *bos = -1;
    if (choice == RV_BOS_OMIT || (choice == RV_BOS_AUTO && !special.add_bos)) {
        *why = choice == RV_BOS_OMIT ? "asked for" : "the tokenizer's configuration adds none";
        return RV_OK;
    }
    *why = choice == RV_BOS_ADD ? "asked for" : "the tokenizer's configuration";
    *bos = special.bos;
    if (choice == RV_BOS_ADD && special.separator >= 0 && !special.add_bos) {
        *bos = special.separator;
        *why = "asked for; the document separator, since the model has no BOS of its own";
    }
    if (*bos < 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "BOS: the model has neither BOS nor a document separator");
    return RV_OK;
}

/* llama2.c calls its tokenizers tokenizer.bin, and tok512.bin where the vocabulary is its own. */
static rv_status open_llama2c_tokenizer(rv_tokenizer **out, const char *folder,
                                        const rv_checkpoint *checkpoint, rv_error *err)
{
    char own[64];
    long long tokens =
        json_integer_value(json_object_get(rv_checkpoint_config(checkpoint), "vocab_size"));
    snprintf(own, sizeof own, "tok%lld.bin", tokens);
    const char *const names[] = {own, "tokenizer.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = rv_path_join(folder, names[i]);
        if (!file) return rv_fail_memory(err, strlen(folder));
        bool exists = rv_file_exists(file);
        rv_status status = exists ? rv_tokenizer_open(out, file, checkpoint, err) : RV_OK;
        free(file);
        if (exists) return status;
    }
    return rv_fail(err, RV_ERR_NOT_FOUND, "%s: expected tokenizer.bin or %s, found neither",
                   folder, own);
}

rv_status rv_open_tokenizer(rv_tokenizer **out, const char *path,
                            const rv_checkpoint *checkpoint, rv_error *err)
{
    rv_format format = rv_checkpoint_format(checkpoint);
    if (format == RV_FORMAT_GGUF || rv_folder_exists(path))
        return rv_tokenizer_open(out, path, checkpoint, err);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? rv_strndup(path, (size_t)(slash - path + 1)) : rv_strndup(".", 1);
    if (!folder) return rv_fail_memory(err, strlen(path));
    rv_status status = format == RV_FORMAT_LLAMA2C
                           ? open_llama2c_tokenizer(out, folder, checkpoint, err)
                           : rv_tokenizer_open(out, folder, checkpoint, err);
    free(folder);
    return status;
}

void rv_dream_bos(int32_t *bos, const char **why, const rv_model *m)
{
    *bos = m->bos;
    *why = m->bos_why;
    if (m->bos >= 0 || strcmp(m->bos_why, "asked for") == 0) return;
    rv_special_ids special = rv_tokenizer_special(m->tokenizer);
    *bos = special.separator >= 0 ? special.separator : special.bos;
    *why = "dreams begin after the document separator, so that their first token is scored";
}

rv_status rv_open_parts(char **path, rv_checkpoint **checkpoint, rv_tokenizer **tokenizer,
                        const char *name, rv_error *err)
{
    *path = NULL;
    *checkpoint = NULL;
    *tokenizer = NULL;
    rv_status status;
    RV_GOTO(rv_resolve_model(path, name, err));
    RV_GOTO(rv_checkpoint_open(checkpoint, *path, err));
    RV_GOTO(rv_open_tokenizer(tokenizer, *path, *checkpoint, err));
    return RV_OK;
done:
    rv_checkpoint_close(*checkpoint);
    free(*path);
    *path = NULL;
    *checkpoint = NULL;
    return status;
}

size_t rv_writable_tokens(const rv_model *m)
{
    size_t tokens = rv_tokenizer_size(m->tokenizer), rows = m->transformer->config.vocabulary;
    return tokens < rows ? tokens : rows;
}

static rv_status fill(rv_model *m, const char *name, const rv_model_params *params,
                      rv_error *err)
{
    m->name = rv_strndup(name, strlen(name));
    if (!m->name) return rv_fail_memory(err, strlen(name));
    RV_TRY(rv_open_parts(&m->path, &m->checkpoint, &m->tokenizer, name, err));
    const rv_kernels *kernels;
    RV_TRY(rv_kernels_choose(&kernels, params->kernels, err));
    rv_load_options options = {kernels, params->progress, params->progress_context};
    RV_TRY(rv_transformer_load(&m->transformer, m->checkpoint, &options, err));
    RV_TRY(rv_read_ends(&m->ends, m->path, m->checkpoint, m->tokenizer, err));
    m->file_bytes = rv_checkpoint_bytes(m->checkpoint);
    m->bos_choice = params->bos;
    m->encoding = params->special ? RV_ENCODE_SPECIAL : RV_ENCODE_PLAIN;
    m->progress = params->progress;
    m->progress_context = params->progress_context;
    m->notice = params->notice;
    m->notice_context = params->notice_context;
    m->threads = params->threads > 0 ? params->threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
    const char *quantisation = rv_quantisation_name(m->checkpoint);
    m->quantisation = rv_strndup(quantisation, strlen(quantisation));
    const char *format = rv_format_name(rv_checkpoint_format(m->checkpoint));
    m->format = rv_strndup(format, strlen(format));
    if (!m->quantisation || !m->format) return rv_fail_memory(err, 32);
    return rv_choose_bos(&m->bos, &m->bos_why, m->tokenizer, params->bos, err);
}

rv_status rv_subject_open(rv_model **out, const char *name, const rv_model_params *params,
                          rv_error *err)
{
    *out = NULL;
    rv_model *m;
    RV_TRY(RV_NEW(m, 1, err));
    rv_status status = fill(m, name, params, err);
    if (status != RV_OK) {
        rv_model_close(m);
        return status;
    }
    *out = m;
    return RV_OK;
}

void rv_model_close(rv_model *m)
{
    if (!m) return;
    rv_store_close(m->store);
    rv_transformer_free(m->transformer);
    rv_tokenizer_close(m->tokenizer);
    rv_checkpoint_close(m->checkpoint);
    rv_ids_release(&m->ends);
    free(m->name);
    free(m->path);
    free(m->format);
    free(m->quantisation);
    free(m);
}
