/* reverie autoencoder: train, judge and use a sentence autoencoder of a language model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* ---- train ----------------------------------------------------------------------------------- */

static void show_sample(void *context, const char *text, const char *back)
{
    (void)context;
    remark("  held out  %s\n  back      %s\n", text, back);
}

static void print_training(const rv_autoencoder_training *t, const char *output)
{
    for (size_t i = 0; i < t->points; i++) {
        const rv_autoencoder_point *p = &t->curve[i];
        if (i + 10 >= t->points)
            printf("step %6zu  loss %6.3f  held out %6.3f (sampled softmax %6.3f)  tokens "
                   "%5.1f %%  "
                   "texts %5.1f %%\n",
                   p->step, p->loss, p->full, p->sampled, 100 * p->accuracy, 100 * p->exact);
    }
    printf("%zu parameters, %zu windows of %zu tokens in all, %.0f s\n%s in %s\n",
           t->parameters, t->windows, t->tokens, t->seconds,
           t->complete ? "complete," : "stopped early; the same command goes on from what is",
           output);
}

typedef struct train_options {
    int64_t steps, stop, tokens, shortest, longest, batch, draws, width, heads, encoder_layers,
        layers, code, slot_tokens, judge_every, seed, threads;
    bool language_model, json;
} train_options;

static void apply(rv_autoencoder_train_params *p, const train_options *o)
{
    p->steps = (size_t)o->steps, p->stop = (size_t)o->stop, p->tokens = (size_t)o->tokens;
    p->shortest = (size_t)o->shortest, p->longest = (size_t)o->longest;
    p->batch = (size_t)o->batch, p->draws = (size_t)o->draws;
    p->width = (size_t)o->width, p->heads = (size_t)o->heads;
    p->encoder_layers = (size_t)o->encoder_layers, p->decoder_layers = (size_t)o->layers;
    p->code = (size_t)o->code, p->tokens_per_slot = (size_t)o->slot_tokens;
    p->judge_every = (size_t)o->judge_every, p->seed = (uint64_t)o->seed;
    p->threads = (int)o->threads, p->language_model = o->language_model;
}

static train_options options_of(const rv_autoencoder_train_params *p)
{
    return (train_options){.steps = (int64_t)p->steps,
                           .tokens = (int64_t)p->tokens,
                           .shortest = (int64_t)p->shortest,
                           .longest = (int64_t)p->longest,
                           .batch = (int64_t)p->batch,
                           .draws = (int64_t)p->draws,
                           .width = (int64_t)p->width,
                           .heads = (int64_t)p->heads,
                           .encoder_layers = (int64_t)p->encoder_layers,
                           .layers = (int64_t)p->decoder_layers,
                           .code = (int64_t)p->code,
                           .slot_tokens = (int64_t)p->tokens_per_slot,
                           .judge_every = (int64_t)p->judge_every,
                           .seed = (int64_t)p->seed,
                           .language_model = p->language_model};
}

/* Rows of the options that shape the networks, and those that say how they learn. */
#define SHAPE_ROWS(o)                                                                        \
    {"Shape", .kind = OPTION_GROUP}, {"shortest",     0,   OPTION_INTEGER,                   \
                                      &(o).shortest,  "N", "tokens of the shortest window",  \
                                      .most = 1 << 20},                                      \
        {"longest",      0, OPTION_INTEGER, &(o).longest, "N", "tokens of the longest",      \
         .most = 1 << 20},                                                                   \
        {"batch", 0, OPTION_INTEGER, &(o).batch, "N", "windows a step", .most = 1 << 20},    \
        {"draws",        0, OPTION_INTEGER, &(o).draws, "N", "tokens drawn for the softmax", \
         .most = 1 << 24},                                                                   \
        {"width",        0, OPTION_INTEGER, &(o).width, "N", "of encoder and decoder",       \
         .most = 1 << 20},                                                                   \
        {"heads",        0, OPTION_INTEGER, &(o).heads, "N", "attention heads of both",      \
         .most = 1 << 20},                                                                   \
        {"layers", 0, OPTION_INTEGER, &(o).layers, "N", "of the decoder", .most = 1 << 20},  \
        {"encoder-layers", 0, OPTION_INTEGER, &(o).encoder_layers, "N", "of the encoder",    \
         .most = 1 << 20},                                                                   \
        {"code", 0, OPTION_INTEGER, &(o).code, "N", "numbers of a slot", .most = 1 << 20},   \
    {                                                                                        \
        "slot-tokens", 0, OPTION_INTEGER, &(o).slot_tokens, "N", "tokens that share a slot", \
            .most = 1 << 20                                                                  \
    }
#define LEARNING_ROWS(p, o)                                                                   \
    {"Learning", .kind = OPTION_GROUP},                                                       \
        {"noise",    0,   OPTION_NUMBER,                                                      \
         &(p).noise, "S", "deviation added to the latent, whose own is 1",                    \
         .most = 1e6},                                                                        \
        {"corruption",    0,   OPTION_NUMBER,                                                 \
         &(p).corruption, "P", "share of tokens the encoder sees wrongly",                    \
         .most = 1},                                                                          \
        {"dropout",    0,   OPTION_NUMBER,                                                    \
         &(p).dropout, "P", "share of tokens hidden from the decoder",                        \
         .most = 1},                                                                          \
        {"replaced",                                                                          \
         0,                                                                                   \
         OPTION_NUMBER,                                                                       \
         &(p).replaced,                                                                       \
         "P",                                                                                 \
         "share of tokens that become any of the vocabulary, so that rare ones are learned",  \
         .most = 1},                                                                          \
        {"shuffled",                                                                          \
         0,                                                                                   \
         OPTION_NUMBER,                                                                       \
         &(p).shuffled,                                                                       \
         "P",                                                                                 \
         "share of texts that the encoder sees in another order than they are to be written " \
         "in, "                                                                               \
         "so that sentences only can be said",                                                \
         .most = 1},                                                                          \
        {"cycle",           0,   OPTION_NUMBER,                                               \
         &(p).cycle_weight, "X", "weight of |enc(dec(z)) - z|^2, every fiftieth step",        \
         .most = 1e6},                                                                        \
        {"site-weight",    0,   OPTION_NUMBER,                                                \
         &(p).site_weight, "X", "weight of the error at an inner site",                       \
         .most = 1e6},                                                                        \
        {"rate", 0, OPTION_NUMBER, &(p).rate, "R", "largest learning rate", .most = 1e3},     \
        {"language-model",    0,    OPTION_FLAG,                                              \
         &(o).language_model, NULL, "add what the model expects"},                            \
        {"judge-every",    0,   OPTION_INTEGER,                                               \
         &(o).judge_every, "N", "steps between points of the curve",                          \
         .most = 1e12},                                                                       \
    {                                                                                         \
        "seed", 's', OPTION_INTEGER, &(o).seed, "N", "of everything that is drawn"            \
    }

static int run_train(const command *self, int argc, char **argv)
{
    rv_autoencoder_train_params p = rv_autoencoder_train_params_default();
    train_options o = options_of(&p);
    string_list corpus = {.count = 0};
    const option options[] = {
        {"site", 0, OPTION_STRING, &p.site, "SITE",
         "what is encoded: embed (default) or blocks.L.hook_resid_pre"},
        {"corpus", 'c', OPTION_INPUTS, &corpus, "FILE",
         "text, one paragraph a line; may be repeated"},
        {"output", 'o', OPTION_OUTPUT, &p.output, "DIR", "folder for weights, state and curve",
         .written = RV_OUTPUT_FOLDER},
        {"Length of the training", .kind = OPTION_GROUP},
        {"steps", 0, OPTION_INTEGER, &o.steps, "N",
         "of the whole training; one that is complete goes on with more", .least = 1,
         .most = 1e12},
        {"minutes", 'm', OPTION_NUMBER, &p.minutes, "M",
         "stop after so long; the same command goes on (default: at the end)", .most = 1e9},
        {"stop", 0, OPTION_INTEGER, &o.stop, "N",
         "stop after step N; the same command goes on (default: at the end)", .most = 1e12},
        {"tokens", 0, OPTION_INTEGER, &o.tokens, "N",
         "of corpus windows, learned from again and again", .most = 1e12},
        SHAPE_ROWS(o),
        LEARNING_ROWS(p, o),
        {"Computing", .kind = OPTION_GROUP},
        THREADS_ROW(o.threads),
        {"Result", .kind = OPTION_GROUP},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "print JSON lines"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (!p.output) return fail_usage("--output is needed: a folder for the autoencoder");
    if (corpus.count == 0) return fail_usage("--corpus is needed: a file with text");
    apply(&p, &o);
    p.model = rest.items[0];
    p.corpus = corpus.items;
    p.corpus_count = corpus.count;
    p.progress = show_progress;
    p.sample = show_sample;
    rv_autoencoder_training training;
    rv_error err;
    if (rv_autoencoder_train(&training, &p, &err) != RV_OK) return fail(&err);
    end_progress();
    code = EXIT_OK;
    if (o.json) {
        char *lines;
        rv_status status = rv_autoencoder_training_json(&lines, &training, &err);
        code = print_object(status, lines, &err);
    } else {
        print_training(&training, p.output);
    }
    rv_autoencoder_training_release(&training);
    return code;
}

static const command command_autoencoder_train = {
    .name = "autoencoder train",
    .arguments = "MODEL --corpus FILE -o DIR [options]",
    .summary = "Train a sentence autoencoder for a language model",
    .help =
        "Windows of the corpus are encoded into a few noisy numbers, and written again from "
        "them\n"
        "by a small transformer whose word is added to what MODEL itself expects next: the\n"
        "numbers need only carry what a language model cannot know. What MODEL says about the\n"
        "windows is computed once and kept in DIR (2 bytes a number: 1.2 GB for a million "
        "tokens\n"
        "of a model of width 576). The state is saved every 45 seconds; the same command goes "
        "on,\n"
        "whatever stopped it. The same seed gives the same weights at any number of threads.\n"
        "\n"
        "  reverie autoencoder train smollm2-135m --corpus books.txt -o sentences\n"
        "  reverie autoencoder train smollm2-135m --corpus books.txt -o sentences --minutes "
        "30\n"
        "  reverie autoencoder train smollm2-135m --site blocks.12.hook_resid_pre \\\n"
        "      --corpus books.txt -o inner",
    .least = 1,
    .most = 1,
    .run = run_train,
};

/* Of a folder; `model`: where its language model is now, or NULL. */
static rv_status open_autoencoder(rv_autoencoder **ae, const char *folder, const char *model,
                                  const model_options *how, rv_error *err)
{
    rv_model_params params = model_params(how);
    rv_status status = rv_autoencoder_open(ae, folder, model, &params, err);
    if (status == RV_OK) end_progress();
    return status;
}

/* ---- eval ------------------------------------------------------------------------------------ */

static void print_card(const rv_autoencoder_card *c)
{
    static const char *const names[RV_CARD_TEXTS] = {"text", "shuffled", "random"};
    say("%s at %s, %zu parameters, %zu steps, decoder %s the language model\n", c->model,
        c->site, c->parameters, c->step, c->language_model ? "with" : "without");
    printf("a slot of %zu numbers for %zu tokens, noise %g: at most %.0f bits a slot\n",
           c->code, c->tokens_per_slot, c->noise, c->bits);
    say("judged on %zu texts of %s\n\n", c->texts, c->corpus);
    char noise[32];
    snprintf(noise, sizeof noise, "under noise %.2g", c->tried);
    printf("came back, %%        %16s%16s%16s\n", "as written", "corrected", noise);
    printf("%20s", "");
    for (size_t w = 0; w < RV_CARD_WRITINGS; w++) printf("%10s%6s", "tokens", "whole");
    putchar('\n');
    for (size_t k = 0; k < RV_CARD_TEXTS; k++)
        for (size_t i = 0; i < c->length_count; i++) {
            printf("  %-9s%2zu tokens", names[k], c->lengths[i]);
            for (size_t w = 0; w < RV_CARD_WRITINGS; w++)
                printf("%10.1f%6.1f", 100 * c->tokens[k][i][w], 100 * c->exact[k][i][w]);
            putchar('\n');
        }
    printf("\ncross-entropy under the model, nats a token, %zu tokens\n", c->length);
    printf("  text %.3f   shuffled %.3f   halfway between two texts %.3f\n"
           "  samples of the prior %.3f, encoded and written once more %.3f\n",
           c->real, c->shuffled, c->interpolated, c->prior, c->settled);
    printf("mean square of enc(dec(z)) - z: texts %.4f, samples of the prior %.4f\n", c->cycle,
           c->prior_cycle);
    printf("loss over the vocabulary %.4f, over sampled tokens %.4f\n", c->full, c->sampled);
    if (c->inner)
        printf(
            "residual stream: %.1f %% of the variance; the model's loss %.3f, with the written "
            "rows %.3f, with their mean %.3f\n",
            100 * c->explained, c->real, c->spliced, c->by_mean);
}

static int run_eval(const command *self, int argc, char **argv)
{
    const char *model = NULL;
    string_list corpus = {.count = 0};
    rv_evaluate_params params = rv_evaluate_params_default();
    int64_t texts = (int64_t)params.texts, seed = (int64_t)params.seed;
    model_options how = MODEL_OPTIONS_DEFAULT;
    bool json = false;
    const option options[] = {
        {"corpus", 'c', OPTION_INPUTS, &corpus, "FILE",
         "text that it was not trained on; may be repeated"},
        {"model", 0, OPTION_INPUT, &model, "MODEL",
         "where the model is now (default: where it was)"},
        {"texts", 'n', OPTION_INTEGER, &texts, "N", "of every kind and length", .least = 1,
         .most = 1e6},
        {"noise", 0, OPTION_NUMBER, &params.noise, "S",
         "deviation of the noise that the latents are tried under (default: the training's)",
         .most = 1e6},
        {"seed", 's', OPTION_INTEGER, &seed, "N", "of what is drawn"},
        MODEL_ROWS(how),
        {"Result", .kind = OPTION_GROUP},
        {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (corpus.count == 0)
        return fail_usage("--corpus is needed: text that it was not trained on");
    rv_autoencoder *ae;
    rv_autoencoder_card card;
    rv_error err;
    if (open_autoencoder(&ae, rest.items[0], model, &how, &err) != RV_OK) return fail(&err);
    params.corpus = corpus.items, params.corpus_count = corpus.count;
    params.texts = (size_t)texts, params.seed = (uint64_t)seed;
    params.progress = show_progress;
    rv_status status = rv_autoencoder_evaluate(&card, ae, &params, &err);
    rv_autoencoder_close(ae);
    if (status != RV_OK) return fail(&err);
    end_progress();
    if (!json) {
        print_card(&card);
        return EXIT_OK;
    }
    char *object = NULL;
    status = rv_autoencoder_card_json(&object, &card, &err);
    return print_object(status, object, &err);
}

static const command command_autoencoder_eval = {
    .name = "autoencoder eval",
    .arguments = "DIR --corpus FILE [options]",
    .summary = "What an autoencoder can say, and what not: its card",
    .help =
        "How much of unseen text comes back, token by token and whole: as the decoder writes "
        "it,\n"
        "corrected by exchanging tokens while the text's own latent comes nearer to the one "
        "given,\n"
        "and under the noise of training. The same for shuffled text and random tokens, which\n"
        "should not come back: what can copy anything confines nothing. How likely texts "
        "halfway between two others\n"
        "and texts from random numbers are under the model, beside real text. For an inner "
        "layer,\n"
        "the fraction of the residual stream's variance that is written again, and the "
        "model's\n"
        "loss when it runs on from there.\n"
        "\n"
        "DIR is what training wrote, or a model that an autoencoder comes with this program "
        "for.\n"
        "\n"
        "  reverie autoencoder eval sentences --corpus unseen.txt\n"
        "  reverie autoencoder eval smollm2-135m --corpus unseen.txt",
    .least = 1,
    .most = 1,
    .run = run_eval,
};

/* ---- reconstruct ----------------------------------------------------------------------------- */

static int show_reconstruction(rv_autoencoder *ae, const char *text, size_t length,
                               const rv_reconstruct_params *params, bool json)
{
    rv_reconstruction r;
    rv_error err;
    if (rv_autoencoder_reconstruct(&r, ae, text, length, params, &err) != RV_OK)
        return fail(&err);
    int code = EXIT_OK;
    if (json) {
        char *object = NULL;
        rv_status status = rv_reconstruction_json(&object, &r, &err);
        code = print_object(status, object, &err);
    } else {
        put_text(r.text, r.length, false);
        printf("\n  %zu of %zu tokens, %zu corrected; %zu slots, %zu numbers; cycle %.4f; %.2f "
               "nats "
               "a token, was %.2f\n",
               r.same, r.tokens, r.corrected, r.slots, r.numbers, r.cycle, r.back_cross_entropy,
               r.cross_entropy);
    }
    rv_reconstruction_release(&r);
    return code;
}

static int run_reconstruct(const command *self, int argc, char **argv)
{
    const char *model = NULL, *text = NULL, *file = NULL;
    rv_reconstruct_params params = rv_reconstruct_params_default();
    int64_t seed = (int64_t)params.seed;
    model_options how = MODEL_OPTIONS_DEFAULT;
    bool json = false;
    const option options[] = {
        TEXT_ROWS(text, file),
        {"noise", 0, OPTION_NUMBER, &params.noise, "S", "deviation added to the latent",
         .most = 1e6},
        {"seed", 's', OPTION_INTEGER, &seed, "N", "seed of the noise"},
        {"model", 0, OPTION_INPUT, &model, "MODEL",
         "where the model is now (default: where it was)"},
        MODEL_ROWS(how),
        {"Result", .kind = OPTION_GROUP},
        {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object a text"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (rest.count > 1 && (text || file)) return fail_usage("give texts, or --text, or --file");
    size_t length = 0;
    char *read = NULL;
    code = rest.count > 1 ? -1 : read_text(&read, &length, text, file);
    if (code >= 0) return code;
    rv_autoencoder *ae;
    rv_error err;
    params.seed = (uint64_t)seed;
    code = EXIT_OK;
    if (open_autoencoder(&ae, rest.items[0], model, &how, &err) != RV_OK) code = fail(&err);
    if (code == EXIT_OK && read) code = show_reconstruction(ae, read, length, &params, json);
    for (size_t i = 1; i < rest.count && code == EXIT_OK; i++)
        code = show_reconstruction(ae, rest.items[i], strlen(rest.items[i]), &params, json);
    rv_autoencoder_close(ae);
    free(read);
    return code;
}

static const command command_autoencoder_reconstruct = {
    .name = "autoencoder reconstruct",
    .arguments = "DIR [TEXT...] [options]",
    .summary = "Write texts again from their latents",
    .help =
        "A text begins as it would stand after the beginning of a document; a leading space "
        "is\n"
        "part of it.\n"
        "\n"
        "  reverie autoencoder reconstruct smollm2-135m \"The cat sat on the mat.\" --noise "
        "0.5",
    .least = 1,
    .most = LIST_MAX,
    .run = run_reconstruct,
};

/* ---- interpolate ----------------------------------------------------------------------------- */

static int run_interpolate(const command *self, int argc, char **argv)
{
    const char *model = NULL;
    int64_t steps = 7;
    model_options how = MODEL_OPTIONS_DEFAULT;
    bool json = false;
    const option options[] = {{"steps", 'n', OPTION_INTEGER, &steps, "N",
                               "texts, both ends included", .least = 2, .most = 1e6},
                              {"model", 0, OPTION_INPUT, &model, "MODEL",
                               "where the model is now (default: where it was)"},
                              MODEL_ROWS(how),
                              {"Result", .kind = OPTION_GROUP},
                              {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object"},
                              {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    rv_autoencoder *ae;
    rv_interpolation p;
    rv_error err;
    if (open_autoencoder(&ae, rest.items[0], model, &how, &err) != RV_OK) return fail(&err);
    rv_status status =
        rv_autoencoder_interpolate(&p, ae, rest.items[1], strlen(rest.items[1]), rest.items[2],
                                   strlen(rest.items[2]), (size_t)steps, &err);
    rv_autoencoder_close(ae);
    if (status != RV_OK) return fail(&err);
    if (json) {
        char *object = NULL;
        status = rv_interpolation_json(&object, &p, &err);
        code = print_object(status, object, &err);
    } else {
        code = EXIT_OK;
        for (size_t i = 0; i < p.count; i++) {
            printf("%.2f  %5.2f nats  ", p.items[i].at, p.items[i].cross_entropy);
            put_text(p.items[i].text, p.items[i].length, false);
            putchar('\n');
        }
    }
    rv_interpolation_release(&p);
    return code;
}

static const command command_autoencoder_interpolate = {
    .name = "autoencoder interpolate",
    .arguments = "DIR TEXT TEXT [options]",
    .summary = "Texts on the way from one to another",
    .help = "The longer text is cut to as many tokens as the shorter one has.\n"
            "\n"
            "  reverie autoencoder interpolate smollm2-135m \"The dog ran to the sea.\" \\\n"
            "      \"She was reading a book.\"",
    .least = 3,
    .most = 3,
    .run = run_interpolate,
};

/* ---- all ------------------------------------------------------------------------------------- */

static const command *const parts[] = {&command_autoencoder_train, &command_autoencoder_eval,
                                       &command_autoencoder_reconstruct,
                                       &command_autoencoder_interpolate, NULL};

const command command_autoencoder = {
    .name = "autoencoder",
    .arguments = "train|eval|reconstruct|interpolate ...",
    .summary = "A sentence autoencoder: what a latent dream is confined to",
    .help = "  train         train one for a language model\n"
            "  eval          what it can say, and what not\n"
            "  reconstruct   write texts again from their latents\n"
            "  interpolate   texts on the way from one to another\n"
            "\n"
            "Example:\n"
            "  reverie autoencoder train smollm2-135m --corpus books.txt -o sentences\n"
            "`reverie autoencoder train --help` and the like tell more.",
    .least = 1,
    .most = LIST_MAX,
    .run = run_part,
    .parts = parts,
};
