#include "target/kind/kind.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

const rv_target_kind *const rv_target_kinds[] = {&rv_kind_neuron,
                                                 &rv_kind_logit,
                                                 &rv_kind_direction,
                                                 &rv_kind_attention,
                                                 &rv_kind_feature,
                                                 &rv_kind_number,
                                                 NULL};

rv_status rv_fail_form(const rv_target *t, rv_error *err)
{
    const rv_target_kind *const shown[] = {&rv_kind_neuron,  &rv_kind_number,
                                           &rv_kind_logit,   &rv_kind_direction,
                                           &rv_kind_feature, &rv_kind_attention};
    rv_text forms = {0};
    for (size_t i = 0, n = sizeof shown / sizeof shown[0]; i < n; i++)
        rv_text_printf(&forms, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", shown[i]->form);
    rv_status status = rv_fail(err, RV_ERR_USAGE,
                               "target \"%.100s\": expected %s, with a leading - for the "
                               "negative direction",
                               t->written, forms.bytes ? forms.bytes : "another name");
    rv_text_release(&forms);
    return status;
}

rv_status rv_fail_range(const rv_target *t, const char *what, size_t count, size_t found,
                        rv_error *err)
{
    return rv_fail(err, RV_ERR_USAGE, "target \"%.100s\": %s: expected 0 to %zu, found %zu",
                   t->written, what, count - 1, found);
}

bool rv_take_number(const char **text, size_t *out)
{
    const char *c = *text;
    size_t value = 0;
    while (isdigit((unsigned char)*c) && c - *text < 9)
        value = value * 10 + (size_t)(*c++ - '0');
    if (c == *text || isdigit((unsigned char)*c)) return false;
    *out = value;
    *text = c;
    return true;
}

bool rv_take_signed(const char **text, long *out)
{
    bool minus = **text == '-';
    size_t value;
    *text += minus;
    if (!rv_take_number(text, &value)) return false;
    *out = minus ? -(long)value : (long)value;
    return true;
}

bool rv_take_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0) return false;
    *text += length;
    return true;
}

bool rv_climbed_row(const rv_climb *c, size_t s, size_t *row)
{
    size_t count, shared;
    if (c->rows[s] == SIZE_MAX) return false;
    *row = rv_pass_span(c->pass, s, &count, &shared) + c->rows[s];
    return true;
}
