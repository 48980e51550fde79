#include "explain/json.h"

#include "base/json.h"

rv_status rv_json_record(rv_activation_record *out, const json_t *tokens, const json_t *values,
                         const char *where, rv_error *err)
{
    *out = (rv_activation_record){0};
    if (!json_is_array(tokens))
        return rv_fail(err, RV_ERR_FORMAT, "%s: tokens: expected a list, found %s", where,
                       rv_json_kind(tokens));
    if (!json_is_array(values))
        return rv_fail(err, RV_ERR_FORMAT, "%s: activations: expected a list, found %s", where,
                       rv_json_kind(values));
    size_t n = json_array_size(tokens);
    if (json_array_size(values) != n)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: activations: expected %zu, one a token, found %zu", where, n,
                       json_array_size(values));
    RV_TRY(rv_activation_record_init(out, n, err));
    for (size_t i = 0; i < n; i++) {
        const json_t *token = json_array_get(tokens, i), *value = json_array_get(values, i);
        double activation;
        rv_status status = RV_OK;
        if (!json_is_string(token))
            status = rv_fail(err, RV_ERR_FORMAT, "%s: token %zu: expected a string, found %s",
                             where, i, rv_json_kind(token));
        else if (!rv_json_number(&activation, value))
            status =
                rv_fail(err, RV_ERR_FORMAT, "%s: activation %zu: expected a number, found %s",
                        where, i, rv_json_kind(value));
        else
            status = rv_activation_record_set(out, i, json_string_value(token),
                                              json_string_length(token), activation, err);
        if (status == RV_OK) continue;
        rv_activation_record_release(out);
        return status;
    }
    return RV_OK;
}
