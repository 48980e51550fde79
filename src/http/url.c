#include "http/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/redact.h"

/* The part of one kind as malloc'ed text of libcurl (curl_free), or NULL. */
static char *part_of(const char *text, CURLUPart kind)
{
    char *part = NULL;
    CURLU *url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
        curl_url_get(url, kind, &part, CURLU_DEFAULT_PORT);
    curl_url_cleanup(url);
    return part;
}

bool rv_url_same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    bool same = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *x = part_of(a, parts[i]), *y = part_of(b, parts[i]);
        same = same && x && y && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    return same;
}

rv_status rv_url_check(const char *url, rv_error *err)
{
    char *scheme = part_of(url, CURLUPART_SCHEME);
    bool fits = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    if (fits) return RV_OK;
    rv_text shown = {0};
    rv_url_hide(&shown, url);
    rv_status status = rv_fail(
        err, RV_ERR_USAGE, "expected an address such as https://example.org, found '%.200s'",
        shown.bytes ? shown.bytes : "");
    rv_text_release(&shown);
    return status;
}

/* ---- secrets ---------------------------------------------------------------------------------- */
typedef struct span {
    const char *at;
    size_t length;
} span;

/* Where the part behind "scheme://" begins; the text itself where there is none. */
static const char *authority_of(const char *url, const char *end)
{
    const char *slashes = memmem(url, (size_t)(end - url), "://", 3);
    return slashes ? slashes + 3 : url;
}

static bool is_version(span name, span value)
{
    if (name.length != 11 || strncasecmp(name.at, "api-version", 11) != 0) return false;
    for (size_t i = 0; i < value.length; i++)
        if (!isalnum((unsigned char)value.at[i]) && !strchr("-.", value.at[i])) return false;
    return value.length <= 24;
}

/* The next secret of url [.., end) from `from` on; false: there are no more. */
static bool next_secret(span *out, const char *url, const char *from, const char *end)
{
    const char *authority = authority_of(url, end), *query;
    size_t host = strcspn(authority, "/?#");
    if (host > (size_t)(end - authority)) host = (size_t)(end - authority);
    const char *at = memrchr(authority, '@', host);
    if (at > authority && from <= authority) {
        *out = (span){authority, (size_t)(at - authority)};
        return true;
    }
    query = memchr(authority, '?', (size_t)(end - authority));
    if (!query) return false;
    const char *fragment = memchr(query, '#', (size_t)(end - query));
    if (fragment) end = fragment;
    for (const char *p = from > query ? from : query; p < end;) {
        if (strchr("?&;", *p)) p++;
        const char *stop = p;
        while (stop < end && !strchr("&;", *stop)) stop++;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        span name = {p, equals ? (size_t)(equals - p) : 0};
        span value = {equals ? equals + 1 : p, (size_t)(stop - (equals ? equals + 1 : p))};
        p = stop;
        if (!value.length || is_version(name, value)) continue;
        *out = value;
        return true;
    }
    return false;
}

static void hide(rv_text *out, const char *url, const char *end)
{
    const char *from = url;
    for (span secret; next_secret(&secret, url, from, end);) {
        rv_text_append(out, from, (size_t)(secret.at - from));
        rv_text_puts(out, "***");
        from = secret.at + secret.length;
    }
    rv_text_append(out, from, (size_t)(end - from));
}

void rv_url_hide(rv_text *out, const char *url)
{
    hide(out, url, url + strlen(url));
}

void rv_url_hide_all(rv_text *out, const char *line)
{
    while (*line) {
        size_t space = strspn(line, " \t\r\n"), word = strcspn(line + space, " \t\r\n");
        const char *start = line + space, *end = start + word;
        rv_text_append(out, line, space);
        if (word && strchr("'\"", end[-1])) end--;
        if (memmem(start, (size_t)(end - start), "://", 3))
            hide(out, start, end);
        else
            rv_text_append(out, start, (size_t)(end - start));
        rv_text_append(out, end, (size_t)(start + word - end));
        line = start + word;
    }
}

char *rv_url_display(const char *url)
{
    const char *authority = authority_of(url, url + strlen(url));
    const char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
    rv_text shown = {0};
    rv_text_append(&shown, url, (size_t)(authority - url));
    if (at) authority = at + 1;
    rv_text_append(&shown, authority, strcspn(authority, "?#"));
    return rv_text_take(&shown);
}

static size_t redact_one(char *text, size_t length, const char *secret, size_t secret_length)
{
    int decoded_length = 0;
    char *decoded = curl_easy_unescape(NULL, secret, (int)secret_length, &decoded_length);
    size_t found = decoded ? rv_redact(text, length, decoded, (size_t)decoded_length)
                           : rv_redact(text, length, secret, secret_length);
    curl_free(decoded);
    return found;
}

size_t rv_url_redact(char *text, size_t length, const char *url)
{
    size_t found = 0;
    const char *from = url, *end = url + strlen(url);
    for (span secret; next_secret(&secret, url, from, end);) {
        found += redact_one(text, length, secret.at, secret.length);
        const char *colon = memchr(secret.at, ':', secret.length);
        from = secret.at + secret.length;
        if (colon) found += redact_one(text, length, colon + 1, (size_t)(from - colon - 1));
    }
    return found;
}

void rv_url_escape(rv_text *out, const char *text, const char *kept)
{
    for (; *text; text++) {
        unsigned char b = (unsigned char)*text;
        bool plain = (b < 0x80 && isalnum(b)) || strchr("-._~", b) || strchr(kept, b);
        if (plain)
            rv_text_putc(out, *text);
        else
            rv_text_printf(out, "%%%02X", b);
    }
}
