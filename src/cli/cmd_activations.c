#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"

static void print_extreme(const char *what, const rv_tokens *tokens, size_t index)
{
    const rv_token *t = &tokens->items[index];
    char *shown = visible_token(t);
    printf("%-8s %10.4g  token %zu, id %d: %s\n", what, t->value, index, t->id,
           shown ? shown : "?");
    free(shown);
}

static void print_activations(const rv_activations *a, const char *model)
{
    const rv_token *items = a->tokens.items;
    size_t high = 0, low = 0, known = 0;
    double sum = 0, scale = 0;
    for (size_t i = 0; i < a->tokens.count; i++) {
        if (!isfinite(items[i].value)) continue;
        if (!known++) high = low = i;
        if (items[i].value > items[high].value) high = i;
        if (items[i].value < items[low].value) low = i;
        sum += items[i].value;
        scale = fmax(scale, fabs(items[i].value));
    }
    say("%s%s of %s, %zu tokens, ", a->sign < 0 ? "-" : "", a->target, model, a->tokens.count);
    put_bos(&a->tokens.bos);
    printf("\n\n");
    put_heat(&a->tokens, a->sign, scale);
    putchar('\n');
    if (known == 0) {
        puts("no token has a value");
        return;
    }
    print_extreme("highest", &a->tokens, high);
    print_extreme("lowest", &a->tokens, low);
    printf("%-8s %10.4g  over %zu tokens\n", "mean", sum / (double)known, known);
}

static int look(const char *name, const char *target, const char *text, size_t length,
                const model_options *options, bool json)
{
    rv_model_params params = model_params(options);
    rv_model *model;
    rv_activations result;
    rv_error err;
    char *object;
    if (rv_model_open(&model, name, &params, &err) != RV_OK) return fail(&err);
    rv_status status = rv_model_activations(&result, model, target, text, length, &err);
    rv_model_close(model);
    if (status != RV_OK) return fail(&err);
    end_progress();
    int code = EXIT_OK;
    if (json) {
        status = rv_activations_json(&object, &result, &err);
        code = print_object(status, object, &err);
    } else {
        print_activations(&result, name);
    }
    rv_activations_release(&result);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    const char *text = NULL, *file = NULL;
    model_options model = MODEL_OPTIONS_DEFAULT;
    bool json = false;
    const option options[] = {TEXT_ROWS(text, file),
                              TOKEN_ROWS(model),
                              MODEL_ROWS(model),
                              {"Result", .kind = OPTION_GROUP},
                              {"json", 0, OPTION_FLAG, &json, NULL,
                               "print one JSON object (docs/formats.md, \"activations\")"},
                              {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    size_t length;
    char *input;
    code = read_text(&input, &length, text, file);
    if (code >= 0) return code;
    code = look(rest.items[0], rest.items[1], input, length, &model, json);
    free(input);
    return code;
}

const command command_activations = {
    .name = "activations",
    .arguments = "MODEL TARGET [options]",
    .summary = "Show a neuron, or any number inside a model, along a text",
    .help = "TARGET is a neuron (L5.N131, 5/131, blocks.5.mlp.hook_post:131), any number at a "
            "site\n"
            "(blocks.3.hook_resid_pre:17; reverie info lists the sites), logit:\" Paris\",\n"
            "direction:FILE@SITE or attention:L5.H3[-1,0]. A leading - asks for the negative "
            "direction:\n"
            "then the most negative token is the warmest; values are shown without that sign.\n"
            "\n"
            "  reverie activations smollm2-135m L12.N345 --text \"The cat sat on the mat.\"\n"
            "  reverie activations gemma3-270m 'logit:\" Paris\"' --text \"The capital of "
            "France is\"\n"
            "  reverie activations smollm2-135m L12.N345 --file story.txt --json",
    .least = 2,
    .most = 2,
    .run = run,
};
