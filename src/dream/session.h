/* A dream under way, and its records. */
#ifndef RV_DREAM_SESSION_H
#define RV_DREAM_SESSION_H

#include "subject/subject.h"
#include "autoencoder/text_autoencoder.h"
#include "base/arena.h"
#include "base/hash.h"
#include "corpus/corpus.h"
#include "record/frontier.h"
#include "record/writer.h"
#include "reverie/dream.h"
#include "search/search.h"

/* Where the records go (dream_output.c). */
typedef struct rv_dream_output {
    const char *path;         /* NULL: no file */
    rv_record_writer *writer; /* of path, or of `resumed` */
    rv_record_writer
        *earlier;            /* of path while it is resumed: nothing is written, it is locked */
    char *journal, *resumed; /* names of the files beside it */
    char identity[17];       /* of the run */
    char *before;            /* what path held; NULL: nothing */
    size_t before_length, before_dreams;
    uint64_t before_tokens;
    double before_seconds;
    bool whole;   /* it held this run, complete */
    bool kept;    /* all records are on the disk */
    bool discard; /* of a run that could not begin: leave no file */
} rv_dream_output;

typedef struct rv_dreaming {
    rv_model *model;
    const rv_dream_params *params;
    const rv_dreamer *dreamer;
    rv_target target;
    rv_ids prefix, suffix;
    size_t longest; /* tokens of a dream */
    char *prefix_text, *suffix_text;
    int32_t bos, corpus_bos; /* before the text, and before texts of the corpus; -1: none */
    const char *bos_why;
    bool *forbidden;
    rv_corpus corpus;
    const char *own_file; /* own_corpus, as the corpus's list of files */
    char *own_corpus, *corpus_name;
    rv_corpus_stats *stats;
    rv_ids *prompt_ids;
    rv_ids_view *starts; /* the user's prompts, then from first_window on the corpus's */
    size_t start_count, first_window;
    rv_ids_view *allowed; /* those without forbidden tokens */
    size_t allowed_count;
    rv_candidate *windows; /* the corpus windows, judged */
    size_t window_count, sampled;
    double fluency_10, fluency_50, fluency_90; /* cross-entropy of random windows */
    double byte_fluency_50;                    /* in nats a byte */
    struct rv_sentence_pool *sentences; /* of the corpus, for dreamers of sentences; or NULL */
    rv_text_autoencoder *autoencoder;   /* or NULL */
    char autoencoder_digest[RV_HASH_HEX]; /* of its numbers */
    rv_problem problem, bare;             /* bare: without BOS, as the published search runs */
    rv_pass *second_pass;                 /* of the second fluency model */
    rv_ids second_ids;
    rv_search_params search_params;
    double started, seconds;
    bool narrow;      /* children are judged in bf16 */
    rv_progress told; /* the last step's, but for its note */
    bool cancelled, failed, record_failed;
    rv_error record_error;
    rv_dream_output output;
    rv_text lines; /* all records, as written */
} rv_dreaming;

/* As include/reverie/dream.h says of rv_dream. */
rv_status rv_dream_run(rv_dreams *out, rv_model *model, const char *target,
                       const rv_dream_params *params, rv_error *err);

/* Checks what was asked for, learns the corpus, states problem and search_params. */
rv_status rv_dream_set_up(rv_dreaming *dreaming, const char *target, rv_error *err);

/* The corpus that the user gave, or one that the model writes itself, kept in the cache folder. */
rv_status rv_own_corpus(rv_dreaming *dreaming, rv_error *err);

/* Sets fluency_10 to byte_fluency_50, sampled and problem.token_bytes, from the disk if it was asked before. */
rv_status rv_dream_learn_fluency(rv_dreaming *dreaming, const rv_search_params *params,
                                 rv_error *err);

/* The corpus's sentences as the model reads them, from the disk if they were read before. */
rv_status rv_dream_learn_sentences(rv_dreaming *dreaming, rv_error *err);

/* rv_search_params' pulse, of a dreaming. Once it was cancelled, what was found is put in order undisturbed. */
bool rv_dream_pulse(void *context);

/* rv_problem's second_opinion: the candidate's text under params->fluency, in nats per candidate token. */
rv_status rv_second_opinion(void *context, double *nll, const int32_t *ids, size_t count,
                            rv_error *err);

/* Opens the output file, before any work is done. RV_ERR_USAGE: it holds a run, and none is to be resumed. */
rv_status rv_output_open(rv_dreaming *dreaming, rv_error *err);
/* Looks at what is resumed: RV_ERR_USAGE unless it is the run of output.identity. If output.whole afterwards,
 * `lines` holds all its records and nothing is left to do. */
rv_status rv_output_recall(rv_dreaming *dreaming, rv_error *err);
rv_status rv_output_begin(rv_dreaming *dreaming, rv_error *err);
/* Everything has been written: puts a resumed run in its place, and removes the journal of a complete one. */
rv_status rv_output_end(rv_dreaming *dreaming, uint64_t forward_tokens, bool complete,
                        rv_error *err);
void rv_output_release(rv_dream_output *output);

/* Names the run by all that decides what it will find; once the corpus is known. */
rv_status rv_record_identity(char out[17], rv_dreaming *dreaming, rv_error *err);
/* Whether bf16 decides what is looked at, in the search or in the corpus. */
bool rv_dream_screens(const rv_dreaming *dreaming);
/* Writes the run record, quantiles, examples and windows. */
rv_status rv_record_open(rv_dreaming *dreaming, rv_error *err);
rv_status rv_record_trajectory(rv_dreaming *dreaming, const rv_search *search, double seconds,
                               rv_error *err);
/* Recomputes every member of the front from its text and writes dreams, attribution, end. */
rv_status rv_record_results(rv_dreaming *dreaming, rv_search *found, rv_error *err);

/* Fills out->sentence, headline and diverse; out's tokens are measured. Its texts live in the arena. */
rv_status rv_describe_sentence(rv_dream_record *out, rv_arena *arena,
                               const rv_dreaming *dreaming, const rv_search *found,
                               const rv_sentence *sentence, rv_error *err);

/* Fills bos, prefix and suffix from the params. */
rv_status rv_dream_fix_text(rv_dreaming *d, rv_error *err);

#endif
