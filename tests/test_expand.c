/* Members with the same text are expanded once, those that were members the last time not at all: what is known of
 * them is bit for bit what expanding them alone gives. */
#include "golden.h"
#include "search/search.h"

enum { LENGTH = 6, MEMBERS = 4 };

static const int32_t TEXTS[][LENGTH] = {
    {3, 14, 15, 9, 26, 5}, {2, 7, 18, 28, 18, 4}, {5, 8, 13, 21, 3, 1}, {1, 1, 2, 3, 5, 8}};

typedef struct bench {
    rv_transformer *model;
    rv_target target;
    rv_problem problem;
    int32_t bos;
} bench;

static rv_search *new_search(const bench *b)
{
    rv_search *s;
    rv_error err;
    rv_search_params params = rv_search_params_default();
    params.least = params.most = LENGTH;
    params.threads = 1;
    if (rv_search_new(&s, &b->problem, &params, MEMBERS, 1, &err) != RV_OK)
        fail_msg("%s", err.message);
    return s;
}

static void expand(rv_search *s, const size_t *texts, size_t count)
{
    rv_error err;
    int32_t ids[MEMBERS][LENGTH];
    rv_candidate at[MEMBERS];
    const rv_candidate *members[MEMBERS];
    memcpy(ids, TEXTS, sizeof ids);
    for (size_t k = 0; k < count; k++) {
        at[k] = (rv_candidate){.ids = ids[texts[k]], .length = LENGTH, .parent = -1};
        members[k] = &at[k];
    }
    assert_int_equal(rv_search_expand(s, members, count, &err), RV_OK);
}

static void same(const rv_search *s, size_t k, const rv_search *alone)
{
    const rv_member *m = &s->members[k], *a = &alone->members[0];
    size_t C = s->problem->model->config.width, V = s->problem->model->config.vocabulary;
    assert_memory_equal(m->at.ids, a->at.ids, LENGTH * sizeof *m->at.ids);
    assert_memory_equal(m->values, a->values, LENGTH * sizeof *m->values);
    assert_memory_equal(m->g_gradient, a->g_gradient, LENGTH * C * sizeof(real));
    assert_memory_equal(m->nll_gradient, a->nll_gradient, LENGTH * C * sizeof(real));
    assert_memory_equal(m->cache->keys_values, a->cache->keys_values,
                        LENGTH * 2 * m->cache->key_width * sizeof(real));
    assert_memory_equal(m->cache->nll, a->cache->nll, LENGTH * sizeof(real));
    for (size_t i = 0; i < LENGTH; i++) {
        rv_effects x = rv_search_effects(s, m, i), y = rv_search_effects(alone, a, i);
        assert_memory_equal(x.dg, y.dg, V * sizeof(real));
        assert_memory_equal(x.dnll, y.dnll, V * sizeof(real));
        assert_memory_equal(x.nll, y.nll, V * sizeof(real));
    }
}

/* One generation after the other: twins, those that stay and change places, those that come back. */
static void what_is_known_moves_along(void **state)
{
    static const size_t generations[][MEMBERS] = {{0, 1, 0, 2}, {2, 0, 0, 1}, {1, 3, 2, 3},
                                                  {3, 3, 3, 3}, {3, 0, 1, 2}, {2, 1, 0, 3}};
    bench b = {.bos = 1};
    char path[512];
    rv_error err;
    (void)state;
    golden_path(path, "llama-grouped", "");
    b.model = golden_model(path, NULL);
    assert_int_equal(rv_target_parse(&b.target, "L0.N5", &b.model->config, NULL, &err), RV_OK);
    b.problem = (rv_problem){
        .model = b.model, .target = &b.target, .deviation = 1, .prefix = {&b.bos, 1}};
    rv_search *s = new_search(&b), *alone[MEMBERS];
    for (size_t t = 0; t < MEMBERS; t++) {
        alone[t] = new_search(&b);
        expand(alone[t], &t, 1);
    }
    for (size_t g = 0; g < sizeof generations / sizeof generations[0]; g++) {
        uint64_t before = s->work.forward;
        expand(s, generations[g], MEMBERS);
        assert_int_equal(s->work.forward - before, MEMBERS * LENGTH);
        for (size_t k = 0; k < MEMBERS; k++) same(s, k, alone[generations[g][k]]);
    }
    for (size_t t = 0; t < MEMBERS; t++) rv_search_free(alone[t]);
    rv_search_free(s);
    rv_target_release(&b.target);
    rv_transformer_free(b.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_moves_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
