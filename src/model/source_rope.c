/* How a rotary table is scaled, from config.json of every generation or from GGUF. What is read means
 * what it means in transformers (modeling_rope_utils) and in llama.cpp. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/family.h"

/* "rope_scaling.factor|rope_parameters.factor" */
typedef struct rope_key {
    char text[224];
} rope_key;

static void add_key(rope_key *key, const char *object, const char *name)
{
    size_t used = strlen(key->text);
    snprintf(key->text + used, sizeof key->text - used, "%s%s%s%s", used ? "|" : "", object,
             *object ? "." : "", name);
}

static void add_keys(rope_key *key, const rv_rope_place *place, const char *name)
{
    for (size_t i = 0; i < 2 && place->objects[i]; i++) add_key(key, place->objects[i], name);
}

static rope_key key_of(const rv_rope_place *place, const char *name)
{
    rope_key key = {""};
    add_keys(&key, place, name);
    return key;
}

static rv_status need(const rv_source *s, const rv_rope_place *place, const char *name,
                      double *out, rv_error *err)
{
    rope_key key = key_of(place, name);
    if (rv_read_json(s, key.text)) return rv_read_positive(s, key.text, NULL, out, err);
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a number, found none",
                   rv_checkpoint_path(s->checkpoint), key.text);
}

static double yarn_magnitude(double factor, double weight)
{
    return factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1;
}

static rv_status read_yarn(rv_rope_config *rope, const rv_source *s, const rv_rope_place *place,
                           rv_error *err)
{
    double all = 0, part = 0;
    bool whole = true;
    rope->fast_turns = 32;
    rope->slow_turns = 1;
    RV_TRY(need(s, place, "factor", &rope->factor, err));
    RV_TRY(rv_read_positive(s, key_of(place, "beta_fast").text, NULL, &rope->fast_turns, err));
    RV_TRY(rv_read_positive(s, key_of(place, "beta_slow").text, NULL, &rope->slow_turns, err));
    RV_TRY(rv_read_bool(s, key_of(place, "truncate").text, NULL, &whole, err));
    RV_TRY(rv_read_number(s, key_of(place, "mscale").text, NULL, &part, err));
    RV_TRY(rv_read_number(s, key_of(place, "mscale_all_dim").text, NULL, &all, err));
    rope->exact_bounds = !whole;
    rope->magnitude = yarn_magnitude(rope->factor, 1);
    if (part != 0 && all != 0)
        rope->magnitude =
            yarn_magnitude(rope->factor, part) / yarn_magnitude(rope->factor, all);
    return rv_read_positive(s, key_of(place, "attention_factor").text, NULL, &rope->magnitude,
                            err);
}

/* Up to the original context the short factors hold; beyond it every position would turn by the long
 * ones, so the context ends there. */
static rv_status read_longrope(rv_rope_config *rope, rv_config *c, const rv_source *s,
                               const rv_rope_place *place, rv_error *err)
{
    rope_key key = key_of(place, "short_factor");
    const json_t *list = rv_read_json(s, key.text);
    size_t pairs = c->rotary_size / 2;
    if (json_array_size(list) != pairs || pairs > RV_ROPE_PAIRS_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %zu numbers, found %zu",
                       rv_checkpoint_path(s->checkpoint), key.text, pairs,
                       json_array_size(list));
    for (size_t i = 0; i < pairs; i++) {
        rope->divisor[i] = json_number_value(json_array_get(list, i));
        if (!(rope->divisor[i] > 0))
            return rv_fail(err, RV_ERR_FORMAT, "%s: %s[%zu]: expected a number above 0",
                           rv_checkpoint_path(s->checkpoint), key.text, i);
    }
    double stretch = (double)c->context / rope->original_context;
    RV_TRY(rv_read_positive(s, key_of(place, "factor").text, NULL, &stretch, err));
    rope->magnitude = stretch <= 1 ? 1 : sqrt(1 + log(stretch) / log(rope->original_context));
    rope->factor = 1;
    if (rope->original_context < (double)c->context)
        c->context = (size_t)rope->original_context;
    return rv_read_positive(s, key_of(place, "attention_factor").text, NULL, &rope->magnitude,
                            err);
}

static rv_status read_original(rv_rope_config *rope, const rv_config *c, const rv_source *s,
                               const rv_rope_place *place, rv_error *err)
{
    static const char name[] = "original_max_position_embeddings";
    rope_key key = {""};
    if (!place->nested) add_key(&key, "", name);
    add_keys(&key, place, name);
    rope->original_context = (double)c->context;
    RV_TRY(rv_read_positive(s, key.text, NULL, &rope->original_context, err));
    if (rope->original_context >= 2) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected at least 2, found %g",
                   rv_checkpoint_path(s->checkpoint), name, rope->original_context);
}

static rv_status read_llama3(rv_rope_config *rope, const rv_source *s,
                             const rv_rope_place *place, rv_error *err)
{
    RV_TRY(need(s, place, "factor", &rope->factor, err));
    RV_TRY(need(s, place, "low_freq_factor", &rope->low_frequency_factor, err));
    return need(s, place, "high_freq_factor", &rope->high_frequency_factor, err);
}

rv_status rv_read_rope_at(rv_config *c, size_t table, const rv_source *s,
                          const rv_rope_place *place, rv_error *err)
{
    rv_rope_config *rope = &c->rope[table];
    rope_key theta = key_of(place, "rope_theta"), type = key_of(place, "rope_type");
    const char *kind = NULL;
    add_key(&theta, "", place->theta);
    add_keys(&type, place, "type");
    rope->theta = place->usual_theta;
    RV_TRY(rv_read_positive(s, theta.text, NULL, &rope->theta, err));
    RV_TRY(rv_read_word(s, type.text, &kind, err));
    if (!kind || strcmp(kind, "default") == 0) return RV_OK;
    rope->ends_with_context = strcmp(kind, "dynamic") == 0 || strcmp(kind, "longrope") == 0;
    if (strcmp(kind, "dynamic") == 0) return RV_OK; // nothing is scaled within the context
    if (strcmp(kind, "linear") == 0) {
        rope->scaling = RV_ROPE_LINEAR;
        return need(s, place, "factor", &rope->factor, err);
    }
    RV_TRY(read_original(rope, c, s, place, err));
    if (strcmp(kind, "llama3") == 0) {
        rope->scaling = RV_ROPE_LLAMA3;
        return read_llama3(rope, s, place, err);
    }
    if (strcmp(kind, "yarn") == 0) {
        rope->scaling = RV_ROPE_YARN;
        return read_yarn(rope, s, place, err);
    }
    if (strcmp(kind, "longrope") == 0) {
        rope->scaling = RV_ROPE_DIVIDED;
        return read_longrope(rope, c, s, place, err);
    }
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "%s: rope scaling: expected default, linear, dynamic, yarn, longrope or "
                   "llama3; found \"%.80s\"",
                   rv_checkpoint_path(s->checkpoint), kind);
}

/* As llama.cpp reads it: linear where no type is said, a factor of 0 is none. Llama 3's scaling comes as
 * a tensor of divisors. */
rv_status rv_read_rope_gguf(rv_config *c, const rv_source *s, rv_error *err)
{
    rv_rope_config *rope = &c->rope[0];
    char kind[64] = "linear";
    double factor = 0;
    rope->theta = 10000;
    rope->factor = 1;
    RV_TRY(rv_read_positive(s, NULL, "rope.freq_base", &rope->theta, err));
    rv_gguf_word(s, "rope.scaling.type", kind);
    if (strcmp(kind, "none") != 0 && strcmp(kind, "linear") != 0)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: rope.scaling.type: expected none or linear, found \"%s\"",
                       rv_checkpoint_path(s->checkpoint), kind);
    RV_TRY(rv_read_number(s, NULL, "rope.scale_linear", &factor, err));
    RV_TRY(rv_read_number(s, NULL, "rope.scaling.factor", &factor, err));
    if (factor < 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: rope.scaling.factor: expected a number that is at least 0, found "
                       "%g",
                       rv_checkpoint_path(s->checkpoint), factor);
    if (strcmp(kind, "linear") == 0 && factor > 0) {
        rope->scaling = RV_ROPE_LINEAR;
        rope->factor = factor;
    }
    const rv_tensor *divisors = rv_checkpoint_find(s->checkpoint, "rope_freqs.weight");
    size_t pairs = c->rotary_size / 2;
    real numbers[RV_ROPE_PAIRS_MAX];
    if (!divisors || pairs > RV_ROPE_PAIRS_MAX) return RV_OK;
    if (divisors->rank != 1 || divisors->elements != pairs)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: tensor rope_freqs.weight: expected %zu numbers, found %zu",
                       rv_checkpoint_path(s->checkpoint), pairs, divisors->elements);
    RV_TRY(rv_tensor_read(divisors, numbers, err));
    rope->scaling = RV_ROPE_DIVIDED;
    for (size_t i = 0; i < pairs; i++) {
        rope->divisor[i] = (double)numbers[i];
        if (!(rope->divisor[i] > 0 && isfinite(rope->divisor[i])))
            return rv_fail(err, RV_ERR_FORMAT,
                           "%s: tensor rope_freqs.weight: number %zu: expected one above 0, "
                           "found %g",
                           rv_checkpoint_path(s->checkpoint), i, rope->divisor[i]);
    }
    return RV_OK;
}

rv_status rv_read_rope(rv_config *c, const rv_source *s, const char *theta, double usual_theta,
                       rv_error *err)
{
    if (!s->json) return rv_read_rope_gguf(c, s, err);
    bool scaled = json_object_size(json_object_get(s->json, "rope_scaling")) > 0;
    rv_rope_place place = {.objects = {scaled ? "rope_scaling" : "rope_parameters"},
                           .theta = theta,
                           .usual_theta = usual_theta};
    return rv_read_rope_at(c, 0, s, &place, err);
}
