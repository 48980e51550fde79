#include "base/base64.h"

#include <openssl/evp.h>
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
    for (size_t at = 0; at < padded; at += BLOCK) {
        unsigned char decoded[BLOCK], *to = (unsigned char *)out + at;
        size_t count = padded - at < BLOCK ? padded - at : BLOCK;
        const unsigned char *from = (const unsigned char *)text + at / 3 * 4;
        if (EVP_DecodeBlock(decoded, from, (int)(count / 3 * 4)) != (int)count) return false;
        memcpy(to, decoded, length - at < count ? length - at : count);
    }
    return true;
}
