/* MLP neuron: a column of mlp.hook_post, as TransformerLens, Neuronpedia, exchange files and modules' paths name it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "target/kind/kind.h"

typedef struct neuron {
    size_t index;
} neuron;

static const neuron *own(const rv_target *t)
{
    return t->own;
}

/* L5.N131  L5N131  5.131  5/131  model/5/131  layers/5/neurons/131 */
static bool take(const char *text, size_t *layer, size_t *index)
{
    const char *c = text;
    if (rv_take_word(&c, "L") && rv_take_number(&c, layer) &&
        (rv_take_word(&c, "."), rv_take_word(&c, "N")) && rv_take_number(&c, index) && !*c)
        return true;
    c = text;
    if (rv_take_number(&c, layer) && (rv_take_word(&c, ".") || rv_take_word(&c, "/")) &&
        rv_take_number(&c, index) && !*c)
        return true;
    c = text;
    if (rv_take_word(&c, "layers/") && rv_take_number(&c, layer) &&
        rv_take_word(&c, "/neurons/") && rv_take_number(&c, index) && !*c)
        return true;
    c = strchr(text, '/'); // Neuronpedia: the layer of a raw neuron is a bare number
    return c && c != text && (c++, rv_take_number(&c, layer)) && rv_take_word(&c, "/") &&
           rv_take_number(&c, index) && !*c;
}

static bool claims(const char *text)
{
    size_t layer, index;
    return take(text, &layer, &index);
}

rv_status rv_set_neuron(rv_target *t, size_t layer, size_t index, const rv_config *c,
                        rv_error *err)
{
    char what[RV_SITE_NAME_MAX + 16], site[RV_SITE_NAME_MAX];
    t->kind = &rv_kind_neuron;
    t->site = (rv_site){RV_SITE_MLP_POST, layer};
    if (layer >= c->layers) return rv_fail_range(t, "layer", c->layers, layer, err);
    rv_site_name(site, t->site);
    snprintf(what, sizeof what, "neuron of %s", site);
    if (index >= c->mlp_width) return rv_fail_range(t, what, c->mlp_width, index, err);
    neuron *n;
    RV_TRY(RV_NEW(n, 1, err));
    n->index = index;
    t->own = n;
    snprintf(t->name, sizeof t->name, "L%zu.N%zu", layer, index);
    return RV_OK;
}

static rv_status parse(rv_target *t, const char *text, const rv_naming *from, rv_error *err)
{
    size_t layer, index;
    return take(text, &layer, &index) ? rv_set_neuron(t, layer, index, from->config, err)
                                      : rv_fail_form(t, err);
}

static size_t numbers(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    (void)t, (void)c, (void)positions;
    return 2 * rows; // two seeds
}

static void narrow(rv_tap *tap, const rv_target *t)
{
    tap->column = own(t)->index;
    tap->columns = 1;
}

static void values(real *out, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits)
{
    (void)t, (void)end, (void)logits;
    memcpy(out, tapped, rv_pass_rows(pass) * sizeof *out);
}

/* Climbing f = act(z) u (u = 1 where the MLP is not gated) through z and u:
 *   df/dz = act'(z) u    df/du = act(z)
 * Below z = 0 act is next to flat, and act and act' may point away from the side that fires: the true gradient leads
 * nowhere there, or away. So there, and where u has the wrong sign, they are taken as at least LEAST: z upwards, u
 * in the direction of the sign. */
static void seed_row(real *dz, real *du, const rv_target *t, const rv_pass *pass, size_t row,
                     real weight)
{
    static const real LEAST = (real)0.1;
    const rv_transformer *m = rv_pass_model(pass);
    real z, u, one = 1, slope = 0, act = 0;
    rv_pass_mlp_input(pass, t->site.layer, row, own(t)->index, &z, &u);
    m->kernels->activation_backward(&slope, 1, &act, 1, &one, 1, &z, 1, &one, 1, 1, 1,
                                    m->config.activation, 1);
    u *= t->sign; // now it is wanted large
    bool off = z <= 0 || u <= 0;
    if (!m->config.gated && t->sign < 0) off = false; // the lowest point lies just below 0
    if (off) {
        slope = slope > LEAST ? slope : LEAST;
        act = act > LEAST ? act : LEAST;
        u = u > LEAST ? u : LEAST;
    }
    *dz = weight * slope * u;
    *du = weight * t->sign * act;
}

static void seed(rv_tap taps[RV_TARGET_TAPS], real *out, const rv_target *t, const rv_climb *c)
{
    size_t all = rv_pass_rows(c->pass), row;
    for (size_t s = 0; s < c->sequences; s++)
        if (rv_climbed_row(c, s, &row))
            seed_row(&out[row], &out[all + row], t, c->pass, row, c->weight[s]);
    taps[0].site.kind = RV_SITE_MLP_PRE;
    if (!rv_pass_config(c->pass)->gated) return;
    taps[1] = taps[0];
    taps[1].site.kind = RV_SITE_MLP_PRE_LINEAR;
    taps[1].seed = out + all;
}

/* The neuron's column of the MLP's second matrix; a norm behind that scales it. */
static rv_status output(real *out, bool *writes, const rv_target *t, const rv_transformer *m,
                        rv_error *err)
{
    const rv_block *block = &m->blocks[t->site.layer];
    const real *norm = block->post_mlp.weight;
    real *one;
    RV_TRY(RV_NEW(one, m->config.mlp_width, err));
    one[own(t)->index] = 1;
    for (size_t c = 0; c < m->config.width; c++)
        out[c] = rv_matrix_dot(&block->down, c, one) * (norm ? norm[c] : 1);
    free(one);
    *writes = true;
    return RV_OK;
}

bool rv_target_is_neuron(const rv_target *t, size_t *layer, size_t *index)
{
    if (t->kind != &rv_kind_neuron) return false;
    if (layer) *layer = t->site.layer;
    if (index) *index = own(t)->index;
    return true;
}

const rv_target_kind rv_kind_neuron = {
    .form = "L5.N131 (also 5.131, 5/131, blocks.5.mlp.hook_post:131)",
    .claims = claims,
    .parse = parse,
    .numbers = numbers,
    .narrow = narrow,
    .values = values,
    .seed = seed,
    .output = output,
};
