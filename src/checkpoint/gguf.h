/* GGUF's numbering of value types, shared by the reader and the metadata getters. */
#ifndef RV_CHECKPOINT_GGUF_H
#define RV_CHECKPOINT_GGUF_H

#include <stddef.h>
#include <stdint.h>

enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_VALUE_TYPES
};

/* Bytes of a scalar; 0 for strings, arrays and unknown types. */
size_t rv_gguf_scalar_bytes(uint32_t type);

/* Order of two rv_meta by key. */
int rv_gguf_compare_keys(const void *a, const void *b);

#endif
