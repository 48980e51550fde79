/* Writing safetensors. The header is padded with spaces so that the tensors start on a multiple
 * of eight bytes, as the format's own writer does. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"

enum { HEADER_ALIGNMENT = 8 };

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Drops the low `drop` bits of a magnitude, rounding to nearest, ties to even. */
static uint32_t round_off(uint32_t magnitude, unsigned drop)
{
    uint32_t half = UINT32_C(1) << (drop - 1), kept = magnitude >> drop;
    uint32_t rest = magnitude & (2 * half - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

static uint16_t to_bf16(float x)
{
    return (uint16_t)round_off(bits_of(x), 16);
}

static uint16_t to_f16(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude >= UINT32_C(113) << 23) // normal in half precision: exponent 127 -> 15
        return (uint16_t)(sign | (round_off(magnitude, 13) - (UINT32_C(112) << 10)));
    unsigned exponent = magnitude >> 23;
    if (exponent < 102) return (uint16_t)sign; // below half of the smallest subnormal
    return (uint16_t)(sign | round_off((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
}

/* Appends one number, little endian. False: the type cannot hold it. */
static bool append_number(rv_text *text, real number, rv_dtype dtype)
{
    float x = (float)number;
    const double limit = dtype == RV_F16    ? 65504
                         : dtype == RV_BF16 ? 0x1.fep127
                                            : (double)FLT_MAX;
    if (!(fabs((double)number) <= limit)) return false;
    uint32_t bits = dtype == RV_F32 ? bits_of(x) : dtype == RV_F16 ? to_f16(x) : to_bf16(x);
    unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8),
                              (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
    rv_text_append(text, bytes, dtype == RV_F32 ? 4 : 2);
    return true;
}

static size_t count_numbers(const rv_tensor_source *t)
{
    size_t count = 1;
    for (size_t i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

static char *make_header(const rv_tensor_source *tensors, size_t count, rv_dtype dtype,
                         const json_t *metadata)
{
    json_t *header = json_object();
    if (metadata) json_object_set(header, "__metadata__", (json_t *)metadata);
    size_t offset = 0, size = rv_dtype_describe(dtype)->block_bytes;
    for (size_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (size_t j = 0; j < tensors[i].rank; j++)
            json_array_append_new(shape, json_integer((json_int_t)tensors[i].shape[j]));
        size_t end = offset + size * count_numbers(&tensors[i]);
        json_object_set_new(header, tensors[i].name,
                            json_pack("{s:s, s:o, s:[I,I]}", "dtype",
                                      rv_dtype_describe(dtype)->name, "shape", shape,
                                      "data_offsets", (json_int_t)offset, (json_int_t)end));
        offset = end;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    bool whole = json_object_size(header) == count + (metadata != NULL);
    json_decref(header);
    if (whole) return text;
    free(text);
    return NULL;
}

rv_status rv_safetensors_write(const char *path, const rv_tensor_source *tensors, size_t count,
                               rv_dtype dtype, const json_t *metadata, rv_error *err)
{
    char *header = make_header(tensors, count, dtype, metadata);
    if (!header) return rv_fail_memory(err, 1);
    rv_text file = {0};
    rv_status status = RV_OK;
    size_t length = strlen(header), padding = -length % HEADER_ALIGNMENT;
    for (unsigned i = 0; i < 8; i++)
        rv_text_putc(&file, (char)((uint64_t)(length + padding) >> 8 * i));
    rv_text_append(&file, header, length);
    for (size_t i = 0; i < padding; i++) rv_text_putc(&file, ' ');
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count_numbers(&tensors[i]); j++)
            if (!append_number(&file, tensors[i].numbers[j], dtype))
                RV_GOTO(rv_fail(err, RV_ERR_NUMERIC,
                                "%s: tensor '%s', number %zu: expected one "
                                "that %s can hold, found %g",
                                path, tensors[i].name, j, rv_dtype_describe(dtype)->name,
                                (double)tensors[i].numbers[j]));
    status = file.failed ? rv_fail_memory(err, file.length)
                         : rv_output_write(path, file.bytes, file.length, err);
done:
    free(header);
    rv_text_release(&file);
    return status;
}
