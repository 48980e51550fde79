#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

typedef struct streaming {
    double done;  /* tokens */
    char tail[8]; /* the beginning of a character whose end is in the next token */
    size_t held;
} streaming;

/* How many bytes at the end may be the beginning of a character. */
static size_t unfinished(const char *bytes, size_t length)
{
    for (size_t n = 1; n <= 3 && n <= length; n++) {
        unsigned char c = (unsigned char)bytes[length - n];
        size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        if (whole > 1) return whole > n ? n : 0;
        if (c < 0x80) return 0;
    }
    return 0;
}

/* Prints a token as it comes; stops where nobody listens any more. */
static bool stream(void *context, const char *bytes, size_t length)
{
    streaming *s = context;
    char *text = malloc(s->held + length + 1);
    if (!text) die_of_memory();
    memcpy(text, s->tail, s->held);
    memcpy(text + s->held, bytes, length);
    length += s->held;
    s->held = unfinished(text, length);
    memcpy(s->tail, text + length - s->held, s->held);
    end_progress();
    put_text(text, length - s->held, false);
    free(text);
    return fflush(stdout) == 0 && !was_interrupted();
}

/* Instead of the text, where it is printed at the end. */
static bool count(void *context, const char *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    streaming *s = context;
    rv_progress event = {"generating", "tokens", NULL, ++s->done, 0};
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
    streaming streamed = {0};
    params->token = json ? count : stream;
    params->token_context = &streamed;
    if (rv_model_open(&model, name, &open, &err) != RV_OK) return fail(&err);
    rv_status status = rv_model_generate(&result, model, prompt, length, params, &err);
    rv_model_close(model);
    if (status != RV_OK) return fail(&err);
    end_progress();
    int code = EXIT_OK;
    if (json) {
        status = rv_generation_json(&object, &result, &err);
        code = print_object(status, object, &err);
    } else {
        put_text(streamed.tail, streamed.held, false);
        if (!result.length || result.text[result.length - 1] != '\n') putchar('\n');
    }
    if (was_interrupted()) code = fail_work("stopped after %zu tokens", result.tokens.count);
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
        {"Sampling", .kind = OPTION_GROUP},
        {"max-tokens", 'n', OPTION_INTEGER, &most, "N", "stop after so many tokens",
         .most = 1e9},
        {"temperature", 0, OPTION_NUMBER, &params.temperature, "T",
         "0: always the likeliest token; 1: as the model says", .most = 1e6},
        {"top-k", 0, OPTION_INTEGER, &top_k, "K",
         "draw among the K likeliest (default: 0, all)"},
        {"top-p", 0, OPTION_NUMBER, &params.top_p, "P",
         "draw among the fewest that are together this likely", .most = 1},
        {"seed", 's', OPTION_INTEGER, &seed, "N", "same seed, same text"},
        {"chat", 0, OPTION_CHOICE, &chat, NULL,
         "the text is a message (default where the model has a chat template)"},
        {"system", 0, OPTION_STRING, &params.system, "T", "system message of the chat"},
        TOKEN_ROWS(model),
        MODEL_ROWS(model),
        {"Result", .kind = OPTION_GROUP},
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
