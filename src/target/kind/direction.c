/* direction:FILE@SITE: <values at the site, vector>. FILE is a safetensors file with a tensor "vector" (or only one),
 * and "mean" and "std" where values are to be standardised. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "target/kind/kind.h"

static const char PREFIX[] = "direction:";

typedef struct direction {
    size_t width;
    real *vector;       /* (width) */
    real *mean, *scale; /* (width): <(x - mean) * scale, vector>; or NULL */
} direction;

static const direction *own(const rv_target *t)
{
    return t->own;
}

static void release(void *data)
{
    direction *d = data;
    if (!d) return;
    free(d->vector);
    free(d->mean);
    free(d->scale);
    free(d);
}

static bool claims(const char *text)
{
    return rv_take_word(&text, PREFIX);
}

static rv_status read_vector(real **out, const direction *d, const rv_checkpoint *ck,
                             const char *name, bool needed, rv_error *err)
{
    const rv_tensor *t = name ? rv_checkpoint_find(ck, name) : rv_checkpoint_at(ck, 0);
    if (!t && !needed) return RV_OK;
    if (!t || t->elements != d->width)
        return rv_fail(err, RV_ERR_FORMAT, "%s: tensor %s: expected %zu numbers, found %zu",
                       rv_checkpoint_path(ck), name ? name : "(first)", d->width,
                       t ? t->elements : 0);
    RV_TRY(RV_NEW(*out, d->width, err));
    RV_TRY(rv_tensor_read(t, *out, err));
    for (size_t i = 0; i < d->width; i++)
        if (!isfinite((*out)[i]))
            return rv_fail(err, RV_ERR_NUMERIC, "%s: tensor %s: number %zu is not finite",
                           rv_checkpoint_path(ck), t->name, i);
    return RV_OK;
}

static rv_status read_file(direction *d, const char *path, rv_error *err)
{
    rv_checkpoint *ck = NULL;
    rv_status status;
    RV_GOTO(rv_checkpoint_open(&ck, path, err));
    RV_GOTO(read_vector(&d->vector, d, ck, rv_checkpoint_find(ck, "vector") ? "vector" : NULL,
                        true, err));
    bool standardised = rv_checkpoint_find(ck, "mean") || rv_checkpoint_find(ck, "std");
    RV_GOTO(read_vector(&d->mean, d, ck, "mean", standardised, err));
    RV_GOTO(read_vector(&d->scale, d, ck, "std", standardised, err));
    for (size_t i = 0; d->scale && i < d->width; i++) {
        real std = d->scale[i];
        d->scale[i] = 1 / std;
        if (!(std > 0 && isfinite(d->scale[i])))
            RV_GOTO(rv_fail(err, RV_ERR_NUMERIC,
                            "%s: tensor std: number %zu: expected a positive number, found %g",
                            rv_checkpoint_path(ck), i, (double)std));
    }
done:
    rv_checkpoint_close(ck);
    return status;
}

static rv_status parse(rv_target *t, const char *text, const rv_naming *from, rv_error *err)
{
    const char *rest = text + strlen(PREFIX), *at = strrchr(rest, '@');
    if (!at) return rv_fail_form(t, err);
    direction *d;
    RV_TRY(RV_NEW(d, 1, err));
    t->own = d;
    RV_TRY(rv_site_parse(&t->site, at + 1, from->config, err));
    d->width = rv_site_width(t->site, from->config);
    if (d->width == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "target \"%.100s\": site: expected one with a vector per token",
                       t->written);
    char *path = rv_strndup(rest, (size_t)(at - rest));
    if (!path) return rv_fail_memory(err, (size_t)(at - rest));
    rv_status status = read_file(d, path, err);
    free(path);
    snprintf(t->name, sizeof t->name, "%s%s", PREFIX, rest);
    return status;
}

static size_t numbers(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    (void)c, (void)positions;
    return rows * own(t)->width;
}

static void values(real *out, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits)
{
    const direction *d = own(t);
    (void)end, (void)logits;
    for (size_t r = 0; r < rv_pass_rows(pass); r++, tapped += d->width) {
        real sum = 0;
        for (size_t i = 0; i < d->width; i++) {
            real v = d->mean ? (tapped[i] - d->mean[i]) * d->scale[i] : tapped[i];
            sum += v * d->vector[i];
        }
        out[r] = sum;
    }
}

static void seed(rv_tap taps[RV_TARGET_TAPS], real *out, const rv_target *t, const rv_climb *c)
{
    const direction *d = own(t);
    size_t row;
    (void)taps;
    for (size_t s = 0; s < c->sequences; s++) {
        if (!rv_climbed_row(c, s, &row)) continue;
        real w = t->sign * c->weight[s];
        for (size_t i = 0; i < d->width; i++)
            out[row * d->width + i] = w * d->vector[i] * (d->scale ? d->scale[i] : 1);
    }
}

static void identify(rv_hash *hash, const rv_target *t)
{
    const direction *d = own(t);
    const real *const parts[] = {d->vector, d->mean, d->scale};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i]) rv_hash_add(hash, parts[i], d->width * sizeof(real));
}

static rv_status output(real *out, bool *writes, const rv_target *t, const rv_transformer *m,
                        rv_error *err)
{
    (void)err;
    *writes = own(t)->width == m->config.width;
    if (*writes) memcpy(out, own(t)->vector, m->config.width * sizeof *out);
    return RV_OK;
}

const rv_target_kind rv_kind_direction = {
    .form = "direction:FILE@SITE",
    .claims = claims,
    .parse = parse,
    .release = release,
    .numbers = numbers,
    .values = values,
    .seed = seed,
    .identify = identify,
    .output = output,
};
