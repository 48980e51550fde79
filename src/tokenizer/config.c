/* The files beside a tokenizer: tokenizer_config.json, special_tokens_map.json and
 * chat_template.jinja. All may be missing. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/json.h"

enum { LIMIT_TEMPLATE = 1024 * 1024 };

/* "bos_token": "<s>" or {"content": "<s>", ...}. */
static void read_special(rv_tokenizer *tok, int32_t *id, const json_t *config, const char *name)
{
    const json_t *value = json_object_get(config, name);
    if (json_is_object(value)) value = json_object_get(value, "content");
    if (!json_is_string(value)) return;
    int32_t found = rv_tokenizer_id(tok, json_string_value(value), json_string_length(value));
    if (found >= 0) *id = found;
}

static void read_specials(rv_tokenizer *tok, const json_t *config)
{
    read_special(tok, &tok->special.bos, config, "bos_token");
    read_special(tok, &tok->special.eos, config, "eos_token");
    read_special(tok, &tok->special.unknown, config, "unk_token");
    read_special(tok, &tok->special.pad, config, "pad_token");
}

/* A configuration that mentions add_bos_token or add_eos_token replaces the post-processor, as
 * in transformers 5. */
static rv_status read_template(rv_tokenizer *tok, const json_t *config, rv_error *err)
{
    bool add_bos = false, add_eos = false;
    if (!json_object_get(config, "add_bos_token") && !json_object_get(config, "add_eos_token"))
        return RV_OK;
    RV_TRY(rv_json_bool(&add_bos, config, "add_bos_token", err));
    RV_TRY(rv_json_bool(&add_eos, config, "add_eos_token", err));
    tok->before.count = tok->after.count = 0;
    if (add_bos && tok->special.bos >= 0)
        RV_TRY(rv_ids_push(&tok->before, tok->special.bos, err));
    if (add_eos && tok->special.eos >= 0)
        RV_TRY(rv_ids_push(&tok->after, tok->special.eos, err));
    return RV_OK;
}

/* A string, or [{"name": "default", "template": ...}, ...]. */
static rv_status read_chat(rv_tokenizer *tok, const json_t *value, rv_error *err)
{
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, "default") == 0)
            return read_chat(tok, json_object_get(item, "template"), err);
    }
    if (!json_is_string(value)) return RV_OK;
    free(tok->chat_template);
    tok->chat_template = rv_strndup(json_string_value(value), json_string_length(value));
    return tok->chat_template ? RV_OK : rv_fail_memory(err, json_string_length(value));
}

/* NULL in *out where there is no such file. */
static rv_status read_beside(json_t **out, const char *folder, const char *name, rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder));
    *out = NULL;
    rv_status status = rv_file_exists(path)
                           ? rv_json_read_object(out, path, RV_LIMIT_TOKENIZER_FILE, err)
                           : RV_OK;
    free(path);
    return status;
}

rv_status rv_tokenizer_read_config(rv_tokenizer *tok, const char *folder, rv_error *err)
{
    json_t *map = NULL, *config = NULL;
    char *jinja = NULL;
    rv_status status;
    RV_GOTO(read_beside(&map, folder, "special_tokens_map.json", err));
    RV_GOTO(read_beside(&config, folder, "tokenizer_config.json", err));
    read_specials(tok, map);
    read_specials(tok, config);
    RV_GOTO(read_template(tok, config, err));
    RV_GOTO(read_chat(tok, json_object_get(config, "chat_template"), err));
    jinja = rv_path_join(folder, "chat_template.jinja");
    if (!jinja) {
        status = rv_fail_memory(err, strlen(folder));
        goto done;
    }
    if (rv_file_exists(jinja)) {
        size_t length;
        free(tok->chat_template);
        tok->chat_template = NULL;
        RV_GOTO(rv_read_file(&tok->chat_template, &length, jinja, LIMIT_TEMPLATE, err));
    }
done:
    json_decref(map);
    json_decref(config);
    free(jinja);
    return status;
}
