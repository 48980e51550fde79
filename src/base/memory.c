#include "base/memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Large blocks ask for huge pages: weights are streamed, and a page of 4 kB stops the
 * processor's prefetching every 64 lines. */
enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, LARGE = 2 * HUGE_PAGE };

bool rv_mul_overflows(size_t a, size_t b, size_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

void *rv_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (rv_mul_overflows(count, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE) return NULL;
    size_t unit = bytes >= LARGE ? HUGE_PAGE : ALIGNMENT;
    bytes = bytes ? (bytes + unit - 1) / unit * unit : ALIGNMENT;
    void *memory = aligned_alloc(unit, bytes);
    if (!memory) return NULL;
#ifdef MADV_HUGEPAGE
    if (unit == HUGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE); // a wish: no harm if refused
#endif
    return memset(memory, 0, bytes);
}

rv_status rv_alloc_into(void **out, size_t count, size_t size, rv_error *err)
{
    *out = rv_alloc(count, size);
    if (*out) return RV_OK;
    size_t bytes;
    return rv_fail_memory(err, rv_mul_overflows(count, size, &bytes) ? SIZE_MAX : bytes);
}

rv_status rv_grow(void **items, size_t *capacity, size_t need, size_t size, rv_error *err)
{
    if (need <= *capacity) return RV_OK;
    size_t wanted = *capacity ? *capacity : 16, bytes;
    while (wanted < need) {
        if (rv_mul_overflows(wanted, 2, &wanted)) return rv_fail_memory(err, SIZE_MAX);
    }
    if (rv_mul_overflows(wanted, size, &bytes)) return rv_fail_memory(err, SIZE_MAX);
    void *grown = realloc(*items, bytes);
    if (!grown) return rv_fail_memory(err, bytes);
    *items = grown;
    *capacity = wanted;
    return RV_OK;
}

char *rv_strndup(const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}
