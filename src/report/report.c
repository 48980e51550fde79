/* include/reverie/report.h on top of the rooms record and report. */
#include "reverie/report.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/output.h"
#include "base/memory.h"
#include "record/run.h"
#include "report/compare.h"
#include "report/data.h"
#include "report/figures.h"
#include "report/gallery.h"
#include "report/heat.h"
#include "report/page.h"
#include "report/story.h"
#include "report/terminal.h"

struct rv_report {
    rv_runs runs;
};

rv_status rv_report_open(rv_report **out, rv_error *err)
{
    return RV_NEW(*out, 1, err);
}

void rv_report_close(rv_report *report)
{
    if (report) rv_runs_release(&report->runs);
    free(report);
}

rv_status rv_report_add(rv_report *report, const char *path, rv_error *err)
{
    RV_TRY(rv_runs_read(&report->runs, path, err));
    size_t galleries = report->runs.gallery_count;
    if (galleries < 2 && (galleries == 0 || report->runs.count == 0)) return RV_OK;
    return rv_fail(
        err, RV_ERR_USAGE,
        "%s: expected pictures to be told by themselves, one gallery at a time, found "
        "%zu galleries and %zu runs of texts",
        path, galleries, report->runs.count);
}

rv_report_counts rv_report_count(const rv_report *report)
{
    rv_report_counts counts = {.runs = report->runs.count,
                               .truncated = report->runs.truncated,
                               .unknown = report->runs.unknown};
    for (size_t i = 0; i < report->runs.count; i++)
        counts.dreams += report->runs.items[i].dream_count;
    counts.galleries = report->runs.gallery_count;
    return counts;
}

/* All that the forms of a report are made from. */
typedef struct telling {
    rv_stories stories;
    rv_compare compare;
    rv_figures *figures; /* (stories.count) */
} telling;

static void release(telling *t)
{
    for (size_t i = 0; t->figures && i < t->stories.count; i++)
        rv_figures_release(&t->figures[i]);
    free(t->figures);
    rv_compare_release(&t->compare);
    rv_stories_release(&t->stories);
}

static rv_status tell(telling *t, const rv_report *report, rv_error *err)
{
    *t = (telling){0};
    if (report->runs.count == 0)
        return rv_fail(err, RV_ERR_USAGE, "report: runs: expected at least one, found none");
    RV_TRY(rv_stories_tell(&t->stories, &report->runs, err));
    rv_status status;
    RV_GOTO(rv_compare_stories(&t->compare, &t->stories, err));
    RV_GOTO(RV_NEW(t->figures, t->stories.count, err));
    for (size_t i = 0; i < t->stories.count; i++)
        RV_GOTO(rv_figures_prepare(&t->figures[i], &t->stories, i, err));
    return RV_OK;
done:
    release(t);
    return status;
}

static rv_status hand_over(char **out, rv_text *text, rv_error *err)
{
    size_t length = text->length;
    *out = rv_text_take(text);
    return *out ? RV_OK : rv_fail_memory(err, length);
}

static rv_status dump(char **out, json_t *json, rv_error *err)
{
    if (!json) return err->status;
    *out = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(json);
    return *out ? RV_OK : rv_fail_memory(err, 0);
}

/* Pictures are told by themselves. */
static rv_status tell_galleries(char **out, const rv_report *report, rv_error *err)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    for (size_t i = 0; status == RV_OK && i < report->runs.gallery_count; i++)
        status = rv_put_gallery_table(&text, &report->runs.galleries[i], err);
    if (status == RV_OK) return hand_over(out, &text, err);
    rv_text_release(&text);
    return status;
}

rv_status rv_report_text(char **out, const rv_report *report, rv_terminal terminal,
                         rv_error *err)
{
    *out = NULL;
    if (report->runs.gallery_count) return tell_galleries(out, report, err);
    telling t;
    RV_TRY(tell(&t, report, err));
    rv_text text = {0};
    for (size_t i = 0; i < t.stories.count; i++) {
        rv_put_story(&text, &t.stories.items[i], terminal);
        rv_text_putc(&text, '\n');
    }
    if (t.compare.run_count) rv_compare_table(&text, &t.compare, RV_TABLE_TERMINAL);
    release(&t);
    return hand_over(out, &text, err);
}

rv_status rv_report_json(char **out, const rv_report *report, rv_error *err)
{
    *out = NULL;
    rv_error local;
    if (!err) err = &local;
    telling t;
    RV_TRY(tell(&t, report, err));
    rv_status status =
        dump(out, rv_report_to_json(&t.stories, t.figures, &t.compare, err), err);
    release(&t);
    return status;
}

static rv_status put_stories(rv_text *page, const rv_report *report, rv_error *err)
{
    telling t;
    RV_TRY(tell(&t, report, err));
    rv_status status = rv_put_page(page, &t.stories, t.figures, &t.compare, err);
    release(&t);
    return status;
}

rv_status rv_report_page(const rv_report *report, const char *path, rv_error *err)
{
    rv_error local;
    if (!err) err = &local;
    rv_text page = {0};
    rv_status status = report->runs.gallery_count
                           ? rv_put_gallery_page(&page, &report->runs.galleries[0], err)
                           : put_stories(&page, report, err);
    if (status == RV_OK) status = rv_output_write(path, page.bytes, page.length, err);
    rv_text_release(&page);
    return status;
}

rv_status rv_report_plot(char **out, const rv_report *report, rv_report_figure figure,
                         rv_error *err)
{
    *out = NULL;
    telling t;
    RV_TRY(tell(&t, report, err));
    rv_text text = {0};
    rv_status status =
        figure == RV_FIGURE_SCATTER
            ? rv_draw_scatter(&text, &t.figures[0], &t.stories.items[0], 0, true, err)
            : rv_draw_trajectory(&text, &t.figures[0], &t.stories.items[0], 0, true, err);
    release(&t);
    if (status == RV_OK) return hand_over(out, &text, err);
    rv_text_release(&text);
    return status;
}

rv_status rv_report_compare(char **out, const rv_report *report, rv_comparison form,
                            rv_error *err)
{
    *out = NULL;
    rv_error local;
    if (!err) err = &local;
    telling t;
    RV_TRY(tell(&t, report, err));
    rv_text text = {0};
    rv_status status = RV_OK;
    if (form == RV_COMPARISON_JSON)
        status = dump(out, rv_compare_to_json(&t.compare, err), err);
    else if (form == RV_COMPARISON_SVG)
        status = rv_compare_plot(&text, &t.compare, &t.stories, 0, true, err);
    else
        rv_compare_table(&text, &t.compare,
                         form == RV_COMPARISON_MARKDOWN ? RV_TABLE_MARKDOWN
                                                        : RV_TABLE_TERMINAL);
    release(&t);
    if (status == RV_OK && form != RV_COMPARISON_JSON) return hand_over(out, &text, err);
    rv_text_release(&text);
    return status;
}

rv_status rv_heat_line(char **out, const rv_heat_token *tokens, size_t count, size_t focus,
                       double scale, rv_terminal terminal, rv_error *err)
{
    rv_text text = {0};
    rv_put_heat(&text, tokens, count, focus, scale, terminal);
    return hand_over(out, &text, err);
}
