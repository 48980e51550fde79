/* The files beside a tokenizer: tokenizer_config.json, special_tokens_map.json, added_tokens.json
 * and chat_template.jinja. All may be missing. What they mean is what transformers 5.24 takes them
 * to mean (PreTrainedTokenizerBase._from_pretrained, TokenizersBackend.__init__). */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/json.h"

enum { LIMIT_TEMPLATE = 1024 * 1024 };

/* In the order in which they are added. */
static const char *const standard[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
enum { STANDARD = sizeof standard / sizeof *standard };

typedef struct files {
    json_t *config, *map, *added; /* NULL: there is none */
} files;

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

/* ---- special tokens by name ------------------------------------------------------------------ */

/* What a key says: a text or an object with one. special_tokens_map.json is older and counts, where
 * it is read at all, more. */
static const json_t *named(const files *f, const char *name)
{
    const json_t *value = json_object_get(f->map, name);
    return value && !json_is_null(value) ? value : json_object_get(f->config, name);
}

static const json_t *content_of(const json_t *token)
{
    const json_t *content = json_is_object(token) ? json_object_get(token, "content") : token;
    return json_is_string(content) ? content : NULL;
}

/* Adds a special token that no file has described yet, and remembers its name. */
static rv_status add_named(rv_tokenizer *tok, const char *name, const json_t *token,
                           rv_error *err)
{
    const json_t *content = content_of(token);
    if (!content) return RV_OK;
    const char *text = json_string_value(content);
    size_t length = json_string_length(content);
    if (!rv_added_find(&tok->added, text, length))
        RV_TRY(rv_tokenizer_add_json(tok, token, true, name, err));
    return rv_tokenizer_add_name(tok, name, text, length, err);
}

static bool is_standard(const char *name)
{
    for (size_t i = 0; i < STANDARD; i++)
        if (strcmp(name, standard[i]) == 0) return true;
    return false;
}

/* The standard ones, then those that only this model has: "image_token": "<image>". */
static rv_status add_all_named(rv_tokenizer *tok, const files *f, const char *const *defaults,
                               rv_error *err)
{
    for (size_t i = 0; i < STANDARD; i++) {
        const json_t *token = named(f, standard[i]);
        const char *otherwise = NULL;
        for (size_t k = 0; !token && defaults && defaults[k]; k += 2)
            if (strcmp(defaults[k], standard[i]) == 0) otherwise = defaults[k + 1];
        json_t *text = otherwise ? json_string(otherwise) : NULL;
        rv_status status = otherwise && !text
                               ? rv_fail_memory(err, strlen(otherwise))
                               : add_named(tok, standard[i], text ? text : token, err);
        json_decref(text);
        RV_TRY(status);
    }
    const json_t *more = json_object_get(f->config, "extra_special_tokens");
    const json_t *sources[] = {f->config, json_is_object(more) ? more : NULL};
    for (size_t i = 0; i < 2; i++) {
        const char *name;
        json_t *token;
        json_object_foreach((json_t *)sources[i], name, token)
        {
            size_t length = strlen(name);
            bool suffix = length > 6 && strcmp(name + length - 6, "_token") == 0;
            if (is_standard(name) || !(suffix || i == 1) || !json_is_string(token)) continue;
            RV_TRY(add_named(tok, name, token, err));
        }
    }
    return RV_OK;
}

/* The list of special tokens without a name. */
static const json_t *extras(const files *f)
{
    const json_t *list = json_object_get(f->map, "extra_special_tokens");
    if (!json_array_size(list)) list = json_object_get(f->config, "extra_special_tokens");
    if (!json_array_size(list) && !json_object_size(list))
        list = json_object_get(f->config, "additional_special_tokens");
    return json_is_array(list) ? list : NULL;
}

static rv_status add_extras(rv_tokenizer *tok, const files *f, rv_error *err)
{
    size_t i;
    const json_t *token;
    json_array_foreach(extras(f), i, token)
    {
        const json_t *content = content_of(token);
        if (content && !rv_added_find(&tok->added, json_string_value(content),
                                      json_string_length(content)))
            RV_TRY(rv_tokenizer_add_json(tok, token, true, "extra_special_tokens", err));
    }
    return RV_OK;
}

/* ---- added tokens ----------------------------------------------------------------------------- */

typedef struct numbered {
    long long id;
    size_t place;
    const json_t *token;
} numbered;

static int by_id(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    int order = (x->id > y->id) - (x->id < y->id);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static bool is_named_special(const files *f, const char *content)
{
    for (size_t i = 0; i < STANDARD; i++) {
        const json_t *text = content_of(named(f, standard[i]));
        if (text && strcmp(json_string_value(text), content) == 0) return true;
    }
    size_t i;
    const json_t *token;
    json_array_foreach(extras(f), i, token)
    {
        const json_t *text = content_of(token);
        if (text && strcmp(json_string_value(text), content) == 0) return true;
    }
    return false;
}

/* added_tokens_decoder: {"32": {"content": ...}, ...}, or added_tokens.json: {content: id, ...}.
 * They come in the order of their ids, whatever the ids are. */
static rv_status add_in_order(rv_tokenizer *tok, const files *f, json_t *decoder, rv_error *err)
{
    json_t *tokens = decoder ? decoder : f->added, *value;
    size_t count = 0;
    const char *key;
    numbered *list;
    RV_TRY(RV_NEW(list, json_object_size(tokens), err));
    rv_status status = RV_OK;
    json_object_foreach(tokens, key, value)
    {
        numbered *n = &list[count];
        char *end = NULL;
        n->id = decoder ? strtoll(key, &end, 10) : (long long)json_integer_value(value);
        if (decoder ? end == key || *end || !json_is_object(value) : !json_is_integer(value))
            RV_GOTO(rv_fail(err, RV_ERR_FORMAT, "%s: \"%s\": expected %s",
                            decoder ? "added_tokens_decoder" : "added_tokens.json", key,
                            decoder ? "a number with an object" : "a number"));
        n->token = decoder ? value : json_string(key);
        n->place = count++;
        if (!n->token) RV_GOTO(rv_fail_memory(err, strlen(key)));
    }
    qsort(list, count, sizeof *list, by_id);
    for (size_t i = 0; i < count; i++) {
        bool special = !decoder && is_named_special(f, json_string_value(list[i].token));
        RV_GOTO(rv_tokenizer_add_json(tok, list[i].token, special, "added tokens", err));
    }
done:
    for (size_t i = 0; !decoder && i < count; i++) json_decref((json_t *)list[i].token);
    free(list);
    return status;
}

/* ---- ids, BOS, template ------------------------------------------------------------------------ */

static void find_ids(rv_tokenizer *tok, const files *f)
{
    const struct {
        const char *name;
        int32_t *id;
    } ids[] = {{"bos_token", &tok->special.bos},
               {"eos_token", &tok->special.eos},
               {"unk_token", &tok->special.unknown},
               {"pad_token", &tok->special.pad}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (json_is_null(json_object_get(f->config, ids[i].name))) *ids[i].id = -1;
        for (size_t k = 0; k < tok->named_count; k++)
            if (strcmp(tok->named[k].name, ids[i].name) == 0)
                *ids[i].id = rv_tokenizer_id(tok, tok->named[k].content, tok->named[k].length);
    }
}

static rv_status put_around(rv_tokenizer *tok, const json_t *config, rv_error *err)
{
    bool add_bos = false, add_eos = false;
    RV_TRY(rv_json_bool(&add_bos, config, "add_bos_token", err));
    RV_TRY(rv_json_bool(&add_eos, config, "add_eos_token", err));
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

static rv_status read_chat_file(rv_tokenizer *tok, const char *folder, rv_error *err)
{
    char *path = rv_path_join(folder, "chat_template.jinja");
    if (!path) return rv_fail_memory(err, strlen(folder));
    rv_status status = RV_OK;
    if (rv_file_exists(path)) {
        size_t length;
        free(tok->chat_template);
        tok->chat_template = NULL;
        status = rv_read_file(&tok->chat_template, &length, path, LIMIT_TEMPLATE, err);
    }
    free(path);
    return status;
}

rv_status rv_tokenizer_read_config(rv_tokenizer *tok, const char *folder,
                                   const char *const *defaults, bool obey_add_bos,
                                   rv_error *err)
{
    files f = {0};
    rv_status status;
    RV_GOTO(read_beside(&f.config, folder, "tokenizer_config.json", err));
    json_t *decoder = json_object_get(f.config, "added_tokens_decoder");
    if (!decoder) { // written by transformers before 4.34
        RV_GOTO(read_beside(&f.map, folder, "special_tokens_map.json", err));
        RV_GOTO(read_beside(&f.added, folder, "added_tokens.json", err));
    }
    RV_GOTO(add_in_order(tok, &f, decoder, err));
    RV_GOTO(add_all_named(tok, &f, defaults, err));
    RV_GOTO(add_extras(tok, &f, err));
    find_ids(tok, &f);
    if (obey_add_bos) RV_GOTO(put_around(tok, f.config, err));
    RV_GOTO(read_chat(tok, json_object_get(f.config, "chat_template"), err));
    RV_GOTO(read_chat_file(tok, folder, err));
done:
    json_decref(f.config);
    json_decref(f.map);
    json_decref(f.added);
    return status;
}
