/* Base64 as RFC 4648 has it, with padding (libcrypto does the work). */
#ifndef RV_BASE_BASE64_H
#define RV_BASE_BASE64_H

#include "base/text.h"

void rv_put_base64(rv_text *out, const void *bytes, size_t length);

/* Fills out (length); false: text is not the base64 of so many bytes. */
bool rv_base64_decode(void *out, size_t length, const char *text);

#endif
