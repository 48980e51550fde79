#include <stdio.h>
#include <stdlib.h>

#include "commands.h"

/* Prints a token as it comes; stops where nobody listens any more. */
static bool stream(void *context, const char *bytes, size_t length)
{
    (void)context;
    end_progress();
    put_text(bytes, length);
    return fflush(stdout) == 0 && !was_interrupted();
}

/* Instead of the text, where it is printed at the end. */
static bool count(void *context, const char *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    double *done = context;
    rv_progress event = {"generating", "tokens", NULL, ++*done, 0};
    return show_progress(NULL, &event);
}

static int generate(const char *name, const char *prompt, size_t length,
                    const model_options *options, rv_generate_params *params, bool json)
{
    rv_model_params open = model_params(options);
    rv_model *model;
    rv_generation result;
    rv_error err;
    char *object;
    double done = 0;
    params->token = json ? count : stream;
    params->token_context = &done;
    if (rv_model_open(&model, name, &open, &err) != RV_OK) return fail(&err);
    rv_status status = rv_model_generate(&result, model, prompt, length, params, &err);
    rv_model_close(model);
    if (status != RV_OK) return fail(&err);
    end_progress();
    int code = EXIT_OK;
    if (json) {
        status = rv_generation_json(&object, &result, &err);
        code = print_object(status, object, &err);
    } else if (!result.length || result.text[result.length - 1] != '\n')
        putchar('\n');
    if (was_interrupted()) {
        fprintf(stderr, "reverie: stopped after %zu tokens\n", result.tokens.count);
        code = EXIT_FAILED;
    }
    rv_generation_release(&result);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    const char *text = NULL, *file = NULL;
    model_options model = MODEL_OPTIONS_DEFAULT;
    rv_generate_params params = rv_generate_params_default();
    int64_t most = (int64_t)params.max_tokens, top_k = (int64_t)params.top_k,
            seed = (int64_t)params.seed;
    int chat = -1;
    bool json = false;
    const option options[] = {
        TEXT_ROWS(text, file),
        {"max-tokens", 'n', OPTION_INTEGER, &most, "N",
         "stop after so many tokens (default 200)"},
        {"temperature", 't', OPTION_NUMBER, &params.temperature, "T",
         "0: always the likeliest token; 1: as the model says (default 0.8)"},
        {"top-k", 0, OPTION_INTEGER, &top_k, "K",
         "draw among the K likeliest (default 0: all)"},
        {"top-p", 0, OPTION_NUMBER, &params.top_p, "P",
         "draw among the fewest that are together this likely (default 0.95)"},
        {"seed", 's', OPTION_INTEGER, &seed, "N", "same seed, same text (default 1)"},
        {"chat", 0, OPTION_CHOICE, &chat, NULL,
         "the text is a message (default where the model has a chat template)"},
        {"system", 0, OPTION_STRING, &params.system, "T", "system message of the chat"},
        TOKEN_ROWS(model),
        MODEL_ROWS(model),
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object at the end (docs/formats.md, \"generate\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    params.max_tokens = (uint64_t)most;
    params.top_k = (uint64_t)top_k;
    params.seed = (uint64_t)seed;
    params.chat = chat < 0 ? RV_CHAT_AUTO : chat ? RV_CHAT_USE : RV_CHAT_OMIT;
    size_t length;
    char *input;
    code = read_text(&input, &length, text, file);
    if (code >= 0) return code;
    code = generate(rest.items[0], input, length, &model, &params, json);
    free(input);
    return code;
}

const command command_generate = {
    .name = "generate",
    .arguments = "MODEL [options]",
    .summary = "Let a model go on with a text, or answer a message",
    .help =
        "Prints what the model adds, as it comes. A model with a chat template is asked the "
        "text as a\n"
        "user's message; --no-chat goes on with the text itself. Ctrl-C stops.\n"
        "\n"
        "  reverie generate smollm2-135m --text \"What is the capital of France?\" "
        "--temperature 0\n"
        "  reverie generate gemma3-270m --text \"Once upon a time\" --seed 7 --max-tokens 100\n"
        "  reverie generate stories260K.bin --text \"\"",
    .least = 1,
    .most = 1,
    .run = run,
};
