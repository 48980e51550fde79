/* A Hugging Face model folder: config.json beside model.safetensors, or beside
 * model.safetensors.index.json, which says in which shard each tensor lies. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "checkpoint/internal.h"

enum { MAX_CONFIG = 16 << 20, MAX_INDEX = 100000000 };

static rv_status read_json(json_t **out, const char *folder, const char *name, size_t limit,
                           rv_error *err)
{
    char *path = rv_path_join(folder, name), *text = NULL;
    size_t length;
    if (!path) return rv_fail_memory(err, strlen(folder) + strlen(name) + 2);
    rv_status status = rv_read_file(&text, &length, path, limit, err);
    free(path);
    RV_TRY(status);
    status = rv_json_parse_object(out, text, length, name, err);
    free(text);
    return status;
}

static rv_status contains(bool *found, const char *folder, const char *name, rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder) + strlen(name) + 2);
    *found = rv_file_exists(path);
    free(path);
    return RV_OK;
}

/* Maps folder/name as file number ck->file_count and reads its tensors. */
static rv_status read_shard(rv_checkpoint *ck, const char *folder, const char *name,
                            rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder) + strlen(name) + 2);
    rv_weight_file *file = &ck->files[ck->file_count];
    rv_status status = rv_map_file(&file->mapping, path, err);
    free(path);
    RV_TRY(status);
    ck->file_count++;
    status = rv_safetensors_read(ck, &file->mapping, err);
    return status == RV_OK ? RV_OK : rv_context(err, status, "%s", name);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The different file names in a weight map, sorted; each must stay inside the folder. */
static rv_status list_shards(const char ***out, size_t *count, const json_t *map, rv_error *err)
{
    const char **names, *tensor;
    json_t *value;
    size_t n = 0, kept = 0;
    RV_TRY(RV_NEW(names, json_object_size(map), err));
    *out = names;
    json_object_foreach((json_t *)map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || !*name || strlen(name) != json_string_length(value) || name[0] == '.' ||
            strchr(name, '/'))
            return rv_fail(err, RV_ERR_FORMAT,
                           "weight_map['%s']: expected the name of a file in the same folder",
                           RV_LABEL(tensor, strlen(tensor)));
        names[n++] = name;
    }
    qsort(names, n, sizeof *names, compare_strings);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(names[i], names[kept - 1]) != 0) names[kept++] = names[i];
    }
    *count = kept;
    return RV_OK;
}

/* Called after a shard was read: what the index promises of it must be there. */
static rv_status check_promises(const rv_checkpoint *ck, size_t first, const json_t *map,
                                const char *shard, rv_error *err)
{
    size_t promised = 0, found = 0;
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)map, tensor, value)
    {
        promised += strcmp(json_string_value(value), shard) == 0;
    }
    for (size_t i = first; i < ck->count; i++) {
        const char *where = json_string_value(json_object_get(map, ck->tensors[i].name));
        found += where && strcmp(where, shard) == 0;
    }
    if (found == promised) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT,
                   "%s: expected the %zu tensors that the index puts there, found %zu of them",
                   RV_LABEL(shard, strlen(shard)), promised, found);
}

static rv_status read_sharded(rv_checkpoint *ck, const char *folder, const json_t *index,
                              rv_error *err)
{
    const json_t *map = json_object_get(index, "weight_map");
    const char **names = NULL;
    size_t count = 0;
    if (!json_is_object(map))
        return rv_fail(err, RV_ERR_FORMAT, "weight_map: expected an object");
    rv_status status = list_shards(&names, &count, map, err);
    if (status == RV_OK) status = RV_NEW(ck->files, count, err);
    for (size_t i = 0; i < count && status == RV_OK; i++) {
        size_t first = ck->count;
        status = read_shard(ck, folder, names[i], err);
        if (status == RV_OK) status = check_promises(ck, first, map, names[i], err);
    }
    free(names);
    return status;
}

rv_status rv_folder_read(rv_checkpoint *ck, const char *folder, rv_error *err)
{
    static const char index_name[] = "model.safetensors.index.json";
    ck->format = RV_FORMAT_SAFETENSORS;
    bool found;
    RV_TRY(contains(&found, folder, "config.json", err));
    if (!found)
        return rv_fail(err, RV_ERR_NOT_FOUND,
                       "expected a model folder with config.json, found none in it");
    RV_TRY(read_json(&ck->config, folder, "config.json", MAX_CONFIG, err));
    RV_TRY(contains(&found, folder, "model.safetensors", err));
    if (found) {
        RV_TRY(RV_NEW(ck->files, 1, err));
        return read_shard(ck, folder, "model.safetensors", err);
    }
    RV_TRY(contains(&found, folder, index_name, err));
    if (found) {
        json_t *index;
        RV_TRY(read_json(&index, folder, index_name, MAX_INDEX, err));
        rv_status status = read_sharded(ck, folder, index, err);
        json_decref(index);
        return status == RV_OK ? RV_OK : rv_context(err, status, "%s", index_name);
    }
    RV_TRY(contains(&found, folder, "pytorch_model.bin", err));
    if (found)
        return rv_fail(
            err, RV_ERR_UNSUPPORTED,
            "expected model.safetensors, found only pytorch_model.bin (a pickle, which "
            "can run code when loaded); convert it to safetensors");
    return rv_fail(err, RV_ERR_NOT_FOUND,
                   "expected model.safetensors or %s beside config.json, found neither",
                   index_name);
}
