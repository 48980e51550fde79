/* Whole models against Hugging Face transformers: for every fixture in tests/fixtures/models logits,
 * losses, the value at every site and gradients agree within 1e-4 of the tensor's largest number. */
#include <math.h>

#include "golden.h"

#define TOLERANCE 1e-4

typedef struct judged {
    const golden_fixture *fixture;
    const char *file;    /* what was loaded, for messages */
    const char *kernels; /* likewise */
    rv_transformer *model;
    rv_pass *pass;
    rv_sequence sequences[GOLDEN_SEQUENCES];
    size_t first[GOLDEN_SEQUENCES]; /* row of each sequence */
    size_t rows, compared, wrong;
    double worst; /* difference so far, of a tensor's largest number */
} judged;

/* ---- comparing -------------------------------------------------------------------------------- */

/* Whether golden has the tensor; then counts it, and reports it where ours (elements) differs. Two
 * infinities are equal. */
static bool agrees(judged *j, const char *name, const real *ours, size_t elements)
{
    const rv_tensor *t = rv_checkpoint_find(j->fixture->values, name);
    if (!t) return false;
    rv_error err;
    real *golden = rv_alloc(t->elements, sizeof *golden);
    assert_int_equal(rv_tensor_read(t, golden, &err), RV_OK);
    double worst = 0, largest = 0;
    size_t at = 0;
    if (t->elements != elements)
        fail_msg("%s %s: expected %zu numbers, found %zu", j->file, name, t->elements,
                 elements);
    for (size_t i = 0; i < elements; i++) {
        double difference = golden[i] == ours[i] ? 0 : fabs((double)golden[i] - ours[i]);
        if (isfinite(golden[i])) largest = fmax(largest, fabs(golden[i]));
        if (difference > worst || isnan(difference)) {
            worst = isnan(difference) ? INFINITY : difference;
            at = i;
        }
    }
    j->compared++;
    if (worst > 0) j->worst = fmax(j->worst, worst / largest);
    if (!(worst <= TOLERANCE * largest)) {
        j->wrong++;
        print_error("%s (%s kernels) %s: off by %.2e of its largest number; at %zu expected "
                    "%.8g, found %.8g\n",
                    j->file, j->kernels, name, worst / largest, at, golden[at], ours[at]);
    }
    free(golden);
    return true;
}

static void must_agree(judged *j, const char *name, const real *ours, size_t elements)
{
    if (!agrees(j, name, ours, elements)) fail_msg("%s: golden has no %s", j->file, name);
}

static const real *rows_of(const judged *j, const real *values, size_t sequence, size_t width)
{
    return values + j->first[sequence] * width;
}

/* ---- running ---------------------------------------------------------------------------------- */

static void forward(judged *j, const rv_tap *taps, size_t count, size_t sequences)
{
    rv_error err;
    if (rv_pass_begin(j->pass, j->sequences, sequences, taps, count, &err) != RV_OK)
        fail_msg("%s: %s", j->file, err.message);
    rv_pass_forward(j->pass, j->model->config.layers);
    rv_pass_finish(j->pass);
}

/* Weights under which the sum of losses is the mean over positions 1..T-1 of every sequence. */
static real *mean_weights(const judged *j)
{
    real *weights = rv_alloc(j->rows, sizeof *weights);
    size_t row = 0;
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++)
        for (size_t i = 0; i < j->fixture->length[s]; i++)
            weights[row++] = i ? (real)1 / (real)(j->fixture->length[s] - 1) : 0;
    return weights;
}

static void check_logits_and_losses(judged *j)
{
    size_t V = j->model->config.vocabulary;
    real *logits = rv_alloc(j->rows * V, sizeof *logits), *nll = rv_alloc(j->rows, sizeof *nll);
    size_t *index = rv_alloc(j->rows, sizeof *index);
    for (size_t r = 0; r < j->rows; r++) index[r] = r;
    forward(j, NULL, 0, GOLDEN_SEQUENCES);
    rv_pass_logits(j->pass, logits, index, j->rows);
    rv_pass_losses(j->pass, nll);
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++) {
        char name[64];
        size_t T = j->fixture->length[s];
        const real *own = rows_of(j, nll, s, 1);
        snprintf(name, sizeof name, "%zu.logits", s);
        must_agree(j, name, rows_of(j, logits, s, V), T * V);
        double sum = 0;
        for (size_t i = 1; i < T; i++) sum += own[i];
        real mean = (real)(sum / (double)(T - 1));
        snprintf(name, sizeof name, "%zu.loss", s);
        must_agree(j, name, &mean, 1);
    }
    free(logits);
    free(nll);
    free(index);
}

static rv_site site_named(const judged *j, const char *name)
{
    rv_site site;
    rv_error err;
    if (rv_site_parse(&site, name, &j->model->config, &err) != RV_OK)
        fail_msg("%s: %s", j->file, err.message);
    return site;
}

/* Numbers that a tap holds for sequence 0, which comes first in every kind of site. */
static size_t first_sequence_numbers(const judged *j, rv_site site)
{
    size_t T = j->fixture->length[0];
    if (rv_site_is_map(site)) return j->model->config.heads * T * T;
    return T * rv_site_width(site, &j->model->config);
}

/* Size in numbers of a tap's buffers, for any site of the batch. */
static size_t tap_numbers(const judged *j, rv_site site)
{
    size_t T = j->fixture->length[0], U = j->fixture->length[1];
    if (rv_site_is_map(site)) return j->model->config.heads * (T * T + U * U);
    return j->rows * rv_site_width(site, &j->model->config);
}

static void check_sites(judged *j)
{
    const json_t *names = json_object_get(j->fixture->about, "sites"), *name;
    size_t count = json_array_size(names), i;
    rv_tap *taps = rv_alloc(count, sizeof *taps);
    json_array_foreach(names, i, name)
    {
        taps[i].site = site_named(j, json_string_value(name));
        taps[i].value = rv_alloc(tap_numbers(j, taps[i].site), sizeof(real));
    }
    forward(j, taps, count, GOLDEN_SEQUENCES);
    json_array_foreach(names, i, name)
    {
        char tensor[160];
        snprintf(tensor, sizeof tensor, "0.site.%s", json_string_value(name));
        assert_int_equal(rv_pass_site_size(j->pass, taps[i].site),
                         tap_numbers(j, taps[i].site));
        must_agree(j, tensor, taps[i].value, first_sequence_numbers(j, taps[i].site));
        free(taps[i].value);
    }
    free(taps);
}

static void compare_input_gradient(judged *j, const char *what)
{
    size_t C = j->model->config.width;
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++) {
        char name[64];
        snprintf(name, sizeof name, "%zu.grad_embed.%s", s, what);
        must_agree(j, name, rows_of(j, rv_pass_input_gradient(j->pass), s, C),
                   j->fixture->length[s] * C);
    }
}

static void check_loss_gradient(judged *j)
{
    const json_t *names = json_object_get(j->fixture->about, "grad_sites"), *name;
    size_t count = json_array_size(names), i;
    rv_tap *taps = rv_alloc(count, sizeof *taps);
    real *nll = rv_alloc(j->rows, sizeof *nll), *weights = mean_weights(j);
    json_array_foreach(names, i, name)
    {
        taps[i].site = site_named(j, json_string_value(name));
        taps[i].gradient = rv_alloc(tap_numbers(j, taps[i].site), sizeof(real));
    }
    forward(j, taps, count, GOLDEN_SEQUENCES);
    rv_pass_losses(j->pass, nll);
    rv_pass_backward(j->pass, weights, NULL);
    compare_input_gradient(j, "loss");
    json_array_foreach(names, i, name)
    {
        char tensor[160];
        snprintf(tensor, sizeof tensor, "0.grad_site.%s", json_string_value(name));
        must_agree(j, tensor, taps[i].gradient, first_sequence_numbers(j, taps[i].site));
        free(taps[i].gradient);
    }
    free(taps);
    free(nll);
    free(weights);
}

/* Both sequences' neurons are seeded at once: they do not see each other. */
static void check_neuron_gradient(judged *j)
{
    const json_t *neuron = json_object_get(j->fixture->about, "neuron");
    size_t layer = (size_t)json_integer_value(json_object_get(neuron, "layer"));
    size_t index = (size_t)json_integer_value(json_object_get(neuron, "index"));
    size_t F = j->model->config.mlp_width;
    real *seed = rv_alloc(j->rows * F, sizeof *seed);
    real *value = rv_alloc(j->rows * F, sizeof *value);
    rv_tap tap = {.site = {RV_SITE_MLP_POST, layer}, .seed = seed, .value = value};
    for (size_t s = 0, row = 0; s < GOLDEN_SEQUENCES; s++) {
        row += j->fixture->length[s];
        seed[(row - 1) * F + index] = 1;
    }
    forward(j, &tap, 1, GOLDEN_SEQUENCES);
    rv_pass_backward(j->pass, NULL, NULL);
    compare_input_gradient(j, "neuron");
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++) {
        char name[64];
        snprintf(name, sizeof name, "%zu.neuron", s);
        must_agree(j, name, rows_of(j, value, s, F) + (j->fixture->length[s] - 1) * F + index,
                   1);
    }
    free(seed);
    free(value);
}

/* A gradient can be seeded at every site: cos(0), cos(1), ... over the numbers of sequence 0. */
static void check_seeds(judged *j)
{
    const json_t *names = json_object_get(j->fixture->about, "seeds"), *name;
    size_t i;
    json_array_foreach(names, i, name)
    {
        char tensor[160];
        rv_tap tap = {.site = site_named(j, json_string_value(name))};
        size_t own = first_sequence_numbers(j, tap.site), T = j->fixture->length[0];
        real *seed = rv_alloc(tap_numbers(j, tap.site), sizeof *seed);
        real *value = rv_alloc(tap_numbers(j, tap.site), sizeof *value);
        for (size_t k = 0; k < own; k++) seed[k] = (real)cos((double)k);
        if (tap.site.kind == RV_SITE_SCORES) { // masked entries do not count
            tap.value = value;
            forward(j, &tap, 1, GOLDEN_SEQUENCES);
            for (size_t k = 0; k < own; k++)
                if (!isfinite(value[k])) seed[k] = 0;
        }
        tap.seed = seed;
        forward(j, &tap, 1, GOLDEN_SEQUENCES);
        rv_pass_backward(j->pass, NULL, NULL);
        snprintf(tensor, sizeof tensor, "0.grad_embed.seed.%s", json_string_value(name));
        must_agree(j, tensor, rv_pass_input_gradient(j->pass), T * j->model->config.width);
        free(seed);
        free(value);
    }
}

/* ---- gradients of weights --------------------------------------------------------------------- */

typedef enum part { WHOLE, QUERY, KEY, VALUE, GATE, UP } part;

#define BLOCK(field) offsetof(rv_block_gradients, field)

/* What transformers calls a block's parameters; Conv1D's (in, out) are the transposed ones. */
static const struct {
    const char *name;
    size_t field;
    part part;
    bool transposed;
} block_parameters[] = {
    {"ln_1.weight", BLOCK(ln1.weight), WHOLE, false},
    {"ln_1.bias", BLOCK(ln1.bias), WHOLE, false},
    {"ln_2.weight", BLOCK(ln2.weight), WHOLE, false},
    {"ln_2.bias", BLOCK(ln2.bias), WHOLE, false},
    {"attn.c_attn.weight", BLOCK(qkv), WHOLE, true},
    {"attn.c_attn.bias", BLOCK(qkv_bias), WHOLE, false},
    {"attn.c_proj.weight", BLOCK(o), WHOLE, true},
    {"attn.c_proj.bias", BLOCK(o_bias), WHOLE, false},
    {"mlp.c_fc.weight", BLOCK(up), WHOLE, true},
    {"mlp.c_fc.bias", BLOCK(up_bias), WHOLE, false},
    {"mlp.c_proj.weight", BLOCK(down), WHOLE, true},
    {"mlp.c_proj.bias", BLOCK(down_bias), WHOLE, false},
    {"input_layernorm.weight", BLOCK(ln1.weight), WHOLE, false},
    {"input_layernorm.bias", BLOCK(ln1.bias), WHOLE, false},
    {"post_attention_layernorm.weight", BLOCK(ln2.weight), WHOLE, false},
    {"post_attention_layernorm.bias", BLOCK(ln2.bias), WHOLE, false},
    {"pre_feedforward_layernorm.weight", BLOCK(ln2.weight), WHOLE, false},
    {"post_feedforward_layernorm.weight", BLOCK(post_mlp.weight), WHOLE, false},
    {"attention.query_key_value.weight", BLOCK(qkv), WHOLE, false},
    {"attention.dense.weight", BLOCK(o), WHOLE, false},
    {"mlp.dense_h_to_4h.weight", BLOCK(up), WHOLE, false},
    {"mlp.dense_h_to_4h.bias", BLOCK(up_bias), WHOLE, false},
    {"mlp.dense_4h_to_h.weight", BLOCK(down), WHOLE, false},
    {"mlp.dense_4h_to_h.bias", BLOCK(down_bias), WHOLE, false},
    {"self_attn.q_proj.weight", BLOCK(qkv), QUERY, false},
    {"self_attn.k_proj.weight", BLOCK(qkv), KEY, false},
    {"self_attn.v_proj.weight", BLOCK(qkv), VALUE, false},
    {"self_attn.q_proj.bias", BLOCK(qkv_bias), QUERY, false},
    {"self_attn.k_proj.bias", BLOCK(qkv_bias), KEY, false},
    {"self_attn.v_proj.bias", BLOCK(qkv_bias), VALUE, false},
    {"self_attn.q_norm.weight", BLOCK(q_norm.weight), WHOLE, false},
    {"self_attn.k_norm.weight", BLOCK(k_norm.weight), WHOLE, false},
    {"self_attn.o_proj.weight", BLOCK(o), WHOLE, false},
    {"self_attn.o_proj.bias", BLOCK(o_bias), WHOLE, false},
    {"mlp.gate_proj.weight", BLOCK(up), GATE, false},
    {"mlp.gate_proj.bias", BLOCK(up_bias), GATE, false},
    {"mlp.up_proj.weight", BLOCK(up), UP, false},
    {"mlp.up_proj.bias", BLOCK(up_bias), UP, false},
    {"mlp.down_proj.weight", BLOCK(down), WHOLE, false},
    {"mlp.down_proj.bias", BLOCK(down_bias), WHOLE, false},
};

static const struct {
    const char *name;
    size_t field;
} model_parameters[] = {
    {"transformer.wte.weight", offsetof(rv_gradients, embedding)},
    {"transformer.wpe.weight", offsetof(rv_gradients, positions)},
    {"transformer.ln_f.weight", offsetof(rv_gradients, final_norm.weight)},
    {"transformer.ln_f.bias", offsetof(rv_gradients, final_norm.bias)},
    {"gpt_neox.embed_in.weight", offsetof(rv_gradients, embedding)},
    {"gpt_neox.final_layer_norm.weight", offsetof(rv_gradients, final_norm.weight)},
    {"gpt_neox.final_layer_norm.bias", offsetof(rv_gradients, final_norm.bias)},
    {"model.embed_tokens.weight", offsetof(rv_gradients, embedding)},
    {"model.norm.weight", offsetof(rv_gradients, final_norm.weight)},
    {"lm_head.weight", offsetof(rv_gradients, head)},
};

static const real *field_at(const void *base, size_t offset)
{
    return *(real *const *)((const char *)base + offset);
}

static size_t first_row(const rv_config *c, part which)
{
    switch (which) {
    case KEY:
        return c->heads * c->head_size;
    case VALUE:
        return (c->heads + c->kv_heads) * c->head_size;
    case UP:
        return c->mlp_width;
    default:
        return 0;
    }
}

/* Row m of NeoX' fused projection, (head, q|k|v, D), is this row of ours, (q|k|v, head, D). */
static size_t neox_row(const rv_config *c, size_t m)
{
    size_t D = c->head_size, head = m / (3 * D), which = m / D % 3;
    return (which * c->heads + head) * D + m % D;
}

/* Our gradient of a block's parameter in transformers' layout, rank and shape of `t`. */
static real *as_transformers_has_it(const judged *j, const rv_tensor *t, const real *ours,
                                    size_t i)
{
    const rv_config *c = &j->model->config;
    size_t columns = t->rank == 2 ? t->shape[1] : 1, rows = t->shape[0];
    real *out = rv_alloc(t->elements, sizeof *out);
    ours += first_row(c, block_parameters[i].part) * columns;
    bool neox = strstr(t->name, "query_key_value") != NULL;
    for (size_t m = 0; m < rows; m++)
        for (size_t k = 0; k < columns; k++) {
            size_t from = neox ? neox_row(c, m) * columns + k : m * columns + k;
            if (block_parameters[i].transposed) from = k * rows + m;
            out[m * columns + k] = ours[from];
        }
    return out;
}

static void check_block_parameter(judged *j, const rv_gradients *g, const rv_tensor *t,
                                  const char *rest, size_t layer)
{
    bool gemma = strncmp(j->model->config.family, "gemma", 5) == 0;
    for (size_t i = 0; i < sizeof block_parameters / sizeof *block_parameters; i++) {
        if (strcmp(block_parameters[i].name, rest) != 0) continue;
        size_t field = block_parameters[i].field;
        if (gemma && strcmp(rest, "post_attention_layernorm.weight") == 0)
            field = BLOCK(post_attention.weight);
        real *ours = as_transformers_has_it(j, t, field_at(&g->blocks[layer], field), i);
        must_agree(j, t->name, ours, t->elements);
        free(ours);
        return;
    }
    fail_msg("%s: no gradient for %s", j->file, t->name);
}

static void check_model_parameter(judged *j, const rv_gradients *g, const rv_tensor *t,
                                  const char *name)
{
    for (size_t i = 0; i < sizeof model_parameters / sizeof *model_parameters; i++)
        if (strcmp(model_parameters[i].name, name) == 0) {
            must_agree(j, t->name, field_at(g, model_parameters[i].field), t->elements);
            return;
        }
    fail_msg("%s: no gradient for %s", j->file, t->name);
}

/* Of sequence 0's mean loss. */
static void check_weight_gradients(judged *j)
{
    rv_gradients *g;
    rv_error err;
    assert_int_equal(rv_gradients_new(&g, j->model, &err), RV_OK);
    real *nll = rv_alloc(j->rows, sizeof *nll), *weights = mean_weights(j);
    forward(j, NULL, 0, 1);
    rv_pass_losses(j->pass, nll);
    rv_pass_backward(j->pass, weights, g);
    for (size_t i = 0; i < rv_checkpoint_count(j->fixture->values); i++) {
        const rv_tensor *t = rv_checkpoint_at(j->fixture->values, i);
        if (strncmp(t->name, "grad_weight.", 12) != 0) continue;
        const char *name = t->name + 12, *block = strstr(name, ".h.");
        if (!block) block = strstr(name, ".layers.");
        if (!block) {
            check_model_parameter(j, g, t, name);
            continue;
        }
        char *rest;
        size_t layer = strtoul(strchr(block + 1, '.') + 1, &rest, 10);
        check_block_parameter(j, g, t, rest + 1, layer);
    }
    rv_gradients_free(g, j->model);
    free(nll);
    free(weights);
}

/* ---- one fixture ------------------------------------------------------------------------------ */

static void judge(const golden_fixture *fixture, const char *file, const rv_kernels *kernels,
                  size_t *wrong)
{
    judged j = {.fixture = fixture, .file = file, .kernels = kernels->name};
    rv_error err;
    j.model = golden_model(file, kernels);
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++) {
        j.sequences[s] = (rv_sequence){.ids = fixture->ids[s], .count = fixture->length[s]};
        j.first[s] = j.rows;
        j.rows += fixture->length[s];
    }
    rv_pass_options options = {
        .rows = j.rows, .sequences = GOLDEN_SEQUENCES, .keep = true, .threads = 1};
    assert_int_equal(rv_pass_new(&j.pass, j.model, &options, &err), RV_OK);
    check_logits_and_losses(&j);
    check_sites(&j);
    check_loss_gradient(&j);
    check_neuron_gradient(&j);
    check_seeds(&j);
    size_t before = j.compared;
    check_weight_gradients(&j);
    bool has = json_is_true(json_object_get(fixture->about, "weight_gradients"));
    assert_int_equal(j.compared > before, has);
    print_message("%s (%s kernels): %zu tensors, off by at most %.1e\n", file, kernels->name,
                  j.compared, j.worst);
    *wrong += j.wrong;
    rv_pass_free(j.pass);
    rv_transformer_free(j.model);
}

static void fixture_agrees(void **state)
{
    golden_fixture fixture;
    char path[512];
    size_t wrong = 0;
    golden_load(&fixture, *state);
    golden_path(path, fixture.name, "");
    judge(&fixture, path, rv_kernels_reference(), &wrong);
    judge(&fixture, path, rv_kernels_select(NULL), &wrong);
    if (json_object_get(fixture.about, "gguf")) {
        golden_path(path, fixture.name, "model.gguf");
        judge(&fixture, path, rv_kernels_select(NULL), &wrong);
    }
    golden_release(&fixture);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    return golden_run("models agree with transformers", fixture_agrees);
}
