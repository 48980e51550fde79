/* The stories as one JSON document: what `reverie report --json` prints and the page reads
 * (docs/formats.md, "report"). */
#ifndef RV_REPORT_DATA_H
#define RV_REPORT_DATA_H

#include <jansson.h>

#include "report/compare.h"
#include "report/figures.h"
#include "report/story.h"

/* figures: one for each story. NULL, and err says why. */
json_t *rv_report_to_json(const rv_stories *stories, const rv_figures *figures,
                          const rv_compare *compare, rv_error *err);

/* The rows alone (docs/formats.md, "compare"). */
json_t *rv_compare_to_json(const rv_compare *compare, rv_error *err);

#endif
