#include <openssl/evp.h>

#include "checkpoint/internal.h"

rv_status rv_checkpoint_hash(const rv_checkpoint *ck, char out[65], rv_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t i = 0; ok && i < ck->source_count; i++) {
        const rv_mapping *file = &ck->sources[i].mapping;
        if (file->length) ok = EVP_DigestUpdate(context, file->bytes, file->length);
    }
    ok = ok && EVP_DigestFinal_ex(context, digest, &length) && length == 32;
    EVP_MD_CTX_free(context);
    if (!ok) return rv_fail(err, RV_ERR_UNSUPPORTED, "%s: SHA-256 is not available", ck->path);
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[64] = '\0';
    return RV_OK;
}
