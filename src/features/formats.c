#include "features/formats.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

enum { CONFIG_LIMIT = 16 << 20 };

static const rv_coder_format *const formats[] = {&rv_format_saelens,
                                                 &rv_format_sparsify,
                                                 &rv_format_gemma_scope_2,
                                                 &rv_format_gemma_scope_1,
                                                 &rv_format_openmoss,
                                                 &rv_format_circuit_tracer,
                                                 &rv_format_llama_scope,
                                                 &rv_format_dictionary_learning,
                                                 NULL};

bool rv_coder_has_file(const char *folder, const char *name)
{
    char *path = rv_path_join(folder, name);
    bool there = path && rv_file_exists(path);
    free(path);
    return there;
}

rv_status rv_coder_read_json(json_t **out, const char *folder, const char *name, rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder));
    rv_status status = rv_json_read_object(out, path, CONFIG_LIMIT, err);
    free(path);
    return status;
}

rv_status rv_coder_read_weights(rv_coder *c, const char *folder, const char *name,
                                rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder));
    free(c->path);
    c->path = path;
    return rv_checkpoint_open(&c->checkpoint, path, err);
}

rv_status rv_coder_tensor(const rv_tensor **out, const rv_coder *c, const char *name,
                          bool needed, rv_error *err)
{
    *out = rv_checkpoint_find(c->checkpoint, name);
    if (*out || !needed) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: tensor %s: expected it, found none", c->path, name);
}

rv_status rv_coder_keep(char **out, const json_t *value, rv_error *err)
{
    const char *text = json_string_value(value);
    if (!text) return RV_OK;
    free(*out);
    *out = rv_strndup(text, strlen(text));
    return *out ? RV_OK : rv_fail_memory(err, strlen(text));
}

rv_status rv_coder_set_site(rv_coder *c, rv_error *err, const char *format, ...)
{
    char site[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(site, sizeof site, format, arguments);
    va_end(arguments);
    free(c->site);
    c->site = rv_strndup(site, strlen(site));
    return c->site ? RV_OK : rv_fail_memory(err, strlen(site));
}

bool rv_coder_layer(size_t *out, const char *text, const char *word)
{
    const char *at = text ? strstr(text, word) : NULL;
    char *end;
    if (!at) return false;
    at += strlen(word);
    if (*at < '0' || *at > '9') return false;
    *out = strtoul(at, &end, 10);
    return end > at && *out < 100000;
}

bool rv_coder_flag(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* Whether the tensor is (rows, columns). */
static bool is_shaped(const rv_tensor *t, size_t rows, size_t columns)
{
    return t->rank == 2 && t->shape[0] == rows && t->shape[1] == columns;
}

static rv_status wrong_shape(const rv_coder *c, const rv_tensor *t, const char *expected,
                             rv_error *err)
{
    rv_text shape = {0};
    for (size_t i = 0; i < t->rank; i++)
        rv_text_printf(&shape, "%s%zu", i ? " x " : "", t->shape[i]);
    rv_status status = rv_fail(err, RV_ERR_FORMAT, "%s: tensor %s: expected %s, found %s",
                               c->path, t->name, expected, shape.bytes ? shape.bytes : "none");
    rv_text_release(&shape);
    return status;
}

/* Shapes decide what is what, never names: F is the length of the encoder's bias. */
static rv_status check_matrices(rv_coder *c, rv_error *err)
{
    const rv_tensor *e = c->encoder, *d = c->decoder,
                    *bias = c->gate_bias ? c->gate_bias : c->encoder_bias;
    c->features = bias->elements;
    if (e->rank != 2 || (e->shape[0] != c->features && e->shape[1] != c->features))
        return wrong_shape(c, e, "a matrix with as many rows or columns as biases", err);
    if (e->shape[0] == e->shape[1])
        return rv_fail(
            err, RV_ERR_UNSUPPORTED,
            "%s: tensor %s: expected fewer or more features than numbers of the site, "
            "found %zu of both, which does not tell rows from columns",
            c->path, e->name, c->features);
    c->width = e->shape[0] == c->features ? e->shape[1] : e->shape[0];
    if (d->rank != 2 || (d->shape[0] != c->features && d->shape[1] != c->features))
        return wrong_shape(c, d, "a matrix with as many rows or columns as features", err);
    c->output_width = d->shape[0] == c->features ? d->shape[1] : d->shape[0];
    if (!c->transcoder && c->output_width != c->width)
        return wrong_shape(c, d, "rows as wide as the encoder's", err);
    if (is_shaped(d, c->features, c->features))
        return wrong_shape(c, d, "another number of features than of outputs", err);
    return RV_OK;
}

static rv_status check_vector(const rv_coder *c, const rv_tensor *t, size_t length,
                              rv_error *err)
{
    if (!t || t->elements == length) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: tensor %s: expected %zu numbers, found %zu",
                   c->path, t->name, length, t->elements);
}

static rv_status check(rv_coder *c, rv_error *err)
{
    RV_TRY(check_matrices(c, err));
    const rv_tensor *const by_feature[] = {c->encoder_bias, c->thresholds, c->gate_bias,
                                           c->magnitude_bias, c->magnitude_scale};
    for (size_t i = 0; i < sizeof by_feature / sizeof by_feature[0]; i++)
        RV_TRY(check_vector(c, by_feature[i], c->features, err));
    RV_TRY(check_vector(c, c->decoder_bias, c->output_width, err));
    if (c->gate == RV_GATE_THRESHOLD && !c->thresholds && !isfinite(c->threshold))
        return rv_fail(err, RV_ERR_FORMAT, "%s: thresholds: expected them, found none",
                       c->path);
    if (c->gate == RV_GATE_THRESHOLD && !c->thresholds && c->threshold < 0)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s: threshold: expected a number of at least 0, found %g: it was never "
                       "calibrated",
                       c->path, c->threshold);
    if (c->gate == RV_GATE_TOP_K && (c->k < 1 || c->k > c->features))
        return rv_fail(err, RV_ERR_FORMAT, "%s: k: expected 1 to %zu, found %zu", c->path,
                       c->features, c->k);
    if (!(c->scale > 0 && isfinite(c->scale)))
        return rv_fail(err, RV_ERR_FORMAT, "%s: scale: expected a number above 0, found %g",
                       c->path, c->scale);
    return RV_OK;
}

static rv_status open_folder(rv_coder *c, const char *folder, rv_error *err)
{
    for (const rv_coder_format *const *f = formats; *f; f++) {
        if (!(*f)->recognise(folder)) continue;
        c->format = (*f)->name;
        RV_TRY((*f)->open(c, folder, err));
        return check(c, err);
    }
    rv_text names = {0};
    for (const rv_coder_format *const *f = formats; *f; f++)
        rv_text_printf(&names, "%s%s", names.length ? ", " : "", (*f)->name);
    rv_status status = rv_fail(err, RV_ERR_NOT_FOUND,
                               "%s: expected a sparse autoencoder or transcoder (%s), found "
                               "none of their files",
                               folder, names.bytes ? names.bytes : "");
    rv_text_release(&names);
    return status;
}

rv_status rv_coder_open(rv_coder **out, const char *path, rv_error *err)
{
    *out = NULL;
    rv_coder *c;
    RV_TRY(RV_NEW(c, 1, err));
    c->scale = 1;
    c->threshold = c->declared_l0 = NAN;
    const char *slash = strrchr(path, '/');
    bool folder = rv_folder_exists(path);
    char *place = folder  ? rv_strndup(path, strlen(path))
                  : slash ? rv_strndup(path, (size_t)(slash - path) + 1)
                          : rv_strndup(".", 1);
    rv_status status = !place ? rv_fail_memory(err, strlen(path))
                       : folder || rv_file_exists(path)
                           ? open_folder(c, place, err)
                           : rv_fail(err, RV_ERR_NOT_FOUND,
                                     "%s: expected the folder or file of a sparse "
                                     "autoencoder, found none",
                                     path);
    free(place);
    if (status != RV_OK)
        rv_coder_close(c);
    else
        *out = c;
    return status;
}

void rv_coder_close(rv_coder *c)
{
    if (!c) return;
    rv_checkpoint_close(c->checkpoint);
    free(c->path);
    free(c->architecture);
    free(c->model);
    free(c->site);
    free(c);
}
