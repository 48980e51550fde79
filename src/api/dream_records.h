/* A dream under way, and its records. */
#ifndef RV_API_DREAM_RECORDS_H
#define RV_API_DREAM_RECORDS_H

#include "api/model.h"
#include "corpus/corpus.h"
#include "record/frontier.h"
#include "record/writer.h"
#include "reverie/dream.h"
#include "search/search.h"

typedef struct rv_dreaming {
    rv_model *model;
    const rv_dream_params *params;
    const rv_dreamer *dreamer;
    rv_target target;
    rv_ids prefix, suffix;
    char *prefix_text, *suffix_text;
    int32_t bos;
    const char *bos_why;
    bool *forbidden;
    rv_corpus corpus;
    const char *own_file; /* own_corpus, as the corpus's list of files */
    char *own_corpus, *corpus_name;
    rv_corpus_stats *stats;
    rv_ids *prompt_ids;
    rv_ids_view *starts; /* the user's prompts, then from first_window on the corpus's */
    size_t start_count, first_window;
    rv_candidate *windows; /* the corpus windows, judged */
    size_t window_count, sampled;
    double fluency_10, fluency_50, fluency_90; /* cross-entropy of random windows */
    rv_problem problem, bare; /* bare: without BOS, as the published search runs */
    rv_pass *second_pass;     /* of the second fluency model */
    rv_ids second_ids;
    rv_search_params search_params;
    char *journal;
    double started, seconds;
    bool cancelled, record_failed;
    rv_error record_error;
    rv_record_writer *writer; /* NULL: no output file */
    rv_text lines;            /* all records, as written */
} rv_dreaming;

/* The corpus that the user gave, or one that the model writes itself, kept in the cache folder. */
rv_status rv_own_corpus(rv_dreaming *dreaming, rv_error *err);

/* rv_problem's second_opinion: the candidate's text under params->fluency, in nats per candidate token. */
rv_status rv_second_opinion(void *context, double *nll, const int32_t *ids, size_t count,
                            rv_error *err);

/* Writes the run record, quantiles, examples and windows; opens or resumes the output. */
rv_status rv_record_open(rv_dreaming *dreaming, rv_error *err);
rv_status rv_record_trajectory(rv_dreaming *dreaming, const rv_search *search, double seconds,
                               rv_error *err);
/* Recomputes every member of the front from its text and writes dreams, attribution, end. */
rv_status rv_record_results(rv_dreaming *dreaming, rv_search *found, rv_error *err);
void rv_dream_records_release(rv_dreaming *dreaming);

#endif
