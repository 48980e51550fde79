/* Reading configuration keys, from config.json or GGUF metadata. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "model/family.h"

/* One key: a path of member names separated by '.'. */
static const json_t *lookup(const json_t *json, const char *key, size_t length)
{
    while (json && length) {
        const char *dot = memchr(key, '.', length);
        size_t part = dot ? (size_t)(dot - key) : length;
        char member[96];
        if (part >= sizeof member) return NULL;
        memcpy(member, key, part);
        member[part] = '\0';
        json = json_object_get(json, member);
        key += part + (dot != NULL);
        length -= part + (dot != NULL);
    }
    return json;
}

const json_t *rv_read_json(const rv_source *s, const char *key)
{
    while (s->json && key && *key) {
        size_t length = strcspn(key, "|");
        const json_t *found = lookup(s->json, key, length);
        if (found && !json_is_null(found)) return found;
        key += length + (key[length] == '|');
    }
    return NULL;
}

static rv_status fail_type(const rv_source *s, const char *key, const char *expected,
                           const json_t *found, rv_error *err)
{
    const char *word = json_string_value(found);
    if (word)
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %s, found \"%.80s\"",
                       rv_checkpoint_path(s->checkpoint), key, expected, word);
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %s, found %s",
                   rv_checkpoint_path(s->checkpoint), key, expected, rv_json_kind(found));
}

rv_status rv_read_word(const rv_source *s, const char *key, const char **out, rv_error *err)
{
    const json_t *value = rv_read_json(s, key);
    if (!value) return RV_OK;
    if (!json_is_string(value)) return fail_type(s, key, "a string", value, err);
    *out = json_string_value(value);
    return RV_OK;
}

bool rv_is_null(const rv_source *s, const char *key)
{
    return s->json && json_is_null(json_object_get(s->json, key));
}

static void gguf_key(char out[160], const rv_source *s, const char *key)
{
    snprintf(out, 160, "%s.%s", s->architecture, key);
}

bool rv_gguf_word(const rv_source *s, const char *key, char out[64])
{
    char full[160];
    const char *bytes;
    size_t length;
    gguf_key(full, s, key);
    if (s->json || !rv_meta_string(s->checkpoint, full, &bytes, &length)) return false;
    snprintf(out, 64, "%.*s", length < 63 ? (int)length : 63, bytes);
    return true;
}

/* One number, or a list with one number a layer: then it must be the same everywhere. */
static rv_status read_gguf_number(const rv_source *s, const char *key, double *out, bool *found,
                                  rv_error *err)
{
    char full[160];
    size_t count = 0;
    double next;
    gguf_key(full, s, key);
    *found = rv_meta_number(s->checkpoint, full, out);
    if (*found || !rv_meta_array(s->checkpoint, full, &count)) return RV_OK;
    for (size_t i = 0; i < count; i++) {
        if (!rv_meta_array_number(s->checkpoint, full, i, i ? &next : out)) return RV_OK;
        if (i && next != *out)
            return rv_fail(err, RV_ERR_UNSUPPORTED,
                           "%s: %s: expected one number for all layers, found %g and %g",
                           rv_checkpoint_path(s->checkpoint), full, *out, next);
    }
    *found = count > 0;
    return RV_OK;
}

static rv_status read_number(const rv_source *s, const char *key, const char *gguf, double *out,
                             bool *found, rv_error *err)
{
    double value = 0;
    *found = false;
    if (s->json) {
        const json_t *json = rv_read_json(s, key);
        if (!json) return RV_OK;
        if (!json_is_number(json)) return fail_type(s, key, "a number", json, err);
        value = json_number_value(json);
        *found = true;
    } else if (gguf) {
        RV_TRY(read_gguf_number(s, gguf, &value, found, err));
    }
    if (!*found) return RV_OK;
    if (!isfinite(value))
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a finite number, found %g",
                       rv_checkpoint_path(s->checkpoint), s->json ? key : gguf, value);
    *out = value;
    return RV_OK;
}

rv_status rv_read_number(const rv_source *s, const char *key, const char *gguf, double *out,
                         rv_error *err)
{
    bool found;
    return read_number(s, key, gguf, out, &found, err);
}

rv_status rv_read_positive(const rv_source *s, const char *key, const char *gguf, double *out,
                           rv_error *err)
{
    RV_TRY(rv_read_number(s, key, gguf, out, err));
    if (*out > 0) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a number above 0, found %g",
                   rv_checkpoint_path(s->checkpoint), s->json ? key : gguf, *out);
}

static rv_status to_size(const rv_source *s, const char *key, double value, size_t *out,
                         rv_error *err)
{
    const double limit = 1 << 30;
    if (!(value >= 0 && value <= limit && value == (double)(size_t)value))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: %s: expected a whole number from 0 to %.0f, found %g",
                       rv_checkpoint_path(s->checkpoint), key, limit, value);
    *out = (size_t)value;
    return RV_OK;
}

rv_status rv_read_size(const rv_source *s, const char *key, const char *gguf, size_t *out,
                       rv_error *err)
{
    double value;
    bool found;
    RV_TRY(read_number(s, key, gguf, &value, &found, err));
    return found ? to_size(s, s->json ? key : gguf, value, out, err) : RV_OK;
}

rv_status rv_read_bool(const rv_source *s, const char *key, const char *gguf, bool *out,
                       rv_error *err)
{
    if (s->json) {
        const json_t *value = rv_read_json(s, key);
        if (!value) return RV_OK;
        if (!json_is_boolean(value)) return fail_type(s, key, "true or false", value, err);
        *out = json_is_true(value);
    } else if (gguf) {
        char full[160];
        gguf_key(full, s, gguf);
        rv_meta_bool(s->checkpoint, full, out);
    }
    return RV_OK;
}

/* A size that config.json may leave out; GGUF always has it. */
static rv_status read_shape_size(const rv_source *s, const char *key, const char *gguf,
                                 size_t usual, size_t *out, rv_error *err)
{
    double value = (double)usual;
    bool found;
    RV_TRY(read_number(s, key, gguf, &value, &found, err));
    if (!found && !s->json)
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s.%s: expected a number, found none",
                       rv_checkpoint_path(s->checkpoint), s->architecture, gguf);
    return to_size(s, s->json ? key : gguf, value, out, err);
}

static rv_status check_shape(const rv_config *c, const rv_source *s, rv_error *err)
{
    const char *path = rv_checkpoint_path(s->checkpoint);
    if (!c->vocabulary || !c->width || !c->layers || !c->heads || !c->head_size ||
        !c->mlp_width || !c->context)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: configuration: expected sizes above 0, found a 0", path);
    if (c->layers > RV_MAX_LAYERS)
        return rv_fail(err, RV_ERR_FORMAT, "%s: layers: expected at most %d, found %zu", path,
                       RV_MAX_LAYERS, c->layers);
    if (!c->kv_heads || c->heads % c->kv_heads)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: key/value heads: expected a divisor of %zu heads, found %zu", path,
                       c->heads, c->kv_heads);
    size_t values = c->head_size, experts = 0;
    RV_TRY(rv_read_size(s, NULL, "attention.value_length", &values, err));
    RV_TRY(rv_read_size(s, NULL, "expert_count", &experts, err));
    if (values != c->head_size)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: attention.value_length: expected %zu as for keys, found %zu", path,
                       c->head_size, values);
    if (experts)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: expert_count: expected a dense model, found a mixture of %zu "
                       "experts",
                       path, experts);
    return RV_OK;
}

rv_status rv_read_shape(rv_config *c, const rv_source *s, const rv_shape *usual, rv_error *err)
{
    static const rv_shape_keys common = {"max_position_embeddings",
                                         "hidden_size",
                                         "num_hidden_layers",
                                         "num_attention_heads",
                                         "intermediate_size",
                                         "num_key_value_heads",
                                         "head_dim"};
    const rv_shape_keys *keys = usual->keys ? usual->keys : &common;
    const rv_tensor *embedding = rv_checkpoint_find(s->checkpoint, "token_embd.weight");
    if (!s->json && embedding && embedding->rank == 2)
        c->vocabulary = embedding->shape[0];
    else
        RV_TRY(read_shape_size(s, "vocab_size", "vocab_size", usual->vocabulary, &c->vocabulary,
                               err));
    RV_TRY(
        read_shape_size(s, keys->context, "context_length", usual->context, &c->context, err));
    RV_TRY(read_shape_size(s, keys->width, "embedding_length", usual->width, &c->width, err));
    RV_TRY(read_shape_size(s, keys->layers, "block_count", usual->layers, &c->layers, err));
    RV_TRY(
        read_shape_size(s, keys->heads, "attention.head_count", usual->heads, &c->heads, err));
    bool usual_keys = s->json && usual->kv_heads && !rv_is_null(s, keys->kv_heads);
    c->kv_heads = usual_keys ? usual->kv_heads : c->heads;
    RV_TRY(rv_read_size(s, keys->kv_heads, "attention.head_count_kv", &c->kv_heads, err));
    c->head_size = s->json && usual->head_size ? usual->head_size
                   : c->heads                  ? c->width / c->heads
                                               : 0;
    RV_TRY(rv_read_size(s, keys->head_size, "attention.key_length", &c->head_size, err));
    c->mlp_width = s->json && usual->mlp_width ? usual->mlp_width : 4 * c->width;
    RV_TRY(rv_read_size(s, keys->mlp_width, "feed_forward_length", &c->mlp_width, err));
    c->tied = usual->tied;
    rv_source whole = *s; // a multimodal model ties as its own config says, not its text's
    if (s->json) whole.json = rv_checkpoint_config(s->checkpoint);
    RV_TRY(rv_read_bool(&whole, "tie_word_embeddings", NULL, &c->tied, err));
    if (!s->json) c->tied = !rv_checkpoint_find(s->checkpoint, "output.weight");
    RV_TRY(check_shape(c, s, err));
    for (size_t l = 0; l < c->layers; l++)
        c->layer[l] = (rv_layer_config){.score_scale = 1 / sqrt((double)c->head_size)};
    return RV_OK;
}

/* Which layers slide: layer_types where given. `slides` says it otherwise. */
rv_status rv_read_layer_types(bool *slides, const rv_config *c, const rv_source *s,
                              rv_error *err)
{
    const json_t *types = rv_read_json(s, "layer_types");
    if (!types) return RV_OK;
    if (json_array_size(types) != c->layers)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: layer_types: expected one for each of %zu layers, found %zu",
                       rv_checkpoint_path(s->checkpoint), c->layers, json_array_size(types));
    for (size_t l = 0; l < c->layers; l++) {
        const char *type = json_string_value(json_array_get(types, l));
        slides[l] = type && strcmp(type, "sliding_attention") == 0;
        if (!slides[l] && !(type && strcmp(type, "full_attention") == 0))
            return rv_fail(err, RV_ERR_UNSUPPORTED,
                           "%s: layer_types[%zu]: expected full_attention or "
                           "sliding_attention, found \"%.80s\"",
                           rv_checkpoint_path(s->checkpoint), l, type ? type : "no string");
    }
    return RV_OK;
}

rv_status rv_read_activation(rv_config *c, const rv_source *s, const char *key, rv_error *err)
{
    static const struct {
        const char *name;
        rv_activation activation;
    } known[] = {
        {"gelu_new", RV_ACT_GELU_TANH},
        {"gelu_pytorch_tanh", RV_ACT_GELU_TANH},
        {"gelu_fast", RV_ACT_GELU_TANH},
        {"gelu_accurate", RV_ACT_GELU_TANH},
        {"gelu_python_tanh", RV_ACT_GELU_TANH},
        {"gelu", RV_ACT_GELU_ERF},
        {"gelu_python", RV_ACT_GELU_ERF},
        {"quick_gelu", RV_ACT_QUICK_GELU},
        {"silu", RV_ACT_SILU},
        {"swish", RV_ACT_SILU},
        {"relu", RV_ACT_RELU},
    };
    const char *word = NULL;
    RV_TRY(rv_read_word(s, key, &word, err));
    if (!word) return RV_OK; // the family's default stands
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, word) == 0) {
            c->activation = known[i].activation;
            return RV_OK;
        }
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "%s: %s: expected gelu_new, gelu_pytorch_tanh, gelu, quick_gelu, silu or "
                   "relu; found \"%s\"",
                   rv_checkpoint_path(s->checkpoint), key, word);
}

rv_status rv_read_llama_like(rv_config *c, const rv_source *s, const rv_shape *usual,
                             rv_error *err)
{
    c->norm = RV_NORM_RMS;
    c->norm_eps = 1e-6;
    c->activation = RV_ACT_SILU;
    c->gated = true;
    c->embedding_scale = 1;
    RV_TRY(rv_read_shape(c, s, usual, err));
    RV_TRY(rv_read_number(s, "rms_norm_eps", "attention.layer_norm_rms_epsilon", &c->norm_eps,
                          err));
    RV_TRY(rv_read_activation(c, s, "hidden_act", err));
    c->rotary_size = c->head_size;
    return rv_read_size(s, NULL, "rope.dimension_count", &c->rotary_size, err);
}
