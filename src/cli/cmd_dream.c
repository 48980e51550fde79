#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "dream_options.h"

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
            say("%8.2f  %6.2f  %s%s\n",
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

static int dream(const char *name, const char *target, dream_options *o, bool json)
{
    rv_model *model, *fluency;
    rv_error err;
    rv_dreams dreams;
    int code = dream_models_open(&model, &fluency, name, o);
    if (code >= 0) return code;
    rv_status status = rv_dream(&dreams, model, target, &o->dream, &err);
    end_progress();
    code = EXIT_OK;
    if (dreams.records && json) {
        char *object;
        rv_error unprinted;
        rv_status printed = rv_dreams_json(&object, &dreams, &unprinted);
        code = print_object(printed, object, &unprinted);
    } else if (dreams.records) {
        print_front(dreams.records, dreams.length);
    }
    rv_dreams_release(&dreams);
    rv_model_close(fluency);
    rv_model_close(model);
    return status == RV_OK ? code : fail(&err);
}

static int run(const command *self, int argc, char **argv)
{
    dream_options o = dream_options_default();
    rv_dream_params *p = &o.dream;
    int64_t seed = (int64_t)p->seed;
    bool json = false;
    char methods[200] = "how to search: ";
    for (size_t i = 0; rv_dream_method(i, NULL); i++) {
        size_t used = strlen(methods);
        snprintf(methods + used, sizeof methods - used, "%s%s", i ? ", " : "",
                 rv_dream_method(i, NULL));
    }
    const option options[] = {
        {"method", 'm', OPTION_STRING, &p->method, "M", methods},
        {"seed", 's', OPTION_INTEGER, &seed, "N", "seed: the same seed gives the same record"},
        {"as-published", 0, OPTION_FLAG, &p->as_published, NULL,
         "epo: as the published code does it, defects included"},
        DREAM_ROWS(o),
        {"Result", .kind = OPTION_GROUP},
        {"output", 'o', OPTION_OUTPUT, &p->output, "RUN", "file of the records (JSON lines)",
         .written = RV_OUTPUT_RUN},
        {"resume", 0, OPTION_FLAG, &p->resume, NULL, "go on with an interrupted RUN"},
        {"attribution", 0, OPTION_FLAG, &p->attribution, NULL,
         "of the headline dream, by replacing tokens"},
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object (docs/formats.md, \"dream\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    char *line = command_line(argc, argv);
    code = dream_options_settle(&o, line);
    p->seed = (uint64_t)seed;
    if (code < 0) code = dream(rest.items[0], rest.items[1], &o, json);
    dream_options_release(&o);
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
