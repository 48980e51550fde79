/* Gradient ascent in the latent of a text autoencoder, through its soft tokens and the language model (Chatain and
 * Viteri 2023 for the idea; the straight-through gradient is Bengio et al., arXiv 1308.3432). Several noisy copies
 * of every start climb with different penalties; latents are normalised after every step, and are
 * replaced by z <- enc(dec(z)) when what they say has changed, so that they stay where texts are. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "search/latent.h"

enum { STARTS = 4, COPIES = 4, MEMBERS = STARTS * COPIES, ROUND = 24, TRIP = 4 };
static const double RATE = 0.5, NOISE = 1.2, LEAST_PENALTY = 0.1, MOST_PENALTY = 10;

typedef struct ascent {
    rv_search *search;
    rv_latent *l;
    rv_latent_climber *climber;
    int32_t *last; /* (MEMBERS, n) as of the last round trip */
} ascent;

/* Starts, each with its copies behind it; penalties in any order. */
static rv_status begin(ascent *a, rv_error *err)
{
    rv_latent *l = a->l;
    double trained = l->ae->config.noise, apart = NOISE * (trained > 0 ? trained : 1);
    rv_random random = rv_search_random(a->search, 0);
    RV_TRY(rv_latent_begin(l, 0, STARTS, &random, err));
    for (size_t m = MEMBERS; m-- > 0;) { // from behind, as the starts stand where copies go
        rv_latent_between(l, m, m / COPIES, m / COPIES, 0);
        if (m % COPIES) rv_latent_noise(l, m, apart, &random);
    }
    rv_continuous_spread(a->climber->model, LEAST_PENALTY, MOST_PENALTY);
    double *penalty = a->climber->model->penalty;
    for (size_t m = MEMBERS; m-- > 1;) {
        size_t other = rv_random_below(&random, m + 1);
        double kept = penalty[m];
        penalty[m] = penalty[other];
        penalty[other] = kept;
    }
    rv_adam_restart(&a->climber->adam, MEMBERS * l->numbers);
    RV_TRY(rv_latent_write(l, 0, MEMBERS, err));
    memcpy(a->last, l->ids, MEMBERS * l->length * sizeof *a->last);
    return RV_OK;
}

/* z <- enc(dec(z)) of those that say something else than after their last trip. */
static rv_status round_trip(ascent *a, rv_error *err)
{
    rv_latent *l = a->l;
    size_t n = l->length, moved = 0;
    for (size_t m = 0; m < MEMBERS; m++) {
        int32_t *last = a->last + m * n, *now = l->ids + m * n;
        if (memcmp(last, now, n * sizeof *now) == 0) continue;
        memcpy(last, now, n * sizeof *now);
        l->texts[moved] = m;
        l->from[moved++] = last;
    }
    return rv_latent_read(l, l->texts, l->from, moved, err);
}

/* Whether the budget pays for another step, and for judging what comes of it. */
static bool affords(const ascent *a)
{
    const rv_latent *l = a->l;
    size_t tokens = MEMBERS * (2 * l->length + l->write_cost + l->read_cost);
    return a->search->work.forward + tokens <= a->search->params.budget;
}

static rv_status dream(ascent *a, rv_error *err)
{
    do {
        RV_TRY(begin(a, err));
        RV_TRY(rv_latent_judge(a->l, 0, MEMBERS, err));
        for (size_t step = 1; step <= ROUND && affords(a); step++) {
            RV_TRY(rv_latent_climb(a->climber, err));
            RV_TRY(rv_latent_write(a->l, 0, MEMBERS, err));
            RV_TRY(rv_latent_judge(a->l, 0, MEMBERS, err));
            if (step % TRIP) continue;
            RV_TRY(round_trip(a, err));
            if (!rv_search_continue(a->search)) return RV_OK;
        }
    } while (rv_search_continue(a->search) && affords(a));
    return RV_OK;
}

static rv_status run(rv_search *s, rv_error *err)
{
    ascent a = {.search = s};
    rv_status status;
    RV_GOTO(rv_latent_new(&a.l, s, MEMBERS, err));
    RV_GOTO(rv_latent_climber_new(&a.climber, a.l, MEMBERS, RATE, err));
    RV_GOTO(RV_NEW(a.last, MEMBERS * a.l->length, err));
    RV_GOTO(dream(&a, err));
done:
    rv_latent_climber_free(a.climber);
    rv_latent_free(a.l);
    free(a.last);
    return status;
}

const rv_dreamer rv_dreamer_latent = {
    .name = "latent",
    .summary =
        "gradient ascent in the latent of a text autoencoder: says only what that can say",
    .children = MEMBERS,
    .autoencoder = true,
    .run = run,
};
