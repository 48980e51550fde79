/* Numbers as bytes, for what is kept: counts in as few bytes as they need (LEB128), doubles in eight bytes, least
 * first; floats as four planes, all lowest bytes first, which deflate better. What is read is checked: after a failure
 * everything is 0 and `failed` stays set. */
#ifndef RV_STORE_PACK_H
#define RV_STORE_PACK_H

#include <stdint.h>

#include "base/text.h"

void rv_pack_count(rv_text *out, uint64_t value);
void rv_pack_doubles(rv_text *out, const double *values, size_t count);
void rv_pack_floats(rv_text *out, const float *values, size_t count);

typedef struct rv_packed {
    const unsigned char *bytes;
    size_t length, at;
    bool failed;
} rv_packed;

/* At most `most`, or the reading fails. */
uint64_t rv_unpack_count(rv_packed *from, uint64_t most);
void rv_unpack_doubles(double *values, rv_packed *from, size_t count);
void rv_unpack_floats(float *values, rv_packed *from, size_t count);

/* Everything was read, and nothing is left. */
bool rv_unpacked(const rv_packed *from);

#endif
