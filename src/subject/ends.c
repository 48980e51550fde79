#include "subject/ends.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

enum { CONFIG_LIMIT = 16 << 20 };

static rv_status add(rv_ids *out, int64_t id, const rv_tokenizer *tokenizer, rv_error *err)
{
    if (id < 0 || (uint64_t)id >= rv_tokenizer_size(tokenizer)) return RV_OK;
    for (size_t i = 0; i < out->count; i++)
        if (out->items[i] == id) return RV_OK;
    return rv_ids_push(out, (int32_t)id, err);
}

/* A number, or a list of them; anything else names none. */
static rv_status add_named(rv_ids *out, const json_t *config, const rv_tokenizer *tokenizer,
                           rv_error *err)
{
    const json_t *named = json_object_get(config, "eos_token_id");
    if (json_is_integer(named)) return add(out, json_integer_value(named), tokenizer, err);
    for (size_t i = 0; i < json_array_size(named); i++) {
        const json_t *id = json_array_get(named, i);
        if (json_is_integer(id)) RV_TRY(add(out, json_integer_value(id), tokenizer, err));
    }
    return RV_OK;
}

/* The file beside the weights. transformers, too, does without one that it cannot read. */
static rv_status add_generation_config(rv_ids *out, const char *path,
                                       const rv_tokenizer *tokenizer, rv_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = rv_folder_exists(path) ? rv_strndup(path, strlen(path))
                   : slash                ? rv_strndup(path, (size_t)(slash - path))
                                          : rv_strndup(".", 1);
    char *file = folder ? rv_path_join(folder, "generation_config.json") : NULL;
    json_t *config = NULL;
    rv_status status = file ? RV_OK : rv_fail_memory(err, strlen(path));
    rv_status read = file ? rv_json_read_object(&config, file, CONFIG_LIMIT, err) : status;
    if (read == RV_OK)
        status = add_named(out, config, tokenizer, err);
    else if (read == RV_ERR_MEMORY)
        status = read;
    json_decref(config);
    free(file);
    free(folder);
    return status;
}

rv_status rv_read_ends(rv_ids *out, const char *path, const rv_checkpoint *checkpoint,
                       const rv_tokenizer *tokenizer, rv_error *err)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    const json_t *config = rv_checkpoint_config(checkpoint);
    int64_t id;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (rv_meta_integer(checkpoint, keys[i], &id)) RV_TRY(add(out, id, tokenizer, err));
    RV_TRY(add_named(out, config, tokenizer, err));
    RV_TRY(add_named(out, json_object_get(config, "text_config"), tokenizer, err));
    if (rv_checkpoint_format(checkpoint) == RV_FORMAT_SAFETENSORS)
        RV_TRY(add_generation_config(out, path, tokenizer, err));
    return add(out, rv_tokenizer_special(tokenizer).eos, tokenizer, err);
}

bool rv_model_ends(const rv_model *m, int32_t id)
{
    for (size_t i = 0; i < m->ends.count; i++)
        if (m->ends.items[i] == id) return true;
    return rv_token_is_special(m->tokenizer, id);
}
