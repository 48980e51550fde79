#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *rv_status_text(rv_status status)
{
    static const char *const texts[] = {
#define X(name, text) text,
        RV_STATUSES(X)
#undef X
    };
    size_t count = sizeof texts / sizeof texts[0];
    return (size_t)status < count ? texts[status] : "unknown status";
}

/* Messages quote files that somebody else wrote. */
static void tame(char *message)
{
    message[rv_tame(message, strlen(message), false)] = '\0';
}

rv_status rv_fail(rv_error *err, rv_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    tame(err->message);
    err->status = status;
    return status;
}

rv_status rv_context(rv_error *err, rv_status status, const char *format, ...)
{
    if (!err) return status;
    char context[sizeof err->message];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(context, sizeof context, format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof context - 3) return status;
    snprintf(context + used, sizeof context - (size_t)used, ": %.*s",
             (int)(sizeof context - (size_t)used - 3), err->message);
    memcpy(err->message, context, sizeof context);
    tame(err->message);
    return status;
}

rv_status rv_fail_memory(rv_error *err, size_t bytes)
{
    return rv_fail(err, RV_ERR_MEMORY, "out of memory: %zu bytes could not be had", bytes);
}
