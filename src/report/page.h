/* One self-contained page. Nothing in it comes from elsewhere, and its policy forbids that
 * anything could: scripts and styles run only if their SHA-256 is the one that was written in. Text
 * from models travels as JSON and becomes text nodes, never markup. */
#ifndef RV_REPORT_PAGE_H
#define RV_REPORT_PAGE_H

#include "report/data.h"

rv_status rv_put_page(rv_text *out, const rv_stories *stories, const rv_figures *figures,
                      const rv_compare *compare, rv_error *err);

#endif
