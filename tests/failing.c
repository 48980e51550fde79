/* Preloaded into a program, makes one of its allocations fail: the FAIL_AT-th. COUNT_TO names a file for how many there
 * were; with FAIL_TELL the stack at the failure is written to stderr. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t),
    *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static long fail_at = -1, count;
static bool telling;

static bool fails(void)
{
    if (fail_at < 0) {
        const char *at = getenv("FAIL_AT");
        fail_at = at ? atol(at) : 0;
    }
    if (telling || __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) != fail_at) return false;
    if (getenv("FAIL_TELL")) {
        void *stack[40];
        telling = true;
        backtrace_symbols_fd(stack, backtrace(stack, 40), STDERR_FILENO);
        telling = false;
    }
    errno = ENOMEM;
    return true;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("COUNT_TO");
    telling = true;
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld", count);
    fclose(file);
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}
