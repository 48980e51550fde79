#include "explain/score.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

static rv_measure undefined(const char *why)
{
    return (rv_measure){.why = why};
}

static rv_measure defined(double value)
{
    return (rv_measure){.defined = true, .value = value};
}

/* ---- intervals ------------------------------------------------------------------------------- */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double fraction)
{
    double at = fraction * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count) return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* values: of the `count` resamples in which the measure was defined. Sorts them. */
static void bound(rv_measure *measure, double *values, size_t count, size_t resamples)
{
    if (!measure->defined || count == 0 || 2 * count < resamples) return;
    qsort(values, count, sizeof *values, ascending);
    measure->low = percentile(values, count, 0.025);
    measure->high = percentile(values, count, 0.975);
    measure->bounded = true;
}

/* Draws count of count things with replacement: weight[i] is how often i was drawn. */
static void resample(unsigned *weight, size_t count, rv_random *random)
{
    memset(weight, 0, count * sizeof *weight);
    for (size_t i = 0; i < count; i++) weight[rv_random_below(random, count)]++;
}

/* ---- simulation ------------------------------------------------------------------------------ */
/* Sums over one record, around the pooled means, so that they add up without cancellation. */
typedef struct sums {
    double n, x, s, xx, ss, xs;            /* of x - mean(x), s - mean(s) */
    double squares, errors, sizes, misses; /* x^2, (x-s)^2, |x|, |x-s| */
    double x_least, x_most, s_least, s_most;
} sums;

static const sums no_sums = {
    .x_least = INFINITY, .x_most = -INFINITY, .s_least = INFINITY, .s_most = -INFINITY};

static void add_sums(sums *total, const sums *part, double weight)
{
    if (weight == 0) return;
    total->n += weight * part->n;
    total->x += weight * part->x;
    total->s += weight * part->s;
    total->xx += weight * part->xx;
    total->ss += weight * part->ss;
    total->xs += weight * part->xs;
    total->squares += weight * part->squares;
    total->errors += weight * part->errors;
    total->sizes += weight * part->sizes;
    total->misses += weight * part->misses;
    total->x_least = fmin(total->x_least, part->x_least);
    total->x_most = fmax(total->x_most, part->x_most);
    total->s_least = fmin(total->s_least, part->s_least);
    total->s_most = fmax(total->s_most, part->s_most);
}

static sums sum_record(const rv_simulated *record, double x_mean, double s_mean)
{
    sums r = no_sums;
    for (size_t i = 0; i < record->count; i++) {
        double real = record->real[i], simulated = record->simulated[i];
        double x = real - x_mean, s = simulated - s_mean;
        sums token = {1,           x,
                      s,           x * x,
                      s * s,       x * s,
                      real * real, (real - simulated) * (real - simulated),
                      fabs(real),  fabs(real - simulated),
                      real,        real,
                      simulated,   simulated};
        add_sums(&r, &token, 1);
    }
    return r;
}

static rv_simulation_scores scores_of(const sums *t)
{
    rv_simulation_scores scores;
    double xx = t->xx - t->x * t->x / t->n, ss = t->ss - t->s * t->s / t->n;
    if (t->n == 0)
        scores.correlation = undefined("no tokens");
    else if (t->x_least == t->x_most)
        scores.correlation = undefined("real activation is constant");
    else if (t->s_least == t->s_most || xx <= 0 || ss <= 0)
        scores.correlation = undefined("simulation is constant");
    else
        scores.correlation =
            defined(fmax(-1, fmin(1, (t->xs - t->x * t->s / t->n) / sqrt(xx * ss))));
    if (t->n == 0)
        scores.r_squared = scores.deviation = undefined("no tokens");
    else if (t->squares == 0)
        scores.r_squared = scores.deviation = undefined("real activation is zero throughout");
    else {
        scores.r_squared = defined(1 - t->errors / t->squares);
        scores.deviation = defined(1 - t->misses / t->sizes);
    }
    return scores;
}

static rv_status check_finite(const rv_simulated *records, size_t count, rv_error *err)
{
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < records[r].count; i++)
            if (!isfinite(records[r].real[i]) || !isfinite(records[r].simulated[i]))
                return rv_fail(err, RV_ERR_NUMERIC,
                               "score: record %zu, token %zu: expected finite activations, "
                               "found %g real, %g simulated",
                               r, i, records[r].real[i], records[r].simulated[i]);
    return RV_OK;
}

/* Record sums (count, malloc'ed) around the pooled means, which are written too. */
static rv_status sum_records(sums **out, double mean[2], const rv_simulated *records,
                             size_t count, rv_error *err)
{
    RV_TRY(check_finite(records, count, err));
    double n = 0;
    mean[0] = mean[1] = 0;
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < records[r].count; i++) {
            n++;
            mean[0] += (records[r].real[i] - mean[0]) / n;
            mean[1] += (records[r].simulated[i] - mean[1]) / n;
        }
    RV_TRY(RV_NEW(*out, count, err));
    for (size_t r = 0; r < count; r++) (*out)[r] = sum_record(&records[r], mean[0], mean[1]);
    return RV_OK;
}

static rv_status bound_simulation(rv_simulation_scores *out, const sums *parts, size_t count,
                                  rv_bootstrap bootstrap, rv_error *err)
{
    enum { MEASURES = 3 };
    rv_measure *measures[MEASURES] = {&out->correlation, &out->r_squared, &out->deviation};
    double *values = NULL;
    unsigned *weight = NULL;
    size_t drawn[MEASURES] = {0}, room;
    rv_status status = RV_OK;
    if (rv_mul_overflows(bootstrap.resamples, MEASURES, &room))
        return rv_fail_memory(err, bootstrap.resamples);
    RV_GOTO(RV_NEW(values, room, err));
    RV_GOTO(RV_NEW(weight, count, err));
    rv_random random = rv_random_stream(bootstrap.seed, 0, 0);
    for (size_t b = 0; b < bootstrap.resamples; b++) {
        sums total = no_sums;
        resample(weight, count, &random);
        for (size_t r = 0; r < count; r++) add_sums(&total, &parts[r], weight[r]);
        rv_simulation_scores s = scores_of(&total);
        const rv_measure *now[MEASURES] = {&s.correlation, &s.r_squared, &s.deviation};
        for (size_t m = 0; m < MEASURES; m++)
            if (now[m]->defined) values[m * bootstrap.resamples + drawn[m]++] = now[m]->value;
    }
    for (size_t m = 0; m < MEASURES; m++)
        bound(measures[m], values + m * bootstrap.resamples, drawn[m], bootstrap.resamples);
done:
    free(values);
    free(weight);
    return status;
}

rv_status rv_score_simulation(rv_simulation_scores *out, const rv_simulated *records,
                              size_t count, rv_bootstrap bootstrap, rv_error *err)
{
    sums *parts = NULL, total = no_sums;
    double mean[2];
    RV_TRY(sum_records(&parts, mean, records, count, err));
    for (size_t r = 0; r < count; r++) add_sums(&total, &parts[r], 1);
    *out = scores_of(&total);
    rv_status status = RV_OK;
    if (count > 1 && bootstrap.resamples)
        status = bound_simulation(out, parts, count, bootstrap, err);
    free(parts);
    return status;
}

rv_status rv_calibrate(rv_calibration *out, const rv_simulated *records, size_t count,
                       rv_error *err)
{
    sums *parts = NULL, t = no_sums;
    double mean[2];
    RV_TRY(sum_records(&parts, mean, records, count, err));
    for (size_t r = 0; r < count; r++) add_sums(&t, &parts[r], 1);
    free(parts);
    bool constant = t.n == 0 || t.s_least == t.s_most;
    double slope = constant ? 0 : (t.xs - t.x * t.s / t.n) / (t.ss - t.s * t.s / t.n);
    *out = (rv_calibration){slope, mean[0] - slope * mean[1]};
    return RV_OK;
}

/* ---- classification -------------------------------------------------------------------------- */
typedef struct ranked {
    double probability;
    size_t index;
} ranked;

static int by_probability(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->probability > y->probability) - (x->probability < y->probability);
}

static rv_measure accuracy_of(const rv_classified *answers, const unsigned *weight,
                              size_t count)
{
    double yes = 0, no = 0, true_yes = 0, true_no = 0;
    for (size_t i = 0; i < count; i++) {
        double w = weight[i];
        *(answers[i].truth ? &yes : &no) += w;
        if (answers[i].truth == answers[i].predicted)
            *(answers[i].truth ? &true_yes : &true_no) += w;
    }
    if (yes == 0) return undefined("no example on which the neuron fires");
    if (no == 0) return undefined("no example on which the neuron is silent");
    return defined((true_yes / yes + true_no / no) / 2);
}

/* Mann and Whitney: the share of (yes, no) pairs in the right order. `order` is ascending. */
static rv_measure area_of(const rv_classified *answers, const ranked *order,
                          const unsigned *weight, size_t count)
{
    double no_below = 0, yes_all = 0, pairs = 0;
    for (size_t i = 0; i < count;) {
        double yes = 0, no = 0;
        size_t end = i;
        for (; end < count && order[end].probability == order[i].probability; end++)
            *(answers[order[end].index].truth ? &yes : &no) += weight[order[end].index];
        pairs += yes * (no_below + no / 2);
        no_below += no;
        yes_all += yes;
        i = end;
    }
    if (yes_all == 0) return undefined("no example on which the neuron fires");
    if (no_below == 0) return undefined("no example on which the neuron is silent");
    return defined(pairs / (yes_all * no_below));
}

static rv_status rank(ranked *order, bool *known, const rv_classified *answers, size_t count,
                      rv_error *err)
{
    *known = true;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(answers[i].probability))
            return rv_fail(err, RV_ERR_NUMERIC,
                           "score: answer %zu: probability: expected a finite number, found %g",
                           i, answers[i].probability);
        if (answers[i].probability < 0) *known = false;
        order[i] = (ranked){answers[i].probability, i};
    }
    qsort(order, count, sizeof *order, by_probability);
    return RV_OK;
}

rv_status rv_score_classification(rv_classification_scores *out, const rv_classified *answers,
                                  size_t count, rv_bootstrap bootstrap, rv_error *err)
{
    ranked *order = NULL;
    unsigned *weight = NULL;
    double *accuracies = NULL, *areas = NULL;
    size_t accuracy_count = 0, area_count = 0;
    bool known;
    rv_status status = RV_OK;
    RV_GOTO(RV_NEW(order, count, err));
    RV_GOTO(RV_NEW(weight, count, err));
    RV_GOTO(RV_NEW(accuracies, bootstrap.resamples, err));
    RV_GOTO(RV_NEW(areas, bootstrap.resamples, err));
    RV_GOTO(rank(order, &known, answers, count, err));
    for (size_t i = 0; i < count; i++) weight[i] = 1;
    out->accuracy = accuracy_of(answers, weight, count);
    out->area = known ? area_of(answers, order, weight, count)
                      : undefined("answers came without probabilities");
    rv_random random = rv_random_stream(bootstrap.seed, 0, 0);
    for (size_t b = 0; count > 1 && b < bootstrap.resamples; b++) {
        resample(weight, count, &random);
        rv_measure accuracy = accuracy_of(answers, weight, count);
        rv_measure area = area_of(answers, order, weight, count);
        if (accuracy.defined) accuracies[accuracy_count++] = accuracy.value;
        if (area.defined) areas[area_count++] = area.value;
    }
    bound(&out->accuracy, accuracies, accuracy_count, bootstrap.resamples);
    bound(&out->area, areas, area_count, bootstrap.resamples);
done:
    free(order);
    free(weight);
    free(accuracies);
    free(areas);
    return status;
}

bool rv_renormalise(double *probabilities, const double *logprobs, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, logprobs[i]);
    if (!isfinite(most)) return false;
    for (size_t i = 0; i < n; i++) sum += probabilities[i] = exp(logprobs[i] - most);
    for (size_t i = 0; i < n; i++) probabilities[i] /= sum;
    return true;
}
