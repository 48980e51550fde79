/* An arena: many small allocations that die together.
 *
 *     rv_arena arena = {0};
 *     char *copy = rv_arena_copy(&arena, text, length);
 *     ...
 *     rv_arena_release(&arena);                                                           */
#ifndef RV_BASE_ARENA_H
#define RV_BASE_ARENA_H

#include <stddef.h>

typedef struct rv_arena {
    struct rv_arena_chunk *chunks; /* the one in use first */
} rv_arena;

/* count * size zeroed bytes, aligned for any plain type; NULL when they cannot be had.
 * count 0 gives a pointer that is not NULL. */
void *rv_arena_alloc(rv_arena *arena, size_t count, size_t size);

/* A copy of length bytes with a NUL behind them; NULL when memory is short. */
char *rv_arena_copy(rv_arena *arena, const void *bytes, size_t length);

void rv_arena_release(rv_arena *arena);

#endif
