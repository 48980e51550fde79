#include "base/base64.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 3 * 1024 };

void rv_put_base64(rv_text *out, const void *bytes, size_t length)
{
    unsigned char encoded[4 * BLOCK / 3 + 1];
    for (size_t at = 0; at < length; at += BLOCK) {
        size_t count = length - at < BLOCK ? length - at : BLOCK;
        int written = EVP_EncodeBlock(encoded, (const unsigned char *)bytes + at, (int)count);
        rv_text_append(out, encoded, (size_t)written);
    }
}

bool rv_base64_decode(void *out, size_t length, const char *text)
{
    size_t digits = strlen(text), padded = (length + 2) / 3 * 3;
    if (digits != padded / 3 * 4 || digits > INT32_MAX) return false;
    unsigned char *room = malloc(padded + 1);
    bool right =
        room && EVP_DecodeBlock(room, (const unsigned char *)text, (int)digits) == (int)padded;
    if (right) memcpy(out, room, length);
    free(room);
    return right;
}
