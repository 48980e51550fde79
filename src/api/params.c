#include "api/params.h"

#include <string.h>

rv_status rv_params_take(void *full, size_t size, const void *given, rv_error *err)
{
    size_t known;
    if (!given) return RV_OK;
    memcpy(&known, given, sizeof known);
    if (known < sizeof known || known > size)
        return rv_fail(
            err, RV_ERR_USAGE,
            "params: size: expected up to %zu, as the _default function sets it, found %zu",
            size, known);
    memcpy(full, given, known);
    memcpy(full, &size, sizeof size);
    return RV_OK;
}
