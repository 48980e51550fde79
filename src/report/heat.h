/* Tokens on a terminal: safe to print, as warm as their value, cut to the width. */
#ifndef RV_REPORT_HEAT_H
#define RV_REPORT_HEAT_H

#include "base/text.h"
#include "reverie/report.h"

/* Appends text so that it can do nothing to a terminal: newline, tab and other controls, marks
 * that turn the direction of writing, and bytes that are no UTF-8 become visible signs. */
void rv_put_visible(rv_text *out, const char *bytes, size_t length);

/* Columns that this takes; where memory was short, out->failed tells. */
size_t rv_visible_width(rv_text *out, const char *bytes, size_t length);

/* A text that a line may hold: visible, and cut with an ellipsis where it takes more columns. */
void rv_put_fitting(rv_text *out, const char *bytes, size_t length, size_t columns);

/* A number with so many decimals, or in scientific notation where it is huge; "–" if it is not
 * finite. */
void rv_put_figure(rv_text *out, double value, int decimals);

/* Appends the tokens; the arguments are those of rv_heat_line. */
void rv_put_heat(rv_text *out, const rv_heat_token *tokens, size_t count, size_t focus,
                 double scale, rv_terminal terminal);

/* Styles for everything else. */
typedef enum rv_ink { RV_INK_STRONG, RV_INK_QUIET } rv_ink;
void rv_put_ink(rv_text *out, rv_ink ink, const char *string, rv_colour colour);

#endif
