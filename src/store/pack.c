#include "store/pack.h"

#include <string.h>

void rv_pack_count(rv_text *out, uint64_t value)
{
    for (; value > 127; value >>= 7) rv_text_putc(out, (char)(value | 128));
    rv_text_putc(out, (char)value);
}

uint64_t rv_unpack_count(rv_packed *from, uint64_t most)
{
    uint64_t value = 0;
    for (int shift = 0; !from->failed && shift < 64; shift += 7) {
        if (from->at == from->length) break;
        unsigned char byte = from->bytes[from->at++];
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte & 128) continue;
        if (value <= most) return value;
        break;
    }
    from->failed = true;
    return 0;
}

void rv_pack_doubles(rv_text *out, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int k = 0; k < 8; k++) rv_text_putc(out, (char)(bits >> 8 * k));
    }
}

/* The next `count` pieces of `size` bytes; NULL where they are not there. */
static const unsigned char *take(rv_packed *from, size_t count, size_t size)
{
    const unsigned char *bytes = from->bytes + from->at;
    if (from->failed || count > (from->length - from->at) / size) {
        from->failed = true;
        return NULL;
    }
    from->at += count * size;
    return bytes;
}

void rv_unpack_doubles(double *values, rv_packed *from, size_t count)
{
    const unsigned char *bytes = take(from, count, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        for (int k = 0; bytes && k < 8; k++)
            bits |= (uint64_t)bytes[8 * i + (size_t)k] << 8 * k;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

void rv_pack_floats(rv_text *out, const float *values, size_t count)
{
    for (int k = 0; k < 4; k++)
        for (size_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            rv_text_putc(out, (char)(bits >> 8 * k));
        }
}

void rv_unpack_floats(float *values, rv_packed *from, size_t count)
{
    const unsigned char *bytes = take(from, count, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        for (size_t k = 0; bytes && k < 4; k++) bits |= (uint32_t)bytes[k * count + i] << 8 * k;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

bool rv_unpacked(const rv_packed *from)
{
    return !from->failed && from->at == from->length;
}
