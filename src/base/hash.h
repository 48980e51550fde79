/* Digests, as lower-case hexadecimal text.
 *
 *     rv_hash *hash;
 *     RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
 *     rv_hash_add(hash, bytes, length);
 *     char hex[RV_HASH_HEX];
 *     rv_hash_finish(hash, hex);
 *     rv_hash_free(hash);                                                                   */
#ifndef RV_BASE_HASH_H
#define RV_BASE_HASH_H

#include <stddef.h>

#include "base/error.h"

typedef enum rv_hash_kind { RV_SHA1, RV_SHA256 } rv_hash_kind;

enum { RV_HASH_HEX = 65 }; /* 64 digits and NUL; SHA-1 fills 40 */

typedef struct rv_hash rv_hash;

rv_status rv_hash_new(rv_hash **out, rv_hash_kind kind, rv_error *err);
void rv_hash_add(rv_hash *hash, const void *bytes, size_t length);
/* Writes the digest of everything added so far and starts over from nothing. */
void rv_hash_finish(rv_hash *hash, char hex[RV_HASH_HEX]);
void rv_hash_free(rv_hash *hash); /* NULL is fine */

#endif
