/* How often each method finds what there is to find: phrases of one, two and three tokens that neurons of a model
 * built by hand fire on (tests/known_truth.h). Every seed has a model of its own.
 *
 *     make build/bench/bench_known_truth && build/bench/bench_known_truth [BUDGET [SEEDS]]          */
#include "../tests/known_truth.h"

#include <time.h>

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    uint64_t budget = argc > 1 ? strtoull(argv[1], NULL, 10) : 24000,
             seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 20,
             *spent = rv_alloc(seeds, sizeof *spent);
    truth **models = rv_alloc(seeds, sizeof *models);
    if (!spent || !models) return 1;
    for (size_t m = 0; m < seeds; m++) models[m] = truth_new(m + 1);
    printf("| method | 1 token | forward tokens | 2 tokens | forward tokens | 3 tokens | "
           "forward tokens | seconds |\n"
           "|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++) {
        if ((*d)->autoencoder || (*d)->sentences) continue; // these models have neither
        clock_t began = clock();
        printf("| %s", (*d)->name);
        for (size_t phrase = 0; phrase < TRUTH_PHRASES; phrase++) {
            size_t found = 0;
            for (uint64_t seed = 1; seed <= seeds; seed++) {
                uint64_t at = truth_recover(models[seed - 1], *d, phrase, seed, budget);
                if (at) spent[found++] = at;
            }
            qsort(spent, found, sizeof *spent, by_size);
            printf(" | %zu of %zu", found, (size_t)seeds);
            if (found)
                printf(" | %zu", (size_t)spent[found / 2]);
            else
                printf(" | –");
            fflush(stdout);
        }
        printf(" | %.0f |\n", (double)(clock() - began) / CLOCKS_PER_SEC);
    }
    for (size_t m = 0; m < seeds; m++) truth_free(models[m]);
    free(models);
    free(spent);
    return 0;
}
