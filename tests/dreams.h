/* Dreams of a tiny model through the public interface, for tests: the model, its corpus and a text autoencoder of it,
 * and what two runs are compared by. */
#ifndef TESTS_DREAMS_H
#define TESTS_DREAMS_H

#include "tiny_model.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUDGET = 9000 };

static rv_model *model;
static const char *corpus[1];
static char autoencoder[128]; // its folder

static rv_dream_params usual(const char *output)
{
    rv_dream_params p = rv_dream_params_default();
    p.budget = BUDGET;
    p.least = p.most = 5;
    p.corpus = corpus, p.corpus_count = 1;
    p.output = output;
    return p;
}

/* As `usual`, with a text autoencoder for the methods that need one. */
static inline rv_dream_params usual_by(const char *method)
{
    rv_dream_params p = usual(NULL);
    p.method = method;
    if (strcmp(method, "latent") == 0 || strcmp(method, "evolve") == 0)
        p.autoencoder = autoencoder;
    return p;
}

/* ---- what is compared ------------------------------------------------------------------------- */

/* The records without what may differ between two runs of the same dream: times and threads. */
static char *timeless(const char *records, size_t length)
{
    rv_text out = {0};
    for (const char *line = records, *end = records + length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        assert_non_null(newline);
        json_t *record = json_loadb(line, (size_t)(newline - line), JSON_ALLOW_NUL, NULL);
        assert_non_null(record);
        json_object_del(record, "seconds");
        json_object_del(record, "started");
        json_object_del(record, "threads");
        char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(17));
        rv_text_puts(&out, text);
        rv_text_putc(&out, '\n');
        free(text);
        json_decref(record);
        line = newline + 1;
    }
    return rv_text_take(&out);
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part))) n++, text++;
    return n;
}

static char *dream_with(rv_model *m, const char *target, const rv_dream_params *p)
{
    char *text;
    rv_dreams dreams;
    rv_error err;
    if (rv_dream(&dreams, m, target, p, &err) != RV_OK) fail_msg("%s", err.message);
    text = timeless(dreams.records, dreams.length);
    rv_dreams_release(&dreams);
    return text;
}

static int set_up(void **state)
{
    if (tiny_make(state) != 0) return -1;
    corpus[0] = strdup(tiny_path("corpus.txt"));
    model = tiny_open(1);
    snprintf(autoencoder, sizeof autoencoder, "%s/autoencoder", tiny_folder);
    rv_autoencoder_train_params p = rv_autoencoder_train_params_default();
    p.model = tiny_folder, p.corpus = corpus, p.corpus_count = 1, p.output = autoencoder;
    p.steps = 30, p.tokens = 2000, p.batch = 8, p.draws = 32, p.longest = 8, p.width = 16;
    p.heads = 2, p.encoder_layers = 1, p.decoder_layers = 2, p.code = 8, p.threads = 1;
    rv_autoencoder_training training;
    rv_error err;
    if (rv_autoencoder_train(&training, &p, &err) != RV_OK) return -1;
    rv_autoencoder_training_release(&training);
    return 0;
}

static int tear_down(void **state)
{
    rv_model_close(model);
    free((char *)corpus[0]);
    return tiny_remove(state);
}

#endif
