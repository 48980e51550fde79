/* Block formats to numbers. Each function unpacks `blocks` blocks from unaligned bytes; layouts
 * and the order of float32 operations are ggml's, so that results agree to the last bit. Within a
 * block, d is the scale, m or dmin the offset, q the small integer. */
#include <string.h>

#include "base/memory.h"
#include "checkpoint/internal.h"

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE half to float: rebiased by a multiplication, which is exact for subnormals too. */
static float half(const unsigned char *p)
{
    uint32_t bits = rv_load_u16(p), sign = (bits & 0x8000) << 16;
    uint32_t magnitude = (bits & 0x7fff) << 13;
    if (magnitude >= 0x7c00 << 13) return float_of_bits(sign | 0x7f800000 | magnitude);
    float value = float_of_bits(magnitude) * 0x1p112f;
    return sign ? -value : value;
}

static void read_f32(real *out, const unsigned char *in, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = float_of_bits(rv_load_u32(in + 4 * i));
}

static void read_f16(real *out, const unsigned char *in, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = half(in + 2 * i);
}

static void read_bf16(real *out, const unsigned char *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = float_of_bits((uint32_t)rv_load_u16(in + 2 * i) << 16);
}

static void read_f64(real *out, const unsigned char *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = rv_load_u64(in + 8 * i);
        double value;
        memcpy(&value, &bits, sizeof value);
        out[i] = (real)value;
    }
}

/* d, 16 bytes of nibbles: low ones are elements 0..15, high ones 16..31. */
static void read_q4_0(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 18, out += 32) {
        float d = half(in);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)((in[2 + j] & 15) - 8);
            out[j + 16] = d * (float)((in[2 + j] >> 4) - 8);
        }
    }
}

static void read_q4_1(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 20, out += 32) {
        float d = half(in), m = half(in + 2);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)(in[4 + j] & 15) + m;
            out[j + 16] = d * (float)(in[4 + j] >> 4) + m;
        }
    }
}

/* Like Q4 with a word of fifth bits, bit e for element e. */
static void read_q5_0(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 22, out += 32) {
        float d = half(in);
        uint32_t high = rv_load_u32(in + 2);
        for (size_t j = 0; j < 16; j++) {
            int low = (in[6 + j] & 15) | (int)(high >> j & 1) << 4;
            int up = in[6 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            out[j] = d * (float)(low - 16);
            out[j + 16] = d * (float)(up - 16);
        }
    }
}

static void read_q5_1(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 24, out += 32) {
        float d = half(in), m = half(in + 2);
        uint32_t high = rv_load_u32(in + 4);
        for (size_t j = 0; j < 16; j++) {
            int low = (in[8 + j] & 15) | (int)(high >> j & 1) << 4;
            int up = in[8 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            out[j] = d * (float)low + m;
            out[j + 16] = d * (float)up + m;
        }
    }
}

static void read_q8_0(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 34, out += 32) {
        float d = half(in);
        for (size_t j = 0; j < 32; j++) out[j] = (float)(int8_t)in[2 + j] * d;
    }
}

/* In Q2_K and Q3_K, group g of 16 elements takes two bits of 16 bytes: 32 bytes serve a half of
 * 128 elements, with the shift growing every 32 elements. */
static const unsigned char *group_bytes(const unsigned char *qs, size_t g)
{
    return qs + g / 8 * 32 + g % 2 * 16;
}

static unsigned group_shift(size_t g)
{
    return (unsigned)(g % 8 / 2 * 2);
}

/* scales[16] (low nibble scale, high nibble offset), qs[64], d, dmin */
static void read_q2_k(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 84) {
        float d = half(in + 80), dmin = half(in + 82);
        for (size_t g = 0; g < 16; g++, out += 16) {
            const unsigned char *q = group_bytes(in + 16, g);
            float scale = d * (float)(in[g] & 15), offset = dmin * (float)(in[g] >> 4);
            for (size_t j = 0; j < 16; j++)
                out[j] = scale * (float)(q[j] >> group_shift(g) & 3) - offset;
        }
    }
}

/* high[32] (third bits: bit k of byte l for element 32k + l; set means no -4), qs[64],
 * scales[12] (6 bits each, low four in bytes 0..7, upper two in bytes 8..11), d */
static void read_q3_k(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 110) {
        const unsigned char *scales = in + 96;
        float d = half(in + 108);
        for (size_t g = 0; g < 16; g++, out += 16) {
            const unsigned char *q = group_bytes(in + 32, g), *high = in + g % 2 * 16;
            int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
            int upper = scales[8 + g % 4] >> (g / 4 * 2) & 3;
            float scale = d * (float)((low | upper << 4) - 32);
            for (size_t j = 0; j < 16; j++) {
                int value = (q[j] >> group_shift(g) & 3) - (high[j] >> (g / 2) & 1 ? 0 : 4);
                out[j] = scale * (float)value;
            }
        }
    }
}

/* Eight 6-bit scales and offsets in 12 bytes, as Q4_K and Q5_K have them. */
static void unpack_scales(float *scale, float *offset, const unsigned char *s, size_t j)
{
    if (j < 4) {
        *scale = (float)(s[j] & 63);
        *offset = (float)(s[j + 4] & 63);
    } else {
        *scale = (float)((s[j + 4] & 15) | s[j - 4] >> 6 << 4);
        *offset = (float)(s[j + 4] >> 4 | s[j] >> 6 << 4);
    }
}

/* d, dmin, scales[12], qs[128]: sub-blocks 2p and 2p+1 are the nibbles of qs[32p..] */
static void read_q4_k(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 144) {
        float d = half(in), dmin = half(in + 2), scale, offset;
        for (size_t s = 0; s < 8; s++, out += 32) {
            const unsigned char *q = in + 16 + s / 2 * 32;
            unpack_scales(&scale, &offset, in + 4, s);
            scale *= d;
            offset *= dmin;
            for (size_t j = 0; j < 32; j++)
                out[j] = scale * (float)(q[j] >> (s % 2 * 4) & 15) - offset;
        }
    }
}

/* d, dmin, scales[12], high[32] (bit s of byte j: fifth bit in sub-block s), qs[128] */
static void read_q5_k(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 176) {
        float d = half(in), dmin = half(in + 2), scale, offset;
        const unsigned char *high = in + 16;
        for (size_t s = 0; s < 8; s++, out += 32) {
            const unsigned char *q = in + 48 + s / 2 * 32;
            unpack_scales(&scale, &offset, in + 4, s);
            scale *= d;
            offset *= dmin;
            for (size_t j = 0; j < 32; j++) {
                int value = (q[j] >> (s % 2 * 4) & 15) | (high[j] >> s & 1) << 4;
                out[j] = scale * (float)value - offset;
            }
        }
    }
}

/* low[128], high[64], int8 scales[16], d; in each half of 128 elements, quarter k takes the
 * nibble k/2 of low[32 (k%2)..] and bits 2k of high. */
static void read_q6_k(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 210) {
        float d = half(in + 208);
        for (size_t k = 0; k < 8; k++, out += 32) {
            const unsigned char *low = in + k / 4 * 64 + k % 2 * 32,
                                *high = in + 128 + k / 4 * 32;
            for (size_t j = 0; j < 32; j++) {
                float scale = d * (float)(int8_t)in[192 + 2 * k + j / 16];
                int value = (low[j] >> (k % 4 / 2 * 4) & 15) | (high[j] >> (k % 4 * 2) & 3)
                                                                   << 4;
                out[j] = scale * (float)(value - 32);
            }
        }
    }
}

/* The numbers that a nibble of IQ4 stands for. */
static const signed char iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

/* d, qs[16]: nibbles as in Q4_0 */
static void read_iq4_nl(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 18, out += 32) {
        float d = half(in);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)iq4_values[in[2 + j] & 15];
            out[j + 16] = d * (float)iq4_values[in[2 + j] >> 4];
        }
    }
}

/* d, upper two bits of the eight scales (one word), their lower four (4 bytes), qs[128] */
static void read_iq4_xs(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 136) {
        float d = half(in);
        unsigned high = rv_load_u16(in + 2);
        for (size_t s = 0; s < 8; s++, out += 32) {
            const unsigned char *q = in + 8 + 16 * s;
            int scale = (in[4 + s / 2] >> (s % 2 * 4) & 15) | (int)(high >> 2 * s & 3) << 4;
            float dl = d * (float)(scale - 32);
            for (size_t j = 0; j < 16; j++) {
                out[j] = dl * (float)iq4_values[q[j] & 15];
                out[j + 16] = dl * (float)iq4_values[q[j] >> 4];
            }
        }
    }
}

/* A power of two (e8m0: its exponent, biased), halved; qs[16]: nibbles as in Q4_0, each a doubled e2m1 */
static void read_mxfp4(real *out, const unsigned char *in, size_t blocks)
{
    static const signed char values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                           0, -1, -2, -3, -4, -6, -8, -12};
    for (; blocks--; in += 17, out += 32) {
        uint32_t e = in[0];
        float d = float_of_bits(e < 2 ? (uint32_t)0x200000 << e : (e - 1) << 23);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)values[in[1 + j] & 15];
            out[j + 16] = d * (float)values[in[1 + j] >> 4];
        }
    }
}

/* Digits of base three, most significant first, of `bytes` bytes that are fractions of 256. */
static real *read_trits(real *out, const unsigned char *q, size_t bytes, size_t digits, float d)
{
    static const unsigned char powers[] = {1, 3, 9, 27, 81};
    for (size_t n = 0; n < digits; n++)
        for (size_t j = 0; j < bytes; j++) {
            unsigned char shifted = (unsigned char)(q[j] * powers[n]);
            *out++ = d * (float)((shifted * 3 >> 8) - 1);
        }
    return out;
}

/* qs[48] (five digits each, the first 32 and the last 16 together), high[4] (four digits each), d */
static void read_tq1_0(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 54) {
        float d = half(in + 52);
        out = read_trits(out, in, 32, 5, d);
        out = read_trits(out, in + 32, 16, 5, d);
        out = read_trits(out, in + 48, 4, 4, d);
    }
}

/* qs[64], d: bits 2k of the 32 bytes of a half are its quarter k */
static void read_tq2_0(real *out, const unsigned char *in, size_t blocks)
{
    for (; blocks--; in += 66) {
        float d = half(in + 64);
        for (size_t k = 0; k < 8; k++, out += 32)
            for (size_t j = 0; j < 32; j++)
                out[j] = d * (float)((in[k / 4 * 32 + j] >> (k % 4 * 2) & 3) - 1);
    }
}

typedef void (*read_blocks)(real *out, const unsigned char *in, size_t blocks);

static const struct {
    rv_dtype_info info;
    read_blocks read;
} formats[RV_DTYPE_COUNT] = {
    [RV_F32] = {{"F32", 1, 4}, read_f32},
    [RV_F16] = {{"F16", 1, 2}, read_f16},
    [RV_BF16] = {{"BF16", 1, 2}, read_bf16},
    [RV_F64] = {{"F64", 1, 8}, read_f64},
    [RV_Q4_0] = {{"Q4_0", 32, 18}, read_q4_0},
    [RV_Q4_1] = {{"Q4_1", 32, 20}, read_q4_1},
    [RV_Q5_0] = {{"Q5_0", 32, 22}, read_q5_0},
    [RV_Q5_1] = {{"Q5_1", 32, 24}, read_q5_1},
    [RV_Q8_0] = {{"Q8_0", 32, 34}, read_q8_0},
    [RV_Q2_K] = {{"Q2_K", 256, 84}, read_q2_k},
    [RV_Q3_K] = {{"Q3_K", 256, 110}, read_q3_k},
    [RV_Q4_K] = {{"Q4_K", 256, 144}, read_q4_k},
    [RV_Q5_K] = {{"Q5_K", 256, 176}, read_q5_k},
    [RV_Q6_K] = {{"Q6_K", 256, 210}, read_q6_k},
    [RV_IQ4_NL] = {{"IQ4_NL", 32, 18}, read_iq4_nl},
    [RV_IQ4_XS] = {{"IQ4_XS", 256, 136}, read_iq4_xs},
    [RV_MXFP4] = {{"MXFP4", 32, 17}, read_mxfp4},
    [RV_TQ1_0] = {{"TQ1_0", 256, 54}, read_tq1_0},
    [RV_TQ2_0] = {{"TQ2_0", 256, 66}, read_tq2_0},
    [RV_OTHER] = {{"other", 0, 0}, NULL},
};

const rv_dtype_info *rv_dtype_describe(rv_dtype dtype)
{
    return &formats[(size_t)dtype < RV_DTYPE_COUNT ? dtype : RV_OTHER].info;
}

rv_status rv_tensor_read_rows(const rv_tensor *tensor, size_t first, size_t count, real *out,
                              rv_error *err)
{
    const rv_dtype_info *info = &formats[tensor->dtype].info;
    if (!formats[tensor->dtype].read)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "tensor '%s': type: expected one that can be read as numbers, found %s",
                       RV_LABEL(tensor->name, strlen(tensor->name)),
                       RV_LABEL(tensor->type_name, strlen(tensor->type_name)));
    size_t row = tensor->rank ? tensor->shape[tensor->rank - 1] : 1;
    size_t rows = row ? tensor->elements / row : 0;
    if (first > rows || count > rows - first)
        return rv_fail(
            err, RV_ERR_USAGE,
            "tensor '%s': rows: expected a range within 0 to %zu, found %zu from %zu",
            RV_LABEL(tensor->name, strlen(tensor->name)), rows, count, first);
    size_t blocks = row / info->block_elements;
    if (blocks * count == 0) return RV_OK;
    formats[tensor->dtype].read(out, tensor->bytes + first * blocks * info->block_bytes,
                                count * blocks);
    return RV_OK;
}

rv_status rv_tensor_read(const rv_tensor *tensor, real *out, rv_error *err)
{
    size_t row = tensor->rank ? tensor->shape[tensor->rank - 1] : 1;
    return rv_tensor_read_rows(tensor, 0, row ? tensor->elements / row : 0, out, err);
}
