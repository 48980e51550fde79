#include "model/site.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *alias;
    bool block;
} sites[RV_SITE_KINDS] = {
#define X(kind, name, block, alias) [kind] = {name, alias, block},
    RV_SITES(X)
#undef X
};

/* Older names that users know, and what they are called above. */
static const struct {
    const char *old, *alias;
} synonyms[] = {
    {"attn", "pattern"},    {"attn_logits", "attn_scores"},
    {"query", "q"},         {"key", "k"},
    {"value", "v"},         {"mlp_pre", "pre"},
    {"mlp_mid", "post"},    {"mlp_post", "post"},
    {"rot_query", "rot_q"},
};

void rv_site_name(char out[RV_SITE_NAME_MAX], rv_site site)
{
    if (sites[site.kind].block)
        snprintf(out, RV_SITE_NAME_MAX, "blocks.%zu.%s", site.layer, sites[site.kind].name);
    else
        snprintf(out, RV_SITE_NAME_MAX, "%s", sites[site.kind].name);
}

bool rv_site_is_map(rv_site site)
{
    return site.kind == RV_SITE_SCORES || site.kind == RV_SITE_PATTERN;
}

bool rv_site_is_derived(rv_site site)
{
    switch (site.kind) {
    case RV_SITE_LN1_SCALE:
    case RV_SITE_LN1_NORMALIZED:
    case RV_SITE_LN2_SCALE:
    case RV_SITE_LN2_NORMALIZED:
    case RV_SITE_LN_FINAL_SCALE:
    case RV_SITE_LN_FINAL_NORMALIZED:
    case RV_SITE_RESULT:
        return true;
    default:
        return rv_site_is_map(site);
    }
}

bool rv_site_exists(rv_site site, const rv_config *c)
{
    if (site.kind >= RV_SITE_KINDS || (sites[site.kind].block && site.layer >= c->layers))
        return false;
    switch (site.kind) {
    case RV_SITE_POS_EMBED:
        return c->learned_positions;
    case RV_SITE_ROT_Q:
    case RV_SITE_ROT_K:
        return c->rotary_size > 0;
    case RV_SITE_RESID_MID:
        return !c->parallel_residual;
    case RV_SITE_MLP_PRE_LINEAR:
        return c->gated;
    default:
        return true;
    }
}

size_t rv_site_width(rv_site site, const rv_config *c)
{
    switch (site.kind) {
    case RV_SITE_LN1_SCALE:
    case RV_SITE_LN2_SCALE:
    case RV_SITE_LN_FINAL_SCALE:
        return 1;
    case RV_SITE_Q:
    case RV_SITE_ROT_Q:
    case RV_SITE_Z:
        return c->heads * c->head_size;
    case RV_SITE_K:
    case RV_SITE_V:
    case RV_SITE_ROT_K:
        return c->kv_heads * c->head_size;
    case RV_SITE_RESULT:
        return c->heads * c->width;
    case RV_SITE_SCORES:
    case RV_SITE_PATTERN:
        return 0;
    case RV_SITE_MLP_PRE:
    case RV_SITE_MLP_PRE_LINEAR:
    case RV_SITE_MLP_POST:
        return c->mlp_width;
    default:
        return c->width;
    }
}

static bool find_alias(rv_site_kind *out, const char *word, size_t length, bool block)
{
    for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++)
        if (strlen(synonyms[i].old) == length && strncmp(synonyms[i].old, word, length) == 0) {
            word = synonyms[i].alias;
            length = strlen(word);
            break;
        }
    for (size_t k = 0; k < RV_SITE_KINDS; k++) {
        bool named =
            strlen(sites[k].alias) == length && strncmp(sites[k].alias, word, length) == 0;
        bool full =
            strlen(sites[k].name) == length && strncmp(sites[k].name, word, length) == 0;
        if (sites[k].block == block && (named || full)) {
            *out = (rv_site_kind)k;
            return true;
        }
    }
    return false;
}

static bool parse_layer(size_t *layer, const char **text)
{
    if (!isdigit((unsigned char)**text)) return false;
    char *end;
    unsigned long long value = strtoull(*text, &end, 10);
    if (end - *text > 9) return false;
    *layer = (size_t)value;
    *text = end;
    return true;
}

/* "normalized27ln2", "scale3ln1": the norm's name stands behind the layer. */
static bool parse_norm(rv_site *out, const char *word, size_t length, const char *rest)
{
    char name[32];
    if (strcmp(rest, "ln1") != 0 && strcmp(rest, "ln2") != 0) return false;
    if (length > 16) return false;
    snprintf(name, sizeof name, "%s.%.*s", rest, (int)length, word);
    return find_alias(&out->kind, name, strlen(name), true);
}

static bool parse(rv_site *out, const char *name)
{
    const char *text = name;
    *out = (rv_site){0};
    if (strncmp(text, "blocks.", 7) == 0) {
        text += 7;
        return parse_layer(&out->layer, &text) && *text == '.' &&
               find_alias(&out->kind, text + 1, strlen(text + 1), true);
    }
    if (find_alias(&out->kind, name, strlen(name), false)) return true;
    if (parse_layer(&out->layer, &text)) // "5.post"
        return *text == '.' && find_alias(&out->kind, text + 1, strlen(text + 1), true);
    // "k6": letters, then the layer. Names such as "hook_ln1.scale3" keep their inner digits.
    size_t length = strlen(name), digits = 0;
    while (digits < length && isdigit((unsigned char)name[length - 1 - digits])) digits++;
    text = name + length - digits;
    if (digits && parse_layer(&out->layer, &text) &&
        find_alias(&out->kind, name, length - digits, true))
        return true;
    size_t word = strcspn(name, "0123456789");
    text = name + word;
    return parse_layer(&out->layer, &text) && parse_norm(out, name, word, text);
}

static rv_status fail_unknown(const char *name, const rv_config *c, rv_error *err)
{
    char known[700] = "";
    for (size_t k = 0; k < RV_SITE_KINDS; k++) {
        rv_site site = {(rv_site_kind)k, 0};
        if (!rv_site_exists(site, c)) continue;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s%s", used ? ", " : "",
                 sites[k].block ? "blocks.L." : "", sites[k].name);
    }
    return rv_fail(err, RV_ERR_USAGE, "site \"%.64s\": this model has %s", name, known);
}

rv_status rv_site_parse(rv_site *out, const char *name, const rv_config *c, rv_error *err)
{
    if (!parse(out, name)) return fail_unknown(name, c, err);
    if (sites[out->kind].block && out->layer >= c->layers)
        return rv_fail(err, RV_ERR_USAGE, "site \"%.64s\": layer: expected 0 to %zu, found %zu",
                       name, c->layers - 1, out->layer);
    return rv_site_exists(*out, c) ? RV_OK : fail_unknown(name, c, err);
}
