/* The page: one file, pictures inside it, light or dark as the reader's screen is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "report/gallery.h"
#include "report/plot.h"

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1d1f23;--ground:#fbfaf8;--faint:#6b6f76;--line:#dcd9d2;"
    "--good:#1b7f4d;--bad:#b3402a}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e4df;--ground:#16181c;--faint:#979ba3;"
    "--line:#33363d;--good:#5fc48f;--bad:#ec8a72}}"
    "body{margin:0 auto;max-width:70rem;padding:2rem 1rem;background:var(--ground);"
    "color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{max-width:46rem}"
    ".faint,figcaption,th{color:var(--faint)}.scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{border-top:1px solid var(--line);padding:.6rem .5rem;text-align:left;"
    "vertical-align:top;font-weight:normal}th[scope=row]{color:var(--ink);font-weight:600}"
    "figure{margin:0;display:inline-block;margin-right:.5rem}"
    "img{display:block;width:84px;height:84px;image-rendering:pixelated;border-radius:4px;"
    "border:1px solid var(--line)}"
    ".starts img{width:56px;height:56px;display:inline-block;margin:0 2px 2px 0}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:0 .6rem;margin:.4rem 0 0;"
    "font-size:.82rem;font-variant-numeric:tabular-nums}dt{color:var(--faint)}dd{margin:0}"
    ".good{color:var(--good)}.bad{color:var(--bad)}figcaption{font-size:.75rem}"
    "code{font-size:.85em;overflow-wrap:anywhere}";

static void put(rv_text *out, const char *text)
{
    if (text) rv_put_escaped(out, text, strlen(text));
}

static rv_status put_image(rv_text *out, const rv_gallery *g, const char *pixels,
                           const char *what, const char *name, rv_error *err)
{
    rv_text png = {0};
    rv_status status = rv_gallery_png(&png, g, pixels, err);
    if (status == RV_OK) {
        rv_text_puts(out, "<img src=\"data:image/png;base64,");
        rv_put_base64(out, png.bytes, png.length);
        rv_text_printf(out, "\" alt=\"%s", what);
        put(out, name);
        rv_text_puts(out, "\">");
    }
    out->failed |= png.failed;
    rv_text_release(&png);
    return status;
}

static void put_probability(rv_text *out, const char *label, double p, double least)
{
    rv_text_printf(out, "<dt>%s<dd class=%s>%.6f", label, p >= least ? "good" : "bad", p);
}

static rv_status put_dream(rv_text *out, const rv_gallery *g, const rv_image_dream_record *d,
                           rv_error *err)
{
    rv_text_puts(out, "<td><figure>");
    RV_TRY(put_image(out, g, d->pixels, "dream of ", d->target, err));
    rv_text_puts(out, "<figcaption>dream</figcaption></figure><figure>");
    RV_TRY(put_image(out, g, d->neighbour_pixels, "nearest: ", d->neighbour_label, err));
    rv_text_puts(out, "<figcaption>nearest: ");
    put(out, d->neighbour_label);
    rv_text_puts(out, "</figcaption></figure><dl>");
    if (g->about.units) {
        rv_text_printf(out, "<dt>activation<dd>%.4g", d->value);
    } else {
        put_probability(out, "attacked", d->attacked, 0.9999);
        put_probability(out, "judge", d->judge, 0.999);
    }
    rv_text_printf(
        out,
        "<dt>distance<dd class=%s>%.2f (rank %.2f)<dt>re-encoding<dd>%.3f (rank %.2f)"
        "<dt>code norm<dd>%.2f (rank %.2f)",
        d->distance_rank <= 0.9 ? "good" : "bad", d->distance, d->distance_rank, d->reencoding,
        d->reencoding_rank, d->norm, d->norm_rank);
    if (!g->about.units) {
        double attacked, judge;
        RV_TRY(rv_gallery_median(&attacked, &judge, g, d->target, d->method, err));
        rv_text_printf(out, "<dt>median<dd>%.5f, %.5f", attacked, judge);
    }
    rv_text_puts(out, "</dl></td>");
    return RV_OK;
}

static rv_status put_row(rv_text *out, const rv_gallery *g, const char *target, rv_error *err)
{
    rv_text_puts(out, "<tr><th scope=row>");
    put(out, target);
    rv_text_puts(out, "</th>");
    for (size_t m = 0; m < RV_GALLERY_METHODS; m++) {
        const rv_image_dream_record *best = rv_gallery_best(g, target, rv_gallery_methods[m]);
        if (best)
            RV_TRY(put_dream(out, g, best, err));
        else
            rv_text_puts(out, "<td></td>");
    }
    rv_text_puts(out, "</tr>\n");
    return RV_OK;
}

static rv_status put_starts(rv_text *out, const rv_gallery *g, rv_error *err)
{
    rv_text_puts(out, "<h2>Every start of the latent ascent</h2><div class=scroll>"
                      "<table class=starts>\n");
    for (size_t t = 0; t < g->dream_count; t++) {
        const char *target = rv_gallery_new_target(g, t);
        if (!target) continue;
        rv_text_puts(out, "<tr><th scope=row>");
        put(out, target);
        rv_text_puts(out, "</th><td>");
        for (size_t i = 0; i < g->dream_count; i++) {
            const rv_image_dream_record *d = &g->dreams[i];
            if (strcmp(d->target, target) == 0 && strcmp(d->method, "latent") == 0)
                RV_TRY(put_image(out, g, d->pixels, "a start of ", target, err));
        }
        rv_text_puts(out, "</td></tr>\n");
    }
    rv_text_puts(out, "</table></div>\n");
    return RV_OK;
}

static void put_about(rv_text *out, const rv_image_run_record *g)
{
    rv_text_puts(
        out, "<h2>How to read it</h2><p>Of the starts that the attacked classifier is sure of "
             "(0.9999) the best is the most typical, by the norm of its code; of a unit, the "
             "strongest. The judge, a network of another architecture and seed, "
             "takes part in neither ascent nor choice. ");
    if (!g->units)
        rv_text_puts(out,
                     "<em>attacked</em> and <em>judge</em> are the class's probability under "
                     "either; <em>median</em> is that of all starts, under both. ");
    rv_text_printf(
        out,
        "<em>distance</em> is the Euclidean distance to the nearest of %zu %s, its rank "
        "the share of test images that lie nearer to their nearest training image. "
        "<em>re-encoding</em> is the root mean square of what the autoencoder changes, "
        "its rank the share of test images that it changes less. <em>code norm</em> is "
        "the length of the encoder's code, its rank the share of training images whose "
        "code is shorter.</p><p class=faint>Attacked: <code>",
        (size_t)g->neighbours,
        g->whole_set ? "training images"
                     : "training images that are shipped (the distance is an upper "
                       "bound; give the data for all)");
    put(out, g->attacked);
    rv_text_puts(out, "</code><br>Judge: <code>");
    put(out, g->judge);
    rv_text_puts(out, "</code><br>Autoencoder: <code>");
    put(out, g->autoencoder);
    rv_text_puts(out, "</code></p>\n");
}

rv_status rv_put_gallery_page(rv_text *out, const rv_gallery *g, rv_error *err)
{
    const rv_image_run_record *a = &g->about;
    rv_text_puts(out, "<!DOCTYPE html><html lang=en><meta charset=utf-8><meta name=generator "
                      "content=\"Reverie\"><meta name=viewport "
                      "content=\"width=device-width\"><title>Image dreams: ");
    put(out, a->dataset);
    rv_text_printf(out, "</title><style>%s</style>\n<h1>Image dreams: ", style);
    put(out, a->dataset);
    rv_text_printf(
        out,
        "</h1><p>Pictures that excite a %s of a classifier, found by gradient ascent: on "
        "the pixels, on the pixels under jitter, blur, total variation and decay, and in "
        "the latent space of an autoencoder. Best of %zu random starts, %zu steps, seed "
        "%llu.</p><div class=scroll><table><tr><th></th><th>naive</th>"
        "<th>regularised</th><th>latent</th></tr>\n",
        a->units ? "hidden unit" : "class", (size_t)a->starts, (size_t)a->steps,
        (unsigned long long)a->seed);
    for (size_t i = 0; i < g->dream_count; i++) {
        const char *target = rv_gallery_new_target(g, i);
        if (target) RV_TRY(put_row(out, g, target, err));
    }
    rv_text_puts(out, "</table></div>\n");
    RV_TRY(put_starts(out, g, err));
    put_about(out, a);
    rv_text_puts(out, "<p class=faint>Made by reverie ");
    put(out, a->version);
    rv_text_puts(out, "</p></html>\n");
    return RV_OK;
}
