/* Gradient ascent on the raw embeddings, projected to the nearest tokens: the exhibit of the problem. Adam finds
 * vectors that fire as hard as one likes; the tokens nearest to them do not, and read like nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/continuous.h"

enum {
    MEMBERS = 8,
    PROJECTED = 10, /* iterations between projections */
    RESTART = 100   /* iterations of one ascent */
};
static const double RATE = 0.1;

static rv_status climb(rv_continuous *c, rv_adam *adam, real *x, real *gradient, rv_error *err)
{
    size_t C = c->search->problem->model->config.width, numbers = c->length * C;
    for (size_t s = 0; s < c->members; s++)
        memcpy(c->inputs + s * c->span * C, x + s * numbers, numbers * sizeof *x);
    RV_TRY(rv_continuous_forward(c, NULL, err));
    rv_continuous_backward(c, gradient);
    rv_adam_ascend(adam, x, gradient, c->members * numbers);
    return RV_OK;
}

static rv_status dream(rv_continuous *c, rv_adam *adam, real *x, real *gradient, int32_t *ids,
                       rv_error *err)
{
    size_t tokens = c->members * c->length,
           count = tokens * c->search->problem->model->config.width, iteration = 0;
    do {
        if (iteration % RESTART == 0) {
            rv_random random = rv_search_random(c->search, 0);
            rv_continuous_start(c, ids, iteration == 0, &random);
            rv_continuous_embed(c, x, ids, tokens);
            rv_adam_restart(adam, count);
        }
        do {
            if (!rv_continuous_affords(c, MEMBERS)) break;
            RV_TRY(climb(c, adam, x, gradient, err));
        } while (++iteration % PROJECTED);
        RV_TRY(rv_continuous_judge_nearest(c, x, err));
    } while (rv_search_continue(c->search) && rv_continuous_affords(c, MEMBERS));
    return RV_OK;
}

static rv_status run(rv_search *s, rv_error *err)
{
    rv_continuous *c = NULL;
    rv_adam adam = {0};
    real *x = NULL, *gradient = NULL;
    int32_t *ids = NULL;
    size_t tokens = MEMBERS * s->params.most, count = tokens * s->problem->model->config.width;
    rv_status status;
    // x, its gradient, two moments
    RV_GOTO(rv_continuous_new(&c, s, MEMBERS, MEMBERS, 4 * count, err));
    RV_GOTO(rv_adam_new(&adam, RATE, 0, count, err));
    RV_GOTO(RV_NEW(x, count, err));
    RV_GOTO(RV_NEW(gradient, count, err));
    RV_GOTO(RV_NEW(ids, tokens, err));
    RV_GOTO(dream(c, &adam, x, gradient, ids, err));
done:
    rv_continuous_free(c);
    rv_adam_release(&adam);
    free(x);
    free(gradient);
    free(ids);
    return status;
}

const rv_dreamer rv_dreamer_naive = {
    .name = "naive",
    .summary = "gradient ascent on the embeddings, then the nearest tokens: shows why more is "
               "needed",
    .children = MEMBERS,
    .run = run,
};
