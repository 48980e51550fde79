#include "search/search.h"

#include <string.h>

const rv_dreamer *const rv_dreamers[] = {&rv_dreamer_reverie,
                                         &rv_dreamer_epo,
                                         &rv_dreamer_gcg,
                                         &rv_dreamer_beam,
                                         &rv_dreamer_gumbel,
                                         &rv_dreamer_pez,
                                         &rv_dreamer_naive,
                                         &rv_dreamer_latent,
                                         &rv_dreamer_evolve,
                                         &rv_dreamer_sentence,
                                         NULL};

const rv_dreamer *rv_dreamer_find(const char *name)
{
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++)
        if (strcmp((*d)->name, name) == 0) return *d;
    return NULL;
}
