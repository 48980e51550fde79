/* A checkpoint: named tensors and metadata in a file or folder that somebody else wrote.
 *
 *     rv_checkpoint *ck;
 *     RV_TRY(rv_checkpoint_open(&ck, "models/smollm2.gguf", err));
 *     const rv_tensor *t = rv_checkpoint_find(ck, "token_embd.weight");
 *     RV_TRY(rv_tensor_read_rows(t, 0, 1, row, err));
 *     rv_checkpoint_close(ck);
 *
 * Files are memory-mapped and never trusted: every offset, length and count is checked against
 * the file when it is opened, so that reading a tensor afterwards cannot fail for that reason.
 * Formats: safetensors (one file, or shards with an index), GGUF v2 and v3, llama2.c v0; .npz and .pt. */
#ifndef RV_CHECKPOINT_H
#define RV_CHECKPOINT_H

#include <jansson.h>

#include "base/error.h"
#include "base/real.h"

typedef enum rv_format {
    RV_FORMAT_SAFETENSORS,
    RV_FORMAT_GGUF,
    RV_FORMAT_LLAMA2C,
    RV_FORMAT_NPZ,  /* numpy's arrays, for coders */
    RV_FORMAT_TORCH /* a state dict of torch, for coders: read without running its pickle */
} rv_format;

/* Element types that can be read. Ids are ours; dtype_info has names and block sizes. */
typedef enum rv_dtype {
    RV_F32,
    RV_F16,
    RV_BF16,
    RV_F64,
    RV_Q4_0,
    RV_Q4_1,
    RV_Q5_0,
    RV_Q5_1,
    RV_Q8_0,
    RV_Q2_K,
    RV_Q3_K,
    RV_Q4_K,
    RV_Q5_K,
    RV_Q6_K,
    RV_IQ4_NL,
    RV_IQ4_XS,
    RV_MXFP4,
    RV_TQ1_0,
    RV_TQ2_0,
    RV_OTHER, /* present in the file, but not readable as numbers (integer buffers, newer quants) */
    RV_DTYPE_COUNT
} rv_dtype;

typedef struct rv_dtype_info {
    const char *name;      /* "Q4_K" */
    size_t block_elements; /* 256; 1 for plain types */
    size_t block_bytes;    /* 144 */
} rv_dtype_info;

const rv_dtype_info *rv_dtype_describe(rv_dtype dtype);

enum { RV_MAX_RANK = 8 };

/* Shapes are row-major whatever the file: shape[rank - 1] varies fastest (GGUF's reversed). */
typedef struct rv_tensor {
    const char *name;      /* owned by the checkpoint */
    const char *type_name; /* as the file calls it, also for RV_OTHER */
    rv_dtype dtype;
    size_t rank, shape[RV_MAX_RANK];
    size_t elements;
    const unsigned char *bytes; /* inside the mapping; may be unaligned */
    size_t length;
} rv_tensor;

typedef struct rv_checkpoint rv_checkpoint;

/* path: a model folder (config.json + model.safetensors or index), a .safetensors, .gguf or
 * llama2.c .bin file. Recognised by content, not by name. */
rv_status rv_checkpoint_open(rv_checkpoint **out, const char *path, rv_error *err);
void rv_checkpoint_close(rv_checkpoint *ck); /* NULL is fine */

rv_format rv_checkpoint_format(const rv_checkpoint *ck);
const char *rv_checkpoint_path(const rv_checkpoint *ck);
size_t rv_checkpoint_bytes(const rv_checkpoint *ck); /* of all mapped files */

size_t rv_checkpoint_count(const rv_checkpoint *ck);
const rv_tensor *rv_checkpoint_at(const rv_checkpoint *ck, size_t index);
const rv_tensor *rv_checkpoint_find(const rv_checkpoint *ck,
                                    const char *name); /* NULL: absent */

/* Lets go of the memory that reading tensors has filled with the file's pages; everything stays
 * readable. Loaders call it between layers, so that file and unpacked weights are not held both. */
void rv_checkpoint_forget(const rv_checkpoint *ck);

/* 64 hex digits and NUL: SHA-256 over the weight files' bytes (in shard order). Reads the files
 * once; computed on demand. */
rv_status rv_checkpoint_hash(const rv_checkpoint *ck, char out[65], rv_error *err);

/* config.json of a folder (borrowed), a synthetic llama config for llama2.c; NULL for GGUF. */
const json_t *rv_checkpoint_config(const rv_checkpoint *ck);

/* The metadata of a single safetensors file: an object, its values strings (borrowed); NULL for
 * any other format, and where there is none. */
const json_t *rv_checkpoint_metadata(const rv_checkpoint *ck);

/* One string of it (borrowed). RV_ERR_FORMAT if it is not there. */
rv_status rv_checkpoint_metadata_string(const char **out, const rv_checkpoint *ck,
                                        const char *key, rv_error *err);
/* One that spells a finite number. */
rv_status rv_checkpoint_metadata_number(double *out, const rv_checkpoint *ck, const char *key,
                                        rv_error *err);
/* One that spells a whole number, 0 to most (at most 2^53). */
rv_status rv_checkpoint_metadata_count(size_t *out, const rv_checkpoint *ck, const char *key,
                                       size_t most, rv_error *err);

/* GGUF metadata. Integer getters accept any integer width that fits. All return false when the
 * key is absent or of another type. Strings are borrowed and not terminated. */
bool rv_meta_string(const rv_checkpoint *ck, const char *key, const char **out, size_t *length);
bool rv_meta_integer(const rv_checkpoint *ck, const char *key, int64_t *out);
bool rv_meta_number(const rv_checkpoint *ck, const char *key, double *out); /* also integers */
bool rv_meta_bool(const rv_checkpoint *ck, const char *key, bool *out);
/* Arrays: count, then element by element in O(1) (strings are indexed when the file is opened). */
bool rv_meta_array(const rv_checkpoint *ck, const char *key, size_t *count);
bool rv_meta_array_string(const rv_checkpoint *ck, const char *key, size_t i, const char **out,
                          size_t *length);
bool rv_meta_array_number(const rv_checkpoint *ck, const char *key, size_t i, double *out);
/* (array_number reads integers, floats and, as 0 or 1, bools) */

/* Dequantises rows [first, first + count) of a tensor seen as (elements / shape[rank-1]) rows of
 * shape[rank-1] numbers, into out (count, shape[rank-1]). RV_ERR_UNSUPPORTED for RV_OTHER. */
rv_status rv_tensor_read_rows(const rv_tensor *tensor, size_t first, size_t count, real *out,
                              rv_error *err);

/* All elements of any rank; rank 0 is one number. */
rv_status rv_tensor_read(const rv_tensor *tensor, real *out, rv_error *err);

/* What the weights take, in the file and unpacked. Tensors that cannot be read as numbers
 * (RV_OTHER) are counted by type, but not among parameters and unpacked sizes. */
typedef struct rv_checkpoint_plan {
    size_t tensors[RV_DTYPE_COUNT]; /* by rv_dtype: how many, */
    size_t elements[RV_DTYPE_COUNT];
    size_t bytes[RV_DTYPE_COUNT]; /* and their length in the file */
    size_t file_bytes;            /* all files, headers included */
    size_t parameters;
    size_t float32_bytes, bfloat16_bytes; /* all parameters unpacked */
} rv_checkpoint_plan;

void rv_checkpoint_plan_memory(rv_checkpoint_plan *out, const rv_checkpoint *ck);

/* A tensor to be written: numbers (shape[0], ..., shape[rank - 1]), row-major. */
typedef struct rv_tensor_source {
    const char *name;
    const real *numbers;
    size_t rank, shape[RV_MAX_RANK];
} rv_tensor_source;

/* Writes a safetensors file in one step. dtype: RV_F32, RV_F16 or RV_BF16 (rounded to nearest
 * even; beyond the type's range: RV_ERR_NUMERIC). metadata: an object of strings, or NULL. */
rv_status rv_safetensors_write(const char *path, const rv_tensor_source *tensors, size_t count,
                               rv_dtype dtype, const json_t *metadata, rv_error *err);

#endif
