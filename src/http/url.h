/* Addresses: what may be shown of them, and who may see a secret. Secrets are the user and password
 * of an address and the value of every parameter of its query but a plain api-version. */
#ifndef RV_HTTP_URL_H
#define RV_HTTP_URL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* RV_ERR_USAGE, without the secrets, unless it is a complete http or https address. */
rv_status rv_url_check(const char *url, rv_error *err);

/* Same scheme, host and port. */
bool rv_url_same_origin(const char *a, const char *b);

/* "https://host/path": without user, password, query and fragment. malloc'ed; NULL when memory is short. */
char *rv_url_display(const char *url);

/* Appends an address, or a command line with addresses in it, with *** for every secret. */
void rv_url_hide(rv_text *out, const char *url);
void rv_url_hide_all(rv_text *out, const char *line);

/* Blots the secrets of an address out of a text; see base/redact.h. Returns how many there were. */
size_t rv_url_redact(char *text, size_t length, const char *url);

/* Appends text with everything escaped that is not A-Z a-z 0-9 - . _ ~ or in `kept`. */
void rv_url_escape(rv_text *out, const char *text, const char *kept);

#endif
