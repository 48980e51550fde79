/* Judging in two stages changes no number: f of every candidate and xe of every finished one agree bit for bit
 * with judging in one stage, and without parents to share with. */
#include <unistd.h>

#include "golden.h"
#include "search/search.h"

enum { LENGTH = 6, CHILDREN = 40 };

typedef struct bench {
    rv_transformer *model;
    rv_target target;
    rv_problem problem;
    int32_t bos;
    rv_search *search;
    int32_t ids[CHILDREN][LENGTH];
    rv_candidate children[CHILDREN];
    bool every; /* what choose wants: all, or every third */
} bench;

static void open_search(bench *b, const char *target, rv_search_params params)
{
    rv_error err;
    if (rv_target_parse(&b->target, target, &b->model->config, NULL, &err) != RV_OK)
        fail_msg("%s", err.message);
    b->bos = 1;
    b->problem = (rv_problem){
        .model = b->model, .target = &b->target, .deviation = 1, .prefix = {&b->bos, 1}};
    params.least = params.most = LENGTH;
    params.threads = 1;
    if (rv_search_new(&b->search, &b->problem, &params, 2, CHILDREN, &err) != RV_OK)
        fail_msg("%s", err.message);
}

static void open_bench(bench *b, const char *name, const char *target, bool exact)
{
    char path[512];
    rv_search_params params = rv_search_params_default();
    memset(b, 0, sizeof *b);
    golden_path(path, name, "");
    b->model = golden_model(path, NULL);
    params.exact = exact;
    open_search(b, target, params);
}

static void close_bench(bench *b)
{
    rv_search_free(b->search);
    rv_target_release(&b->target);
    rv_transformer_free(b->model);
}

/* Two parents; children that swap one token of one of them, or have the other's end. */
static void make_children(bench *b)
{
    int32_t V = (int32_t)b->model->config.vocabulary;
    int32_t parents[2][LENGTH] = {{3, 14, 15, 9, 26, 5}, {2, 7, 18, 28, 18, 4}};
    rv_candidate at[2];
    const rv_candidate *members[2] = {&at[0], &at[1]};
    rv_error err;
    for (size_t i = 0; i < 2; i++)
        at[i] = (rv_candidate){.ids = parents[i], .length = LENGTH, .parent = -1};
    assert_int_equal(rv_search_expand(b->search, members, 2, &err), RV_OK);
    for (size_t i = 0; i < CHILDREN; i++) {
        size_t parent = i % 2, place = i / 2 % LENGTH;
        memcpy(b->ids[i], parents[parent], sizeof b->ids[i]);
        if (i < 36)
            b->ids[i][place] = (int32_t)((37 * i + 11) % (size_t)V);
        else
            memcpy(b->ids[i] + 3, parents[1 - parent] + 3, 3 * sizeof **b->ids);
        b->children[i] = (rv_candidate){.ids = b->ids[i],
                                        .length = LENGTH,
                                        .parent = (long)parent,
                                        .partner = i < 36 ? 0 : 2 - parent};
    }
}

static void choose(void *context, bool *wanted, const rv_candidate *const *candidates,
                   size_t count)
{
    const bench *b = context;
    for (size_t i = 0; i < count; i++)
        wanted[i] = b->every || (candidates[i]->ids - b->ids[0]) / LENGTH % 3 == 0;
}

static void race(bench *b, bool every)
{
    rv_error err;
    b->every = every;
    make_children(b);
    const rv_race asked = {.choose = choose, .context = b};
    if (rv_search_race(b->search, b->children, CHILDREN, &asked, &err) != RV_OK)
        fail_msg("%s", err.message);
}

static void same(const bench *a, const bench *b, size_t i)
{
    const rv_candidate *x = &a->children[i], *y = &b->children[i];
    if (memcmp(&x->f, &y->f, sizeof x->f) != 0)
        fail_msg("candidate %zu: f: expected %.17g, found %.17g", i, x->f, y->f);
    if (!y->estimated && memcmp(&x->xe, &y->xe, sizeof x->xe) != 0)
        fail_msg("candidate %zu: xe: expected %.17g, found %.17g", i, x->xe, y->xe);
    if (!y->estimated && memcmp(&x->latter, &y->latter, sizeof x->latter) != 0)
        fail_msg("candidate %zu: latter: expected %.17g, found %.17g", i, x->latter, y->latter);
}

static const char *const models[] = {"llama-grouped", "gpt2-plain", "gemma3-plain",
                                     "neox-pythia"};

static void the_race_changes_no_number(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        bench whole, raced;
        open_bench(&whole, models[m], "L0.N5", true);
        open_bench(&raced, models[m], "L0.N5", false);
        race(&whole, false);
        race(&raced, false);
        size_t left_out = 0;
        for (size_t i = 0; i < CHILDREN; i++) {
            same(&whole, &raced, i);
            left_out += raced.children[i].estimated;
            assert_false(whole.children[i].estimated);
        }
        assert_in_range(left_out, CHILDREN / 2, CHILDREN * 2 / 3 + 1);
        race(
            &raced,
            true); // asked for again, and wanted now: still only an estimate, never a wrong number
        for (size_t i = 0; i < CHILDREN; i++) same(&whole, &raced, i);
        close_bench(&whole);
        close_bench(&raced);
    }
}

/* One more every time, until five are exact. */
static void choose_one(void *context, bool *wanted, const rv_candidate *const *candidates,
                       size_t count)
{
    size_t *round = context, exact = 0, next = count;
    for (size_t i = 0; i < count; i++) {
        exact += !candidates[i]->estimated;
        if (candidates[i]->estimated && next == count) next = i;
    }
    assert_int_equal(exact, *round);
    if (*round < 5) wanted[next] = true, ++*round;
}

static void a_race_of_many_rounds_changes_no_number(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        bench whole, raced;
        rv_error err;
        size_t round = 0, exact = 0;
        open_bench(&whole, models[m], "L0.N5", true);
        open_bench(&raced, models[m], "L0.N5", false);
        race(&whole, false);
        make_children(&raced);
        const rv_race asked = {.choose = choose_one, .context = &round};
        assert_int_equal(rv_search_race(raced.search, raced.children, CHILDREN, &asked, &err),
                         RV_OK);
        for (size_t i = 0; i < CHILDREN; i++) {
            same(&whole, &raced, i);
            exact += !raced.children[i].estimated;
        }
        assert_int_equal(exact, 5);
        close_bench(&whole);
        close_bench(&raced);
    }
}

/* Behind the last token nothing is left to estimate. */
static void the_estimate_of_a_swap_at_the_end_is_exact(void **state)
{
    (void)state;
    bench whole, raced;
    open_bench(&whole, "llama-grouped", "L0.N5", true);
    open_bench(&raced, "llama-grouped", "L0.N5", false);
    race(&whole, false);
    race(&raced, false);
    size_t compared = 0;
    for (size_t i = 0; i < 36; i++)
        if (raced.children[i].estimated && i / 2 % LENGTH == LENGTH - 1) {
            assert_true(fabs(raced.children[i].xe - whole.children[i].xe) < 1e-5);
            assert_true(fabs(raced.children[i].latter - whole.children[i].latter) < 1e-5);
            compared++;
        }
    assert_true(compared > 0);
    close_bench(&whole);
    close_bench(&raced);
}

/* What a text costs beyond its first half alone, which nothing behind it changes. Without a tokenizer a token counts as
 * a byte. */
static void the_latter_half_is_what_the_first_leaves(void **state)
{
    (void)state;
    bench b;
    rv_error err;
    open_bench(&b, "llama-grouped", "L0.N5", true);
    race(&b, true);
    size_t harder = 0;
    for (size_t i = 0; i < CHILDREN; i++) {
        const rv_candidate *c = &b.children[i];
        rv_candidate half = {.ids = b.ids[i], .length = LENGTH / 2, .parent = -1};
        assert_int_equal(rv_search_judge(b.search, &half, 1, &err), RV_OK);
        double latter = c->xe * LENGTH - half.xe * (LENGTH / 2), mean = latter / (LENGTH / 2);
        assert_true(fabs(c->latter - latter) < 1e-4);
        assert_true(fabs(c->xb - fmax(c->xe, mean)) < 1e-4);
        harder += mean > c->xe;
    }
    assert_true(harder > 0 && harder < CHILDREN);
    close_bench(&b);
}

/* A logit is only there at the very end, so nobody is left out. */
static void targets_at_the_end_are_judged_whole(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, "llama-grouped", "ln_final.hook_normalized:3", false);
    race(&b, false);
    for (size_t i = 0; i < CHILDREN; i++) assert_false(b.children[i].estimated);
    close_bench(&b);
}

/* An attention entry whose query stands before the changed token is read off the parent. */
static void attention_before_the_change_is_known(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, "llama-grouped", "attention:L0.H1[2,1]", false);
    race(&b, true);
    for (size_t i = 0; i < CHILDREN; i++) assert_true(isfinite(b.children[i].f));
    close_bench(&b);
}

/* The front holds finished candidates only. */
static void what_is_left_out_never_reaches_the_front(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, "llama-grouped", "L0.N5", false);
    race(&b, false);
    assert_true(b.search->front.count > 0);
    for (size_t i = 0; i < b.search->front.count; i++)
        assert_false(b.search->front.items[i].estimated);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_race_changes_no_number),
        cmocka_unit_test(a_race_of_many_rounds_changes_no_number),
        cmocka_unit_test(the_estimate_of_a_swap_at_the_end_is_exact),
        cmocka_unit_test(the_latter_half_is_what_the_first_leaves),
        cmocka_unit_test(targets_at_the_end_are_judged_whole),
        cmocka_unit_test(attention_before_the_change_is_known),
        cmocka_unit_test(what_is_left_out_never_reaches_the_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
