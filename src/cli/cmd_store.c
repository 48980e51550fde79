/* What is kept between runs: listed, sized, pruned. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"

static const char help[] = "Answers about a model and a corpus, the fluency of texts, digests "
                           "of files and the answers of language models are "
                           "kept\n"
                           "in one file of the cache folder, so that they are computed, or "
                           "paid for, once. `reverie store` lists them: a line "
                           "for\n"
                           "every kind, model and source (a corpus, an endpoint). `reverie "
                           "store prune` removes those for which all that is "
                           "said\n"
                           "holds, and gives the room back. What is removed is made again when "
                           "it is asked for; only answers of kind \"chat\" "
                           "cost\n"
                           "money again.\n"
                           "\n"
                           "  reverie store\n"
                           "  reverie store prune --older-than 90d\n"
                           "  reverie store prune --model smollm2-135m --kind corpus\n"
                           "  reverie store prune --all";

/* "1.2 MB" */
static const char *size_text(char out[32], uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    size_t u = 0;
    for (; size >= 999.5 && u < 4; u++) size /= 1000;
    snprintf(out, 32, u ? "%.3g %s" : "%.0f %s", size, units[u]);
    return out;
}

static const char *age_text(char out[32], int64_t made)
{
    double age = difftime(time(NULL), (time_t)made);
    const char *unit = age < 3600 ? "min" : age < 86400 ? "h" : "d";
    snprintf(out, 32, "%.0f %s", age / (age < 3600 ? 60 : age < 86400 ? 3600 : 86400), unit);
    return out;
}

/* 90d, 12h, 30min, 3600s; a bare number is days. False: it is none of these. */
static bool read_age(double *seconds, const char *text)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 86400}, {"d", 86400}, {"w", 604800}, {"h", 3600}, {"min", 60}, {"s", 1}};
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || errno || !(number > 0 && number < 1e6)) return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *seconds = number * units[i].seconds;
            return true;
        }
    return false;
}

static void print_text(const rv_store_listing *l, bool pruned)
{
    char size[32], oldest[32], newest[32];
    if (l->entry_count)
        say("%-10s %8s %9s %8s %8s  model and source\n", "kind", "answers", "size", "oldest",
            "newest");
    for (size_t i = 0; i < l->entry_count; i++) {
        const rv_store_entry *e = &l->entries[i];
        say("%-10s %8llu %9s %8s %8s  %s%s%.8s%s%s\n", e->kind, (unsigned long long)e->count,
            size_text(size, e->bytes), age_text(oldest, e->oldest), age_text(newest, e->newest),
            e->model, *e->hash ? " " : "", e->hash, *e->model && *e->source ? ", " : "",
            e->source);
    }
    say("%llu answers%s; %s: %s\n", (unsigned long long)l->count, pruned ? " removed" : "",
        l->path, l->file_bytes ? size_text(size, l->file_bytes) : "not there");
    for (size_t i = 0; i < l->damaged_count; i++)
        say("%s %s: %s\n", pruned ? "removed" : "damaged, and moved aside:", l->damaged[i].path,
            size_text(size, l->damaged[i].bytes));
}

static int run(const command *self, int argc, char **argv)
{
    rv_store_params p = rv_store_params_default();
    const char *age = NULL;
    bool json = false;
    const option options[] = {
        {"kind", 0, OPTION_STRING, &p.kind, "K",
         "only answers of this kind: corpus, fluency, digest, chat, ..."},
        {"model", 0, OPTION_STRING, &p.model, "M",
         "only about this model: its name, or eight digits of its hash"},
        {"older-than", 0, OPTION_STRING, &age, "T",
         "only those made so long ago: 90d, 12h, 30min"},
        {"all", 0, OPTION_FLAG, &p.all, NULL, "prune: everything, and damaged files too"},
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object (docs/formats.md, \"store\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    bool prune = rest.count > 0;
    if (prune && strcmp(rest.items[0], "prune") != 0)
        return fail_usage("store: expected 'prune' or nothing, found '%s'", rest.items[0]);
    if (age && !read_age(&p.older_than, age))
        return fail_usage("--older-than: expected an age as 90d, 12h or 30min, found '%s'",
                          age);
    rv_store_listing listing;
    rv_error err;
    rv_status status =
        prune ? rv_store_prune(&listing, &p, &err) : rv_store_list(&listing, &p, &err);
    if (status != RV_OK) return fail(&err);
    if (json) {
        char *object;
        status = rv_store_listing_json(&object, &listing, &err);
        code = print_object(status, object, &err);
    } else {
        print_text(&listing, prune);
        code = EXIT_OK;
    }
    rv_store_listing_release(&listing);
    return code;
}

const command command_store = {
    .name = "store",
    .arguments = "[prune] [options]",
    .summary = "List, size and prune what is kept between runs",
    .help = help,
    .least = 0,
    .most = 1,
    .run = run,
};
