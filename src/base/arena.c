#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { CHUNK_BYTES = 64 * 1024 };

typedef struct rv_arena_chunk {
    struct rv_arena_chunk *next;
    size_t used, room;
    alignas(max_align_t) unsigned char bytes[];
} rv_arena_chunk;

void *rv_arena_alloc(rv_arena *arena, size_t count, size_t size)
{
    size_t bytes, step = alignof(max_align_t);
    if (rv_mul_overflows(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    bytes = bytes ? (bytes + step - 1) / step * step : step;
    rv_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->room - chunk->used < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + room);
        if (!chunk) return NULL;
        *chunk = (rv_arena_chunk){.next = arena->chunks, .room = room};
        arena->chunks = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return memset(memory, 0, bytes);
}

char *rv_arena_copy(rv_arena *arena, const void *bytes, size_t length)
{
    char *copy = length < SIZE_MAX ? rv_arena_alloc(arena, length + 1, 1) : NULL;
    if (copy && length) memcpy(copy, bytes, length);
    return copy;
}

void rv_arena_release(rv_arena *arena)
{
    while (arena->chunks) {
        rv_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}
