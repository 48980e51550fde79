/* Sizes that no vector width divides, least sizes, and processors without wide vectors: every dreamer works on
 * them, and what it reports is what one pass over the text says. */
#include "autoencoder/text_autoencoder.h"
#include "known_truth.h"

#include "golden.h"
#include "search/epo.h"

enum { V = 7, D = 65, C = 65, F = 9, LAYERS = 2 };

static rv_transformer *odd_model(const rv_kernels *kernels)
{
    rv_transformer *model;
    rv_error err;
    rv_config c = {.family = "odd",
                   .vocabulary = V,
                   .context = TRUTH_CONTEXT,
                   .layers = LAYERS,
                   .width = C,
                   .heads = 1,
                   .kv_heads = 1,
                   .head_size = D,
                   .mlp_width = F,
                   .norm = RV_NORM_LAYER,
                   .norm_eps = 1e-5,
                   .learned_positions = true,
                   .activation = RV_ACT_GELU_TANH,
                   .tied = true,
                   .embedding_scale = 1};
    for (size_t l = 0; l < LAYERS; l++) c.layer[l].score_scale = 1 / sqrt(D);
    truth_check(rv_transformer_new(&model, &c, kernels, &err), &err);
    truth_check(rv_transformer_randomise(model, 5, &err), &err);
    return model;
}

static rv_text_autoencoder *untrained;

static rv_search *dream_odd(const rv_transformer *model, const rv_dreamer *d, size_t length,
                            uint64_t budget, int threads)
{
    static const int32_t bos = 0;
    static rv_target target;
    static rv_problem q;
    rv_search *s;
    rv_error err;
    rv_target_release(&target);
    truth_check(rv_target_parse(&target, "L1.N8", &model->config, NULL, &err), &err);
    q = (rv_problem){.model = model, .target = &target, .deviation = 0.25, .prefix = {&bos, 1}};
    rv_text_autoencoder_free(untrained);
    rv_text_autoencoder_config shape = rv_text_autoencoder_config_default();
    shape.width = 12, shape.heads = 3, shape.encoder_layers = shape.decoder_layers = 1;
    shape.code = 5, shape.bos = bos, shape.tokens = 3;
    truth_check(rv_text_autoencoder_new(&untrained, model, &shape, 1, &err), &err);
    q.autoencoder = d->autoencoder ? untrained : NULL;
    rv_search_params p = {
        .seed = 1, .budget = budget, .least = length, .most = length, .threads = threads};
    truth_check(rv_search_new(&s, &q, &p, d->members, d->children, &err), &err);
    truth_check(d->run(s, &err), &err);
    for (size_t i = 0; i < s->front.count; i++) {
        const rv_candidate *c = &s->front.items[i];
        double f, xe;
        truth_measure(&q, c->ids, c->length, &f, &xe);
        if (f != c->f || fabs(xe - c->xe) > 1e-6)
            fail_msg("%s on %s: (%.9g, %.9g) is said, (%.9g, %.9g) measured", d->name,
                     model->kernels->name, c->f, c->xe, f, xe);
    }
    return s;
}

static void every_dreamer_works_on_odd_sizes(void **state)
{
    (void)state;
    static const char *const tables[] = {"reference", "portable", "avx2", "avx512"};
    for (size_t t = 0; t < 4; t++) {
        const rv_kernels *kernels = rv_kernels_select(tables[t]);
        if (!kernels) continue;
        rv_transformer *model = odd_model(kernels);
        for (const rv_dreamer *const *d = rv_dreamers; *d; d++)
            for (size_t length = 1; length <= 3 && !(*d)->sentences; length += 2) {
                rv_search *s = dream_odd(model, *d, length, 600, 1);
                if (s->front.count == 0)
                    fail_msg("%s found nothing with %s", (*d)->name, tables[t]);
                rv_search_free(s);
            }
        rv_transformer_free(model);
    }
}

/* Seven tokens have 343 texts of three: whoever is serious finds the most active one. */
static void the_best_of_all_texts_is_found(void **state)
{
    (void)state;
    rv_transformer *model = odd_model(NULL);
    rv_search *s = dream_odd(model, rv_dreamer_find("reverie"), 3, 3000, 2);
    double best = -INFINITY, f, xe;
    for (int32_t i = 0; i < V * V * V; i++) {
        const int32_t ids[] = {i % V, i / V % V, i / V / V};
        truth_measure(s->problem, ids, 3, &f, &xe);
        if (f / s->problem->deviation > best) best = f / s->problem->deviation;
    }
    assert_true(rv_front_best(&s->front, INFINITY) == best);
    rv_search_free(s);
    rv_transformer_free(model);
}

/* One member with one child a step; and it is the same search on any number of threads. */
static void a_population_of_one_climbs(void **state)
{
    (void)state;
    static const rv_epo_params one = {.slots = 1,
                                      .children = 1,
                                      .top_k = 4,
                                      .restart = 30,
                                      .least_penalty = 0.1,
                                      .most_penalty = 10};
    static const int32_t bos = 0;
    rv_transformer *model = odd_model(NULL);
    rv_target target;
    rv_error err;
    double best[2];
    truth_check(rv_target_parse(&target, "L1.N8", &model->config, NULL, &err), &err);
    for (int threads = 1; threads <= 2; threads++) {
        rv_problem q = {
            .model = model, .target = &target, .deviation = 0.25, .prefix = {&bos, 1}};
        rv_search_params p = {
            .seed = 1, .budget = 400, .least = 3, .most = 3, .threads = threads};
        rv_search *s;
        truth_check(rv_search_new(&s, &q, &p, 1, 1, &err), &err);
        truth_check(rv_epo(s, &one, &err), &err);
        assert_true(s->step > 10);
        assert_true(s->work.candidates > 10);
        assert_true(s->front.count > 0);
        best[threads - 1] = rv_front_best(&s->front, INFINITY);
        rv_search_free(s);
    }
    assert_true(best[0] == best[1]);
    rv_target_release(&target);
    rv_transformer_free(model);
}

/* Not a step can be paid for: what was judged before it is told, or nothing. */
static void budgets_below_one_step_end_at_once(void **state)
{
    (void)state;
    rv_transformer *model = odd_model(NULL);
    for (const rv_dreamer *const *d = rv_dreamers; *d; d++)
        for (uint64_t budget = 1; budget <= 3 && !(*d)->sentences; budget++) {
            rv_search *s = dream_odd(model, *d, 3, budget, 1);
            assert_true(s->step <= 1);
            rv_search_free(s);
        }
    rv_transformer_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dreamer_works_on_odd_sizes),
        cmocka_unit_test(the_best_of_all_texts_is_found),
        cmocka_unit_test(a_population_of_one_climbs),
        cmocka_unit_test(budgets_below_one_step_end_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
