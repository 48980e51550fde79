/* A journal of a search: what is not as it was written ends it, and it can be gone on with. */
#include <sys/stat.h>

#include "file.h"
#include "search/memo.h"

enum { HEAD = 8, ENTRY = 40 };

static size_t count_entries(const char *path)
{
    rv_memo memo;
    rv_error err;
    FUZZ_REQUIRE(rv_memo_open(&memo, path, "run", &err) == RV_OK);
    size_t count = memo.count;
    rv_memo_close(&memo);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    rv_memo memo;
    rv_error err = {.message = ""};
    struct stat info;
    fuzz_path(path, "journal");
    fuzz_write(path, data, size);
    rv_status status = rv_memo_open(&memo, path, "run", &err);
    FUZZ_REQUIRE(status == RV_OK || (status == RV_ERR_FORMAT && err.message[0]));
    if (status == RV_OK) {
        size_t before = memo.count;
        rv_judgement j = {
            .key = 0x7265766572696521u, .f = 1, .xe = 2, .latter = 3, .seen = true};
        bool known = rv_memo_find(&memo, j.key) != NULL;
        FUZZ_REQUIRE(rv_memo_add(&memo, j, &err) == RV_OK);
        rv_memo_close(&memo);
        FUZZ_REQUIRE(stat(path, &info) == 0 && (info.st_size - HEAD) % ENTRY == 0);
        FUZZ_REQUIRE(count_entries(path) == before + !known);
    } else {
        rv_memo_close(&memo);
        FUZZ_REQUIRE(stat(path, &info) == 0 && (size_t)info.st_size == size); // left alone
    }
    unlink(path);
    return 0;
}
