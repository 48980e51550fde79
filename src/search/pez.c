/* PEZ (Wen et al. 2023, arXiv 2302.03668): AdamW moves vectors, but the gradient is taken where their nearest
 * tokens are, so that the climb is judged on text from the first step on. Members differ in how much
 * fluency counts for them; as in the published code the likelihood is climbed through the inputs alone. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/continuous.h"

enum { MEMBERS = 8, ROUND = 10 /* iterations between two looks at the caller */ };
static const double RATE = 0.1, DECAY = 0.1, LEAST_PENALTY = 0.1, MOST_PENALTY = 10;

typedef struct climber {
    rv_continuous *c;
    rv_adam adam;
    real *x, *gradient; /* (S, n, C) */
    int32_t *ids;       /* (S, n) nearest to x */
} climber;

/* Projects, judges what is new, and moves by the gradient at the projection. */
static rv_status iterate(climber *p, rv_random *random, rv_error *err)
{
    rv_continuous *c = p->c;
    size_t C = c->search->problem->model->config.width, n = c->length, judged = 0;
    for (size_t s = 0; s < c->members; s++) {
        int32_t *ids = p->ids + s * n;
        bool survives = rv_continuous_nearest(c, ids, p->x + s * n * C, random);
        rv_continuous_embed(c, c->inputs + s * c->span * C, ids, n);
        if (survives) memcpy(c->candidates[judged++].ids, ids, n * sizeof *ids);
    }
    RV_TRY(rv_continuous_judge(c, judged, err));
    if (!rv_continuous_affords(c, 0)) return RV_OK;
    RV_TRY(rv_continuous_forward(c, p->ids, err));
    rv_continuous_backward(c, p->gradient);
    rv_adam_ascend(&p->adam, p->x, p->gradient, c->members * n * C);
    return RV_OK;
}

static rv_status dream(climber *p, rv_error *err)
{
    rv_search *s = p->c->search;
    rv_random random = rv_search_random(s, 0);
    rv_continuous_start(p->c, p->ids, true, &random);
    rv_continuous_embed(p->c, p->x, p->ids, MEMBERS * p->c->length);
    do {
        random = rv_search_random(s, 1);
        for (int i = 0; i < ROUND && rv_continuous_affords(p->c, MEMBERS); i++)
            RV_TRY(iterate(p, &random, err));
    } while (rv_search_continue(s) && rv_continuous_affords(p->c, MEMBERS));
    return RV_OK;
}

static rv_status run(rv_search *s, rv_error *err)
{
    climber p = {0};
    size_t tokens = MEMBERS * s->params.most, count = tokens * s->problem->model->config.width;
    rv_status status;
    // x, its gradient, two moments
    RV_GOTO(rv_continuous_new(&p.c, s, MEMBERS, MEMBERS, 4 * count, err));
    RV_GOTO(rv_adam_new(&p.adam, RATE, DECAY, count, err));
    RV_GOTO(RV_NEW(p.x, count, err));
    RV_GOTO(RV_NEW(p.gradient, count, err));
    RV_GOTO(RV_NEW(p.ids, tokens, err));
    rv_continuous_spread(p.c, LEAST_PENALTY, MOST_PENALTY);
    RV_GOTO(dream(&p, err));
done:
    rv_continuous_free(p.c);
    rv_adam_release(&p.adam);
    free(p.x);
    free(p.gradient);
    free(p.ids);
    return status;
}

const rv_dreamer rv_dreamer_pez = {
    .name = "pez",
    .summary = "gradient ascent on the embeddings, steered from their nearest tokens",
    .children = MEMBERS,
    .run = run,
};
