#include "explain/explained.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "record/record.h"

/* ---- records --------------------------------------------------------------------------------- */
static rv_score_entry score_entry(const rv_named_measure *m)
{
    const rv_measure *v = &m->value;
    return (rv_score_entry){.scorer = m->scorer,
                            .measure = m->measure,
                            .split = m->split,
                            .value = v->defined ? v->value : NAN,
                            .low = v->bounded ? v->low : NAN,
                            .high = v->bounded ? v->high : NAN,
                            .why = v->defined ? NULL : v->why};
}

/* What was measured on test records first: it is what counts. */
static rv_status fill_scores(rv_explanation_record *out, rv_arena *arena,
                             const rv_explanation *c, rv_error *err)
{
    rv_score_entry *entries = rv_arena_alloc(arena, c->score_count, sizeof *entries);
    if (!entries) return rv_fail_memory(err, c->score_count * sizeof *entries);
    for (int valid = 0; valid < 2; valid++)
        for (size_t i = 0; i < c->score_count; i++)
            if ((strcmp(c->scores[i].split, "valid") == 0) == valid)
                entries[out->score_count++] = score_entry(&c->scores[i]);
    out->scores = entries;
    return RV_OK;
}

static rv_status fill_texts(rv_explanation_record *out, rv_arena *arena,
                            const rv_explanation *c, rv_error *err)
{
    rv_simulated_entry *entries = rv_arena_alloc(arena, c->text_count, sizeof *entries);
    if (!entries) return rv_fail_memory(err, c->text_count * sizeof *entries);
    for (size_t t = 0; t < c->text_count; t++) {
        const rv_simulated_text *text = &c->texts[t];
        rv_simulated_token_entry *tokens = rv_arena_alloc(arena, text->count, sizeof *tokens);
        if (!tokens) return rv_fail_memory(err, text->count * sizeof *tokens);
        for (size_t i = 0; i < text->count; i++)
            tokens[i] = (rv_simulated_token_entry){RV_STRING(text->tokens[i]), text->real[i],
                                                   text->simulated[i]};
        entries[t] = (rv_simulated_entry){
            .kind = text->kind,
            .failed = text->failed,
            .score = text->correlation.defined ? text->correlation.value : NAN,
            .tokens = tokens,
            .token_count = text->count};
    }
    out->records = entries;
    out->record_count = c->text_count;
    return RV_OK;
}

static rv_status put_candidate(rv_text *out, const rv_explanation *c,
                               const rv_explained_about *about, rv_error *err)
{
    rv_arena arena = {0};
    rv_explanation_record record = rv_explanation_record_empty();
    record.text = RV_STRING(c->text);
    record.baseline = c->baseline;
    record.chosen = c->chosen;
    record.evidence = c->baseline ? NULL : about->evidence;
    record.style = c->baseline ? NULL : rv_style_name(about->style);
    record.revision = c->revision;
    record.explainer = c->baseline ? NULL : about->explainer;
    record.simulator = about->simulator;
    record.seed = about->seed;
    rv_status status = fill_scores(&record, &arena, c, err);
    if (status == RV_OK) status = fill_texts(&record, &arena, c, err);
    if (status == RV_OK) status = rv_put_explanation(out, &record, err);
    rv_arena_release(&arena);
    return status;
}

rv_status rv_explained_put(rv_text *out, const rv_explained *explained,
                           const rv_explained_about *about, rv_error *err)
{
    for (int others = 0; others < 2; others++)
        for (size_t i = 0; i < explained->count; i++)
            if (explained->explanations[i].chosen != others)
                RV_TRY(put_candidate(out, &explained->explanations[i], about, err));
    return RV_OK;
}

/* ---- exchange -------------------------------------------------------------------------------- */
static double test_score(const rv_explanation *c, const char *measure)
{
    for (size_t i = 0; i < c->score_count; i++)
        if (strcmp(c->scores[i].scorer, "simulation") == 0 &&
            strcmp(c->scores[i].measure, measure) == 0 &&
            strcmp(c->scores[i].split, "test") == 0 && c->scores[i].value.defined)
            return c->scores[i].value.value;
    return NAN;
}

static rv_status fill_sequence(rv_scored_sequence *out, const rv_simulated_text *text,
                               rv_error *err)
{
    rv_simulation_scores scores;
    rv_simulated pair = {text->real, text->simulated, text->count};
    RV_TRY(rv_activation_record_init(&out->simulation.expected, text->count, err));
    for (size_t i = 0; i < text->count; i++)
        RV_TRY(rv_activation_record_set(&out->simulation.expected, i, text->tokens[i],
                                        strlen(text->tokens[i]), text->simulated[i], err));
    out->simulation.calibrated = true;
    RV_TRY(RV_NEW(out->real, text->count, err));
    out->real_count = text->count;
    memcpy(out->real, text->real, text->count * sizeof *out->real);
    RV_TRY(rv_score_simulation(&scores, &pair, 1, (rv_bootstrap){0}, err));
    out->correlation = text->correlation.defined ? text->correlation.value : NAN;
    out->r_squared = scores.r_squared.defined ? scores.r_squared.value : NAN;
    out->deviation = scores.deviation.defined ? scores.deviation.value : NAN;
    return RV_OK;
}

static rv_status fill_results(rv_simulation_results *out, const rv_explanation *c,
                              rv_error *err)
{
    RV_TRY(RV_NEW(out->explanations, 1, err));
    rv_scored_explanation *e = &out->explanations[0];
    out->count = 1;
    e->explanation = rv_strndup(c->text, strlen(c->text));
    if (!e->explanation) return rv_fail_memory(err, strlen(c->text));
    e->correlation = test_score(c, "correlation");
    e->r_squared = test_score(c, "r_squared");
    e->deviation = test_score(c, "deviation");
    RV_TRY(RV_NEW(e->sequences, c->text_count, err));
    for (size_t i = 0; i < c->text_count; i++) {
        e->count++;
        RV_TRY(fill_sequence(&e->sequences[i], &c->texts[i], err));
    }
    return RV_OK;
}

rv_status rv_explained_results(rv_simulation_results *out, const rv_explained *explained,
                               const rv_evidence *evidence, rv_error *err)
{
    const rv_explanation *c = rv_explained_choice(explained);
    *out = (rv_simulation_results){.layer = evidence->layer, .neuron = evidence->neuron};
    if (!c) return RV_OK;
    rv_status status = fill_results(out, c, err);
    if (status != RV_OK) rv_simulation_results_release(out);
    return status;
}
