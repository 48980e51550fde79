#include "tokenizer/vocabulary.h"

#include <string.h>

#include "base/memory.h"

static uint64_t hash_bytes(const char *bytes, size_t length)
{
    const uint64_t multiplier = 0x9E3779B97F4A7C15u;
    uint64_t hash = length * multiplier;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * multiplier;
        hash ^= hash >> 32;
        bytes += 8;
        length -= 8;
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < length; i++) rest |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
    hash = (hash ^ rest) * multiplier;
    return hash ^ hash >> 32;
}

/* The slot that holds the piece, or the free one where it belongs. */
static size_t find_slot(const rv_vocabulary *v, const char *piece, size_t length)
{
    size_t mask = v->slot_count - 1;
    for (size_t i = hash_bytes(piece, length) & mask;; i = (i + 1) & mask) {
        if (v->slots[i] < 0) return i;
        const rv_piece *p = &v->pieces[v->slots[i]];
        if (p->length == length && memcmp(v->bytes + p->start, piece, length) == 0) return i;
    }
}

static rv_status grow_slots(rv_vocabulary *v, rv_error *err)
{
    size_t old_count = v->slot_count, count = old_count ? old_count * 2 : 1024;
    int32_t *old = v->slots, *slots = malloc(count * sizeof *slots);
    if (!slots) return rv_fail_memory(err, count * sizeof *slots);
    memset(slots, 0xFF, count * sizeof *slots);
    v->slots = slots;
    v->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] < 0) continue;
        const rv_piece *p = &v->pieces[old[i]];
        slots[find_slot(v, v->bytes + p->start, p->length)] = old[i];
    }
    free(old);
    return RV_OK;
}

rv_status rv_vocabulary_name(rv_vocabulary *v, int64_t id, const char *piece, size_t length,
                             rv_error *err)
{
    if (id < 0 || id >= RV_LIMIT_IDS)
        return rv_fail(err, RV_ERR_FORMAT, "token id: expected 0 to %d, found %lld",
                       RV_LIMIT_IDS - 1, (long long)id);
    if (length > RV_LIMIT_PIECE)
        return rv_fail(err, RV_ERR_FORMAT, "token %lld: expected at most %d bytes, found %zu",
                       (long long)id, RV_LIMIT_PIECE, length);
    size_t index = (size_t)id;
    if (index < v->size && v->pieces[index].present)
        return rv_fail(err, RV_ERR_FORMAT,
                       "token id %zu: expected one token, found \"%.*s\" and "
                       "\"%.*s\"",
                       index, (int)v->pieces[index].length, v->bytes + v->pieces[index].start,
                       (int)length, piece);
    if (v->used + length > UINT32_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "vocabulary: more than 4 GiB of text");
    RV_TRY(rv_grow((void **)&v->bytes, &v->bytes_capacity, v->used + length + 1, 1, err));
    RV_TRY(rv_grow((void **)&v->pieces, &v->capacity, index + 1, sizeof *v->pieces, err));
    if (index >= v->size) {
        memset(v->pieces + v->size, 0, (index + 1 - v->size) * sizeof *v->pieces);
        v->size = index + 1;
    }
    if (length) memcpy(v->bytes + v->used, piece, length);
    v->pieces[index] = (rv_piece){(uint32_t)v->used, (uint32_t)length, true};
    v->used += length;
    return RV_OK;
}

rv_status rv_vocabulary_add(rv_vocabulary *v, int64_t id, const char *piece, size_t length,
                            rv_error *err)
{
    if (2 * (v->slots_used + 1) > v->slot_count) RV_TRY(grow_slots(v, err));
    size_t slot = find_slot(v, piece, length);
    if (v->slots[slot] >= 0)
        return rv_fail(err, RV_ERR_FORMAT, "token \"%.*s\": expected one id, found %d and %lld",
                       (int)length, piece, v->slots[slot], (long long)id);
    RV_TRY(rv_vocabulary_name(v, id, piece, length, err));
    v->slots[slot] = (int32_t)id;
    v->slots_used++;
    if (length > v->longest) v->longest = length;
    return RV_OK;
}

void rv_vocabulary_release(rv_vocabulary *v)
{
    free(v->pieces);
    free(v->bytes);
    free(v->slots);
    *v = (rv_vocabulary){0};
}

int32_t rv_vocabulary_find(const rv_vocabulary *v, const char *piece, size_t length)
{
    if (length > v->longest || !v->slot_count) return -1;
    return v->slots[find_slot(v, piece, length)];
}

const char *rv_vocabulary_piece(const rv_vocabulary *v, int64_t id, size_t *length)
{
    if (id < 0 || (uint64_t)id >= v->size || !v->pieces[id].present) return NULL;
    *length = v->pieces[id].length;
    return v->bytes + v->pieces[id].start;
}
