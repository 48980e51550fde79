/* What replacing a token does, to first order, against transformers: the gradient of the cross-entropy
 * with respect to the one-hot matrix of a text, through the input and through the label, and that
 * of a neuron. tests/fixtures/onehot, made by tools/make_golden_onehot.py. The first token stands
 * fixed before the text that a search may change. */
#include <math.h>

#include "golden.h"
#include "search/search.h"

#define TOLERANCE 1e-4

typedef struct text {
    golden_fixture fixture;
    rv_transformer *model;
    rv_target target;
    rv_problem problem;
    rv_search *search;
    size_t n, V; /* tokens that may change */
} text;

static void expand(text *t, const char *name)
{
    char path[512], written[64];
    rv_error err;
    golden_load(&t->fixture, name);
    golden_path(path, name, "");
    t->model = golden_model(path, NULL);
    const json_t *neuron = json_object_get(t->fixture.about, "neuron");
    snprintf(written, sizeof written, "L%lld.N%lld",
             json_integer_value(json_object_get(neuron, "layer")),
             json_integer_value(json_object_get(neuron, "index")));
    assert_int_equal(rv_target_parse(&t->target, written, &t->model->config, NULL, &err),
                     RV_OK);
    t->V = t->model->config.vocabulary;
    t->n = t->fixture.length[0] - 1;
    int32_t *ids = t->fixture.ids[0];
    t->problem = (rv_problem){
        .model = t->model, .target = &t->target, .deviation = 1, .prefix = {ids, 1}};
    rv_search_params params = rv_search_params_default();
    params.least = params.most = t->n;
    params.threads = 1;
    if (rv_search_new(&t->search, &t->problem, &params, 1, 1, &err) != RV_OK)
        fail_msg("%s", err.message);
    const rv_candidate candidate = {.ids = ids + 1, .length = t->n, .parent = -1},
                       *candidates[] = {&candidate};
    assert_int_equal(rv_search_expand(t->search, candidates, 1, &err), RV_OK);
}

static void release(text *t)
{
    rv_search_free(t->search);
    rv_target_release(&t->target);
    rv_transformer_free(t->model);
    golden_release(&t->fixture);
}

/* Rows 1 to n of a golden matrix (n + 1, V). */
static void agrees(const text *t, const rv_checkpoint *golden, const char *what,
                   const real *ours)
{
    const rv_tensor *tensor = rv_checkpoint_find(golden, what);
    rv_error err;
    double worst = 0, largest = 0;
    size_t numbers = t->n * t->V;
    assert_non_null(tensor);
    assert_int_equal(tensor->elements, numbers + t->V);
    real *theirs = rv_alloc(numbers, sizeof *theirs);
    assert_int_equal(rv_tensor_read_rows(tensor, 1, t->n, theirs, &err), RV_OK);
    for (size_t i = 0; i < numbers; i++) {
        double off = fabs((double)theirs[i] - (double)ours[i]);
        worst = fmax(worst, isnan(off) ? INFINITY : off);
        largest = fmax(largest, fabs((double)theirs[i]));
    }
    free(theirs);
    print_message("%s, %s: off by %.1e of the largest\n", t->fixture.name, what,
                  worst / largest);
    assert_true(worst <= TOLERANCE * largest);
}

static void gradients_agree(void **state)
{
    text t = {0};
    char path[512];
    expand(&t, *state);
    snprintf(path, sizeof path, "tests/fixtures/onehot/%s.safetensors", t.fixture.name);
    rv_checkpoint *golden = golden_open(path);
    const rv_member *m = &t.search->members[0];
    real *both = rv_alloc(t.n * t.V, sizeof *both), *dg = rv_alloc(t.n * t.V, sizeof *dg);
    for (size_t i = 0; i < t.n; i++) {
        rv_effects e = rv_search_effects(t.search, m, i);
        memcpy(dg + i * t.V, e.dg, t.V * sizeof *dg);
        for (size_t v = 0; v < t.V; v++) both[i * t.V + v] = e.dnll[v] + e.nll[v];
    }
    agrees(&t, golden, "loss", both);
    agrees(&t, golden, "neuron", dg);
    free(both);
    free(dg);
    rv_checkpoint_close(golden);
    release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"gpt2-plain", gradients_agree, NULL, NULL, "gpt2-plain"},
        {"neox-sequential", gradients_agree, NULL, NULL, "neox-sequential"},
        {"llama-grouped", gradients_agree, NULL, NULL, "llama-grouped"},
        {"gemma3-capped", gradients_agree, NULL, NULL, "gemma3-capped"},
    };
    return cmocka_run_group_tests_name("one-hot gradients agree with transformers", tests, NULL,
                                       NULL);
}
