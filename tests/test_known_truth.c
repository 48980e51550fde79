/* The dreamers on models whose best dreams are known (known_truth.h): do they find them? And what every dreamer promises,
 * where all of it can be computed again. bench/bench_known_truth.c measures more (docs/results.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "known_truth.h"

enum { SEEDS = 20, BUDGET = 24000, SHORT = 3000 };

static truth *models[SEEDS + 1]; /* by seed */

/* ---- recovery ------------------------------------------------------------------------------------ */

/* In how many of the first seeds the phrase is found. */
static size_t recovered(const rv_dreamer *d, size_t phrase, uint64_t seeds)
{
    size_t found = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        found += truth_recover(models[seed], d, phrase, seed, BUDGET) > 0;
    return found;
}

static void every_dreamer_finds_the_one_token_trigger_in_every_seed(void **state)
{
    (void)state;
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++) {
        size_t found = recovered(*d, 0, SEEDS);
        if (found != SEEDS) fail_msg("%s: %zu of %d", (*d)->name, found, SEEDS);
    }
}

/* A first token that means nothing without the second: nothing rewards half of the phrase. */
static void most_dreamers_find_the_two_token_trigger_in_most_seeds(void **state)
{
    (void)state;
    static const struct {
        const rv_dreamer *dreamer;
        size_t seeds, least;
    } wanted[] = {{&rv_dreamer_reverie, SEEDS, SEEDS - 2},
                  {&rv_dreamer_gumbel, SEEDS, SEEDS - 2},
                  {&rv_dreamer_epo, 10, 6}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t found = recovered(wanted[i].dreamer, 1, wanted[i].seeds);
        if (found < wanted[i].least)
            fail_msg("%s: %zu of %zu, expected %zu", wanted[i].dreamer->name, found,
                     wanted[i].seeds, wanted[i].least);
    }
}

static void reverie_finds_three_token_triggers(void **state)
{
    (void)state;
    size_t found = recovered(&rv_dreamer_reverie, 2, SEEDS);
    if (found < 5) fail_msg("%zu of %d", found, SEEDS);
}

/* ---- what every dreamer promises ------------------------------------------------------------- */

static rv_search *dream(const rv_dreamer *d, const rv_problem *q, const rv_search_params *p)
{
    rv_error err;
    rv_search *s;
    truth_check(rv_search_new(&s, q, p, d->members, d->children, &err), &err);
    truth_check(d->run(s, &err), &err);
    return s;
}

static void front_is_sound(const char *name, const rv_search *s)
{
    const rv_problem *q = s->problem;
    if (s->front.count == 0) fail_msg("%s: found nothing", name);
    for (size_t i = 0; i < s->front.count; i++) {
        const rv_candidate *c = &s->front.items[i];
        double f, xe;
        truth_measure(q, c->ids, c->length, &f, &xe);
        if (c->f != f || c->xe != xe)
            fail_msg("%s: found f %.17g, xe %.17g; expected %.17g, %.17g", name, c->f, c->xe, f,
                     xe);
        if (c->length < s->params.least || c->length > s->params.most)
            fail_msg("%s: found %zu tokens", name, c->length);
        for (size_t k = 0; k < c->length; k++) assert_false(q->forbidden[c->ids[k]]);
        for (size_t k = 0; k < s->front.count; k++) {
            const rv_candidate *o = &s->front.items[k];
            if (k != i && o->g >= c->g && o->xe <= c->xe)
                fail_msg("%s: (%g, %g) is dominated by (%g, %g)", name, c->g, c->xe, o->g,
                         o->xe);
        }
    }
}

/* Cached prefixes, insertions and deletions, a template on both sides, all readings: what a front says of its
 * texts is what one fresh pass over the whole says, bit for bit. */
static void fronts_hold_what_a_fresh_pass_says(void **state)
{
    (void)state;
    static const int32_t before[] = {TRUTH_BOS, 7, 21}, behind[] = {5, 90};
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++)
        for (int round = 0; round < 5; round++) {
            rv_problem q = truth_problem(models[1], 1);
            rv_target target = models[1]->target[1];
            rv_search_params p = {
                .seed = 3, .budget = SHORT, .least = 4, .most = 4, .threads = 1};
            if (round == 1) p.least = 2, p.most = 6;
            if (round >= 2)
                q.prefix = (rv_ids_view){before, 3}, q.suffix = (rv_ids_view){behind, 2};
            if (round == 2) p.least = 3, p.most = 5;
            if (round == 3) target.reading = RV_READ_MAX;
            if (round == 4) target.reading = RV_READ_AT, target.position = -4;
            q.target = &target;
            rv_search *s = dream(*d, &q, &p);
            front_is_sound((*d)->name, s);
            rv_search_free(s);
        }
}

/* Less than one step may be spent beyond the budget. */
static void budgets_are_kept(void **state)
{
    (void)state;
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++)
        for (uint64_t budget = 200; budget < 5000; budget = budget * 7 / 3) {
            rv_problem q = truth_problem(models[1], 1);
            rv_search_params p = {
                .seed = 1, .budget = budget, .least = 4, .most = 4, .threads = 1};
            rv_search *s = dream(*d, &q, &p);
            size_t step = ((*d)->members + (*d)->children) * p.most;
            if (s->work.forward >= budget + step)
                fail_msg("%s: budget %zu: spent %zu", (*d)->name, (size_t)budget,
                         (size_t)s->work.forward);
            rv_search_free(s);
        }
}

static int set_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) models[seed] = truth_new(seed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) truth_free(models[seed]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dreamer_finds_the_one_token_trigger_in_every_seed),
        cmocka_unit_test(most_dreamers_find_the_two_token_trigger_in_most_seeds),
        cmocka_unit_test(reverie_finds_three_token_triggers),
        cmocka_unit_test(fronts_hold_what_a_fresh_pass_says),
        cmocka_unit_test(budgets_are_kept),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
