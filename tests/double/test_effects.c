/* What expansion says a token would do, against differences of forward, for every kind of target, and with a soft cap
 * and a bias at the head: moving a free token's vector along the embedding of another moves g and the summed loss
 * as its tables say. */
#include "../golden.h"

#include <unistd.h>

#include "base/random.h"
#include "search/search.h"
#include "target/probe.h"

#define TOLERANCE 1e-6
#define STEP      1e-4

enum { FIXED = 2, LENGTH = 5, ALL = FIXED + LENGTH, TRIED = 6 };

static const int32_t IDS[ALL] = {1, 9, 3, 14, 15, 9, 26};

typedef struct lab {
    const char *fixture, *name;
    rv_transformer *model;
    rv_target target;
    rv_probe *probe;
    real *inputs; /* (ALL, C) */
} lab;

static void add_bias(rv_transformer *m)
{
    rv_random random = rv_random_stream(7, 0, 0);
    rv_matrix *h = &m->untied_head;
    rv_error err;
    assert_false(m->config.tied);
    assert_int_equal(RV_NEW(h->bias, h->panels * h->width, &err), RV_OK);
    for (size_t v = 0; v < h->M; v++) h->bias[v] = rv_random_normal(&random);
}

/* f where it is read, and the summed loss of the free tokens. */
static void forward(lab *t, double *f, double *loss)
{
    real nll[ALL];
    rv_error err;
    rv_sequence sequence = {.ids = IDS, .inputs = t->inputs, .count = ALL};
    assert_int_equal(rv_probe_run(t->probe, &sequence, 1, &err), RV_OK);
    rv_pass_finish(t->probe->pass);
    rv_pass_losses(t->probe->pass, nll);
    *f = rv_target_read(&t->target, rv_probe_values(t->probe, 0), 0, ALL, NULL, 0);
    *loss = 0;
    for (size_t i = FIXED; i < ALL; i++) *loss += nll[i];
}

static void near(const lab *t, const char *what, size_t i, double said, double found)
{
    if (!(fabs(said - found) <= TOLERANCE * (1 + fabs(found))))
        fail_msg("%s, %s: %s at %zu: expansion says %.12g, differences of forward %.12g",
                 t->fixture, t->name, what, i, said, found);
}

/* Central differences of fourth order. */
static void compare(lab *t, const rv_search *s, size_t i, size_t v)
{
    static const double weight[] = {8.0 / 12, -1.0 / 12};
    size_t C = t->model->config.width;
    real *row = t->inputs + (FIXED + i) * C, *kept = rv_alloc(C, sizeof *kept),
         *along = rv_alloc(C, sizeof *along);
    double df = 0, dloss = 0, f, loss;
    memcpy(kept, row, C * sizeof *kept);
    rv_matrix_get_row(&t->model->embedding, v, along);
    for (int k = -2; k <= 2; k++) {
        if (k == 0) continue;
        for (size_t c = 0; c < C; c++)
            row[c] = kept[c] + k * STEP * t->model->config.embedding_scale * along[c];
        forward(t, &f, &loss);
        df += (k < 0 ? -1 : 1) * weight[abs(k) - 1] * f / STEP;
        dloss += (k < 0 ? -1 : 1) * weight[abs(k) - 1] * loss / STEP;
    }
    memcpy(row, kept, C * sizeof *kept);
    rv_effects e = rv_search_effects(s, &s->members[0], i);
    near(t, "g", i, e.dg[v], t->target.sign * df / s->problem->deviation);
    near(t, "loss", i, e.dnll[v], dloss);
    free(kept);
    free(along);
}

static void embed(lab *t)
{
    size_t C = t->model->config.width;
    t->inputs = rv_alloc(ALL * C, sizeof *t->inputs);
    for (size_t i = 0; i < ALL; i++) {
        rv_matrix_get_row(&t->model->embedding, (size_t)IDS[i], t->inputs + i * C);
        for (size_t c = 0; c < C; c++) t->inputs[i * C + c] *= t->model->config.embedding_scale;
    }
}

/* Names the neuron that fires most, which is where the true gradient is climbed. */
static void strongest_neuron(char out[32], lab *t)
{
    double best = 0, f, loss;
    for (size_t n = 0; n < t->model->config.mlp_width; n++) {
        char name[32];
        rv_error err;
        rv_pass_options options = {.rows = ALL, .sequences = 1, .threads = 1};
        snprintf(name, sizeof name, "L1.N%zu", n);
        assert_int_equal(rv_target_parse(&t->target, name, &t->model->config, NULL, &err),
                         RV_OK);
        assert_int_equal(
            rv_probe_new(&t->probe, t->model, &t->target, 1, &options, false, &err), RV_OK);
        forward(t, &f, &loss);
        if (f > best) best = f, snprintf(out, 32, "%s", name);
        rv_probe_free(t->probe);
        rv_target_release(&t->target);
    }
    assert_true(best > 0);
}

static void check(const char *fixture, double cap, bool bias, const char *name)
{
    lab t = {.fixture = fixture, .name = name};
    char path[512], neuron[32];
    rv_error err;
    int32_t ids[LENGTH];
    rv_search *s;
    golden_path(path, fixture, "");
    t.model = golden_model(path, NULL);
    if (cap > 0) t.model->config.logit_softcap = cap;
    if (bias) add_bias(t.model);
    embed(&t);
    if (!name) strongest_neuron(neuron, &t), t.name = neuron;
    if (rv_target_parse(&t.target, t.name, &t.model->config, NULL, &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_pass_options options = {.rows = ALL, .sequences = 1, .threads = 1};
    assert_int_equal(rv_probe_new(&t.probe, t.model, &t.target, 1, &options, false, &err),
                     RV_OK);
    rv_problem problem = {
        .model = t.model, .target = &t.target, .deviation = 0.5, .prefix = {IDS, FIXED}};
    rv_search_params params = rv_search_params_default();
    params.least = params.most = LENGTH;
    params.threads = 1;
    assert_int_equal(rv_search_new(&s, &problem, &params, 1, 1, &err), RV_OK);
    memcpy(ids, IDS + FIXED, sizeof ids);
    const rv_candidate c = {.ids = ids, .length = LENGTH, .parent = -1}, *only = &c;
    assert_int_equal(rv_search_expand(s, &only, 1, &err), RV_OK);
    rv_random random = rv_random_stream(3, 0, 0);
    for (size_t i = 0; i < LENGTH; i++)
        for (int k = 0; k < TRIED; k++)
            compare(&t, s, i, rv_random_below(&random, t.model->config.vocabulary));
    rv_search_free(s);
    rv_probe_free(t.probe);
    rv_target_release(&t.target);
    rv_transformer_free(t.model);
    free(t.inputs);
}

static void every_kind(void **state)
{
    static const char *const names[] = {NULL,
                                        "blocks.1.hook_resid_mid:3",
                                        "-blocks.0.attn.hook_q:2",
                                        "ln_final.hook_normalized:1",
                                        "logit:#9",
                                        "-logit:#30",
                                        "attention:L1.H1[-1,2]"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check("gemma3-plain", 0, false, names[i]);
}

/* Along a vector of a file, standardised. */
static void a_direction(void **state)
{
    enum { WIDTH = 24 };
    char path[] = "/tmp/reverie-direction-XXXXXX", name[128];
    real numbers[3][WIDTH];
    rv_tensor_source tensors[] = {{"vector", numbers[0], 1, {WIDTH}},
                                  {"mean", numbers[1], 1, {WIDTH}},
                                  {"std", numbers[2], 1, {WIDTH}}};
    rv_random random = rv_random_stream(11, 0, 0);
    rv_error err;
    int file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    close(file);
    for (size_t i = 0; i < WIDTH; i++) {
        numbers[0][i] = rv_random_normal(&random);
        numbers[1][i] = rv_random_normal(&random);
        numbers[2][i] = 0.5 + rv_random_uniform(&random);
    }
    assert_int_equal(rv_safetensors_write(path, tensors, 3, RV_F32, NULL, &err), RV_OK);
    snprintf(name, sizeof name, "-direction:%s@blocks.1.hook_resid_pre", path);
    check("gemma3-plain", 0, false, name);
    snprintf(name, sizeof name, "direction:%s@unembed.hook_in", path);
    check("gemma3-plain", 0, false, name);
    unlink(path);
}

static void a_capped_head(void **state)
{
    (void)state;
    check("gemma3-capped", 1.5, false, "logit:#9");
    check("gemma3-capped", 0.5, false, "-logit:#9");
    check("llama-grouped", 1, false, "logit:#40");
}

static void a_head_with_bias(void **state)
{
    (void)state;
    check("neox-pythia", 0, true, "logit:#9");
    check("neox-pythia", 2, true, "-logit:#12");
    check("neox-pythia", 2, true, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(a_direction),
        cmocka_unit_test(a_capped_head),
        cmocka_unit_test(a_head_with_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
