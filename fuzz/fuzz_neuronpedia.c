/* Neuronpedia's files: a feature, or the three tables of an export with NULs between them; tables that are
 * gzip files already are taken as they are. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "explain/gzip.h"
#include "explain/neuronpedia.h"
#include "fuzz.h"

static const char *const tables[] = {"features", "activations", "explanations"};

static void read_from(const char *path, long long index)
{
    rv_evidence evidence = rv_evidence_empty();
    rv_neuronpedia_explanations list = {0};
    rv_error err = {0};
    rv_status status = rv_neuronpedia_read(&evidence, &list, path, index, &err);
    FUZZ_REQUIRE(status == RV_OK || err.message[0]);
    if (status == RV_OK) rv_evidence_check(&evidence, &err);
    rv_neuronpedia_explanations_release(&list);
    rv_evidence_release(&evidence);
}

static void put_table(const char *folder, const char *table, const uint8_t *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, table);
    FUZZ_REQUIRE(rv_make_folders(path, NULL) == RV_OK);
    snprintf(path, sizeof path, "%s/%s/batch-0.jsonl.gz", folder, table);
    bool packed = size > 2 && data[0] == 0x1F && data[1] == 0x8B;
    FUZZ_REQUIRE((packed ? rv_write_file(path, data, size, NULL)
                         : rv_gzip_write(path, (const char *)data, size, NULL)) == RV_OK);
}

static void remove_all(const char *folder)
{
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s/batch-0.jsonl.gz", folder, tables[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s", folder, tables[i]);
        rmdir(path);
    }
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], folder[] = "/tmp/reverie-fuzz-XXXXXX";
    int fd = memfd_create("feature", 0);
    if (size && write(fd, data, size) < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_from(path, -1);
    close(fd);
    FUZZ_REQUIRE(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        bool packed = size > 2 && data[0] == 0x1F && data[1] == 0x8B;
        const uint8_t *nul = size && !packed ? memchr(data, 0, size) : NULL;
        size_t length = nul ? (size_t)(nul - data) : size;
        put_table(folder, tables[i], data, length);
        data = nul ? nul + 1 : data;
        if (nul || !packed) size = nul ? size - length - 1 : 0;
    }
    read_from(folder, 14);
    remove_all(folder);
    return 0;
}
