#include "autoencoder/corpus.h"

#include <string.h>

#include "base/file.h"

static rv_status add_file(rv_ids *out, const rv_model *model, const char *path,
                          const rv_mapping *map, size_t most, rv_progress_fn progress,
                          void *context, rv_error *err)
{
    const char *text = (const char *)map->bytes;
    size_t lines = 0;
    for (size_t at = 0; at < map->length && out->count < most;) {
        const char *end = memchr(text + at, '\n', map->length - at);
        size_t length = end ? (size_t)(end - text) - at : map->length - at;
        size_t before = out->count;
        RV_TRY(rv_tokenizer_encode(model->tokenizer, text + at, length, RV_ENCODE_PLAIN, out,
                                   err));
        if (out->count > before) RV_TRY(rv_ids_push(out, -1, err));
        at += length + 1;
        if (++lines % 1024 || !progress) continue;
        rv_progress event = {"reading", "bytes", path, (double)at, (double)map->length};
        if (!progress(context, &event)) return rv_fail(err, RV_ERR_CANCELLED, "stopped");
    }
    return RV_OK;
}

rv_status rv_autoencoder_stream(rv_ids *out, const rv_model *model, const char *const *files,
                                size_t count, size_t most, rv_progress_fn progress,
                                void *context, rv_error *err)
{
    if (count == 0) return rv_fail(err, RV_ERR_USAGE, "corpus: expected a file, found none");
    if (!model->tokenizer)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "%s: has no tokenizer", model->name);
    for (size_t i = 0; i < count; i++) {
        rv_mapping map;
        RV_TRY(rv_map_file(&map, files[i], err));
        rv_status status = add_file(out, model, files[i], &map, most, progress, context, err);
        rv_unmap(&map);
        RV_TRY(status);
    }
    if (out->count == 0)
        return rv_fail(err, RV_ERR_USAGE, "%s: expected text, found none", files[0]);
    return RV_OK;
}
