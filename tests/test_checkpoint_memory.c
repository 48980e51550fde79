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

#if defined __SANITIZE_ADDRESS__ || !defined __GLIBC__

int main(void)
{
    puts("needs glibc's allocator, which the address sanitizer replaces");
    return 77;
}

#else

void *__libc_malloc(size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

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

void *malloc(size_t size)
{
    return refuse() ? NULL : count(__libc_malloc(size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : count(__libc_memalign(alignment, size));
}

void *realloc(void *memory, size_t size)
{
    if (refuse()) return NULL;
    void *moved = __libc_realloc(memory, size);
    return memory ? moved : count(moved);
}

void free(void *memory)
{
    alive -= armed && memory;
    __libc_free(memory);
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
        if (alive != 0)
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

#endif
