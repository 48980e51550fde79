#include "autoencoder/text_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

rv_status rv_text_read_tensor(real *out, const rv_checkpoint *ck, const char *name,
                              size_t count, rv_error *err)
{
    const rv_tensor *t = rv_checkpoint_find(ck, name);
    if (!t || t->elements != count)
        return rv_fail(err, RV_ERR_FORMAT, "%s: tensor '%s': expected %zu numbers, found %zu",
                       rv_checkpoint_path(ck), name, count, t ? t->elements : 0);
    RV_TRY(rv_tensor_read(t, out, err));
    for (size_t i = 0; i < count; i++)
        if (!isfinite(out[i]))
            return rv_fail(err, RV_ERR_NUMERIC, "%s: tensor '%s': number %zu is not finite",
                           rv_checkpoint_path(ck), name, i);
    return RV_OK;
}

typedef struct size_entry {
    const char *key;
    size_t *value;
} size_entry;

enum { SIZES = 7 };

static void list_sizes(size_entry out[SIZES], rv_text_autoencoder_config *c)
{
    const size_entry all[SIZES] = {{"width", &c->width},
                                   {"heads", &c->heads},
                                   {"encoder_layers", &c->encoder_layers},
                                   {"decoder_layers", &c->decoder_layers},
                                   {"code", &c->code},
                                   {"tokens_per_slot", &c->tokens_per_slot},
                                   {"tokens", &c->tokens}};
    memcpy(out, all, sizeof all);
}

static void set(json_t *object, const char *key, const char *format, double value)
{
    char text[40];
    snprintf(text, sizeof text, format, value);
    json_object_set_new(object, key, json_string(text));
}

static json_t *describe(const rv_text_autoencoder *ae, const rv_text_provenance *about)
{
    rv_text_autoencoder_config c = ae->config;
    char site[RV_SITE_NAME_MAX];
    rv_site_name(site, c.site);
    json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?}", "made_by",
                          "reverie " RV_VERSION_STRING, "kind", "text autoencoder", "subject",
                          about->subject, "subject_hash", about->subject_hash, "site", site,
                          "language_model", c.language_model ? "true" : "false", "corpus",
                          about->corpus, "curve", about->curve);
    if (!m) return NULL;
    size_entry sizes[SIZES];
    list_sizes(sizes, &c);
    for (size_t i = 0; i < SIZES; i++) set(m, sizes[i].key, "%.0f", (double)*sizes[i].value);
    set(m, "bos", "%.0f", (double)c.bos);
    set(m, "noise", "%.9g", c.noise);
    set(m, "site_scale", "%.9g", (double)ae->site_scale);
    set(m, "seed", "%.0f", (double)about->seed);
    set(m, "step", "%.0f", (double)about->step);
    set(m, "steps", "%.0f", (double)about->steps);
    return m;
}

rv_status rv_text_autoencoder_write(const char *path, const rv_text_autoencoder *ae,
                                    const rv_text_provenance *about, rv_error *err)
{
    rv_tensor_source *tensors;
    RV_TRY(RV_NEW(tensors, ae->tensor_count + 1, err));
    for (size_t i = 0; i < ae->tensor_count; i++) {
        const rv_text_parameter *p = &ae->tensors[i];
        tensors[i] =
            (rv_tensor_source){p->name, ae->parameters + p->offset, 2, {p->rows, p->columns}};
    }
    tensors[ae->tensor_count] =
        (rv_tensor_source){"site_mean", ae->site_mean, 1, {ae->subject->config.width}};
    json_t *metadata = describe(ae, about);
    rv_status status = metadata ? rv_safetensors_write(path, tensors, ae->tensor_count + 1,
                                                       RV_F16, metadata, err)
                                : rv_fail_memory(err, sizeof *tensors);
    json_decref(metadata);
    free(tensors);
    return status;
}

static rv_status read_config(rv_text_autoencoder_config *c, double *site_scale,
                             const rv_checkpoint *ck, const rv_transformer *subject,
                             rv_error *err)
{
    const char *site, *language_model;
    double number;
    size_entry sizes[SIZES];
    *c = (rv_text_autoencoder_config){0};
    list_sizes(sizes, c);
    for (size_t i = 0; i < SIZES; i++)
        RV_TRY(rv_checkpoint_metadata_count(sizes[i].value, ck, sizes[i].key, 1000000, err));
    RV_TRY(rv_checkpoint_metadata_number(&number, ck, "bos", err));
    c->bos = number >= 0 && number < 1e9 ? (int32_t)number : -1;
    RV_TRY(rv_checkpoint_metadata_number(&c->noise, ck, "noise", err));
    RV_TRY(rv_checkpoint_metadata_number(site_scale, ck, "site_scale", err));
    if (!(*site_scale > 0 && (real)*site_scale > 0 && isfinite((real)*site_scale)))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: metadata: site_scale: expected a positive number, found %g",
                       rv_checkpoint_path(ck), *site_scale);
    RV_TRY(rv_checkpoint_metadata_string(&language_model, ck, "language_model", err));
    c->language_model = strcmp(language_model, "true") == 0;
    RV_TRY(rv_checkpoint_metadata_string(&site, ck, "site", err));
    return rv_site_parse(&c->site, site, &subject->config, err);
}

/* Metadata that promise more numbers than the file holds are found before they cost memory: of each layer its four
 * square matrices are counted, and those outside of them. */
static rv_status check_sizes(const rv_text_autoencoder_config *c, const rv_checkpoint *ck,
                             const rv_transformer *subject, rv_error *err)
{
    size_t held = 0, layers = c->encoder_layers + c->decoder_layers;
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++)
        held += rv_checkpoint_at(ck, i)->elements;
    double W = (double)c->width, Z = (double)c->code, C = (double)subject->config.width,
           needed = 4 * W * W * (double)layers + 2 * W * Z + 5 * W * C;
    if (needed <= (double)held) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT,
                   "%s: expected at least %.0f numbers, for width %zu, code %zu and %zu layers "
                   "as its metadata say, found %zu",
                   rv_checkpoint_path(ck), needed, c->width, c->code, layers, held);
}

rv_status rv_text_autoencoder_read(rv_text_autoencoder **out, const rv_checkpoint *ck,
                                   const rv_transformer *subject, const char *subject_hash,
                                   rv_error *err)
{
    *out = NULL;
    const char *path = rv_checkpoint_path(ck), *kind, *name, *hash;
    RV_TRY(rv_checkpoint_metadata_string(&kind, ck, "kind", err));
    if (strcmp(kind, "text autoencoder") != 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: metadata: kind: expected 'text autoencoder', found '%.40s'", path,
                       kind);
    RV_TRY(rv_checkpoint_metadata_string(&name, ck, "subject", err));
    RV_TRY(rv_checkpoint_metadata_string(&hash, ck, "subject_hash", err));
    if (strcmp(hash, subject_hash) != 0)
        return rv_fail(
            err, RV_ERR_USAGE,
            "%s: was made for another model (%.80s, SHA-256 %.12s), not for this one "
            "(%.12s)",
            path, name, hash, subject_hash);
    rv_text_autoencoder_config config;
    double site_scale;
    RV_TRY(read_config(&config, &site_scale, ck, subject, err));
    RV_TRY(check_sizes(&config, ck, subject, err));
    rv_text_autoencoder *ae;
    rv_status status = rv_text_autoencoder_new(&ae, subject, &config, 0, err);
    if (status != RV_OK) return rv_context(err, status, "%s", path);
    for (size_t i = 0; status == RV_OK && i < ae->tensor_count; i++) {
        const rv_text_parameter *p = &ae->tensors[i];
        status = rv_text_read_tensor(ae->parameters + p->offset, ck, p->name,
                                     p->rows * p->columns, err);
    }
    if (status == RV_OK)
        status =
            rv_text_read_tensor(ae->site_mean, ck, "site_mean", subject->config.width, err);
    if (status != RV_OK) {
        rv_text_autoencoder_free(ae);
        return status;
    }
    ae->site_scale = (real)site_scale;
    rv_text_autoencoder_refresh(ae, 1);
    *out = ae;
    return RV_OK;
}
