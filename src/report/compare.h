/* Methods side by side: the figures of methods.md's "Definitions" for every run, and one row for
 * every method and budget over its targets and seeds. */
#ifndef RV_REPORT_COMPARE_H
#define RV_REPORT_COMPARE_H

#include "report/story.h"

enum { RV_COMPARE_BESTS = 4 }; /* best(4), best(5), best(6), best(9) */

/* One run. -INFINITY in best: nothing that fluent. */
typedef struct rv_run_figures {
    const rv_run *run;
    size_t story; /* index */
    double best[RV_COMPARE_BESTS], area;
    double seconds;          /* NAN: not known */
    bool timed;              /* the published search is here to be reached */
    double reach;            /* seconds until its area was; INFINITY: never; NAN: not timed */
    uint64_t forward_tokens; /* spent */
    bool judged;             /* there are corpus windows to win against */
    bool wins_4, wins_6, wins_published;
} rv_run_figures;

/* One row: medians over runs; shares of the judged runs; NAN where nothing is known. */
typedef struct rv_compare_row {
    const char
        *method;   /* label of its runs; "corpus windows" in the first row, if there are any */
    size_t budget; /* forward tokens; 0 in that row */
    size_t runs, targets, judged;
    double best[RV_COMPARE_BESTS], area;
    double wins_4, wins_6, wins_published;
    double spread; /* median over targets of the spread over seeds */
    double seconds;
    size_t timed;   /* runs with a published search on the same target to reach */
    double reach;   /* median over them, INFINITY where half never did */
    double reaches; /* share that did */
} rv_compare_row;

typedef struct rv_compare {
    rv_run_figures
        *runs; /* in the order of the stories and of their runs; corpus runs left out */
    rv_compare_row *rows;
    size_t run_count, row_count;
    rv_arena arena;
} rv_compare;

rv_status rv_compare_stories(rv_compare *out, const rv_stories *stories, rv_error *err);
void rv_compare_release(rv_compare *compare);

typedef enum rv_table_format { RV_TABLE_TERMINAL, RV_TABLE_MARKDOWN } rv_table_format;

/* The rows as a table. */
void rv_compare_table(rv_text *out, const rv_compare *compare, rv_table_format format);

/* best(x) of every method over x in [3, 9], the median over targets and seeds, and the corpus's,
 * as a plot; width 0: 720. */
rv_status rv_compare_plot(rv_text *out, const rv_compare *compare, const rv_stories *stories,
                          double width, bool standalone, rv_error *err);

#endif
