/* A file of hostile bytes, for readers that want a path: in memory where the system has such a place. */
#ifndef RV_FUZZ_FILE_H
#define RV_FUZZ_FILE_H

#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"

enum { FUZZ_PATH = 96 };

/* A name of this process's own. */
static inline void fuzz_path(char path[FUZZ_PATH], const char *name)
{
    snprintf(path, FUZZ_PATH, "%s/reverie-fuzz-%s-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name, (int)getpid());
}

static inline void fuzz_write(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    FUZZ_REQUIRE(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

#endif
