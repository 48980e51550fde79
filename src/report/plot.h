/* Line and scatter plots as SVG: light and dark, no script, every label escaped.
 *
 *     rv_series loss = {.name = "training", .kind = RV_SERIES_LINE, .points = xy, .count = n};
 *     rv_plot plot = {.title = "Loss", .x_label = "tokens", .y_label = "nats", .series = &loss,
 *                     .series_count = 1, .log_y = true, .standalone = true};
 *     RV_TRY(rv_plot_svg(&svg, &plot, err));                                              */
#ifndef RV_REPORT_PLOT_H
#define RV_REPORT_PLOT_H

#include "base/error.h"
#include "base/text.h"

typedef enum rv_series_kind {
    RV_SERIES_POINTS,
    RV_SERIES_LINE,
    RV_SERIES_STEPS, /* holds each y until the next x, and the last to the end of the plot, as best(x) does */
    RV_SERIES_STAIRS /* steps that end with the last point */
} rv_series_kind;

typedef struct rv_xy {
    double x, y;
} rv_xy;

typedef struct rv_series {
    const char *name; /* in the legend; NULL or "": belongs to the series before it */
    rv_series_kind kind;
    const rv_xy *points; /* (count); one that is not finite breaks a line */
    size_t count;
    size_t style;      /* colour and marker: 0, 1, ... ; RV_STYLE_MUTED for background data */
    size_t first_mark; /* points carry data-mark="first_mark", first_mark + 1, ... */
    bool marked;       /* whether they do */
} rv_series;

enum { RV_STYLE_COUNT = 7, RV_STYLE_MUTED = RV_STYLE_COUNT };

typedef struct rv_plot {
    const char *title; /* read out, not drawn */
    const char *x_label, *y_label;
    const rv_series *series;
    size_t series_count;
    double width, height; /* 0: 720 x 400; the legend comes on top of that */
    double x_rule;        /* a dashed line across at this x, if it has a label */
    const char *x_rule_label;
    bool log_x, log_y; /* points that are not above 0 there are left out */
    bool standalone;   /* a file of its own, with its style in it */
} rv_plot;

/* Appends an <svg> element. A plot without a finite point says so instead of drawing. */
rv_status rv_plot_svg(rv_text *out, const rv_plot *plot, rv_error *err);

/* Appends text with & < > " ' escaped, and bytes that are no UTF-8, or that XML forbids, as U+FFFD. */
void rv_put_escaped(rv_text *out, const char *bytes, size_t length);

#endif
