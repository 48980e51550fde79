#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "reverie/dream.h"

static const char help[] =
    "Searches for short texts on which TARGET fires hard and which the model itself finds "
    "plausible, and prints\n"
    "the frontier between the two: g, the activation in deviations of the target on a corpus, "
    "against nats per token.\n"
    "\n"
    "  reverie dream smollm2-135m L12.N345 --corpus texts.txt -o run.jsonl\n"
    "  reverie report run.jsonl -o page.html\n"
    "\n"
    "TARGET: L5.N131 (also 5.131, blocks.5.mlp.hook_post:131), SITE:INDEX, logit:\" Paris\", "
    "direction:FILE@SITE,\n"
    "attention:L5.H3[-1,0]; a leading - for the negative direction. Without --corpus the model "
    "writes one itself.\n"
    "Ctrl-C keeps what was found; the same command with --resume goes on.";

/* The records as one object: provenance, and the frontier as a list. */
static void print_json(const char *records, size_t length)
{
    json_t *root = json_object(), *dreams = json_array();
    for (const char *line = records, *end = records + length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = newline ? (size_t)(newline - line) : (size_t)(end - line);
        json_t *record = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);
        const char *type = json_string_value(json_object_get(record, "type"));
        if (type && strcmp(type, "dream") == 0)
            json_array_append(dreams, record);
        else if (type && (strcmp(type, "run") == 0 || strcmp(type, "end") == 0 ||
                          strcmp(type, "quantiles") == 0 || strcmp(type, "attribution") == 0))
            json_object_set(root, type, record);
        json_decref(record);
        line += bytes + 1;
    }
    json_object_set_new(root, "dreams", dreams);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static void print_front(const char *records, size_t length)
{
    printf("%8s  %6s  %s\n", "g", "nats", "text");
    for (const char *line = records, *end = records + length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = newline ? (size_t)(newline - line) : (size_t)(end - line);
        json_t *record = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);
        const char *type = json_string_value(json_object_get(record, "type"));
        if (type && strcmp(type, "dream") == 0) {
            json_t *text = json_object_get(record, "text");
            char *quoted = json_dumps(text, JSON_ENCODE_ANY);
            printf("%8.2f  %6.2f  %s%s\n",
                   json_number_value(json_object_get(record, "activation")),
                   json_number_value(json_object_get(record, "cross_entropy")),
                   quoted ? quoted : "",
                   json_is_true(json_object_get(record, "headline")) ? "  <- headline" : "");
            free(quoted);
        }
        json_decref(record);
        line += bytes + 1;
    }
}

static int dream(const char *name, const char *target, rv_model_params *open,
                 rv_dream_params *params, const char *fluency, bool json)
{
    rv_model *model, *second = NULL;
    rv_error err;
    char *records = NULL;
    size_t length = 0;
    if (rv_model_open(&model, name, open, &err) != RV_OK) return fail(&err);
    if (fluency && rv_model_open(&second, fluency, open, &err) != RV_OK) {
        rv_model_close(model);
        return fail(&err);
    }
    params->fluency = second;
    rv_status status = rv_dream(model, target, params, &records, &length, &err);
    end_progress();
    if (records && json)
        print_json(records, length);
    else if (records)
        print_front(records, length);
    free(records);
    rv_model_close(second);
    rv_model_close(model);
    return status == RV_OK ? EXIT_OK : fail(&err);
}

static char *join(int argc, char **argv)
{
    size_t room = 16;
    for (int i = 0; i < argc; i++) room += strlen(argv[i]) + 3;
    char *line = malloc(room);
    if (!line) return NULL;
    size_t used = (size_t)snprintf(line, room, "reverie");
    for (int i = 0; i < argc; i++) {
        const char *quote = strpbrk(argv[i], " \"'$&;|<>()*?") ? "'" : "";
        used += (size_t)snprintf(line + used, room - used, " %s%s%s", quote, argv[i], quote);
    }
    return line;
}

static int run(const command *self, int argc, char **argv)
{
    rv_model_params open = rv_model_params_default();
    rv_dream_params p = rv_dream_params_default();
    string_list corpus = {0}, prompts = {0}, forbidden = {0};
    int64_t seed = (int64_t)p.seed, budget = (int64_t)p.budget, length = (int64_t)p.most,
            least = 0, threads = 0, tokens = 0;
    int bos = -1;
    bool json = false;
    const char *fluency = NULL;
    char methods[200] = "";
    for (size_t i = 0; rv_dream_method(i, NULL); i++) {
        size_t used = strlen(methods);
        snprintf(methods + used, sizeof methods - used, "%s%s",
                 used ? ", " : "how to search: ", rv_dream_method(i, NULL));
    }
    const option options[] = {
        {"method", 'm', OPTION_STRING, &p.method, "M", methods},
        {"seed", 's', OPTION_INTEGER, &seed, "N",
         "seed: the same seed gives the same record (default 1)"},
        {"budget", 'b', OPTION_INTEGER, &budget, "TOKENS",
         "forward tokens to spend, k and M allowed (default 60k)"},
        {"corpus", 'c', OPTION_LIST, &corpus, "FILE",
         "text to compare with and to start from; may be repeated"},
        {"corpus-tokens", 0, OPTION_INTEGER, &tokens, "N",
         "read at most so many of its tokens (default all)"},
        {"output", 'o', OPTION_STRING, &p.output, "RUN", "file of the records (JSON lines)"},
        {"resume", 0, OPTION_FLAG, &p.resume, NULL, "go on with an interrupted RUN"},
        {"length", 'n', OPTION_INTEGER, &length, "N",
         "tokens of a dream, at most (default 12)"},
        {"least", 0, OPTION_INTEGER, &least, "N",
         "tokens of a dream, at least (default: as --length)"},
        {"position", 0, OPTION_STRING, &p.position, "P",
         "read the target at the last token, at max, or at a number"},
        {"prompt", 'p', OPTION_LIST, &prompts, "TEXT", "start from this text; may be repeated"},
        {"prefix", 0, OPTION_STRING, &p.prefix, "TEXT", "fixed text before the dream"},
        {"suffix", 0, OPTION_STRING, &p.suffix, "TEXT", "fixed text behind the dream"},
        {"chat", 0, OPTION_FLAG, &p.chat, NULL,
         "the dream is a user's message in the model's chat template"},
        {"forbid", 0, OPTION_LIST, &forbidden, "TEXT",
         "never use tokens that contain TEXT; may be repeated"},
        {"repetition", 0, OPTION_NUMBER, &p.repetition, "NATS",
         "penalty for repeated tokens (default 0)"},
        {"fluency", 0, OPTION_STRING, &fluency, "MODEL",
         "a second model whose opinion on fluency counts as much"},
        {"as-published", 0, OPTION_FLAG, &p.as_published, NULL,
         "epo: as the published code does it, defects included"},
        {"exact", 0, OPTION_FLAG, &p.exact, NULL, "evaluate every candidate in full"},
        {"attribution", 0, OPTION_FLAG, &p.attribution, NULL,
         "of the headline dream, by replacing tokens (default on)"},
        {"bos", 0, OPTION_CHOICE, &bos, NULL,
         "begin with BOS or the document separator (default); --no-bos: do not"},
        {"threads", 't', OPTION_INTEGER, &threads, "N", "default: all processors"},
        {"kernels", 0, OPTION_STRING, &open.kernels, "NAME",
         "avx512, avx2, portable or reference (default: the fastest)"},
        {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    open.threads = (int)threads;
    open.bos = bos < 0 ? RV_BOS_AUTO : bos ? RV_BOS_ADD : RV_BOS_OMIT;
    open.progress = p.progress = show_progress;
    p.seed = (uint64_t)seed;
    p.budget = (uint64_t)budget;
    p.most = (uint64_t)length;
    p.least = least ? (uint64_t)least : p.most;
    p.corpus = corpus.items, p.corpus_count = corpus.count, p.corpus_tokens = (uint64_t)tokens;
    p.prompts = prompts.items, p.prompt_count = prompts.count;
    p.forbidden = forbidden.items, p.forbidden_count = forbidden.count;
    char *line = join(argc, argv);
    p.command = line;
    code = dream(rest.items[0], rest.items[1], &open, &p, fluency, json);
    free(line);
    return code;
}

const command command_dream = {
    .name = "dream",
    .arguments = "MODEL TARGET [options]",
    .summary = "Find texts that make a neuron fire",
    .help = help,
    .least = 2,
    .most = 2,
    .run = run,
};
