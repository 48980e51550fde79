#include "report/heat.h"

#include <math.h>
#include <utf8proc.h>

/* ---- what can be printed -------------------------------------------------------------------- */

/* What commands who shows it, and signs without width that can hide text. */
static bool is_treacherous(unsigned c)
{
    return rv_commands(c) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2060 && c <= 0x206F) ||
           c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

/* One character or stray byte as it is shown; returns how many bytes it took of the input. */
static size_t put_one(rv_text *out, const char *bytes, size_t length)
{
    unsigned c;
    size_t n = rv_utf8_decode(bytes, length, &c);
    if (n == 0) {
        rv_text_printf(out, "\\x%02x", (unsigned char)bytes[0]);
        return 1;
    }
    if (c == '\n')
        rv_text_puts(out, "↵");
    else if (c == '\t')
        rv_text_puts(out, "⇥");
    else if (c == '\r')
        rv_text_puts(out, "␍");
    else if (is_treacherous(c))
        rv_text_printf(out, c < 0xA0 ? "\\x%02x" : "\\u%04x", c);
    else
        rv_text_append(out, bytes, n);
    return n;
}

void rv_put_visible(rv_text *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;) i += put_one(out, bytes + i, length - i);
}

size_t rv_visible_width(rv_text *out, const char *bytes, size_t length)
{
    rv_text shown = {0};
    rv_put_visible(&shown, bytes, length);
    size_t width = 0;
    unsigned c;
    for (size_t i = 0, n;
         i < shown.length && (n = rv_utf8_decode(shown.bytes + i, shown.length - i, &c));
         i += n)
        width += (size_t)utf8proc_charwidth((utf8proc_int32_t)c);
    out->failed |= shown.failed;
    rv_text_release(&shown);
    return width;
}

void rv_put_fitting(rv_text *out, const char *bytes, size_t length, size_t columns)
{
    size_t width = 0, i = 0;
    while (i < length) {
        rv_text one = {0};
        size_t n = put_one(&one, bytes + i, length - i),
               extra = rv_visible_width(out, bytes + i, n);
        if (width + extra <= columns) rv_text_append(out, one.bytes, one.length);
        out->failed |= one.failed;
        rv_text_release(&one);
        if (width + extra > columns) break;
        width += extra;
        i += n;
    }
    if (i < length) rv_text_puts(out, "…");
}

void rv_put_figure(rv_text *out, double value, int decimals)
{
    if (!isfinite(value))
        rv_text_puts(out, "–");
    else if (fabs(value) >= 1e7)
        rv_text_printf(out, "%.3g", value);
    else
        rv_text_printf(out, "%.*f", decimals, value);
}

/* ---- colours ----------------------------------------------------------------------------------- */

enum { LEVELS = 8, RGB = 3, TOKEN_COLUMNS = 60 };

/* From paper to ember, and from paper to slate; dark ink on all of them. */
static const unsigned char warm[LEVELS][RGB] = {
    {255, 246, 232}, {255, 234, 206}, {255, 219, 176}, {255, 201, 143},
    {253, 181, 112}, {249, 160, 86},  {242, 138, 66},  {232, 116, 52}};
static const unsigned char cold[LEVELS][RGB] = {
    {240, 245, 250}, {224, 235, 246}, {206, 224, 241}, {187, 212, 235},
    {167, 199, 229}, {147, 185, 222}, {127, 171, 214}, {108, 157, 206}};
static const unsigned char warm_256[LEVELS] = {230, 230, 223, 222, 216, 215, 209, 208};
static const unsigned char cold_256[LEVELS] = {255, 195, 189, 153, 153, 117, 111, 75};

static double heat_of(double value, double scale)
{
    if (!isfinite(value) || !(scale > 0)) return 0;
    return fmax(-1, fmin(1, value / scale));
}

/* Opens the background; false where the heat is too faint to show. */
static bool put_background(rv_text *out, double heat, rv_colour colour)
{
    int level = (int)ceil(fabs(heat) * LEVELS - 0.5) - 1;
    if (level < 0) return false;
    const unsigned char *rgb = heat > 0 ? warm[level] : cold[level];
    if (colour == RV_COLOUR_TRUE)
        rv_text_printf(out, "\033[38;2;38;30;22;48;2;%d;%d;%dm", rgb[0], rgb[1], rgb[2]);
    else
        rv_text_printf(out, "\033[38;5;234;48;5;%dm",
                       heat > 0 ? warm_256[level] : cold_256[level]);
    return true;
}

/* «token»⁷ from three tenths on. */
static void put_marked(rv_text *out, const rv_heat_token *token, double heat)
{
    static const char *const digits[] = {"", "", "", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹", "¹⁰"};
    int tenths = (int)floor(10 * heat + 1e-9);
    size_t space = tenths >= 3 && token->length > 1 && token->bytes[0] == ' ';
    if (space) rv_text_putc(out, ' ');
    if (tenths >= 3) rv_text_puts(out, "«");
    rv_put_fitting(out, token->bytes + space, token->length - space, TOKEN_COLUMNS);
    if (tenths >= 3) rv_text_printf(out, "»%s", digits[tenths]);
}

static void put_token(rv_text *out, const rv_heat_token *token, double scale, rv_colour colour)
{
    double heat = heat_of(token->value, scale);
    if (colour == RV_COLOUR_NONE) {
        put_marked(out, token, heat);
        return;
    }
    bool open = put_background(out, heat, colour);
    rv_put_fitting(out, token->bytes, token->length, TOKEN_COLUMNS);
    if (open) rv_text_puts(out, "\033[0m");
}

static size_t token_width(rv_text *out, const rv_heat_token *token, double scale,
                          rv_colour colour)
{
    size_t marks = colour == RV_COLOUR_NONE && heat_of(token->value, scale) >= 0.3 ? 4 : 0;
    size_t width = rv_visible_width(out, token->bytes, token->length);
    return (width < TOKEN_COLUMNS ? width : TOKEN_COLUMNS + 1) + marks;
}

void rv_put_heat(rv_text *out, const rv_heat_token *tokens, size_t count, size_t focus,
                 double scale, rv_terminal terminal)
{
    size_t from = 0, to = count, room = terminal.columns ? terminal.columns : SIZE_MAX;
    size_t width = 0;
    for (size_t i = 0; i < count && width <= room; i++)
        width += token_width(out, &tokens[i], scale, terminal.colour);
    if (width > room && focus < count) {
        // Grow around the focus, three tokens to the left for each to the right.
        from = focus;
        to = focus + 1;
        width = 2 + token_width(out, &tokens[focus], scale, terminal.colour);
        for (bool left = from > 0, right = to < count; left || right;) {
            bool take_left = left && (!right || (focus - from) <= 3 * (to - focus - 1));
            size_t next =
                token_width(out, &tokens[take_left ? from - 1 : to], scale, terminal.colour);
            bool fits = width + next <= room;
            if (fits) width += next;
            if (fits && take_left)
                from--;
            else if (fits)
                to++;
            if (take_left)
                left = fits && from > 0;
            else
                right = fits && to < count;
        }
    }
    if (from > 0) rv_text_puts(out, "…");
    for (size_t i = from; i < to; i++) put_token(out, &tokens[i], scale, terminal.colour);
    if (to < count) rv_text_puts(out, "…");
}

void rv_put_ink(rv_text *out, rv_ink ink, const char *string, rv_colour colour)
{
    const char *code = ink == RV_INK_STRONG ? "\033[1m" : "\033[2m";
    if (colour != RV_COLOUR_NONE) rv_text_puts(out, code);
    rv_text_puts(out, string);
    if (colour != RV_COLOUR_NONE) rv_text_puts(out, "\033[0m");
}
