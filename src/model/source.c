/* Reading configuration keys, from config.json or GGUF metadata. */
#include <float.h>
#include <stdio.h>
#include <string.h>

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
    while (s->json && *key) {
        size_t length = strcspn(key, "|");
        const json_t *found = lookup(s->json, key, length);
        if (found && !json_is_null(found)) return found;
        key += length + (key[length] == '|');
    }
    return NULL;
}

const char *rv_read_word(const rv_source *s, const char *key)
{
    return json_string_value(rv_read_json(s, key));
}

static rv_status fail_type(const rv_source *s, const char *key, const char *expected,
                           rv_error *err)
{
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %s, found something else",
                   rv_checkpoint_path(s->checkpoint), key, expected);
}

static void gguf_key(char out[160], const rv_source *s, const char *key)
{
    snprintf(out, 160, "%s.%s", s->architecture, key);
}

static rv_status read_number(const rv_source *s, const char *key, const char *gguf, double *out,
                             bool *found, rv_error *err)
{
    *found = false;
    if (s->json) {
        const json_t *value = rv_read_json(s, key);
        if (!value) return RV_OK;
        if (!json_is_number(value)) return fail_type(s, key, "a number", err);
        *out = json_number_value(value);
        *found = true;
    } else if (gguf) {
        char full[160];
        size_t count;
        gguf_key(full, s, gguf);
        *found = rv_meta_number(s->checkpoint, full, out) ||
                 (rv_meta_array(s->checkpoint, full, &count) && count > 0 &&
                  rv_meta_array_number(s->checkpoint, full, 0, out));
    }
    return RV_OK;
}

rv_status rv_read_number(const rv_source *s, const char *key, const char *gguf, double *out,
                         rv_error *err)
{
    bool found;
    return read_number(s, key, gguf, out, &found, err);
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

rv_status rv_need_size(const rv_source *s, const char *key, const char *gguf, size_t *out,
                       rv_error *err)
{
    double value;
    bool found;
    RV_TRY(read_number(s, key, gguf, &value, &found, err));
    if (!found)
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a number, found none",
                       rv_checkpoint_path(s->checkpoint), s->json ? key : gguf);
    return to_size(s, s->json ? key : gguf, value, out, err);
}

rv_status rv_read_bool(const rv_source *s, const char *key, const char *gguf, bool *out,
                       rv_error *err)
{
    if (s->json) {
        const json_t *value = rv_read_json(s, key);
        if (!value) return RV_OK;
        if (!json_is_boolean(value)) return fail_type(s, key, "true or false", err);
        *out = json_is_true(value);
    } else if (gguf) {
        char full[160];
        gguf_key(full, s, gguf);
        rv_meta_bool(s->checkpoint, full, out);
    }
    return RV_OK;
}

rv_status rv_read_shape(rv_config *c, const rv_source *s, rv_error *err)
{
    const rv_tensor *embedding = rv_checkpoint_find(s->checkpoint, "token_embd.weight");
    if (!s->json && embedding && embedding->rank == 2)
        c->vocabulary = embedding->shape[0];
    else
        RV_TRY(rv_need_size(s, "vocab_size", "vocab_size", &c->vocabulary, err));
    RV_TRY(rv_need_size(s, "n_positions|max_position_embeddings|n_ctx", "context_length",
                        &c->context, err));
    RV_TRY(rv_need_size(s, "n_embd|hidden_size", "embedding_length", &c->width, err));
    RV_TRY(rv_need_size(s, "n_layer|num_layers|num_hidden_layers", "block_count", &c->layers,
                        err));
    RV_TRY(rv_need_size(s, "n_head|num_heads|num_attention_heads", "attention.head_count",
                        &c->heads, err));
    c->kv_heads = c->heads;
    RV_TRY(
        rv_read_size(s, "num_key_value_heads", "attention.head_count_kv", &c->kv_heads, err));
    c->head_size = c->heads ? c->width / c->heads : 0;
    RV_TRY(rv_read_size(s, "head_dim", "attention.key_length", &c->head_size, err));
    c->mlp_width = 4 * c->width;
    RV_TRY(rv_read_size(s, "n_inner|intermediate_size", "feed_forward_length", &c->mlp_width,
                        err));
    RV_TRY(rv_read_bool(s, "tie_word_embeddings", NULL, &c->tied, err));
    if (!s->json) c->tied = !rv_checkpoint_find(s->checkpoint, "output.weight");
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
    for (size_t l = 0; l < c->layers; l++)
        c->layer[l] = (rv_layer_config){.score_scale = 1 / sqrt((double)c->head_size)};
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
        {"gelu", RV_ACT_GELU_ERF},
        {"quick_gelu", RV_ACT_QUICK_GELU},
        {"silu", RV_ACT_SILU},
        {"swish", RV_ACT_SILU},
        {"relu", RV_ACT_RELU},
    };
    const char *word = rv_read_word(s, key);
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

/* section: "" for the whole config, or "rope_parameters.full_attention." where Gemma 3 nests it. */
rv_status rv_read_rope(rv_rope_config *rope, const rv_source *s, const char *section,
                       rv_error *err)
{
    char theta[160], scaling[64], old[160];
    bool nested = section[0] != '\0';
    snprintf(theta, sizeof theta, "%srope_theta%s", section,
             nested ? "" : "|rope_parameters.rope_theta|rotary_emb_base");
    RV_TRY(rv_read_number(s, theta, "rope.freq_base", &rope->theta, err));
    snprintf(scaling, sizeof scaling, "%s", nested ? section : "rope_scaling.");
    const char *kind = NULL, *where = scaling;
    const char *const sections[] = {scaling, nested ? NULL : "rope_parameters."};
    for (size_t i = 0; i < 2 && !kind && s->json; i++) {
        if (!sections[i]) continue;
        where = sections[i];
        snprintf(old, sizeof old, "%srope_type|%stype", where, where);
        kind = rv_read_word(s, old);
    }
    if (!s->json) {
        char full[160];
        size_t length;
        gguf_key(full, s, "rope.scaling.type");
        if (rv_meta_string(s->checkpoint, full, &kind, &length))
            kind = length == 6 && memcmp(kind, "linear", 6) == 0 ? "linear"
                   : length == 4 && memcmp(kind, "none", 4) == 0 ? "default"
                                                                 : "unknown";
        where = "rope_scaling.";
    }
    if (!kind || strcmp(kind, "default") == 0) return RV_OK;
    if (strcmp(kind, "linear") == 0)
        rope->scaling = RV_ROPE_LINEAR;
    else if (strcmp(kind, "llama3") == 0)
        rope->scaling = RV_ROPE_LLAMA3;
    else
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: rope scaling: expected default, linear or llama3; found \"%s\"",
                       rv_checkpoint_path(s->checkpoint), kind);
    char key[160];
    rope->factor = 1;
    snprintf(key, sizeof key, "%sfactor", where);
    RV_TRY(rv_read_number(s, key, "rope.scaling.factor", &rope->factor, err));
    if (!(rope->factor > 0))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: rope scaling factor: expected a number above 0, found %g",
                       rv_checkpoint_path(s->checkpoint), rope->factor);
    if (rope->scaling == RV_ROPE_LINEAR) return RV_OK;
    rope->low_frequency_factor = 1, rope->high_frequency_factor = 4,
    rope->original_context = 8192;
    snprintf(key, sizeof key, "%slow_freq_factor", where);
    RV_TRY(rv_read_number(s, key, NULL, &rope->low_frequency_factor, err));
    snprintf(key, sizeof key, "%shigh_freq_factor", where);
    RV_TRY(rv_read_number(s, key, NULL, &rope->high_frequency_factor, err));
    snprintf(key, sizeof key, "%soriginal_max_position_embeddings", where);
    return rv_read_number(s, key, NULL, &rope->original_context, err);
}

rv_status rv_read_llama_like(rv_config *c, const rv_source *s, rv_error *err)
{
    c->norm = RV_NORM_RMS;
    c->norm_eps = 1e-6;
    c->activation = RV_ACT_SILU;
    c->gated = true;
    c->embedding_scale = 1;
    c->rope[0].theta = 10000;
    RV_TRY(rv_read_shape(c, s, err));
    RV_TRY(rv_read_number(s, "rms_norm_eps", "attention.layer_norm_rms_epsilon", &c->norm_eps,
                          err));
    RV_TRY(rv_read_activation(c, s, "hidden_act|hidden_activation", err));
    c->rotary_size = c->head_size;
    RV_TRY(rv_read_rope(&c->rope[0], s, "", err));
    for (size_t l = 0; l < c->layers; l++)
        c->layer[l].score_scale = 1 / sqrt((double)c->head_size);
    return RV_OK;
}
