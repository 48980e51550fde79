/* Trained text autoencoders: open, write a text again, walk between two. */
#include "autoencoder/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assets.h"
#include "autoencoder/text_card.h"
#include "autoencoder/text_files.h"
#include "autoencoder/text_refine.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "record/json.h"

static rv_status open_file(rv_checkpoint **out, const char *folder, rv_error *err)
{
    if (!rv_folder_exists(folder)) return rv_checkpoint_open(out, folder, err);
    char *path = rv_path_join(folder, "autoencoder.safetensors");
    if (!path) return rv_fail_memory(err, strlen(folder));
    rv_status status = RV_OK;
    if (!rv_file_exists(path))
        status = rv_fail(err, RV_ERR_NOT_FOUND,
                         "%s: expected autoencoder.safetensors, as `reverie autoencoder train` "
                         "writes it, found none",
                         folder);
    if (status == RV_OK) status = rv_checkpoint_open(out, path, err);
    free(path);
    return status;
}

rv_status rv_autoencoder_load(rv_text_autoencoder **out, const char *folder, rv_model *model,
                              rv_error *err)
{
    rv_checkpoint *ck;
    *out = NULL;
    RV_TRY(rv_model_hash(model, err));
    RV_TRY(open_file(&ck, folder, err));
    rv_status status = rv_text_autoencoder_read(out, ck, model->transformer, model->hash, err);
    rv_checkpoint_close(ck);
    return status;
}

rv_status rv_autoencoder_shipped(char **path, rv_model *model, rv_error *err)
{
    char name[64];
    *path = NULL;
    RV_TRY(rv_model_hash(model, err));
    snprintf(name, sizeof name, "%.16s.safetensors", model->hash);
    RV_TRY(rv_asset_find(path, "autoencoders", name, err));
    return *path ? RV_OK
                 : rv_fail(err, RV_ERR_NOT_FOUND,
                           "%s: no text autoencoder for it comes with this program (%s); train "
                           "one with `reverie autoencoder train` and name it with "
                           "--autoencoder",
                           model->name, name);
}

static rv_status open_both(rv_autoencoder *ae, const char *folder, const char *model,
                           const rv_model_params *params, rv_error *err)
{
    rv_checkpoint *ck;
    const char *name = model, *step;
    RV_TRY(open_file(&ck, folder, err));
    rv_status status = RV_OK;
    if (!name && !ae->model) status = rv_checkpoint_metadata_string(&name, ck, "subject", err);
    if (status == RV_OK) status = rv_checkpoint_metadata_string(&step, ck, "step", err);
    if (status == RV_OK) ae->step = (size_t)strtoull(step, NULL, 10);
    if (status == RV_OK && !ae->model) status = rv_subject_open(&ae->model, name, params, err);
    rv_checkpoint_close(ck);
    return status == RV_OK ? rv_autoencoder_load(&ae->text, folder, ae->model, err) : status;
}

/* The one that comes with this program for a model. */
static rv_status open_shipped(rv_autoencoder *ae, const char *model,
                              const rv_model_params *params, rv_error *err)
{
    char *path = NULL;
    if (rv_subject_open(&ae->model, model, params, err) != RV_OK)
        return rv_fail(
            err, RV_ERR_NOT_FOUND,
            "%s: expected an autoencoder's folder or file, or a model that one comes "
            "with this program for, found none",
            model);
    RV_TRY(rv_autoencoder_shipped(&path, ae->model, err));
    rv_status status = open_both(ae, path, NULL, params, err);
    free(path);
    return status;
}

rv_status rv_autoencoder_open_any(rv_autoencoder **out, const char *folder, const char *model,
                                  const rv_model_params *params, rv_error *err)
{
    *out = NULL;
    rv_autoencoder *ae;
    RV_TRY(RV_NEW(ae, 1, err));
    bool there = model || rv_folder_exists(folder) || rv_file_exists(folder);
    rv_status status = there ? open_both(ae, folder, model, params, err)
                             : open_shipped(ae, folder, params, err);
    if (status != RV_OK) {
        rv_autoencoder_close(ae);
        return status;
    }
    *out = ae;
    return RV_OK;
}

void rv_autoencoder_close(rv_autoencoder *ae)
{
    if (!ae) return;
    rv_text_autoencoder_free(ae->text);
    rv_model_close(ae->model);
    free(ae);
}

rv_status rv_autoencoder_tokens(rv_ids *out, const rv_autoencoder *ae, const char *text,
                                size_t length, rv_error *err)
{
    size_t most = ae->text->config.tokens;
    RV_TRY(rv_tokenizer_encode(ae->model->tokenizer, text, length, RV_ENCODE_PLAIN, out, err));
    if (out->count >= 1 && out->count <= most) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "text '%.*s%s': expected 1 to %zu tokens, as this autoencoder was made for, "
                   "found %zu",
                   (int)(length < 40 ? length : 40), text, length > 40 ? "..." : "", most,
                   out->count);
}

static rv_status spell(char **text, size_t *length, const rv_autoencoder *ae,
                       const int32_t *ids, size_t count, rv_error *err)
{
    rv_text t = {0};
    rv_status status = rv_tokenizer_decode(ae->model->tokenizer, ids, count, false, &t, err);
    if (status == RV_OK) {
        *length = t.length;
        rv_text_putc(&t, '\0');
        *text = rv_text_take(&t);
        if (!*text) status = rv_fail_memory(err, count);
    }
    rv_text_release(&t);
    return status;
}

/* ---- reconstruction -------------------------------------------------------------------------- */

static rv_status reconstruct(rv_reconstruction *out, const rv_autoencoder *ae,
                             const rv_ids *ids, double noise, uint64_t seed, rv_error *err)
{
    const rv_text_autoencoder *text = ae->text;
    size_t n = ids->count, numbers = rv_text_slots(&text->config, n) * text->config.code;
    int threads = ae->model->threads;
    int32_t written[RV_TEXT_TOKENS_MAX], back[RV_TEXT_TOKENS_MAX];
    real *z;
    rv_random random = rv_random_stream(seed, 0, 0);
    out->tokens = n;
    out->slots = rv_text_slots(&text->config, n);
    out->numbers = numbers;
    RV_TRY(RV_NEW(z, numbers, err));
    rv_status status;
    RV_GOTO(rv_text_autoencoder_encode(z, text, ids->items, 1, n, threads, err));
    for (size_t i = 0; noise > 0 && i < numbers; i++)
        z[i] += (real)(noise * rv_random_normal(&random));
    RV_GOTO(rv_text_autoencoder_decode(written, NULL, text, z, 1, n, threads, err));
    memcpy(back, written, n * sizeof *back);
    RV_GOTO(rv_text_autoencoder_refine(back, text, z, 1, n, threads, err));
    for (size_t t = 0; t < n; t++) {
        out->same += back[t] == ids->items[t];
        out->corrected += back[t] != written[t];
    }
    RV_GOTO(rv_text_cycle(&out->cycle, text, z, back, 1, n, threads, err));
    RV_GOTO(rv_text_cross_entropy(&out->cross_entropy, text, ids->items, 1, n, threads, err));
    RV_GOTO(rv_text_cross_entropy(&out->back_cross_entropy, text, back, 1, n, threads, err));
    RV_GOTO(spell(&out->text, &out->length, ae, back, n, err));
done:
    free(z);
    return status;
}

rv_reconstruct_params rv_reconstruct_params_default(void)
{
    return (rv_reconstruct_params){.size = sizeof(rv_reconstruct_params), .seed = 1};
}

rv_status rv_autoencoder_write_again(rv_reconstruction *out, rv_autoencoder *ae,
                                     const char *text, size_t length,
                                     const rv_reconstruct_params *p, rv_error *err)
{
    rv_ids ids = {0};
    memset(out, 0, sizeof *out);
    if (!(p->noise >= 0 && p->noise <= 100))
        return rv_fail(err, RV_ERR_USAGE, "noise: expected 0 to 100, found %g", p->noise);
    rv_status status = rv_autoencoder_tokens(&ids, ae, text, length, err);
    if (status == RV_OK) status = reconstruct(out, ae, &ids, p->noise, p->seed, err);
    rv_ids_release(&ids);
    if (status != RV_OK) rv_reconstruction_release(out);
    return status;
}

void rv_reconstruction_release(rv_reconstruction *r)
{
    free(r->text);
    memset(r, 0, sizeof *r);
}

/* ---- interpolation --------------------------------------------------------------------------- */

static rv_status interpolate(rv_interpolation *out, const rv_autoencoder *ae,
                             const int32_t *ends, size_t n, size_t steps, rv_error *err)
{
    const rv_text_autoencoder *text = ae->text;
    size_t S = rv_text_slots(&text->config, n), numbers = S * text->config.code;
    int threads = ae->model->threads;
    real *z = NULL, *between = NULL;
    int32_t *ids = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(z, 2 * numbers, err));
    RV_GOTO(RV_NEW(between, steps * numbers, err));
    RV_GOTO(RV_NEW(ids, steps * n, err));
    RV_GOTO(RV_NEW(out->items, steps, err));
    out->count = steps;
    out->tokens = n;
    RV_GOTO(rv_text_autoencoder_encode(z, text, ends, 2, n, threads, err));
    for (size_t k = 0; k < steps; k++) {
        out->items[k].at = (double)k / (double)(steps - 1);
        real at = (real)out->items[k].at;
        for (size_t i = 0; i < numbers; i++)
            between[k * numbers + i] = (1 - at) * z[i] + at * z[numbers + i];
    }
    rv_text_project(between, text, steps * S);
    RV_GOTO(rv_text_autoencoder_decode(ids, NULL, text, between, steps, n, threads, err));
    for (size_t k = 0; k < steps; k++) {
        struct rv_interpolated *item = &out->items[k];
        RV_GOTO(
            rv_text_cross_entropy(&item->cross_entropy, text, ids + k * n, 1, n, threads, err));
        RV_GOTO(spell(&item->text, &item->length, ae, ids + k * n, n, err));
    }
done:
    free(z);
    free(between);
    free(ids);
    return status;
}

rv_status rv_autoencoder_interpolate(rv_interpolation *out, rv_autoencoder *ae,
                                     const char *from, size_t from_length, const char *to,
                                     size_t to_length, size_t steps, rv_error *err)
{
    rv_ids a = {0}, b = {0};
    int32_t ends[2 * RV_TEXT_TOKENS_MAX];
    memset(out, 0, sizeof *out);
    if (steps < 2 || steps > 1000)
        return rv_fail(err, RV_ERR_USAGE, "steps: expected 2 to 1000, found %zu", steps);
    rv_status status;
    RV_GOTO(rv_autoencoder_tokens(&a, ae, from, from_length, err));
    RV_GOTO(rv_autoencoder_tokens(&b, ae, to, to_length, err));
    size_t n = a.count < b.count ? a.count : b.count;
    memcpy(ends, a.items, n * sizeof *ends);
    memcpy(ends + n, b.items, n * sizeof *ends);
    RV_GOTO(interpolate(out, ae, ends, n, steps, err));
done:
    rv_ids_release(&a);
    rv_ids_release(&b);
    if (status != RV_OK) rv_interpolation_release(out);
    return status;
}

void rv_interpolation_release(rv_interpolation *p)
{
    for (size_t i = 0; p->items && i < p->count; i++) free(p->items[i].text);
    free(p->items);
    memset(p, 0, sizeof *p);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

rv_status rv_reconstruction_json(char **out, const rv_reconstruction *r, rv_error *err)
{
    json_t *json = json_pack("{s:I, s:I, s:b, s:I, s:I, s:I, s:f, s:f, s:f}", "tokens",
                             (json_int_t)r->tokens, "same", (json_int_t)r->same, "exact",
                             r->same == r->tokens, "corrected", (json_int_t)r->corrected,
                             "slots", (json_int_t)r->slots, "numbers", (json_int_t)r->numbers,
                             "cycle", r->cycle, "cross_entropy", r->cross_entropy,
                             "back_cross_entropy", r->back_cross_entropy);
    if (json && !rv_text_to_json(json, "text", (rv_string){r->text, r->length})) {
        json_decref(json);
        json = NULL;
    }
    return rv_json_result(out, json, err);
}

rv_status rv_interpolation_json(char **out, const rv_interpolation *p, rv_error *err)
{
    json_t *items = json_array();
    for (size_t i = 0; i < p->count; i++) {
        json_t *item = json_pack("{s:f, s:f}", "at", p->items[i].at, "cross_entropy",
                                 p->items[i].cross_entropy);
        bool whole = item && rv_text_to_json(item, "text",
                                             (rv_string){p->items[i].text, p->items[i].length});
        if (json_array_append_new(items, item) == 0 && whole) continue;
        json_decref(items);
        return rv_json_result(out, NULL, err);
    }
    return rv_json_result(
        out, json_pack("{s:I, s:o}", "tokens", (json_int_t)p->tokens, "items", items), err);
}
