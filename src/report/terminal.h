/* The story in the terminal, in about 30 lines. */
#ifndef RV_REPORT_TERMINAL_H
#define RV_REPORT_TERMINAL_H

#include "report/compare.h"
#include "report/story.h"
#include "reverie/report.h"

void rv_put_story(rv_text *out, const rv_story *story, rv_terminal terminal);

#endif
