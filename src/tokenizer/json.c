#include "tokenizer/json.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

rv_status rv_tokenizer_json_parse(json_t **out, const char *bytes, size_t length,
                                  const char *name, rv_error *err)
{
    json_error_t problem;
    *out = NULL;
    json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
    if (!json)
        return rv_fail(err, RV_ERR_FORMAT, "%s: line %d, column %d: %s", name, problem.line,
                       problem.column, problem.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return rv_fail(err, RV_ERR_FORMAT, "%s: expected a JSON object", name);
    }
    *out = json;
    return RV_OK;
}

rv_status rv_tokenizer_json_read(json_t **out, const char *path, rv_error *err)
{
    char *bytes;
    size_t length;
    *out = NULL;
    RV_TRY(rv_read_file(&bytes, &length, path, RV_LIMIT_TOKENIZER_FILE, err));
    rv_status status = rv_tokenizer_json_parse(out, bytes, length, path, err);
    free(bytes);
    return status;
}

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
