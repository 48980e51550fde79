/* Which files of a repository make a model. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
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

/* Up to eight names that a pattern fits, for messages. */
static void name_some(rv_text *out, const rv_hub_listing *listing, const char *pattern)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (fnmatch(pattern, listing->entries[i].path, FNM_CASEFOLD) != 0) continue;
        if (count < 8)
            rv_text_printf(out, "%s%.100s", count ? ", " : "", listing->entries[i].path);
        if (count++ == 8) rv_text_puts(out, ", ...");
    }
}

/* One file by its path, a pattern, or, for a GGUF file, a piece of its name such as Q4_K_M. */
static rv_status choose_named(bool *chosen, const rv_hub_listing *listing,
                              const rv_hub_name *name, const char *wanted, rv_error *err)
{
    size_t count;
    RV_TRY(mark_all(chosen, &count, listing, &wanted, 1, err));
    if (count) return RV_OK;
    size_t found = 0;
    for (size_t i = 0; i < listing->count; i++) {
        const char *path = listing->entries[i].path;
        if (strchr(path, '/') || fnmatch("*.gguf", path, 0) != 0 || !strcasestr(path, wanted))
            continue;
        count++;
        found = i;
    }
    if (count == 1) return mark(chosen, listing, found, err);
    rv_text names = {0};
    name_some(&names, listing, count ? "*.gguf" : "*");
    rv_status status =
        rv_fail(err, RV_ERR_NOT_FOUND, "%s: %s file '%s'; it has: %s", name->repository,
                count ? "more than one" : "no", wanted, names.bytes ? names.bytes : "nothing");
    rv_text_release(&names);
    return status;
}

/* The repository has no safetensors: one GGUF file will do, other formats will not. */
static rv_status choose_gguf(bool *chosen, const rv_hub_listing *listing,
                             const rv_hub_name *name, rv_error *err)
{
    static const char *const gguf[] = {"*.gguf"};
    size_t count;
    RV_TRY(mark_all(chosen, &count, listing, gguf, 1, err));
    if (count == 1) return RV_OK;
    rv_text names = {0};
    rv_status status;
    if (count) {
        name_some(&names, listing, "*.gguf");
        status =
            rv_fail(err, RV_ERR_USAGE, "%s: has %zu GGUF files, choose one with --file: %s",
                    name->repository, count, names.bytes);
    } else {
        static const char *const others[] = {"*.bin",     "*.pt",   "*.pth", "*.h5",
                                             "*.msgpack", "*.onnx", "*.npz"};
        for (size_t i = 0; i < sizeof others / sizeof others[0] && !names.length; i++)
            name_some(&names, listing, others[i]);
        status = names.length
                     ? rv_fail(err, RV_ERR_UNSUPPORTED,
                               "%s: has no safetensors and no GGUF, only weights in "
                               "unsupported formats: %s",
                               name->repository, names.bytes)
                     : rv_fail(err, RV_ERR_UNSUPPORTED, "%s: has no weights at revision %s",
                               name->repository, name->revision);
    }
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
    static const char *const single[] = {"model.safetensors"}, *const shards[] = {INDEX},
                             *const any[] = {"*.safetensors"};
    size_t count, weights;
    RV_TRY(mark_all(chosen, &weights, listing, single, 1, err));
    if (!weights) {
        RV_TRY(mark_all(chosen, &weights, listing, shards, 1, err));
        if (weights) *index = rv_hub_find(listing, INDEX);
    }
    if (!weights) RV_TRY(mark_all(chosen, &weights, listing, any, 1, err));
    if (!weights) RV_TRY(choose_gguf(chosen, listing, name, err));
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
    char *text;
    size_t length;
    RV_TRY(rv_read_file(&text, &length, path, INDEX_LIMIT, err));
    json_error_t where;
    json_t *root = json_loadb(text, length, 0, &where), *value;
    free(text);
    const char *key;
    json_t *map = json_object_get(root, "weight_map");
    rv_status status = RV_OK;
    if (!root)
        status = rv_fail(err, RV_ERR_FORMAT, "%s: expected JSON: %s", path, where.text);
    else if (!json_is_object(map) || json_object_size(map) == 0)
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
