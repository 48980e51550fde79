/* JSON lines to runs and galleries. */
#include "record/run.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/memory.h"
#include "record/read.h"

enum { FILE_LIMIT = 1 << 30 };

/* ---- lines to runs ------------------------------------------------------------------------- */

#define PUSH(run, list, name, record, err)                                                  \
    do {                                                                                    \
        RV_TRY(rv_grow((void **)&(run)->list, &(run)->name##_room, (run)->name##_count + 1, \
                       sizeof(record), err));                                               \
        (run)->list[(run)->name##_count++] = (record);                                      \
    } while (0)

/* By ids, then by place in the file. */
static int by_ids(const void *left, const void *right)
{
    const rv_dream_record *a = *(const rv_dream_record *const *)left;
    const rv_dream_record *b = *(const rv_dream_record *const *)right;
    if (a->token_count != b->token_count) return a->token_count < b->token_count ? -1 : 1;
    for (size_t i = 0; i < a->token_count; i++)
        if (a->tokens[i].id != b->tokens[i].id)
            return a->tokens[i].id < b->tokens[i].id ? -1 : 1;
    return a < b ? -1 : a > b;
}

static bool same_ids(const rv_dream_record *a, const rv_dream_record *b)
{
    if (a->token_count != b->token_count) return false;
    for (size_t i = 0; i < a->token_count; i++)
        if (a->tokens[i].id != b->tokens[i].id) return false;
    return true;
}

/* The rules of docs/formats.md: of dreams with the same ids the last stands; marks given before
 * the last headline do not count. */
static rv_status settle_dreams(rv_run *run, rv_error *err)
{
    size_t n = run->dream_count, kept = 0, headline = 0;
    rv_dream_record **order;
    RV_TRY(RV_NEW(order, n, err));
    for (size_t i = 0; i < n; i++) {
        order[i] = &run->dreams[i];
        if (order[i]->headline) headline = i;
    }
    for (size_t i = 0; i < headline; i++) {
        run->dreams[i].headline = false;
        run->dreams[i].diverse = 0;
    }
    qsort(order, n, sizeof *order, by_ids);
    for (size_t i = 0; i + 1 < n; i++)
        if (same_ids(order[i], order[i + 1])) order[i]->tokens = NULL;
    free(order);
    for (size_t i = 0; i < n; i++)
        if (run->dreams[i].tokens) run->dreams[kept++] = run->dreams[i];
    run->dream_count = kept;
    return RV_OK;
}

static rv_status check_quantiles(const rv_place_in_file *at, const rv_quantiles_record *q)
{
    if (q->probability_count == q->value_count) return RV_OK;
    return rv_fail(
        at->err, RV_ERR_FORMAT,
        "%s:%zu: quantiles.values: expected %zu numbers, as many as probabilities, found %zu",
        at->file, at->line, q->probability_count, q->value_count);
}

/* options are as jansson writes them, compact. */
static const char *label_of(rv_arena *arena, const rv_run_record *about)
{
    json_t *options = about->options ? json_loads(about->options, 0, NULL) : NULL;
    const char *site = json_string_value(json_object_get(options, "autoencoder_site"));
    rv_text label = {0};
    rv_text_puts(&label, about->method);
    if (json_is_true(json_object_get(options, "as_published")))
        rv_text_puts(&label, " as published");
    if (site && strcmp(site, "hook_embed") != 0) rv_text_printf(&label, " at %s", site);
    json_decref(options);
    const char *copy = label.failed ? NULL : rv_arena_copy(arena, label.bytes, label.length);
    rv_text_release(&label);
    return copy ? copy : about->method;
}

/* A run record opens a run; one with the id of the run that it stands in continues that. */
static rv_status open_run(rv_runs *runs, rv_run **current, const rv_run_record *about,
                          const char *file, rv_error *err)
{
    if (*current && strcmp((*current)->about.id, about->id) == 0) return RV_OK;
    RV_TRY(
        rv_grow((void **)&runs->items, &runs->room, runs->count + 1, sizeof *runs->items, err));
    *current = &runs->items[runs->count++];
    **current = (rv_run){.about = *about,
                         .quantiles = rv_quantiles_record_empty(),
                         .end = rv_end_record_empty(),
                         .file = file,
                         .label = label_of(&runs->arena, about)};
    return RV_OK;
}

#define READ(name, json)       \
    rv_##name##_record record; \
    RV_TRY(rv_read_struct(at, (char *)&record, json, &rv_##name##_struct))

static rv_status add_run(rv_runs *runs, rv_run **current, rv_place_in_file *at,
                         const json_t *json)
{
    READ(run, json);
    return open_run(runs, current, &record, at->file, at->err);
}

static rv_status add_gallery(rv_runs *runs, rv_place_in_file *at, const json_t *json)
{
    READ(image_run, json);
    if (record.side < 1 || record.side > RV_GALLERY_SIDE_MAX)
        return rv_fail(at->err, RV_ERR_FORMAT,
                       "%s:%zu: image_run.side: expected 1 to %d pixels, found %llu", at->file,
                       at->line, RV_GALLERY_SIDE_MAX, (unsigned long long)record.side);
    RV_TRY(rv_grow((void **)&runs->galleries, &runs->gallery_room, runs->gallery_count + 1,
                   sizeof *runs->galleries, at->err));
    runs->galleries[runs->gallery_count++] = (rv_gallery){.about = record, .file = at->file};
    return RV_OK;
}

static rv_status check_pixels(const rv_place_in_file *at, const char *field, const char *base64,
                              uint64_t side)
{
    unsigned char pixels[RV_GALLERY_SIDE_MAX * RV_GALLERY_SIDE_MAX];
    if (rv_base64_decode(pixels, side * side, base64)) return RV_OK;
    return rv_fail(at->err, RV_ERR_FORMAT,
                   "%s:%zu: image_dream.%s: expected %llu bytes as base64, found another text",
                   at->file, at->line, field, (unsigned long long)(side * side));
}

static rv_status add_picture(rv_runs *runs, rv_place_in_file *at, const json_t *json)
{
    rv_gallery *gallery =
        runs->gallery_count ? &runs->galleries[runs->gallery_count - 1] : NULL;
    if (!gallery || gallery->file != at->file)
        return rv_fail(at->err, RV_ERR_FORMAT,
                       "%s:%zu: type: expected an image_run record first, found image_dream",
                       at->file, at->line);
    READ(image_dream, json);
    RV_TRY(check_pixels(at, "pixels", record.pixels, gallery->about.side));
    RV_TRY(check_pixels(at, "neighbour_pixels", record.neighbour_pixels, gallery->about.side));
    PUSH(gallery, dreams, dream, record, at->err);
    return RV_OK;
}

static rv_status add_quantiles(rv_run *run, rv_place_in_file *at, const json_t *json)
{
    READ(quantiles, json);
    run->quantiles = record;
    return check_quantiles(at, &record);
}

static rv_status add_end(rv_run *run, rv_place_in_file *at, const json_t *json)
{
    READ(end, json);
    run->end = record;
    return RV_OK;
}

static rv_status add_record(rv_run *run, rv_place_in_file *at, const char *type,
                            const json_t *json)
{
    if (strcmp(type, "dream") == 0) {
        READ(dream, json);
        PUSH(run, dreams, dream, record, at->err);
        return RV_OK;
    }
    if (strcmp(type, "quantiles") == 0) return add_quantiles(run, at, json);
    if (strcmp(type, "end") == 0) return add_end(run, at, json);
    if (strcmp(type, "attribution") == 0) {
        READ(attribution, json);
        PUSH(run, attributions, attribution, record, at->err);
    } else if (strcmp(type, "trajectory") == 0) {
        READ(trajectory, json);
        PUSH(run, trajectory, trajectory, record, at->err);
    } else if (strcmp(type, "example") == 0) {
        READ(example, json);
        PUSH(run, examples, example, record, at->err);
    } else if (strcmp(type, "explanation") == 0) {
        READ(explanation, json);
        PUSH(run, explanations, explanation, record, at->err);
    } else if (strcmp(type, "note") == 0) {
        READ(note, json);
        PUSH(run, notes, note, record, at->err);
    }
    return RV_OK;
}

static bool is_known(const char *type)
{
    static const char *const names[] = {
#define X(name) #name,
        RV_RECORDS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], type) == 0) return true;
    return false;
}

/* One line's object: what it is, and whether this version can read it. */
static rv_status add_line(rv_runs *runs, rv_run **current, rv_place_in_file *at,
                          const json_t *json)
{
    snprintf(at->field, sizeof at->field, "line");
    if (!json_is_object(json)) return rv_read_wrong(at, "an object", json);
    const json_t *type = json_object_get(json, "type"), *version = json_object_get(json, "v");
    snprintf(at->field, sizeof at->field, "type");
    if (!json_is_string(type)) return rv_read_wrong(at, "a string", type);
    const char *name = json_string_value(type);
    if (!is_known(name)) {
        runs->unknown++;
        return RV_OK;
    }
    snprintf(at->field, sizeof at->field, "%s.v", name);
    if (!json_is_integer(version)) return rv_read_wrong(at, "a whole number", version);
    if (json_integer_value(version) != RV_RECORD_VERSION)
        return rv_fail(at->err, RV_ERR_UNSUPPORTED,
                       "%s:%zu: %s: expected version %d, found %lld", at->file, at->line,
                       at->field, RV_RECORD_VERSION, (long long)json_integer_value(version));
    snprintf(at->field, sizeof at->field, "%s", name);
    if (strcmp(name, "run") == 0) return add_run(runs, current, at, json);
    if (strcmp(name, "image_run") == 0) return add_gallery(runs, at, json);
    if (strcmp(name, "image_dream") == 0) return add_picture(runs, at, json);
    if (*current) return add_record(*current, at, name, json);
    return rv_fail(at->err, RV_ERR_FORMAT,
                   "%s:%zu: type: expected a run record first, found %s", at->file, at->line,
                   name);
}

static bool is_blank(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!memchr(" \t\r", bytes[i], 3)) return false;
    return true;
}

/* One line of text. The last line of a file (`last`: no newline ends it) may be cut short. */
static rv_status parse_line(rv_runs *runs, rv_run **current, rv_place_in_file *at,
                            const char *line, size_t length, bool last)
{
    if (is_blank(line, length)) return RV_OK;
    json_error_t why;
    json_t *json = json_loadb(line, length,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (!json && last) {
        runs->truncated++;
        return RV_OK;
    }
    if (!json)
        return rv_fail(at->err, RV_ERR_FORMAT,
                       "%s:%zu: line: expected JSON, found an error at byte %d: %s", at->file,
                       at->line, why.position, why.text);
    rv_status status = add_line(runs, current, at, json);
    json_decref(json);
    return status;
}

rv_status rv_runs_parse(rv_runs *runs, const char *bytes, size_t length, const char *name,
                        rv_error *err)
{
    const char *file = rv_arena_copy(&runs->arena, name, strlen(name));
    if (!file) return rv_fail_memory(err, strlen(name));
    rv_place_in_file at = {.arena = &runs->arena, .file = file, .err = err};
    size_t first = runs->count, galleries = runs->gallery_count;
    rv_run *current = NULL;
    for (size_t start = 0, end; start < length; start = end + 1) {
        const char *newline = memchr(bytes + start, '\n', length - start);
        end = newline ? (size_t)(newline - bytes) : length;
        at.line++;
        RV_TRY(parse_line(runs, &current, &at, bytes + start, end - start, !newline));
    }
    for (size_t i = first; i < runs->count; i++) RV_TRY(settle_dreams(&runs->items[i], err));
    if (runs->count > first || runs->gallery_count > galleries) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: expected a run record, found none", file);
}

rv_status rv_runs_read(rv_runs *runs, const char *path, rv_error *err)
{
    char *bytes;
    size_t length;
    RV_TRY(rv_read_file(&bytes, &length, path, FILE_LIMIT, err));
    rv_status status = rv_runs_parse(runs, bytes, length, path, err);
    free(bytes);
    return status;
}

void rv_runs_release(rv_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        rv_run *run = &runs->items[i];
        free(run->dreams);
        free(run->attributions);
        free(run->trajectory);
        free(run->examples);
        free(run->explanations);
        free(run->notes);
    }
    for (size_t i = 0; i < runs->gallery_count; i++) free(runs->galleries[i].dreams);
    free(runs->galleries);
    free(runs->items);
    rv_arena_release(&runs->arena);
    *runs = (rv_runs){0};
}

const rv_dream_record *rv_run_headline(const rv_run *run)
{
    for (size_t i = 0; i < run->dream_count; i++)
        if (run->dreams[i].headline) return &run->dreams[i];
    return NULL;
}

const rv_image_dream_record *rv_gallery_best(const rv_gallery *g, const char *target,
                                             const char *method)
{
    for (size_t i = 0; i < g->dream_count; i++) {
        const rv_image_dream_record *d = &g->dreams[i];
        if (d->best && strcmp(d->target, target) == 0 && strcmp(d->method, method) == 0)
            return d;
    }
    return NULL;
}

const char *rv_gallery_new_target(const rv_gallery *g, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(g->dreams[k].target, g->dreams[i].target) == 0) return NULL;
    return g->dreams[i].target;
}
