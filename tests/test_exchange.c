/* Files that the neuron_explainer package wrote (tests/fixtures/exchange) go through ours and come
 * out the same; Neuronpedia's folder comes back as it went in; broken files are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/file.h"
#include "explain/exchange.h"
#include "explain/gzip.h"
#include "explain/neuronpedia.h"

static const char fixtures[] = "tests/fixtures/exchange";
static char folder[] = "/tmp/reverie-exchange-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *in(const char *place, const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", place, name);
    return path;
}

static json_t *load(const char *path)
{
    rv_error err;
    json_t *root;
    if (rv_json_read(&root, path, 1 << 20, &err) != RV_OK) fail_msg("%s", err.message);
    return root;
}

/* Equal but for what the format lets vary: numbers by value, a missing field as null, NaN as null,
 * and a token with a NUL, which ours cannot hold. */
static bool same(const json_t *a, const json_t *b)
{
    double x, y;
    const char *key;
    const json_t *value;
    size_t i;
    if (json_is_object(a) && json_is_object(b)) {
        json_object_foreach((json_t *)a, key, value)
        {
            if (!same(value, json_object_get(b, key))) return false;
        }
        json_object_foreach((json_t *)b, key, value)
        {
            if (!json_object_get(a, key) && !json_is_null(value)) return false;
        }
        return true;
    }
    if (json_is_array(a) && json_is_array(b)) {
        if (json_array_size(a) != json_array_size(b)) return false;
        json_array_foreach(a, i, value)
        {
            if (!same(value, json_array_get(b, i))) return false;
        }
        return true;
    }
    if (json_is_string(a) && json_string_length(a) != strlen(json_string_value(a)))
        return strcmp(json_string_value(b), "\xef\xbf\xbd") == 0;
    if (rv_json_number(&x, a))
        return rv_json_number(&y, b) ? x == y || (!isfinite(x) && !isfinite(y)) : !b;
    return json_equal(a, b);
}

static void assert_same_files(const char *expected, const char *found)
{
    json_t *a = load(expected), *b = load(found);
    if (!same(a, b)) fail_msg("%s and %s differ", expected, found);
    json_decref(a);
    json_decref(b);
}

static void neuron_records_come_out_as_they_went_in(void **state)
{
    (void)state;
    static const char *const names[] = {"neuron.json", "neuron-python.json",
                                        "neuron-unnamed.json"};
    for (size_t i = 0; i < 3; i++) {
        rv_evidence e;
        rv_error err;
        if (rv_neuron_record_read(&e, in(fixtures, names[i]), &err) != RV_OK)
            fail_msg("%s", err.message);
        assert_int_equal(rv_neuron_record_write(in(folder, "n.json"), &e, &err), RV_OK);
        rv_evidence_release(&e);
        if (i < 2) assert_same_files(in(fixtures, names[i]), in(folder, "n.json"));
    }
}

static void not_a_number_is_tolerated_when_reading(void **state)
{
    (void)state;
    rv_evidence e;
    rv_error err;
    assert_int_equal(rv_neuron_record_read(&e, in(fixtures, "neuron-unnamed.json"), &err),
                     RV_OK);
    assert_int_equal(e.layer, 5);
    assert_int_equal(e.neuron, 131);
    assert_true(isinf(e.mean));
    assert_true(isnan(e.kurtosis));
    assert_true(isnan(e.top.items[1].activations[1]));
    assert_string_equal(e.top.items[0].tokens[2], "NaN"); // a token, not a number
    assert_string_equal(e.top.items[0].tokens[3], " -Infinity");
    assert_string_equal(e.top.items[0].tokens[9], "\xef\xbf\xbd");
    assert_int_equal(rv_evidence_check(&e, &err), RV_ERR_NUMERIC);
    rv_evidence_release(&e);
}

static void results_come_out_as_they_went_in(void **state)
{
    (void)state;
    rv_simulation_results r;
    rv_error err;
    if (rv_simulation_results_read(&r, in(fixtures, "results.jsonl"), &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(r.count, 2);
    assert_true(isnan(r.explanations[0].sequences[1].correlation));
    assert_true(r.explanations[0].sequences[0].simulation.calibrated);
    assert_int_equal(rv_simulation_results_write(in(folder, "r.jsonl"), &r, &err), RV_OK);
    assert_same_files(in(fixtures, "results.jsonl"), in(folder, "r.jsonl"));
    rv_simulation_results_release(&r);
    assert_int_equal(rv_simulation_results_read(&r, in(fixtures, "explanation.json"), &err),
                     RV_OK);
    assert_string_equal(r.explanations[0].explanation, "words about rivers");
    rv_simulation_results_release(&r);
}

/* Every truncation and every single wrong byte is refused or read, never worse. */
static void broken_files_are_refused(void **state)
{
    (void)state;
    char *text;
    size_t length, refused = 0;
    rv_error err;
    assert_int_equal(rv_read_file(&text, &length, in(fixtures, "results.jsonl"), 1 << 20, &err),
                     RV_OK);
    for (size_t i = 0; i < 2 * length; i++) {
        rv_simulation_results r;
        size_t at = i / 2;
        char kept = text[at];
        if (i % 2) text[at] = (char)("[{\"0nN:"[at % 7]);
        assert_int_equal(rv_write_file(in(folder, "b.jsonl"), text, i % 2 ? length : at, &err),
                         RV_OK);
        text[at] = kept;
        rv_status status = rv_simulation_results_read(&r, in(folder, "b.jsonl"), &err);
        assert_true(status == RV_OK || status == RV_ERR_FORMAT);
        if (status == RV_OK)
            rv_simulation_results_release(&r);
        else
            refused++;
        if (i > 300) i += 37;
    }
    assert_true(refused > 100);
    free(text);
}

static void wrong_types_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "expected a NeuronRecord object, found a list"},
        {"{\"dataclass_name\":\"ScoredExplanation\"}", "expected NeuronRecord, found Scored"},
        {"{\"neuron_id\":3}", "neuron_id: expected an object, found a number"},
        {"{\"neuron_id\":{\"layer_index\":\"5\",\"neuron_index\":1}}",
         "layer_index: expected a whole"},
        {"{\"neuron_id\":{\"layer_index\":5,\"neuron_index\":1},\"random_sample\":{}}",
         "random_sample: expected a list, found an object"},
        {"{\"neuron_id\":{\"layer_index\":5,\"neuron_index\":1},\"random_sample\":"
         "[{\"tokens\":[\"a\"],\"activations\":[]}]}",
         "random_sample 0: activations: expected 1, one a token, found 0"},
        {"{\"neuron_id\":{\"layer_index\":5,\"neuron_index\":1},\"random_sample\":"
         "[{\"tokens\":[\"a\"],\"activations\":[\"x\"]}]}",
         "activation 0: expected a number, found a string"},
        {"{\"neuron_id\":{\"layer_index\":5,\"neuron_index\":1},\"mean\":[]}",
         "mean: expected a number, found a list"},
        {"", "expected JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_evidence e;
        rv_error err;
        const char *path = in(folder, "w.json");
        assert_int_equal(rv_write_file(path, cases[i].text, strlen(cases[i].text), &err),
                         RV_OK);
        assert_int_equal(rv_neuron_record_read(&e, path, &err), RV_ERR_FORMAT);
        if (!strstr(err.message, cases[i].message)) fail_msg("%s", err.message);
        assert_non_null(strstr(err.message, path));
    }
}

/* ---- Neuronpedia ----------------------------------------------------------------------------- */
static const rv_neuronpedia_source source = {
    "tiny", "5", "neurons", "blocks.5.mlp.hook_post", "dreams", "reverie", "a corpus", 6};

static rv_evidence sample(void)
{
    rv_evidence e;
    rv_error err;
    if (rv_neuron_record_read(&e, in(fixtures, "neuron.json"), &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_token_weights_push(&e.promoted, " cat", 4, 1.5, &err);
    rv_token_weights_push(&e.promoted, " dog", 4, NAN, &err);
    rv_token_weights_push(&e.suppressed, " the", 4, -INFINITY, &err);
    e.top.items[0].activations[1] = INFINITY;
    return e;
}

static void neuronpedia_comes_back(void **state)
{
    (void)state;
    rv_error err;
    rv_evidence e = sample(), back;
    rv_neuronpedia_explanation text = {"rivers", "oai_token-act-pair", "tiny"};
    rv_neuronpedia_feature features[] = {{131, &e, &text, 1}, {7, &e, NULL, 0}};
    rv_neuronpedia_explanations texts;
    if (rv_neuronpedia_write(folder, &source, features, 2, &err) != RV_OK)
        fail_msg("%s", err.message);
    const char *place = in(folder, "tiny/5");
    if (rv_neuronpedia_read(&back, &texts, place, 131, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(back.layer, 5);
    assert_int_equal(back.neuron, 131);
    assert_int_equal(back.top.count + back.random.count, e.top.count + e.random.count);
    assert_true(back.top.items[0].activations[1] == 9999); // infinity, as uploaded
    assert_string_equal(back.promoted.items[0].token, " cat");
    assert_true(back.promoted.items[1].weight == 0);
    assert_true(back.suppressed.items[0].weight == -9999);
    assert_int_equal(texts.count, 1);
    assert_string_equal(texts.items[0].text, "rivers");
    for (size_t i = 1; i < back.top.count; i++)
        assert_true(rv_record_maximum(&back.top.items[i - 1]) >=
                    rv_record_maximum(&back.top.items[i]));
    rv_neuronpedia_explanations_release(&texts);
    rv_evidence_release(&back);
    assert_int_equal(rv_neuronpedia_read(&back, NULL, place, 7, &err), RV_OK);
    rv_evidence_release(&back);
    assert_int_equal(rv_neuronpedia_read(&back, NULL, place, 8, &err), RV_ERR_NOT_FOUND);
    rv_evidence_release(&e);
}

static void neuronpedia_writes_the_same_bytes_twice(void **state)
{
    (void)state;
    rv_error err;
    rv_evidence e = sample();
    rv_neuronpedia_feature feature = {131, &e, NULL, 0};
    char *bytes[2];
    size_t length[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rv_neuronpedia_write(folder, &source, &feature, 1, &err), RV_OK);
        assert_int_equal(rv_read_file(&bytes[i], &length[i],
                                      in(folder, "tiny/5/activations/batch-0.jsonl.gz"),
                                      1 << 20, &err),
                         RV_OK);
    }
    assert_int_equal(length[0], length[1]);
    assert_memory_equal(bytes[0], bytes[1], length[0]);
    free(bytes[0]);
    free(bytes[1]);
    rv_evidence_release(&e);
}

static void neuronpedia_names_cannot_leave_the_folder(void **state)
{
    (void)state;
    rv_error err;
    static const char *const names[] = {"", "..", "a/b", "/etc"};
    for (size_t i = 0; i < 4; i++) {
        rv_neuronpedia_source bad = source;
        bad.model = names[i];
        assert_int_equal(rv_neuronpedia_write(folder, &bad, NULL, 0, &err), RV_ERR_USAGE);
    }
}

static void a_feature_object_is_evidence(void **state)
{
    (void)state;
    static const char text[] =
        "{\"modelId\":\"gpt2-small\",\"layer\":\"6-res-jb\",\"index\":\"650\","
        "\"pos_str\":[\" x\"],\"pos_values\":[2.5],\"neg_str\":[],\"neg_values\":[],"
        "\"activations\":[{\"tokens\":[\"a\",\"b\"],\"values\":[0,1]},"
        "{\"tokens\":[\"c\",\"d\"],\"values\":[3,0.5]},{\"tokens\":[\"e\"],\"values\":[0]}],"
        "\"explanations\":[{\"description\":\"letters\",\"typeName\":\"np_max-act\","
        "\"explanationModelName\":\"m\"}]}";
    rv_evidence e;
    rv_neuronpedia_explanations texts;
    rv_error err;
    const char *path = in(folder, "feature.json");
    assert_int_equal(rv_write_file(path, text, sizeof text - 1, &err), RV_OK);
    if (rv_neuronpedia_read(&e, &texts, path, 0, &err) != RV_OK) fail_msg("%s", err.message);
    assert_int_equal(e.layer, 6);
    assert_int_equal(e.neuron, 650);
    assert_int_equal(e.top.count, 2);
    assert_string_equal(e.top.items[0].tokens[0], "c");
    assert_int_equal(e.random.count, 1);
    assert_string_equal(texts.items[0].text, "letters");
    rv_neuronpedia_explanations_release(&texts);
    rv_evidence_release(&e);
}

static void gzip_files_are_read_whole_or_refused(void **state)
{
    (void)state;
    rv_error err;
    rv_text big = {0}, back = {0};
    for (int i = 0; i < 100000; i++) rv_text_puts(&big, "all work and no play ");
    const char *path = in(folder, "big.gz");
    assert_int_equal(rv_gzip_write(path, big.bytes, big.length, &err), RV_OK);
    assert_int_equal(rv_gzip_read(&back, path, big.length, &err), RV_OK);
    assert_int_equal(back.length, big.length);
    assert_memory_equal(back.bytes, big.bytes, big.length);
    rv_text_release(&back);
    assert_int_equal(rv_gzip_read(&back, path, big.length - 1, &err), RV_ERR_FORMAT);
    rv_text_release(&back);
    char *packed;
    size_t length;
    assert_int_equal(rv_read_file(&packed, &length, path, 1 << 20, &err), RV_OK);
    for (size_t cut = 0; cut < length; cut += cut < 40 ? 1 : 997) {
        assert_int_equal(rv_write_file(in(folder, "cut.gz"), packed, cut, &err), RV_OK);
        assert_int_equal(rv_gzip_read(&back, in(folder, "cut.gz"), 1 << 30, &err),
                         RV_ERR_FORMAT);
        rv_text_release(&back);
    }
    free(packed);
    rv_text_release(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neuron_records_come_out_as_they_went_in),
        cmocka_unit_test(not_a_number_is_tolerated_when_reading),
        cmocka_unit_test(results_come_out_as_they_went_in),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(wrong_types_are_named),
        cmocka_unit_test(neuronpedia_comes_back),
        cmocka_unit_test(neuronpedia_writes_the_same_bytes_twice),
        cmocka_unit_test(neuronpedia_names_cannot_leave_the_folder),
        cmocka_unit_test(a_feature_object_is_evidence),
        cmocka_unit_test(gzip_files_are_read_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
