#include <jansson.h>
#include <math.h>
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

/* Calls visit with every record of a type. */
static void each_record(const char *records, size_t length, const char *wanted,
                        void (*visit)(void *context, const json_t *record), void *context)
{
    for (const char *line = records, *end = records + length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = newline ? (size_t)(newline - line) : (size_t)(end - line);
        json_t *record = json_loadb(line, bytes, JSON_ALLOW_NUL, NULL);
        const char *type = json_string_value(json_object_get(record, "type"));
        if (type && strcmp(type, wanted) == 0) visit(context, record);
        json_decref(record);
        line += bytes + 1;
    }
}

/* What the table shows: where it begins, and whether there are sentences. */
typedef struct view {
    double sign, mean, deviation, least; /* g of a row, at least */
    size_t sentences, sense;
} view;

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void see_scale(void *context, const json_t *run)
{
    view *v = context;
    const json_t *scale = json_object_get(run, "normalisation");
    v->sign = number(scale, "sign"), v->mean = number(scale, "mean"),
    v->deviation = number(scale, "deviation");
}

/* The corpus's 99th percentile, on the side that the dream is of. */
static void see_quantiles(void *context, const json_t *record)
{
    view *v = context;
    const json_t *levels = json_object_get(record, "probabilities");
    for (size_t i = 0; i < json_array_size(levels); i++) {
        double level = json_number_value(json_array_get(levels, i)),
               f = json_number_value(json_array_get(json_object_get(record, "values"), i));
        if (fabs(level - (v->sign > 0 ? 0.99 : 0.01)) < 1e-9)
            v->least = v->sign * (f - v->mean) / v->deviation;
    }
}

static void count_sentence(void *context, const json_t *dream)
{
    ((view *)context)->sentences += json_object_get(dream, "sentence") != NULL;
}

/* The text of a sentence, its trigger in brackets. */
static void print_marked(const json_t *dream)
{
    const json_t *tokens = json_object_get(dream, "tokens"),
                 *sentence = json_object_get(dream, "sentence"),
                 *first = json_object_get(sentence, "trigger"),
                 *last = json_object_get(sentence, "peak");
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const char *text =
            json_string_value(json_object_get(json_array_get(tokens, i), "text"));
        bool opens = last && i == (size_t)json_integer_value(first),
             space = text && *text == ' ';
        if (opens) say("%s[", space ? " " : "");
        say("%s", text ? text + (opens && space) : "");
        if (last && i == (size_t)json_integer_value(last)) say("]");
    }
}

/* "she was [rather|very|so] disappointed": the words that may stand in a slot. */
static void print_slots(const json_t *dream)
{
    const json_t *tokens = json_object_get(dream, "tokens"),
                 *slots = json_object_get(json_object_get(dream, "sentence"), "slots");
    if (!json_array_size(slots)) return;
    say("  fires likewise: ");
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const char *text =
            json_string_value(json_object_get(json_array_get(tokens, i), "text"));
        bool space = text && *text == ' ', open = false;
        for (size_t k = 0; k < json_array_size(slots); k++) {
            const json_t *slot = json_array_get(slots, k);
            const char *word = json_string_value(json_object_get(slot, "text"));
            if ((size_t)json_integer_value(json_object_get(slot, "at")) != i || !word) continue;
            if (!open) say("%s[%s", space ? " " : "", text + space);
            open = true;
            say("|%s", word + (*word == ' '));
        }
        say("%s", open ? "]" : text ? text : "");
    }
    say("\n");
}

static void print_pair(const json_t *dream)
{
    const json_t *pair = json_object_get(json_object_get(dream, "sentence"), "pair"),
                 *tokens = json_object_get(dream, "tokens");
    const char *word = json_string_value(json_object_get(pair, "text"));
    if (!word) return;
    const char *old = json_string_value(json_object_get(
        json_array_get(tokens, (size_t)json_integer_value(json_object_get(pair, "at"))),
        "text"));
    double nats = number(pair, "nats");
    say("  silent with \"%s\" for \"%s\": g %.1f, %.1f nats %s\n", word + (*word == ' '),
        old ? old + (*old == ' ') : "", number(pair, "activation"), fabs(nats),
        nats < 0 ? "cheaper" : "dearer");
}

static void print_headline(void *context, const json_t *dream)
{
    (void)context;
    const json_t *sentence = json_object_get(dream, "sentence");
    if (json_integer_value(json_object_get(sentence, "sense")) != 1) return;
    double g = number(dream, "activation"), corpus = number(sentence, "corpus_activation"),
           after = number(sentence, "activation_after");
    print_marked(dream);
    say("\n  fires %.1f deviations above its mean", g);
    if (corpus > 0)
        say(", %.1f times as hard as the corpus's strongest sentence (%.1f)", g / corpus,
            corpus);
    if (isfinite(after)) say("; behind another sentence %.1f", after);
    say("\n  more fluent than %.0f %% of the corpus's sentences of its length (%.2f nats a "
        "token)\n",
        100 * number(sentence, "fluency"), number(dream, "cross_entropy"));
    print_pair(dream);
    print_slots(dream);
}

static void print_sense(void *context, const json_t *dream)
{
    const view *v = context;
    const json_t *sentence = json_object_get(dream, "sentence");
    if (!sentence || (size_t)json_integer_value(json_object_get(sentence, "sense")) != v->sense)
        return;
    say("%8.2f  %6.2f  ", number(dream, "activation"), number(dream, "cross_entropy"));
    print_marked(dream);
    say("\n");
}

static void print_row(void *context, const json_t *dream)
{
    const view *v = context;
    if (v->sentences && number(dream, "activation") < v->least) return;
    char *quoted = json_dumps(json_object_get(dream, "text"), JSON_ENCODE_ANY);
    say("%8.2f  %6.2f  %s%s\n", number(dream, "activation"), number(dream, "cross_entropy"),
        quoted ? quoted : "",
        json_is_true(json_object_get(dream, "headline")) && !v->sentences ? "  <- headline"
                                                                          : "");
    free(quoted);
}

static void print_note(void *context, const json_t *note)
{
    (void)context;
    const char *text = json_string_value(json_object_get(note, "text"));
    if (text) say("%s\n\n", text);
}

/* The headline and what it means; the other senses; everything that nothing else outdoes. */
static void print_story(const char *records, size_t length)
{
    view v = {.sign = 1, .deviation = 1, .least = -INFINITY};
    each_record(records, length, "run", see_scale, &v);
    each_record(records, length, "quantiles", see_quantiles, &v);
    each_record(records, length, "dream", count_sentence, &v);
    each_record(records, length, "dream", print_headline, NULL);
    each_record(records, length, "note", print_note, NULL);
    for (v.sense = 2; v.sense <= v.sentences; v.sense++) {
        if (v.sense == 2) say("\nother senses\n%8s  %6s  sentence\n", "g", "nats");
        each_record(records, length, "dream", print_sense, &v);
    }
    if (v.sentences) say("\nfrom the most fluent to the strongest\n");
    say("%8s  %6s  %s\n", "g", "nats", "text");
    each_record(records, length, "dream", print_row, &v);
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
        print_story(dreams.records, dreams.length);
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
