/* Which files of a repository make a model. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/text.h"
#include "hub/listing.h"

#define INDEX "model.safetensors.index.json"

enum { INDEX_LIMIT = 64 << 20 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Marks an entry, unless its path would lead out of the folder that it goes to. */
static rv_status mark(bool *chosen, const rv_hub_listing *listing, size_t i, rv_error *err)
{
    const char *path = listing->entries[i].path;
    if (!rv_hub_path_is_safe(path))
        return rv_fail(err, RV_ERR_FORMAT,
                       "the repository has a file with the unsafe name '%.200s'", path);
    chosen[i] = true;
    return RV_OK;
}

/* Marks what one of the patterns fits; *count tells how many. Patterns without a slash fit files of
 * the top folder only. */
static rv_status mark_all(bool *chosen, size_t *count, const rv_hub_listing *listing,
                          const char *const *patterns, size_t pattern_count, rv_error *err)
{
    *count = 0;
    for (size_t i = 0; i < listing->count; i++) {
        const char *path = listing->entries[i].path;
        bool fits = false;
        for (size_t k = 0; k < pattern_count && !fits; k++)
            fits = strcmp(patterns[k], path) == 0 ||
                   fnmatch(patterns[k], path, FNM_PATHNAME) == 0 ||
                   // A name that tries to leave the folder is to be refused, not overlooked.
                   (!rv_hub_path_is_safe(path) &&
                    fnmatch(patterns[k], base_name(path), FNM_PATHNAME) == 0);
        if (!fits) continue;
        RV_TRY(mark(chosen, listing, i, err));
        ++*count;
    }
    return RV_OK;
}

/* Up to eight names that a pattern fits, for messages; of all files, or of weights only. */
static void name_some(rv_text *out, const rv_hub_listing *listing, const char *pattern,
                      bool weights)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->count; i++) {
        const char *path = listing->entries[i].path;
        if (fnmatch(pattern, path, FNM_CASEFOLD) != 0) continue;
        if (weights && !rv_hub_is_weights(path)) continue;
        if (count < 8) rv_text_printf(out, "%s%.100s", count ? ", " : "", path);
        if (count++ == 8) rv_text_puts(out, ", ...");
    }
}

bool rv_hub_is_gguf(const char *path)
{
    static const char part[] = "*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].gguf";
    const char *name = base_name(path);
    return fnmatch("*.gguf", name, FNM_CASEFOLD) == 0 &&
           fnmatch(part, name, FNM_CASEFOLD) != 0 && !strcasestr(name, "mmproj") &&
           !strcasestr(name, "imatrix");
}

bool rv_hub_is_weights(const char *path)
{
    static const char *const endings[] = {".safetensors", ".gguf", ".bin",    ".pt",
                                          ".pth",         ".ckpt", ".h5",     ".msgpack",
                                          ".onnx",        ".npz",  ".tflite", ".ot"};
    const char *end = strrchr(base_name(path), '.');
    for (size_t i = 0; end && i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(end, endings[i]) == 0) return true;
    return false;
}

/* GGUF files whose name holds `part` ("": any), in folders only if there is none beside them: how many,
 * and one of them. */
static size_t find_gguf(size_t *found, const rv_hub_listing *listing, const char *part)
{
    size_t count[2] = {0, 0}, last[2] = {0, 0};
    for (size_t i = 0; i < listing->count; i++) {
        const char *path = listing->entries[i].path;
        bool inside = strchr(path, '/') != NULL;
        if (!rv_hub_is_gguf(path) || !strcasestr(path, part)) continue;
        last[inside] = i;
        count[inside]++;
    }
    *found = last[count[0] == 0];
    return count[count[0] == 0];
}

/* One file by its path, a pattern, or, for a GGUF file, a piece of its name such as Q4_K_M. */
static rv_status choose_named(bool *chosen, const rv_hub_listing *listing,
                              const rv_hub_name *name, const char *wanted, rv_error *err)
{
    size_t count, found;
    RV_TRY(mark_all(chosen, &count, listing, &wanted, 1, err));
    if (count) return RV_OK;
    count = find_gguf(&found, listing, wanted);
    if (count == 1) return mark(chosen, listing, found, err);
    rv_text names = {0};
    name_some(&names, listing, count ? "*.gguf" : "*", false);
    rv_status status =
        rv_fail(err, RV_ERR_NOT_FOUND, "%s: %s file '%s'; it has: %s", name->repository,
                count ? "more than one" : "no", wanted, names.bytes ? names.bytes : "nothing");
    rv_text_release(&names);
    return status;
}

/* Why there is nothing to fetch: what the repository holds instead of a model that can be opened. */
static rv_status fail_unusable(const rv_hub_listing *listing, const rv_hub_name *name,
                               rv_error *err)
{
    static const struct {
        const char *pattern, *why;
    } kinds[] = {
        {"adapter_*",
         "holds an adapter, no model (its adapter_config.json names the one to fetch):"},
        {"*.gguf", "has no whole GGUF file of a model, only"},
        {"*.safetensors", "has no model.safetensors beside a config.json, only"},
        {"*", "has no safetensors and no GGUF, only weights in unsupported formats:"}};
    rv_text names = {0};
    size_t i = 0;
    for (; i < sizeof kinds / sizeof kinds[0]; i++) {
        name_some(&names, listing, kinds[i].pattern, true);
        if (names.length) break;
    }
    rv_status status =
        names.length ? rv_fail(err, RV_ERR_UNSUPPORTED, "%s: %s %s", name->repository,
                               kinds[i].why, names.bytes)
                     : rv_fail(err, RV_ERR_UNSUPPORTED, "%s: has no weights at revision %s",
                               name->repository, name->revision);
    rv_text_release(&names);
    return status;
}

/* The repository has no folder of safetensors that can be opened: one GGUF file will do. */
static rv_status choose_gguf(bool *chosen, const rv_hub_listing *listing,
                             const rv_hub_name *name, rv_error *err)
{
    size_t found, count = find_gguf(&found, listing, "");
    if (count == 1) return mark(chosen, listing, found, err);
    if (!count) return fail_unusable(listing, name, err);
    rv_text names = {0};
    name_some(&names, listing, "*.gguf", true);
    rv_status status =
        rv_fail(err, RV_ERR_USAGE, "%s: has %zu GGUF files, choose one with --file: %s",
                name->repository, count, names.bytes);
    rv_text_release(&names);
    return status;
}

static rv_status choose_model(bool *chosen, const rv_hub_entry **index,
                              const rv_hub_listing *listing, const rv_hub_name *name,
                              rv_error *err)
{
    static const char *const model[] = {
        "config.json",
        "generation_config.json",
        "tokenizer*.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "encoder.json",
        "vocab.bpe",
        "chat_template*",
    };
    static const char *const single[] = {"model.safetensors"}, *const shards[] = {INDEX};
    size_t count, weights = 0;
    if (rv_hub_find(listing, "config.json"))
        RV_TRY(mark_all(chosen, &weights, listing, single, 1, err));
    if (!weights && rv_hub_find(listing, "config.json")) {
        RV_TRY(mark_all(chosen, &weights, listing, shards, 1, err));
        if (weights) *index = rv_hub_find(listing, INDEX);
    }
    if (!weights) return choose_gguf(chosen, listing, name, err);
    return mark_all(chosen, &count, listing, model, sizeof model / sizeof model[0], err);
}

rv_status rv_hub_choose(bool *chosen, const rv_hub_entry **index, const rv_hub_listing *listing,
                        const rv_hub_name *name, const rv_get_params *params, rv_error *err)
{
    *index = NULL;
    memset(chosen, 0, listing->count * sizeof *chosen);
    if (!name->file && params->file_count == 0)
        return choose_model(chosen, index, listing, name, err);
    if (name->file) RV_TRY(choose_named(chosen, listing, name, name->file, err));
    for (size_t i = 0; i < params->file_count; i++)
        RV_TRY(choose_named(chosen, listing, name, params->files[i], err));
    return RV_OK;
}

rv_status rv_hub_choose_shards(bool *chosen, const rv_hub_listing *listing, const char *path,
                               rv_error *err)
{
    json_t *root, *value;
    RV_TRY(rv_json_read_object(&root, path, INDEX_LIMIT, err));
    const char *key;
    json_t *map = json_object_get(root, "weight_map");
    rv_status status = RV_OK;
    if (!json_is_object(map) || json_object_size(map) == 0)
        status =
            rv_fail(err, RV_ERR_FORMAT, "%s: weight_map: expected the names of tensors", path);
    else
        json_object_foreach(map, key, value)
        {
            const char *shard = json_string_value(value);
            const rv_hub_entry *entry = shard ? rv_hub_find(listing, shard) : NULL;
            if (!entry || base_name(shard) != shard)
                status = rv_fail(err, RV_ERR_FORMAT,
                                 "%s: weight_map: '%.100s' is to be in '%.100s', which the "
                                 "repository does not have",
                                 path, key, shard ? shard : "(no name)");
            else
                status = mark(chosen, listing, (size_t)(entry - listing->entries), err);
            if (status != RV_OK) break;
        }
    json_decref(root);
    return status;
}
