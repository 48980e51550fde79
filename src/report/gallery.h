/* Image dreams, from their records to the terminal, a picture and a page. */
#ifndef RV_REPORT_GALLERY_H
#define RV_REPORT_GALLERY_H

#include "base/text.h"
#include "record/run.h"

enum { RV_GALLERY_METHODS = 3 };
extern const char *const rv_gallery_methods[RV_GALLERY_METHODS]; /* in the order of columns */

/* A line for each target and method, in plain text. */
rv_status rv_put_gallery_table(rv_text *out, const rv_gallery *gallery, rv_error *err);

/* A PNG: one row a target; the best dream of each method and the nearest image beside it; then the starts of the
 * latent method, at most eight. */
rv_status rv_put_gallery_grid(rv_text *out, const rv_gallery *gallery, rv_error *err);

/* A page that needs nothing but itself, with a description of every number on it. */
rv_status rv_put_gallery_page(rv_text *out, const rv_gallery *gallery, rv_error *err);

/* One picture of a record as a PNG. */
rv_status rv_gallery_png(rv_text *out, const rv_gallery *gallery, const char *pixels,
                         rv_error *err);

/* Medians over the starts; NAN where no number is known. */
rv_status rv_gallery_median(double *attacked, double *judge, const rv_gallery *gallery,
                            const char *target, const char *method, rv_error *err);

#endif
