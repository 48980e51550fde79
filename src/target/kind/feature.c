/* feature:DIR#1234 or feature:DIR#1234@SITE: a feature of a sparse autoencoder or transcoder, read at the coder's site.
 *
 * Below the gate its value is flat: what is climbed is z, the value before the gate; what is reported is the value.
 * At the first position of a text it is 0: what stands there was left out when coders were trained. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "features/coder.h"
#include "target/kind/kind.h"

static const char PREFIX[] = "feature:";
enum { DIGEST = 8 }; /* hex digits of a name that tell coders of one name apart */

typedef struct feature {
    rv_coder *coder;
    rv_feature one;
    rv_rivals rivals;          /* of top k */
    real *u, *scratch, *slope; /* (d) */
} feature;

static const feature *own(const rv_target *t)
{
    return t->own;
}

static void release(void *data)
{
    feature *f = data;
    if (!f) return;
    rv_feature_release(&f->one);
    rv_rivals_release(&f->rivals);
    rv_coder_close(f->coder);
    free(f->u);
    free(f->scratch);
    free(f->slope);
    free(f);
}

static bool claims(const char *text)
{
    return rv_take_word(&text, PREFIX);
}

/* ---- its name ----------------------------------------------------------------------------------- */

/* DIR, 1234 and SITE (NULL: the coder says it) of what stands behind the prefix; text is cut up. */
static bool split(char *text, size_t *index, char **site)
{
    char *hash = strrchr(text, '#');
    const char *digits = hash ? hash + 1 : "";
    if (!hash || hash == text || !rv_take_number(&digits, index)) return false;
    if (*digits && *digits != '@') return false;
    *site = *digits ? hash + (digits - hash) + 1 : NULL;
    *hash = '\0';
    return true;
}

/* The last two parts of the folder's path, the index, and a digest of the feature's own numbers. */
static rv_status put_name(rv_target *t, const char *folder, rv_error *err)
{
    const rv_feature *one = &own(t)->one;
    size_t length = strlen(folder), slashes = 0, from;
    while (length && folder[length - 1] == '/') length--;
    for (from = length; from > 0 && (slashes += folder[from - 1] == '/') < 2;) from--;
    rv_hash *hash;
    char digest[RV_HASH_HEX];
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, one->encoder, one->width * sizeof *one->encoder);
    rv_hash_add(hash, &one->bias, sizeof one->bias);
    rv_hash_add(hash, &one->threshold, sizeof one->threshold);
    rv_hash_finish(hash, digest);
    rv_hash_free(hash);
    if (length - from > 200) from = length - 200;
    snprintf(t->name, sizeof t->name, "%s%.*s#%zu~%.*s", PREFIX, (int)(length - from),
             folder + from, one->index, DIGEST, digest);
    return RV_OK;
}

static rv_status find_site(rv_target *t, const char *site, const rv_naming *from, rv_error *err)
{
    const rv_coder *c = own(t)->coder;
    if (!site) site = c->site;
    if (!site)
        return rv_fail(err, RV_ERR_USAGE,
                       "target \"%.100s\": site: %s does not say where it was trained; write "
                       "feature:DIR#%zu@SITE",
                       t->written, c->format, own(t)->one.index);
    RV_TRY(rv_site_parse(&t->site, site, from->config, err));
    size_t width = rv_site_width(t->site, from->config);
    if (width == c->width) return RV_OK;
    return rv_fail(
        err, RV_ERR_USAGE,
        "target \"%.100s\": %s: expected a coder of this model, for %zu numbers at %s, "
        "found one for %zu",
        t->written, c->path, width, site, c->width);
}

static rv_status load(rv_target *t, const char *folder, size_t index, const char *site,
                      const rv_naming *from, rv_error *err)
{
    feature *f = t->own;
    RV_TRY(rv_coder_open(&f->coder, folder, err));
    const rv_coder *c = f->coder;
    if (t->sign < 0 && !c->signed_values)
        return rv_fail(
            err, RV_ERR_USAGE,
            "target \"%.100s\": expected no leading -: features of this coder (%s) do "
            "not go below zero",
            t->written, rv_gate_name(c->gate));
    RV_TRY(rv_feature_load(&f->one, c, index, err));
    RV_TRY(find_site(t, site, from, err));
    RV_TRY(RV_NEW(f->u, c->width, err));
    RV_TRY(RV_NEW(f->scratch, c->width, err));
    RV_TRY(RV_NEW(f->slope, c->width, err));
    if (c->gate == RV_GATE_TOP_K) RV_TRY(rv_rivals_load(&f->rivals, c, err));
    return put_name(t, folder, err);
}

static rv_status parse(rv_target *t, const char *text, const rv_naming *from, rv_error *err)
{
    feature *f;
    size_t index;
    char *rest = rv_strndup(text + strlen(PREFIX), strlen(text) - strlen(PREFIX)), *site = NULL;
    if (!rest) return rv_fail_memory(err, strlen(text));
    rv_status status = RV_OK;
    if (!split(rest, &index, &site)) RV_GOTO(rv_fail_form(t, err));
    RV_GOTO(RV_NEW(f, 1, err));
    t->own = f;
    status = load(t, rest, index, site, from, err);
done:
    free(rest);
    return status;
}

/* ---- its value ---------------------------------------------------------------------------------- */

static size_t numbers(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    (void)c, (void)positions;
    return rows * own(t)->coder->width;
}

/* What the coder sees of x (d): the norm's gain, where it was trained behind it. */
static const real *seen(const feature *f, const rv_target *t, const rv_pass *pass,
                        const real *x)
{
    if (!f->coder->gain) return x;
    const real *gain = rv_pass_model(pass)->blocks[t->site.layer].ln2.weight;
    for (size_t i = 0; i < f->coder->width; i++) f->u[i] = x[i] * gain[i];
    return f->u;
}

static double value_of(const feature *f, const real *x)
{
    const rv_coder *c = f->coder;
    double z = rv_feature_pre(&f->one, c, x, f->scratch);
    if (c->gate != RV_GATE_TOP_K) return rv_feature_gate(&f->one, c, z);
    if (z <= 0 && !c->signed_values) return 0;
    rv_coder_input_apply(f->scratch, x, c);
    bool among = rv_rivals_admit(&f->rivals, f->scratch, f->one.index, z, c->k);
    return among ? rv_feature_gate(&f->one, c, z) : 0;
}

static void values(real *out, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits)
{
    const feature *f = own(t);
    (void)end, (void)logits;
    for (size_t s = 0; s < rv_pass_sequences(pass); s++) {
        size_t count, shared, row = rv_pass_span(pass, s, &count, &shared);
        for (size_t i = 0; i < count; i++) {
            const real *x = tapped + (row + i) * f->coder->width;
            out[row + i] = shared + i ? (real)value_of(f, seen(f, t, pass, x)) : 0;
        }
    }
}

static void seed(rv_tap taps[RV_TARGET_TAPS], real *out, const rv_target *t, const rv_climb *c)
{
    const feature *f = own(t);
    const size_t d = f->coder->width;
    const real *gain =
        f->coder->gain ? rv_pass_model(c->pass)->blocks[t->site.layer].ln2.weight : NULL;
    size_t row;
    (void)taps;
    for (size_t s = 0; s < c->sequences; s++) {
        if (!rv_climbed_row(c, s, &row)) continue;
        real w = t->sign * c->weight[s];
        rv_feature_slope(f->slope, &f->one, f->coder, seen(f, t, c->pass, c->tapped + row * d),
                         f->scratch);
        for (size_t i = 0; i < d; i++)
            out[row * d + i] = w * f->slope[i] * (gain ? gain[i] : 1);
    }
}

static rv_status output(real *out, bool *writes, const rv_target *t, const rv_transformer *m,
                        rv_error *err)
{
    const rv_feature *one = &own(t)->one;
    (void)err;
    *writes = one->output_width == m->config.width;
    if (*writes) memcpy(out, one->decoder, m->config.width * sizeof *out);
    return RV_OK;
}

const rv_target_kind rv_kind_feature = {
    .form = "feature:DIR#1234",
    .claims = claims,
    .parse = parse,
    .release = release,
    .numbers = numbers,
    .values = values,
    .seed = seed,
    .output = output,
};
