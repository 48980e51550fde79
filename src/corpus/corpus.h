/* What targets do on a corpus: exact strongest positions, moments and quantiles of many targets in one
 * pass over the text.
 *
 *     rv_corpus_stats *stats;                              // one per target
 *     RV_TRY(rv_corpus_scan(&stats, &corpus, targets, count, &options, err));
 *     rv_corpus_stats_free(stats, count);
 *
 * The text is cut into windows of `window` tokens, each run by itself after BOS (where there is one). The
 * first `skip` positions of a window, position 0 above all, are attention sinks and warm-up: they count
 * nowhere. Files are read piece by piece, and what is kept does not grow with them: a corpus may be larger
 * than memory.
 *
 * A scan may be screened: the whole corpus in bf16, then the windows of the strongest positions, half as many
 * again as are asked for, in float32. Values and order of what is kept are then exact; that nothing is missing is
 * measured (margin and error below); moments and quantiles come from bf16. */
#ifndef RV_CORPUS_H
#define RV_CORPUS_H

#include "target/target.h"

typedef struct rv_corpus {
    const char *const *files;
    size_t file_count;
} rv_corpus;

typedef struct rv_corpus_options {
    size_t tokens;  /* scan at most so many; 0: all */
    size_t window;  /* tokens run together, BOS included */
    size_t skip;    /* positions left out at the start of a window */
    size_t top;     /* strongest positions kept at either end */
    size_t context; /* tokens kept with each: those that end there */
    size_t after;   /* and so many behind it */
    int32_t bos;    /* -1: none */
    size_t values;  /* kept for all targets' quantiles; beyond it, a random sample is */
    bool narrow;    /* screen, where the model has narrow weights and that pays */
    int threads;
    rv_progress_fn progress;
    void *progress_context;
} rv_corpus_options;

rv_corpus_options rv_corpus_options_default(void);

/* The default window, or the model's context where that is shorter. */
size_t rv_corpus_window(const rv_config *config);

/* A position of the corpus. */
typedef struct rv_corpus_hit {
    double f;
    uint32_t file;
    uint64_t offset;  /* byte in the file of the first token kept */
    int32_t *ids;     /* (count) the tokens around it, in order */
    float *values;    /* (count) f at each of them */
    size_t count, at; /* the position is ids[at] */
} rv_corpus_hit;

enum { RV_QUANTILES = 13 };
extern const double rv_quantile_levels[RV_QUANTILES];

typedef struct rv_corpus_stats {
    uint64_t positions; /* that counted */
    double mean, deviation, minimum, maximum;
    double skewness, kurtosis;
    double quantile[RV_QUANTILES];
    rv_corpus_hit *high, *low; /* strongest first; each position once */
    size_t high_count, low_count;
    /* Of a screened scan: a position that is missing in the lists was misjudged by bf16 by more than `margin`; the
     * largest error among the positions judged again was `error`. */
    bool screened;
    double margin, error;
} rv_corpus_stats;

/* Whether screening is asked for and pays: where the processor is faster in bf16 and few windows must run again, because
 * the strongest positions, each in a window of its own at worst, touch less than a third of the corpus. */
bool rv_corpus_screens(const rv_corpus *corpus, const rv_transformer *model,
                       const rv_target *targets, size_t count,
                       const rv_corpus_options *options);

/* *out: `count` stats. tokenizer must be the model's. */
rv_status rv_corpus_scan(rv_corpus_stats **out, const rv_corpus *corpus,
                         const rv_transformer *model, const rv_tokenizer *tokenizer,
                         const rv_target *targets, size_t count,
                         const rv_corpus_options *options, rv_error *err);
void rv_corpus_stats_free(rv_corpus_stats *stats, size_t count);
void rv_corpus_stats_clear(rv_corpus_stats *stats); /* what one holds */

/* Windows of `length` tokens cut at random (seeded) from the first `tokens` tokens (0: all), for measuring how
 * fluent text is: ids (count, length). *found may be less than count when the corpus is short. */
rv_status rv_corpus_sample(int32_t *ids, size_t *found, const rv_corpus *corpus,
                           const rv_tokenizer *tokenizer, size_t length, size_t count,
                           size_t tokens, uint64_t seed, rv_error *err);

#endif
