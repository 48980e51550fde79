/* Evolution in the latent of a text autoencoder, without gradients: texts of the front are encoded, their latents
 * moved by noise, crossed slot by slot, or mixed, and written again. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/latent.h"

enum { PARENTS = 16, CHILDREN = 48 };
static rv_status generation(rv_latent *l, rv_error *err)
{
    rv_random random = rv_search_random(l->search, 0);
    RV_TRY(rv_latent_begin(l, 0, PARENTS, &random, err));
    size_t cost = l->length + l->write_cost, affords = rv_search_affords(l->search, cost),
           count = affords < CHILDREN ? affords : CHILDREN;
    for (size_t k = 0; k < count; k++)
        rv_latent_vary(l, PARENTS + k, rv_random_below(&random, PARENTS),
                       rv_random_below(&random, PARENTS), &random);
    RV_TRY(rv_latent_write(l, PARENTS, count, err));
    return rv_latent_judge(l, PARENTS, count, err);
}

static rv_status run(rv_search *s, rv_error *err)
{
    rv_latent *l;
    RV_TRY(rv_latent_new(&l, s, PARENTS + CHILDREN, err));
    rv_status status = RV_OK;
    do status = generation(l, err);
    while (status == RV_OK && rv_search_continue(s) &&
           rv_search_affords(s, s->params.most) > PARENTS);
    rv_latent_free(l);
    return status;
}

const rv_dreamer rv_dreamer_evolve = {
    .name = "evolve",
    .summary = "evolution in that latent, without gradients",
    .children = PARENTS + CHILDREN,
    .autoencoder = true,
    .run = run,
};
