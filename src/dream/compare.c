#include "dream/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "dream/session.h"

static const char AS_PUBLISHED[] = "epo-as-published";

rv_compare_params rv_compare_params_default(void)
{
    return (rv_compare_params){.size = sizeof(rv_compare_params), .seeds = 3};
}

/* The comparison under way: what the progress of one of its runs is told with. */
typedef struct comparison {
    const rv_compare_params *params;
    const rv_dream_params *dream;
    rv_run_ended *ended;
    void *context;
    size_t run, runs; /* counted from 1 */
    const char *method;
    uint64_t seed;
} comparison;

static bool pass_on(void *context, const rv_progress *event)
{
    const comparison *c = context;
    char what[128];
    snprintf(what, sizeof what, "[%zu/%zu] %s, seed %llu: %s", c->run, c->runs, c->method,
             (unsigned long long)c->seed, event->what);
    rv_progress told = *event;
    told.what = what;
    return c->dream->progress(c->dream->progress_context, &told);
}

/* All methods: the dreamers, and the published search behind epo. */
static rv_status all_methods(const char ***out, size_t *count, rv_error *err)
{
    size_t dreamers = 0;
    while (rv_dream_method(dreamers, NULL)) dreamers++;
    RV_TRY(RV_NEW(*out, dreamers + 1, err));
    *count = 0;
    for (size_t i = 0; i < dreamers; i++) {
        const char *name = rv_dream_method(i, NULL);
        (*out)[(*count)++] = name;
        if (strcmp(name, "epo") == 0) (*out)[(*count)++] = AS_PUBLISHED;
    }
    return RV_OK;
}

static rv_status check_methods(const char *const *methods, size_t count, rv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        bool known = strcmp(methods[i], AS_PUBLISHED) == 0;
        char names[200] = "";
        for (size_t k = 0; rv_dream_method(k, NULL); k++) {
            const char *name = rv_dream_method(k, NULL);
            size_t used = strlen(names);
            known |= strcmp(methods[i], name) == 0;
            snprintf(names + used, sizeof names - used, "%s, ", name);
        }
        if (!known)
            return rv_fail(err, RV_ERR_USAGE, "method: expected one of %s%s; found \"%s\"",
                           names, AS_PUBLISHED, methods[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(methods[i], methods[k]) == 0)
                return rv_fail(err, RV_ERR_USAGE, "methods: expected each once, found %s twice",
                               methods[i]);
    }
    return RV_OK;
}

static rv_status one_run(rv_model *model, const char *target, comparison *c, rv_error *err)
{
    rv_dream_params p = *c->dream;
    rv_dreams dreams;
    char name[96];
    snprintf(name, sizeof name, "%s-%llu-%llu.jsonl", c->method, (unsigned long long)p.budget,
             (unsigned long long)c->seed);
    char *path = rv_path_join(c->params->runs, name);
    if (!path) return rv_fail_memory(err, sizeof name);
    p.as_published = strcmp(c->method, AS_PUBLISHED) == 0;
    p.method = p.as_published ? "epo" : c->method;
    p.seed = c->seed;
    p.output = path;
    p.resume = true;
    if (p.progress) p.progress = pass_on, p.progress_context = c;
    rv_status status = rv_dream_run(&dreams, model, target, &p, err);
    rv_dreams_release(&dreams);
    // What an interrupted run has found is told too.
    if (rv_file_exists(path)) {
        rv_error second;
        rv_status told = c->ended(c->context, path, status == RV_OK ? err : &second);
        if (status == RV_OK) status = told;
    }
    free(path);
    return status;
}

rv_status rv_compare_run(rv_model *model, const char *target, const rv_compare_params *params,
                         const rv_dream_params *dream, rv_run_ended *ended, void *context,
                         rv_error *err)
{
    if (!params->runs) return rv_fail(err, RV_ERR_USAGE, "runs: expected a folder, found none");
    if (params->seeds == 0)
        return rv_fail(err, RV_ERR_USAGE, "seeds: expected at least 1, found 0");
    const char *const *methods = params->methods;
    const char **all = NULL;
    size_t count = params->method_count;
    rv_status status = RV_OK;
    if (!methods) RV_GOTO(all_methods(&all, &count, err));
    if (!methods) methods = all;
    RV_GOTO(check_methods(methods, count, err));
    RV_GOTO(rv_make_folders(params->runs, err));
    comparison c = {.params = params,
                    .dream = dream,
                    .ended = ended,
                    .context = context,
                    .runs = count * params->seeds};
    // Seed by seed: interrupted, it has compared all methods on the first seeds.
    for (c.seed = 1; c.seed <= params->seeds; c.seed++)
        for (size_t m = 0; m < count; m++) {
            c.run++;
            c.method = methods[m];
            RV_GOTO(one_run(model, target, &c, err));
        }
done:
    free(all);
    rmdir(params->runs); // only if it is empty
    return status;
}
