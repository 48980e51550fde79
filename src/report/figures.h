/* The plots of one story: the scatter of all that was found, and how the searches went. */
#ifndef RV_REPORT_FIGURES_H
#define RV_REPORT_FIGURES_H

#include "report/plot.h"
#include "report/story.h"

/* One mark of the scatter: a dream of a run, or a corpus window. */
typedef struct rv_mark {
    const rv_dream_record *dream;    /* or NULL */
    const rv_example_record *window; /* or NULL */
    size_t run;                      /* index into story->runs, of a dream */
} rv_mark;

/* The marks of a story, method by method, the corpus last. Where there are very many dreams only those on the frontiers of their runs are marked. */
typedef struct rv_figures {
    const rv_stories *stories;
    rv_mark *marks; /* (mark_count); the first window is mark number `windows_at` */
    size_t mark_count, windows_at;
    rv_arena arena;
} rv_figures;

rv_status rv_figures_prepare(rv_figures *out, const rv_stories *stories, size_t index,
                             rv_error *err);
void rv_figures_release(rv_figures *figures);

/* Activation over cross-entropy, marks numbered as in figures->marks, with the frontier of each method. */
rv_status rv_draw_scatter(rv_text *out, const rv_figures *figures, const rv_story *story,
                          double width, bool standalone, rv_error *err);

/* Frontier area over forward tokens, one line a run. */
rv_status rv_draw_trajectory(rv_text *out, const rv_figures *figures, const rv_story *story,
                             double width, bool standalone, rv_error *err);

#endif
