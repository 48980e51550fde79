#include "explain/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "explain/answer.h"
#include "explain/prompt.h"
#include "explain/simulate.h"

enum { TOGETHER = 5, RATED = 12, VERDICT_TOKENS = 12, ALTERNATIVES = 10 };

/* ---- exams ----------------------------------------------------------------------------------- */
void rv_exam_release(rv_exam *exam)
{
    for (size_t i = 0; i < exam->count; i++) free(exam->texts[i]);
    free(exam->texts);
    free(exam->truths);
    *exam = (rv_exam){0};
}

static rv_status exam_new(rv_exam *out, size_t room, rv_error *err)
{
    *out = (rv_exam){0};
    RV_TRY(RV_NEW(out->texts, room, err));
    rv_status status = RV_NEW(out->truths, room, err);
    if (status != RV_OK) rv_exam_release(out);
    return status;
}

static rv_status exam_add(rv_exam *exam, const rv_activation_record *record, const bool *marked,
                          bool truth, rv_error *err)
{
    char *text = rv_record_text(record, marked);
    if (!text) return rv_fail_memory(err, record->count);
    exam->texts[exam->count] = text;
    exam->truths[exam->count++] = truth;
    return RV_OK;
}

static void shuffle(rv_exam *exam, uint64_t seed)
{
    rv_random random = rv_random_stream(seed, 1, 0);
    for (size_t i = exam->count; i > 1; i--) {
        size_t j = rv_random_below(&random, i);
        char *text = exam->texts[i - 1];
        bool truth = exam->truths[i - 1];
        exam->texts[i - 1] = exam->texts[j];
        exam->truths[i - 1] = exam->truths[j];
        exam->texts[j] = text;
        exam->truths[j] = truth;
    }
}

static bool fires(const rv_activation_record *record, double maximum)
{
    return maximum > 0 && rv_record_maximum(record) > RV_MARK_SHARE * maximum;
}

rv_status rv_exam_detect(rv_exam *out, const rv_record_view *records, double maximum,
                         uint64_t seed, rv_error *err)
{
    RV_TRY(exam_new(out, records->count, err));
    for (size_t i = 0; i < records->count; i++) {
        const rv_activation_record *record = records->items[i];
        rv_status status = exam_add(out, record, NULL, fires(record, maximum), err);
        if (status == RV_OK) continue;
        rv_exam_release(out);
        return status;
    }
    shuffle(out, seed);
    return RV_OK;
}

rv_status rv_exam_fuzz(rv_exam *out, const rv_record_view *records, double maximum,
                       uint64_t seed, rv_error *err)
{
    rv_random random = rv_random_stream(seed, 2, 0);
    rv_status status = RV_OK;
    RV_TRY(exam_new(out, 2 * records->count, err));
    for (size_t i = 0; status == RV_OK && i < records->count; i++) {
        const rv_activation_record *record = records->items[i];
        bool *marked;
        if (!fires(record, maximum)) continue;
        status = RV_NEW(marked, record->count, err);
        if (status != RV_OK) break;
        size_t active = rv_mark_active(marked, record, maximum);
        status = exam_add(out, record, marked, true, err);
        if (status == RV_OK && rv_mark_quiet(marked, record, maximum, active, &random))
            status = exam_add(out, record, marked, false, err);
        free(marked);
    }
    if (status == RV_OK)
        shuffle(out, seed);
    else
        rv_exam_release(out);
    return status;
}

/* ---- verdicts -------------------------------------------------------------------------------- */
static rv_status prompt_for(rv_conversation *out, rv_judgement kind, const char *explanation,
                            char *const *texts, size_t count, rv_error *err)
{
    return kind == RV_JUDGE_DETECTION ? rv_prompt_detect(out, explanation, texts, count, err)
                                      : rv_prompt_fuzz(out, explanation, texts, count, err);
}

/* One text: the probabilities of the two verdicts. */
static rv_status judge_exactly(rv_classified *out, bool *answered, rv_chat *chat,
                               rv_judgement kind, const char *explanation, char *const *text,
                               rv_error *err)
{
    static const char *const verdicts[] = {"0", "1"};
    char *const pieces[] = {(char *)"1: "};
    double logprobs[2], probability[2];
    rv_conversation prompt = {0};
    rv_status status = prompt_for(&prompt, kind, explanation, text, 1, err);
    rv_chat_probe probe = {prompt.messages, prompt.count, pieces, 1, verdicts, 2};
    if (status == RV_OK) status = rv_chat_probe_run(chat, logprobs, &probe, err);
    rv_conversation_release(&prompt);
    *answered = status == RV_OK && rv_renormalise(probability, logprobs, 2);
    if (!*answered) return status;
    out->probability = probability[1];
    out->predicted = probability[1] > 0.5;
    return RV_OK;
}

/* Several texts, answered in writing: found[i].value is NaN where there is no verdict. */
static rv_status judge_written(rv_found *found, double *probability, rv_chat *chat,
                               rv_judgement kind, const char *explanation, char *const *texts,
                               size_t count, size_t extra_tokens, rv_error *err)
{
    rv_conversation prompt = {0};
    rv_chat_answer answer = {0};
    rv_status status = RV_OK;
    RV_GOTO(prompt_for(&prompt, kind, explanation, texts, count, err));
    rv_chat_request request = {.messages = prompt.messages,
                               .message_count = prompt.count,
                               .max_tokens = VERDICT_TOKENS * count + 16 + extra_tokens,
                               .alternatives = ALTERNATIVES};
    RV_GOTO(rv_chat_complete(chat, &answer, &request, err));
    rv_answer_verdicts(found, count, answer.text);
    for (size_t i = 0; i < count; i++) {
        double logprobs[2], p[2];
        probability[i] = -1;
        if (!isnan(found[i].value) &&
            rv_number_logprobs(logprobs, 0, 1, &answer, found[i].at) &&
            rv_renormalise(p, logprobs, 2))
            probability[i] = p[1];
    }
done:
    rv_chat_answer_release(&answer);
    rv_conversation_release(&prompt);
    return status;
}

rv_status rv_judge(rv_classified *answers, size_t *answered, rv_chat *chat, rv_judgement kind,
                   const char *explanation, const rv_exam *exam, size_t extra_tokens,
                   rv_error *err)
{
    *answered = 0;
    for (size_t first = 0; first < exam->count && rv_chat_can_probe(chat); first++) {
        rv_classified *next = &answers[*answered];
        bool known;
        *next = (rv_classified){.truth = exam->truths[first]};
        RV_TRY(judge_exactly(next, &known, chat, kind, explanation, exam->texts + first, err));
        *answered += known;
    }
    for (size_t first = 0; first < exam->count && !rv_chat_can_probe(chat); first += TOGETHER) {
        rv_found found[TOGETHER];
        double probability[TOGETHER];
        size_t left = exam->count - first, count = left < TOGETHER ? left : TOGETHER;
        RV_TRY(judge_written(found, probability, chat, kind, explanation, exam->texts + first,
                             count, extra_tokens, err));
        for (size_t i = 0; i < count; i++)
            if (!isnan(found[i].value))
                answers[(*answered)++] = (rv_classified){exam->truths[first + i],
                                                         found[i].value > 0.5, probability[i]};
    }
    return RV_OK;
}

/* ---- the rating ------------------------------------------------------------------------------ */
/* Expected value over the ratings, scaled to 0..1. */
static rv_measure rating_of(const double *logprobs)
{
    double p[RV_RATINGS], expected = 0;
    if (!rv_renormalise(p, logprobs, RV_RATINGS))
        return (rv_measure){.why = "the model gave no rating"};
    for (int r = 0; r < RV_RATINGS; r++) expected += r * p[r];
    return (rv_measure){.defined = true, .value = expected / (RV_RATINGS - 1)};
}

static rv_status rate_exactly(rv_measure *out, rv_chat *chat, const rv_conversation *prompt,
                              rv_error *err)
{
    static const char *const ratings[RV_RATINGS] = {"1", "2", "3", "4", "5"};
    char *const pieces[] = {(char *)""};
    double logprobs[RV_RATINGS];
    rv_chat_probe probe = {prompt->messages, prompt->count, pieces, 1, ratings, RV_RATINGS};
    RV_TRY(rv_chat_probe_run(chat, logprobs, &probe, err));
    *out = rating_of(logprobs);
    return RV_OK;
}

static rv_status rate_written(rv_measure *out, rv_chat *chat, const rv_conversation *prompt,
                              size_t extra_tokens, rv_error *err)
{
    rv_chat_answer answer;
    rv_found found;
    double logprobs[RV_RATINGS];
    rv_chat_request request = {.messages = prompt->messages,
                               .message_count = prompt->count,
                               .max_tokens = 8 + extra_tokens,
                               .alternatives = ALTERNATIVES};
    RV_TRY(rv_chat_complete(chat, &answer, &request, err));
    *out = (rv_measure){.why = answer.silence ? answer.silence : "the model gave no rating"};
    if (rv_answer_rating(&found, RV_RATINGS, answer.text)) {
        if (!rv_number_logprobs(logprobs, 1, RV_RATINGS, &answer, found.at))
            logprobs[(int)found.value - 1] = 0; // as if it were certain
        *out = rating_of(logprobs);
    }
    rv_chat_answer_release(&answer);
    return RV_OK;
}

rv_status rv_rate(rv_measure *out, rv_chat *chat, const char *explanation,
                  const rv_record_view *records, double maximum, size_t extra_tokens,
                  rv_error *err)
{
    rv_exam shown;
    rv_conversation prompt = {0};
    rv_status status = RV_OK;
    *out = (rv_measure){.why = "no text on which the neuron fires"};
    RV_TRY(exam_new(&shown, records->count, err));
    for (size_t i = 0; i < records->count && shown.count < RATED; i++) {
        const rv_activation_record *record = records->items[i];
        bool *marked;
        if (!fires(record, maximum)) continue;
        RV_GOTO(RV_NEW(marked, record->count, err));
        rv_mark_active(marked, record, maximum);
        status = exam_add(&shown, record, marked, true, err);
        free(marked);
        if (status != RV_OK) goto done;
    }
    if (!shown.count) goto done;
    RV_GOTO(rv_prompt_rate(&prompt, explanation, shown.texts, shown.count, err));
    status = rv_chat_can_probe(chat) ? rate_exactly(out, chat, &prompt, err)
                                     : rate_written(out, chat, &prompt, extra_tokens, err);
done:
    rv_conversation_release(&prompt);
    rv_exam_release(&shown);
    return status;
}
