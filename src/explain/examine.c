/* One explanation before all scorers, on test records. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/job.h"
#include "explain/judge.h"

rv_status job_step(job *j, const char *note, rv_error *err)
{
    const rv_progress event = {
        .what = "explaining", .unit = "questions", .note = note, .done = (double)j->steps++};
    if (!j->params->progress || j->params->progress(j->params->progress_context, &event))
        return RV_OK;
    return rv_fail(err, RV_ERR_CANCELLED, "cancelled after %zu questions", j->steps - 1);
}

rv_status job_add_score(rv_explanation *c, const char *scorer, const char *measure,
                        const char *split, rv_measure value, rv_error *err)
{
    RV_TRY(rv_grow((void **)&c->scores, &c->score_room, c->score_count + 1, sizeof *c->scores,
                   err));
    c->scores[c->score_count++] = (rv_named_measure){scorer, measure, split, value};
    return RV_OK;
}

/* ---- simulation ------------------------------------------------------------------------------ */
void sequences_release(sequences *s)
{
    for (size_t i = 0; i < s->count; i++) rv_simulation_release(&s->simulations[i]);
    free(s->simulations);
    free(s->pairs);
    *s = (sequences){0};
}

static rv_status sequences_new(sequences *out, size_t room, rv_error *err)
{
    *out = (sequences){0};
    RV_TRY(RV_NEW(out->pairs, room, err));
    rv_status status = RV_NEW(out->simulations, room, err);
    if (status != RV_OK) sequences_release(out);
    return status;
}

rv_status job_simulate(sequences *out, job *j, const char *explanation,
                       const rv_record_view *records, rv_error *err)
{
    RV_TRY(sequences_new(out, records->count, err));
    for (size_t i = 0; i < records->count; i++) {
        const rv_activation_record *record = records->items[i];
        rv_simulation *s = &out->simulations[i];
        rv_status status = job_step(j, "simulating", err);
        if (status == RV_OK)
            status = rv_simulate(s, j->simulator, j->way, explanation, record,
                                 j->params->extra_tokens, err);
        if (status != RV_OK) {
            sequences_release(out);
            return status;
        }
        out->pairs[i] = (rv_simulated){record->activations, s->expected, record->count};
        out->count++;
        j->out->simulated += s->count;
        j->out->unread += s->count - s->read;
        j->out->probabilities = j->out->probabilities || s->weighed > 0;
    }
    return RV_OK;
}

/* The same from the mean activations of tokens in training and calibration records. */
static rv_status look_up(sequences *out, const job *j, const rv_record_view *records,
                         rv_error *err)
{
    const rv_record_view *train = &j->splits.train, *calibration = &j->splits.calibration;
    rv_record_view known = {0};
    rv_lookup *lookup = NULL;
    rv_status status = RV_OK;
    *out = (sequences){0};
    RV_GOTO(RV_NEW(known.items, train->count + calibration->count, err));
    for (size_t i = 0; i < train->count; i++) known.items[known.count++] = train->items[i];
    for (size_t i = 0; i < calibration->count; i++)
        known.items[known.count++] = calibration->items[i];
    RV_GOTO(rv_lookup_train(&lookup, &known, 2 * train->count, err));
    RV_GOTO(sequences_new(out, records->count, err));
    for (size_t i = 0; i < records->count; i++) {
        const rv_activation_record *record = records->items[i];
        RV_GOTO(RV_NEW(out->simulations[i].expected, record->count, err));
        rv_lookup_predict(out->simulations[i].expected, lookup, record);
        out->pairs[i] =
            (rv_simulated){record->activations, out->simulations[i].expected, record->count};
        out->count++;
    }
done:
    rv_lookup_free(lookup);
    free(known.items);
    if (status != RV_OK) sequences_release(out);
    return status;
}

/* ---- texts and failures ---------------------------------------------------------------------- */
static double squared_error(const rv_simulated_text *text)
{
    double sum = 0;
    for (size_t i = 0; i < text->count; i++) {
        double d = text->real[i] - text->simulated[i];
        sum += d * d;
    }
    return sum;
}

/* Marks the three texts with the largest errors. */
static void mark_failures(rv_explanation *c)
{
    enum { FAILURES = 3 };
    for (size_t k = 0; k < FAILURES && k < c->text_count; k++) {
        rv_simulated_text *worst = NULL;
        for (size_t i = 0; i < c->text_count; i++) {
            rv_simulated_text *text = &c->texts[i];
            if (!text->failed && (!worst || squared_error(text) > squared_error(worst)))
                worst = text;
        }
        worst->failed = squared_error(worst) > 0;
    }
}

/* A text's correlation is that of the simulation as it is; shown is the simulation on the neuron's scale: by the
 * calibration, unless that falls, which would show the opposite of what was foreseen. */
static rv_status keep_texts(job *j, rv_explanation *c, const sequences *test,
                            const rv_calibration *line, rv_error *err)
{
    rv_calibration scale = {j->maximum / RV_LEVELS, 0};
    if (line->slope > 0) scale = *line;
    const rv_record_view *records = &j->splits.test;
    size_t tops = j->splits.train.count;
    RV_TRY(RV_NEW(c->texts, test->count, err));
    for (size_t i = 0; i < test->count; i++) {
        rv_simulation_scores scores;
        rv_simulated_text *text = &c->texts[i];
        RV_TRY(rv_score_simulation(&scores, &test->pairs[i], 1, (rv_bootstrap){0}, err));
        const rv_activation_record *record = records->items[i];
        *text = (rv_simulated_text){.kind = i < tops ? "top" : "random",
                                    .tokens = record->tokens,
                                    .real = record->activations,
                                    .count = record->count,
                                    .correlation = scores.correlation};
        RV_TRY(RV_NEW(text->simulated, test->pairs[i].count, err));
        for (size_t k = 0; k < text->count; k++)
            text->simulated[k] = scale.slope * test->pairs[i].simulated[k] + scale.intercept;
        c->text_count++;
    }
    mark_failures(c);
    return RV_OK;
}

/* ---- scorers --------------------------------------------------------------------------------- */
static void apply(const rv_calibration *line, sequences *s)
{
    for (size_t r = 0; r < s->count; r++)
        for (size_t i = 0; i < s->pairs[r].count; i++)
            s->simulations[r].expected[i] =
                line->slope * s->simulations[r].expected[i] + line->intercept;
}

/* Correlation of the simulation as it is, the others after calibration: a falling line would turn a
 * wrong explanation's correlation into a right one's. */
static rv_status score_by_simulation(job *j, rv_explanation *c, rv_error *err)
{
    bool lookup = c->baseline && strcmp(c->baseline, "token lookup") == 0;
    sequences test = {0}, calibration = {0};
    rv_simulation_scores raw, calibrated;
    rv_calibration line = {1, 0};
    rv_status status = RV_OK;
    RV_GOTO(lookup ? look_up(&test, j, &j->splits.test, err)
                   : job_simulate(&test, j, c->text, &j->splits.test, err));
    RV_GOTO(rv_score_simulation(&raw, test.pairs, test.count, j->params->bootstrap, err));
    if (!lookup) {
        RV_GOTO(job_simulate(&calibration, j, c->text, &j->splits.calibration, err));
        RV_GOTO(rv_calibrate(&line, calibration.pairs, calibration.count, err));
    }
    if (c->chosen) RV_GOTO(keep_texts(j, c, &test, &line, err));
    apply(&line, &test);
    RV_GOTO(
        rv_score_simulation(&calibrated, test.pairs, test.count, j->params->bootstrap, err));
    RV_GOTO(job_add_score(c, "simulation", "correlation", "test", raw.correlation, err));
    RV_GOTO(job_add_score(c, "simulation", "r_squared", "test", calibrated.r_squared, err));
    status = job_add_score(c, "simulation", "deviation", "test", calibrated.deviation, err);
done:
    sequences_release(&test);
    sequences_release(&calibration);
    return status;
}

static rv_status score_by_judgement(job *j, rv_explanation *c, rv_judgement kind, rv_error *err)
{
    const char *scorer = kind == RV_JUDGE_DETECTION ? "detection" : "fuzzing";
    uint64_t seed = j->params->bootstrap.seed;
    rv_exam exam = {0};
    rv_classified *answers = NULL;
    rv_classification_scores scores;
    size_t answered;
    rv_status status = RV_OK;
    RV_GOTO(job_step(j, scorer, err));
    RV_GOTO(kind == RV_JUDGE_DETECTION
                ? rv_exam_detect(&exam, &j->splits.test, j->maximum, seed, err)
                : rv_exam_fuzz(&exam, &j->splits.test, j->maximum, seed, err));
    RV_GOTO(RV_NEW(answers, exam.count, err));
    RV_GOTO(rv_judge(answers, &answered, j->simulator, kind, c->text, &exam,
                     j->params->extra_tokens, err));
    RV_GOTO(rv_score_classification(&scores, answers, answered, j->params->bootstrap, err));
    RV_GOTO(job_add_score(c, scorer, "accuracy", "test", scores.accuracy, err));
    RV_GOTO(job_add_score(c, scorer, "area", "test", scores.area, err));
    double share = exam.count ? (double)answered / (double)exam.count : 0;
    rv_measure measure = {.defined = answered > 0,
                          .value = answered ? share : 0,
                          .why = exam.count ? "no answer could be read" : "no texts to judge"};
    status = job_add_score(c, scorer, "answered", "test", measure, err);
done:
    free(answers);
    rv_exam_release(&exam);
    return status;
}

static rv_status score_by_rating(job *j, rv_explanation *c, rv_error *err)
{
    rv_measure rating;
    RV_TRY(job_step(j, "rating", err));
    RV_TRY(rv_rate(&rating, j->simulator, c->text, &j->splits.test, j->maximum,
                   j->params->extra_tokens, err));
    return job_add_score(c, "rating", "expected", "test", rating, err);
}

rv_status job_examine(job *j, rv_explanation *c, rv_error *err)
{
    unsigned scorers = j->params->scorers;
    if (c->baseline) scorers &= RV_SCORE_SIMULATION; // what the others are held against
    if (scorers & RV_SCORE_SIMULATION) RV_TRY(score_by_simulation(j, c, err));
    if (scorers & RV_SCORE_DETECTION) RV_TRY(score_by_judgement(j, c, RV_JUDGE_DETECTION, err));
    if (scorers & RV_SCORE_FUZZING) RV_TRY(score_by_judgement(j, c, RV_JUDGE_FUZZING, err));
    return scorers & RV_SCORE_RATING ? score_by_rating(j, c, err) : RV_OK;
}
