#include "explain/explain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "explain/answer.h"
#include "explain/job.h"

rv_explain_plan rv_explain_plan_default(void)
{
    return (rv_explain_plan){.style = RV_STYLE_PAIRS,
                             .from_corpus = true,
                             .from_dreams = true,
                             .candidates = 5,
                             .revisions = 2,
                             .dreams = 6,
                             .scorers = RV_SCORE_ALL,
                             .baselines = true,
                             .temperature = 1,
                             .answer_tokens = 60,
                             .bootstrap = {1000, 1}};
}

static void release_candidate(rv_explanation *c)
{
    for (size_t i = 0; i < c->text_count; i++) free(c->texts[i].simulated);
    free(c->texts);
    free(c->scores);
    free(c->text);
}

void rv_explained_release(rv_explained *explained)
{
    for (size_t i = 0; i < explained->count; i++)
        release_candidate(&explained->explanations[i]);
    free(explained->explanations);
    free(explained->records);
    if (explained->evidence) rv_evidence_release(explained->evidence);
    free(explained->evidence);
    *explained = (rv_explained){0};
}

const rv_explanation *rv_explained_choice(const rv_explained *explained)
{
    for (size_t i = 0; i < explained->count; i++)
        if (explained->explanations[i].chosen) return &explained->explanations[i];
    return NULL;
}

/* ---- candidates ------------------------------------------------------------------------------ */
/* Takes the text over. */
static rv_status add_candidate(job *j, char *text, const char *baseline, unsigned revision,
                               rv_error *err)
{
    rv_explained *out = j->out;
    rv_status status = rv_grow((void **)&out->explanations, &out->room, out->count + 1,
                               sizeof *out->explanations, err);
    if (status != RV_OK) {
        free(text);
        return status;
    }
    out->explanations[out->count++] =
        (rv_explanation){.text = text, .baseline = baseline, .revision = revision};
    return RV_OK;
}

static bool is_known(const rv_explained *explained, const char *text)
{
    for (size_t i = 0; i < explained->count; i++)
        if (strcasecmp(explained->explanations[i].text, text) == 0) return true;
    return false;
}

static rv_status add_given(job *j, rv_error *err)
{
    for (size_t i = 0; i < j->params->given_count; i++) {
        const char *given = j->params->given[i];
        char *text = rv_utf8_repair(given, strlen(given));
        if (!text) return rv_fail_memory(err, strlen(given));
        if (is_known(j->out, text))
            free(text);
        else
            RV_TRY(add_candidate(j, text, NULL, 0, err));
    }
    return RV_OK;
}

/* Asks `count` times and adds what is new. */
static rv_status propose(job *j, const rv_conversation *prompt, size_t count, unsigned revision,
                         rv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        rv_chat_answer answer;
        rv_chat_request request = {.messages = prompt->messages,
                                   .message_count = prompt->count,
                                   .temperature = j->params->temperature,
                                   .seed = j->params->bootstrap.seed + 1000 * revision + i,
                                   .max_tokens =
                                       j->params->answer_tokens + j->params->extra_tokens};
        RV_TRY(job_step(
            j, revision ? "asking for a better explanation" : "asking for explanations", err));
        RV_TRY(rv_chat_complete(j->explainer, &answer, &request, err));
        char *text = rv_chat_is_dry(j->explainer)
                         ? rv_strndup("(the explanation)", strlen("(the explanation)"))
                         : rv_answer_explanation(answer.text, err);
        rv_chat_answer_release(&answer);
        if (!text && err && err->status == RV_ERR_MEMORY) return RV_ERR_MEMORY;
        if (!text)
            j->out->unusable++;
        else if (is_known(j->out, text))
            free(text);
        else
            RV_TRY(add_candidate(j, text, NULL, revision, err));
        if (rv_chat_is_dry(j->explainer)) break;
    }
    return RV_OK;
}

/* ---- choosing -------------------------------------------------------------------------------- */
static double valid_score(const rv_explanation *c)
{
    for (size_t i = 0; i < c->score_count; i++)
        if (strcmp(c->scores[i].split, "valid") == 0 && c->scores[i].value.defined)
            return c->scores[i].value.value;
    return -2; // below every correlation
}

static void choose(rv_explained *explained)
{
    size_t best = explained->count;
    for (size_t i = 0; i < explained->count; i++) {
        rv_explanation *c = &explained->explanations[i];
        c->chosen = false;
        if (c->baseline) continue;
        if (best == explained->count ||
            valid_score(c) > valid_score(&explained->explanations[best]))
            best = i;
    }
    if (best < explained->count) explained->explanations[best].chosen = true;
}

static rv_status validate_from(job *j, size_t first, rv_error *err)
{
    rv_status status = RV_OK;
    for (size_t i = first; status == RV_OK && i < j->out->count; i++) {
        sequences s;
        status = job_simulate(&s, j, j->out->explanations[i].text, &j->splits.valid, err);
        if (status != RV_OK) break;
        rv_simulation_scores scores;
        status = rv_score_simulation(&scores, s.pairs, s.count, j->params->bootstrap, err);
        if (status == RV_OK)
            status = job_add_score(&j->out->explanations[i], "simulation", "correlation",
                                   "valid", scores.correlation, err);
        sequences_release(&s);
    }
    choose(j->out);
    return status;
}

/* ---- the second round ------------------------------------------------------------------------ */
typedef struct mistake {
    size_t index;
    double size;
} mistake;

static int larger(const void *a, const void *b)
{
    double x = ((const mistake *)a)->size, y = ((const mistake *)b)->size;
    return (x < y) - (x > y);
}

/* Mean distance between what happened, on the scale 0..10 of `maximum`, and what was expected. */
static double mistake_size(const rv_simulated *pair, double maximum)
{
    double sum = 0;
    for (size_t i = 0; i < pair->count; i++) {
        int level;
        rv_discretise(&level, &pair->real[i], 1, maximum, RV_ROUND_DOWN);
        sum += fabs(level - pair->simulated[i]);
    }
    return pair->count ? sum / (double)pair->count : 0;
}

/* Adds the texts on which the simulation was most wrong, and asks again. */
static rv_status ask_again(job *j, rv_conversation *prompt, const char *explanation,
                           const rv_record_view *tried, rv_error *err)
{
    enum { SHOWN = 3 };
    sequences s;
    mistake *mistakes = NULL;
    rv_counterexample wrong[SHOWN];
    size_t count = 0;
    double maximum = rv_view_maximum(tried);
    RV_TRY(job_simulate(&s, j, explanation, tried, err));
    rv_status status = RV_NEW(mistakes, s.count, err);
    if (status == RV_OK) {
        for (size_t i = 0; i < s.count; i++)
            mistakes[i] = (mistake){i, mistake_size(&s.pairs[i], maximum)};
        qsort(mistakes, s.count, sizeof *mistakes, larger);
        for (; count < SHOWN && count < s.count; count++)
            wrong[count] = (rv_counterexample){tried->items[mistakes[count].index],
                                               s.pairs[mistakes[count].index].simulated};
        status = rv_prompt_revise(prompt, explanation, wrong, count, maximum, err);
    }
    free(mistakes);
    sequences_release(&s);
    return status == RV_OK ? propose(j, prompt, j->params->revisions, 1, err) : status;
}

static rv_status revise(job *j, rv_conversation *prompt, const rv_record_view *dreams,
                        rv_error *err)
{
    const rv_explanation *best = rv_explained_choice(j->out);
    const rv_record_view *tried = dreams->count ? dreams : &j->splits.calibration;
    if (!best || !j->params->revisions || !tried->count) return RV_OK;
    size_t first = j->out->count;
    char *text = rv_strndup(best->text, strlen(best->text)); // the list may move
    if (!text) return rv_fail_memory(err, 1);
    rv_status status = ask_again(j, prompt, text, tried, err);
    free(text);
    rv_error again;
    rv_status scored = validate_from(j, first, status == RV_OK ? err : &again);
    return status == RV_OK ? scored : status;
}

/* ---- the way --------------------------------------------------------------------------------- */
static rv_status add_baselines(job *j, rv_error *err)
{
    if (!j->params->baselines) return RV_OK;
    char *empty = rv_strndup("", 0), *lookup = rv_strndup("", 0);
    rv_status status =
        empty ? add_candidate(j, empty, "empty", 0, err) : rv_fail_memory(err, 1);
    if (status != RV_OK || !lookup) {
        free(lookup);
        return status != RV_OK ? status : rv_fail_memory(err, 1);
    }
    RV_TRY(add_candidate(j, lookup, "token lookup", 0, err));
    if (!j->params->other) return RV_OK;
    char *other = rv_utf8_repair(j->params->other, strlen(j->params->other));
    return other ? add_candidate(j, other, "another neuron", 0, err) : rv_fail_memory(err, 1);
}

static rv_status score_all(job *j, rv_error *err)
{
    for (size_t i = 0; i < j->out->count; i++) {
        rv_explanation *c = &j->out->explanations[i];
        if (c->chosen) RV_TRY(job_examine(j, c, err));
    }
    size_t first = j->out->count;
    RV_TRY(add_baselines(j, err));
    for (size_t i = first; i < j->out->count; i++)
        RV_TRY(job_examine(j, &j->out->explanations[i], err));
    return RV_OK;
}

/* One text of each quantile, weakest first. */
static rv_status pick_quantiles(rv_record_view *out, const rv_evidence *e, rv_error *err)
{
    RV_TRY(RV_NEW(out->items, e->quantile_count, err));
    for (size_t q = 0; q < e->quantile_count; q++)
        if (e->quantiles[q].count) out->items[out->count++] = &e->quantiles[q].items[0];
    return RV_OK;
}

static rv_status run(job *j, const rv_record_view *dreams, rv_error *err)
{
    rv_conversation prompt = {0};
    rv_record_view none = {0}, quantiles = {0};
    const rv_evidence *e = j->evidence;
    if (j->params->from_corpus) RV_TRY(pick_quantiles(&quantiles, e, err));
    rv_shown shown = {.corpus = j->params->from_corpus ? j->splits.train : none,
                      .quantiles = quantiles,
                      .dreams = j->params->from_dreams ? *dreams : none,
                      .pairs = j->params->from_dreams ? &e->pairs : NULL,
                      .promoted = &e->promoted,
                      .suppressed = &e->suppressed};
    rv_status status = RV_OK;
    if (!shown.corpus.count && !shown.dreams.count)
        RV_GOTO(rv_fail(err, RV_ERR_USAGE, "nothing to show the explainer: expected %s",
                        j->params->from_corpus ? "corpus records or dreams" : "dreams"));
    RV_GOTO(rv_prompt_explain(&prompt, j->params->style, &shown, err));
    RV_GOTO(add_given(j, err));
    RV_GOTO(propose(j, &prompt, j->params->candidates, 0, err));
    const char *silence = rv_chat_used(j->explainer).silence;
    if (!j->out->count)
        RV_GOTO(rv_fail(err, RV_ERR_FORMAT, "%s: none of %zu answers held an explanation%s%s",
                        rv_chat_name(j->explainer), j->out->unusable, silence ? ": " : "",
                        silence ? silence : ""));
    RV_GOTO(validate_from(j, 0, err));
    RV_GOTO(revise(j, &prompt, j->params->from_dreams ? dreams : &none, err));
    RV_GOTO(score_all(j, err));
    j->out->complete = true;
done:
    rv_conversation_release(&prompt);
    free(quantiles.items);
    return status;
}

rv_status rv_explain_evidence(rv_explained *out, const rv_evidence *evidence,
                              rv_chat *explainer, rv_chat *simulator,
                              const rv_explain_plan *params, rv_error *err)
{
    rv_record_view dreams = {0};
    rv_simulator way = rv_simulator_for(simulator);
    if (params->written) way = RV_SIMULATE_TEXT;
    *out = (rv_explained){.simulator = rv_simulator_name(way)};
    job j = {.out = out,
             .evidence = evidence,
             .explainer = explainer,
             .simulator = simulator,
             .params = params,
             .way = way};
    RV_TRY(rv_evidence_check(evidence, err));
    size_t fit = evidence->top.count / 4 < evidence->random.count / 3
                     ? evidence->top.count / 4
                     : evidence->random.count / 3;
    if (fit > 5) fit = 5;
    RV_TRY(rv_split_records(&j.splits, &evidence->top, &evidence->random,
                            params->per_split ? params->per_split : fit, err));
    size_t shown =
        evidence->dreams.count < params->dreams ? evidence->dreams.count : params->dreams;
    rv_status status = RV_NEW(dreams.items, shown, err);
    for (; status == RV_OK && dreams.count < shown; dreams.count++)
        dreams.items[dreams.count] = &evidence->dreams.items[dreams.count];
    for (size_t i = 0; i < evidence->top.count; i++)
        j.maximum = fmax(j.maximum, rv_record_maximum(&evidence->top.items[i]));
    if (status == RV_OK) status = run(&j, &dreams, err);
    free(dreams.items);
    rv_splits_release(&j.splits);
    return status;
}
