/* Judging an explanation without simulating: does it tell texts on which the neuron fires from others
 * (detection), right marks from wrong ones (fuzzing), and how well does it describe the whole
 * (rating)? Needs no log-probabilities; uses them where they are offered. */
#ifndef RV_EXPLAIN_JUDGE_H
#define RV_EXPLAIN_JUDGE_H

#include "explain/chat.h"
#include "explain/evidence.h"
#include "explain/score.h"

/* Texts to be judged. */
typedef struct rv_exam {
    char **texts; /* (count), owned */
    bool *truths; /* (count) */
    size_t count;
} rv_exam;
void rv_exam_release(rv_exam *exam);

/* Detection: the records as plain texts; true where the record rises above RV_MARK_SHARE * maximum.
 * Fuzzing: every record that does, twice: its active tokens marked, and as many of its quiet
 * ones. In an order drawn from (seed, 1, 0), the marks from (seed, 2, 0). */
rv_status rv_exam_detect(rv_exam *out, const rv_record_view *records, double maximum,
                         uint64_t seed, rv_error *err);
rv_status rv_exam_fuzz(rv_exam *out, const rv_record_view *records, double maximum,
                       uint64_t seed, rv_error *err);

typedef enum rv_judgement { RV_JUDGE_DETECTION, RV_JUDGE_FUZZING } rv_judgement;

/* answers (exam->count): the texts that were answered, *answered of them, in the exam's order.
 * Probabilities are P(1) / (P(0) + P(1)), negative where they are not known. A chat that can be
 * probed is asked about one text at a time, others about five. */
rv_status rv_judge(rv_classified *answers, size_t *answered, rv_chat *chat, rv_judgement kind,
                   const char *explanation, const rv_exam *exam, size_t extra_tokens,
                   rv_error *err);

/* 0 to 1: (expected rating - 1) / 4 over the five ratings, from probabilities where they are known;
 * undefined where there was no answer. Shown are at most 12 records, marked. */
rv_status rv_rate(rv_measure *out, rv_chat *chat, const char *explanation,
                  const rv_record_view *records, double maximum, size_t extra_tokens,
                  rv_error *err);

#endif
