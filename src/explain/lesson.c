#include "explain/lesson.h"

#include <stdlib.h>
#include <string.h>

const rv_lesson rv_lessons[] = {
    {"units of length and distance",
     {"The| bridge| is| four| hundred| metres^9| long|,| and| the| nearest| town| lies| twelve|"
      " miles^10| to| the| west|.|",
      "She| bought| three| kilos^1| of| flour| and| two| yards^8| of| blue| cloth|.|"},
     {6, 4},
     {" long", " away", " wide", " deep"}},
    {"words that deny or rule out",
     {"Nobody^8| answered|,| and| he| did| not^10| knock| again|;| there| was| nothing^9| "
      "left| to|"
      " say|.|",
      "It| was| never^9| meant| to| last|,| but| the| old| roof| still| holds|.|"},
     {7, 0},
     {" any", " anyone", " ever", " either"}},
    {"a surname that follows a title of rank",
     {"When| Captain^2| Moore^10| came| aboard|,| Doctor^2| Lin^9| had| already| left| with| "
      "Lady^2|"
      " Anne^7|.|",
      "The| captain^1| of| the| team| thanked| Moore| for| the| ball|.|"},
     {5, 3},
     {" said", "'s", " himself", " replied"}},
};
const size_t rv_lesson_count = sizeof rv_lessons / sizeof rv_lessons[0];

rv_status rv_lesson_record(rv_activation_record *out, const char *text, rv_error *err)
{
    size_t count = 0, i = 0;
    for (const char *p = text; (p = strchr(p, '|')); p++) count++;
    RV_TRY(rv_activation_record_init(out, count, err));
    for (const char *p = text, *end; (end = strchr(p, '|')); p = end + 1, i++) {
        const char *level = memchr(p, '^', (size_t)(end - p));
        rv_status status = rv_activation_record_set(
            out, i, p, (size_t)((level ? level : end) - p), level ? atof(level + 1) : 0, err);
        if (status == RV_OK) continue;
        rv_activation_record_release(out);
        return status;
    }
    return RV_OK;
}
