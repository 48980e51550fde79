/* include/reverie/examples.h: what was found as JSON. */
#include "corpus/examples.h"
#include "base/json.h"
#include "record/json.h"

static json_t *list_to_json(const rv_example *list, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        const rv_example *e = &list[i];
        json_t *tokens = json_array();
        for (size_t k = 0; k < e->count; k++) {
            const rv_example_token *t = &e->tokens[k];
            json_array_append_new(tokens,
                                  json_pack("{s:i, s:o, s:f}", "id", (int)t->id, "text",
                                            rv_string_to_json((rv_string){t->bytes, t->length}),
                                            "value", t->value));
        }
        json_array_append_new(out,
                              json_pack("{s:f, s:f, s:I, s:s, s:I, s:o}", "value", e->value,
                                        "g", e->g, "at", (json_int_t)e->at, "file", e->file,
                                        "offset", (json_int_t)e->offset, "tokens", tokens));
    }
    return out;
}

static json_t *target_to_json(const rv_target_examples *x, size_t most)
{
    json_t *quantiles = json_array();
    for (size_t q = 0; q < RV_EXAMPLES_LEVELS; q++)
        json_array_append_new(
            quantiles, json_pack("{s:f, s:f}", "level", x->level[q], "value", x->quantile[q]));
    json_t *screened =
        x->screened ? json_pack("{s:f, s:f}", "margin", x->margin, "error", x->error) : NULL;
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:o*, s:o, s:o, s:o}", "target", x->target,
                     "positions", (json_int_t)x->positions, "mean", x->mean, "deviation",
                     x->deviation, "minimum", x->minimum, "maximum", x->maximum, "screened",
                     screened, "quantiles", quantiles, "high",
                     list_to_json(x->high, x->high_count < most ? x->high_count : most), "low",
                     list_to_json(x->low, x->low_count < most ? x->low_count : most));
}

rv_status rv_examples_json(char **out, const rv_examples *examples, rv_error *err)
{
    json_t *targets = json_array();
    for (size_t t = 0; t < examples->count; t++)
        json_array_append_new(targets, target_to_json(&examples->targets[t], examples->shown));
    return rv_json_result(out, json_pack("{s:o}", "targets", targets), err);
}
