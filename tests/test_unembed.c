/* One unembedding: whoever asks for logits gets those of the pass, soft cap and bias of the head included. */
#include "golden.h"

#include "search/engine.h"
#include "search/proposal.h"

enum { LENGTH = 5, SAMPLES = 20000 };

static const int32_t FIXED[] = {1, 9, 4}, FREE[LENGTH] = {3, 14, 15, 9, 26};

typedef struct bench {
    rv_transformer *model;
    rv_target target;
    rv_problem problem;
    rv_search *search;
} bench;

/* Gives the model a bias at its head, and weights there that make it sure of itself, so that a cap shows. */
static void sharpen(rv_transformer *m, bool bias)
{
    rv_random random = rv_random_stream(7, 0, 0);
    rv_matrix *h = m->config.tied ? &m->embedding : &m->untied_head;
    rv_error err;
    for (size_t i = 0; i < m->config.width; i++) m->final_norm.weight[i] *= 4;
    if (!bias) return;
    assert_false(m->config.tied);
    assert_int_equal(RV_NEW(h->bias, h->panels * h->width, &err), RV_OK);
    for (size_t v = 0; v < h->M; v++) h->bias[v] = (real)(2 * rv_random_normal(&random));
}

static void bench_open(bench *b, const char *fixture, double cap, bool bias)
{
    char path[512];
    rv_error err;
    *b = (bench){0};
    golden_path(path, fixture, "");
    b->model = golden_model(path, NULL);
    b->model->config.logit_softcap = cap;
    sharpen(b->model, bias);
    assert_int_equal(rv_target_parse(&b->target, "L0.N5", &b->model->config, NULL, &err),
                     RV_OK);
    b->problem = (rv_problem){
        .model = b->model, .target = &b->target, .deviation = 1, .prefix = {FIXED, 3}};
    rv_search_params params = rv_search_params_default();
    params.least = params.most = LENGTH;
    params.threads = 1;
    if (rv_search_new(&b->search, &b->problem, &params, 1, SAMPLES, &err) != RV_OK)
        fail_msg("%s", err.message);
}

static void bench_close(bench *b)
{
    rv_search_free(b->search);
    rv_target_release(&b->target);
    rv_transformer_free(b->model);
}

/* -log p of every token behind FIXED, from a pass of its own. */
static void expected_nll(const rv_transformer *m, double *nll)
{
    rv_error err;
    rv_pass *pass;
    size_t V = m->config.vocabulary, last = 2;
    real *logits = rv_alloc(V, sizeof *logits);
    double sum = 0;
    rv_pass_options options = {.rows = 3, .sequences = 1, .threads = 1};
    rv_sequence sequence = {.ids = FIXED, .count = 3};
    assert_int_equal(rv_pass_new(&pass, m, &options, &err), RV_OK);
    assert_int_equal(rv_pass_begin(pass, &sequence, 1, NULL, 0, &err), RV_OK);
    rv_pass_finish(pass);
    rv_pass_logits(pass, logits, &last, 1);
    for (size_t v = 0; v < V; v++) sum += exp((double)logits[v]);
    for (size_t v = 0; v < V; v++) nll[v] = log(sum) - (double)logits[v];
    rv_pass_free(pass);
    free(logits);
}

/* Texts of one token, sampled: half the sum of |frequency - probability| is small, as it is among so many draws. */
static void samples_follow_the_model(const char *fixture, double cap, bool bias)
{
    bench b;
    rv_error err;
    bench_open(&b, fixture, cap, bias);
    size_t V = b.model->config.vocabulary;
    double *nll = rv_alloc(V, sizeof *nll), apart = 0;
    int32_t *ids = rv_alloc(SAMPLES, sizeof *ids);
    expected_nll(b.model, nll);
    assert_int_equal(rv_sample_texts(ids, b.search, SAMPLES, 1, 1, &err), RV_OK);
    for (size_t v = 0; v < V; v++) {
        size_t found = 0;
        for (size_t i = 0; i < SAMPLES; i++) found += ids[i] == (int32_t)v;
        apart += fabs((double)found / SAMPLES - exp(-nll[v])) / 2;
    }
    if (apart > 0.03) fail_msg("%s: sampled and expected are %.3f apart", fixture, apart);
    free(nll);
    free(ids);
    bench_close(&b);
}

static void sampled_behind_a_capped_head(void **state)
{
    (void)state;
    samples_follow_the_model("gemma3-capped", 0, false);
    samples_follow_the_model("gemma3-capped", 1.5, false);
}

static void sampled_behind_a_head_with_bias(void **state)
{
    (void)state;
    samples_follow_the_model("neox-pythia", 0, true);
    samples_follow_the_model("neox-pythia", 2, true);
}

/* What expansion says of tokens is what passes say; and the losses of a text judged are the losses of its parts. */
static void likelihoods_agree(const char *fixture, double cap, bool bias)
{
    bench b;
    rv_error err;
    bench_open(&b, fixture, cap, bias);
    size_t V = b.model->config.vocabulary;
    double *nll = rv_alloc(V, sizeof *nll), sum = 0;
    int32_t ids[LENGTH];
    memcpy(ids, FREE, sizeof ids);
    rv_candidate c = {.ids = ids, .length = LENGTH, .parent = -1};
    const rv_candidate *only = &c;
    assert_int_equal(rv_search_judge(b.search, &c, 1, &err), RV_OK);
    assert_int_equal(rv_search_expand(b.search, &only, 1, &err), RV_OK);
    expected_nll(b.model, nll);
    rv_effects e = rv_search_effects(b.search, &b.search->members[0], 0);
    for (size_t v = 0; v < V; v++)
        assert_true(fabs((double)e.nll[v] - nll[v]) < 1e-4 * (1 + fabs(nll[v])));
    for (size_t i = 0; i < LENGTH; i++)
        sum += rv_search_token_nll(b.search, &b.search->members[0], i, ids[i]);
    if (fabs(sum / LENGTH - c.xe) > 1e-4)
        fail_msg("%s: token by token %.6f, judged %.6f", fixture, sum / LENGTH, c.xe);
    free(nll);
    bench_close(&b);
}

static void likelihoods_of_capped_and_biased_heads(void **state)
{
    (void)state;
    likelihoods_agree("gemma3-capped", 1.5, false);
    likelihoods_agree("neox-pythia", 0, true);
    likelihoods_agree("neox-pythia", 2, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampled_behind_a_capped_head),
        cmocka_unit_test(sampled_behind_a_head_with_bias),
        cmocka_unit_test(likelihoods_of_capped_and_biased_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
