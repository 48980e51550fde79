#include "explain/exchange.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "explain/json.h"

enum { FILE_LIMIT = 1 << 30 };

/* An object is what its dataclass_name says; without one, what its fields make it. */
static rv_status expect_class(const json_t *object, const char *name, const char *where,
                              rv_error *err)
{
    if (!json_is_object(object))
        return rv_fail(err, RV_ERR_FORMAT, "%s: expected a %s object, found %s", where, name,
                       rv_json_kind(object));
    const char *found = json_string_value(json_object_get(object, "dataclass_name"));
    if (found && strcmp(found, name) != 0)
        return rv_fail(err, RV_ERR_FORMAT, "%s: dataclass_name: expected %s, found %s", where,
                       name, found);
    return RV_OK;
}

static bool is_class(const json_t *object, const char *name, const char *key)
{
    const char *found = json_string_value(json_object_get(object, "dataclass_name"));
    return found ? strcmp(found, name) == 0 : json_object_get(object, key) != NULL;
}

/* ---- NeuronRecord, reading ------------------------------------------------------------------- */
static rv_status parse_record(rv_activation_record *out, const json_t *object,
                              const char *where, rv_error *err)
{
    RV_TRY(expect_class(object, "ActivationRecord", where, err));
    return rv_json_record(out, json_object_get(object, "tokens"),
                          json_object_get(object, "activations"), where, err);
}

static rv_status parse_records(rv_activation_records *out, const json_t *list, const char *name,
                               const char *where, rv_error *err)
{
    const json_t *object;
    size_t i;
    if (!list || json_is_null(list)) return RV_OK;
    if (!json_is_array(list))
        return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a list, found %s", where, name,
                       rv_json_kind(list));
    json_array_foreach(list, i, object)
    {
        char here[512];
        rv_activation_record record;
        snprintf(here, sizeof here, "%.400s: %s %zu", where, name, i);
        RV_TRY(parse_record(&record, object, here, err));
        RV_TRY(rv_activation_records_push(out, &record, err));
    }
    return RV_OK;
}

static rv_status parse_quantiles(rv_evidence *out, const json_t *root, const char *where,
                                 rv_error *err)
{
    const json_t *list = json_object_get(root, "random_sample_by_quantile");
    const json_t *boundaries = json_object_get(root, "quantile_boundaries");
    if (json_is_array(boundaries))
        RV_TRY(rv_json_numbers(&out->boundaries, &out->boundary_count, boundaries, where, err));
    if (!json_is_array(list)) return RV_OK;
    size_t count = json_array_size(list);
    RV_TRY(RV_NEW(out->quantiles, count, err));
    out->quantile_count = count;
    for (size_t q = 0; q < count; q++)
        RV_TRY(parse_records(&out->quantiles[q], json_array_get(list, q),
                             "random_sample_by_quantile", where, err));
    return RV_OK;
}

static rv_status parse_neuron_id(long long *layer, long long *neuron, const json_t *root,
                                 const char *where, rv_error *err)
{
    json_t *id;
    RV_TRY(rv_json_object(&id, root, "neuron_id", where, err));
    RV_TRY(expect_class(id, "NeuronId", where, err));
    RV_TRY(rv_json_integer(layer, id, "layer_index", where, err));
    return rv_json_integer(neuron, id, "neuron_index", where, err);
}

static rv_status parse_evidence(rv_evidence *out, const json_t *root, const char *where,
                                rv_error *err)
{
    RV_TRY(expect_class(root, "NeuronRecord", where, err));
    RV_TRY(parse_neuron_id(&out->layer, &out->neuron, root, where, err));
    RV_TRY(parse_records(&out->top, json_object_get(root, "most_positive_activation_records"),
                         "most_positive_activation_records", where, err));
    RV_TRY(parse_records(&out->random, json_object_get(root, "random_sample"), "random_sample",
                         where, err));
    RV_TRY(parse_quantiles(out, root, where, err));
    const struct {
        const char *key;
        double *value;
    } moments[] = {{"mean", &out->mean},
                   {"variance", &out->variance},
                   {"skewness", &out->skewness},
                   {"kurtosis", &out->kurtosis}};
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        const json_t *value = json_object_get(root, moments[i].key);
        if (value && !rv_json_number(moments[i].value, value))
            return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a number, found %s", where,
                           moments[i].key, rv_json_kind(value));
    }
    return RV_OK;
}

rv_status rv_neuron_record_parse(rv_evidence *out, const json_t *object, const char *where,
                                 rv_error *err)
{
    *out = rv_evidence_empty();
    rv_status status = parse_evidence(out, object, where, err);
    if (status != RV_OK) rv_evidence_release(out);
    return status;
}

rv_status rv_neuron_record_read(rv_evidence *out, const char *path, rv_error *err)
{
    json_t *root;
    *out = rv_evidence_empty();
    RV_TRY(rv_json_read(&root, path, FILE_LIMIT, err));
    rv_status status = rv_neuron_record_parse(out, root, path, err);
    json_decref(root);
    return status;
}

/* ---- NeuronRecord, writing ------------------------------------------------------------------- */
/* Without the dfa fields of later versions, which the first one does not read. */
static json_t *record_json(const rv_activation_record *record)
{
    return json_pack("{s:s, s:o, s:o}", "dataclass_name", "ActivationRecord", "tokens",
                     rv_json_strings(record->tokens, record->count), "activations",
                     rv_json_reals(record->activations, record->count));
}

static json_t *records_json(const rv_activation_records *records)
{
    json_t *list = json_array();
    for (size_t i = 0; i < records->count; i++)
        if (json_array_append_new(list, record_json(&records->items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *quantiles_json(const rv_evidence *e)
{
    if (!e->quantiles) return json_null();
    json_t *list = json_array();
    for (size_t q = 0; q < e->quantile_count; q++)
        if (json_array_append_new(list, records_json(&e->quantiles[q])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *neuron_id_json(long long layer, long long neuron)
{
    return json_pack("{s:s, s:I, s:I}", "dataclass_name", "NeuronId", "layer_index",
                     (json_int_t)layer, "neuron_index", (json_int_t)neuron);
}

rv_status rv_neuron_record_write(const char *path, const rv_evidence *e, rv_error *err)
{
    json_t *boundaries =
        e->boundaries ? rv_json_reals(e->boundaries, e->boundary_count) : json_null();
    json_t *root = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "dataclass_name", "NeuronRecord",
        "neuron_id", neuron_id_json(e->layer, e->neuron), "random_sample",
        records_json(&e->random), "random_sample_by_quantile", quantiles_json(e),
        "quantile_boundaries", boundaries, "mean", rv_json_real(e->mean), "variance",
        rv_json_real(e->variance), "skewness", rv_json_real(e->skewness), "kurtosis",
        rv_json_real(e->kurtosis), "most_positive_activation_records", records_json(&e->top));
    return rv_json_write(path, root, err);
}

/* ---- simulations, reading -------------------------------------------------------------------- */
static void release_distributions(rv_distribution *distributions, size_t count)
{
    for (size_t i = 0; distributions && i < count; i++) {
        free(distributions[i].values);
        free(distributions[i].probabilities);
    }
    free(distributions);
}

void rv_sequence_simulation_release(rv_sequence_simulation *simulation)
{
    release_distributions(simulation->distributions, simulation->expected.count);
    rv_activation_record_release(&simulation->expected);
    if (simulation->uncalibrated) rv_sequence_simulation_release(simulation->uncalibrated);
    free(simulation->uncalibrated);
    *simulation = (rv_sequence_simulation){0};
}

void rv_scored_explanation_release(rv_scored_explanation *explanation)
{
    for (size_t i = 0; i < explanation->count; i++) {
        rv_sequence_simulation_release(&explanation->sequences[i].simulation);
        free(explanation->sequences[i].real);
    }
    free(explanation->sequences);
    free(explanation->explanation);
    *explanation = (rv_scored_explanation){0};
}

void rv_simulation_results_release(rv_simulation_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        rv_scored_explanation_release(&results->explanations[i]);
    free(results->explanations);
    *results = (rv_simulation_results){.layer = -1, .neuron = -1};
}

/* One pair of lists a token, or two empty lists for a simulation without distributions. */
static rv_status parse_distributions(rv_sequence_simulation *out, const json_t *object,
                                     const char *where, rv_error *err)
{
    json_t *values, *probabilities;
    size_t tokens = out->expected.count;
    RV_TRY(rv_json_list(&values, object, "distribution_values", where, err));
    RV_TRY(rv_json_list(&probabilities, object, "distribution_probabilities", where, err));
    if (json_array_size(values) != json_array_size(probabilities))
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: distribution_probabilities: expected %zu, found %zu", where,
                       json_array_size(values), json_array_size(probabilities));
    if (json_array_size(values) == 0) return RV_OK;
    if (json_array_size(values) != tokens)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: distribution_values: expected %zu, one a token, found %zu", where,
                       tokens, json_array_size(values));
    RV_TRY(RV_NEW(out->distributions, tokens, err));
    for (size_t i = 0; i < tokens; i++) {
        rv_distribution *d = &out->distributions[i];
        size_t other;
        RV_TRY(rv_json_numbers(&d->values, &d->count, json_array_get(values, i), where, err));
        RV_TRY(rv_json_numbers(&d->probabilities, &other, json_array_get(probabilities, i),
                               where, err));
        if (other != d->count)
            return rv_fail(
                err, RV_ERR_FORMAT,
                "%s: distribution of token %zu: expected %zu probabilities, found %zu", where,
                i, d->count, other);
    }
    return RV_OK;
}

/* out is released by the caller, also after a failure. */
static rv_status parse_simulation(rv_sequence_simulation *out, const json_t *object,
                                  bool nested, const char *where, rv_error *err)
{
    const char *scale;
    RV_TRY(expect_class(object, "SequenceSimulation", where, err));
    RV_TRY(rv_json_record(&out->expected, json_object_get(object, "tokens"),
                          json_object_get(object, "expected_activations"), where, err));
    RV_TRY(rv_json_string(&scale, object, "activation_scale", where, err));
    out->calibrated = strcmp(scale, "neuron_activations") == 0;
    if (!out->calibrated && strcmp(scale, "simulated_normalized_activations") != 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: activation_scale: expected neuron_activations or "
                       "simulated_normalized_activations, found %.40s",
                       where, scale);
    RV_TRY(parse_distributions(out, object, where, err));
    const json_t *uncalibrated = json_object_get(object, "uncalibrated_simulation");
    if (!uncalibrated || json_is_null(uncalibrated)) return RV_OK;
    if (nested)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: uncalibrated_simulation: expected no further one inside it", where);
    RV_TRY(RV_NEW(out->uncalibrated, 1, err));
    return parse_simulation(out->uncalibrated, uncalibrated, true, where, err);
}

static rv_status parse_scores(double *correlation, double *r_squared, double *deviation,
                              const json_t *object, const char *where, rv_error *err)
{
    const struct {
        const char *key;
        double *value;
    } scores[] = {{"ev_correlation_score", correlation},
                  {"rsquared_score", r_squared},
                  {"absolute_dev_explained_score", deviation}};
    for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
        const json_t *value = json_object_get(object, scores[i].key);
        *scores[i].value = NAN;
        if (value && !rv_json_number(scores[i].value, value))
            return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected a number, found %s", where,
                           scores[i].key, rv_json_kind(value));
    }
    return RV_OK;
}

static rv_status parse_sequence(rv_scored_sequence *out, const json_t *object,
                                const char *where, rv_error *err)
{
    json_t *simulation;
    RV_TRY(expect_class(object, "ScoredSequenceSimulation", where, err));
    RV_TRY(rv_json_object(&simulation, object, "simulation", where, err));
    RV_TRY(parse_simulation(&out->simulation, simulation, false, where, err));
    RV_TRY(rv_json_numbers(&out->real, &out->real_count,
                           json_object_get(object, "true_activations"), where, err));
    if (out->real_count != out->simulation.expected.count)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: true_activations: expected %zu, one a token, found %zu", where,
                       out->simulation.expected.count, out->real_count);
    return parse_scores(&out->correlation, &out->r_squared, &out->deviation, object, where,
                        err);
}

static rv_status parse_explanation(rv_scored_explanation *out, const json_t *object,
                                   const char *where, rv_error *err)
{
    const char *text;
    json_t *scored, *list;
    RV_TRY(expect_class(object, "ScoredExplanation", where, err));
    RV_TRY(rv_json_string(&text, object, "explanation", where, err));
    out->explanation = rv_utf8_repair(text, strlen(text));
    if (!out->explanation) return rv_fail_memory(err, strlen(text));
    RV_TRY(rv_json_object(&scored, object, "scored_simulation", where, err));
    RV_TRY(expect_class(scored, "ScoredSimulation", where, err));
    RV_TRY(
        parse_scores(&out->correlation, &out->r_squared, &out->deviation, scored, where, err));
    RV_TRY(rv_json_list(&list, scored, "scored_sequence_simulations", where, err));
    RV_TRY(RV_NEW(out->sequences, json_array_size(list), err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        char here[512];
        snprintf(here, sizeof here, "%.400s: sequence %zu", where, i);
        out->count++;
        RV_TRY(parse_sequence(&out->sequences[i], json_array_get(list, i), here, err));
    }
    return RV_OK;
}

static rv_status parse_results(rv_simulation_results *out, const json_t *root,
                               const char *where, rv_error *err)
{
    if (is_class(root, "ScoredExplanation", "scored_simulation")) {
        RV_TRY(RV_NEW(out->explanations, 1, err));
        out->count = 1;
        return parse_explanation(&out->explanations[0], root, where, err);
    }
    json_t *list;
    RV_TRY(expect_class(root, "NeuronSimulationResults", where, err));
    RV_TRY(parse_neuron_id(&out->layer, &out->neuron, root, where, err));
    RV_TRY(rv_json_list(&list, root, "scored_explanations", where, err));
    RV_TRY(RV_NEW(out->explanations, json_array_size(list), err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        out->count++;
        RV_TRY(parse_explanation(&out->explanations[i], json_array_get(list, i), where, err));
    }
    return RV_OK;
}

rv_status rv_simulation_results_read(rv_simulation_results *out, const char *path,
                                     rv_error *err)
{
    char *text;
    size_t length;
    json_t *root = NULL;
    *out = (rv_simulation_results){.layer = -1, .neuron = -1};
    RV_TRY(rv_read_file(&text, &length, path, FILE_LIMIT, err));
    const char *start = text + strspn(text, " \t\r\n");
    rv_status status = rv_json_parse(&root, start, strcspn(start, "\n"), path, err);
    free(text);
    if (status == RV_OK) status = parse_results(out, root, path, err);
    json_decref(root);
    if (status != RV_OK) rv_simulation_results_release(out);
    return status;
}

/* ---- simulations, writing -------------------------------------------------------------------- */
static json_t *distributions_json(const rv_sequence_simulation *s, bool probabilities)
{
    json_t *list = json_array();
    for (size_t i = 0; s->distributions && i < s->expected.count; i++) {
        const rv_distribution *d = &s->distributions[i];
        json_t *row = rv_json_reals(probabilities ? d->probabilities : d->values, d->count);
        if (json_array_append_new(list, row) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *simulation_json(const rv_sequence_simulation *s)
{
    json_t *uncalibrated = s->uncalibrated ? simulation_json(s->uncalibrated) : json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "dataclass_name", "SequenceSimulation", "tokens",
        rv_json_strings(s->expected.tokens, s->expected.count), "expected_activations",
        rv_json_reals(s->expected.activations, s->expected.count), "activation_scale",
        s->calibrated ? "neuron_activations" : "simulated_normalized_activations",
        "distribution_values", distributions_json(s, false), "distribution_probabilities",
        distributions_json(s, true), "uncalibrated_simulation", uncalibrated);
}

static json_t *sequence_json(const rv_scored_sequence *s)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "dataclass_name",
                     "ScoredSequenceSimulation", "simulation", simulation_json(&s->simulation),
                     "true_activations", rv_json_reals(s->real, s->real_count),
                     "ev_correlation_score", rv_json_real(s->correlation), "rsquared_score",
                     rv_json_real(s->r_squared), "absolute_dev_explained_score",
                     rv_json_real(s->deviation));
}

json_t *rv_scored_explanation_json(const rv_scored_explanation *explanation)
{
    json_t *list = json_array();
    for (size_t i = 0; i < explanation->count; i++)
        if (json_array_append_new(list, sequence_json(&explanation->sequences[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    json_t *scored =
        json_pack("{s:s, s:o, s:o, s:o, s:o}", "dataclass_name", "ScoredSimulation",
                  "scored_sequence_simulations", list, "ev_correlation_score",
                  rv_json_real(explanation->correlation), "rsquared_score",
                  rv_json_real(explanation->r_squared), "absolute_dev_explained_score",
                  rv_json_real(explanation->deviation));
    return json_pack("{s:s, s:s, s:o}", "dataclass_name", "ScoredExplanation", "explanation",
                     explanation->explanation, "scored_simulation", scored);
}

rv_status rv_simulation_results_write(const char *path, const rv_simulation_results *results,
                                      rv_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < results->count; i++)
        if (json_array_append_new(list,
                                  rv_scored_explanation_json(&results->explanations[i])) != 0) {
            json_decref(list);
            list = NULL;
            break;
        }
    return rv_json_write(
        path,
        json_pack("{s:s, s:o, s:o}", "dataclass_name", "NeuronSimulationResults", "neuron_id",
                  neuron_id_json(results->layer, results->neuron), "scored_explanations", list),
        err);
}
