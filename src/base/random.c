#include "base/random.h"

#include <math.h>
#include <string.h>

static void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1,
                            (uint32_t)(p0 >> 32) ^ c[3] ^ k1, (uint32_t)p0};
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

rv_random rv_random_stream(uint64_t seed, uint64_t run, uint32_t step)
{
    return (rv_random){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                       .counter = {0, step, (uint32_t)run, (uint32_t)(run >> 32)},
                       .used = 4};
}

uint32_t rv_random_u32(rv_random *random)
{
    if (random->used == 4) {
        philox(random->block, random->counter, random->key);
        random->counter[0]++;
        random->used = 0;
    }
    return random->block[random->used++];
}

double rv_random_uniform(rv_random *random)
{
    uint64_t high = rv_random_u32(random) >> 5, low = rv_random_u32(random) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double rv_random_normal(rv_random *random)
{
    double radius = sqrt(-2 * log(1 - rv_random_uniform(random)));
    return radius * cos(6.283185307179586 * rv_random_uniform(random));
}

size_t rv_random_below(rv_random *random, size_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, draw;
    do {
        draw = (uint64_t)rv_random_u32(random) << 32 | rv_random_u32(random);
    } while (draw >= limit);
    return (size_t)(draw % n);
}

size_t rv_random_weighted(rv_random *random, const double *weight, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += weight[i];
    double left = rv_random_uniform(random) * sum;
    for (size_t i = 0; i < n; i++) {
        if (left < weight[i]) return i;
        left -= weight[i];
    }
    return n - 1;
}

void rv_random_shuffle(rv_random *random, void *items, size_t count, size_t size)
{
    unsigned char *at = items, kept[16];
    for (size_t i = count; i-- > 1;) {
        size_t j = rv_random_below(random, i + 1);
        memcpy(kept, at + i * size, size);
        memmove(at + i * size, at + j * size, size);
        memcpy(at + j * size, kept, size);
    }
}
