#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"

enum { FULL_HEAT = 10 }; /* nats */

static void print_score(const rv_score *score, bool show)
{
    if (show) put_heat(&score->tokens, 1, FULL_HEAT);
    printf("cross-entropy  %.4f nats a token\n", score->cross_entropy);
    printf("perplexity     %.4g\n", score->perplexity);
    printf("bits per byte  %.4f\n", score->bits_per_byte);
    printf("scored         %zu of %zu tokens, ", score->scored, score->tokens.count);
    put_bos(&score->tokens.bos);
    putchar('\n');
}

static int score(const char *name, const char *text, size_t length,
                 const model_options *options, bool json, bool show)
{
    rv_model_params params = model_params(options);
    rv_model *model;
    rv_score result;
    rv_error err;
    char *object;
    if (rv_model_open(&model, name, &params, &err) != RV_OK) return fail(&err);
    rv_status status = rv_model_score(&result, model, text, length, &err);
    rv_model_close(model);
    if (status != RV_OK) return fail(&err);
    end_progress();
    int code = EXIT_OK;
    if (json) {
        status = rv_score_json(&object, &result, &err);
        code = print_object(status, object, &err);
    } else {
        print_score(&result, show);
    }
    rv_score_release(&result);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    const char *text = NULL, *file = NULL;
    model_options model = MODEL_OPTIONS_DEFAULT;
    bool json = false, show = false;
    const option options[] = {TEXT_ROWS(text, file),
                              {"show", 0, OPTION_FLAG, &show, NULL,
                               "show the text too: the less likely a token, the warmer"},
                              TOKEN_ROWS(model),
                              MODEL_ROWS(model),
                              {"Result", .kind = OPTION_GROUP},
                              {"json", 0, OPTION_FLAG, &json, NULL,
                               "print one JSON object (docs/formats.md, \"score\")"},
                              {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    size_t length;
    char *input;
    code = read_text(&input, &length, text, file);
    if (code >= 0) return code;
    code = score(rest.items[0], input, length, &model, json, show);
    free(input);
    return code;
}

const command command_score = {
    .name = "score",
    .arguments = "MODEL [options]",
    .summary = "Say how likely a model finds a text",
    .help = "Prints the mean negative log-likelihood of the text's tokens (cross-entropy, in "
            "nats), its\n"
            "exponential (perplexity), and the same in bits per byte, which can be compared "
            "between\n"
            "models with different tokens. The first token is scored where BOS precedes it. "
            "Texts longer\n"
            "than the context are read in windows.\n"
            "\n"
            "  reverie score smollm2-135m --text \"The cat sat on the mat.\"\n"
            "  reverie score smollm2-135m --bos --file story.txt --show\n"
            "  cat story.txt | reverie score gemma3-270m --json",
    .least = 1,
    .most = 1,
    .run = run,
};
