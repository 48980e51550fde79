#include "ops/kernels.h"

#include <stdlib.h>
#include <string.h>

#ifdef RV_REAL_DOUBLE

const rv_kernels *rv_kernels_select(const char *name)
{
    if (name && strcmp(name, "reference") != 0) return NULL;
    return rv_kernels_reference();
}

#else

#include "ops/cpu/cpu.h"

static bool always(void)
{
    return true;
}

#ifdef __x86_64__
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

/* The fastest first. */
static const struct candidate {
    const char *name;
    bool (*runs_here)(void);
    const rv_kernels *(*table)(void);
} candidates[] = {
#ifdef __x86_64__
    {"avx512", has_avx512, rv_kernels_avx512},
    {"avx2", has_avx2, rv_kernels_avx2},
#endif
    {"portable", always, rv_kernels_portable},
    {"reference", always, rv_kernels_reference},
};

const rv_kernels *rv_kernels_select(const char *name)
{
    if (!name) {
        const char *wish = getenv("REVERIE_KERNELS");
        const rv_kernels *wished = wish ? rv_kernels_select(wish) : NULL;
        if (wished) return wished;
    }
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const struct candidate *c = &candidates[i];
        if ((!name || strcmp(name, c->name) == 0) && c->runs_here()) return c->table();
    }
    return NULL;
}

#endif

rv_status rv_kernels_choose(const rv_kernels **out, const char *name, rv_error *err)
{
    const char *asked = name ? name : getenv("REVERIE_KERNELS");
    *out = rv_kernels_select(asked && *asked ? asked : NULL);
    if (*out) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "%s: expected a set that this processor runs, found \"%s\"",
                   name ? "kernels" : "REVERIE_KERNELS", asked);
}
