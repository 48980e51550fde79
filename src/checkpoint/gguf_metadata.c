/* Getters for GGUF's key-value pairs; the reader has checked that every value is in the file. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/gguf.h"
#include "checkpoint/internal.h"

static const rv_meta *find(const rv_checkpoint *ck, const char *key)
{
    const rv_meta wanted = {.key = key, .key_length = strlen(key)};
    if (!ck->meta_count) return NULL;
    return bsearch(&wanted, ck->meta, ck->meta_count, sizeof wanted, rv_gguf_compare_keys);
}

/* An integer of any width; false for other types and for more than INT64_MAX. */
static bool load_integer(int64_t *out, uint32_t type, const unsigned char *p)
{
    switch (type) {
    case GGUF_U8:
        *out = *p;
        return true;
    case GGUF_I8:
        *out = (int8_t)*p;
        return true;
    case GGUF_U16:
        *out = rv_load_u16(p);
        return true;
    case GGUF_I16:
        *out = (int16_t)rv_load_u16(p);
        return true;
    case GGUF_U32:
        *out = rv_load_u32(p);
        return true;
    case GGUF_I32:
        *out = (int32_t)rv_load_u32(p);
        return true;
    case GGUF_I64:
    case GGUF_U64:
        *out = (int64_t)rv_load_u64(p);
        return type == GGUF_I64 || *out >= 0;
    default:
        return false;
    }
}

static bool load_number(double *out, uint32_t type, const unsigned char *p)
{
    int64_t integer;
    if (type == GGUF_F32) {
        uint32_t bits = rv_load_u32(p);
        float value;
        memcpy(&value, &bits, sizeof value);
        *out = value;
    } else if (type == GGUF_F64) {
        uint64_t bits = rv_load_u64(p);
        memcpy(out, &bits, sizeof *out);
    } else if (load_integer(&integer, type, p)) {
        *out = (double)integer;
    } else if (type == GGUF_U64) {
        *out = (double)rv_load_u64(p);
    } else {
        return false;
    }
    return true;
}

bool rv_meta_string(const rv_checkpoint *ck, const char *key, const char **out, size_t *length)
{
    const rv_meta *meta = find(ck, key);
    if (!meta || meta->type != GGUF_STRING) return false;
    *out = (const char *)meta->value;
    *length = meta->count;
    return true;
}

bool rv_meta_integer(const rv_checkpoint *ck, const char *key, int64_t *out)
{
    const rv_meta *meta = find(ck, key);
    return meta && load_integer(out, meta->type, meta->value);
}

bool rv_meta_number(const rv_checkpoint *ck, const char *key, double *out)
{
    const rv_meta *meta = find(ck, key);
    return meta && load_number(out, meta->type, meta->value);
}

bool rv_meta_bool(const rv_checkpoint *ck, const char *key, bool *out)
{
    const rv_meta *meta = find(ck, key);
    if (!meta || meta->type != GGUF_BOOL) return false;
    *out = *meta->value != 0;
    return true;
}

bool rv_meta_array(const rv_checkpoint *ck, const char *key, size_t *count)
{
    const rv_meta *meta = find(ck, key);
    if (!meta || meta->type != GGUF_ARRAY) return false;
    *count = meta->count;
    return true;
}

bool rv_meta_array_string(const rv_checkpoint *ck, const char *key, size_t i, const char **out,
                          size_t *length)
{
    const rv_meta *meta = find(ck, key);
    if (!meta || !meta->strings || i >= meta->count) return false;
    const unsigned char *p = meta->value + meta->strings[i];
    *length = (size_t)rv_load_u64(p);
    *out = (const char *)p + 8;
    return true;
}

bool rv_meta_array_number(const rv_checkpoint *ck, const char *key, size_t i, double *out)
{
    const rv_meta *meta = find(ck, key);
    if (!meta || meta->type != GGUF_ARRAY || i >= meta->count) return false;
    size_t size = rv_gguf_scalar_bytes(meta->element_type);
    if (!size) return false;
    const unsigned char *p = meta->value + i * size;
    if (meta->element_type == GGUF_BOOL) {
        *out = *p != 0;
        return true;
    }
    return load_number(out, meta->element_type, p);
}
