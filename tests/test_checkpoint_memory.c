/* Opening a checkpoint when memory is short: for every n, the n-th allocation fails. Each time the
 * caller gets an error and nothing leaks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* clang says it so, gcc defines it */
#endif
#endif

/* Ours stand in for the allocator's: by name, or, where a sanitizer has taken the names, because the linker
 * sends the library's calls to them (--wrap, Makefile). Leaks are then the sanitizer's to find. */
#ifdef __SANITIZE_ADDRESS__
enum { COUNTED = 0 };
#define OURS(name)   __wrap_##name
#define THEIRS(name) __real_##name
void *__real_aligned_alloc(size_t alignment, size_t size);
#else
enum { COUNTED = 1 };
#define OURS(name)           name
#define THEIRS(name)         __libc_##name
void *__libc_memalign(size_t alignment, size_t size);
#define __libc_aligned_alloc __libc_memalign
#endif

void *THEIRS(malloc)(size_t size);
void *THEIRS(realloc)(void *memory, size_t size);
void THEIRS(free)(void *memory);
void *OURS(malloc)(size_t size);
void *OURS(realloc)(void *memory, size_t size);
void *OURS(aligned_alloc)(size_t alignment, size_t size);
void OURS(free)(void *memory);

/* Allocations that may still succeed while `armed`; those that are alive. */
static bool armed;
static size_t allowed, failures, alive;

static bool refuse(void)
{
    if (!armed) return false;
    if (allowed) {
        allowed--;
        return false;
    }
    failures++;
    errno = ENOMEM;
    return true;
}

static void *count(void *memory)
{
    alive += armed && memory;
    return memory;
}

void *OURS(malloc)(size_t size)
{
    return refuse() ? NULL : count(THEIRS(malloc)(size));
}

void *OURS(aligned_alloc)(size_t alignment, size_t size)
{
    return refuse() ? NULL : count(THEIRS(aligned_alloc)(alignment, size));
}

void *OURS(realloc)(void *memory, size_t size)
{
    if (refuse()) return NULL;
    void *moved = THEIRS(realloc)(memory, size);
    return memory ? moved : count(moved);
}

void OURS(free)(void *memory)
{
    alive -= armed && memory;
    THEIRS(free)(memory);
}

static void survives(const char *path)
{
    for (size_t n = 0;; n++) {
        rv_checkpoint *ck;
        rv_error err = {.message = ""};
        alive = failures = 0;
        allowed = n;
        armed = true;
        rv_status status = rv_checkpoint_open(&ck, path, &err);
        rv_checkpoint_close(ck);
        armed = false;
        if (COUNTED && alive != 0)
            fail_msg("%s: %zu blocks leaked when allocation %zu failed", path, alive, n);
        if (failures == 0) {
            assert_int_equal(status, RV_OK);
            assert_true(n > 10);
            return;
        }
        assert_int_not_equal(status, RV_OK);
        assert_int_equal(err.status, status);
        assert_string_not_equal(err.message, "");
    }
}

static void no_failed_allocation_is_overlooked(void **state)
{
    (void)state;
    survives("tests/fixtures/checkpoint/quants.gguf");
    survives("tests/fixtures/checkpoint/types.safetensors");
    survives("tests/fixtures/checkpoint/sharded");
    survives("tests/fixtures/fuzz/llama2c/untied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_failed_allocation_is_overlooked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
