/* What a hub lists, a NUL, and the index of shards: which files are taken. */
#include <string.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "fuzz.h"
#include "hub/listing.h"

static void choose(const rv_hub_listing *listing, const char *file, const char *index_path)
{
    const rv_hub_entry *index = NULL;
    rv_hub_name name = {.repository = "a/b", .revision = "main", .file = (char *)file};
    rv_get_params params = rv_get_params_default();
    bool *chosen = calloc(listing->count + 1, sizeof *chosen);
    rv_error err = {0};
    FUZZ_REQUIRE(chosen);
    rv_status status = rv_hub_choose(chosen, &index, listing, &name, &params, &err);
    if (status == RV_OK && index && index_path)
        status = rv_hub_choose_shards(chosen, listing, index_path, &err);
    FUZZ_REQUIRE(status == RV_OK || err.message[0]);
    for (size_t i = 0; i < listing->count; i++)
        FUZZ_REQUIRE(!chosen[i] || rv_hub_path_is_safe(listing->entries[i].path));
    free(chosen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    size_t length = nul ? (size_t)(nul - data) : size;
    rv_hub_listing listing = {0};
    json_t *items = NULL;
    rv_error err;
    if (rv_json_parse(&items, (const char *)data, length, "fuzz", &err) != RV_OK) return 0;
    if (rv_hub_read_page(&listing, items, &err) == RV_OK) {
        char path[64];
        int fd = memfd_create("index", 0);
        if (nul && write(fd, nul + 1, size - length - 1) < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        choose(&listing, NULL, nul ? path : NULL);
        choose(&listing, "*", NULL);
        choose(&listing, "q4", NULL);
        close(fd);
    }
    rv_hub_listing_release(&listing);
    json_decref(items);
    return 0;
}
