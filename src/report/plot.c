#include "report/plot.h"

#include <math.h>
#include <string.h>

#include "report/assets.h"

enum {
    MARGIN_LEFT = 54,
    MARGIN_RIGHT = 14,
    MARGIN_TOP = 10,
    MARGIN_BOTTOM = 46,
    LEGEND_ROW = 22
};
static const double CHARACTER = 6.9; /* width of an average one in the legend */

/* Data to pixels; y is log10 already where the axis is. */
typedef struct frame {
    double left, right, top, bottom; /* pixels */
    double x0, x1, y0, y1;           /* data */
    bool log_y;
} frame;

void rv_put_escaped(rv_text *out, const char *bytes, size_t length)
{
    unsigned c;
    for (size_t i = 0, n; i < length; i += n) {
        n = rv_utf8_decode(bytes + i, length - i, &c);
        bool allowed = n && (c >= 0x20 || c == '\t' || c == '\n') && c != 0xFFFE && c != 0xFFFF;
        if (!n) n = 1;
        if (!allowed)
            rv_text_puts(out, "\xEF\xBF\xBD");
        else if (c == '&')
            rv_text_puts(out, "&amp;");
        else if (c == '<')
            rv_text_puts(out, "&lt;");
        else if (c == '>')
            rv_text_puts(out, "&gt;");
        else if (c == '"')
            rv_text_puts(out, "&quot;");
        else if (c == '\'')
            rv_text_puts(out, "&#39;");
        else
            rv_text_append(out, bytes + i, n);
    }
}

static void put_text(rv_text *out, const char *string)
{
    rv_put_escaped(out, string, strlen(string));
}

/* Beyond 1e100 differences lose their meaning, and sums overflow. */
static bool can_draw(double value)
{
    return fabs(value) < 1e100;
}

/* Where a point goes; false if it cannot be drawn. */
static bool place(double *px, double *py, const frame *f, rv_xy p)
{
    double y = f->log_y ? log10(p.y) : p.y;
    if (!can_draw(p.x) || !can_draw(y)) return false;
    *px = f->left + (p.x - f->x0) / (f->x1 - f->x0) * (f->right - f->left);
    *py = f->bottom - (y - f->y0) / (f->y1 - f->y0) * (f->bottom - f->top);
    return true;
}

/* A distance of 1, 2 or 5 times a power of ten that gives about `wanted` ticks. */
static double tick_step(double span, double wanted)
{
    double raw = span / wanted, power = pow(10, floor(log10(raw))), ratio = raw / power;
    return power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
}

/* Widens a range that is a single value, and adds a little air. */
static void widen(double *low, double *high)
{
    double span = *high - *low, air = span > 0 ? 0.04 * span : fmax(fabs(*low) * 0.1, 0.5);
    *low -= air;
    *high += air;
}

static bool find_ranges(frame *f, const rv_plot *plot)
{
    f->x0 = f->y0 = INFINITY;
    f->x1 = f->y1 = -INFINITY;
    for (size_t s = 0; s < plot->series_count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            rv_xy p = plot->series[s].points[i];
            double y = f->log_y ? log10(p.y) : p.y;
            if (!can_draw(p.x) || !can_draw(y)) continue;
            f->x0 = fmin(f->x0, p.x);
            f->x1 = fmax(f->x1, p.x);
            f->y0 = fmin(f->y0, y);
            f->y1 = fmax(f->y1, y);
        }
    if (!(f->x0 <= f->x1)) return false;
    widen(&f->x0, &f->x1);
    widen(&f->y0, &f->y1);
    return true;
}

/* 1200 -> "1,200"; 60000 -> "60k"; 1.5e6 -> "1.5M" */
static void put_number(rv_text *out, double value, double step)
{
    double size = fabs(value);
    if (size < step / 1e6) value = 0; // -0 and rounding noise
    if (size >= 1e9 || (size > 0 && size < 1e-4 && value != 0))
        rv_text_printf(out, "%.3g", value);
    else if (step >= 1e5)
        rv_text_printf(out, "%gM", round(value / 1e4) / 100);
    else if (step >= 1e3)
        rv_text_printf(out, "%gk", round(value / 10) / 100);
    else
        rv_text_printf(out, "%.*f", step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0, value);
}

static void put_x_axis(rv_text *out, const frame *f, const char *label)
{
    double step = tick_step(f->x1 - f->x0, (f->right - f->left) / 80);
    rv_text_puts(out, "<g class=\"axis\">");
    for (double x = ceil(f->x0 / step) * step; x <= f->x1; x += step) {
        double px = f->left + (x - f->x0) / (f->x1 - f->x0) * (f->right - f->left);
        rv_text_printf(out,
                       "<path d=\"M%.1f %.1fV%.1f\"/><text class=\"x\" x=\"%.1f\" y=\"%.1f\">",
                       px, f->top, f->bottom, px, f->bottom + 16);
        put_number(out, x, step);
        rv_text_puts(out, "</text>");
    }
    rv_text_printf(out, "<text class=\"x label\" x=\"%.1f\" y=\"%.1f\">",
                   (f->left + f->right) / 2, f->bottom + 36);
    put_text(out, label ? label : "");
    rv_text_puts(out, "</text></g>");
}

static void put_y_axis(rv_text *out, const frame *f, const char *label)
{
    double span = f->y1 - f->y0, step = tick_step(span, (f->bottom - f->top) / 55);
    if (f->log_y && span > 1.2) step = fmax(1, round(step));
    rv_text_puts(out, "<g class=\"axis\">");
    for (double y = ceil(f->y0 / step) * step; y <= f->y1; y += step) {
        double py = f->bottom - (y - f->y0) / span * (f->bottom - f->top);
        rv_text_printf(out,
                       "<path d=\"M%.1f %.1fH%.1f\"/><text class=\"y\" x=\"%.1f\" y=\"%.1f\">",
                       f->left, py, f->right, f->left - 8, py + 4);
        if (f->log_y)
            rv_text_printf(out, "%.3g", pow(10, y));
        else
            put_number(out, y, step);
        rv_text_puts(out, "</text>");
    }
    double middle = (f->top + f->bottom) / 2;
    rv_text_printf(out, "<text class=\"x label\" transform=\"translate(14 %.1f) rotate(-90)\">",
                   middle);
    put_text(out, label ? label : "");
    rv_text_puts(out, "</text></g>");
}

/* One shape for each style, so that nothing hangs on colour alone. */
static const char *marker(size_t style)
{
    static const char *const shapes[RV_STYLE_COUNT + 1] = {
        "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",      // disc
        "M-3.8-3.8h7.6v7.6h-7.6z",                           // square
        "M0-5L4.8 3.6H-4.8z",                                // triangle
        "M0-5.4L5.4 0L0 5.4L-5.4 0z",                        // diamond
        "M0 5L4.8-3.6H-4.8z",                                // triangle, down
        "M-1.6-5h3.2v3.4H5v3.2H1.6V5h-3.2V1.6H-5v-3.2h3.4z", // plus
        "M0-5.2L4.9-1.6L3 4.2H-3L-4.9-1.6z",                 // pentagon
        "M-3.5-3.5L3.5 3.5M-3.5 3.5L3.5-3.5",                // cross, for background data
    };
    return shapes[style <= RV_STYLE_COUNT ? style : style % RV_STYLE_COUNT];
}

static size_t style_of(const rv_series *s)
{
    return s->style <= RV_STYLE_COUNT ? s->style : s->style % RV_STYLE_COUNT;
}

static void put_line(rv_text *out, const frame *f, const rv_series *s)
{
    bool open = false, steps = s->kind == RV_SERIES_STEPS;
    rv_text_puts(out, "<path class=\"line\" d=\"");
    for (size_t i = 0; i < s->count; i++) {
        double x, y;
        if (!place(&x, &y, f, s->points[i])) {
            open = false;
            continue;
        }
        if (open && steps)
            rv_text_printf(out, "H%.1fV%.1f", x, y);
        else
            rv_text_printf(out, "%c%.1f %.1f", open ? 'L' : 'M', x, y);
        open = true;
    }
    if (open && steps) rv_text_printf(out, "H%.1f", f->right);
    rv_text_puts(out, "\"/>");
}

static void put_points(rv_text *out, const frame *f, const rv_series *s)
{
    for (size_t i = 0; i < s->count; i++) {
        double x, y;
        if (!place(&x, &y, f, s->points[i])) continue;
        rv_text_printf(out, "<path class=\"mark\" transform=\"translate(%.1f %.1f)\" d=\"%s\"",
                       x, y, marker(style_of(s)));
        if (s->marked) rv_text_printf(out, " data-mark=\"%zu\"", s->first_mark + i);
        rv_text_puts(out, "/>");
    }
}

static bool has_name(const rv_series *s)
{
    return s->name && *s->name;
}

/* Width of a legend entry: marker, text, gap. */
static double key_width(const rv_series *s)
{
    double characters = 0;
    for (const char *p = s->name; *p; p++) characters += (*p & 0xC0) != 0x80;
    return 34 + CHARACTER * characters;
}

/* Draws the legend (out may be NULL) and returns its height. */
static double put_legend(rv_text *out, const rv_plot *plot, double width)
{
    double x = MARGIN_LEFT, y = MARGIN_TOP + 8;
    size_t entries = 0;
    for (size_t i = 0, group = 0; i < plot->series_count; i++) {
        const rv_series *s = &plot->series[i];
        if (!has_name(s)) continue;
        if (x > MARGIN_LEFT && x + key_width(s) > width) x = MARGIN_LEFT, y += LEGEND_ROW;
        if (out) {
            rv_text_printf(
                out,
                "<g class=\"key s%zu\" data-group=\"%zu\" transform=\"translate(%.1f %.1f)\">",
                style_of(s), group, x, y);
            rv_text_printf(out, "<path class=\"%s\" transform=\"translate(7 0)\" d=\"%s\"/>",
                           s->kind == RV_SERIES_POINTS ? "mark" : "line",
                           s->kind == RV_SERIES_POINTS ? marker(style_of(s)) : "M-7 0H7");
            rv_text_puts(out, "<text x=\"19\" y=\"4\">");
            put_text(out, s->name);
            rv_text_puts(out, "</text></g>");
        }
        x += key_width(s);
        group++;
        entries++;
    }
    return entries ? y + 14 : MARGIN_TOP;
}

/* The label stands on the side that has more room. */
static void put_rule(rv_text *out, const rv_plot *plot, const frame *f)
{
    double x, y;
    if (!plot->x_rule_label || !place(&x, &y, f, (rv_xy){plot->x_rule, f->log_y ? 1 : 0}))
        return;
    if (x < f->left || x > f->right) return;
    bool right = x < (f->left + f->right) / 2;
    rv_text_printf(out,
                   "<g class=\"rule\"><path d=\"M%.1f %.1fV%.1f\"/><text class=\"%s\" "
                   "x=\"%.1f\" y=\"%.1f\">",
                   x, f->top, f->bottom, right ? "" : "y", x + (right ? 6 : -6), f->bottom - 8);
    put_text(out, plot->x_rule_label);
    rv_text_puts(out, "</text></g>");
}

static void put_body(rv_text *out, const rv_plot *plot, const frame *f)
{
    put_x_axis(out, f, plot->x_label);
    put_y_axis(out, f, plot->y_label);
    put_rule(out, plot, f);
    size_t groups = 0;
    for (size_t i = 0; i < plot->series_count; i++) {
        const rv_series *s = &plot->series[i];
        groups += has_name(s);
        rv_text_printf(out, "<g class=\"series s%zu\" data-group=\"%zu\">", style_of(s),
                       groups ? groups - 1 : 0);
        if (s->kind == RV_SERIES_POINTS)
            put_points(out, f, s);
        else
            put_line(out, f, s);
        rv_text_puts(out, "</g>");
    }
}

rv_status rv_plot_svg(rv_text *out, const rv_plot *plot, rv_error *err)
{
    double width = plot->width > 0 ? plot->width : 720;
    double height = plot->height > 0 ? plot->height : 400;
    double top = put_legend(NULL, plot, width);
    frame f = {.left = MARGIN_LEFT,
               .right = width - MARGIN_RIGHT,
               .top = top,
               .bottom = top + height - MARGIN_TOP - MARGIN_BOTTOM,
               .log_y = plot->log_y};
    rv_text_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot%s\" viewBox=\"0 0 "
                   "%.0f %.0f\" role=\"img\" aria-label=\"",
                   plot->standalone ? " standalone" : "", width, f.bottom + MARGIN_BOTTOM);
    put_text(out, plot->title ? plot->title : "plot");
    rv_text_puts(out, "\">");
    if (plot->standalone) {
        rv_text_puts(out, "<style>");
        rv_asset css = rv_asset_plot_css();
        rv_text_append(out, css.bytes, css.length);
        rv_text_puts(out, "</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>");
    }
    if (find_ranges(&f, plot)) {
        put_legend(out, plot, width);
        put_body(out, plot, &f);
    } else {
        rv_text_printf(out,
                       "<text class=\"x label\" x=\"%.0f\" y=\"%.0f\">nothing to draw</text>",
                       width / 2, height / 2);
    }
    rv_text_puts(out, "</svg>\n");
    return out->failed ? rv_fail_memory(err, out->length) : RV_OK;
}
