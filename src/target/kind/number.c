/* SITE:INDEX or SITE[INDEX]: one column of a site that has a row for every token. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/family.h"
#include "target/kind/kind.h"

/* Splits at the last ':', or '[' where there is none; false: no index stands there. */
static bool split(const char *text, size_t *length, size_t *index)
{
    const char *mark = strrchr(text, ':'), *digits;
    bool bracket = !mark;
    if (bracket) mark = strrchr(text, '[');
    if (!mark) return false;
    digits = mark + 1;
    *length = (size_t)(mark - text);
    return rv_take_number(&digits, index) && (!bracket || rv_take_word(&digits, "]")) &&
           !*digits;
}

static bool claims(const char *text)
{
    size_t length, index;
    return split(text, &length, &index);
}

static rv_status parse(rv_target *t, const char *text, const rv_naming *from, rv_error *err)
{
    char name[RV_TARGET_NAME_MAX], what[RV_SITE_NAME_MAX + 16];
    size_t index, length, layer, layers = from->config->layers;
    if (!split(text, &length, &index)) return rv_fail_form(t, err);
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (rv_family_neuron_module(name, &layer))
        return rv_set_neuron(t, layer, index, from->config, err);
    RV_TRY(rv_site_parse(&t->site, name, from->config, err));
    if (t->site.kind == RV_SITE_MLP_POST)
        return rv_set_neuron(t, t->site.layer, index, from->config, err);
    if (t->site.layer >= layers && t->site.kind != RV_SITE_EMBED)
        return rv_fail_range(t, "layer", layers, t->site.layer, err);
    if (rv_site_is_map(t->site))
        return rv_fail(err, RV_ERR_USAGE,
                       "target \"%.100s\": write an attention entry as attention:L5.H3[-1,0]",
                       t->written);
    size_t width = rv_site_width(t->site, from->config), *own;
    rv_site_name(name, t->site);
    snprintf(what, sizeof what, "index of %.*s", RV_SITE_NAME_MAX, name);
    if (index >= width) return rv_fail_range(t, what, width, index, err);
    RV_TRY(RV_NEW(own, 1, err));
    *own = index;
    t->own = own;
    snprintf(t->name, sizeof t->name, "%.*s:%zu", RV_SITE_NAME_MAX, name, index);
    return RV_OK;
}

static size_t numbers(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    (void)t, (void)c, (void)positions;
    return rows;
}

static void narrow(rv_tap *tap, const rv_target *t)
{
    tap->column = *(const size_t *)t->own;
    tap->columns = 1;
}

static void values(real *out, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits)
{
    (void)t, (void)end, (void)logits;
    memcpy(out, tapped, rv_pass_rows(pass) * sizeof *out);
}

static void seed(rv_tap taps[RV_TARGET_TAPS], real *out, const rv_target *t, const rv_climb *c)
{
    size_t row;
    (void)taps;
    for (size_t s = 0; s < c->sequences; s++)
        if (rv_climbed_row(c, s, &row)) out[row] = t->sign * c->weight[s];
}

const rv_target_kind rv_kind_number = {
    .form = "SITE:INDEX",
    .claims = claims,
    .parse = parse,
    .numbers = numbers,
    .narrow = narrow,
    .values = values,
    .seed = seed,
};
