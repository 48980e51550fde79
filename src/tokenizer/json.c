#include "tokenizer/json.h"

#include "base/json.h"

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

rv_status rv_vocabulary_from_json(rv_vocabulary *vocabulary, json_t *json, const char *where,
                                  rv_error *err)
{
    const char *piece;
    size_t length;
    json_t *id;
    json_object_keylen_foreach(json, piece, length, id)
    {
        if (!json_is_integer(id))
            return rv_fail(err, RV_ERR_FORMAT, "%s: \"%s\": expected an integer, found %s",
                           where, piece, rv_json_kind(id));
        RV_TRY(rv_vocabulary_add(vocabulary, json_integer_value(id), piece, length, err));
    }
    return RV_OK;
}

rv_status rv_tokenizer_add_json(rv_tokenizer *tok, const json_t *json, bool special,
                                const char *where, rv_error *err)
{
    const json_t *content = json_is_object(json) ? json_object_get(json, "content") : json;
    if (!json_is_string(content))
        return rv_fail(err, RV_ERR_FORMAT, "%s: content: expected a string, found %s", where,
                       rv_json_kind(content));
    rv_added_token token = {.content = (char *)json_string_value(content),
                            .length = json_string_length(content),
                            .special = special};
    RV_TRY(rv_json_bool(&token.special, json, "special", err));
    token.normalized = !token.special;
    RV_TRY(rv_json_bool(&token.single_word, json, "single_word", err));
    RV_TRY(rv_json_bool(&token.lstrip, json, "lstrip", err));
    RV_TRY(rv_json_bool(&token.rstrip, json, "rstrip", err));
    RV_TRY(rv_json_bool(&token.normalized, json, "normalized", err));
    return rv_tokenizer_add(tok, &token, err);
}
