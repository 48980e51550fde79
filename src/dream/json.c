/* include/reverie/dream.h: a dream's records as one object. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "reverie/dream.h"

/* A dream's record, and its tokens' ids as a plain list. */
static json_t *with_ids(json_t *dream)
{
    json_t *ids = json_array(), *token;
    size_t i;
    json_array_foreach(json_object_get(dream, "tokens"), i, token)
        json_array_append(ids, json_object_get(token, "id"));
    json_object_set_new(dream, "ids", ids);
    return dream;
}

static void add_record(json_t *root, json_t *dreams, json_t *record)
{
    static const char *const told[] = {"run", "end", "quantiles", "attribution"};
    const char *type = json_string_value(json_object_get(record, "type"));
    if (type && strcmp(type, "dream") == 0) json_array_append(dreams, with_ids(record));
    for (size_t i = 0; type && i < sizeof told / sizeof told[0]; i++)
        if (strcmp(type, told[i]) == 0) json_object_set(root, type, record);
}

rv_status rv_dreams_json(char **out, const rv_dreams *d, rv_error *err)
{
    json_t *root = json_object(), *dreams = json_array();
    for (const char *line = d->records, *end = line + d->length; line && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = newline ? (size_t)(newline - line) : (size_t)(end - line);
        json_t *record = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);
        add_record(root, dreams, record);
        json_decref(record);
        line += bytes + 1;
    }
    json_object_set_new(root, "dreams", dreams);
    return rv_json_result(out, root, err);
}
