/* include/reverie/features.h: params, release, JSON. */
#include <stdlib.h>

#include "base/json.h"
#include "corpus/coder_fit.h"

rv_features_params rv_features_params_default(void)
{
    return (rv_features_params){.size = sizeof(rv_features_params), .corpus_tokens = 10000};
}

void rv_features_info_release(rv_features_info *info)
{
    char *const owned[] = {info->path,  info->format, info->architecture,
                           info->model, info->site,   info->verdict};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    *info = (rv_features_info){0};
}

static json_t *measured_to_json(const rv_features_info *i)
{
    if (!i->verdict) return NULL;
    return json_pack("{s:I, s:f, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:b, s:s}", "tokens",
                     (json_int_t)i->tokens, "l0", i->l0, "explained_variance",
                     rv_json_real(i->explained_variance), "dead", i->dead, "dense", i->dense,
                     "loss", rv_json_real(i->loss), "spliced_loss",
                     rv_json_real(i->spliced_loss), "ablated_loss",
                     rv_json_real(i->ablated_loss), "loss_recovered",
                     rv_json_real(i->loss_recovered), "fits", i->fits, "verdict", i->verdict);
}

rv_status rv_features_info_json(char **out, const rv_features_info *i, rv_error *err)
{
    return rv_json_result(
        out,
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s, s:I, s:I, s:I, s:I, s:o, s:b, s:o*}",
                  "path", i->path, "format", i->format, "architecture", i->architecture,
                  "model", i->model, "site", i->site, "gate", i->gate, "width",
                  (json_int_t)i->width, "features", (json_int_t)i->features, "output_width",
                  (json_int_t)i->output_width, "k", (json_int_t)i->k, "declared_l0",
                  rv_json_real(i->declared_l0), "transcoder", i->transcoder, "measured",
                  measured_to_json(i)),
        err);
}
