/* Target names. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "target/target.h"

typedef struct parser {
    rv_target *out;
    const char *text; /* without the sign */
    const rv_config *config;
    const rv_tokenizer *tokenizer;
    rv_error *err;
} parser;

static rv_status fail_form(const parser *p)
{
    return rv_fail(p->err, RV_ERR_USAGE,
                   "target \"%.100s\": expected L5.N131 (also 5.131, 5/131, "
                   "blocks.5.mlp.hook_post:131), SITE:INDEX, "
                   "logit:\" Paris\", direction:FILE@SITE or attention:L5.H3[-1,0], with a "
                   "leading - for the negative "
                   "direction",
                   p->out->written);
}

/* A number at *text, moved past; at most 9 digits. */
static bool number(const char **text, size_t *out)
{
    const char *c = *text;
    size_t value = 0;
    while (isdigit((unsigned char)*c) && c - *text < 9)
        value = value * 10 + (size_t)(*c++ - '0');
    if (c == *text || isdigit((unsigned char)*c)) return false;
    *out = value;
    *text = c;
    return true;
}

static bool signed_number(const char **text, long *out)
{
    bool minus = **text == '-';
    size_t value;
    *text += minus;
    if (!number(text, &value)) return false;
    *out = minus ? -(long)value : (long)value;
    return true;
}

static bool skip(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0) return false;
    *text += length;
    return true;
}

static rv_status set_number(const parser *p, rv_site site, size_t index)
{
    char name[RV_SITE_NAME_MAX];
    size_t layers = p->config->layers, width;
    if (site.layer >= layers && site.kind != RV_SITE_EMBED)
        return rv_fail(p->err, RV_ERR_USAGE,
                       "target \"%.100s\": layer: expected 0 to %zu, found %zu",
                       p->out->written, layers - 1, site.layer);
    rv_site_name(name, site);
    width = rv_site_width(site, p->config);
    if (rv_site_is_map(site))
        return rv_fail(p->err, RV_ERR_USAGE,
                       "target \"%.100s\": write an attention entry as attention:L5.H3[-1,0]",
                       p->out->written);
    if (index >= width)
        return rv_fail(p->err, RV_ERR_USAGE,
                       "target \"%.100s\": %s of %s: expected 0 to %zu, found %zu",
                       p->out->written, site.kind == RV_SITE_MLP_POST ? "neuron" : "index",
                       name, width - 1, index);
    p->out->kind = RV_TARGET_NUMBER;
    p->out->site = site;
    p->out->index = index;
    p->out->width = 1;
    if (site.kind == RV_SITE_MLP_POST)
        snprintf(p->out->name, sizeof p->out->name, "L%zu.N%zu", site.layer, index);
    else
        snprintf(p->out->name, sizeof p->out->name, "%s:%zu", name, index);
    return RV_OK;
}

/* L5.N131  L5N131  5.131  5/131  model/5/131  layers/5/neurons/131 */
static bool parse_neuron(const char *text, size_t *layer, size_t *index)
{
    const char *c = text;
    if (skip(&c, "L") && number(&c, layer) && (skip(&c, "."), skip(&c, "N")) &&
        number(&c, index) && !*c)
        return true;
    c = text;
    if (number(&c, layer) && (skip(&c, ".") || skip(&c, "/")) && number(&c, index) && !*c)
        return true;
    c = text;
    if (skip(&c, "layers/") && number(&c, layer) && skip(&c, "/neurons/") &&
        number(&c, index) && !*c)
        return true;
    c = strchr(text, '/'); // Neuronpedia: the layer of a raw neuron is a bare number
    return c && c != text && (c++, number(&c, layer)) && skip(&c, "/") && number(&c, index) &&
           !*c;
}

/* Module paths of Hugging Face models whose output, or input, is the neuron. */
static bool parse_module(const char *text, size_t *layer)
{
    static const char *const forms[][2] = {{"model.layers.", ".mlp"},
                                           {"model.layers.", ".mlp.act_fn"},
                                           {"model.layers.", ".mlp.down_proj"},
                                           {"transformer.h.", ".mlp"},
                                           {"transformer.h.", ".mlp.act"},
                                           {"transformer.h.", ".mlp.c_proj"},
                                           {"gpt_neox.layers.", ".mlp"},
                                           {"gpt_neox.layers.", ".mlp.act"},
                                           {"gpt_neox.layers.", ".mlp.dense_4h_to_h"},
                                           {"layers.", ".mlp"}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const char *c = text;
        if (skip(&c, forms[i][0]) && number(&c, layer) && strcmp(c, forms[i][1]) == 0)
            return true;
    }
    return false;
}

/* SITE:INDEX or SITE[INDEX] */
static rv_status parse_site(const parser *p)
{
    char name[RV_TARGET_NAME_MAX];
    size_t index, layer;
    const char *mark = strrchr(p->text, ':'), *digits;
    bool bracket = !mark;
    if (bracket) mark = strrchr(p->text, '[');
    if (!mark) return fail_form(p);
    digits = mark + 1;
    if (!number(&digits, &index) || (bracket && !skip(&digits, "]")) || *digits)
        return fail_form(p);
    snprintf(name, sizeof name, "%.*s", (int)(mark - p->text), p->text);
    if (parse_module(name, &layer))
        return set_number(p, (rv_site){RV_SITE_MLP_POST, layer}, index);
    rv_site site;
    RV_TRY(rv_site_parse(&site, name, p->config, p->err));
    return set_number(p, site, index);
}

/* logit:" Paris" or logit: Paris (quotes may be left out), or logit:#1234 */
static rv_status parse_logit(const parser *p, const char *rest)
{
    size_t length = strlen(rest), id;
    const char *digits = rest + 1;
    rv_target *t = p->out;
    t->kind = RV_TARGET_LOGIT;
    t->site = (rv_site){RV_SITE_UNEMBED_IN, 0};
    t->width = p->config->width;
    if (rest[0] == '#' && number(&digits, &id) && !*digits) {
        if (id >= p->config->vocabulary)
            return rv_fail(p->err, RV_ERR_USAGE,
                           "target \"%.100s\": token: expected 0 to %zu, found %zu", t->written,
                           p->config->vocabulary - 1, id);
        t->token = (int32_t)id;
        snprintf(t->name, sizeof t->name, "logit:#%zu", id);
        return RV_OK;
    }
    if (length >= 2 && rest[0] == '"' && rest[length - 1] == '"') rest++, length -= 2;
    rv_ids ids = {0};
    rv_status status = RV_OK;
    if (p->tokenizer)
        status = rv_tokenizer_encode(p->tokenizer, rest, length, RV_ENCODE_PLAIN, &ids, p->err);
    if (status == RV_OK && ids.count != 1)
        status = rv_fail(p->err, RV_ERR_USAGE,
                         "target \"%.100s\": text: expected exactly one token, found %zu",
                         t->written, ids.count);
    if (status == RV_OK) t->token = ids.items[0];
    rv_ids_release(&ids);
    int needed = snprintf(t->name, sizeof t->name, "logit:\"%.*s\"", (int)length, rest);
    if ((size_t)needed >= sizeof t->name) // a token of many bytes
        snprintf(t->name, sizeof t->name, "logit:#%d", (int)t->token);
    return status;
}

static rv_status read_vector(const parser *p, const rv_checkpoint *ck, const char *name,
                             bool needed, real **out)
{
    const rv_tensor *t = name ? rv_checkpoint_find(ck, name) : rv_checkpoint_at(ck, 0);
    if (!t && !needed) return RV_OK;
    if (!t || t->elements != p->out->width)
        return rv_fail(p->err, RV_ERR_FORMAT, "%s: tensor %s: expected %zu numbers, found %zu",
                       rv_checkpoint_path(ck), name ? name : "(first)", p->out->width,
                       t ? t->elements : 0);
    RV_TRY(RV_NEW(*out, p->out->width, p->err));
    return rv_tensor_read(t, *out, p->err);
}

/* direction:FILE@SITE. FILE is a safetensors file with a tensor "vector" (or only one), and "mean" and
 * "std" where values are to be standardised. */
static rv_status parse_direction(const parser *p, const char *rest)
{
    rv_target *t = p->out;
    const char *at = strrchr(rest, '@');
    if (!at) return fail_form(p);
    char *path = rv_strndup(rest, (size_t)(at - rest));
    if (!path) return rv_fail_memory(p->err, (size_t)(at - rest));
    t->kind = RV_TARGET_DIRECTION;
    rv_checkpoint *ck = NULL;
    rv_status status = rv_site_parse(&t->site, at + 1, p->config, p->err);
    t->width = rv_site_width(t->site, p->config);
    if (status == RV_OK && t->width == 0)
        status = rv_fail(p->err, RV_ERR_USAGE,
                         "target \"%.100s\": site: expected one with a vector per token",
                         t->written);
    if (status == RV_OK) status = rv_checkpoint_open(&ck, path, p->err);
    if (status == RV_OK)
        status = read_vector(p, ck, rv_checkpoint_find(ck, "vector") ? "vector" : NULL, true,
                             &t->vector);
    if (status == RV_OK) status = read_vector(p, ck, "mean", false, &t->mean);
    if (status == RV_OK) status = read_vector(p, ck, "std", t->mean != NULL, &t->scale);
    for (size_t i = 0; status == RV_OK && t->scale && i < t->width; i++)
        t->scale[i] = 1 / t->scale[i];
    rv_checkpoint_close(ck);
    free(path);
    snprintf(t->name, sizeof t->name, "direction:%s", rest);
    return status;
}

/* attention:L5.H3[-1,0] */
static rv_status parse_attention(const parser *p, const char *rest)
{
    rv_target *t = p->out;
    size_t layer, head;
    const char *c = rest;
    if (!skip(&c, "L") || !number(&c, &layer) || (skip(&c, "."), !skip(&c, "H")) ||
        !number(&c, &head) || !skip(&c, "[") || !signed_number(&c, &t->query) ||
        !skip(&c, ",") || !signed_number(&c, &t->key) || strcmp(c, "]") != 0)
        return fail_form(p);
    if (layer >= p->config->layers)
        return rv_fail(p->err, RV_ERR_USAGE,
                       "target \"%.100s\": layer: expected 0 to %zu, found %zu", t->written,
                       p->config->layers - 1, layer);
    if (head >= p->config->heads)
        return rv_fail(p->err, RV_ERR_USAGE,
                       "target \"%.100s\": head: expected 0 to %zu, found %zu", t->written,
                       p->config->heads - 1, head);
    t->kind = RV_TARGET_ATTENTION;
    t->site = (rv_site){RV_SITE_PATTERN, layer};
    t->index = head;
    snprintf(t->name, sizeof t->name, "attention:L%zu.H%zu[%ld,%ld]", layer, head, t->query,
             t->key);
    return RV_OK;
}

rv_status rv_target_parse(rv_target *out, const char *text, const rv_config *config,
                          const rv_tokenizer *tokenizer, rv_error *err)
{
    *out = (rv_target){.sign = 1};
    if (strlen(text) >= sizeof out->written)
        return rv_fail(err, RV_ERR_USAGE,
                       "target: expected a name shorter than %d characters, found %zu",
                       RV_TARGET_NAME_MAX, strlen(text));
    snprintf(out->written, sizeof out->written, "%s", text);
    if (*text == '-') out->sign = -1, text++;
    parser p = {out, text, config, tokenizer, err};
    size_t layer, index;
    rv_status status;
    const char *rest = text;
    if (parse_neuron(text, &layer, &index))
        status = set_number(&p, (rv_site){RV_SITE_MLP_POST, layer}, index);
    else if (skip(&rest, "logit:"))
        status = parse_logit(&p, rest);
    else if (skip(&rest, "direction:"))
        status = parse_direction(&p, rest);
    else if (skip(&rest, "attention:"))
        status = parse_attention(&p, rest);
    else
        status = parse_site(&p);
    if (status != RV_OK) rv_target_release(out);
    return status;
}
