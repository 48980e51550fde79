/* Reports: run files told as one story, in the terminal, as a page, as a table.
 *
 *     rv_report *report;
 *     if (rv_report_open(&report, &err) != RV_OK) ...
 *     rv_report_add(report, "l5n131.jsonl", &err);
 *     rv_report_page(report, "l5n131.html", &err);
 *     rv_report_close(report);
 *
 * Runs are read only; no model is needed. Texts that come back are malloc'ed: free() them. */
#ifndef REVERIE_REPORT_H
#define REVERIE_REPORT_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rv_colour {
    RV_COLOUR_NONE, /* plain marks: the strong tokens stand in «» with their level in tenths */
    RV_COLOUR_256,
    RV_COLOUR_TRUE /* 24 bits */
} rv_colour;

typedef struct rv_terminal {
    rv_colour colour;
    size_t columns; /* 0: 100 */
} rv_terminal;

typedef struct rv_report rv_report;

RV_API rv_status rv_report_open(rv_report **out, rv_error *err);
RV_API void rv_report_close(rv_report *report); /* NULL is fine */

/* Adds the runs of one file (docs/formats.md, "Run records"). After a failure the report holds
 * what it held before, and whole runs that stood before the error. */
RV_API rv_status rv_report_add(rv_report *report, const char *path, rv_error *err);

typedef struct rv_report_counts {
    size_t runs, dreams;
    size_t galleries; /* of image dreams */
    size_t truncated; /* files whose last line a crash cut short; it was left out */
    size_t unknown;   /* records of types that this version does not know; left out too */
} rv_report_counts;

RV_API rv_report_counts rv_report_count(const rv_report *report);

/* The story in about 30 lines. */
RV_API rv_status rv_report_text(char **out, const rv_report *report, rv_terminal terminal,
                                rv_error *err);

/* The story as one JSON object (docs/formats.md, "report"). */
RV_API rv_status rv_report_json(char **out, const rv_report *report, rv_error *err);

/* The story as one self-contained HTML page. It loads nothing and may load nothing. */
RV_API rv_status rv_report_page(const rv_report *report, const char *path, rv_error *err);

typedef enum rv_report_figure {
    RV_FIGURE_SCATTER,   /* activation over cross-entropy: methods, frontiers, corpus windows */
    RV_FIGURE_TRAJECTORY /* frontier area over forward tokens */
} rv_report_figure;

/* A plot of the first target as an SVG file of its own. */
RV_API rv_status rv_report_plot(char **out, const rv_report *report, rv_report_figure figure,
                                rv_error *err);

typedef enum rv_comparison {
    RV_COMPARISON_TABLE,    /* for the terminal */
    RV_COMPARISON_MARKDOWN, /* for a document */
    RV_COMPARISON_JSON,     /* docs/formats.md, "compare" */
    RV_COMPARISON_SVG       /* best(x) of every method */
} rv_comparison;

/* Methods side by side: best(4), best(5), best(6), frontier area, win rates over the corpus
 * windows, spread over seeds, seconds. */
RV_API rv_status rv_report_compare(char **out, const rv_report *report, rv_comparison form,
                                   rv_error *err);

/* ---- heat-mapped tokens --------------------------------------------------------------------- */

typedef struct rv_heat_token {
    const char *bytes; /* any bytes; what would move the cursor is shown as a mark */
    size_t length;
    double value; /* NAN: not known */
} rv_heat_token;

/* One line of tokens, each on a background as strong as value / scale (1: full heat). Where the
 * line is wider than `columns` (0: no limit), it is cut around the token `focus`, with an ellipsis on
 * the cut sides. No newline at the end. */
RV_API rv_status rv_heat_line(char **out, const rv_heat_token *tokens, size_t count,
                              size_t focus, double scale, rv_terminal terminal, rv_error *err);

#ifdef __cplusplus
}
#endif

#endif
