#include "model/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rv_family *const families[] = {
    &rv_family_llama,    &rv_family_mistral, &rv_family_ministral, &rv_family_qwen2,
    &rv_family_qwen3,    &rv_family_gemma2,  &rv_family_gemma3,    &rv_family_gpt2,
    &rv_family_gpt_neox, &rv_family_gpt_neo,
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* GGUF gives tensors the same names in every architecture. */
static const char *const gguf_names[RV_SLOTS] = {
    [RV_EMBEDDING] = "token_embd.weight",
    [RV_POSITIONS] = "position_embd.weight",
    [RV_FINAL_NORM_WEIGHT] = "output_norm.weight",
    [RV_FINAL_NORM_BIAS] = "output_norm.bias",
    [RV_HEAD] = "output.weight",
    [RV_LN1_WEIGHT] = "blk.%zu.attn_norm.weight",
    [RV_LN1_BIAS] = "blk.%zu.attn_norm.bias",
    [RV_LN2_WEIGHT] = "blk.%zu.ffn_norm.weight",
    [RV_LN2_BIAS] = "blk.%zu.ffn_norm.bias",
    [RV_POST_ATTENTION_WEIGHT] = "blk.%zu.post_attention_norm.weight",
    [RV_POST_MLP_WEIGHT] = "blk.%zu.post_ffw_norm.weight",
    [RV_Q_NORM_WEIGHT] = "blk.%zu.attn_q_norm.weight",
    [RV_K_NORM_WEIGHT] = "blk.%zu.attn_k_norm.weight",
    [RV_QKV_WEIGHT] = "blk.%zu.attn_qkv.weight",
    [RV_QKV_BIAS] = "blk.%zu.attn_qkv.bias",
    [RV_Q_WEIGHT] = "blk.%zu.attn_q.weight",
    [RV_Q_BIAS] = "blk.%zu.attn_q.bias",
    [RV_K_WEIGHT] = "blk.%zu.attn_k.weight",
    [RV_K_BIAS] = "blk.%zu.attn_k.bias",
    [RV_V_WEIGHT] = "blk.%zu.attn_v.weight",
    [RV_V_BIAS] = "blk.%zu.attn_v.bias",
    [RV_O_WEIGHT] = "blk.%zu.attn_output.weight",
    [RV_O_BIAS] = "blk.%zu.attn_output.bias",
    [RV_GATE_WEIGHT] = "blk.%zu.ffn_gate.weight",
    [RV_GATE_BIAS] = "blk.%zu.ffn_gate.bias",
    [RV_UP_WEIGHT] = "blk.%zu.ffn_up.weight",
    [RV_UP_BIAS] = "blk.%zu.ffn_up.bias",
    [RV_DOWN_WEIGHT] = "blk.%zu.ffn_down.weight",
    [RV_DOWN_BIAS] = "blk.%zu.ffn_down.bias",
};

static bool listed(const char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (strcmp(*list, word) == 0) return true;
    return false;
}

/* How near a stranger is: letters that the names begin with alike, then tensors called alike. */
static size_t likeness(const rv_family *family, const rv_source *source, const char *type)
{
    enum { LEAST_LETTERS = 4, LETTER = 100 };
    size_t letters = 0, tensors = 0;
    char name[160];
    while (type[letters] && type[letters] == family->name[letters]) letters++;
    for (rv_slot slot = 0; slot < RV_SLOTS; slot++)
        tensors += rv_family_tensor(family, source, slot, 0, name) != NULL;
    return tensors + (letters >= LEAST_LETTERS ? letters * LETTER : 0);
}

static rv_status fail_unknown(const rv_source *source, const char *field, const char *found,
                              rv_error *err)
{
    char known[256] = "", nearest[64] = "";
    size_t most = 0;
    for (size_t i = 0; i < FAMILIES; i++) {
        size_t used = strlen(known), like = likeness(families[i], source, found);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", families[i]->name);
        if (like <= most) continue;
        most = like;
        snprintf(nearest, sizeof nearest, ", which is most like %s", families[i]->name);
    }
    return rv_fail(err, RV_ERR_UNSUPPORTED,
                   "%s: %s: expected a model of one of the families %s; found \"%.80s\"%s",
                   rv_checkpoint_path(source->checkpoint), field, known, found, nearest);
}

static rv_status family_of_gguf(const rv_family **out, rv_source *source, rv_error *err)
{
    const char *bytes;
    size_t length;
    char word[64];
    if (!rv_meta_string(source->checkpoint, "general.architecture", &bytes, &length) ||
        length >= sizeof word)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: general.architecture: expected a short string, found none",
                       rv_checkpoint_path(source->checkpoint));
    memcpy(word, bytes, length);
    word[length] = '\0';
    for (size_t i = 0; i < FAMILIES; i++)
        for (const char *const *a = families[i]->architectures; a && *a; a++)
            if (strcmp(*a, word) == 0) {
                source->architecture = *a;
                *out = families[i];
                return RV_OK;
            }
    return fail_unknown(source, "general.architecture", word, err);
}

rv_status rv_family_of(const rv_family **out, rv_source *source,
                       const rv_checkpoint *checkpoint, rv_error *err)
{
    *source = (rv_source){.checkpoint = checkpoint, .json = rv_checkpoint_config(checkpoint)};
    if (rv_checkpoint_format(checkpoint) == RV_FORMAT_GGUF)
        return family_of_gguf(out, source, err);
    if (!json_is_object(source->json))
        return rv_fail(
            err, RV_ERR_NOT_FOUND,
            "%s: config.json: expected beside the weights, found none; give the model's folder",
            rv_checkpoint_path(checkpoint));
    const json_t *nested = json_object_get(source->json, "text_config");
    if (json_is_object(nested)) source->json = nested;
    const char *type = json_string_value(rv_read_json(source, "model_type"));
    if (!type)
        type =
            json_string_value(json_object_get(rv_checkpoint_config(checkpoint), "model_type"));
    for (size_t i = 0; type && i < FAMILIES; i++)
        if (listed(families[i]->model_types, type)) {
            *out = families[i];
            return RV_OK;
        }
    return fail_unknown(source, "config.json: model_type", type ? type : "(none)", err);
}

/* One name: a prefix and a pattern up to '|'. */
static const rv_tensor *find_named(const rv_checkpoint *ck, const char *prefix,
                                   const char *pattern, size_t layer, char name[160])
{
    int used = snprintf(name, 160, "%s", prefix);
    // The patterns are the constants above and in family/*.c: each takes at most one %zu.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name + used, 160 - (size_t)used, pattern, layer);
#pragma GCC diagnostic pop
    name[strcspn(name, "|")] = '\0';
    return rv_checkpoint_find(ck, name);
}

const rv_tensor *rv_family_tensor(const rv_family *family, const rv_source *source,
                                  rv_slot slot, size_t layer, char name[160])
{
    static const char *const none[] = {"", NULL};
    bool gguf = !source->json;
    const char *pattern = gguf ? gguf_names[slot] : family->names[slot];
    name[0] = '\0';
    if (!pattern) return NULL;
    bool bare = gguf || pattern[0] == '/';
    if (pattern[0] == '/') pattern++;
    const char *const *prefixes = bare ? none : family->prefixes;
    for (const char *p = pattern; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        for (const char *const *prefix = prefixes; *prefix; prefix++) {
            const rv_tensor *t = find_named(source->checkpoint, *prefix, p, layer, name);
            if (t) return t;
        }
    find_named(source->checkpoint, prefixes[0], pattern, layer, name); // what messages name
    return NULL;
}

/* Moves text past `pattern`, of `length`, whose %zu is a layer. */
static bool take_pattern(const char **text, const char *pattern, size_t length, size_t *layer)
{
    const char *c = *text, *end = pattern + length;
    while (pattern < end) {
        if (strncmp(pattern, "%zu", 3) == 0) {
            char *behind;
            if (*c < '0' || *c > '9') return false;
            *layer = strtoul(c, &behind, 10);
            if (behind - c > 9) return false;
            c = behind;
            pattern += 3;
        } else if (*pattern++ != *c++) {
            return false;
        }
    }
    *text = c;
    return true;
}

bool rv_family_neuron_module(const char *text, size_t *layer)
{
    static const char weight[] = ".weight";
    for (size_t i = 0; i < FAMILIES; i++) {
        const char *down = families[i]->names[RV_DOWN_WEIGHT];
        size_t whole = strlen(down) - strlen(weight), mlp = whole; // without the last name
        while (mlp > 0 && down[mlp] != '.') mlp--;
        for (const char *const *p = families[i]->prefixes; *p; p++) {
            const char *c = text, *rest;
            if (strncmp(c, *p, strlen(*p)) != 0) continue;
            c += strlen(*p);
            rest = c;
            if (take_pattern(&rest, down, whole, layer) && !*rest) return true;
            if (take_pattern(&c, down, mlp, layer) &&
                (!*c || strcmp(c, ".act") == 0 || strcmp(c, ".act_fn") == 0))
                return true;
        }
    }
    return false;
}
