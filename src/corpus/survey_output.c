#include "corpus/survey_state.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "subject/subject.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/output.h"
#include "base/memory.h"
#include "base/json.h"

rv_survey_params rv_survey_params_default(void)
{
    return (rv_survey_params){.size = sizeof(rv_survey_params), .top = 20, .peaks = 20};
}

void rv_survey_summary_release(rv_survey_summary *summary)
{
    free(summary->peaks);
    *summary = (rv_survey_summary){0};
}

rv_status rv_survey_summary_json(char **out, const rv_survey_summary *s, rv_error *err)
{
    json_t *peaks = json_array();
    for (size_t i = 0; i < s->peak_count; i++) {
        const rv_survey_peak *k = &s->peaks[i];
        char target[48];
        snprintf(target, sizeof target, "L%llu.N%llu", (unsigned long long)k->layer,
                 (unsigned long long)k->neuron);
        json_array_append_new(peaks, json_pack("{s:s, s:f, s:f, s:s, s:I}", "target", target,
                                               "g", k->g, "value", k->value, "file", k->file,
                                               "offset", (json_int_t)k->offset));
    }
    return rv_json_result(
        out,
        json_pack("{s:I, s:I, s:I, s:I, s:s, s:f, s:o}", "layers", (json_int_t)s->layers,
                  "neurons", (json_int_t)s->neurons, "tokens", (json_int_t)s->tokens,
                  "positions", (json_int_t)s->positions, "numbers",
                  s->narrow ? "bf16" : "float32", "seconds", s->seconds, "peaks", peaks),
        err);
}

static void put_places(rv_text *out, const char *name, const rv_place *places, size_t count)
{
    rv_text_printf(out, ", \"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        rv_text_printf(out, "%s[%.9g, %u, %llu]", i ? ", " : "", (double)places[i].f,
                       places[i].file, (unsigned long long)places[i].offset);
    rv_text_puts(out, "]");
}

static rv_status put_head(rv_text *out, const rv_model *model, const rv_survey *s,
                          const rv_survey_params *p, const rv_corpus_options *o, rv_error *err)
{
    json_t *files = json_array();
    for (size_t i = 0; i < p->corpus_count; i++) {
        const char *slash = strrchr(p->corpus[i], '/');
        json_array_append_new(files, json_string(slash ? slash + 1 : p->corpus[i]));
    }
    json_t *root = json_pack(
        "{s:s, s:i, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:s}", "type",
        "survey", "schema", 1, "version", RV_VERSION_STRING, "model", model->name, "hash",
        model->hash, "files", files, "tokens", (json_int_t)s->tokens, "positions",
        (json_int_t)s->positions, "window", (json_int_t)o->window, "skip", (json_int_t)o->skip,
        "bos", (int)o->bos, "layers", (json_int_t)s->layers, "neurons", (json_int_t)s->neurons,
        "numbers", o->narrow ? "bf16" : "float32");
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!line) return rv_fail_memory(err, 4096);
    rv_text_printf(out, "%s\n", line);
    free(line);
    return RV_OK;
}

/* What decides the numbers of a survey, beside the text itself. */
static const char *const same[] = {"hash", "files", "window", "skip", "bos", "numbers"};

/* A survey that is there already is replaced by another answer to the same question alone. */
static rv_status check_earlier(const rv_model *model, const rv_survey_params *p,
                               const rv_corpus_options *o, rv_error *err)
{
    if (p->force || !rv_file_exists(p->output)) return RV_OK;
    RV_TRY(rv_output_replaceable(p->output, RV_OUTPUT_SURVEY, err));
    rv_text head = {0};
    rv_survey none = {0};
    rv_mapping file;
    rv_status status = put_head(&head, model, &none, p, o, err);
    if (status == RV_OK) status = rv_map_file(&file, p->output, err);
    if (status == RV_OK) {
        const char *end = file.length ? memchr(file.bytes, '\n', file.length) : NULL;
        json_t *was = end ? json_loadb((const char *)file.bytes,
                                       (size_t)(end - (const char *)file.bytes), 0, NULL)
                          : NULL,
               *is = json_loadb(head.bytes, head.length, 0, NULL);
        for (size_t i = 0; status == RV_OK && was && i < sizeof same / sizeof same[0]; i++)
            if (!json_equal(json_object_get(was, same[i]), json_object_get(is, same[i])))
                status = rv_fail(err, RV_ERR_USAGE,
                                 "%s: holds a survey with another \"%s\"; name another file "
                                 "(--force replaces it)",
                                 p->output, same[i]);
        json_decref(was);
        json_decref(is);
        rv_unmap(&file);
    }
    rv_text_release(&head);
    return status;
}

/* Every neuron in a line. */
static rv_status write_survey(const rv_model *model, const rv_survey *s,
                              const rv_survey_params *p, const rv_corpus_options *o,
                              rv_error *err)
{
    rv_text out = {0};
    rv_status status = put_head(&out, model, s, p, o, err);
    for (size_t l = 0; status == RV_OK && l < s->layers; l++)
        for (size_t n = 0; n < s->neurons; n++) {
            rv_text_printf(&out,
                           "{\"type\": \"neuron\", \"target\": \"L%zu.N%zu\", \"mean\": %.9g, "
                           "\"deviation\": %.9g",
                           l, n, s->mean[l * s->neurons + n], s->deviation[l * s->neurons + n]);
            put_places(&out, "high", rv_survey_high(s, l, n), s->kept);
            put_places(&out, "low", rv_survey_low(s, l, n), s->kept);
            rv_text_puts(&out, "}\n");
        }
    if (status == RV_OK && out.failed) status = rv_fail_memory(err, out.length);
    if (status == RV_OK) status = rv_output_write(p->output, out.bytes, out.length, err);
    rv_text_release(&out);
    return status;
}

static int by_height(const void *a, const void *b)
{
    const rv_survey_peak *x = a, *y = b;
    if (fabs(x->g) != fabs(y->g)) return fabs(x->g) < fabs(y->g) ? 1 : -1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

/* The end of a neuron that lies further from its mean. */
static rv_survey_peak peak_of(const rv_survey *s, size_t l, size_t n, const rv_survey_params *p)
{
    const rv_place *high = rv_survey_high(s, l, n), *low = rv_survey_low(s, l, n);
    double mean = s->mean[l * s->neurons + n], deviation = s->deviation[l * s->neurons + n];
    const rv_place *x = (double)high->f - mean >= mean - (double)low->f ? high : low;
    return (rv_survey_peak){.layer = l,
                            .neuron = n,
                            .g = deviation > 0 ? ((double)x->f - mean) / deviation : 0,
                            .value = (double)x->f,
                            .file = p->corpus[x->file],
                            .offset = x->offset};
}

static rv_status summarise(rv_survey_summary *out, const rv_survey *s,
                           const rv_survey_params *p, bool narrow, double seconds,
                           rv_error *err)
{
    size_t all = s->layers * s->neurons;
    *out = (rv_survey_summary){.layers = s->layers,
                               .neurons = s->neurons,
                               .tokens = s->tokens,
                               .positions = s->positions,
                               .narrow = narrow,
                               .seconds = seconds};
    RV_TRY(RV_NEW(out->peaks, all, err));
    for (size_t i = 0; i < all; i++)
        out->peaks[i] = peak_of(s, i / s->neurons, i % s->neurons, p);
    qsort(out->peaks, all, sizeof *out->peaks, by_height);
    out->peak_count = p->peaks < all ? p->peaks : all;
    return RV_OK;
}

/* Where an interrupted survey of this question is kept, beside an output that is a file; the corpus too. */
static rv_status name_state(rv_survey_state *state, rv_model *model, const rv_survey_params *p,
                            const rv_corpus_options *o, rv_error *err)
{
    struct stat info;
    rv_text question = {0}, path = {0};
    if (stat(p->output, &info) == 0 && !S_ISREG(info.st_mode)) return RV_OK;
    for (size_t i = 0; i < p->corpus_count; i++) // a pipe cannot be read again
        if (stat(p->corpus[i], &info) != 0 || !S_ISREG(info.st_mode)) return RV_OK;
    rv_hash *hash = NULL;
    rv_status status = rv_corpus_identify(state->identity, state->corpus, rv_model_store(model),
                                          p->progress, p->progress_context, err);
    if (status == RV_OK) status = rv_model_question(&question, model, err);
    if (status == RV_OK) status = rv_hash_new(&hash, RV_SHA256, err);
    if (status != RV_OK) goto done;
    rv_text_printf(&question, " tokens=%llu window=%zu skip=%zu top=%zu bos=%d narrow=%d in",
                   (unsigned long long)o->tokens, o->window, o->skip, o->top, (int)o->bos,
                   o->narrow);
    rv_text_puts(&question, state->identity->digests);
    rv_text_printf(&path, "%s.state", p->output);
    if (question.failed || path.failed) RV_GOTO(rv_fail_memory(err, question.length));
    rv_hash_add(hash, question.bytes, question.length);
    rv_hash_finish(hash, state->question);
    state->kernels = model->transformer->kernels->name;
    state->path = rv_text_take(&path);
    if (!state->path) status = rv_fail_memory(err, 1);
done:
    rv_hash_free(hash);
    rv_text_release(&question);
    rv_text_release(&path);
    return status;
}

rv_status rv_survey_run(rv_survey_summary *out, rv_model *model, const rv_survey_params *p,
                        double every, rv_error *err)
{
    *out = (rv_survey_summary){0};
    if (p->corpus_count == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "corpus: expected at least one text file, found none");
    rv_corpus corpus = {p->corpus, p->corpus_count};
    rv_corpus_options options = rv_corpus_options_default();
    options.tokens = p->corpus_tokens;
    options.window = rv_corpus_window(&model->transformer->config);
    options.top = p->top;
    options.narrow = p->fast && model->transformer->kernels->narrow;
    options.threads = model->threads;
    options.progress = p->progress;
    options.progress_context = p->progress_context;
    const char *why;
    rv_dream_bos(&options.bos, &why, model);
    RV_TRY(rv_model_hash(model, err));
    if (p->output) RV_TRY(rv_output_reachable(p->output, false, err));
    if (p->output) RV_TRY(check_earlier(model, p, &options, err));
    if (options.narrow) RV_TRY(rv_transformer_narrow(model->transformer, err));
    rv_corpus_identity identity = {0};
    rv_survey_state state = {
        .force = p->force, .every = every, .corpus = &corpus, .identity = &identity};
    rv_survey *survey = NULL;
    double began = 0;
    rv_status status = RV_OK;
    if (p->output) status = name_state(&state, model, p, &options, err);
    if (status == RV_OK) {
        began = rv_seconds();
        status = rv_survey_new(&survey, &corpus, model->transformer, model->tokenizer, &options,
                               &state, err);
    }
    double seconds = rv_seconds() - began;
    if (status == RV_OK && p->output) status = write_survey(model, survey, p, &options, err);
    if (status == RV_OK) rv_survey_state_remove(&state);
    if (status == RV_OK) status = summarise(out, survey, p, options.narrow, seconds, err);
    rv_survey_free(survey);
    rv_corpus_identity_release(&identity);
    free(state.path);
    return status;
}
