#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* Whole numbers with anything but letters and signs between them; NULL after an explanation. */
static int32_t *read_ids(const char *text, size_t *count)
{
    int32_t *ids = malloc((strlen(text) / 2 + 1) * sizeof *ids);
    if (!ids) die_of_memory();
    *count = 0;
    while (*text) {
        if (strchr(" \t\r\n,;[]", *text)) {
            text++;
            continue;
        }
        char *end;
        long long id = strtoll(text, &end, 10);
        if (!isdigit((unsigned char)*text) || id > INT32_MAX ||
            (*end && !strchr(" \t\r\n,;[]", *end))) {
            fail_usage("--decode: expected ids such as 504, 33059, found '%.20s'", text);
            free(ids);
            return NULL;
        }
        ids[(*count)++] = (int32_t)id;
        text = end;
    }
    return ids;
}

static int decode(const char *name, const char *list, bool json)
{
    size_t count, length;
    int32_t *ids = read_ids(list, &count);
    if (!ids) return EXIT_USAGE;
    char *text, *object;
    rv_error err;
    rv_status status = rv_detokenize(&text, &length, name, ids, count, &err);
    free(ids);
    if (status != RV_OK) return fail(&err);
    int code = EXIT_OK;
    if (json) {
        status = rv_text_json(&object, text, length, &err);
        code = print_object(status, object, &err);
    } else {
        put_text(text, length, true);
    }
    free(text);
    return code;
}

static void print_tokens(const rv_tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        char *shown = visible_token(&tokens->items[i]);
        printf("%7d  %s\n", tokens->items[i].id, shown ? shown : "?");
        free(shown);
    }
}

static int encode(const char *name, const char *text, size_t length,
                  const model_options *options, bool json)
{
    rv_model_params params = model_params(options);
    rv_tokens tokens;
    rv_error err;
    char *object;
    rv_status status = rv_tokenize(&tokens, name, text, length, &params, &err);
    if (status != RV_OK) return fail(&err);
    int code = EXIT_OK;
    if (json) {
        status = rv_tokens_json(&object, &tokens, &err);
        code = print_object(status, object, &err);
    } else {
        print_tokens(&tokens);
    }
    rv_tokens_release(&tokens);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    const char *text = NULL, *file = NULL, *ids = NULL;
    model_options model = MODEL_OPTIONS_DEFAULT;
    bool json = false;
    const option options[] = {TEXT_ROWS(text, file),
                              {"decode", 'd', OPTION_STRING, &ids, "IDS",
                               "the other way: print the text of these ids"},
                              TOKEN_ROWS(model),
                              {"json", 0, OPTION_FLAG, &json, NULL,
                               "print one JSON object (docs/formats.md, \"tokenize\")"},
                              {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (ids && (text || file)) return fail_usage("give --decode or a text, not both");
    if (ids) return decode(rest.items[0], ids, json);
    size_t length;
    char *input;
    code = read_text(&input, &length, text, file);
    if (code >= 0) return code;
    code = encode(rest.items[0], input, length, &model, json);
    free(input);
    return code;
}

const command command_tokenize = {
    .name = "tokenize",
    .arguments = "MODEL [options]",
    .summary = "Show how a model cuts a text into tokens, or put tokens together again",
    .help = "Prints one token a line: its id and its text. Reads the tokenizer only, not the "
            "weights.\n"
            "\n"
            "  reverie tokenize smollm2-135m --text \"Once upon a time\"\n"
            "  reverie tokenize smollm2-135m --file story.txt --json | jq .ids\n"
            "  reverie tokenize smollm2-135m --decode \"6403 1980 253 655\"",
    .least = 1,
    .most = 1,
    .run = run,
};
