/* A file where the store should be: whatever it is, something can be kept afterwards, unless a newer version owns it. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/list.h"
#include "store/store.h"

static char folder[64];

static void clear(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    FUZZ_REQUIRE(system(command) == 0);
}

static void place(const uint8_t *data, size_t size)
{
    char path[96];
    snprintf(folder, sizeof folder, "%s/reverie-fuzz-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    clear();
    FUZZ_REQUIRE(mkdir(folder, 0700) == 0);
    snprintf(path, sizeof path, "%s/store.db", folder);
    FILE *file = fopen(path, "wb");
    FUZZ_REQUIRE(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void keep_and_find(rv_store *store)
{
    static const char answer[] = "an answer, an answer, an answer, an answer";
    rv_question question = {.kind = "corpus", .text = "question 1"};
    char *bytes;
    size_t length;
    rv_error err;
    rv_store_get(store, &bytes, &length, &question);
    free(bytes);
    FUZZ_REQUIRE(rv_store_put(store, &question, answer, sizeof answer, &err) == RV_OK);
    FUZZ_REQUIRE(rv_store_get(store, &bytes, &length, &question));
    FUZZ_REQUIRE(length == sizeof answer && memcmp(bytes, answer, length) == 0);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_store *store;
    rv_error err = {.message = ""};
    rv_store_params params = rv_store_params_default();
    rv_store_listing listing;
    place(data, size);
    rv_status status = rv_store_open(&store, folder, NULL, NULL, &err);
    FUZZ_REQUIRE(status == RV_OK || (status == RV_ERR_UNSUPPORTED && err.message[0]));
    if (status == RV_OK) {
        keep_and_find(store);
        rv_store_close(store);
        params.folder = folder;
        if (rv_store_collect(&listing, &params, false, &err) == RV_OK)
            FUZZ_REQUIRE(listing.count >= 1);
        rv_store_listing_release(&listing);
    }
    clear();
    return 0;
}
