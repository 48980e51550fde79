#include "base/hash.h"

#include <openssl/evp.h>

#include "base/memory.h"

struct rv_hash {
    EVP_MD_CTX *context;
    const EVP_MD *kind;
};

rv_status rv_hash_new(rv_hash **out, rv_hash_kind kind, rv_error *err)
{
    rv_hash *hash;
    *out = NULL;
    RV_TRY(RV_NEW(hash, 1, err));
    hash->kind = kind == RV_SHA1 ? EVP_sha1() : EVP_sha256();
    hash->context = EVP_MD_CTX_new();
    // libcrypto knows both; what it may lack is memory
    if (!hash->context || !EVP_DigestInit_ex(hash->context, hash->kind, NULL)) {
        rv_hash_free(hash);
        return rv_fail_memory(err, sizeof *hash);
    }
    *out = hash;
    return RV_OK;
}

void rv_hash_add(rv_hash *hash, const void *bytes, size_t length)
{
    EVP_DigestUpdate(hash->context, bytes, length);
}

void rv_hash_finish(rv_hash *hash, char hex[RV_HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_DigestFinal_ex(hash->context, digest, &length);
    EVP_DigestInit_ex(hash->context, hash->kind, NULL);
    for (unsigned i = 0; i < length; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * length] = '\0';
}

void rv_hash_free(rv_hash *hash)
{
    if (!hash) return;
    EVP_MD_CTX_free(hash->context);
    free(hash);
}
