/* Results of include/reverie/model.h as JSON, as docs/formats.md describes them. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "record/json.h"
#include "reverie/model.h"

/* null where a number is not finite: JSON has no other way to say so. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *string(const char *text)
{
    return rv_string_to_json(RV_STRING(text));
}

/* Of everything below *ok tells whether memory sufficed. */
static void set(bool *ok, json_t *object, const char *key, json_t *value)
{
    *ok &= json_object_set_new(object, key, value) == 0;
}

static void append(bool *ok, json_t *list, json_t *value)
{
    *ok &= json_array_append_new(list, value) == 0;
}

static void set_text(bool *ok, json_t *object, const char *key, const char *bytes,
                     size_t length)
{
    *ok &= rv_text_to_json(object, key, (rv_string){bytes, length});
}

static json_t *bos_to_json(bool *ok, const rv_bos *bos)
{
    json_t *json = json_object();
    set(ok, json, "added", json_boolean(bos->added));
    if (bos->id >= 0) set(ok, json, "id", json_integer(bos->id));
    if (bos->text) set_text(ok, json, "token", bos->text, bos->length);
    if (bos->why) set(ok, json, "why", string(bos->why));
    return json;
}

/* `value` names the tokens' values; NULL: leave them out. */
static json_t *tokens_to_json(bool *ok, const rv_tokens *tokens, const char *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tokens->count; i++) {
        const rv_token *t = &tokens->items[i];
        json_t *json = json_object();
        set(ok, json, "id", json_integer(t->id));
        set_text(ok, json, "text", t->text, t->length);
        if (value) set(ok, json, value, number(t->value));
        append(ok, list, json);
    }
    return list;
}

static rv_status result(char **out, json_t *root, bool ok, rv_error *err)
{
    if (ok) return rv_json_result(out, root, err);
    json_decref(root);
    return rv_json_result(out, NULL, err);
}

rv_status rv_text_json(char **out, const char *text, size_t length, rv_error *err)
{
    bool fine = true, *ok = &fine;
    json_t *root = json_object();
    set_text(ok, root, "text", text, length);
    return result(out, root, fine, err);
}

rv_status rv_tokens_json(char **out, const rv_tokens *tokens, rv_error *err)
{
    bool fine = true, *ok = &fine;
    json_t *root = json_object(), *ids = json_array();
    for (size_t i = 0; i < tokens->count; i++)
        append(ok, ids, json_integer(tokens->items[i].id));
    set(ok, root, "ids", ids);
    set(ok, root, "tokens", tokens_to_json(ok, tokens, NULL));
    set(ok, root, "bos", bos_to_json(ok, &tokens->bos));
    return result(out, root, fine, err);
}

rv_status rv_score_json(char **out, const rv_score *score, rv_error *err)
{
    bool fine = true, *ok = &fine;
    json_t *root = json_object();
    set(ok, root, "tokens", integer(score->tokens.count));
    set(ok, root, "scored", integer(score->scored));
    set(ok, root, "cross_entropy", number(score->cross_entropy));
    set(ok, root, "perplexity", number(score->perplexity));
    set(ok, root, "bits_per_byte", number(score->bits_per_byte));
    set(ok, root, "bos", bos_to_json(ok, &score->tokens.bos));
    set(ok, root, "losses", tokens_to_json(ok, &score->tokens, "nll"));
    return result(out, root, fine, err);
}

rv_status rv_activations_json(char **out, const rv_activations *activations, rv_error *err)
{
    bool fine = true, *ok = &fine;
    json_t *root = json_object();
    set(ok, root, "target", string(activations->target));
    set(ok, root, "sign", json_integer(activations->sign < 0 ? -1 : 1));
    set(ok, root, "bos", bos_to_json(ok, &activations->tokens.bos));
    set(ok, root, "tokens", tokens_to_json(ok, &activations->tokens, "value"));
    return result(out, root, fine, err);
}

rv_status rv_generation_json(char **out, const rv_generation *generation, rv_error *err)
{
    bool fine = true, *ok = &fine;
    json_t *root = json_object();
    set_text(ok, root, "text", generation->text, generation->length);
    set(ok, root, "tokens", tokens_to_json(ok, &generation->tokens, NULL));
    set(ok, root, "prompt_tokens", integer(generation->prompt_tokens));
    set(ok, root, "stopped", string(generation->stopped));
    set(ok, root, "chat", json_boolean(generation->chat));
    set(ok, root, "bos", bos_to_json(ok, &generation->tokens.bos));
    return result(out, root, fine, err);
}

static json_t *memory_to_json(bool *ok, const rv_model_info *info)
{
    json_t *json = json_object();
    set(ok, json, "weights", integer(info->weight_bytes));
    set(ok, json, "loading", integer(info->loading_bytes));
    set(ok, json, "search", integer(info->search_bytes));
    set(ok, json, "per_token", integer(info->token_bytes));
    if (info->available_bytes) set(ok, json, "available", integer(info->available_bytes));
    return json;
}

static json_t *shape_to_json(bool *ok, const rv_model_info *info)
{
    json_t *json = json_object();
    const struct {
        const char *name;
        uint64_t value;
    } sizes[] = {{"layers", info->layers},         {"width", info->width},
                 {"heads", info->heads},           {"key_heads", info->kv_heads},
                 {"head_size", info->head_size},   {"neurons", info->mlp_width},
                 {"vocabulary", info->vocabulary}, {"context", info->context}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        set(ok, json, sizes[i].name, integer(sizes[i].value));
    set(ok, json, "tied_head", json_boolean(info->tied));
    set(ok, json, "gated", json_boolean(info->gated));
    set(ok, json, "parallel_residual", json_boolean(info->parallel_residual));
    return json;
}

rv_status rv_model_info_json(char **out, const rv_model_info *info, rv_error *err)
{
    bool fine = true, *ok = &fine;
    json_t *root = json_object(), *sites = json_array();
    set(ok, root, "name", string(info->name));
    set(ok, root, "path", string(info->path));
    set(ok, root, "format", string(info->format));
    set(ok, root, "family", string(info->family));
    set(ok, root, "quantisation", string(info->quantisation));
    set(ok, root, "parameters", integer(info->parameters));
    set(ok, root, "file_bytes", integer(info->file_bytes));
    set(ok, root, "memory", memory_to_json(ok, info));
    set(ok, root, "shape", shape_to_json(ok, info));
    if (info->tokenizer) {
        set(ok, root, "tokenizer", string(info->tokenizer));
        set(ok, root, "bos", bos_to_json(ok, &info->bos));
        set(ok, root, "chat_template", json_boolean(info->chat_template));
    }
    for (size_t i = 0; i < info->site_count; i++) append(ok, sites, string(info->sites[i]));
    set(ok, root, "sites", sites);
    return result(out, root, fine, err);
}
