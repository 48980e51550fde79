#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"

static void print_coder(const rv_features_info *i)
{
    say("%s%s%s, %s gate%s\n", i->format, i->architecture ? ", " : "",
        i->architecture ? i->architecture : "", i->gate, i->transcoder ? ", transcoder" : "");
    printf("%llu features of %llu numbers", (unsigned long long)i->features,
           (unsigned long long)i->width);
    if (i->k) printf(", the largest %llu", (unsigned long long)i->k);
    if (isfinite(i->declared_l0)) printf(", declared L0 %.1f", i->declared_l0);
    say("\nmodel %s, site %s\n", i->model ? i->model : "not said",
        i->site ? i->site : "not said");
}

static void print_measured(const rv_features_info *i)
{
    printf(
        "\non %llu tokens: L0 %.1f, %.1f %% of the features dead, %.1f %% at more than a tenth "
        "of the positions\n",
        (unsigned long long)i->tokens, i->l0, 100 * i->dead, 100 * i->dense);
    if (isfinite(i->explained_variance))
        printf(
            "explained variance %.3f; loss %.3f, with the coder %.3f, with zeros %.3f: %.1f %% "
            "recovered\n",
            i->explained_variance, i->loss, i->spliced_loss, i->ablated_loss,
            100 * i->loss_recovered);
    say("%s\n", i->verdict);
}

static int inspect(const arguments *rest, const rv_features_params *params,
                   const model_options *how, bool json)
{
    rv_model_params open = model_params(how);
    rv_model *model = NULL;
    rv_features_info info;
    rv_error err;
    if (rest->count > 1 && rv_model_open(&model, rest->items[1], &open, &err) != RV_OK)
        return fail(&err);
    rv_status status = rv_features_inspect(&info, model, rest->items[0], params, &err);
    end_progress();
    rv_model_close(model);
    if (status != RV_OK) return fail(&err);
    int code = EXIT_OK;
    if (json) {
        char *object;
        status = rv_features_info_json(&object, &info, &err);
        code = print_object(status, object, &err);
    } else {
        print_coder(&info);
        if (info.verdict) print_measured(&info);
    }
    rv_features_info_release(&info);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    rv_features_params p = rv_features_params_default();
    model_options how = MODEL_OPTIONS_DEFAULT;
    string_list corpus = {0};
    int64_t tokens = (int64_t)p.corpus_tokens;
    bool json = false;
    const option options[] = {
        {"Measuring", .kind = OPTION_GROUP},
        {"corpus", 'c', OPTION_INPUTS, &corpus, "FILE", "text to read; may be repeated"},
        {"corpus-tokens", 0, OPTION_INTEGER, &tokens, "N",
         "read at most so many of its tokens"},
        {"site", 0, OPTION_STRING, &p.site, "SITE", "where the coder does not say it"},
        {"bos", 0, OPTION_CHOICE, &how.bos, NULL,
         "begin windows with BOS or the document separator (default)"},
        MODEL_ROWS(how),
        {"Result", .kind = OPTION_GROUP},
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object (docs/formats.md, \"features\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (corpus.count && rest.count < 2)
        return fail_usage("--corpus needs a MODEL behind DIR to read it");
    p.corpus = corpus.items, p.corpus_count = corpus.count;
    p.corpus_tokens = (uint64_t)tokens;
    p.progress = show_progress;
    return inspect(&rest, &p, &how, json);
}

const command command_features = {
    .name = "features",
    .arguments = "DIR [MODEL --corpus FILE] [options]",
    .summary = "Say what a sparse autoencoder or transcoder is, and whether it fits a model",
    .help =
        "DIR is a folder, or the file of the weights: SAELens, Gemma Scope, circuit-tracer, "
        "sparsify, Llama Scope, OpenMOSS, dictionary_learning.\n"
        "With a model and a corpus: how many features are active, how many never, how much of "
        "the "
        "variance and of the\n"
        "model's loss the coder gives back, and whether that is what a coder gives at its own "
        "site.\n"
        "\n"
        "  reverie features sae/layer_9\n"
        "  reverie features sae/layer_9 smollm2-135m --corpus texts.txt\n"
        "  reverie examples smollm2-135m feature:sae/layer_9#1234 --corpus texts.txt",
    .least = 1,
    .most = 2,
    .run = run,
};
