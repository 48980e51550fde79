/* Memory: zeroed, 64-byte aligned, overflow-checked. Everything allocated here is released
 * with free(). */
#ifndef RV_BASE_MEMORY_H
#define RV_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"

/* count * size zeroed bytes, aligned to 64. NULL when they do not fit; count 0 gives a
 * pointer that may be freed. */
void *rv_alloc(size_t count, size_t size);

/* *out = rv_alloc(count, size), or RV_ERR_MEMORY. Use RV_NEW. */
rv_status rv_alloc_into(void **out, size_t count, size_t size, rv_error *err);

/* RV_NEW(pointer, count, err): allocates count objects of the pointer's own type. */
#define RV_NEW(pointer, count, err) \
    rv_alloc_into((void **)&(pointer), (count), sizeof *(pointer), (err))

/* Doubles a growable array of plain objects until `need` fit; new space is not zeroed.
 * *items must come from malloc/realloc (not rv_alloc) and may be NULL at first. */
rv_status rv_grow(void **items, size_t *capacity, size_t need, size_t size, rv_error *err);

bool rv_mul_overflows(size_t a, size_t b, size_t *product);

/* strdup / strndup that report failure as NULL. */
char *rv_strndup(const char *text, size_t length);

#endif
