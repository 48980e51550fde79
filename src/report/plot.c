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

/* One direction: values from `low` to `high`, their decimal logarithms where log is set, go to
 * pixels `from` to `to`. */
typedef struct axis {
    bool log;
    double low, high, from, to;
} axis;

typedef struct frame {
    axis x, y;
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

static double on_axis(const axis *a, double value)
{
    return a->log ? log10(value) : value;
}

static double pixel(const axis *a, double value)
{
    return a->from + (on_axis(a, value) - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* Where a point goes; false if it cannot be drawn. */
static bool place(double *px, double *py, const frame *f, rv_xy p)
{
    if (!can_draw(on_axis(&f->x, p.x)) || !can_draw(on_axis(&f->y, p.y))) return false;
    *px = pixel(&f->x, p.x);
    *py = pixel(&f->y, p.y);
    return true;
}

/* ---- axes ------------------------------------------------------------------------------------- */

static void reach(axis *a, double value)
{
    a->low = fmin(a->low, on_axis(a, value));
    a->high = fmax(a->high, on_axis(a, value));
}

/* Widens a range that is a single value, and adds a little air. */
static void widen(axis *a)
{
    double span = a->high - a->low, size = fmax(fabs(a->low), fabs(a->high));
    if (span < 1e-9 * size || span == 0) span = fmax(size, 1);
    a->low -= 0.04 * span;
    a->high += 0.04 * span;
}

static bool find_ranges(frame *f, const rv_plot *plot)
{
    f->x.low = f->y.low = INFINITY;
    f->x.high = f->y.high = -INFINITY;
    for (size_t s = 0; s < plot->series_count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            rv_xy p = plot->series[s].points[i];
            if (!can_draw(on_axis(&f->x, p.x)) || !can_draw(on_axis(&f->y, p.y))) continue;
            reach(&f->x, p.x);
            reach(&f->y, p.y);
        }
    if (!(f->x.low <= f->x.high)) return false;
    widen(&f->x);
    widen(&f->y);
    return true;
}

enum { TICKS_MAX = 40 };

/* A distance of 1, 2 or 5 times a power of ten that gives about `wanted` ticks. */
static double tick_step(double span, double wanted)
{
    double raw = span / wanted, power = pow(10, floor(log10(raw))), ratio = raw / power;
    return power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
}

/* 1, 2 and 5 times the powers of ten, or only those if that would be many. */
static size_t log_ticks(double ticks[TICKS_MAX], const axis *a, double wanted)
{
    static const double steps[] = {1, 2, 5};
    double span = a->high - a->low, stride = fmax(1, ceil(span / wanted));
    size_t count = 0, each = 3 * span <= wanted ? 3 : 1;
    for (double power = floor(a->low); power <= a->high && power < 300; power += stride)
        for (size_t k = 0; k < each && count < TICKS_MAX; k++) {
            double tick = steps[k] * pow(10, power);
            if (log10(tick) >= a->low && log10(tick) <= a->high) ticks[count++] = tick;
        }
    return count;
}

/* Fills in where the ticks stand, about one every `pixels`, and their distance. */
static size_t find_ticks(double ticks[TICKS_MAX], double *step, const axis *a, double pixels)
{
    double wanted = fmax(2, fabs(a->to - a->from) / pixels);
    *step = tick_step(a->high - a->low, wanted);
    if (a->log) return log_ticks(ticks, a, wanted);
    double first = ceil(a->low / *step) * *step;
    size_t count = 0;
    while (count < TICKS_MAX && first + (double)count * *step <= a->high) {
        ticks[count] = first + (double)count * *step;
        count++;
    }
    return count;
}

/* 60000 -> "60k"; 1.5e6 -> "1.5M" */
static void put_number(rv_text *out, double value, double step, bool log)
{
    double size = fabs(value);
    if (size < step / 1e6 && !log) value = size = 0; // -0 and rounding noise
    if (log) step = size >= 1e6 ? 1e6 : size >= 1e4 ? 1e4 : 1;
    if (value == 0)
        rv_text_puts(out, "0");
    else if (size >= 1e9 || (size > 0 && size < 1e-4))
        rv_text_printf(out, "%.3g", value);
    else if (step >= 1e5)
        rv_text_printf(out, "%gM", round(value / 1e4) / 100);
    else if (step >= 1e3)
        rv_text_printf(out, "%gk", round(value / 10) / 100);
    else if (log)
        rv_text_printf(out, "%.4g", value);
    else
        rv_text_printf(out, "%.*f", step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0, value);
}

static void put_x_axis(rv_text *out, const frame *f, const char *label)
{
    double ticks[TICKS_MAX], step;
    size_t count = find_ticks(ticks, &step, &f->x, 80);
    rv_text_puts(out, "<g class=\"axis\">");
    for (size_t i = 0; i < count; i++) {
        double px = pixel(&f->x, ticks[i]);
        rv_text_printf(out,
                       "<path d=\"M%.1f %.1fV%.1f\"/><text class=\"x\" x=\"%.1f\" y=\"%.1f\">",
                       px, f->y.to, f->y.from, px, f->y.from + 16);
        put_number(out, ticks[i], step, f->x.log);
        rv_text_puts(out, "</text>");
    }
    rv_text_printf(out, "<text class=\"x label\" x=\"%.1f\" y=\"%.1f\">",
                   (f->x.from + f->x.to) / 2, f->y.from + 36);
    put_text(out, label ? label : "");
    rv_text_puts(out, "</text></g>");
}

static void put_y_axis(rv_text *out, const frame *f, const char *label)
{
    double ticks[TICKS_MAX], step;
    size_t count = find_ticks(ticks, &step, &f->y, 55);
    rv_text_puts(out, "<g class=\"axis\">");
    for (size_t i = 0; i < count; i++) {
        double py = pixel(&f->y, ticks[i]);
        rv_text_printf(out,
                       "<path d=\"M%.1f %.1fH%.1f\"/><text class=\"y\" x=\"%.1f\" y=\"%.1f\">",
                       f->x.from, py, f->x.to, f->x.from - 8, py + 4);
        put_number(out, ticks[i], step, f->y.log);
        rv_text_puts(out, "</text>");
    }
    double middle = (f->y.from + f->y.to) / 2;
    rv_text_printf(out, "<text class=\"x label\" transform=\"translate(14 %.1f) rotate(-90)\">",
                   middle);
    put_text(out, label ? label : "");
    rv_text_puts(out, "</text></g>");
}

/* ---- series ----------------------------------------------------------------------------------- */

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
    bool open = false, steps = s->kind != RV_SERIES_LINE;
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
    if (open && s->kind == RV_SERIES_STEPS) rv_text_printf(out, "H%.1f", f->x.to);
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
    if (!plot->x_rule_label || !place(&x, &y, f, (rv_xy){plot->x_rule, 1})) return;
    if (x < f->x.from || x > f->x.to) return;
    bool right = x < (f->x.from + f->x.to) / 2;
    rv_text_printf(out,
                   "<g class=\"rule\"><path d=\"M%.1f %.1fV%.1f\"/><text class=\"%s\" "
                   "x=\"%.1f\" y=\"%.1f\">",
                   x, f->y.to, f->y.from, right ? "" : "y", x + (right ? 6 : -6),
                   f->y.from - 8);
    put_text(out, plot->x_rule_label);
    rv_text_puts(out, "</text></g>");
}

static void put_body(rv_text *out, const rv_plot *plot, const frame *f)
{
    put_x_axis(out, f, plot->x_label);
    put_y_axis(out, f, plot->y_label);
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
    put_rule(out, plot, f);
}

rv_status rv_plot_svg(rv_text *out, const rv_plot *plot, rv_error *err)
{
    double width = plot->width > 0 ? plot->width : 720;
    double height = plot->height > 0 ? plot->height : 400;
    double top = put_legend(NULL, plot, width);
    double bottom = top + height - MARGIN_TOP - MARGIN_BOTTOM;
    frame f = {.x = {.log = plot->log_x, .from = MARGIN_LEFT, .to = width - MARGIN_RIGHT},
               .y = {.log = plot->log_y, .from = bottom, .to = top}};
    rv_text_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot%s\" viewBox=\"0 0 "
                   "%.0f %.0f\" role=\"img\" aria-label=\"",
                   plot->standalone ? " standalone" : "", width, bottom + MARGIN_BOTTOM);
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
