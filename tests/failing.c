/* Preloaded into a program, makes one of its allocations fail: the FAIL_AT-th. STACKS_TO names a file for a line
 * "ordinal hash" at the first allocation of every distinct call stack (its innermost frames). With FAIL_TELL the stack at
 * the failure goes to stderr. What libcrypto and OpenMP allocate is neither counted nor failed: docs/reliability.md says
 * why. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t),
    *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

enum { DEEPEST = 64, TOLD_APART = 12, STACKS = 1 << 16 };

static long fail_at, count;
static bool noting, telling;
static __thread bool inside; /* of this shim: its own allocations do not count */
static struct {
    uint64_t hash;
    long first;
} stacks[STACKS];

__attribute__((constructor)) static void begin(void)
{
    void *stack[1];
    inside = true;
    backtrace(stack, 1); // loads what it needs
    const char *at = getenv("FAIL_AT");
    fail_at = at ? atol(at) : 0;
    noting = getenv("STACKS_TO");
    telling = getenv("FAIL_TELL");
    inside = false;
}

/* Libraries that end the program by themselves when they are short of memory. */
static bool of_others(void *caller)
{
    static const char *const names[] = {"libcrypto", "libomp", "libgomp"};
    struct dl_find_object at;
    if (_dl_find_object(caller, &at) != 0) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(at.dlfo_link_map->l_name, names[i])) return true;
    return false;
}

/* FNV-1a over the innermost places in their files, so that it is the same in every run and for all commands. */
static uint64_t stack_hash(void)
{
    void *stack[TOLD_APART];
    uint64_t h = 0xcbf29ce484222325u;
    int depth = backtrace(stack, TOLD_APART);
    for (int i = 0; i < depth; i++) {
        struct dl_find_object at = {0};
        _dl_find_object(stack[i], &at);
        h = (h ^ (uint64_t)((char *)stack[i] - (char *)at.dlfo_map_start)) * 0x100000001b3u;
    }
    return h ? h : 1;
}

static void note(long ordinal)
{
    uint64_t hash = stack_hash();
    size_t i = hash % STACKS;
    while (stacks[i].hash && stacks[i].hash != hash) i = (i + 1) % STACKS;
    if (stacks[i].hash) return;
    stacks[i].hash = hash;
    stacks[i].first = ordinal;
}

static bool fails(void *caller)
{
    if (inside || of_others(caller)) return false;
    long ordinal = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    inside = true;
    if (noting) note(ordinal);
    if (telling && ordinal == fail_at) {
        void *stack[DEEPEST];
        backtrace_symbols_fd(stack, backtrace(stack, DEEPEST), STDERR_FILENO);
    }
    inside = false;
    if (ordinal == fail_at) errno = ENOMEM;
    return ordinal == fail_at;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("STACKS_TO");
    inside = true;
    FILE *file = path ? fopen(path, "w") : NULL;
    for (size_t i = 0; file && i < STACKS; i++)
        if (stacks[i].hash) fprintf(file, "%ld %lx\n", stacks[i].first, stacks[i].hash);
    if (file) fclose(file);
}

#define FAILS() fails(__builtin_return_address(0))

void *malloc(size_t size)
{
    return FAILS() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return FAILS() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    return FAILS() ? NULL : __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    return FAILS() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return FAILS() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = FAILS() ? NULL : __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}
