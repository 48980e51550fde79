#include "tokenizer/json.h"

rv_status rv_json_bool(bool *out, const json_t *object, const char *name, rv_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) return RV_OK;
    if (!json_is_boolean(value))
        return rv_fail(err, RV_ERR_FORMAT, "%s: expected true or false", name);
    *out = json_is_true(value);
    return RV_OK;
}

bool rv_json_text(rv_text *out, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value)) return false;
    rv_text_append(out, json_string_value(value), json_string_length(value));
    return !out->failed;
}

const char *rv_json_type(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "";
}
