/* The two real models against outside judges (tests/fixtures/real, made by tools/verify_real.py):
 * transformers in float64, which must agree, and llama.cpp, whose 8-bit activations differ by more.
 * Needs the models in the cache (`make test-real` fetches them). Prints a table for
 * docs/verification.md. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/pass.h"
#include "template/chat.h"

#define NATS 1e-3 /* log-probabilities against transformers */
#define NATS_F32 \
    2e-2 /* against llama.cpp in float32: it looks activations up in a table of halves */
#define NATS_Q8  0.06 /* cross-entropies against llama.cpp as it is */
#define RELATIVE 1e-4 /* activations and gradients, of the largest number */

enum { TOP = 5, CHUNK = 16 };

typedef struct real_model {
    const char *name;
    json_t *fixture;
    rv_checkpoint *checkpoint;
    rv_tokenizer *tokenizer;
    rv_transformer *transformer;
} real_model;

static void must(rv_status status, const rv_error *err)
{
    if (status != RV_OK) fail_msg("%s", err->message);
}

static const json_t *get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!value) fail_msg("fixture: no %s", key);
    return value;
}

static double number(const json_t *array, size_t i)
{
    return json_number_value(json_array_get(array, i));
}

/* ---- opening ---------------------------------------------------------------------------------- */

static void open_model(real_model *m, const char *name)
{
    rv_error err;
    json_error_t wrong;
    char file[128];
    m->name = name;
    snprintf(file, sizeof file, "tests/fixtures/real/%s.json", name);
    m->fixture = json_load_file(file, 0, &wrong);
    if (!m->fixture) fail_msg("%s: %s", file, wrong.text);
    char *cache = rv_cache_folder();
    assert_non_null(cache);
    snprintf(file, sizeof file, "models/%s.gguf", name);
    char *path = rv_path_join(cache, file), hash[65];
    must(rv_checkpoint_open(&m->checkpoint, path, &err), &err);
    must(rv_checkpoint_hash(m->checkpoint, hash, &err), &err);
    assert_string_equal(hash, json_string_value(get(m->fixture, "sha256")));
    must(rv_tokenizer_open(&m->tokenizer, NULL, m->checkpoint, &err), &err);
    must(rv_transformer_load(&m->transformer, m->checkpoint, NULL, &err), &err);
    free(cache);
    free(path);
}

static void close_model(real_model *m)
{
    rv_transformer_free(m->transformer);
    rv_tokenizer_close(m->tokenizer);
    rv_checkpoint_close(m->checkpoint);
    json_decref(m->fixture);
}

static size_t read_ids(int32_t **out, const json_t *ids)
{
    size_t count = json_array_size(ids);
    *out = rv_alloc(count, sizeof **out);
    for (size_t i = 0; i < count; i++) (*out)[i] = (int32_t)number(ids, i);
    return count;
}

static rv_pass *new_pass(const real_model *m, size_t rows, bool keep)
{
    rv_pass *pass;
    rv_error err;
    rv_pass_options options = {
        .rows = rows, .sequences = 1, .positions = rows, .keep = keep, .threads = 2};
    must(rv_pass_new(&pass, m->transformer, &options, &err), &err);
    return pass;
}

static void run(rv_pass *pass, const real_model *m, const rv_sequence *sequence,
                const rv_tap *taps, size_t tap_count)
{
    rv_error err;
    must(rv_pass_begin(pass, sequence, 1, taps, tap_count, &err), &err);
    rv_pass_forward(pass, m->transformer->config.layers);
    rv_pass_finish(pass);
}

/* ---- what comes next -------------------------------------------------------------------------- */

typedef struct tally {
    size_t places, same, same_llama;
    double far, far_llama, far_f32, sum_llama, cross_entropy;
} tally;

/* log(sum(exp(logits))) and where the largest is. */
static double log_sum_exp(const real *logits, size_t count, size_t *largest)
{
    *largest = 0;
    for (size_t v = 1; v < count; v++)
        if (logits[v] > logits[*largest]) *largest = v;
    double sum = 0;
    for (size_t v = 0; v < count; v++) sum += exp((double)logits[v] - logits[*largest]);
    return logits[*largest] + log(sum);
}

static void compare_place(tally *t, const json_t *text, size_t i, const real *logits, size_t V)
{
    const json_t *top = json_array_get(get(text, "top"), i);
    const json_t *exact = json_array_get(get(text, "log_probability"), i);
    const json_t *llama = json_array_get(get(text, "llama_cpp"), i);
    const json_t *wide = json_array_get(get(text, "llama_cpp_f32"), i);
    size_t favourite, llama_favourite = (size_t)number(get(text, "llama_cpp_top"), i);
    double lse = log_sum_exp(logits, V, &favourite);
    for (size_t k = 0; k < TOP; k++) {
        double ours = logits[(size_t)number(top, k)] - lse;
        t->far = fmax(t->far, fabs(ours - number(exact, k)));
        t->far_llama = fmax(t->far_llama, fabs(ours - number(llama, k)));
        t->far_f32 = fmax(t->far_f32, fabs(ours - number(wide, k)));
        t->sum_llama += fabs(ours - number(llama, k));
    }
    // Two tokens that are equally likely within rounding may change places.
    bool tie = number(exact, 0) - number(exact, 1) < 2e-5;
    t->same +=
        favourite == (size_t)number(top, 0) || (tie && favourite == (size_t)number(top, 1));
    t->same_llama += favourite == llama_favourite;
    t->places++;
}

static tally judge_text(const real_model *m, const json_t *text)
{
    tally t = {0};
    size_t V = m->transformer->config.vocabulary;
    int32_t *ids;
    size_t count = read_ids(&ids, get(text, "ids"));
    size_t first = (size_t)json_integer_value(get(text, "first"));
    rv_pass *pass = new_pass(m, count, false);
    rv_sequence sequence = {.ids = ids, .count = count};
    run(pass, m, &sequence, NULL, 0);
    real *logits = rv_alloc(CHUNK * V, sizeof *logits), *nll = rv_alloc(count, sizeof *nll);
    for (size_t r = first; r < count; r += CHUNK) {
        size_t rows[CHUNK], n = 0;
        for (size_t i = r; i < r + CHUNK && i < count; i++) rows[n++] = i;
        rv_pass_logits(pass, logits, rows, n);
        for (size_t i = 0; i < n; i++)
            compare_place(&t, text, rows[i] - first, logits + i * V, V);
    }
    rv_pass_losses(pass, nll);
    for (size_t i = 1; i < count; i++) t.cross_entropy += nll[i] / (double)(count - 1);
    rv_pass_free(pass);
    free(logits);
    free(nll);
    free(ids);
    return t;
}

static void judge_texts(const real_model *m)
{
    const json_t *text;
    size_t i;
    printf("\n**%s**\n\n| text | BOS | tokens | cross-entropy ", m->name);
    printf("| transformers: same favourite | log-probability off by | cross-entropy off by ");
    printf("| llama.cpp in float32: log-probability off by ");
    printf("| llama.cpp: same favourite | log-probability off by (mean) | cross-entropy off by "
           "|\n");
    printf("|---|---|---|---|---|---|---|---|---|---|---|\n");
    json_array_foreach(get(m->fixture, "texts"), i, text)
    {
        tally t = judge_text(m, text);
        double loss = json_number_value(get(text, "cross_entropy"));
        double loss_llama = json_number_value(get(text, "cross_entropy_llama_cpp"));
        const json_t *bos = get(text, "bos");
        printf("| %s | %s | %zu | %.5f ", json_string_value(get(text, "name")),
               json_is_null(bos) ? "no" : "yes", json_array_size(get(text, "ids")),
               t.cross_entropy);
        printf("| %zu of %zu | %.1e | %.1e | %.1e ", t.same, t.places, t.far,
               fabs(t.cross_entropy - loss), t.far_f32);
        printf("| %zu of %zu | %.2f (%.2f) | %.3f |\n", t.same_llama, t.places, t.far_llama,
               t.sum_llama / (double)(TOP * t.places), fabs(t.cross_entropy - loss_llama));
        assert_int_equal(t.same, t.places);
        assert_true(t.far < NATS);
        assert_true(t.far_f32 < NATS_F32);
        assert_true(fabs(t.cross_entropy - loss) < NATS);
        assert_true(fabs(t.cross_entropy - loss_llama) < NATS_Q8);
        assert_true(t.same_llama * 10 >= t.places * 8);
    }
}

/* ---- inside ----------------------------------------------------------------------------------- */

static const json_t *inside_text(const real_model *m)
{
    const json_t *text;
    size_t i;
    json_array_foreach(get(m->fixture, "texts"), i,
                       text) if (strcmp(json_string_value(get(text, "name")),
                                        json_string_value(get(m->fixture, "inside"))) ==
                                 0) return text;
    fail_msg("fixture: no text to look inside");
    return NULL;
}

/* Largest difference between ours (stride apart) and expected, of the largest number expected. */
static double relative(const real *ours, size_t stride, const json_t *expected)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < json_array_size(expected); i++) {
        worst = fmax(worst, fabs(ours[i * stride] - number(expected, i)));
        largest = fmax(largest, fabs(number(expected, i)));
    }
    return worst / largest;
}

static size_t size_at(const json_t *object, const char *key)
{
    return (size_t)json_integer_value(get(object, key));
}

static void judge_neurons(const real_model *m)
{
    const json_t *neuron;
    int32_t *ids;
    size_t i, count = read_ids(&ids, get(inside_text(m), "ids"));
    size_t F = m->transformer->config.mlp_width;
    rv_pass *pass = new_pass(m, count, true);
    rv_sequence sequence = {.ids = ids, .count = count};
    real *values = rv_alloc(count * F, sizeof *values);
    double worst = 0;
    json_array_foreach(get(m->fixture, "neurons"), i, neuron)
    {
        rv_tap tap = {.site = {RV_SITE_MLP_POST, size_at(neuron, "layer")}, .value = values};
        run(pass, m, &sequence, &tap, 1);
        worst =
            fmax(worst, relative(values + size_at(neuron, "index"), F, get(neuron, "values")));
    }
    printf("\n%s, \"%s\": activations of %zu neurons off by %.1e of the largest\n", m->name,
           json_string_value(get(m->fixture, "inside")), i, worst);
    assert_true(worst < RELATIVE);
    rv_pass_free(pass);
    free(values);
    free(ids);
}

static void compare_gradient(const real_model *m, const rv_pass *pass, const char *what,
                             size_t count)
{
    const json_t *expected = get(get(m->fixture, "gradients"), what);
    const real *g = rv_pass_input_gradient(pass);
    size_t C = m->transformer->config.width;
    real *norms = rv_alloc(count, sizeof *norms);
    for (size_t r = 0; r < count; r++) {
        double sum = 0;
        for (size_t i = 0; i < C; i++) sum += (double)g[r * C + i] * g[r * C + i];
        norms[r] = (real)sqrt(sum);
    }
    double off_norms = relative(norms, 1, get(expected, "norms"));
    double off_first = relative(g, 1, get(expected, "first"));
    printf("%s: gradient of the %s at the embeddings: norms off by %.1e, numbers by %.1e\n",
           m->name, what, off_norms, off_first);
    assert_int_equal(json_array_size(get(expected, "norms")), count);
    assert_true(off_norms < RELATIVE);
    assert_true(off_first < RELATIVE);
    free(norms);
}

static void judge_gradients(const real_model *m)
{
    int32_t *ids;
    size_t count = read_ids(&ids, get(inside_text(m), "ids"));
    size_t F = m->transformer->config.mlp_width;
    const json_t *neuron = get(get(m->fixture, "gradients"), "neuron");
    rv_pass *pass = new_pass(m, count, true);
    rv_sequence sequence = {.ids = ids, .count = count};
    real *seed = rv_alloc(count * F, sizeof *seed), *nll = rv_alloc(count, sizeof *nll);
    real *weights = rv_alloc(count, sizeof *weights);

    seed[(count - 1) * F + size_at(neuron, "index")] = 1;
    rv_tap tap = {.site = {RV_SITE_MLP_POST, size_at(neuron, "layer")}, .seed = seed};
    run(pass, m, &sequence, &tap, 1);
    rv_pass_backward(pass, NULL, NULL);
    compare_gradient(m, pass, "neuron", count);

    for (size_t i = 1; i < count; i++) weights[i] = (real)1 / (real)(count - 1);
    run(pass, m, &sequence, NULL, 0);
    rv_pass_losses(pass, nll);
    rv_pass_backward(pass, weights, NULL);
    compare_gradient(m, pass, "cross_entropy", count);
    rv_pass_free(pass);
    free(seed);
    free(nll);
    free(weights);
    free(ids);
}

/* ---- text ------------------------------------------------------------------------------------- */

static void same_ids(const real_model *m, const char *text, size_t length, unsigned flags,
                     const json_t *expected, size_t skip)
{
    rv_ids ids = {0};
    rv_error err;
    must(rv_tokenizer_encode(m->tokenizer, text, length, flags, &ids, &err), &err);
    assert_int_equal(ids.count, json_array_size(expected) - skip);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.items[i], (int32_t)number(expected, i + skip));
    rv_ids_release(&ids);
}

static void judge_tokens(const real_model *m)
{
    const json_t *text;
    size_t i;
    json_array_foreach(get(m->fixture, "texts"), i, text)
    {
        const json_t *t = get(text, "text");
        same_ids(m, json_string_value(t), json_string_length(t), RV_ENCODE_PLAIN,
                 get(text, "ids"), json_is_null(get(text, "bos")) ? 0 : 1);
    }
}

static void judge_chat(const real_model *m)
{
    const json_t *chat;
    size_t i;
    assert_int_equal(rv_tokenizer_chat_template(m->tokenizer) != NULL,
                     json_array_size(get(m->fixture, "chat")) > 0);
    json_array_foreach(get(m->fixture, "chat"), i, chat)
    {
        rv_chat_message messages[8];
        const json_t *message;
        size_t count;
        rv_text rendered = {0};
        rv_error err;
        json_array_foreach(get(chat, "messages"), count, message)
        {
            assert_in_range(count, 0, 7);
            messages[count] = (rv_chat_message){json_string_value(get(message, "role")),
                                                json_string_value(get(message, "content"))};
        }
        must(rv_chat_render(m->tokenizer, messages, count, true, &rendered, &err), &err);
        assert_string_equal(rendered.bytes, json_string_value(get(chat, "rendered")));
        same_ids(m, rendered.bytes, rendered.length, RV_ENCODE_SPECIAL, get(chat, "ids"), 0);
        rv_text_release(&rendered);
    }
}

/* ---- the tests -------------------------------------------------------------------------------- */

static void texts_are_cut_into_the_same_tokens(void **state)
{
    judge_tokens(*state);
}

static void next_tokens_are_as_likely(void **state)
{
    judge_texts(*state);
    fflush(stdout);
}

static void neurons_and_gradients_agree(void **state)
{
    judge_neurons(*state);
    judge_gradients(*state);
    fflush(stdout);
}

static void conversations_are_rendered_alike(void **state)
{
    judge_chat(*state);
}

static int opened(void **state)
{
    open_model(*state, ((real_model *)*state)->name);
    return 0;
}

static int closed(void **state)
{
    close_model(*state);
    return 0;
}

#define JUDGE(test) cmocka_unit_test_prestate_setup_teardown(test, opened, closed, &model)

static int judge(const char *name)
{
    real_model model = {.name = name};
    const struct CMUnitTest tests[] = {
        JUDGE(texts_are_cut_into_the_same_tokens),
        JUDGE(next_tokens_are_as_likely),
        JUDGE(neurons_and_gradients_agree),
        JUDGE(conversations_are_rendered_alike),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return judge("smollm2-135m") + judge("gemma3-270m");
}
