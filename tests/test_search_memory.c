/* Long dreams and large populations within a stated memory, and the same results with little of it as with much. */
#include "known_truth.h"

#include <math.h>
#include <sys/resource.h>

#include "golden.h"
#include "search/epo.h"
#include "search/proposal.h"

enum { V = 3000, C = 32, LONG = 512, CONTEXT = LONG + 8, MIB = 1 << 20 };

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* clang says it so, gcc defines it */
#endif
#endif
#ifdef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while, and shadows the rest */
enum { MEMORY_IS_MEASURABLE = 0 };
#else
enum { MEMORY_IS_MEASURABLE = 1 };
#endif

static rv_transformer *model;
static rv_target target;

static rv_problem problem(const char *name)
{
    static const int32_t bos = 0;
    rv_error err;
    rv_target_release(&target);
    truth_check(rv_target_parse(&target, name, &model->config, NULL, &err), &err);
    return (rv_problem){
        .model = model, .target = &target, .deviation = 0.25, .prefix = {&bos, 1}};
}

static size_t most_resident(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* Expands `members` random texts of LONG tokens with at most `memory` bytes, and looks at every table. */
static void expand_long(size_t members, size_t memory)
{
    rv_problem q = problem("L1.N8");
    rv_search_params p = {.seed = 1,
                          .budget = 1 << 30,
                          .least = LONG,
                          .most = LONG,
                          .threads = 2,
                          .memory = memory};
    rv_search *s;
    rv_error err;
    size_t before = most_resident();
    truth_check(rv_search_new(&s, &q, &p, members, 256, &err), &err);
    assert_true(rv_search_planned(s)->bytes <= memory);
    rv_candidate *texts = calloc(members, sizeof *texts);
    const rv_candidate **at = calloc(members, sizeof *at);
    int32_t *ids = calloc(members * LONG, sizeof *ids);
    real *score = calloc(V, sizeof *score);
    rv_random random = rv_search_random(s, 1);
    rv_random_ids(ids, members * LONG, s, &random);
    for (size_t k = 0; k < members; k++) {
        texts[k] = (rv_candidate){.ids = ids + k * LONG, .length = LONG, .parent = -1};
        at[k] = &texts[k];
    }
    truth_check(rv_search_expand(s, at, members, &err), &err);
    for (size_t k = 0; k < members; k += 1 + members / 4)
        for (size_t i = 0; i < LONG; i++) rv_swap_scores(score, s, &s->members[k], i, 1, false);
    for (size_t k = 0; k < members && k < 8; k++)
        texts[k].ids[LONG - 1] ^= 1, texts[k].parent = (long)k;
    truth_check(rv_search_judge(s, texts, members < 8 ? members : 8, &err), &err);
    if (MEMORY_IS_MEASURABLE) assert_true(most_resident() - before < memory + memory / 8);
    free(score);
    free(texts);
    free(at);
    free(ids);
    rv_search_free(s);
}

static void long_dreams_and_large_populations_stay_within_their_memory(void **state)
{
    (void)state;
    expand_long(8, 40 * (size_t)MIB);
    expand_long(256, 160 * (size_t)MIB);
}

/* One round of a dreamer that holds more than judging takes; *planned: all of it. */
static rv_status dream(const char *name, size_t length, size_t memory, size_t *planned,
                       rv_error *err)
{
    rv_problem q = problem("L1.N8");
    rv_search_params p = {.seed = 1,
                          .budget = 1,
                          .least = length,
                          .most = length,
                          .threads = 1,
                          .memory = memory};
    const rv_dreamer *d = rv_dreamer_find(name);
    rv_search *s;
    truth_check(rv_search_new(&s, &q, &p, d->members, d->children, err), err);
    rv_status status = d->run(s, err);
    *planned = rv_search_planned(s)->bytes;
    rv_search_free(s);
    return status;
}

static void what_a_dreamer_holds_itself_is_planned(void **state)
{
    (void)state;
    static const char *const names[] = {"naive", "pez", "gumbel", "beam"};
    rv_error err;
    size_t needed, again, before = most_resident();
    truth_check(dream("gumbel", LONG, 0, &needed, &err), &err);
    if (MEMORY_IS_MEASURABLE) {
        size_t held = most_resident() - before;
        assert_true(held < needed + needed / 8 && held > needed / 2);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        truth_check(dream(names[i], 24, 0, &needed, &err), &err);
        truth_check(dream(names[i], 24, needed, &again, &err), &err);
        assert_int_equal(again, needed);
        assert_int_equal(dream(names[i], 24, needed - 1, &again, &err), RV_ERR_USAGE);
        assert_non_null(strstr(err.message, "memory of the search: expected at least"));
    }
}

static rv_search *search(const char *name, size_t memory, bool exact)
{
    static const rv_epo_params small = {
        .slots = 4, .children = 8, .top_k = 64, .least_penalty = 0.1, .most_penalty = 10};
    static rv_problem q;
    q = problem(name);
    rv_search_params p = {.seed = 1,
                          .budget = 4000,
                          .least = 20,
                          .most = 20,
                          .threads = 1,
                          .exact = exact,
                          .memory = memory};
    rv_search *s;
    rv_error err;
    truth_check(rv_search_new(&s, &q, &p, 4, 32, &err), &err);
    if (memory) assert_true(rv_search_planned(s)->bytes <= memory);
    truth_check(rv_epo(s, &small, &err), &err);
    return s;
}

static void little_memory_finds_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"L1.N8", "attention:L0.H1[-1,0]"};
    for (size_t t = 0; t < 2; t++) {
        rv_search *much = search(names[t], 0, true), *little = search(names[t], MIB, true);
        assert_true(rv_search_planned(little)->table_rows < 80);
        assert_true(rv_search_planned(little)->expanded < 4);
        assert_true(rv_search_planned(little)->judged_rows <
                    rv_search_planned(much)->judged_rows);
        assert_true(much->front.count > 1);
        assert_int_equal(much->front.count, little->front.count);
        for (size_t i = 0; i < much->front.count; i++) {
            assert_true(much->front.items[i].f == little->front.items[i].f);
            assert_true(much->front.items[i].xe == little->front.items[i].xe);
        }
        rv_search_free(much);
        rv_search_free(little);
    }
}

/* What a race estimates from is the same number, wherever it comes from. */
static void single_losses_are_those_of_the_tables(void **state)
{
    (void)state;
    rv_search *s = search("L1.N8", 2 * MIB, false);
    const rv_member *m = &s->members[1];
    for (size_t i = 0; i < m->at.length; i++) {
        rv_effects e = rv_search_effects(s, m, i);
        double all = 0;
        for (int32_t v = 0; v < V; v++) {
            all += exp(-(double)e.nll[v]);
            if (v % 97 == 0)
                assert_true(fabs(rv_search_token_nll(s, m, i, v) - (double)e.nll[v]) < 1e-4);
        }
        assert_true(fabs(all - 1) < 1e-4);
    }
    rv_search_free(s);
}

static void too_little_memory_is_refused(void **state)
{
    (void)state;
    rv_problem q = problem("L1.N8");
    rv_search_params p = {
        .seed = 1, .budget = 10000, .least = LONG, .most = LONG, .memory = MIB};
    rv_search *s;
    rv_error err;
    assert_int_equal(rv_search_new(&s, &q, &p, 8, 256, &err), RV_ERR_USAGE);
    size_t least = 0;
    const char *at = strstr(err.message, "at least ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "at least %zu MiB", &least), 1);
    assert_true(least > 1 && least < 60);
    p.memory = least * MIB;
    truth_check(rv_search_new(&s, &q, &p, 8, 256, &err), &err);
    rv_search_free(s);
}

static int set_up(void **state)
{
    (void)state;
    rv_error err;
    rv_config c = {.family = "long",
                   .vocabulary = V,
                   .context = CONTEXT,
                   .layers = 2,
                   .width = C,
                   .heads = 2,
                   .kv_heads = 2,
                   .head_size = 16,
                   .mlp_width = 64,
                   .norm = RV_NORM_LAYER,
                   .norm_eps = 1e-5,
                   .learned_positions = true,
                   .activation = RV_ACT_GELU_TANH,
                   .tied = true,
                   .embedding_scale = 1};
    for (size_t l = 0; l < 2; l++) c.layer[l].score_scale = 0.25;
    truth_check(rv_transformer_new(&model, &c, NULL, &err), &err);
    truth_check(rv_transformer_randomise(model, 3, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rv_target_release(&target);
    rv_transformer_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_dreamer_holds_itself_is_planned),
        cmocka_unit_test(long_dreams_and_large_populations_stay_within_their_memory),
        cmocka_unit_test(little_memory_finds_the_same),
        cmocka_unit_test(single_losses_are_those_of_the_tables),
        cmocka_unit_test(too_little_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
