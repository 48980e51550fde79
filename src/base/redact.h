/* Blots secrets out of text that others wrote.
 *
 *     rv_redact(body, length, "sk-0123456789", 13);
 *
 * A secret is found as it is and as it comes back from servers: in hexadecimal, in base64 (of either
 * alphabet, wherever it stands in what was encoded), and with any of its characters written as \u0041,
 * \x41, \/, %41, &#65;, &#x41; or a named entity, also twice over. */
#ifndef RV_BASE_REDACT_H
#define RV_BASE_REDACT_H

#include <stddef.h>

/* Shorter ones are no secrets, but words: they are left. */
enum { RV_SECRET_LEAST = 8 };

/* Puts asterisks in its place, wherever it stands in text (length). Returns how many there were. */
size_t rv_redact(char *text, size_t length, const char *secret, size_t secret_length);

#endif
