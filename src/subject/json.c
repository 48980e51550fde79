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

static void set_text(json_t *object, const char *key, const char *bytes, size_t length)
{
    rv_text_to_json(object, key, (rv_string){bytes, length});
}

static json_t *bos_to_json(const rv_bos *bos)
{
    json_t *json = json_object();
    json_object_set_new(json, "added", json_boolean(bos->added));
    if (bos->id >= 0) json_object_set_new(json, "id", json_integer(bos->id));
    if (bos->text) set_text(json, "token", bos->text, bos->length);
    if (bos->why) json_object_set_new(json, "why", string(bos->why));
    return json;
}

/* `value` names the tokens' values; NULL: leave them out. */
static json_t *tokens_to_json(const rv_tokens *tokens, const char *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tokens->count; i++) {
        const rv_token *t = &tokens->items[i];
        json_t *json = json_object();
        json_object_set_new(json, "id", json_integer(t->id));
        set_text(json, "text", t->text, t->length);
        if (value) json_object_set_new(json, value, number(t->value));
        json_array_append_new(list, json);
    }
    return list;
}

rv_status rv_text_json(char **out, const char *text, size_t length, rv_error *err)
{
    json_t *root = json_object();
    set_text(root, "text", text, length);
    return rv_json_result(out, root, err);
}

rv_status rv_tokens_json(char **out, const rv_tokens *tokens, rv_error *err)
{
    json_t *root = json_object(), *ids = json_array();
    for (size_t i = 0; i < tokens->count; i++)
        json_array_append_new(ids, json_integer(tokens->items[i].id));
    json_object_set_new(root, "ids", ids);
    json_object_set_new(root, "tokens", tokens_to_json(tokens, NULL));
    json_object_set_new(root, "bos", bos_to_json(&tokens->bos));
    return rv_json_result(out, root, err);
}

rv_status rv_score_json(char **out, const rv_score *score, rv_error *err)
{
    json_t *root = json_object();
    json_object_set_new(root, "tokens", integer(score->tokens.count));
    json_object_set_new(root, "scored", integer(score->scored));
    json_object_set_new(root, "cross_entropy", number(score->cross_entropy));
    json_object_set_new(root, "perplexity", number(score->perplexity));
    json_object_set_new(root, "bits_per_byte", number(score->bits_per_byte));
    json_object_set_new(root, "bos", bos_to_json(&score->tokens.bos));
    json_object_set_new(root, "losses", tokens_to_json(&score->tokens, "nll"));
    return rv_json_result(out, root, err);
}

rv_status rv_activations_json(char **out, const rv_activations *activations, rv_error *err)
{
    json_t *root = json_object();
    json_object_set_new(root, "target", string(activations->target));
    json_object_set_new(root, "sign", json_integer(activations->sign < 0 ? -1 : 1));
    json_object_set_new(root, "bos", bos_to_json(&activations->tokens.bos));
    json_object_set_new(root, "tokens", tokens_to_json(&activations->tokens, "value"));
    return rv_json_result(out, root, err);
}

rv_status rv_generation_json(char **out, const rv_generation *generation, rv_error *err)
{
    json_t *root = json_object();
    set_text(root, "text", generation->text, generation->length);
    json_object_set_new(root, "tokens", tokens_to_json(&generation->tokens, NULL));
    json_object_set_new(root, "prompt_tokens", integer(generation->prompt_tokens));
    json_object_set_new(root, "stopped", string(generation->stopped));
    json_object_set_new(root, "chat", json_boolean(generation->chat));
    json_object_set_new(root, "bos", bos_to_json(&generation->tokens.bos));
    return rv_json_result(out, root, err);
}

static json_t *memory_to_json(const rv_model_info *info)
{
    json_t *json = json_object();
    json_object_set_new(json, "weights", integer(info->weight_bytes));
    json_object_set_new(json, "loading", integer(info->loading_bytes));
    json_object_set_new(json, "search", integer(info->search_bytes));
    json_object_set_new(json, "per_token", integer(info->token_bytes));
    if (info->available_bytes)
        json_object_set_new(json, "available", integer(info->available_bytes));
    return json;
}

static json_t *shape_to_json(const rv_model_info *info)
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
        json_object_set_new(json, sizes[i].name, integer(sizes[i].value));
    json_object_set_new(json, "tied_head", json_boolean(info->tied));
    json_object_set_new(json, "gated", json_boolean(info->gated));
    json_object_set_new(json, "parallel_residual", json_boolean(info->parallel_residual));
    return json;
}

rv_status rv_model_info_json(char **out, const rv_model_info *info, rv_error *err)
{
    json_t *root = json_object(), *sites = json_array();
    json_object_set_new(root, "name", string(info->name));
    json_object_set_new(root, "path", string(info->path));
    json_object_set_new(root, "format", string(info->format));
    json_object_set_new(root, "family", string(info->family));
    json_object_set_new(root, "quantisation", string(info->quantisation));
    json_object_set_new(root, "parameters", integer(info->parameters));
    json_object_set_new(root, "file_bytes", integer(info->file_bytes));
    json_object_set_new(root, "memory", memory_to_json(info));
    json_object_set_new(root, "shape", shape_to_json(info));
    if (info->tokenizer) {
        json_object_set_new(root, "tokenizer", string(info->tokenizer));
        json_object_set_new(root, "bos", bos_to_json(&info->bos));
        json_object_set_new(root, "chat_template", json_boolean(info->chat_template));
    }
    for (size_t i = 0; i < info->site_count; i++)
        json_array_append_new(sites, string(info->sites[i]));
    json_object_set_new(root, "sites", sites);
    return rv_json_result(out, root, err);
}
