#include "explain/neuronpedia.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "explain/gzip.h"
#include "explain/json.h"

enum { BATCH = 1024, FILE_LIMIT = 1 << 30 };

void rv_neuronpedia_explanations_release(rv_neuronpedia_explanations *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].text);
        free(list->items[i].type);
        free(list->items[i].model);
    }
    free(list->items);
    *list = (rv_neuronpedia_explanations){0};
}

/* ---- writing --------------------------------------------------------------------------------- */
/* As an upload replaces it. */
static double presentable(double value)
{
    if (isnan(value)) return 0;
    return isinf(value) ? (value > 0 ? 9999 : -9999) : value;
}

static json_t *presentable_list(const double *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_real(presentable(values[i]))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *optional(const char *string)
{
    return string ? json_string(string) : json_null();
}

static json_t *tokens_of(const rv_token_weights *weights)
{
    json_t *list = json_array();
    for (size_t i = 0; i < weights->count; i++)
        if (json_array_append_new(list, json_string(weights->items[i].token)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *weights_of(const rv_token_weights *weights)
{
    json_t *list = json_array();
    for (size_t i = 0; i < weights->count; i++)
        if (json_array_append_new(list, json_real(presentable(weights->items[i].weight))) !=
            0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static void set_empty_lists(json_t *row)
{
    static const char *const keys[] = {"vector",
                                       "topkCosSimIndices",
                                       "topkCosSimValues",
                                       "neuron_alignment_indices",
                                       "neuron_alignment_values",
                                       "neuron_alignment_l1",
                                       "correlated_neurons_indices",
                                       "correlated_neurons_pearson",
                                       "correlated_neurons_l1",
                                       "correlated_features_indices",
                                       "correlated_features_pearson",
                                       "correlated_features_l1",
                                       "freq_hist_data_bar_heights",
                                       "freq_hist_data_bar_values",
                                       "logits_hist_data_bar_heights",
                                       "logits_hist_data_bar_values",
                                       "decoder_weights_dist"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set_new(row, keys[i], json_array());
}

/* The share of tokens of the random records with a positive activation. */
static double firing_share(const rv_activation_records *random)
{
    double tokens = 0, firing = 0;
    for (size_t r = 0; r < random->count; r++)
        for (size_t i = 0; i < random->items[r].count; i++) {
            tokens++;
            firing += random->items[r].activations[i] > 0;
        }
    return tokens > 0 ? firing / tokens : 0;
}

static json_t *feature_json(const rv_neuronpedia_source *source,
                            const rv_neuronpedia_feature *feature, const char *index)
{
    const rv_evidence *e = feature->evidence;
    double maximum = 0;
    for (size_t r = 0; r < e->top.count; r++)
        maximum = fmax(maximum, presentable(rv_record_maximum(&e->top.items[r])));
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:b, s:n, s:i, s:o, s:o, s:o, s:o}",
        "modelId", source->model, "layer", source->source, "index", index, "creatorId",
        source->creator, "sourceSetName", source->set, "hookName", source->hook, "maxActApprox",
        maximum, "frac_nonzero", firing_share(&e->random), "hasVector", 0, "vectorLabel",
        "vectorDefaultSteerStrength", 10, "pos_str", tokens_of(&e->promoted), "pos_values",
        weights_of(&e->promoted), "neg_str", tokens_of(&e->suppressed), "neg_values",
        weights_of(&e->suppressed));
    if (row) set_empty_lists(row);
    return row;
}

static json_t *activation_json(const rv_neuronpedia_source *source, const char *index,
                               size_t number, const rv_activation_record *record)
{
    char id[64];
    size_t most = 0;
    double least = record->count ? presentable(record->activations[0]) : 0;
    for (size_t i = 0; i < record->count; i++) {
        double value = presentable(record->activations[i]);
        if (value > presentable(record->activations[most])) most = i;
        least = fmin(least, value);
    }
    snprintf(id, sizeof id, "%.16s-%.24s-%zu", source->source, index, number);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:f, s:i, s:f, s:o, s:n, s:[], s:n, s:n, s:[], "
        "s:n, "
        "s:n, s:n, s:n, s:n}",
        "id", id, "modelId", source->model, "layer", source->source, "index", index,
        "creatorId", source->creator, "tokens", rv_json_strings(record->tokens, record->count),
        "values", presentable_list(record->activations, record->count), "maxValue",
        record->count ? presentable(record->activations[most]) : 0.0, "maxValueTokenIndex",
        (int)most, "minValue", least, "dataSource", optional(source->corpus), "dataIndex",
        "dfaValues", "dfaTargetIndex", "dfaMaxValue", "lossValues", "logitContributions",
        "binMin", "binMax", "binContains", "qualifyingTokenIndex");
}

static json_t *explanation_json(const rv_neuronpedia_source *source, const char *index,
                                size_t number, const rv_neuronpedia_explanation *explanation)
{
    char id[64];
    snprintf(id, sizeof id, "%.16s-%.24s-e%zu", source->source, index, number);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:n, s:i, s:i, s:i, s:i}", "id",
                     id, "modelId", source->model, "layer", source->source, "index", index,
                     "authorId", source->creator, "description", explanation->text, "typeName",
                     explanation->type, "explanationModelName", explanation->model, "embedding",
                     "umap_x", 0, "umap_y", 0, "umap_cluster", 0, "umap_log_feature_sparsity",
                     0);
}

static void print_line(rv_text *out, json_t *value)
{
    rv_json_print(out, value);
    rv_text_putc(out, '\n');
}

typedef struct tables {
    rv_text features, activations, explanations;
} tables;

static void print_feature(tables *t, const rv_neuronpedia_source *source,
                          const rv_neuronpedia_feature *feature)
{
    char index[32];
    size_t number = 0;
    snprintf(index, sizeof index, "%lld", feature->index);
    print_line(&t->features, feature_json(source, feature, index));
    const rv_activation_records *lists[] = {&feature->evidence->top,
                                            &feature->evidence->random};
    for (size_t l = 0; l < 2; l++)
        for (size_t r = 0; r < lists[l]->count; r++)
            print_line(&t->activations,
                       activation_json(source, index, number++, &lists[l]->items[r]));
    for (size_t i = 0; i < feature->explanation_count; i++)
        print_line(&t->explanations,
                   explanation_json(source, index, i, &feature->explanations[i]));
}

static rv_status write_table(const char *folder, const char *table, size_t batch, rv_text *rows,
                             rv_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s/batch-%zu.jsonl.gz", table, batch);
    char *path = rv_path_join(folder, name);
    rv_status status =
        !path || rows->failed
            ? rv_fail_memory(err, rows->length)
            : rv_gzip_write(path, rows->bytes ? rows->bytes : "", rows->length, err);
    free(path);
    rv_text_release(rows);
    return status;
}

static rv_status write_batches(const char *folder, const rv_neuronpedia_source *source,
                               const rv_neuronpedia_feature *features, size_t count,
                               rv_error *err)
{
    rv_status status = RV_OK;
    for (size_t first = 0; status == RV_OK && first < count; first += BATCH) {
        tables t = {0};
        for (size_t i = first; i < count && i < first + BATCH; i++)
            print_feature(&t, source, &features[i]);
        status = write_table(folder, "features", first / BATCH, &t.features, err);
        if (status == RV_OK)
            status = write_table(folder, "activations", first / BATCH, &t.activations, err);
        if (status == RV_OK)
            status = write_table(folder, "explanations", first / BATCH, &t.explanations, err);
        rv_text_release(&t.activations);
        rv_text_release(&t.explanations);
    }
    return status;
}

/* A file of one line. Consumes the value. */
static rv_status write_line(const char *folder, const char *name, json_t *value, rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) {
        json_decref(value);
        return rv_fail_memory(err, strlen(folder));
    }
    rv_status status = rv_json_write(path, value, err);
    free(path);
    return status;
}

static rv_status write_heads(const char *folder, const rv_neuronpedia_source *s, rv_error *err)
{
    RV_TRY(write_line(folder, "release.jsonl",
                      json_pack("{s:s, s:s, s:s, s:[], s:s, s:s, s:s, s:s}", "name", s->release,
                                "description", s->release, "descriptionShort", s->release,
                                "urls", "creatorName", s->creator, "creatorId", s->creator,
                                "defaultSourceSetName", s->set, "visibility", "PUBLIC"),
                      err));
    RV_TRY(
        write_line(folder, "model.jsonl",
                   json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:s}", "id", s->model,
                             "instruct", 0, "displayNameShort", s->model, "displayName",
                             s->model, "creatorId", s->creator, "defaultSourceSetName", s->set,
                             "layers", (json_int_t)s->layers, "visibility", "PUBLIC"),
                   err));
    RV_TRY(write_line(folder, "sourceset.jsonl",
                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "modelId", s->model,
                                "name", s->set, "creatorId", s->creator, "creatorName",
                                s->creator, "releaseName", s->release, "description", s->hook,
                                "visibility", "PUBLIC"),
                      err));
    return write_line(folder, "source.jsonl",
                      json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "id", s->source, "modelId",
                                s->model, "setName", s->set, "creatorId", s->creator, "dataset",
                                optional(s->corpus), "visibility", "PUBLIC"),
                      err);
}

static rv_status check_name(const char *name, const char *what, rv_error *err)
{
    if (*name && *name != '.' && !strchr(name, '/')) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE, "%s: expected a name without '/', found '%s'", what,
                   name);
}

rv_status rv_neuronpedia_write(const char *folder, const rv_neuronpedia_source *source,
                               const rv_neuronpedia_feature *features, size_t count,
                               rv_error *err)
{
    RV_TRY(check_name(source->model, "model", err));
    RV_TRY(check_name(source->source, "source", err));
    char *model = rv_path_join(folder, source->model);
    char *place = model ? rv_path_join(model, source->source) : NULL;
    rv_status status = place ? RV_OK : rv_fail_memory(err, strlen(folder));
    static const char *const parts[] = {"features", "activations", "explanations"};
    for (size_t i = 0; status == RV_OK && i < sizeof parts / sizeof parts[0]; i++) {
        char *part = rv_path_join(place, parts[i]);
        status = part ? rv_make_folders(part, err) : rv_fail_memory(err, strlen(place));
        free(part);
    }
    if (status == RV_OK) status = write_heads(place, source, err);
    if (status == RV_OK) status = write_batches(place, source, features, count, err);
    free(model);
    free(place);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */
static rv_status parse_activation(rv_evidence *out, const json_t *object, const char *where,
                                  rv_error *err)
{
    rv_activation_record record;
    RV_TRY(rv_json_record(&record, json_object_get(object, "tokens"),
                          json_object_get(object, "values"), where, err));
    bool fires = rv_record_maximum(&record) > 0;
    return rv_activation_records_push(fires ? &out->top : &out->random, &record, err);
}

static rv_status parse_weights(rv_token_weights *out, const json_t *object, const char *tokens,
                               const char *values, const char *where, rv_error *err)
{
    const json_t *names = json_object_get(object, tokens);
    const json_t *numbers = json_object_get(object, values);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        double weight = NAN;
        if (!json_is_string(name))
            return rv_fail(err, RV_ERR_FORMAT, "%s: %s %zu: expected a string, found %s", where,
                           tokens, i, rv_json_kind(name));
        rv_json_number(&weight, json_array_get(numbers, i));
        RV_TRY(rv_token_weights_push(out, json_string_value(name), json_string_length(name),
                                     weight, err));
    }
    return RV_OK;
}

static char *copy_string(const json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));
    return rv_utf8_repair(found ? found : "", found ? strlen(found) : 0);
}

static rv_status parse_explanation(rv_neuronpedia_explanations *out, const json_t *object,
                                   const char *where, rv_error *err)
{
    const char *text;
    RV_TRY(rv_json_string(&text, object, "description", where, err));
    RV_TRY(
        rv_grow((void **)&out->items, &out->capacity, out->count + 1, sizeof *out->items, err));
    rv_neuronpedia_explanation e = {copy_string(object, "description"),
                                    copy_string(object, "typeName"),
                                    copy_string(object, "explanationModelName")};
    out->items[out->count++] = e;
    return e.text && e.type && e.model ? RV_OK : rv_fail_memory(err, strlen(text));
}

/* "5" and "6-res-jb" are of layer 5 and 6. */
static rv_status parse_feature(rv_evidence *out, const json_t *object, const char *where,
                               rv_error *err)
{
    const char *layer, *index;
    RV_TRY(rv_json_string(&layer, object, "layer", where, err));
    RV_TRY(rv_json_string(&index, object, "index", where, err));
    char *end;
    long long number = strtoll(layer, &end, 10);
    if (end != layer) out->layer = number;
    number = strtoll(index, &end, 10);
    if (end != index) out->neuron = number;
    RV_TRY(parse_weights(&out->promoted, object, "pos_str", "pos_values", where, err));
    return parse_weights(&out->suppressed, object, "neg_str", "neg_values", where, err);
}

static rv_status parse_whole_feature(rv_evidence *out,
                                     rv_neuronpedia_explanations *explanations,
                                     const json_t *object, const char *where, rv_error *err)
{
    json_t *list;
    RV_TRY(parse_feature(out, object, where, err));
    RV_TRY(rv_json_list(&list, object, "activations", where, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        char here[512];
        snprintf(here, sizeof here, "%.400s: activations %zu", where, i);
        RV_TRY(parse_activation(out, json_array_get(list, i), here, err));
    }
    list = json_object_get(object, "explanations");
    for (size_t i = 0; explanations && i < json_array_size(list); i++)
        RV_TRY(parse_explanation(explanations, json_array_get(list, i), where, err));
    return RV_OK;
}

/* What is wanted from the tables of an export. */
typedef struct wanted {
    const char *index;
    rv_evidence *evidence;
    rv_neuronpedia_explanations *explanations; /* may be NULL */
    size_t features;                           /* found */
} wanted;

typedef rv_status (*row_fn)(wanted *w, const json_t *row, const char *where, rv_error *err);

static rv_status take_feature(wanted *w, const json_t *row, const char *where, rv_error *err)
{
    if (w->features++) return RV_OK;
    return parse_feature(w->evidence, row, where, err);
}

static rv_status take_activation(wanted *w, const json_t *row, const char *where, rv_error *err)
{
    return parse_activation(w->evidence, row, where, err);
}

static rv_status take_explanation(wanted *w, const json_t *row, const char *where,
                                  rv_error *err)
{
    return w->explanations ? parse_explanation(w->explanations, row, where, err) : RV_OK;
}

static rv_status read_batch(wanted *w, const char *path, row_fn take, rv_error *err)
{
    rv_text text = {0};
    rv_status status = rv_gzip_read(&text, path, FILE_LIMIT, err);
    size_t number = 0;
    for (char *line = text.bytes; status == RV_OK && line && *line; number++) {
        char where[512];
        size_t length = strcspn(line, "\n");
        json_t *row = NULL;
        snprintf(where, sizeof where, "%.400s: row %zu", path, number);
        status = rv_json_parse(&row, line, length, where, err);
        const char *index = json_string_value(json_object_get(row, "index"));
        if (status == RV_OK && index && strcmp(index, w->index) == 0)
            status = take(w, row, where, err);
        json_decref(row);
        line += length + (line[length] == '\n');
    }
    rv_text_release(&text);
    return status;
}

static int is_batch(const struct dirent *file)
{
    static const char suffix[] = ".jsonl.gz";
    size_t length = strlen(file->d_name), end = sizeof suffix - 1;
    return strncmp(file->d_name, "batch-", 6) == 0 && length > end &&
           strcmp(file->d_name + length - end, suffix) == 0;
}

static rv_status read_table(wanted *w, const char *folder, const char *table, row_fn take,
                            rv_error *err)
{
    struct dirent **files = NULL;
    char *place = rv_path_join(folder, table);
    if (!place) return rv_fail_memory(err, strlen(folder));
    int count = scandir(place, &files, is_batch, versionsort);
    rv_status status = RV_OK;
    for (int i = 0; i < count; i++) {
        char *path = rv_path_join(place, files[i]->d_name);
        if (status == RV_OK)
            status = path ? read_batch(w, path, take, err) : rv_fail_memory(err, strlen(place));
        free(path);
        free(files[i]);
    }
    free(files);
    free(place);
    return status;
}

static int stronger(const void *a, const void *b)
{
    double x = rv_record_maximum(a), y = rv_record_maximum(b);
    return (x < y) - (x > y);
}

rv_status rv_neuronpedia_read(rv_evidence *out, rv_neuronpedia_explanations *explanations,
                              const char *path, long long index, rv_error *err)
{
    rv_status status;
    *out = rv_evidence_empty();
    if (explanations) *explanations = (rv_neuronpedia_explanations){0};
    if (rv_folder_exists(path)) {
        char name[32];
        wanted w = {name, out, explanations, 0};
        snprintf(name, sizeof name, "%lld", index);
        status = read_table(&w, path, "features", take_feature, err);
        if (status == RV_OK && !w.features)
            status = rv_fail(err, RV_ERR_NOT_FOUND,
                             "%s: no feature %s in features/batch-*.jsonl.gz", path, name);
        if (status == RV_OK) status = read_table(&w, path, "activations", take_activation, err);
        if (status == RV_OK)
            status = read_table(&w, path, "explanations", take_explanation, err);
    } else {
        json_t *root = NULL;
        status = rv_json_read(&root, path, FILE_LIMIT, err);
        if (status == RV_OK) status = parse_whole_feature(out, explanations, root, path, err);
        json_decref(root);
    }
    if (status != RV_OK) {
        rv_evidence_release(out);
        if (explanations) rv_neuronpedia_explanations_release(explanations);
        return status;
    }
    qsort(out->top.items, out->top.count, sizeof *out->top.items, stronger);
    return RV_OK;
}
