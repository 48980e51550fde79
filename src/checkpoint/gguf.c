/* GGUF: magic, version, counts; key-value pairs; tensor infos; padding; the tensors' bytes.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
#include "checkpoint/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/internal.h"

enum {
    MAX_KEY = 65535,
    MAX_NESTING = 4, /* of arrays in arrays */
    MAX_DIMS = 4,
    DEFAULT_ALIGNMENT = 32,
    LEAST_PAIR = 8 + 1 + 4 + 1,        /* shortest key-value pair: key, type, one byte */
    LEAST_INFO = 8 + 1 + 4 + 0 + 4 + 8 /* shortest tensor info: name, rank, type, offset */
};

typedef struct cursor {
    const unsigned char *p, *end;
} cursor;

typedef struct ggml_type {
    const char *name;
    rv_dtype dtype;
    size_t block_elements, block_bytes; /* 0: not known, so the length is not checked */
} ggml_type;

/* By ggml's type number. */
static const ggml_type types[] = {
    [0] = {"F32", RV_F32, 1, 4},           [1] = {"F16", RV_F16, 1, 2},
    [2] = {"Q4_0", RV_Q4_0, 32, 18},       [3] = {"Q4_1", RV_Q4_1, 32, 20},
    [6] = {"Q5_0", RV_Q5_0, 32, 22},       [7] = {"Q5_1", RV_Q5_1, 32, 24},
    [8] = {"Q8_0", RV_Q8_0, 32, 34},       [9] = {"Q8_1", RV_OTHER, 32, 36},
    [10] = {"Q2_K", RV_Q2_K, 256, 84},     [11] = {"Q3_K", RV_Q3_K, 256, 110},
    [12] = {"Q4_K", RV_Q4_K, 256, 144},    [13] = {"Q5_K", RV_Q5_K, 256, 176},
    [14] = {"Q6_K", RV_Q6_K, 256, 210},    [15] = {"Q8_K", RV_OTHER, 256, 292},
    [16] = {"IQ2_XXS", RV_OTHER, 256, 66}, [17] = {"IQ2_XS", RV_OTHER, 256, 74},
    [18] = {"IQ3_XXS", RV_OTHER, 256, 98}, [19] = {"IQ1_S", RV_OTHER, 256, 50},
    [20] = {"IQ4_NL", RV_IQ4_NL, 32, 18},  [21] = {"IQ3_S", RV_OTHER, 256, 110},
    [22] = {"IQ2_S", RV_OTHER, 256, 82},   [23] = {"IQ4_XS", RV_IQ4_XS, 256, 136},
    [24] = {"I8", RV_OTHER, 1, 1},         [25] = {"I16", RV_OTHER, 1, 2},
    [26] = {"I32", RV_OTHER, 1, 4},        [27] = {"I64", RV_OTHER, 1, 8},
    [28] = {"F64", RV_F64, 1, 8},          [29] = {"IQ1_M", RV_OTHER, 256, 56},
    [30] = {"BF16", RV_BF16, 1, 2},        [34] = {"TQ1_0", RV_TQ1_0, 256, 54},
    [35] = {"TQ2_0", RV_TQ2_0, 256, 66},   [39] = {"MXFP4", RV_MXFP4, 32, 17},
    [40] = {"NVFP4", RV_OTHER, 64, 36},    [41] = {"Q1_0", RV_OTHER, 128, 18},
    [42] = {"Q2_0", RV_OTHER, 0, 0},
};

size_t rv_gguf_scalar_bytes(uint32_t type)
{
    static const unsigned char bytes[GGUF_VALUE_TYPES] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    return type < GGUF_VALUE_TYPES ? bytes[type] : 0;
}

bool rv_gguf_recognise(const rv_mapping *file)
{
    return file->length >= 4 && memcmp(file->bytes, "GGUF", 4) == 0;
}

static size_t left(const cursor *c)
{
    return (size_t)(c->end - c->p);
}

static rv_status take(const unsigned char **out, cursor *c, size_t length, const char *what,
                      rv_error *err)
{
    *out = c->p;
    if (length > left(c))
        return rv_fail(err, RV_ERR_FORMAT, "%s: expected %zu bytes, found %zu before the end",
                       what, length, left(c));
    c->p += length;
    return RV_OK;
}

static rv_status take_u32(uint32_t *out, cursor *c, const char *what, rv_error *err)
{
    const unsigned char *p;
    *out = 0;
    RV_TRY(take(&p, c, 4, what, err));
    *out = rv_load_u32(p);
    return RV_OK;
}

/* A u64 that a size_t holds. */
static rv_status take_size(size_t *out, cursor *c, const char *what, rv_error *err)
{
    const unsigned char *p;
    *out = 0;
    RV_TRY(take(&p, c, 8, what, err));
    uint64_t value = rv_load_u64(p);
    if (value > SIZE_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "%s: found %llu, which is too large", what,
                       (unsigned long long)value);
    *out = (size_t)value;
    return RV_OK;
}

static rv_status take_string(const char **out, size_t *length, cursor *c, const char *what,
                             rv_error *err)
{
    const unsigned char *p;
    *out = NULL;
    RV_TRY(take_size(length, c, what, err));
    RV_TRY(take(&p, c, *length, what, err));
    *out = (const char *)p;
    return RV_OK;
}

/* Walks over the elements of an array. `strings` (count), where wanted, receives the place of
 * each string's length field, counted from the first element. */
static rv_status skip_elements(cursor *c, uint32_t type, size_t count, size_t *strings,
                               int nesting, rv_error *err)
{
    size_t size = rv_gguf_scalar_bytes(type);
    const unsigned char *start = c->p, *ignored;
    if (size) {
        if (count > left(c) / size)
            return rv_fail(err, RV_ERR_FORMAT,
                           "array: expected %zu elements of %zu bytes, found %zu bytes before "
                           "the end",
                           count, size, left(c));
        return take(&ignored, c, count * size, "array", err);
    }
    if (type == GGUF_STRING) {
        for (size_t i = 0; i < count; i++) {
            const char *text;
            size_t length;
            if (strings) strings[i] = (size_t)(c->p - start);
            RV_TRY(take_string(&text, &length, c, "string in array", err));
        }
        return RV_OK;
    }
    if (type != GGUF_ARRAY)
        return rv_fail(err, RV_ERR_FORMAT, "type: expected 0 to %d, found %u",
                       GGUF_VALUE_TYPES - 1, (unsigned)type);
    if (nesting == MAX_NESTING)
        return rv_fail(err, RV_ERR_FORMAT, "array: expected at most %d levels of nesting",
                       MAX_NESTING);
    for (size_t i = 0; i < count; i++) {
        uint32_t inner_type;
        size_t inner_count;
        RV_TRY(take_u32(&inner_type, c, "type of inner array", err));
        RV_TRY(take_size(&inner_count, c, "count of inner array", err));
        RV_TRY(skip_elements(c, inner_type, inner_count, NULL, nesting + 1, err));
    }
    return RV_OK;
}

static rv_status read_array(rv_meta *meta, cursor *c, rv_error *err)
{
    RV_TRY(take_u32(&meta->element_type, c, "type of array", err));
    RV_TRY(take_size(&meta->count, c, "count of array", err));
    meta->value = c->p;
    if (meta->element_type == GGUF_STRING) {
        if (meta->count > left(c) / 8)
            return rv_fail(err, RV_ERR_FORMAT,
                           "array: expected %zu strings, found %zu bytes before the end",
                           meta->count, left(c));
        RV_TRY(RV_NEW(meta->strings, meta->count, err));
    }
    return skip_elements(c, meta->element_type, meta->count, meta->strings, 1, err);
}

static rv_status read_value(rv_meta *meta, cursor *c, rv_error *err)
{
    RV_TRY(take_u32(&meta->type, c, "type", err));
    size_t size = rv_gguf_scalar_bytes(meta->type);
    if (meta->type == GGUF_ARRAY) return read_array(meta, c, err);
    if (meta->type == GGUF_STRING) {
        const char *text;
        RV_TRY(take_string(&text, &meta->count, c, "string", err));
        meta->value = (const unsigned char *)text;
        return RV_OK;
    }
    if (!size)
        return rv_fail(err, RV_ERR_FORMAT, "type: expected 0 to %d, found %u",
                       GGUF_VALUE_TYPES - 1, (unsigned)meta->type);
    return take(&meta->value, c, size, "value", err);
}

int rv_gguf_compare_keys(const void *a, const void *b)
{
    const rv_meta *x = a, *y = b;
    size_t shorter = x->key_length < y->key_length ? x->key_length : y->key_length;
    int order = memcmp(x->key, y->key, shorter);
    return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static rv_status read_pairs(rv_checkpoint *ck, cursor *c, size_t count, rv_error *err)
{
    if (count > left(c) / LEAST_PAIR)
        return rv_fail(err, RV_ERR_FORMAT,
                       "metadata count: expected at most %zu pairs in the bytes that follow, "
                       "found %zu",
                       left(c) / LEAST_PAIR, count);
    RV_TRY(RV_NEW(ck->meta, count, err));
    for (size_t i = 0; i < count; i++) {
        rv_meta *meta = &ck->meta[i];
        ck->meta_count = i + 1;
        rv_status status = take_string(&meta->key, &meta->key_length, c, "key", err);
        if (status != RV_OK) return rv_context(err, status, "metadata pair %zu", i);
        if (meta->key_length == 0 || meta->key_length > MAX_KEY)
            return rv_fail(err, RV_ERR_FORMAT,
                           "metadata pair %zu: key length: expected 1 to %d, found %zu", i,
                           MAX_KEY, meta->key_length);
        status = read_value(meta, c, err);
        if (status != RV_OK)
            return rv_context(err, status, "key '%s'", RV_LABEL(meta->key, meta->key_length));
    }
    qsort(ck->meta, count, sizeof *ck->meta, rv_gguf_compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (rv_gguf_compare_keys(&ck->meta[i - 1], &ck->meta[i]) == 0)
            return rv_fail(err, RV_ERR_FORMAT, "key '%s': expected once, found twice",
                           RV_LABEL(ck->meta[i].key, ck->meta[i].key_length));
    }
    return RV_OK;
}

/* Sets type and length of a tensor from ggml's type number; its shape is known. */
static rv_status read_type(rv_checkpoint *ck, rv_tensor *t, uint32_t number, rv_error *err)
{
    const ggml_type *type = number < sizeof types / sizeof types[0] ? &types[number] : NULL;
    t->dtype = RV_OTHER;
    if (!type || !type->name) {
        char name[24];
        int length = snprintf(name, sizeof name, "type %u", (unsigned)number);
        return rv_checkpoint_keep(ck, &t->type_name, name, (size_t)length, err);
    }
    t->dtype = type->dtype;
    t->type_name = type->name;
    if (!type->block_elements) return RV_OK;
    size_t row = t->rank ? t->shape[t->rank - 1] : 1;
    if (row % type->block_elements)
        return rv_fail(err, RV_ERR_FORMAT,
                       "row length: expected a multiple of %s's %zu elements, found %zu",
                       type->name, type->block_elements, row);
    if (rv_mul_overflows(t->elements / type->block_elements, type->block_bytes, &t->length))
        return rv_fail(err, RV_ERR_FORMAT, "shape: found more bytes than can be counted");
    return RV_OK;
}

/* One tensor info; t->bytes stays NULL, its place in the data is left in *offset. */
static rv_status read_info(rv_checkpoint *ck, cursor *c, size_t *offset, rv_error *err)
{
    rv_tensor t = {0};
    const char *name;
    size_t name_length;
    uint32_t rank, number;
    RV_TRY(take_string(&name, &name_length, c, "name", err));
    RV_TRY(take_u32(&rank, c, "number of dimensions", err));
    if (rank > MAX_DIMS)
        return rv_fail(err, RV_ERR_FORMAT,
                       "tensor '%s': number of dimensions: expected at most %d, found %u",
                       RV_LABEL(name, name_length), MAX_DIMS, (unsigned)rank);
    t.rank = rank;
    for (size_t i = 0; i < rank; i++)
        RV_TRY(take_size(&t.shape[rank - 1 - i], c, "dimension", err));
    RV_TRY(take_u32(&number, c, "type", err));
    RV_TRY(take_size(offset, c, "offset", err));
    rv_status status =
        rv_tensor_count_elements(&t)
            ? read_type(ck, &t, number, err)
            : rv_fail(err, RV_ERR_FORMAT, "shape: found more elements than can be counted");
    if (status != RV_OK)
        return rv_context(err, status, "tensor '%s'", RV_LABEL(name, name_length));
    return rv_checkpoint_add(ck, &t, name, name_length, err);
}

static rv_status get_alignment(const rv_checkpoint *ck, size_t *out, rv_error *err)
{
    const char *key = "general.alignment";
    const rv_meta wanted = {.key = key, .key_length = strlen(key)};
    int64_t value;
    *out = DEFAULT_ALIGNMENT;
    if (!bsearch(&wanted, ck->meta, ck->meta_count, sizeof wanted, rv_gguf_compare_keys))
        return RV_OK;
    if (!rv_meta_integer(ck, key, &value) || value <= 0 || value % 8 || value > UINT32_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "%s: expected a positive multiple of 8", key);
    *out = (size_t)value;
    return RV_OK;
}

static rv_status refuse_split(const rv_checkpoint *ck, rv_error *err)
{
    int64_t parts;
    if (rv_meta_integer(ck, "split.count", &parts) && parts > 1)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "split.count: expected a whole GGUF file, found one of %lld parts; join "
                       "them with llama-gguf-split --merge",
                       (long long)parts);
    return RV_OK;
}

/* Points tensors at their bytes; offsets (count) are relative to the start of the data. */
static rv_status place_tensors(rv_checkpoint *ck, const rv_mapping *file, size_t infos_end,
                               const size_t *offsets, size_t alignment, rv_error *err)
{
    size_t start = (infos_end + alignment - 1) / alignment * alignment;
    size_t room = start <= file->length ? file->length - start : 0;
    for (size_t i = 0; i < ck->count; i++) {
        rv_tensor *t = &ck->tensors[i];
        const rv_label name = rv_label_of(t->name, strlen(t->name));
        if (offsets[i] % alignment)
            return rv_fail(err, RV_ERR_FORMAT,
                           "tensor '%s': offset: expected a multiple of %zu, found %zu",
                           name.text, alignment, offsets[i]);
        if (offsets[i] > room || t->length > room - offsets[i])
            return rv_fail(err, RV_ERR_FORMAT,
                           "tensor '%s': expected %zu bytes at offset %zu, found only %zu data "
                           "bytes in the file (truncated?)",
                           name.text, t->length, offsets[i], room);
        t->bytes = file->bytes + (room ? start + offsets[i] : 0);
    }
    return RV_OK;
}

static rv_status read_infos(rv_checkpoint *ck, cursor *c, const rv_mapping *file, size_t count,
                            rv_error *err)
{
    size_t *offsets = NULL, alignment;
    RV_TRY(refuse_split(ck, err));
    RV_TRY(get_alignment(ck, &alignment, err));
    if (count > left(c) / LEAST_INFO)
        return rv_fail(err, RV_ERR_FORMAT,
                       "tensor count: expected at most %zu in the bytes that follow, found %zu",
                       left(c) / LEAST_INFO, count);
    RV_TRY(RV_NEW(offsets, count, err));
    rv_status status = RV_OK;
    for (size_t i = 0; i < count && status == RV_OK; i++) {
        status = read_info(ck, c, &offsets[i], err);
        if (status != RV_OK) rv_context(err, status, "tensor info %zu", i);
    }
    if (status == RV_OK)
        status = place_tensors(ck, file, (size_t)(c->p - file->bytes), offsets, alignment, err);
    free(offsets);
    return status;
}

rv_status rv_gguf_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err)
{
    cursor c = {file->bytes, file->bytes + file->length};
    const unsigned char *magic;
    uint32_t version;
    size_t tensor_count, pair_count;
    ck->format = RV_FORMAT_GGUF;
    RV_TRY(take(&magic, &c, 4, "magic", err));
    if (memcmp(magic, "GGUF", 4) != 0)
        return rv_fail(err, RV_ERR_FORMAT, "magic: expected \"GGUF\", found \"%s\"",
                       RV_LABEL((const char *)magic, 4));
    RV_TRY(take_u32(&version, &c, "version", err));
    if (version && (version & 0xffff) == 0)
        return rv_fail(
            err, RV_ERR_UNSUPPORTED,
            "byte order: expected a little-endian GGUF file, found a big-endian one");
    if (version != 2 && version != 3)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "GGUF version: expected 2 or 3, found %u",
                       (unsigned)version);
    RV_TRY(take_size(&tensor_count, &c, "tensor count", err));
    RV_TRY(take_size(&pair_count, &c, "metadata count", err));
    RV_TRY(read_pairs(ck, &c, pair_count, err));
    return read_infos(ck, &c, file, tensor_count, err);
}
