#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void rv_promise_broken(const char *promise, const char *file, size_t line)
{
    fprintf(stderr, "%s:%zu: a caller broke its promise: %s\n", file, line, promise);
    abort();
}
