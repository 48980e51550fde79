#include "report/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "report/assets.h"

enum { WIDE = 760, NARROW = 380 };

/* "'sha256-...'" of some bytes, as a content security policy names them. */
static rv_status put_digest(rv_text *out, const char *bytes, size_t length, rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    char hex[RV_HASH_HEX];
    rv_hash_add(hash, bytes, length);
    rv_hash_finish(hash, hex);
    rv_hash_free(hash);
    unsigned char raw[32];
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        raw[i] = (unsigned char)byte;
    }
    rv_text_puts(out, "'sha256-");
    rv_put_base64(out, raw, sizeof raw);
    rv_text_puts(out, "'");
    return RV_OK;
}

/* JSON for a script element: no "<" in it, so that nothing can end the element or open a
 * comment. "<" occurs in strings only, where an escape means the same. */
static rv_status put_data(rv_text *out, const json_t *json, rv_error *err)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (!text) return rv_fail_memory(err, 0);
    for (const char *p = text; *p; p++) {
        if (*p == '<')
            rv_text_puts(out, "\\u003c");
        else
            rv_text_putc(out, *p);
    }
    free(text);
    return RV_OK;
}

typedef rv_status (*draw_figure)(rv_text *, const rv_figures *, const rv_story *, double, bool,
                                 rv_error *);

/* A plot at two widths; the style shows the one that fits the screen. */
static rv_status put_both(rv_text *out, const char *name, draw_figure draw,
                          const rv_figures *figures, const rv_story *story, rv_error *err)
{
    rv_text_printf(out, "<div class=\"%s wide\">", name);
    RV_TRY(draw(out, figures, story, WIDE, false, err));
    rv_text_printf(out, "</div><div class=\"%s narrow\">", name);
    RV_TRY(draw(out, figures, story, NARROW, false, err));
    rv_text_puts(out, "</div>\n");
    return RV_OK;
}

static rv_status put_plots(rv_text *out, const rv_stories *stories, const rv_figures *figures,
                           const rv_compare *compare, rv_error *err)
{
    for (size_t i = 0; i < stories->count; i++) {
        rv_text_puts(out, "<div class=\"plots\">\n");
        RV_TRY(put_both(out, "scatter", rv_draw_scatter, &figures[i], &stories->items[i], err));
        RV_TRY(put_both(out, "trajectory", rv_draw_trajectory, &figures[i], &stories->items[i],
                        err));
        rv_text_puts(out, "</div>\n");
    }
    if (compare->run_count < 2) return RV_OK;
    rv_text_puts(out, "<div class=\"side\">\n<div class=\"compare wide\">");
    RV_TRY(rv_compare_plot(out, compare, stories, WIDE, false, err));
    rv_text_puts(out, "</div><div class=\"compare narrow\">");
    RV_TRY(rv_compare_plot(out, compare, stories, NARROW, false, err));
    rv_text_puts(out, "</div>\n</div>\n");
    return RV_OK;
}

static void put_title(rv_text *out, const rv_stories *stories)
{
    const rv_run_record *about = &stories->items[0].run->about;
    rv_put_escaped(out, about->target.sign < 0 ? "-" : "", about->target.sign < 0);
    rv_put_escaped(out, about->target.name, strlen(about->target.name));
    rv_put_escaped(out, ", ", 2);
    const char *model = rv_model_title(&about->model);
    rv_put_escaped(out, model, strlen(model));
}

typedef struct fillings {
    rv_text style, script, policy, title, data, plots;
} fillings;

static void release(fillings *f)
{
    rv_text *all[] = {&f->style, &f->script, &f->policy, &f->title, &f->data, &f->plots};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) rv_text_release(all[i]);
}

static rv_status fill(fillings *f, const rv_stories *stories, const rv_figures *figures,
                      const rv_compare *compare, rv_error *err)
{
    rv_asset page = rv_asset_page_css(), plot = rv_asset_plot_css(),
             script = rv_asset_page_js();
    rv_text_append(&f->style, plot.bytes, plot.length);
    rv_text_append(&f->style, page.bytes, page.length);
    rv_text_append(&f->script, script.bytes, script.length);
    rv_text_puts(&f->policy,
                 "default-src 'none'; base-uri 'none'; form-action 'none'; script-src ");
    if (f->style.failed || f->script.failed) return rv_fail_memory(err, 0);
    RV_TRY(put_digest(&f->policy, f->script.bytes, f->script.length, err));
    rv_text_puts(&f->policy, "; style-src ");
    RV_TRY(put_digest(&f->policy, f->style.bytes, f->style.length, err));
    put_title(&f->title, stories);
    RV_TRY(put_plots(&f->plots, stories, figures, compare, err));
    json_t *json = rv_report_to_json(stories, figures, compare, err);
    if (!json) return err->status;
    rv_status status = put_data(&f->data, json, err);
    json_decref(json);
    return status;
}

/* Copies the template and puts a filling in place of each {{name}}. */
static rv_status put_template(rv_text *out, const fillings *f, rv_error *err)
{
    const struct {
        const char *name;
        const rv_text *text;
    } slots[] = {{"{{policy}}", &f->policy}, {"{{title}}", &f->title},
                 {"{{style}}", &f->style},   {"{{plots}}", &f->plots},
                 {"{{data}}", &f->data},     {"{{script}}", &f->script}};
    rv_asset html = rv_asset_page_html();
    const char *at = html.bytes, *end = html.bytes + html.length;
    while (at < end) {
        const char *slot = memmem(at, (size_t)(end - at), "{{", 2);
        rv_text_append(out, at, (size_t)((slot ? slot : end) - at));
        if (!slot) break;
        size_t length = 0;
        for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
            if (strncmp(slot, slots[i].name, strlen(slots[i].name)) != 0) continue;
            out->failed |= slots[i].text->failed;
            rv_text_append(out, slots[i].text->bytes, slots[i].text->length);
            length = strlen(slots[i].name);
        }
        if (length == 0)
            return rv_fail(err, RV_ERR_FORMAT, "page.html: a slot is not known: %.20s", slot);
        at = slot + length;
    }
    return out->failed ? rv_fail_memory(err, out->length) : RV_OK;
}

rv_status rv_put_page(rv_text *out, const rv_stories *stories, const rv_figures *figures,
                      const rv_compare *compare, rv_error *err)
{
    if (stories->count == 0)
        return rv_fail(err, RV_ERR_USAGE, "report: runs: expected at least one, found none");
    fillings f = {0};
    rv_status status = fill(&f, stories, figures, compare, err);
    if (status == RV_OK) status = put_template(out, &f, err);
    release(&f);
    return status;
}
