/* The dreamers on models whose best dreams are known (known_truth.h): do they find them? And what every dreamer promises,
 * where all of it can be computed again. bench/bench_known_truth.c measures more (docs/results.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <unistd.h>

#include "autoencoder/text_train.h"
#include "known_truth.h"

enum { SEEDS = 20, LATENT_SEEDS = 18, BUDGET = 24000, SHORT = 3000 };

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
        if ((*d)->autoencoder || (*d)->sentences) continue; // the first is for one model only
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

static rv_search *dream(const rv_dreamer *d, const rv_problem *q, const rv_search_params *p)
{
    rv_error err;
    rv_search *s;
    truth_check(rv_search_new(&s, q, p, d->members, d->children, &err), &err);
    truth_check(d->run(s, &err), &err);
    return s;
}

/* With one autoencoder, so in many seeds of one model; nothing of the latent is made for single tokens. Measured: 11 and
 * 8 to 9 of 18, by the compiler; rounding in the autoencoder's training decides which. */
static void latent_dreamers_find_the_one_token_trigger(void **state)
{
    (void)state;
    static const struct {
        const rv_dreamer *dreamer;
        size_t least;
    } wanted[] = {{&rv_dreamer_latent, 6}, {&rv_dreamer_evolve, 5}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t found = 0;
        for (uint64_t seed = 1; seed <= LATENT_SEEDS; seed++)
            found += truth_recover(models[1], wanted[i].dreamer, 0, seed, BUDGET) > 0;
        if (found < wanted[i].least)
            fail_msg("%s: %zu of %d, expected %zu", wanted[i].dreamer->name, found,
                     LATENT_SEEDS, wanted[i].least);
    }
}

/* A budget that ends in the middle, and the same search to its end; both from the same journal. */
static void the_same_seed_dreams_the_same(void **state)
{
    (void)state;
    char journal[] = "/tmp/reverie-journal-XXXXXX";
    int file = mkstemp(journal);
    assert_true(file >= 0);
    close(file);
    unlink(journal);
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++) {
        if ((*d)->sentences) continue; // there is no text here
        rv_problem q = truth_problem(models[1], 1);
        rv_search_params p = {.seed = 5, .budget = SHORT, .least = 4, .most = 4, .threads = 1};
        rv_search *whole = dream(*d, &q, &p);
        p.journal = journal;
        p.threads = 2;
        rv_search_free(dream(*d, &q, &p));
        rv_search *again = dream(*d, &q, &p); // all of it from the journal
        assert_int_equal(again->work.forward, whole->work.forward);
        assert_int_equal(again->work.backward, whole->work.backward);
        assert_int_equal(again->front.count, whole->front.count);
        for (size_t i = 0; i < whole->front.count; i++) {
            const rv_candidate *a = &again->front.items[i], *b = &whole->front.items[i];
            assert_int_equal(a->length, b->length);
            assert_memory_equal(a->ids, b->ids, a->length * sizeof *a->ids);
            assert_true(a->g == b->g && a->xe == b->xe);
        }
        rv_search_free(whole);
        rv_search_free(again);
        unlink(journal);
    }
}

static void a_search_for_sentences_needs_a_corpus(void **state)
{
    (void)state;
    rv_error err;
    rv_search *s;
    rv_problem q = truth_problem(models[1], 1);
    rv_search_params p = {.seed = 1, .budget = SHORT, .least = 4, .most = 4, .threads = 1};
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++) {
        if (!(*d)->sentences) continue;
        truth_check(rv_search_new(&s, &q, &p, (*d)->members, (*d)->children, &err), &err);
        assert_int_equal((*d)->run(s, &err), RV_ERR_USAGE);
        assert_non_null(strstr(err.message, "sentences of a corpus"));
        rv_search_free(s);
    }
}

static void latent_dreamers_need_an_autoencoder(void **state)
{
    (void)state;
    rv_error err;
    rv_search *s;
    rv_problem q = truth_problem(models[2], 1);
    rv_search_params p = {.seed = 1, .budget = SHORT, .least = 4, .most = 4, .threads = 1};
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++) {
        if (!(*d)->autoencoder) continue;
        q.autoencoder = NULL, p.least = p.most = 4;
        truth_check(rv_search_new(&s, &q, &p, 0, (*d)->children, &err), &err);
        assert_int_equal((*d)->run(s, &err), RV_ERR_USAGE);
        rv_search_free(s);
        q.autoencoder = models[1]->autoencoder, p.least = p.most = 9;
        truth_check(rv_search_new(&s, &q, &p, 0, (*d)->children, &err), &err);
        assert_int_equal((*d)->run(s, &err), RV_ERR_USAGE);
        assert_non_null(strstr(err.message, "the autoencoder's 6 tokens"));
        rv_search_free(s);
    }
}

/* ---- what every dreamer promises ------------------------------------------------------------- */

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
            if (k != i && o->g >= c->g && o->xe <= c->xe && o->xb <= c->xb)
                fail_msg("%s: (%g, %g, %g) is dominated by (%g, %g, %g)", name, c->g, c->xe,
                         c->xb, o->g, o->xe, o->xb);
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
        for (int round = 0; round < 5 && !(*d)->sentences; round++) {
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
        for (uint64_t budget = 200; budget < 5000 && !(*d)->sentences;
             budget = budget * 7 / 3) {
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

/* A text autoencoder of the first model, trained on what it finds likely. */
static rv_text_autoencoder *train_autoencoder(const truth *t)
{
    enum { STREAM = 60000, STEPS = 500 };
    rv_error err;
    rv_text_autoencoder *ae;
    rv_text_windows windows;
    rv_text_cache cache;
    rv_text_curve curve;
    bool done;
    int32_t *stream = rv_alloc(STREAM, sizeof *stream);
    rv_random random = rv_random_stream(8, 0, 0);
    for (size_t i = 0; i < STREAM; i++)
        stream[i] = i % 30 == 0 ? 1 + (int32_t)rv_random_below(&random, TRUTH_V - 1)
                                : t->next[stream[i - 1]][rv_random_below(&random, TRUTH_NEXT)];
    rv_text_autoencoder_config c = rv_text_autoencoder_config_default();
    c.width = 32, c.heads = 2, c.encoder_layers = 1, c.decoder_layers = 1, c.code = 16;
    c.tokens = 6, c.tokens_per_slot = 1, c.bos = t->bos, c.noise = 0.3;
    truth_check(rv_text_autoencoder_new(&ae, t->model, &c, 1, &err), &err);
    truth_check(rv_text_windows_cut(&windows, stream, STREAM, 3, 6, 60000, 16, 1, &err), &err);
    char path[] = "/tmp/reverie-cache-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    truth_check(rv_text_cache_open(&cache, path, ae, "truth", &windows, 1, NULL, NULL, &err),
                &err);
    unlink(path);
    rv_text_train_settings s = rv_text_train_settings_default();
    s.steps = STEPS, s.batch = 32, s.draws = 300, s.rate = 0.005, s.cycle_weight = 0;
    s.dropout = s.corruption = s.replaced = s.shuffled = 0;
    s.judge_every = STEPS;
    truth_check(rv_text_train(&curve, &done, ae, &windows, &cache, &s, &err), &err);
    if (!(curve.items[0].accuracy > 0.9))
        fail_msg("the autoencoder learned to write %g of the tokens again",
                 curve.items[0].accuracy);
    rv_text_curve_release(&curve);
    rv_text_cache_release(&cache);
    rv_text_windows_release(&windows);
    free(stream);
    return ae;
}

static int set_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) models[seed] = truth_new(seed);
    models[1]->autoencoder = train_autoencoder(models[1]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rv_text_autoencoder_free((rv_text_autoencoder *)models[1]->autoencoder);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) truth_free(models[seed]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dreamer_finds_the_one_token_trigger_in_every_seed),
        cmocka_unit_test(most_dreamers_find_the_two_token_trigger_in_most_seeds),
        cmocka_unit_test(reverie_finds_three_token_triggers),
        cmocka_unit_test(latent_dreamers_find_the_one_token_trigger),
        cmocka_unit_test(a_search_for_sentences_needs_a_corpus),
        cmocka_unit_test(latent_dreamers_need_an_autoencoder),
        cmocka_unit_test(the_same_seed_dreams_the_same),
        cmocka_unit_test(fronts_hold_what_a_fresh_pass_says),
        cmocka_unit_test(budgets_are_kept),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
