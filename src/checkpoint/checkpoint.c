#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "checkpoint/internal.h"

enum { MAX_NAME = 1024, HASH_CHUNK = 8 << 20 };

uint16_t rv_load_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t rv_load_u32(const unsigned char *p)
{
    return (uint32_t)rv_load_u16(p) | (uint32_t)rv_load_u16(p + 2) << 16;
}

uint64_t rv_load_u64(const unsigned char *p)
{
    return (uint64_t)rv_load_u32(p) | (uint64_t)rv_load_u32(p + 4) << 32;
}

rv_label rv_label_of(const char *name, size_t length)
{
    rv_label label;
    size_t room = sizeof label.text - 4, used = length < room ? length : room;
    for (size_t i = 0; i < used; i++)
        label.text[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    strcpy(label.text + used, length > used ? "..." : "");
    return label;
}

bool rv_tensor_count_elements(rv_tensor *tensor)
{
    size_t bound = 1;
    tensor->elements = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        size_t dim = tensor->shape[i];
        if (rv_mul_overflows(bound, dim ? dim : 1, &bound)) return false;
        tensor->elements *= dim;
    }
    return true;
}

rv_status rv_checkpoint_keep(rv_checkpoint *ck, const char **out, const char *text,
                             size_t length, rv_error *err)
{
    RV_TRY(rv_grow((void **)&ck->strings, &ck->string_capacity, ck->string_count + 1,
                   sizeof *ck->strings, err));
    char *copy = rv_strndup(text, length);
    if (!copy) return rv_fail_memory(err, length + 1);
    ck->strings[ck->string_count++] = copy;
    *out = copy;
    return RV_OK;
}

rv_status rv_checkpoint_add(rv_checkpoint *ck, const rv_tensor *tensor, const char *name,
                            size_t name_length, rv_error *err)
{
    if (name_length == 0 || name_length > MAX_NAME)
        return rv_fail(err, RV_ERR_FORMAT,
                       "name of tensor %zu: expected 1 to %d bytes, found %zu", ck->count,
                       MAX_NAME, name_length);
    if (memchr(name, '\0', name_length))
        return rv_fail(err, RV_ERR_FORMAT, "name of tensor %zu: found a NUL byte in it",
                       ck->count);
    RV_TRY(
        rv_grow((void **)&ck->tensors, &ck->capacity, ck->count + 1, sizeof *ck->tensors, err));
    rv_tensor *added = &ck->tensors[ck->count];
    *added = *tensor;
    RV_TRY(rv_checkpoint_keep(ck, &added->name, name, name_length, err));
    ck->count++;
    return RV_OK;
}

rv_status rv_checkpoint_own(rv_checkpoint *ck, unsigned char *bytes, size_t length,
                            rv_error *err)
{
    rv_status status = rv_grow((void **)&ck->files, &ck->file_room, ck->file_count + 1,
                               sizeof *ck->files, err);
    if (status == RV_OK)
        ck->files[ck->file_count++] =
            (rv_weight_file){.mapping = {bytes, length}, .borrowed = true, .unpacked = true};
    else
        free(bytes);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const rv_tensor *const *)a)->name, (*(const rv_tensor *const *)b)->name);
}

static int compare_places(const void *a, const void *b)
{
    const rv_tensor *x = *(const rv_tensor *const *)a, *y = *(const rv_tensor *const *)b;
    uintptr_t p = (uintptr_t)x->bytes, q = (uintptr_t)y->bytes;
    return (p > q) - (p < q);
}

/* No two tensors may share a byte. Shards are different mappings, so one order serves all.  */
static rv_status refuse_overlaps(const rv_checkpoint *ck, rv_error *err)
{
    const rv_tensor **by_place;
    RV_TRY(RV_NEW(by_place, ck->count, err));
    size_t n = 0;
    for (size_t i = 0; i < ck->count; i++) {
        if (ck->tensors[i].length) by_place[n++] = &ck->tensors[i];
    }
    qsort(by_place, n, sizeof *by_place, compare_places);
    rv_status status = RV_OK;
    for (size_t i = 1; i < n && status == RV_OK; i++) {
        const rv_tensor *a = by_place[i - 1], *b = by_place[i];
        if (a->length > (uintptr_t)b->bytes - (uintptr_t)a->bytes)
            status =
                rv_fail(err, RV_ERR_FORMAT,
                        "tensors '%s' and '%s': expected separate bytes, found that they "
                        "overlap",
                        RV_LABEL(a->name, strlen(a->name)), RV_LABEL(b->name, strlen(b->name)));
    }
    free(by_place);
    return status;
}

static rv_status index_names(rv_checkpoint *ck, rv_error *err)
{
    RV_TRY(RV_NEW(ck->by_name, ck->count, err));
    for (size_t i = 0; i < ck->count; i++) ck->by_name[i] = &ck->tensors[i];
    qsort(ck->by_name, ck->count, sizeof *ck->by_name, compare_names);
    for (size_t i = 1; i < ck->count; i++) {
        const char *name = ck->by_name[i]->name;
        if (strcmp(ck->by_name[i - 1]->name, name) == 0)
            return rv_fail(err, RV_ERR_FORMAT, "tensor '%s': expected once, found twice",
                           RV_LABEL(name, strlen(name)));
    }
    return RV_OK;
}

static bool starts_with(const rv_mapping *file, const char *magic, size_t length)
{
    return file->length >= length && memcmp(file->bytes, magic, length) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Content decides. Where it is damaged beyond recognition, the name says what to complain of. */
static rv_status read_file(rv_checkpoint *ck, const rv_mapping *file, rv_error *err)
{
    if (rv_gguf_recognise(file)) return rv_gguf_read(ck, file, err);
    if (rv_safetensors_recognise(file)) return rv_safetensors_read(ck, file, err);
    if (rv_npz_recognise(file)) return rv_npz_read(ck, file, err);
    if (rv_torch_recognise(file)) return rv_torch_read(ck, file, err);
    if (starts_with(file, "PK\3\4", 4) || starts_with(file, "\x80\2", 2))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "expected safetensors, GGUF or llama2.c, found a PyTorch pickle (it can "
                       "run code when loaded); convert it to safetensors");
    if (starts_with(file, "24ka", 4))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "llama2.c version: expected 0, found a versioned (ak42) file");
    if (ends_with(ck->path, ".gguf")) return rv_gguf_read(ck, file, err);
    if (ends_with(ck->path, ".safetensors")) return rv_safetensors_read(ck, file, err);
    if (rv_llama2c_recognise(file)) return rv_llama2c_read(ck, file, err);
    return rv_fail(err, RV_ERR_FORMAT,
                   "expected a safetensors, GGUF or llama2.c file, found none of them");
}

/* Takes the mapping over, whatever happens. */
static rv_status read_single(rv_checkpoint *ck, rv_weight_file *file, rv_error *err)
{
    rv_status status = RV_NEW(ck->files, 1, err);
    if (status != RV_OK) {
        if (!file->borrowed) rv_unmap(&file->mapping);
        return status;
    }
    ck->files[0] = *file;
    ck->file_count = ck->file_room = 1;
    return read_file(ck, &file->mapping, err);
}

static rv_status new_checkpoint(rv_checkpoint **out, const char *path, rv_error *err)
{
    rv_checkpoint *ck;
    *out = NULL;
    RV_TRY(RV_NEW(ck, 1, err));
    ck->path = rv_strndup(path, strlen(path));
    if (!ck->path) {
        free(ck);
        return rv_fail_memory(err, strlen(path) + 1);
    }
    *out = ck;
    return RV_OK;
}

/* Last checks, or the end of what failed. */
static rv_status finish(rv_checkpoint **out, rv_checkpoint *ck, rv_status status, rv_error *err)
{
    if (status == RV_OK) status = index_names(ck, err);
    if (status == RV_OK) status = refuse_overlaps(ck, err);
    if (status == RV_OK) {
        *out = ck;
        return RV_OK;
    }
    rv_context(err, status, "%s", ck->path);
    rv_checkpoint_close(ck);
    *out = NULL;
    return status;
}

rv_status rv_checkpoint_open(rv_checkpoint **out, const char *path, rv_error *err)
{
    rv_checkpoint *ck;
    *out = NULL;
    if (rv_folder_exists(path)) {
        RV_TRY(new_checkpoint(&ck, path, err));
        return finish(out, ck, rv_folder_read(ck, path, err), err);
    }
    rv_weight_file file = {0};
    RV_TRY(rv_map_file(&file.mapping, path, err));
    rv_status status = new_checkpoint(&ck, path, err);
    if (status != RV_OK) {
        rv_unmap(&file.mapping);
        return status;
    }
    return finish(out, ck, read_single(ck, &file, err), err);
}

rv_status rv_checkpoint_open_memory(rv_checkpoint **out, const void *bytes, size_t length,
                                    const char *name, rv_error *err)
{
    rv_checkpoint *ck;
    RV_TRY(new_checkpoint(&ck, name, err));
    rv_weight_file file = {.mapping = {bytes, length}, .borrowed = true};
    return finish(out, ck, read_single(ck, &file, err), err);
}

void rv_checkpoint_close(rv_checkpoint *ck)
{
    if (!ck) return;
    for (size_t i = 0; i < ck->file_count; i++) {
        if (ck->files[i].unpacked)
            free((void *)(uintptr_t)ck->files[i].mapping.bytes);
        else if (!ck->files[i].borrowed)
            rv_unmap(&ck->files[i].mapping);
    }
    for (size_t i = 0; i < ck->string_count; i++) free(ck->strings[i]);
    for (size_t i = 0; i < ck->meta_count; i++) free(ck->meta[i].strings);
    json_decref(ck->config);
    json_decref(ck->metadata);
    free(ck->files);
    free(ck->strings);
    free(ck->meta);
    free(ck->by_name);
    free(ck->tensors);
    free(ck->path);
    free(ck);
}

rv_format rv_checkpoint_format(const rv_checkpoint *ck)
{
    return ck->format;
}

const char *rv_checkpoint_path(const rv_checkpoint *ck)
{
    return ck->path;
}

size_t rv_checkpoint_bytes(const rv_checkpoint *ck)
{
    size_t sum = 0;
    for (size_t i = 0; i < ck->file_count; i++)
        if (!ck->files[i].unpacked) sum += ck->files[i].mapping.length;
    return sum;
}

size_t rv_checkpoint_count(const rv_checkpoint *ck)
{
    return ck->count;
}

const rv_tensor *rv_checkpoint_at(const rv_checkpoint *ck, size_t index)
{
    return index < ck->count ? &ck->tensors[index] : NULL;
}

const rv_tensor *rv_checkpoint_find(const rv_checkpoint *ck, const char *name)
{
    const rv_tensor key = {.name = name}, *pointer = &key;
    const rv_tensor **found =
        bsearch(&pointer, ck->by_name, ck->count, sizeof *ck->by_name, compare_names);
    return found ? *found : NULL;
}

const json_t *rv_checkpoint_config(const rv_checkpoint *ck)
{
    return ck->config;
}

static void forget(const rv_weight_file *file, size_t first, size_t length)
{
    if (!file->borrowed) rv_mapping_forget(&file->mapping, first, length);
}

void rv_checkpoint_forget(const rv_checkpoint *ck)
{
    for (size_t i = 0; i < ck->file_count; i++)
        forget(&ck->files[i], 0, ck->files[i].mapping.length);
}

rv_status rv_checkpoint_hash(const rv_checkpoint *ck, char out[65], rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    for (size_t i = 0; i < ck->file_count; i++) {
        const rv_mapping *file = &ck->files[i].mapping;
        for (size_t at = 0; !ck->files[i].unpacked && at < file->length; at += HASH_CHUNK) {
            size_t left = file->length - at, length = left < HASH_CHUNK ? left : HASH_CHUNK;
            rv_hash_add(hash, file->bytes + at, length);
            forget(&ck->files[i], at, length);
        }
    }
    rv_hash_finish(hash, out);
    rv_hash_free(hash);
    return RV_OK;
}

const json_t *rv_checkpoint_metadata(const rv_checkpoint *ck)
{
    return ck->metadata;
}

rv_status rv_checkpoint_metadata_string(const char **out, const rv_checkpoint *ck,
                                        const char *key, rv_error *err)
{
    *out = json_string_value(json_object_get(ck->metadata, key));
    if (*out) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: metadata: expected a string '%s', found none",
                   rv_checkpoint_path(ck), key);
}

rv_status rv_checkpoint_metadata_number(double *out, const rv_checkpoint *ck, const char *key,
                                        rv_error *err)
{
    const char *text;
    char *end;
    RV_TRY(rv_checkpoint_metadata_string(&text, ck, key, err));
    *out = strtod(text, &end);
    if (end != text && !*end && isfinite(*out)) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT, "%s: metadata: %s: expected a number, found '%.40s'",
                   rv_checkpoint_path(ck), key, text);
}

rv_status rv_checkpoint_metadata_count(size_t *out, const rv_checkpoint *ck, const char *key,
                                       size_t most, rv_error *err)
{
    double number;
    RV_TRY(rv_checkpoint_metadata_number(&number, ck, key, err));
    bool counts = number >= 0 && number <= (double)most && number == floor(number);
    *out = counts ? (size_t)number : 0;
    if (counts) return RV_OK;
    return rv_fail(err, RV_ERR_FORMAT,
                   "%s: metadata: %s: expected a whole number up to %zu, found %g",
                   rv_checkpoint_path(ck), key, most, number);
}
