/* The state of a training, from its own settings and a hostile rest: some strings that end in NULs, a letter that says
 * which tensor is one short, and the first numbers of every tensor. */
#ifndef RV_FUZZ_STATE_H
#define RV_FUZZ_STATE_H

#include <string.h>

#include "checkpoint/checkpoint.h"
#include "file.h"

/* What a state saved at path says of its settings; malloc'ed. */
static char *read_settings(const char *path)
{
    rv_checkpoint *ck;
    const char *settings;
    rv_error err;
    FUZZ_REQUIRE(rv_checkpoint_open(&ck, path, &err) == RV_OK);
    FUZZ_REQUIRE(rv_checkpoint_metadata_string(&settings, ck, "settings", &err) == RV_OK);
    char *copy = strdup(settings);
    rv_checkpoint_close(ck);
    return copy;
}

/* The strings of keys (count) beside the settings; NULL where the input has fewer, or what is no UTF-8. */
static json_t *take_metadata(const uint8_t **data, size_t *size, const char *settings,
                             const char *const *keys, size_t count)
{
    json_t *metadata = json_pack("{s:s}", "settings", settings);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *nul = memchr(*data, 0, *size);
        if (!nul || json_object_set_new(metadata, keys[i], json_string((const char *)*data))) {
            json_decref(metadata);
            return NULL;
        }
        *size -= (size_t)(nul + 1 - *data);
        *data = nul + 1;
    }
    return metadata;
}

/* Changes tensors that hold good values: their numbers are at most room. False: cannot be written. */
static bool write_state(const char *path, const uint8_t *data, size_t size,
                        rv_tensor_source *tensors, size_t count, real *scratch, size_t room,
                        const json_t *metadata)
{
    rv_error err;
    if (size) tensors[(data[0] - 'a') % count].shape[0] -= data[0] != '-';
    for (size_t i = 0; i < room && size > 1; i++) {
        float number = 0;
        size_t at = 1 + 4 * i;
        if (at + 4 > size) break;
        memcpy(&number, data + at, 4);
        scratch[i] = (real)number;
    }
    return rv_safetensors_write(path, tensors, count, RV_F32, metadata, &err) == RV_OK;
}

static inline void require_finite(const real *x, size_t count, bool positive)
{
    for (size_t i = 0; i < count; i++) FUZZ_REQUIRE(isfinite(x[i]) && (!positive || x[i] >= 0));
}

#endif
