/* Greedy Coordinate Gradient (Zou et al. 2023, arXiv 2307.15043) on the target alone: EPO with one member
 * and no penalty. Swaps of one token among the 256 best by gradient, 256 children a step. */
#include "search/epo.h"

static const rv_epo_params greedy = {.slots = 1, .children = 256, .top_k = 256, .front = true};

static rv_status run(rv_search *s, rv_error *err)
{
    return rv_epo(s, &greedy, err);
}

const rv_dreamer rv_dreamer_gcg = {
    .name = "gcg",
    .summary = "greedy coordinate gradient: activation alone, fluency ignored",
    .members = 1,
    .children = 256,
    .run = run,
};
