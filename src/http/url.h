/* Addresses: who may see a secret, where a redirect leads, what may be shown. */
#ifndef RV_HTTP_URL_H
#define RV_HTTP_URL_H

#include <stdbool.h>

#include "base/error.h"

/* Without user, password, query and fragment: they may hold secrets. malloc'ed; NULL when memory
 * is short; "(malformed address)" for what is none. */
char *rv_url_display(const char *url);

/* Same scheme, host and port. */
bool rv_url_same_origin(const char *a, const char *b);

/* RV_ERR_USAGE unless it is a complete http or https address. */
rv_status rv_url_check(const char *url, rv_error *err);

/* Where `location` leads from `base`, malloc'ed. Refuses other schemes than http and https, and
 * http after https; drops user and password. */
rv_status rv_url_redirect(char **out, const char *base, const char *location, rv_error *err);

#endif
