/* Any bytes as model.safetensors.index.json beside two small shards: what is accepted holds what the index says. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "fuzz.h"

static char folder[] = "/tmp/reverie-shards-XXXXXX";

static void put(const char *name, const void *bytes, size_t length)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FUZZ_REQUIRE(rv_write_file(path, bytes, length, NULL) == RV_OK);
}

static void clean(void)
{
    static const char *const names[] = {"config.json", "a.safetensors", "b.safetensors",
                                        "model.safetensors.index.json"};
    char path[96];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* One tensor of one number. */
static void put_shard(const char *name, const char *tensor)
{
    unsigned char bytes[128] = {0};
    int length =
        snprintf((char *)bytes + 8, sizeof bytes - 8,
                 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", tensor);
    bytes[0] = (unsigned char)length;
    put(name, bytes, 8 + (size_t)length + 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made) {
        FUZZ_REQUIRE(mkdtemp(folder));
        atexit(clean);
        put("config.json", "{}", 2);
        put_shard("a.safetensors", "x");
        put_shard("b.safetensors", "y");
        made = true;
    }
    put("model.safetensors.index.json", data, size);
    rv_checkpoint *ck;
    rv_error err = {.message = ""};
    rv_status status = rv_checkpoint_open(&ck, folder, &err);
    FUZZ_REQUIRE(status == RV_OK ? ck != NULL : !ck && err.message[0]);
    for (size_t i = 0; ck && i < rv_checkpoint_count(ck); i++) {
        real number = 1;
        FUZZ_REQUIRE(rv_tensor_read(rv_checkpoint_at(ck, i), &number, &err) == RV_OK);
        FUZZ_REQUIRE(number == 0);
    }
    rv_checkpoint_close(ck);
    return 0;
}
