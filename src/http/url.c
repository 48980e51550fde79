#include "http/url.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* A part as malloc'ed text of libcurl (curl_free), or NULL. */
static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static CURLU *parse(const char *text)
{
    CURLU *url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) return url;
    curl_url_cleanup(url);
    return NULL;
}

static bool has_scheme(CURLU *url, const char *wanted)
{
    char *scheme = part_of(url, CURLUPART_SCHEME);
    bool same = scheme && strcasecmp(scheme, wanted) == 0;
    curl_free(scheme);
    return same;
}

char *rv_url_display(const char *text)
{
    CURLU *url = parse(text);
    if (!url) return rv_strndup("(malformed address)", 19);
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                       CURLUPART_QUERY, CURLUPART_FRAGMENT};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        curl_url_set(url, hidden[i], NULL, 0);
    char *shown = NULL, *copy = NULL;
    if (curl_url_get(url, CURLUPART_URL, &shown, 0) == CURLUE_OK)
        copy = rv_strndup(shown, strlen(shown));
    curl_free(shown);
    curl_url_cleanup(url);
    return copy;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = part_of(a, part), *y = part_of(b, part);
    bool same = x && y && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

bool rv_url_same_origin(const char *first, const char *second)
{
    CURLU *a = parse(first), *b = parse(second);
    bool same = a && b && same_part(a, b, CURLUPART_SCHEME) &&
                same_part(a, b, CURLUPART_HOST) && same_part(a, b, CURLUPART_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

rv_status rv_url_check(const char *text, rv_error *err)
{
    CURLU *url = parse(text);
    bool fits = url && (has_scheme(url, "http") || has_scheme(url, "https"));
    curl_url_cleanup(url);
    if (fits) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "expected an address such as https://example.org, found '%.200s'", text);
}

rv_status rv_url_redirect(char **out, const char *base, const char *location, rv_error *err)
{
    *out = NULL;
    rv_status status = RV_OK;
    char *full = NULL;
    CURLU *url = parse(base);
    if (!url) return rv_fail_memory(err, strlen(base));
    bool secure = has_scheme(url, "https");
    bool fits = curl_url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK;
    bool now_secure = fits && has_scheme(url, "https");
    if (!fits || (!now_secure && !has_scheme(url, "http"))) {
        status = rv_fail(err, RV_ERR_NETWORK, "redirects to something that is no web address");
    } else if (secure && !now_secure) {
        status = rv_fail(err, RV_ERR_NETWORK, "redirects from https to http, which is refused");
    } else {
        curl_url_set(url, CURLUPART_USER, NULL, 0);
        curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
        if (curl_url_get(url, CURLUPART_URL, &full, 0) == CURLUE_OK)
            *out = rv_strndup(full, strlen(full));
        if (!*out) status = rv_fail_memory(err, strlen(location));
    }
    curl_free(full);
    curl_url_cleanup(url);
    return status;
}
